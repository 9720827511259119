//! Evidence in the service: sealed, listed by those who may, and gone when its day is over.

use serde_json::Value;
use vaern_node::fields;

use crate::nodes::{City, done, holds};
use crate::program::{json, text, vaern};
use crate::{files, good, leaves};

fn keeping(more: &str) -> City {
    let city = City::new(&format!("[evidence]\nfolder = \"evidence\"\nkey = \"keys/store\"\n{more}"));
    done(&["evidence", "new-key", text(&city.at("keys/store"))]);
    city
}

/// A command about the store, with the node's own log.
fn store(city: &City, args: &[&str]) -> Value {
    let (at, key) = (city.at("evidence"), city.at("keys/store"));
    let (log, log_key) = (city.at("log"), city.at("keys/node-1.secret.toml"));
    let paths = ["--store", text(&at), "--store-key", text(&key), "--log", text(&log), "--log-key", text(&log_key)];
    done(&[&["evidence"], args, &paths, &["--duty", "privacy-officer"]].concat())
}

/// Marks of a picture and of a record, as they would stand in the clear.
const PLAIN: [&[u8]; 3] = [b"\x89PNG\r\n", b"\"frame_id\"", b"\"crop\":"];

fn nothing_plain(city: &City) {
    for mark in PLAIN {
        assert!(!holds(&city.at("evidence"), mark), "{}", String::from_utf8_lossy(mark));
    }
}

#[test]
fn ret_02p_what_is_found_is_kept_sealed_and_exf_16n_no_field_that_leaves_is_of_free_form() {
    let city = keeping("");
    city.release("honest", 1, None);
    city.bring(&files(&good((320, 180), 6), 0));
    let mut service = city.start();
    service.saw(6);
    nothing_plain(&city);
    let metrics = service.get("/metrics").unwrap().1;
    assert!(metrics.contains("\nvaern_evidence_kept_total 6\n"), "{metrics}");
    service.end();
    nothing_plain(&city);
    let listed = store(&city, &["list"]);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 6);
    // Each is the evidence of an object in a result, under its id.
    let mut ids = Vec::new();
    for window in std::fs::read_dir(city.at("out")).unwrap() {
        let found = json(&std::fs::read(window.unwrap().path().join("detections.geojson")).unwrap());
        ids.extend(found["features"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap().to_owned()));
    }
    let mut kept: Vec<String> = listed.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    kept.sort();
    assert_eq!(ids, kept);
    let out = city.at("opened");
    store(&city, &["show", &kept[0], "--purpose", "containere", "--out", text(&out)]);
    assert!(std::fs::read(out.join("picture")).unwrap().starts_with(b"\x89PNG"));
    // EXF-16: every field that leaves is known, has its class and its retention, and is of no free form.
    let strays =
        |table, file: std::path::PathBuf| vaern_node::fields::astray(table, &json(&std::fs::read(file).unwrap()));
    assert_eq!(strays(fields::EVIDENCE, out.join("record.json")), Vec::<String>::new());
    for window in std::fs::read_dir(city.at("out")).unwrap() {
        let window = window.unwrap().path();
        assert_eq!(strays(fields::DETECTIONS, window.join("detections.geojson")), Vec::<String>::new());
        assert_eq!(strays(fields::SUMMARY, window.join("summary.json")), Vec::<String>::new());
        assert_eq!(strays(fields::LINK, window.join("log.json")), Vec::<String>::new());
        assert_eq!(strays(fields::COVERAGE, window.join("coverage.json")), Vec::<String>::new());
        assert_eq!(std::fs::read_dir(window).unwrap().count(), 4, "and these are all the files");
    }
    // Early deletion, with its certificate; the neighbours stay.
    let deleted = store(&city, &["delete", &kept[0]]);
    assert_eq!(deleted["records"], serde_json::json!([kept[0]]));
    assert_eq!(store(&city, &["list"]).as_array().unwrap().len(), 5);
    assert_eq!(leaves(&city, "deleted").len(), 1);
}

