//! Witnesses: who vouches for a log, and what they refuse (AUD-02, AUD-04).

use cap_tempfile::TempDir;
use ed25519_dalek::{Signer as _, SigningKey};

use super::tests::{check, dir, event, log_key, log_of, name, room, verifier};
use super::*;
use crate::AuditError;

fn witness(seed: u8) -> (WitnessKey, Witness) {
    let secret = SigningKey::from_bytes(&[seed; 32]);
    let key = WitnessKey::new(name(&format!("witness-{seed}")), secret.verifying_key().as_bytes()).unwrap();
    assert_eq!(key.to_string().parse::<WitnessKey>().unwrap(), key);
    let witness = Witness::new(key.clone(), move |m| secret.sign(m).to_bytes(), verifier(), None).unwrap();
    (key, witness)
}

fn proof(log: &Log, old: u64) -> Vec<Hash> {
    log.reader().unwrap().consistency(old).unwrap()
}

#[test]
fn aud_02p_a_growing_log_reaches_its_quorum() {
    let room = room();
    let mut log = log_of(&room, 5);
    let (mut witnesses, keys): (Vec<_>, Vec<_>) = [11, 12, 13].map(witness).into_iter().map(|(k, w)| (w, k)).unzip();
    let quorum = Quorum::new(keys, 2, 3600).unwrap();
    for round in 0..3 {
        let note = room.read("checkpoint").unwrap();
        for (at, witness) in witnesses.iter_mut().take(2).enumerate() {
            let line = witness.cosign(&note, &proof(&log, witness.seen().size), 5_000 + round).unwrap();
            assert_eq!(log.add_cosignature(&line, &quorum).unwrap(), at + 1);
        }
        let expect = Expect { key: &verifier(), floor: None, quorum: Some(&quorum) };
        assert_eq!(verify(dir(&room), &expect).unwrap().vouched, Some(5_000 + round));
        log.note(event(99), 1).unwrap();
        assert!(matches!(verify(dir(&room), &expect), Err(AuditError::QuorumNotReached { have: 0, need: 2 })));
        assert_eq!(log.witnessed(&quorum).unwrap().unwrap().1, 5_000 + round, "the last quorum is kept");
    }
}

#[test]
fn aud_02n_two_witnesses_that_get_different_trees_give_neither_a_quorum() {
    let (one, two) = (room(), room());
    let shared = log_of(&one, 4);
    drop(shared);
    for file in ["checkpoint", "tile/0/000.p/4", "tile/entries/000.p/4", "records/000"] {
        two.create_dir_all(file.rsplit_once('/').map_or(".", |(folder, _)| folder)).unwrap();
        two.write(file, one.read(file).unwrap()).unwrap();
    }
    let open = |room: &TempDir| Log::open(dir(room), log_key(), None).unwrap();
    let (mut left, mut right) = (open(&one), open(&two));
    let ((key_a, mut a), (key_b, mut b), (key_c, mut c)) = (witness(21), witness(22), witness(23));
    for witness in [&mut a, &mut b, &mut c] {
        witness.cosign(&one.read("checkpoint").unwrap(), &[], 1).unwrap();
    }
    // The log grows differently for different eyes.
    left.note(event(100), 1).unwrap();
    right.note(event(200), 1).unwrap();
    let quorum = Quorum::new(vec![key_a, key_b, key_c], 2, 3600).unwrap();
    let line = a.cosign(&one.read("checkpoint").unwrap(), &proof(&left, 4), 2).unwrap();
    assert_eq!(left.add_cosignature(&line, &quorum).unwrap(), 1);
    let line = b.cosign(&two.read("checkpoint").unwrap(), &proof(&right, 4), 2).unwrap();
    assert_eq!(right.add_cosignature(&line, &quorum).unwrap(), 1);
    // Neither witness vouches for the other tree, at that size or later; a cosignature does not fit the other note.
    right.note(event(201), 1).unwrap();
    let split = |e: AuditError| matches!(e, AuditError::InconsistentTree { size: 5 });
    assert!(split(a.cosign(&two.read("checkpoint").unwrap(), &proof(&right, 5), 3).unwrap_err()));
    assert!(split(b.cosign(&one.read("checkpoint").unwrap(), &[], 3).unwrap_err()));
    assert!(matches!(left.add_cosignature(&line, &quorum), Err(AuditError::BadSignature { .. })));
    for room in [&one, &two] {
        let expect = Expect { key: &verifier(), floor: None, quorum: Some(&quorum) };
        assert!(matches!(verify(dir(room), &expect), Err(AuditError::QuorumNotReached { need: 2, .. })));
    }
    // And an examiner who saw one tree refuses the other.
    assert!(split(check(&two, Some(&left.floor())).unwrap_err()));
}

