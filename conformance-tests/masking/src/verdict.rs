//! What a test says of a masking: does it hold, and by which figures.

use serde::Serialize;

/// The tests of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum TestId {
    /// Non-interference.
    T1,
    /// Compression ring.
    T2,
    /// Capacity in bits per face.
    T3,
    /// Deconvolution gain.
    T4,
    /// Re-identification.
    T5,
    /// Characters of a plate.
    T6,
    /// Re-detection.
    T7,
    /// Container scan.
    T8,
    /// Fail-closed matrix.
    T9,
    /// Seams and borders.
    T10,
    /// Recall floors, and what is left to see.
    T11,
}

impl TestId {
    /// All tests, in order.
    pub const ALL: [Self; 11] = [
        Self::T1,
        Self::T2,
        Self::T3,
        Self::T4,
        Self::T5,
        Self::T6,
        Self::T7,
        Self::T8,
        Self::T9,
        Self::T10,
        Self::T11,
    ];

    /// In a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::T1 => "non-interference",
            Self::T2 => "compression ring",
            Self::T3 => "capacity",
            Self::T4 => "deconvolution gain",
            Self::T5 => "re-identification",
            Self::T6 => "plate characters",
            Self::T7 => "re-detection",
            Self::T8 => "container scan",
            Self::T9 => "fail-closed",
            Self::T10 => "seams and borders",
            Self::T11 => "recall and use",
        }
    }
}

/// A number with its name and unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its unit; empty for a count or a part of one.
    pub unit: &'static str,
}

impl Figure {
    /// A figure.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

/// What one test says of one masking.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Which test.
    pub test: TestId,
    /// Whether the masking holds.
    pub holds: bool,
    /// The figures that it rests on.
    pub figures: Vec<Figure>,
    /// What else there is to say, in a few words.
    pub says: String,
}

impl Verdict {
    pub(crate) fn of(test: TestId, holds: bool, figures: Vec<Figure>, says: impl Into<String>) -> Self {
        Self { test, holds, figures, says: says.into() }
    }

    /// The figure of this name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|f| f.name == name).map(|f| f.value)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.holds { "holds" } else { "FAILS" };
        write!(f, "{:?} {:<18} {word}", self.test, self.test.title())?;
        for figure in &self.figures {
            write!(f, "  {} {:.4}", figure.name, figure.value)?;
            if !figure.unit.is_empty() {
                write!(f, " {}", figure.unit)?;
            }
        }
        if self.says.is_empty() { Ok(()) } else { write!(f, "  ({})", self.says) }
    }
}
