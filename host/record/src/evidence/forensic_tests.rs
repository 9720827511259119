//! What somebody finds who has the disk, and the store key as well, after a deletion: nothing. Also after a crash at any step
//! of it.

use std::collections::HashSet;

use cap_std::fs::Dir;

use super::epochs::{NO_BACKUP, keys_in_both_copies};
use super::seal;
use super::store::WRAPPED;
use super::tests::{NOON, Node, id, label, picture, record, verifier};
use super::*;
use crate::disk::power::Power;
use crate::log::{self, Deletion, Event, Expect, Log};

/// Every file below `dir`, with its bytes.
fn raw(dir: &Dir) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in dir.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = raw(&entry.open_dir().unwrap());
            files.extend(below.into_iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            files.push((name.clone(), dir.read(&name).unwrap()));
        }
    }
    files
}

/// Whether any 16 bytes of a secret, at a multiple of 16 in it, stand anywhere in the files.
fn found(files: &[(String, Vec<u8>)], secrets: &[&[u8]]) -> bool {
    let chunks = secrets.iter().flat_map(|secret| secret.chunks_exact(16));
    let wanted: HashSet<[u8; 16]> = chunks.map(|chunk| chunk.try_into().unwrap()).collect();
    files.iter().any(|(_, bytes)| bytes.windows(16).any(|w| wanted.contains(&<[u8; 16]>::try_from(w).unwrap())))
}

/// What an examiner noted before the deletion, with the store open before him.
struct Secrets {
    record_key: [u8; 32],
    epoch_key: [u8; 32],
    wrapped: Vec<u8>,
}

fn note_down(store: &Evidence, n: u8) -> Secrets {
    let wrapped = store.value(WRAPPED, id(n).bytes()).unwrap().unwrap();
    let epoch = u64::from_be_bytes(wrapped[..8].try_into().unwrap());
    Secrets {
        record_key: store.unwrap_key(&id(n)).unwrap().expose(|bytes| *bytes),
        epoch_key: store.epochs.get(epoch).unwrap().key.expose(|bytes| *bytes),
        wrapped,
    }
}

/// Whether somebody with the disk and the store key can still unwrap the record's key.
fn recoverable(dir: &Dir, n: u8, secrets: &Secrets) -> bool {
    let epoch = &secrets.wrapped[..8];
    let bound = [b"vaern-record-key-1".as_slice(), id(n).bytes(), epoch].concat();
    let keys = keys_in_both_copies(dir, &Secret::from_bytes(&[9; 32]));
    keys.iter().any(|(_, key)| seal::open(key, &secrets.wrapped[8..], &bound).is_ok())
}

fn keep(store: &mut Evidence, n: u8) {
    store.keep(id(n), &label(), &picture(n), &record(n), NOON).unwrap();
}

#[test]
fn skj_01n_no_plaintext_and_no_key_lies_on_disk_while_evidence_is_kept() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    (1..=3).for_each(|n| keep(&mut store, n));
    let secrets: Vec<Secrets> = (1..=3).map(|n| note_down(&store, n)).collect();
    drop(store);
    let files = raw(&node.dir("evidence"));
    for (n, secrets) in (1..).zip(&secrets) {
        assert!(!found(&files, &[&picture(n), &record(n), &secrets.record_key, &secrets.epoch_key]), "{n}");
        assert!(found(&files, &[&secrets.wrapped[8..]]), "the search sees what is there");
        assert!(recoverable(&node.dir("evidence"), n, secrets), "and so does the examiner before the deletion");
    }
}

#[test]
fn aud_09n_after_deletion_nothing_on_disk_opens_it_even_with_the_old_wrapped_key_in_hand() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    (1..=3).for_each(|n| keep(&mut store, n));
    let secrets = note_down(&store, 2);
    store.delete(&[id(2)], Deletion::Asked, NOON, &mut log).unwrap();
    drop(store);
    let dir = node.dir("evidence");
    assert!(!found(&raw(&dir), &[&picture(2), &record(2), &secrets.record_key, &secrets.epoch_key]));
    // The database does not erase: the examiner may find the old row in a freed page, or have noted it before. What it wraps
    // is wrapped under a key that is nowhere.
    assert!(!recoverable(&dir, 2, &secrets));
    let survivors = node.open(&mut log).unwrap();
    for n in [1, 3] {
        let kept = survivors.unseal(&id(n), survivors.row(&id(n)).unwrap()).unwrap();
        assert_eq!(kept.picture.to_vec(), picture(n));
    }
}

#[test]
fn aud_10n_a_backup_brings_nothing_back() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    (1..=2).for_each(|n| keep(&mut store, n));
    drop(store);
    let dir = node.dir("evidence");
    // A backup program leaves out folders that carry the mark.
    let tag = dir.read_to_string(format!("{NO_BACKUP}/CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55"));
    let backup: Vec<_> = raw(&dir).into_iter().filter(|(file, _)| !file.starts_with(NO_BACKUP)).collect();
    assert_eq!(backup.len(), 1, "the database alone");
    let mut store = node.open(&mut log).unwrap();
    store.delete(&[id(1)], Deletion::Asked, NOON, &mut log).unwrap();
    drop(store);
    // The old database beside today's keys: the deleted record stays shut, and so does its neighbour's old row.
    dir.write(&backup[0].0, &backup[0].1).unwrap();
    let store = node.open(&mut log).unwrap();
    for n in 1..=2 {
        let row = store.row(&id(n)).unwrap();
        assert!(matches!(store.unseal(&id(n), row), Err(EvidenceError::Gone | EvidenceError::Sealed)), "{n}");
    }
    drop(store);
    // On another machine, without the folder of keys, nothing opens at all.
    let other = Node::new();
    other.dir("evidence").write(&backup[0].0, &backup[0].1).unwrap();
    let mut log = other.log();
    assert!(matches!(other.open(&mut log), Err(EvidenceError::EpochsUnreadable)));
}

