//! Evidence in the service: sealed when an outcome is in the journal, deleted when its day is over, whoever is or is not there.
//!
//! Off unless the configuration names a store and the policy gives days for it. A crop waits in memory until the outcome of its frame
//! is on disk; a kill in between costs the evidence of those few frames and keeps none that no result names. What is over its time is
//! deleted when the node starts and with each new day (UTC), and each deletion is a leaf.

use jiff::Timestamp;
use vaern_door::{Digest, Name};
use vaern_record::evidence::{Day, Evidence, EvidenceError};
use vaern_record::log::Log;

use crate::keeper::{self, Crops, KeptCount, Terms};
use crate::outcome::SeenFrame;

type Open = Box<dyn FnMut(&mut Log) -> Result<Evidence, EvidenceError> + Send>;

/// The evidence store of a service: opened anew after each fault.
pub struct EvidenceBook {
    open: Open,
    store: Option<Evidence>,
    purpose: Name,
    zone: Name,
    days: u16,
    purged: Option<Day>,
}

impl EvidenceBook {
    /// `open` opens the store. `days` are those of the policy, at least 1.
    #[must_use]
    pub fn new(
        purpose: Name,
        zone: Name,
        days: u16,
        open: impl FnMut(&mut Log) -> Result<Evidence, EvidenceError> + Send + 'static,
    ) -> Self {
        Self { open: Box::new(open), store: None, purpose, zone, days, purged: None }
    }

    fn store(&mut self, log: &mut Log) -> Result<&mut Evidence, EvidenceError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => (self.open)(log)?,
        };
        Ok(self.store.insert(store))
    }

    /// After a fault what is on disk is the truth.
    pub(crate) fn drop_store(&mut self) {
        self.store = None;
    }

    /// Seals what was found in a frame.
    pub(crate) fn keep(
        &mut self,
        release: Digest,
        seen: &SeenFrame,
        crops: &mut Crops,
        now: Timestamp,
        log: &mut Log,
    ) -> Result<KeptCount, EvidenceError> {
        let terms = Terms { purpose: self.purpose.clone(), zone: self.zone.clone(), release, days: self.days };
        keeper::seal(self.store(log)?, &terms, seen, crops, now)
    }

    /// Whether a day began since what is over its time was deleted.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.purged != Some(day(now))
    }

    /// Deletes what is over its time, by destroying its keys. Answers with the number of deletions.
    pub(crate) fn purge(&mut self, now: Timestamp, log: &mut Log) -> Result<usize, EvidenceError> {
        let deleted = self.store(log)?.expire(u64::try_from(now.as_second()).unwrap_or_default(), log)?.len();
        self.purged = Some(day(now));
        Ok(deleted)
    }
}

fn day(now: Timestamp) -> Day {
    Day::of(u64::try_from(now.as_second()).unwrap_or_default())
}