#[test]
fn aud_02n_a_witness_that_was_shown_more_refuses_less() {
    let room = room();
    let mut log = log_of(&room, 4);
    let older = room.read("checkpoint").unwrap();
    log.note(event(4), 1).unwrap();
    let (_, mut witness) = witness(31);
    witness.cosign(&room.read("checkpoint").unwrap(), &[], 1).unwrap();
    let refused = witness.cosign(&older, &[], 2);
    assert!(matches!(refused, Err(AuditError::CheckpointRollback { have: 5, offered: 4 })));
    assert_eq!(witness.seen().size, 5);
}

#[test]
fn aud_04n_a_lost_witness_key_leaves_a_quorum_or_stops_the_node_at_its_bound() {
    let room = room();
    let mut log = log_of(&room, 5);
    let ((key_a, mut a), (key_b, mut b), (key_c, _lost)) = (witness(41), witness(42), witness(43));
    let quorum = Quorum::new(vec![key_a.clone(), key_b.clone(), key_c], 2, 600).unwrap();
    // One of three keys is lost: the other two still are a quorum.
    for (witness, time) in [(&mut a, 1_000), (&mut b, 1_010)] {
        let line = witness.cosign(&room.read("checkpoint").unwrap(), &[], time).unwrap();
        log.add_cosignature(&line, &quorum).unwrap();
    }
    let last = log.witnessed(&quorum).unwrap().map(|(_, time)| time);
    assert_eq!(last, Some(1_000), "a quorum is as old as its oldest needed cosignature");
    assert!(quorum.stands(last, 1_600).is_ok());
    // A second one goes: no new quorum, and the node stops when its bound is over.
    let silent = quorum.stands(last, 1_601);
    assert!(matches!(silent, Err(AuditError::WitnessesSilent { seconds: 601, bound: 600 })));
    assert!(quorum.stands(None, 0).is_err(), "never vouched for is not fresh");
    // The key is replaced; that is a leaf, and the old cosignatures of the dropped key no longer count.
    let (key_d, mut d) = witness(44);
    let rotated = Quorum::new(vec![key_a, key_d], 2, 600).unwrap();
    assert_ne!(rotated.reference(), quorum.reference());
    log.note(Event::WitnessesSet { witnesses: rotated.reference() }, 1_700).unwrap();
    assert!(log.witnessed(&rotated).unwrap().is_none());
    for witness in [&mut a, &mut d] {
        let path = proof(&log, witness.seen().size);
        let line = witness.cosign(&room.read("checkpoint").unwrap(), &path, 1_710).unwrap();
        log.add_cosignature(&line, &rotated).unwrap();
    }
    assert!(rotated.stands(log.witnessed(&rotated).unwrap().map(|(_, time)| time), 1_720).is_ok());
    assert_eq!(check(&room, None).unwrap().kinds["WitnessesSet"], 1);
}

#[test]
fn aud_04n_a_quorum_that_two_halves_could_reach_is_refused() {
    let keys: Vec<WitnessKey> = [51, 52, 53, 54].map(|seed| witness(seed).0).to_vec();
    for need in [0, 1, 2, 5] {
        assert!(Quorum::new(keys.clone(), need, 1).is_err(), "{need} of 4");
    }
    assert!(Quorum::new(keys.clone(), 3, 1).is_ok());
    assert!(Quorum::new(vec![keys[0].clone(), keys[0].clone()], 2, 1).is_err());
}