#[test]
fn skj_06n_a_running_node_deletes_what_is_over_its_time_and_a_kill_keeps_no_plaintext() {
    use vaern_record::evidence::{Day, Evidence, Kind, Label, RecordId, Secret};
    use vaern_record::log::{KeyName, Log, LogKey, RetentionClass, VerifierKey};

    let city = keeping("");
    city.release("honest", 1, None);
    // A record from three days ago that may be kept for one, as the node itself kept it then.
    let dir = |path: &str| {
        std::fs::create_dir_all(city.at(path)).unwrap();
        cap_std::fs::Dir::open_ambient_dir(city.at(path), cap_std::ambient_authority()).unwrap()
    };
    {
        let (_, pair) = vaern_trust::read_secret(&dir("keys"), "node-1.secret.toml").unwrap();
        let verifier = VerifierKey::new(KeyName::new("node-1").unwrap(), pair.public().as_bytes()).unwrap();
        let key = LogKey::new(verifier, move |message| pair.sign(message)).unwrap();
        let mut log = Log::open(dir("log"), key, None).unwrap();
        let digits = std::fs::read_to_string(city.at("keys/store")).unwrap();
        let byte = |n: usize| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap();
        let secret = Secret::from_bytes(&std::array::from_fn(byte));
        let mut store =
            Evidence::open(dir("evidence"), secret, Kind::Evidence, vaern_node::keeper::BOUNDS, &mut log).unwrap();
        let before = u64::try_from(jiff::Timestamp::now().as_second()).unwrap() - 3 * 86_400;
        let label = Label {
            requirement: "RET-02".to_owned(),
            purpose: vaern_door::Name::new("containere").unwrap(),
            zone: vaern_door::Name::new("indre-by").unwrap(),
            release: vaern_door::Digest::of(b"a release"),
            class: RetentionClass::Review,
            expires: Day::of(before).plus(1),
        };
        store
            .keep(RecordId::from_bytes([7; 16]), &label, b"\x89PNG\r\nan old picture", b"{\"crop\":1}", before)
            .unwrap();
    }
    let mut service = city.start();
    service.is("running", |h| h["condition"] == "running");
    service.is("it is gone", |_| true);
    let metrics = service.get("/metrics").unwrap().1;
    assert!(metrics.contains("\nvaern_evidence_deletions_total 1\n"), "{metrics}");
    // Kills while evidence is being sealed: what lies there is sealed or is not there.
    let pictures = good((320, 180), 16);
    for (round, some) in pictures.chunks(4).enumerate() {
        city.bring(&files(some, round * 100));
        service.saw(1);
        service.signal("KILL");
        service.wait();
        nothing_plain(&city);
        service = city.start();
        service.is("running", |h| h["condition"] == "running");
    }
    crate::nodes::until("all captures have an outcome", || city.left() == 0);
    service.end();
    nothing_plain(&city);
    assert_eq!(city.account()[0], 16);
    let deleted = leaves(&city, "deleted");
    assert_eq!((deleted.len(), &deleted[0]["cause"]), (1, &Value::from("expired")));
    let listed = store(&city, &["list"]);
    assert!(listed.as_array().unwrap().len() <= 16, "no evidence without its result, but for what a kill cut off");
    assert!(listed.as_array().unwrap().iter().all(|one| one["id"] != "07".repeat(16)));
}

#[test]
fn skj_06n_a_policy_that_gives_no_days_keeps_no_evidence() {
    let city = City::ruled(
        "[evidence]\nfolder = \"evidence\"\nkey = \"keys/store\"\n",
        &[("evidence_days = 7", "evidence_days = 0")],
    );
    done(&["evidence", "new-key", text(&city.at("keys/store"))]);
    let refused = vaern(&["--json", "run", "--config", text(&city.at("node.toml"))]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(json(&refused.stderr)["error"]["krav"], "SKJ-06");
}

/// The raw files below these folders of the node that hold any 16 bytes in a row of these.
fn holding(city: &City, folders: &[&str], known: &[u8]) -> Vec<std::path::PathBuf> {
    fn below(folder: &std::path::Path, holds: &dyn Fn(&[u8]) -> bool, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, holds, found);
            } else if holds(&std::fs::read(&path).unwrap()) {
                found.push(path);
            }
        }
    }
    let pieces: std::collections::HashSet<&[u8]> = known.windows(16).collect();
    let mut found = Vec::new();
    for folder in folders {
        below(&city.at(folder), &|bytes| bytes.windows(16).any(|piece| pieces.contains(piece)), &mut found);
    }
    found
}

/// Everything that a node writes.
const ALL: [&str; 4] = ["evidence", "state", "log", "out"];

