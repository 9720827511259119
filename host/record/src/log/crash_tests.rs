//! The power goes off before each step of each write. What a restart makes of it is the same every time: a tree that
//! holds, and the leaves in it once or not at all (AUD-08).

use cap_tempfile::TempDir;

use super::tests::{check, dir, event, log_key, room};
use super::{Leaf, Log};
use crate::AuditError;
use crate::disk::Disk;
use crate::disk::power::Power;

fn open(room: &TempDir, power: &Power) -> Result<Log, AuditError> {
    let mut disk = Disk::new(dir(room));
    disk.power = power.clone();
    Log::open_disk(disk, log_key(), None)
}

fn leaves(from: u64, n: u64) -> Vec<Leaf> {
    (from..from + n).map(|n| Leaf::seal(event(n), n).unwrap()).collect()
}

/// Logs `before` leaves, then `batch` more with the power cut at each step, at first once, and then again during the repair.
fn every_cut(before: u64, batch: u64) -> u32 {
    let mut cuts = 0;
    for step in 0.. {
        let room = room();
        let mut log = open(&room, &Power::default()).unwrap();
        log.append(&leaves(0, before)).unwrap();
        drop(log);
        let power = Power::default();
        let mut log = open(&room, &power).unwrap();
        let floor = log.floor();
        power.cut_after(step);
        let fresh = leaves(before, batch);
        let result = log.append(&fresh);
        let cut = power.is_off() && result.is_err();
        if cut {
            assert!(matches!(log.append(&fresh), Err(AuditError::Poisoned)), "step {step}");
            cuts += 1;
        }
        drop(log);
        // Restarts that are cut again, some steps later each time, until one gets through.
        for again in 0.. {
            let power = Power::default();
            power.cut_after(again * 4 + step % 4);
            if open(&room, &power).is_ok() {
                break;
            }
        }
        let mut log = open(&room, &Power::default()).unwrap();
        let size = log.size();
        assert!(size == before || size == before + batch, "step {step}: a part of the batch, {size}");
        assert!(cut || size == before + batch, "step {step}: what append answered Ok for is there");
        assert_eq!(check(&room, Some(&floor)).unwrap().opened, size, "step {step}");
        // The caller tries again with the same leaves: each is there once.
        assert_eq!(log.append(&fresh).unwrap(), (before..before + batch).collect::<Vec<_>>(), "step {step}");
        assert_eq!(log.size(), before + batch);
        drop(log);
        let account = check(&room, Some(&floor)).unwrap();
        assert_eq!(account.opened, before + batch, "step {step}");
        let log = open(&room, &Power::default()).unwrap();
        let all = log.reader().unwrap().each(0..u64::MAX).unwrap();
        let events: Vec<_> = all.into_iter().map(|leaf| leaf.record.unwrap().event).collect();
        assert_eq!(events, (0..before + batch).map(event).collect::<Vec<_>>(), "step {step}");
        if !cut {
            break;
        }
    }
    cuts
}

#[test]
fn aud_08n_a_cut_at_every_write_of_the_first_leaf_loses_and_doubles_nothing() {
    assert!(every_cut(0, 1) > 15);
}

#[test]
fn aud_08n_a_cut_at_every_write_across_a_tile_boundary_loses_and_doubles_nothing() {
    assert!(every_cut(254, 4) > 30);
}

#[test]
fn aud_08n_a_cut_while_a_log_begins_leaves_a_log_that_begins() {
    for step in 0.. {
        let room = room();
        let power = Power::default();
        power.cut_after(step);
        let begun = open(&room, &power).is_ok();
        let mut log = open(&room, &Power::default()).unwrap();
        assert_eq!(log.note(event(0), 1).unwrap(), 0);
        drop(log);
        assert_eq!(check(&room, None).unwrap().opened, 1);
        if begun {
            assert!(step > 2);
            break;
        }
    }
}

#[test]
fn aud_08p_a_full_disk_leaves_the_log_as_it_was() {
    // A write that fails without a crash: the log says so, and opening it anew goes on.
    let room = room();
    let power = Power::default();
    let mut log = open(&room, &power).unwrap();
    log.append(&leaves(0, 3)).unwrap();
    power.cut_after(1);
    assert!(matches!(log.append(&leaves(3, 1)), Err(AuditError::Io { .. })));
    drop(log);
    assert_eq!(open(&room, &Power::default()).unwrap().size(), 3);
}
