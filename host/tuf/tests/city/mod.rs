//! A city with a repository, and a node that follows it, for tests.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::collections::BTreeMap;

use cap_tempfile::TempDir;
use jiff::{SignedDuration, Timestamp};
use vaern_door::Name;
use vaern_trust::{
    Authority, CHANNEL_FILE, ChannelFile, ChannelSource as _, Current, DEFAULT_MAX_STALE, Offered, REVOCATIONS_FILE,
    Revocations, Role, SigningKeyPair, State, TrustRoot, UpdateError, sign_file,
};
use vaern_tuf::{Ends, Published, RoleRule, RootSpec, TufError, TufFiles, publish, write_root};

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn key(seed: u8) -> SigningKeyPair {
    SigningKeyPair::from_seed(&[seed; 32])
}

/// Who signs channels. The keys of the metadata are others: 1 to 3 of the root, 4 of targets, 5 of snapshot, 6 of timestamp.
pub fn drift() -> SigningKeyPair {
    key(20)
}

pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub fn days(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

pub fn trust() -> TrustRoot {
    let (drift, root) = (drift().public(), key(21).public());
    TrustRoot::from_toml(&format!(
        "approval = {{ threshold = 1 }}\nroles = [{{ role = \"drift\", name = \"drift\", key = \"{drift}\" }}]\n\
         [root]\nthreshold = 1\nkeys = [{{ name = \"root-1\", key = \"{root}\" }}]\n"
    ))
    .unwrap()
}

pub fn channel(sequence: u64) -> ChannelFile {
    ChannelFile {
        channel: name("drift"),
        sequence,
        issued: now() - SignedDuration::from_hours(12),
        expires: days(60),
        revocations: 0,
        releases: vec![],
        minimum: vec![],
        hosts: vec![],
        assigned: false,
    }
}

pub fn files(sequence: u64) -> BTreeMap<String, Vec<u8>> {
    let signed = sign_file(&channel(sequence), &trust(), Authority::Channel, &[&drift()]).unwrap();
    let list = Revocations { sequence, issued: now() - SignedDuration::from_hours(12), revoked: vec![] };
    let list = sign_file(&list, &trust(), Authority::Revocation, &[&drift()]).unwrap();
    [(CHANNEL_FILE.to_owned(), signed), (REVOCATIONS_FILE.to_owned(), list)].into()
}

fn rule(keys: &[u8], threshold: u16) -> RoleRule {
    RoleRule { keys: keys.iter().map(|seed| key(*seed).public()).collect(), threshold }
}

/// Two of three root keys, and the three keys of the other roles.
pub fn spec(root: &[u8], others: [u8; 3]) -> RootSpec {
    let [targets, snapshot, timestamp] = others;
    RootSpec {
        expires: days(365),
        root: rule(root, 2),
        targets: rule(&[targets], 1),
        snapshot: rule(&[snapshot], 1),
        timestamp: rule(&[timestamp], 1),
    }
}

pub fn ends() -> Ends {
    Ends { targets: days(90), snapshot: days(30), timestamp: days(7) }
}

pub fn room() -> TempDir {
    cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap()
}

/// A repository, the root that the node has pinned, and the node's state.
pub struct City {
    pub repository: TempDir,
    pub state: TempDir,
    pub pinned: Vec<u8>,
}

impl City {
    /// A repository with its first root and issue `sequence`, and nobody who follows it yet.
    pub fn with(sequence: u64) -> Self {
        let repository = room();
        write_root(&repository, &spec(&[1, 2, 3], [4, 5, 6]), &[&key(1), &key(2)]).unwrap();
        let pinned = repository.read("metadata/1.root.json").unwrap();
        let city = Self { repository, state: room(), pinned };
        city.publish(sequence, [4, 5, 6]).unwrap();
        city
    }

    /// And a node that was enrolled with it.
    pub fn followed(sequence: u64) -> Self {
        let city = Self::with(sequence);
        State::enrol(&city.state, &trust(), &city.offered().unwrap()).unwrap();
        city
    }

    pub fn publish(&self, sequence: u64, signers: [u8; 3]) -> Result<Published, TufError> {
        let pairs = signers.map(key);
        publish(&self.repository, &files(sequence), ends(), &pairs.iter().collect::<Vec<_>>(), now())
    }

    pub fn at(&self, time: Timestamp) -> Result<Offered, UpdateError> {
        TufFiles::new(&self.repository, self.pinned.clone(), time).offered(&trust())
    }

    pub fn offered(&self) -> Result<Offered, UpdateError> {
        self.at(now())
    }

    pub fn take(&self) -> Result<Current, UpdateError> {
        let mut state = State::open(&self.state)?;
        let time = state.time(now(), DEFAULT_MAX_STALE);
        state.take(&self.at(time)?, now(), DEFAULT_MAX_STALE)
    }

    pub fn number(&self, role: &str) -> u64 {
        State::open(&self.state).unwrap().rows().marks[&tuf(role)].version
    }

    /// All files of the repository.
    pub fn copy(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        for folder in ["metadata", "targets"] {
            for entry in self.repository.read_dir(folder).unwrap() {
                let file = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
                all.insert(file.clone(), self.repository.read(&file).unwrap());
            }
        }
        all
    }

    /// Makes the repository hold these files and no others.
    pub fn put_back(&self, files: &BTreeMap<String, Vec<u8>>) {
        for file in self.copy().keys() {
            self.repository.remove_file(file).unwrap();
        }
        for (file, bytes) in files {
            self.repository.write(file, bytes).unwrap();
        }
    }
}

pub fn tuf(role: &str) -> Role {
    Role::Tuf(name(role))
}
