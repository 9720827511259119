//! The log under attack: leaves changed, checkpoints rolled back, accounts that do not add up.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use cap_tempfile::TempDir;
use ed25519_dalek::{Signer as _, SigningKey};
use vaern_door::Digest;

use super::*;
use crate::AuditError;
pub(super) use crate::disk::power::room;

pub(super) fn dir(room: &TempDir) -> Dir {
    room.try_clone().unwrap()
}

pub(super) fn name(text: &str) -> KeyName {
    KeyName::new(text).unwrap()
}

pub(super) fn log_key() -> LogKey {
    key_of(7)
}

fn key_of(seed: u8) -> LogKey {
    let secret = SigningKey::from_bytes(&[seed; 32]);
    let verifier = VerifierKey::new(name("vaern.test/node-1"), secret.verifying_key().as_bytes()).unwrap();
    LogKey::new(verifier, move |message| secret.sign(message).to_bytes()).unwrap()
}

pub(super) fn verifier() -> VerifierKey {
    log_key().verifier().clone()
}

pub(super) fn event(n: u64) -> Event {
    Event::ReleaseActivated { release: ReleaseRef::of(Digest::of(&n.to_be_bytes())) }
}

pub(super) fn log_of(room: &TempDir, leaves: u64) -> Log {
    let mut log = Log::open(dir(room), log_key(), None).unwrap();
    let leaves: Vec<Leaf> = (0..leaves).map(|n| Leaf::seal(event(n), 1_000 + n).unwrap()).collect();
    for batch in leaves.chunks(1_000) {
        log.append(batch).unwrap();
    }
    log
}

pub(super) fn check(room: &TempDir, floor: Option<&Floor>) -> Result<Account, AuditError> {
    verify(dir(room), &Expect { key: &verifier(), floor, quorum: None })
}

#[test]
fn aud_01p_logs_of_many_sizes_hold_and_every_leaf_is_proved() {
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 700] {
        let room = room();
        let log = log_of(&room, size);
        let account = check(&room, Some(&log.floor())).unwrap();
        assert_eq!((account.checkpoint.size, account.opened, account.sealed), (size, size, 0));
        let reader = log.reader().unwrap();
        for index in (0..size).step_by(37) {
            let proof = Proof::parse(&Proof::of(&reader, index).unwrap().to_text()).unwrap();
            assert_eq!(proof.check(&verifier()).unwrap().1.event, event(index));
        }
    }
}

#[test]
fn aud_01p_a_tree_of_three_levels_holds_and_is_continued() {
    let room = room();
    drop(log_of(&room, 65_536 + 300));
    let mut log = Log::open(dir(&room), log_key(), None).unwrap();
    assert_eq!(log.note(event(9), 5).unwrap(), 65_836);
    assert_eq!(check(&room, None).unwrap().opened, 65_837);
    let proof = Proof::of(&log.reader().unwrap(), 65_000).unwrap();
    assert_eq!(proof.check(&verifier()).unwrap().1.event, event(65_000));
    let files = |folder: &str| dir(&room).read_dir(folder).unwrap().count();
    assert_eq!((files("tile/0"), files("tile/1"), files("tile/2")), (258, 2, 1), "outgrown partial tiles are gone");
}

/// Changes the bytes of a file.
fn spoil(room: &TempDir, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = room.read(file).unwrap();
    change(&mut bytes);
    room.write(file, bytes).unwrap();
}

#[test]
fn aud_01n_an_altered_leaf_fails_at_its_index() {
    let room = room();
    drop(log_of(&room, 300));
    spoil(&room, "tile/entries/000", |bytes| bytes[34 * 77 + 10] ^= 1);
    assert!(matches!(check(&room, None), Err(AuditError::LeafMismatch { index: 77 })));
}

