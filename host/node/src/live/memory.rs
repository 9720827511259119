//! What keeps a node's memory from a disk, and what the city asks of it (SKJ-08, AUD-11).
//!
//! The memory of a node holds originals, crops that wait to be sealed, and the keys of log and evidence. What matters most lies in pages of its
//! own; but a decoder, a detector and an encoder make copies inside themselves, so the process as a whole is locked and left out of
//! core files. The program finds out what the machine grants; here it is judged.

use serde::Serialize;
use vaern_door::{Blame, Krav, guard};
use vaern_policy::Profile;

/// What the machine grants. All true, or the memory could reach a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryReport {
    /// Every page of the node is locked, those to come as well.
    pub locked: bool,
    /// No core file is written of the node or its workers, and none would hold a page.
    pub in_no_core: bool,
    /// There is no swap on a disk, or the node and its workers may use none. Workers' pages are not locked: what runs in them gives memory
    /// back in a way that locked pages refuse.
    pub out_of_swap: bool,
    /// The machine cannot write its memory into a hibernation image.
    pub no_hibernation: bool,
}

/// A node's memory could reach a disk, and the policy does not let it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the memory of this node could reach a disk: {}", .0.join("; "))]
pub struct MemoryError(Vec<&'static str>);

impl MemoryError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("SKJ-08")
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// A report that the policy lets pass. Only [`MemoryReport::judge`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedMemory(MemoryReport);

impl JudgedMemory {
    pub(crate) const fn report(&self) -> MemoryReport {
        self.0
    }
}

impl MemoryReport {
    /// What is missing, in words for the operator.
    #[must_use]
    pub fn gaps(&self) -> Vec<&'static str> {
        [
            (self.locked, "it cannot be locked (`LimitMEMLOCK=infinity`, or the right CAP_IPC_LOCK)"),
            (self.in_no_core, "core files cannot be switched off"),
            (self.out_of_swap, "its workers may be swapped out (`MemorySwapMax=0`, or no swap)"),
            (self.no_hibernation, "the machine can hibernate (no swap, or `nohibernate` for the kernel)"),
        ]
        .into_iter()
        .filter_map(|(holds, gap)| (!holds).then_some(gap))
        .collect()
    }

    /// Refuses a node whose memory could reach a disk, unless the signed profile says that it may.
    ///
    /// # Errors
    /// [`MemoryError`] names what is missing.
    pub fn judge(self, profile: &Profile) -> Result<JudgedMemory, MemoryError> {
        let gaps = self.gaps();
        if gaps.is_empty() || profile.memory_may_reach_disk || !guard::stands("node.memory") {
            Ok(JudgedMemory(self))
        } else {
            Err(MemoryError(gaps))
        }
    }
}
