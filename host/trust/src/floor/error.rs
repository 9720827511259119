//! Why the floor cannot be used.

use vaern_door::{Blame, Krav};

/// Why the floor cannot be used. Each stops activation; none begins the floor anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FloorError {
    /// There is no floor in the directory.
    #[error("FloorUnreadable: the node's floor is missing")]
    Missing,
    /// There is one already.
    #[error("the directory holds a floor already")]
    Exists,
    /// It is there and does not hold together.
    #[error("FloorUnreadable: the node's floor does not hold together ({0})")]
    Unreadable(String),
    /// Another process has it.
    #[error("another process has the node's floor open")]
    Busy,
    /// It could not be written. What was in force stays in force.
    #[error("StorageFailed: the node's floor could not be written ({0}); what was in force stays in force")]
    Storage(String),
    /// A row would go back. The rules above never ask for it; this is the last line.
    #[error("the row `{0}` of the floor would go back")]
    WouldGoBack(String),
    /// A recovery statement that does not restore this floor.
    #[error("the recovery statement does not apply: {0}")]
    Recovery(&'static str),
}

impl FloorError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Exists | Self::Busy => Krav("STD-02"),
            _ => Krav("CYB-01"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::WouldGoBack(_) => Blame::Host,
            Self::Recovery(_) => Blame::Policy,
            _ => Blame::Operator,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Missing => {
                "a new node: `vaern channel enrol`; a node that had one: ask the city for a recovery statement"
            }
            Self::Exists => "use it as it is; a floor is never begun anew over another",
            Self::Unreadable(_) => {
                "ask the city for a recovery statement and run `vaern channel recover`; do not delete the floor"
            }
            Self::Busy => "wait for the other process, or stop it",
            Self::Storage(_) => "make room on the node's disk and see that it can be written",
            Self::WouldGoBack(_) => "this is a fault in vaern; please report it",
            Self::Recovery(_) => "have the root's keys sign a new recovery statement for this node",
        }
    }
}