#[test]
fn aud_01n_swapped_and_deleted_leaves_fail_at_their_index() {
    let swapped = room();
    drop(log_of(&swapped, 300));
    spoil(&swapped, "tile/entries/001.p/44", |bytes| {
        let (one, two) = bytes[34 * 3..34 * 5].split_at(34);
        let both = [two, one].concat();
        bytes[34 * 3..34 * 5].copy_from_slice(&both);
    });
    assert!(matches!(check(&swapped, None), Err(AuditError::LeafMismatch { index: 259 })));

    let deleted = room();
    drop(log_of(&deleted, 300));
    // Everything after moves up, and the last is doubled so that the count is right.
    spoil(&deleted, "tile/entries/000", |bytes| {
        let last = bytes[34 * 255..].to_vec();
        bytes.drain(34 * 12..34 * 13);
        bytes.extend(last);
    });
    assert!(matches!(check(&deleted, None), Err(AuditError::LeafMismatch { index: 12 })));

    let short = room();
    drop(log_of(&short, 300));
    spoil(&short, "tile/entries/000", |bytes| bytes.truncate(34 * 255));
    assert!(matches!(check(&short, None), Err(AuditError::Missing { .. })));
}

#[test]
fn aud_01n_an_altered_record_fails_at_its_index() {
    let room = room();
    drop(log_of(&room, 20));
    spoil(&room, "records/000", |bytes| {
        let at = bytes.windows(10).position(|w| w == b"\"time\":101").unwrap();
        bytes[at + 7] = b'2';
    });
    assert!(matches!(check(&room, None), Err(AuditError::RecordMismatch { index: 10 })));
}

#[test]
fn aud_01n_a_leaf_rewritten_with_its_tiles_misses_the_signed_root() {
    // Whoever rewrites a leaf with its record and every tile above it cannot sign the root.
    let (honest, forged) = (room(), room());
    drop(log_of(&honest, 300));
    let mut other = Log::open(dir(&forged), key_of(9), None).unwrap();
    other.append(&(0..300).map(|n| Leaf::seal(event(n), n).unwrap()).collect::<Vec<_>>()).unwrap();
    drop(other);
    forged.write("checkpoint", honest.read("checkpoint").unwrap()).unwrap();
    assert!(matches!(check(&forged, None), Err(AuditError::RootMismatch { size: 300 })));
    assert!(matches!(Log::open(dir(&forged), log_key(), None), Err(AuditError::RootMismatch { size: 300 })));
}

#[test]
fn aud_01n_an_altered_hash_tile_fails_at_its_place() {
    let room = room();
    drop(log_of(&room, 700));
    spoil(&room, "tile/1/000.p/2", |bytes| bytes[40] ^= 1);
    assert!(matches!(check(&room, None), Err(AuditError::TileMismatch { level: 1, index: 256 })));
}

#[test]
fn aud_01n_a_proof_holds_for_its_own_leaf_only() {
    let room = room();
    let log = log_of(&room, 20);
    let text = Proof::of(&log.reader().unwrap(), 7).unwrap().to_text();
    let check = |text: &str| Proof::parse(text).and_then(|proof| proof.check(&verifier()));
    assert!(check(&text).is_ok());
    assert!(matches!(check(&text.replace("index 7\n", "index 6\n")), Err(AuditError::BadProof)));
    let other = Proof::of(&log.reader().unwrap(), 8).unwrap().to_text();
    let opening = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let swapped = text.replace(&opening(&text), &opening(&other));
    assert!(matches!(check(&swapped), Err(AuditError::BadProof)));
    assert!(matches!(Proof::of(&log.reader().unwrap(), 20), Err(AuditError::NoLeaf { index: 20, size: 20 })));
}

#[test]
fn aud_01n_every_flipped_bit_of_a_checkpoint_is_refused() {
    let room = room();
    drop(log_of(&room, 5));
    let honest = room.read("checkpoint").unwrap();
    for at in 0..honest.len() * 8 {
        let mut bytes = honest.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(Checkpoint::open(&bytes, &verifier()).is_err(), "bit {at}");
    }
    assert!(matches!(
        Checkpoint::open(&honest, key_of(8).verifier()),
        Err(AuditError::Unsigned { .. } | AuditError::BadSignature { .. })
    ));
}

#[test]
fn aud_03n_a_truncated_log_with_its_older_checkpoint_is_refused() {
    let room = room();
    let mut log = log_of(&room, 10);
    let older = room.read("checkpoint").unwrap();
    log.note(event(10), 1).unwrap();
    let floor = log.floor();
    drop(log);
    room.write("checkpoint", older).unwrap();
    let rollback = |result: AuditError| matches!(result, AuditError::CheckpointRollback { have: 11, offered: 10 });
    assert!(check(&room, None).is_ok(), "without a floor an older log looks whole");
    assert!(rollback(check(&room, Some(&floor)).unwrap_err()));
    assert!(rollback(Log::open(dir(&room), log_key(), Some(&floor)).map(|_| ()).unwrap_err()));
}

