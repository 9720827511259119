//! What the journal comes to: which pictures stand, which originals are gone, which of them are signed for.

use std::collections::{BTreeMap, BTreeSet};

use vaern_door::Digest;

use super::journal::{Line, Masked};

/// The journal, line after line, and what this run found out besides.
#[derive(Default)]
pub(super) struct State {
    /// Pictures that stand, by number.
    pub(super) masked: BTreeMap<u64, Masked>,
    /// Largest number that a line was ever written for. No number stands for two pictures.
    pub(super) last: u64,
    /// Numbers whose original was about to be unlinked.
    pub(super) going: BTreeSet<u64>,
    /// Numbers whose original is gone.
    pub(super) gone: BTreeSet<u64>,
    /// Numbers of deletions that are signed for.
    recorded: BTreeSet<u64>,
    /// Deletion records.
    pub(super) records: u64,
    /// Digest of the last one.
    pub(super) last_record: Option<Digest>,
    /// Numbers whose picture did not hold and is made again under another number.
    pub(super) dropped: BTreeSet<u64>,
    /// Numbers whose original is not to be found, and was not deleted here.
    pub(super) missing: BTreeSet<u64>,
    /// Numbers whose original lies under its private name and cannot go back to its own.
    pub(super) aside: BTreeSet<u64>,
    /// Pictures whose annotations could not be carried over.
    pub(super) unannotated: usize,
}

impl State {
    pub(super) fn replay(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Begun { .. } => {}
                Line::Masked(masked) => {
                    // The same original masked anew: the number before stands for nothing any more, unless it is gone.
                    let gone = &self.gone;
                    self.masked.retain(|number, m| m.original != masked.original || gone.contains(number));
                    self.masked(masked.clone());
                }
                Line::Going { number } => {
                    self.going.insert(*number);
                }
                Line::Stays { number } => {
                    self.going.remove(number);
                }
                Line::Gone { number } => {
                    self.gone.insert(*number);
                }
                Line::Recorded { record, numbers } => self.recorded(*record, numbers),
            }
        }
    }

    pub(super) fn masked(&mut self, masked: Masked) {
        self.last = self.last.max(masked.number);
        self.masked.insert(masked.number, masked);
    }

    pub(super) fn recorded(&mut self, record: u64, numbers: &[u64]) {
        self.records = self.records.max(record);
        self.recorded.extend(numbers);
    }

    pub(super) fn unrecorded(&self) -> Vec<u64> {
        self.gone.difference(&self.recorded).copied().collect()
    }

    /// Pictures whose original is not known to be gone.
    pub(super) fn open(&self) -> impl Iterator<Item = &Masked> {
        self.masked.values().filter(|m| !self.gone.contains(&m.number))
    }
}
