//! Kept evidence from the command line: looked at with a trace, deleted with a certificate.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use program::vaern;
use serde_json::Value;
use vaern_door::{Digest, Name};
use vaern_record::evidence::{Bounds, Day, Evidence, Kind, Label, RecordId, Secret};
use vaern_record::log::{KeyName, Log, LogKey, RetentionClass, VerifierKey};

struct Node {
    temp: tempfile::TempDir,
}

fn open(path: &Path) -> Dir {
    Dir::create_ambient_dir_all(path, ambient_authority()).unwrap();
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn id(n: u8) -> RecordId {
    RecordId::from_bytes([n; 16])
}

impl Node {
    /// A node with a log, a store, and two records in it, one of which is a day over its time.
    fn new() -> Self {
        let node = Self { temp: tempfile::tempdir().unwrap() };
        let keys = node.path("keys");
        let made = vaern(&["keys", "new", "--name", "node-1", "--role", "log", "--out", keys.to_str().unwrap()]);
        assert!(made.status.success());
        assert!(vaern(&["evidence", "new-key", keys.join("store").to_str().unwrap()]).status.success());
        let (_, pair) = vaern_trust::read_secret(&open(&keys), "node-1.secret.toml").unwrap();
        let verifier = VerifierKey::new(KeyName::new("node-1").unwrap(), pair.public().as_bytes()).unwrap();
        let key = LogKey::new(verifier, move |message| pair.sign(message)).unwrap();
        let mut log = Log::open(open(&node.path("log")), key, None).unwrap();
        let text = std::fs::read_to_string(keys.join("store")).unwrap();
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        let bytes: [u8; 32] = std::array::from_fn(|n| digit(2 * n));
        let secret = Secret::from_bytes(&bytes);
        let bounds = Bounds { per_release_zone_day: 10, picture_bytes: 1 << 20 };
        let mut store = Evidence::open(open(&node.path("store")), secret, Kind::Evidence, bounds, &mut log).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let label = |expires| Label {
            requirement: "RET-02".to_owned(),
            purpose: Name::new("containere").unwrap(),
            zone: Name::new("indre-by").unwrap(),
            release: Digest::of(b"release"),
            class: RetentionClass::Review,
            expires,
        };
        store.keep(id(1), &label(Day::of(now).plus(7)), b"a masked picture", b"{\"one\":1}", now).unwrap();
        let before = now - 3 * 86_400;
        store.keep(id(2), &label(Day::of(before).plus(1)), b"another picture", b"{}", before).unwrap();
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn ask(&self, command: &[&str]) -> Output {
        let [store, key, log, log_key] =
            ["store", "keys/store", "log", "keys/node-1.secret.toml"].map(|name| self.path(name));
        let mut args = vec!["--json", "evidence"];
        args.extend(command);
        args.extend(["--store", store.to_str().unwrap(), "--store-key", key.to_str().unwrap()]);
        args.extend(["--log", log.to_str().unwrap(), "--log-key", log_key.to_str().unwrap()]);
        args.extend(["--duty", "privacy-officer"]);
        vaern(&args)
    }

    fn ok(&self, command: &[&str]) -> Value {
        let output = self.ask(command);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, command: &[&str]) -> String {
        let output = self.ask(command);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        let told: Value = serde_json::from_slice(&output.stderr).unwrap();
        told["error"]["what"].as_str().unwrap().to_owned()
    }

    fn kinds(&self) -> Value {
        let log = self.path("log");
        let output = vaern(&["--json", "audit", "verify", log.to_str().unwrap()]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["kinds"].clone()
    }
}

#[test]
fn skj_06p_evidence_is_listed_opened_purged_and_deleted_each_with_its_trace() {
    let node = Node::new();
    assert_eq!(node.ok(&["list"]).as_array().unwrap().len(), 2);
    let (one, two) = (id(1).to_string(), id(2).to_string());
    let out = node.path("opened");
    let out = out.to_str().unwrap();
    node.ok(&["show", &one, "--purpose", "containere", "--out", out]);
    assert_eq!(std::fs::read(node.path("opened/picture")).unwrap(), b"a masked picture");
    assert!(node.refused(&["show", &one, "--purpose", "fortove", "--out", out]).contains("another purpose"));
    assert!(node.refused(&["show", &two, "--purpose", "containere", "--out", out]).contains("time is over"));
    assert_eq!(node.kinds()["Accessed"], 2, "a look that was refused showed nothing");
    let certificates = node.path("certificates");
    let purged = node.ok(&["purge", "--certificates", certificates.to_str().unwrap()]);
    assert_eq!(purged["records"], serde_json::json!([two]));
    assert_eq!(std::fs::read_dir(&certificates).unwrap().count(), 1);
    assert_eq!(node.ok(&["delete", &one, "--cause", "asked"])["records"], serde_json::json!([one]));
    assert!(node.refused(&["show", &one, "--purpose", "containere", "--out", out]).contains("deleted"));
    assert_eq!(node.kinds()["Deleted"], 2);
    assert!(node.ok(&["list"]).as_array().unwrap().is_empty());
}

#[test]
fn skj_01n_another_store_key_or_one_that_others_may_read_opens_nothing() {
    let node = Node::new();
    let key = node.path("keys/store");
    let honest = std::fs::read(&key).unwrap();
    let again = vaern(&["evidence", "new-key", key.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1), "a key is never overwritten");
    std::fs::write(&key, format!("{}\n", "5a".repeat(32))).unwrap();
    assert!(node.refused(&["list"]).contains("wrong store key"));
    std::fs::write(&key, honest).unwrap();
    node.ok(&["list"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(node.refused(&["list"]).contains("read by others"));
    }
}

fn done(args: &[&str]) -> Value {
    let output = vaern(args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[test]
fn skj_01p_a_run_seals_a_crop_of_each_find_and_nothing_of_it_lies_open() {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    done(&["--json", "demo", "--frames", "12", "--out", &path("demo")]);
    done(&["--json", "evidence", "new-key", &path("store-key")]);
    let demo = |name: &str| path(&format!("demo/{name}"));
    let (log, key) = (demo("log"), demo("keys/demo-node.secret.toml"));
    let mut run = vec!["--json".to_owned(), "run".to_owned()];
    for (name, value) in [
        ("--source", demo("drive")),
        ("--release", demo("release")),
        ("--policies", demo("policies")),
        ("--out", path("result")),
        ("--log", log.clone()),
        ("--log-key", key.clone()),
        ("--evidence", path("store")),
        ("--store-key", path("store-key")),
    ] {
        run.extend([name.to_owned(), value]);
    }
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let found = done(&run)["detections"].as_u64().unwrap();
    assert!(found > 0);
    let (store, store_key) = (path("store"), path("store-key"));
    let rest =
        ["--store", &store, "--store-key", &store_key, "--log", &log, "--log-key", &key, "--duty", "case-worker"];
    let ask = |command: &[&str]| done(&[&["--json", "evidence"], command, &rest].concat());
    let listed = ask(&["list"]);
    assert_eq!(listed.as_array().unwrap().len() as u64, found);
    let features = std::fs::read(temp.path().join("result/detections.geojson")).unwrap();
    let features: Value = serde_json::from_slice(&features).unwrap();
    let id = features["features"][0]["id"].as_str().unwrap();
    let purpose = listed[0]["label"]["purpose"].as_str().unwrap();
    ask(&["show", id, "--purpose", purpose, "--out", &path("opened")]);
    let crop = std::fs::read(temp.path().join("opened/picture")).unwrap();
    assert!(crop.starts_with(b"\x89PNG"));
    let record = std::fs::read(temp.path().join("opened/record.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["object"]["id"].as_str(), Some(id));
    for file in ["evidence.redb", "epochs/keys"] {
        let raw = std::fs::read(temp.path().join("store").join(file)).unwrap();
        for open in [b"\x89PNG".as_slice(), b"latitude", id.as_bytes()] {
            assert!(!raw.windows(open.len()).any(|window| window == open), "{file}");
        }
    }
    // A case needs it: two persons hold it, one cannot, and it stays until two let it go.
    let (jura, owner, trust) =
        (demo("keys/jura.secret.toml"), demo("keys/systemejer.secret.toml"), demo("policies/trust.toml"));
    let hold = |more: &[&str]| {
        let command = ["--json", "evidence", "hold", id, "--case", "sag-a", "--trust", &trust, "--key", &jura];
        vaern(&[&command, more, &rest].concat())
    };
    let refused = |output: Output, what: &str| {
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(what), "{told}");
    };
    refused(hold(&[]), "ThresholdNotMet");
    refused(hold(&["--key", &jura]), "ThresholdNotMet");
    refused(hold(&["--key", &key]), "no role in the trust root");
    assert!(hold(&["--key", &owner]).status.success());
    refused(vaern(&[&["--json", "evidence", "delete", id], &rest[..]].concat()), "held for a case");
    refused(hold(&["--lift"]), "ThresholdNotMet");
    assert!(hold(&["--lift", "--key", &owner]).status.success());
    ask(&["delete", id]);
    assert_eq!(ask(&["list"]).as_array().unwrap().len() as u64, found - 1);
}