#[test]
fn aud_03n_a_log_without_its_checkpoint_is_not_begun_anew() {
    let room = room();
    let floor = log_of(&room, 3).floor();
    room.remove_file("checkpoint").unwrap();
    assert!(matches!(check(&room, Some(&floor)), Err(AuditError::NoLog)));
    assert!(matches!(Log::open(dir(&room), log_key(), None), Err(AuditError::NoLog)));
    room.remove_dir_all("tile").unwrap();
    assert!(matches!(Log::open(dir(&room), log_key(), Some(&floor)), Err(AuditError::NoLog)));
}

#[test]
fn aud_03p_the_floor_survives_its_text_and_nothing_else_does() {
    let floor = Floor { size: 77, root: [3; 32] };
    let text = floor.to_text();
    assert_eq!(Floor::parse(&text).unwrap(), floor);
    for bad in [
        text.trim_end().to_owned(),
        format!("{text}\n"),
        text.replace("77", "077"),
        text.replace(" 1 ", " 2 "),
        String::new(),
    ] {
        assert!(Floor::parse(&bad).is_err(), "{bad:?}");
    }
}

fn counts(frames_in: u64, with_objects: u64, empty: u64, refused: u64, failed: u64) -> Result<Counts, AuditError> {
    let by = |word, n| BTreeMap::from([(Reason::of(word).unwrap(), n)]);
    Counts::new(
        frames_in,
        with_objects,
        empty,
        by("outside_fence", refused),
        by("plugin_trap", failed),
        with_objects.saturating_mul(2),
    )
}

#[test]
fn aud_06n_a_count_that_does_not_add_up_is_no_count() {
    assert!(counts(10, 3, 4, 2, 1).is_ok());
    assert!(matches!(counts(10, 3, 4, 2, 0), Err(AuditError::Unbalanced { frames_in: 10, accounted: 9 })));
    assert!(matches!(counts(10, 3, 4, 2, 2), Err(AuditError::Unbalanced { frames_in: 10, accounted: 11 })));
    assert!(counts(10, u64::MAX, 11, 0, 0).is_err(), "no sum wraps");
    assert!(Counts::new(1, 0, 1, BTreeMap::new(), BTreeMap::new(), 5).is_err(), "objects in no frame");
    // Nor can one be read from a log that a false program wrote.
    let text = serde_json::to_string(&counts(10, 3, 4, 2, 1).unwrap()).unwrap();
    assert!(serde_json::from_str::<Counts>(&text).is_ok());
    assert!(serde_json::from_str::<Counts>(&text.replace(":10", ":12")).is_err());
}

fn begun(run: RunRef) -> Event {
    let wall = Wall { own_process: true, in_force: Protection::ALL.to_vec(), missing: vec![Protection::Limits] };
    Event::RunBegun { run, release: None, approval: None, policy: PolicyRef::of(Digest::of(b"rules")), wall }
}

#[test]
fn aud_06n_a_run_ends_once_and_a_lost_one_shows() {
    let room = room();
    let mut log = Log::open(dir(&room), log_key(), None).unwrap();
    let (run, lost) = (RunRef::random().unwrap(), RunRef::random().unwrap());
    log.note(begun(run), 1).unwrap();
    log.note(begun(lost), 1).unwrap();
    log.note(Event::RunEnded { run, counts: counts(10, 3, 4, 2, 1).unwrap() }, 2).unwrap();
    let account = check(&room, None).unwrap();
    assert_eq!((account.frames_in, account.with_objects, account.empty), (10, 3, 4));
    assert_eq!((account.refused, account.failed, account.unfinished.clone()), (2, 1, vec![lost]));
    assert_eq!(log.standing().unwrap().unfinished, vec![lost]);
    let given_up = Event::Incident { kind: IncidentKind::RunLost, run: Some(lost), release: None, reason: None };
    log.note(given_up, 3).unwrap();
    assert!(check(&room, None).unwrap().unfinished.is_empty() && log.standing().unwrap().unfinished.is_empty());
    log.note(Event::RunEnded { run, counts: counts(10, 3, 4, 2, 1).unwrap() }, 4).unwrap();
    assert!(matches!(check(&room, None), Err(AuditError::Record { index: 4, .. })));
}

