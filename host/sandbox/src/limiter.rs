//! Memory, tables and instances of one store, counted over all of them.

use vaern_door::Limits;
use wasmtime::{Error, ResourceLimiter};

/// What was asked for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    Memory,
    Table,
}

/// Counts what a store holds. A component may hold several memories; the limit is for their sum.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: Meter,
    table: Meter,
    instances: usize,
    denied: Option<Denied>,
}

/// A sum with a limit.
#[derive(Debug)]
struct Meter {
    limit: u64,
    used: u64,
    /// The last growth that was allowed, to be taken back where the system could not provide it.
    last: u64,
}

impl Meter {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        match self.used.checked_add(more) {
            Some(used) if used <= self.limit => {
                self.used = used;
                self.last = more;
                true
            }
            _ => false,
        }
    }

    fn take_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let meter = |limit| Meter { limit, used: 0, last: 0 };
        Self {
            memory: meter(limits.memory_bytes),
            table: meter(limits.table_elements.into()),
            instances: usize::try_from(limits.instances).unwrap_or(usize::MAX),
            denied: None,
        }
    }

    /// What was last asked for in vain. A guest may survive a failed growth; if it then stops, this is why.
    pub(crate) const fn denied(&self) -> Option<Denied> {
        self.denied
    }

    /// Bytes of memory held, at most.
    pub(crate) const fn memory_bytes(&self) -> u64 {
        self.memory.used
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, Error> {
        let within = maximum.is_none_or(|maximum| desired <= maximum);
        // A guest that hits its own declared maximum did not hit ours.
        let allowed = !within || self.memory.grow(current, desired);
        if !allowed {
            self.denied = Some(Denied::Memory);
        }
        Ok(allowed && within)
    }

    fn memory_grow_failed(&mut self, _: Error) -> Result<(), Error> {
        self.memory.take_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, Error> {
        let within = maximum.is_none_or(|maximum| desired <= maximum);
        let allowed = !within || self.table.grow(current, desired);
        if !allowed {
            self.denied = Some(Denied::Table);
        }
        Ok(allowed && within)
    }

    fn table_grow_failed(&mut self, _: Error) -> Result<(), Error> {
        self.table.take_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}
