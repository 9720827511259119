//! Checking a whole log offline: every leaf, every tile, the root, the signature, what was seen before, and the account.

use std::collections::{BTreeMap, BTreeSet};

use cap_std::fs::Dir;

use super::checkpoint::{Checkpoint, Floor};
use super::event::Event;
use super::leaf::Record;
use super::merkle::{self, Hash};
use super::note::VerifierKey;
use super::reader::{Opened, Reader};
use super::tile::{self, WIDTH};
use super::witness::Quorum;
use super::words::{IncidentKind, RunRef};
use crate::AuditError;

/// What a log is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// Its key.
    pub key: &'a VerifierKey,
    /// The newest checkpoint that the examiner saw before.
    pub floor: Option<&'a Floor>,
    /// The witnesses that must vouch for it.
    pub quorum: Option<&'a Quorum>,
}

/// What a log that holds says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its size and root.
    pub checkpoint: Checkpoint,
    /// Leaves whose record is there, and is the committed one.
    pub opened: u64,
    /// Leaves whose record was taken away, or is not part of this copy.
    pub sealed: u64,
    /// Leaves by what they say.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Frames that went into ended runs.
    pub frames_in: u64,
    /// Frames with at least one object.
    pub with_objects: u64,
    /// Frames that were found empty.
    pub empty: u64,
    /// Frames refused under a rule.
    pub refused: u64,
    /// Frames lost to a fault of plugin or host.
    pub failed: u64,
    /// Runs that began, did not end, and were not given up for lost: one that goes on now, or a crash.
    pub unfinished: Vec<RunRef>,
    /// When the quorum of witnesses had vouched for this checkpoint, where one was asked for.
    pub vouched: Option<u64>,
}

/// Checks a log.
///
/// # Errors
/// [`AuditError`] names the first thing that does not hold, by index where there is one.
pub fn verify(dir: Dir, expect: &Expect<'_>) -> Result<Account, AuditError> {
    let reader = Reader::open(dir, expect.key)?;
    let checkpoint = reader.checkpoint().clone();
    if let Some(floor) = expect.floor
        && vaern_door::guard::stands("record.rollback")
        && checkpoint.size < floor.size
    {
        return Err(AuditError::CheckpointRollback { have: floor.size, offered: checkpoint.size });
    }
    let mut ledger = Ledger::default();
    let mut tiles = Tiles { reader: &reader, levels: Vec::new() };
    for n in 0..reader.bundles() {
        tiles.bundle(n)?;
        for leaf in reader.opened(n)? {
            ledger.enter(&leaf)?;
        }
    }
    tiles.finish()?;
    let root = merkle::range(&reader, 0, checkpoint.size)?;
    if vaern_door::guard::stands("record.root") && root != checkpoint.root {
        return Err(AuditError::RootMismatch { size: checkpoint.size });
    }
    if let Some(floor) = expect.floor {
        reader.holds(floor)?;
    }
    let vouched = expect.quorum.map(|quorum| quorum.check(reader.note())).transpose()?;
    Ok(ledger.close(checkpoint, vouched))
}

/// Holds every hash tile against what lies below it. Afterwards [`merkle::range`] reads only hashes that were recomputed.
struct Tiles<'a> {
    reader: &'a Reader,
    /// For each level above the leaves, the hashes that its open tile must hold, and the number of that tile.
    levels: Vec<(u64, Vec<Hash>)>,
}