/// Deletes record 2 of three with the power cut at step `step`, restarts, and looks at what is left.
fn cut_deletion(step: u32) -> bool {
    let node = Node::new();
    let mut log = node.log();
    let power = Power::default();
    let mut store = node.open_as(&mut log, &power, 9, Kind::Evidence).unwrap();
    (1..=3).for_each(|n| keep(&mut store, n));
    let secrets = note_down(&store, 2);
    power.cut_after(step);
    let result = store.delete(&[id(2)], Deletion::Asked, NOON, &mut log);
    let cut = power.is_off();
    drop(store);
    // Restarts that are cut again, some steps later each time, until one gets through.
    for again in 0.. {
        let power = Power::default();
        power.cut_after(again * 11 + step % 11);
        if node.open_as(&mut log, &power, 9, Kind::Evidence).is_ok() {
            break;
        }
    }
    let store = node.open(&mut log).unwrap();
    let deleted = !store.holds(&id(2)).unwrap();
    let deletions = |node: &Node| node.events().iter().filter(|e| matches!(e, Event::Deleted { .. })).count();
    let certificates = store.certificates().unwrap();
    assert!(deleted || result.is_err(), "step {step}: what was said to be done is done");
    assert_eq!((certificates.len(), deletions(&node)), (usize::from(deleted), usize::from(deleted)), "step {step}");
    let secret: Vec<Vec<u8>> = (1..=3).flat_map(|n| [picture(n), record(n)]).collect();
    let mut secret: Vec<&[u8]> = secret.iter().map(Vec::as_slice).collect();
    secret.extend([&secrets.record_key[..], &secrets.epoch_key]);
    assert!(!found(&raw(&node.dir("evidence")), &secret), "step {step}");
    if deleted {
        assert!(!recoverable(&node.dir("evidence"), 2, &secrets), "step {step}");
        certificates[0].check(&verifier()).unwrap();
    }
    for n in [1, 3] {
        let kept = store.unseal(&id(n), store.row(&id(n)).unwrap()).unwrap();
        assert_eq!(kept.picture.to_vec(), picture(n), "step {step}: a survivor is lost");
    }
    drop((store, log));
    log::verify(node.dir("log"), &Expect { key: &verifier(), floor: None, quorum: None }).unwrap();
    cut
}

#[test]
fn aud_07n_a_crash_at_every_step_of_a_deletion_leaves_it_whole_or_undone() {
    let mut cuts = 0;
    while cut_deletion(cuts) {
        cuts += 1;
    }
    assert!(cuts > 20, "{cuts} steps");
}

#[test]
fn aud_07n_a_crash_between_the_deletion_and_its_leaf_is_made_up_for() {
    let node = Node::new();
    let mut log = node.log();
    let mut store = node.open(&mut log).unwrap();
    (1..=2).for_each(|n| keep(&mut store, n));
    // The log's disk goes away while the evidence's stays.
    node.dir("log").rename("tile", &node.dir("log"), "away").ok();
    node.dir("log").write("tile", b"no folder").unwrap();
    assert!(matches!(store.delete(&[id(1)], Deletion::Asked, NOON, &mut log), Err(EvidenceError::Log(_))));
    assert!(!store.holds(&id(1)).unwrap());
    drop((store, log));
    node.dir("log").remove_file("tile").unwrap();
    node.dir("log").rename("away", &node.dir("log"), "tile").ok();
    let mut log: Log = node.log();
    drop(node.open(&mut log).unwrap());
    drop(node.open(&mut log).unwrap());
    assert_eq!(node.events().iter().filter(|e| matches!(e, Event::Deleted { .. })).count(), 1);
}

#[test]
fn skj_01n_a_crash_at_every_step_of_keeping_leaves_no_plaintext() {
    for step in 0.. {
        let node = Node::new();
        let mut log = node.log();
        let power = Power::default();
        let mut store = node.open_as(&mut log, &power, 9, Kind::Evidence).unwrap();
        power.cut_after(step);
        let kept = store.keep(id(1), &label(), &picture(1), &record(1), NOON).is_ok();
        let cut = power.is_off();
        drop(store);
        assert!(!found(&raw(&node.dir("evidence")), &[&picture(1), &record(1)]), "step {step}");
        let store = node.open(&mut log).unwrap();
        assert!(store.holds(&id(1)).unwrap() || !kept, "step {step}: what was said to be kept is kept");
        if store.holds(&id(1)).unwrap() {
            assert_eq!(store.unseal(&id(1), store.row(&id(1)).unwrap()).unwrap().picture.to_vec(), picture(1));
        }
        if !cut {
            break;
        }
    }
}
