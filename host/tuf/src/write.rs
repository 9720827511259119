//! The city's side: roots, issues, and the timestamp in between. What a node would refuse is not written.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sigstore_tuf::{Root, TrustedMetadataSet};
use vaern_trust::{Digest, PublicKey, SigningKeyPair, UpdateError};

use crate::error::{TufError, refused};
use crate::form::{MOST, MOST_TIMESTAMP, envelope, key_id, key_value, must_read, read, sound, target_file};
use crate::read::newest_root;
use crate::{METADATA, check};

/// The version of the specification that is written.
const SPEC: &str = "1.0.31";

/// Who signs for one of the four roles.
#[derive(Debug, Clone)]
pub struct RoleRule {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// How many of them it takes, from 1.
    pub threshold: u16,
}

/// What a root says.
#[derive(Debug, Clone)]
pub struct RootSpec {
    /// First moment at which it says nothing any more. Fractions of a second are cut off.
    pub expires: Timestamp,
    /// Who may write the next root: keys that are kept offline.
    pub root: RoleRule,
    /// Who says what the files are: keys that are kept offline.
    pub targets: RoleRule,
    /// Who says which list of files is in force.
    pub snapshot: RoleRule,
    /// Who says that all this is still so.
    pub timestamp: RoleRule,
}

/// How long an issue holds. Fractions of a second are cut off.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// First moment at which the list of files says nothing any more.
    pub targets: Timestamp,
    /// The same for the snapshot.
    pub snapshot: Timestamp,
    /// The same for the timestamp.
    pub timestamp: Timestamp,
}

/// The numbers of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Of the root in force.
    pub root: u64,
    /// Of the list of files.
    pub targets: u64,
    /// Of the snapshot.
    pub snapshot: u64,
    /// Of the timestamp.
    pub timestamp: u64,
}

/// Writes the first root of a repository, or the next one where there is one. The next is signed by the keys before and after.
///
/// # Errors
/// [`TufError::Refused`] where the signatures of `pairs` do not reach the thresholds, where a key stands twice, or where the next root takes fewer
/// root keys than the one before; nothing is written then.
pub fn write_root(dir: &Dir, spec: &RootSpec, pairs: &[&SigningKeyPair]) -> Result<u64, TufError> {
    check::install();
    dir.create_dir_all(METADATA).map_err(io(METADATA))?;
    let before = match read(dir, &format!("{METADATA}/1.root.json"), MOST)? {
        Some(first) => Some(newest_root(dir, &first)?.0),
        None => None,
    };
    let version = before.as_ref().map_or(1, |set| set.root().version.saturating_add(1));
    let mut keys = Map::new();
    let mut roles = Map::new();
    let mut ids = Vec::new();
    let rules = [
        ("root", &spec.root),
        ("targets", &spec.targets),
        ("snapshot", &spec.snapshot),
        ("timestamp", &spec.timestamp),
    ];
    for (role, rule) in rules {
        let mut of_role = Vec::new();
        for key in &rule.keys {
            let id = key_id(key)?;
            keys.insert(id.clone(), key_value(key));
            of_role.push(id);
        }
        of_role.sort_unstable();
        of_role.dedup();
        if role == "root" {
            ids.clone_from(&of_role);
        }
        roles.insert(role.to_owned(), json!({ "keyids": of_role, "threshold": rule.threshold }));
    }
    ids.extend(before.iter().flat_map(|set| set.root().role("root")).flat_map(|role| role.keyids.clone()));
    let signed = json!({
        "_type": "root",
        "spec_version": SPEC,
        "version": version,
        "expires": whole(spec.expires),
        "consistent_snapshot": true,
        "keys": keys,
        "roles": roles,
    });
    let bytes = envelope(&signed, pairs, &ids)?;
    let set = match before {
        Some(mut set) => {
            let before = set.root().clone();
            set.update_root(&bytes).map_err(refused)?;
            sound(set.root(), Some(&before))?;
            set
        }
        None => TrustedMetadataSet::from_root(&bytes).map_err(refused)?,
    };
    sound(set.root(), None)?;
    write(dir, &format!("{METADATA}/{version}.root.json"), &bytes)?;
    Ok(version)
}

/// Publishes `files` (names and bytes) as the whole list of what there is.
///
/// # Errors
/// [`TufError::Refused`] where the signatures of `pairs` do not reach the thresholds of the root in force, or an end lies before `now`; nothing that a
/// client would look at is written then.
pub fn publish(
    dir: &Dir,
    files: &BTreeMap<String, Vec<u8>>,
    ends: Ends,
    pairs: &[&SigningKeyPair],
    now: Timestamp,
) -> Result<Published, TufError> {
    let mut set = city_root(dir)?;
    let numbers = Numbers::of(dir)?;
    let mut listed = Map::new();
    for (name, bytes) in files {
        let said = json!({ "length": bytes.len(), "hashes": { "sha256": Digest::of(bytes).hex() } });
        listed.insert(name.clone(), said);
    }
    let version = numbers.targets.saturating_add(1);
    let targets = json!({
        "_type": "targets",
        "spec_version": SPEC,
        "version": version,
        "expires": whole(ends.targets),
        "targets": listed,
    });
    let targets = envelope(&targets, pairs, &ids(set.root(), "targets"))?;
    let pins = Map::from_iter([("targets.json".to_owned(), pin(version, &targets))]);
    let snapshot_version = numbers.snapshot.saturating_add(1);
    let snapshot = json!({
        "_type": "snapshot",
        "spec_version": SPEC,
        "version": snapshot_version,
        "expires": whole(ends.snapshot),
        "meta": pins,
    });
    let snapshot = envelope(&snapshot, pairs, &ids(set.root(), "snapshot"))?;
    let timestamp_version = numbers.timestamp.saturating_add(1);
    let stamp = timestamp(set.root(), timestamp_version, ends.timestamp, pin(snapshot_version, &snapshot), pairs)?;
    // As a node would.
    set.check_root_expired(now).map_err(refused)?;
    set.update_timestamp(&stamp, now).map_err(refused)?;
    set.update_snapshot(&snapshot, now).map_err(refused)?;
    set.update_targets(&targets, now).map_err(refused)?;
    for (name, bytes) in files {
        write(dir, &target_file(name, &Digest::of(bytes).hex()), bytes)?;
    }
    write(dir, &format!("{METADATA}/{version}.targets.json"), &targets)?;
    write(dir, &format!("{METADATA}/{snapshot_version}.snapshot.json"), &snapshot)?;
    // Last: until it is there, a client sees the issue before, whole.
    write(dir, &format!("{METADATA}/timestamp.json"), &stamp)?;
    Ok(Published {
        root: set.root().version,
        targets: version,
        snapshot: snapshot_version,
        timestamp: timestamp_version,
    })
}