impl Tiles<'_> {
    fn bundle(&mut self, n: u64) -> Result<(), AuditError> {
        let hashes: Vec<Hash> = self.reader.entries(n)?.iter().map(|entry| merkle::leaf(entry)).collect();
        let tile = self.reader.tile(0, n)?;
        for (index, (computed, there)) in (n * WIDTH..).zip(hashes.iter().zip(&tile)) {
            if vaern_door::guard::stands("record.leaf") && computed != there {
                return Err(AuditError::LeafMismatch { index });
            }
        }
        if hashes.len() as u64 == WIDTH {
            self.carry(1, tile::fold(&hashes))?;
        }
        Ok(())
    }

    fn carry(&mut self, level: u8, hash: Hash) -> Result<(), AuditError> {
        let at = usize::from(level) - 1;
        if self.levels.len() == at {
            self.levels.push((0, Vec::new()));
        }
        let Some((n, hashes)) = self.levels.get_mut(at) else { return Ok(()) };
        hashes.push(hash);
        if hashes.len() as u64 == WIDTH {
            let (n, hashes) = (std::mem::replace(n, *n + 1), std::mem::take(hashes));
            self.same(level, n, &hashes)?;
            self.carry(level + 1, tile::fold(&hashes))?;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), AuditError> {
        for (level, (n, hashes)) in (1_u8..).zip(&self.levels) {
            if !hashes.is_empty() {
                self.same(level, *n, hashes)?;
            }
        }
        Ok(())
    }

    fn same(&self, level: u8, n: u64, computed: &[Hash]) -> Result<(), AuditError> {
        let there = self.reader.tile(level, n)?;
        match computed.iter().zip(&there).position(|(a, b)| a != b) {
            Some(at) if vaern_door::guard::stands("record.tile") => {
                let index = (n * WIDTH + at as u64) << (u32::from(level) * u32::from(tile::HEIGHT));
                Err(AuditError::TileMismatch { level, index })
            }
            _ => Ok(()),
        }
    }
}

/// The account that the leaves give, and the rules that it must keep.
#[derive(Default)]
struct Ledger {
    opened: u64,
    sealed: u64,
    kinds: BTreeMap<&'static str, u64>,
    begun: BTreeSet<RunRef>,
    open: Vec<RunRef>,
    frames: [u64; 5],
}

impl Ledger {
    fn enter(&mut self, leaf: &Opened) -> Result<(), AuditError> {
        let Some(Record { event, .. }) = &leaf.record else {
            self.sealed += 1;
            return Ok(());
        };
        self.opened += 1;
        *self.kinds.entry(event.kind()).or_insert(0) += 1;
        let wrong = |why| AuditError::Record { index: leaf.index, why };
        match event {
            Event::RunBegun { run, .. } => {
                if !self.begun.insert(*run) {
                    return Err(wrong("it begins a run that began before"));
                }
                self.open.push(*run);
            }
            Event::RunEnded { run, counts } => {
                // Where earlier records were taken away, the beginning may be among them.
                let known = self.open.contains(run);
                if vaern_door::guard::stands("record.run_ends_once")
                    && !known
                    && (self.sealed == 0 || self.begun.contains(run))
                {
                    return Err(wrong("it ends a run that did not begin, or that ended before"));
                }
                self.begun.insert(*run);
                self.open.retain(|other| other != run);
                let refused = counts.refused().values().fold(0, |sum: u64, n| sum.saturating_add(*n));
                let failed = counts.failed().values().fold(0, |sum: u64, n| sum.saturating_add(*n));
                let these = [counts.frames_in(), counts.with_objects(), counts.empty(), refused, failed];
                for (sum, n) in self.frames.iter_mut().zip(these) {
                    *sum = sum.saturating_add(n);
                }
            }
            Event::Incident { kind: IncidentKind::RunLost, run: Some(run), .. } => {
                self.open.retain(|other| other != run);
            }
            _ => {}
        }
        Ok(())
    }

    fn close(self, checkpoint: Checkpoint, vouched: Option<u64>) -> Account {
        let [frames_in, with_objects, empty, refused, failed] = self.frames;
        Account {
            checkpoint,
            opened: self.opened,
            sealed: self.sealed,
            kinds: self.kinds,
            frames_in,
            with_objects,
            empty,
            refused,
            failed,
            unfinished: self.open,
            vouched,
        }
    }
}