#[test]
fn aud_07n_what_a_killed_service_kept_and_was_deleted_is_nowhere_in_its_raw_files_and_aud_06n_every_event_has_its_leaf()
{
    let city = keeping("");
    let release = city.release("honest", 1, None);
    let pictures = good((320, 180), 12);
    for (round, some) in pictures.chunks(4).enumerate() {
        city.bring(&files(some, round * 100));
        let mut service = city.start();
        service.saw(1);
        service.signal("KILL");
        service.wait();
    }
    let mut service = city.start();
    service.is("running", |health| health["condition"] == "running");
    crate::nodes::until("all captures have an outcome", || city.left() == 0);
    service.end();
    // AUD-06: each window that began has ended, or is an incident, and its account adds up to what its files say.
    let [frames, found, empty, refused] = city.account();
    assert_eq!((frames, found + empty + refused), (12, 12));
    let (begun, ended) = (leaves(&city, "run_begun"), leaves(&city, "run_ended"));
    let lost = leaves(&city, "incident").len();
    assert_eq!((ended.len(), begun.len()), (city.windows().len(), city.windows().len() + lost), "each has its leaves");
    let sum = |name: &str| ended.iter().map(|run| run["counts"][name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("frames_in"), 12, "{ended:#?}");
    // What lies there, opened as those may who may.
    let listed = store(&city, &["list"]);
    let ids: Vec<String> =
        listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.len() > 2, "{listed:#}");
    let shown = |id: &str| {
        let out = city.at("shown").join(id);
        store(&city, &["show", id, "--purpose", "containere", "--out", text(&out)]);
        [std::fs::read(out.join("picture")).unwrap(), std::fs::read(out.join("record.json")).unwrap()]
    };
    let before: Vec<[Vec<u8>; 2]> = ids.iter().map(|id| shown(id)).collect();
    let old_keys = epoch_keys(&city);
    // A detection of a service's window is no frame: its crop can be shown, the release cannot be shown the frame again.
    let at = city.at("releases/honest-1");
    let trust = city.at("policies/trust.toml");
    let replay = ["replay", &ids[0], "--purpose", "containere", "--release", text(&at), "--trust", text(&trust)];
    let (kept, key, log, log_key) =
        (city.at("evidence"), city.at("keys/store"), city.at("log"), city.at("keys/node-1.secret.toml"));
    let paths = ["--store", text(&kept), "--store-key", text(&key), "--log", text(&log), "--log-key", text(&log_key)];
    let said = vaern(&[&["--json"], &replay[..], &paths, &["--duty", "auditor"]].concat());
    assert_eq!(said.status.code(), Some(1), "GEN-02N");
    let error = json(&said.stderr)["error"].clone();
    assert_eq!(error["krav"], "GEN-02");
    assert!(error["what"].as_str().unwrap().contains("the whole frame is not"), "{error:#}");
    // One is deleted early; then a service runs, is killed, and the raw files are searched.
    store(&city, &["delete", &ids[0]]);
    let mut service = city.start();
    city.bring(&files(&good((320, 180), 14)[12..], 900));
    service.saw(1);
    service.signal("KILL");
    service.wait();
    // AUD-09: the pages that were freed are in the files, and so is the sealed record, perhaps. What it was sealed by is not.
    let [picture, record] = &before[0];
    let none = Vec::<std::path::PathBuf>::new();
    assert_eq!(holding(&city, &ALL, picture), none, "the deleted picture lies open");
    // What was found is a result; the id is in the certificate. Of the store's own record nothing is left.
    let record = String::from_utf8_lossy(record);
    for part in record.split(ids[0].as_str()) {
        assert_eq!(holding(&city, &ALL[..1], part.as_bytes()), none, "the deleted record lies open");
    }
    assert!(!old_keys.is_empty());
    for key in &old_keys {
        assert_eq!(holding(&city, &ALL, key), none, "a key lies open");
        assert!(!epoch_keys(&city).contains(key), "the key that sealed the deleted record is not destroyed");
    }
    // The search can find: what is kept in the open by its nature is found by it.
    assert!(!holding(&city, &ALL, release.as_bytes()).is_empty(), "AUD-07P");
    // Survivors open, and are what they were.
    let mut service = city.start();
    service.is("running", |health| health["condition"] == "running");
    crate::nodes::until("all captures have an outcome", || city.left() == 0);
    service.end();
    for (id, was) in ids.iter().zip(&before).skip(1) {
        assert_eq!(&shown(id), was);
    }
    let gone = vaern(
        &[
            &["evidence", "show", &ids[0], "--purpose", "containere", "--out", text(&city.at("gone"))],
            &paths[..],
            &["--duty", "privacy-officer"],
        ]
        .concat(),
    );
    assert_eq!(gone.status.code(), Some(1));
    // One deletion, one leaf, one certificate that holds against the log's key and names the record.
    let deleted = leaves(&city, "deleted");
    assert_eq!(deleted.len(), 1);
    assert_eq!(certificates(&city), [ids[0].clone()]);
    assert_eq!(done(&["audit", "verify", text(&log)])["kinds"]["Deleted"], 1);
}

/// The epoch keys in force, read without the program's own code.
fn epoch_keys(city: &City) -> Vec<Vec<u8>> {
    crate::memory::epoch_keys(city)
}

/// The records that the store's certificates name.
fn certificates(city: &City) -> Vec<String> {
    use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
    const CERTIFICATES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("certificates");
    let store = Database::open(city.at("evidence/evidence.redb")).unwrap();
    let txn = store.begin_read().unwrap();
    let table = txn.open_table(CERTIFICATES).unwrap();
    let (_, key) = {
        let dir = cap_std::fs::Dir::open_ambient_dir(city.at("keys"), cap_std::ambient_authority()).unwrap();
        vaern_trust::read_public(&dir, "node-1.public.toml").unwrap()
    };
    let name = vaern_record::log::KeyName::new("node-1").unwrap();
    let verifier = vaern_record::log::VerifierKey::new(name, key.as_bytes()).unwrap();
    let mut records = Vec::new();
    for row in table.iter().unwrap() {
        let (_, text) = row.unwrap();
        let certificate =
            vaern_record::evidence::Certificate::signed(&String::from_utf8_lossy(text.value()), &verifier).unwrap();
        records.extend(certificate.records().iter().map(|id| (*id).to_owned()));
    }
    records
}