/// Says anew that the issue in force is still so, until `ends`: what the one key that is online does each day.
///
/// # Errors
/// As [`publish`]; [`TufError::State`] where nothing was published yet.
pub fn refresh(dir: &Dir, ends: Timestamp, pairs: &[&SigningKeyPair], now: Timestamp) -> Result<u64, TufError> {
    let mut set = city_root(dir)?;
    let numbers = Numbers::of(dir)?;
    if numbers.snapshot == 0 {
        return Err(TufError::State("nothing was published yet"));
    }
    let snapshot = must_read(dir, &format!("{METADATA}/{}.snapshot.json", numbers.snapshot), MOST)?;
    let version = numbers.timestamp.saturating_add(1);
    let stamp = timestamp(set.root(), version, ends, pin(numbers.snapshot, &snapshot), pairs)?;
    set.update_timestamp(&stamp, now).map_err(refused)?;
    set.update_snapshot(&snapshot, now).map_err(refused)?;
    write(dir, &format!("{METADATA}/timestamp.json"), &stamp)?;
    Ok(version)
}

fn timestamp(
    root: &Root,
    version: u64,
    ends: Timestamp,
    snapshot: Value,
    pairs: &[&SigningKeyPair],
) -> Result<Vec<u8>, UpdateError> {
    let signed = json!({
        "_type": "timestamp",
        "spec_version": SPEC,
        "version": version,
        "expires": whole(ends),
        "meta": { "snapshot.json": snapshot },
    });
    envelope(&signed, pairs, &ids(root, "timestamp"))
}

/// The newest root of the city's own repository.
fn city_root(dir: &Dir) -> Result<TrustedMetadataSet, TufError> {
    let first = read(dir, &format!("{METADATA}/1.root.json"), MOST)?;
    Ok(newest_root(dir, &first.ok_or(TufError::State("the repository has no root yet"))?)?.0)
}

/// The numbers of the issue in force. They are the city's own and are not believed for anything but to count on: after a rotation the keys that
/// signed them are gone.
struct Numbers {
    timestamp: u64,
    snapshot: u64,
    targets: u64,
}

impl Numbers {
    fn of(dir: &Dir) -> Result<Self, TufError> {
        let number = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_u64).unwrap_or(0);
        let parsed = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).map_err(|e| refused(e.into()));
        let Some(stamp) = read(dir, &format!("{METADATA}/timestamp.json"), MOST_TIMESTAMP)? else {
            return Ok(Self { timestamp: 0, snapshot: 0, targets: 0 });
        };
        let stamp = parsed(stamp)?;
        let snapshot = number(&stamp, "/signed/meta/snapshot.json/version");
        let listed = parsed(must_read(dir, &format!("{METADATA}/{snapshot}.snapshot.json"), MOST)?)?;
        let targets = number(&listed, "/signed/meta/targets.json/version");
        Ok(Self { timestamp: number(&stamp, "/signed/version"), snapshot, targets })
    }
}

fn ids(root: &Root, role: &str) -> Vec<String> {
    root.role(role).map(|role| role.keyids.clone()).unwrap_or_default()
}

fn pin(version: u64, bytes: &[u8]) -> Value {
    json!({ "version": version, "length": bytes.len(), "hashes": { "sha256": Digest::of(bytes).hex() } })
}

/// A moment in whole seconds: other readers know no finer time (UPD-19).
fn whole(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

fn io(file: &str) -> impl FnOnce(std::io::Error) -> TufError {
    let file = file.to_owned();
    move |source| TufError::Io { file, source }
}

/// Whole and synced, or not at all.
fn write(dir: &Dir, file: &str, bytes: &[u8]) -> Result<(), TufError> {
    use std::io::Write as _;
    let (folder, name) = file.rsplit_once('/').unwrap_or((".", file));
    let done = || -> std::io::Result<()> {
        dir.create_dir_all(folder)?;
        let folder = dir.open_dir(folder)?;
        let mut temp = cap_tempfile::TempFile::new(&folder)?;
        temp.write_all(bytes)?;
        temp.as_file().sync_all()?;
        temp.replace(name)?;
        folder.open(".")?.sync_all()
    };
    done().map_err(io(file))
}