#[test]
fn aud_13n_a_record_over_65535_bytes_is_refused_before_anything_is_written() {
    let signers = |n: usize| Event::HoldSet { signers: vec![KeyRef::of(Digest::of(b"key")); n] };
    let room = room();
    let mut log = log_of(&room, 1);
    let before = room.read("checkpoint").unwrap();
    let fits = (1..2_000).take_while(|n| Leaf::seal(signers(*n), 1).is_ok()).last().unwrap();
    let size = |n| serde_json::to_vec(&Record { form: 1, time: 1, event: signers(n) }).unwrap().len();
    assert!(size(fits) <= MAX_RECORD && size(fits + 1) > MAX_RECORD);
    let refused = log.note(signers(fits + 1), 1);
    assert!(matches!(refused, Err(AuditError::EntryTooLarge { max: MAX_RECORD, .. })));
    assert_eq!((log.size(), room.read("checkpoint").unwrap()), (1, before));
    log.note(signers(fits), 1).unwrap();
    assert_eq!(check(&room, None).unwrap().opened, 2);
}

#[test]
fn aud_05n_a_record_taken_away_leaves_a_log_that_holds_and_says_nothing() {
    let room = room();
    let mut log = log_of(&room, 300);
    let untouched = room.read("checkpoint").unwrap();
    for index in [3, 256, 299] {
        log.erase(index).unwrap();
    }
    assert_eq!(room.read("checkpoint").unwrap(), untouched);
    log.note(event(300), 1).unwrap();
    drop(log);
    let account = check(&room, None).unwrap();
    assert_eq!((account.opened, account.sealed), (298, 3));
    let log = Log::open(dir(&room), log_key(), None).unwrap();
    assert!(log.reader().unwrap().leaf(3).unwrap().record.is_none());
    assert!(matches!(Proof::of(&log.reader().unwrap(), 3), Err(AuditError::Record { index: 3, .. })));
    assert!(Proof::of(&log.reader().unwrap(), 4).unwrap().check(&verifier()).is_ok());
}

#[test]
fn aud_05n_equal_events_stand_as_different_leaves() {
    // A salt for each leaf: whoever guesses what happened cannot find it in the tree.
    let room = room();
    let mut log = log_of(&room, 0);
    log.note(event(1), 5).unwrap();
    log.note(event(1), 5).unwrap();
    let entries = room.read("tile/entries/000.p/2").unwrap();
    assert_ne!(entries[2..34], entries[36..68]);
    // Nothing that may be published holds a word of the record.
    let release = Digest::of(&1_u64.to_be_bytes());
    for file in ["checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2"] {
        let bytes = room.read(file).unwrap();
        for secret in [release.as_bytes().as_slice(), release.hex().as_bytes(), b"release"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{file}");
        }
    }
    let unsalted = super::merkle::leaf(&serde_json::to_vec(&Record { form: 1, time: 5, event: event(1) }).unwrap());
    assert!(!room.read("tile/0/000.p/2").unwrap().windows(32).any(|w| w == unsalted));
}

/// One of each kind, with every list filled.
fn one_of_each() -> Vec<Event> {
    let digest = Digest::of(b"x");
    let (release, key) = (ReleaseRef::of(digest), KeyRef::of(digest));
    let run = RunRef::random().unwrap();
    vec![
        Event::PolicyInForce { policy: PolicyRef::of(digest) },
        Event::ApprovalSeen { release, approval: ApprovalRef::of(digest), signers: vec![key] },
        Event::ReleaseActivated { release },
        Event::ReleaseSwapped { from: release, to: release, cause: SwapCause::Rollback },
        Event::Stopped { cause: StopCause::Revoked, by: Some(key) },
        Event::Resumed { by: vec![key, key] },
        Event::FramesUnknown { at_most: AtMost(129) },
        begun(run),
        Event::RunEnded { run, counts: counts(10, 3, 4, 2, 1).unwrap() },
        Event::Accessed { what: Access::Show, duty: Duty::PrivacyOfficer, by: Some(key) },
        Event::Deleted { certificate: CertificateRef::of(digest), cause: Deletion::Asked, class: RetentionClass::Case },
        Event::HoldSet { signers: vec![key, key] },
        Event::HoldLifted { signers: vec![key, key] },
        Event::WitnessesSet { witnesses: WitnessesRef::of(digest) },
        Event::Reviewed { verdict: VerdictRef::of(digest), decision: Decision::Rejected, picture_shown: true },
        Event::Withdrawn { withdrawal: WithdrawalRef::of(digest), cause: Withdrawal::Objection },
        Event::Exported { export: ExportRef::of(digest) },
        Event::Incident {
            kind: IncidentKind::PluginViolation,
            run: Some(run),
            release: Some(release),
            reason: Some(Reason::of("too_many_answers").unwrap()),
        },
    ]
}

