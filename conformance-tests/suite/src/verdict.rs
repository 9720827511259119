//! What a test says: a verdict, why, and the figures that it rests on. Whole numbers only, so that the same run is the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaern_door::guard;

/// How a test ended. There is no word for "skipped": what was not shown does not count as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Shown.
    Pass,
    /// Shown to be otherwise.
    Fail,
    /// The release does not have what the test is about, and says so itself.
    NotApplicable,
    /// A person has to judge; the run says of what.
    Examine,
    /// Could not be shown, because something before it failed or was not given. Counts as failed.
    Unproven,
}

impl Verdict {
    /// The name in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotApplicable => "not-applicable",
            Self::Examine => "examine",
            Self::Unproven => "unproven",
        }
    }

    /// Whether a mandatory test with this verdict fails the run.
    #[must_use]
    pub fn fails(self) -> bool {
        self == Self::Fail || self == Self::Unproven && guard::stands("conformance.unproven")
    }
}

/// One sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Danish.
    pub da: String,
    /// English.
    pub en: String,
}

impl Said {
    /// The same said twice.
    pub fn new(da: impl Into<String>, en: impl Into<String>) -> Self {
        Self { da: da.into(), en: en.into() }
    }
}

/// A figure behind a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Figure {
    /// So many of so many, as a share in ten-thousandths with its 95 % Wilson interval.
    Share {
        /// So many.
        part: u64,
        /// Of so many.
        of: u64,
        /// The share.
        share_e4: u32,
        /// Lower end of the interval.
        low_e4: u32,
        /// Upper end of the interval.
        high_e4: u32,
    },
    /// A signed difference in ten-thousandths, with its 95 % interval.
    Gap {
        /// Out of so many pairs.
        of: u64,
        /// The difference.
        gap_e4: i32,
        /// Lower end of the interval.
        low_e4: i32,
        /// Upper end of the interval.
        high_e4: i32,
    },
    /// A number of things.
    Count {
        /// The number.
        count: u64,
    },
}

/// What one test says of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Id of the test.
    pub test: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass, or what is to be examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Said>,
    /// Number of the first case that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<u32>,
    /// The figures by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Figure>,
}

/// What a judge says; the run adds the test's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) why: Option<Said>,
    pub(crate) case: Option<u32>,
    pub(crate) figures: BTreeMap<String, Figure>,
}

impl Judged {
    const fn of(verdict: Verdict, why: Option<Said>) -> Self {
        Self { verdict, why, case: None, figures: BTreeMap::new() }
    }

    pub(crate) const fn pass() -> Self {
        Self::of(Verdict::Pass, None)
    }

    pub(crate) fn fail(da: impl Into<String>, en: impl Into<String>) -> Self {
        Self::of(Verdict::Fail, Some(Said::new(da, en)))
    }

    pub(crate) fn unproven(da: impl Into<String>, en: impl Into<String>) -> Self {
        Self::of(Verdict::Unproven, Some(Said::new(da, en)))
    }

    pub(crate) fn not_applicable(da: impl Into<String>, en: impl Into<String>) -> Self {
        Self::of(Verdict::NotApplicable, Some(Said::new(da, en)))
    }

    pub(crate) fn examine(da: impl Into<String>, en: impl Into<String>) -> Self {
        Self::of(Verdict::Examine, Some(Said::new(da, en)))
    }

    /// Passes, or fails with these words.
    pub(crate) fn pass_if(holds: bool, da: impl Into<String>, en: impl Into<String>) -> Self {
        if holds { Self::pass() } else { Self::fail(da, en) }
    }

    pub(crate) fn figure(mut self, name: impl Into<String>, figure: Figure) -> Self {
        self.figures.insert(name.into(), figure);
        self
    }

    pub(crate) fn count(self, name: impl Into<String>, count: u64) -> Self {
        self.figure(name, Figure::Count { count })
    }

    /// Names the case that shows it, where it did not pass.
    pub(crate) fn case(mut self, case: Option<u32>) -> Self {
        self.case = case.filter(|_| self.verdict.fails());
        self
    }
}