#[test]
fn a_leaf_from_before_a_start_named_its_keys_is_still_read() {
    let read = |text: &str| serde_json::from_str::<Event>(text).unwrap();
    assert_eq!(read(r#"{"resumed":{"by":null}}"#), Event::Resumed { by: vec![] });
    let key = KeyRef::of(Digest::of(b"x"));
    let one = format!(r#"{{"resumed":{{"by":{}}}}}"#, serde_json::to_string(&key).unwrap());
    assert_eq!(read(&one), Event::Resumed { by: vec![key] });
}

#[test]
fn aud_05n_no_leaf_holds_anything_but_counts_references_and_words_of_the_program() {
    fn walk(kind: &str, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(n) => assert!(n.is_u64(), "{kind}: {n} is not a count"),
            Value::String(text) => {
                let hex = |t: &str| t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let reference = text.strip_prefix("sha256:").is_some_and(|t| t.len() == 64 && hex(t));
                let run = text.len() == 32 && hex(text);
                let word = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && text.len() <= 48;
                assert!(reference || run || word, "{kind}: {text}");
            }
            Value::Array(all) => all.iter().for_each(|value| walk(kind, value)),
            Value::Object(all) => all.iter().for_each(|(key, value)| {
                assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{kind}: {key}");
                walk(kind, value);
            }),
        }
    }
    let events = one_of_each();
    let kinds: Vec<&str> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, Event::KINDS, "one of each kind is walked");
    for event in events {
        let value = serde_json::to_value(Record { form: 1, time: 1, event: event.clone() }).unwrap();
        walk(event.kind(), &value);
        // And nothing can be slipped in beside what the type knows.
        let bytes = serde_json::to_vec(&value).unwrap();
        assert_eq!(Record::decode(&bytes).unwrap().event, event);
        let text = String::from_utf8(bytes).unwrap();
        let closing = text.rfind("}}").unwrap();
        let more = format!("{},\"latitude\":55.6761{}", &text[..closing - 1], &text[closing - 1..]);
        assert!(Record::decode(more.as_bytes()).is_err(), "{more}");
    }
    for bad in ["", "AB12345", "ab 12345", "\u{e6}", "55.6761", &"a".repeat(49)] {
        assert!(serde_json::from_value::<Reason>(bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn sig_22n_a_log_key_of_two_halves_is_refused() {
    let (one, two) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let verifier = VerifierKey::new(name("x"), one.verifying_key().as_bytes()).unwrap();
    assert!(matches!(LogKey::new(verifier, move |m| two.sign(m).to_bytes()), Err(AuditError::MixedKey)));
}

#[test]
fn keys_and_notes_are_those_of_the_specification() {
    // The example key of Go's note package, with its test signature.
    let key: VerifierKey = verifier().to_string().parse().unwrap();
    assert_eq!(key, verifier());
    for bad in ["", "a+b+c", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"] {
        assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
    }
    let example = "peterneumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert!(example.parse::<VerifierKey>().is_err(), "the id is over the name, which differs");
}

#[test]
fn two_processes_do_not_write_one_log() {
    let room = room();
    let first = log_of(&room, 1);
    assert!(matches!(Log::open(dir(&room), log_key(), None), Err(AuditError::Busy)));
    drop(first);
    assert!(Log::open(dir(&room), log_key(), None).is_ok());
}

#[test]
fn a_copy_without_records_holds_and_says_so() {
    let room = room();
    drop(log_of(&room, 300));
    room.remove_dir_all("records").unwrap();
    let account = check(&room, None).unwrap();
    assert_eq!((account.opened, account.sealed), (0, 300));
}
