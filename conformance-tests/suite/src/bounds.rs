//! The numbers that decide, read from one file that a lawyer can read too.

use serde::Deserialize;
use vaern_door::Digest;

const TEXT: &str = include_str!("../bounds.toml");

/// The bounds, see `bounds.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bounds {
    pub(crate) quality: Quality,
    pub(crate) robustness: Robustness,
    pub(crate) fairness: Fairness,
    pub(crate) output: Output,
    pub(crate) cost: Cost,
    pub(crate) corpus: Corpus,
    pub(crate) authority: Authority,
    pub(crate) gate: Gate,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quality {
    pub(crate) least_recall: f64,
    pub(crate) least_precision: f64,
    pub(crate) group_gap: f64,
    pub(crate) least_group: u64,
    pub(crate) corpus_gap: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Robustness {
    pub(crate) noise: f64,
    pub(crate) blur: f64,
    pub(crate) jpeg: f64,
    pub(crate) crop: f64,
    pub(crate) light: f64,
    pub(crate) sticker_elsewhere: f64,
    pub(crate) sticker_on: f64,
    pub(crate) more_boxes: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fairness {
    pub(crate) net_loss: f64,
    pub(crate) group_gap: f64,
    pub(crate) more_boxes: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) masked: f64,
    pub(crate) invisible: f64,
    pub(crate) unsteady: f64,
    pub(crate) blank_boxes: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    pub(crate) memory: f64,
}

/// Labelled pictures.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Corpus {
    pub(crate) least_recall: f64,
    pub(crate) least_precision: f64,
    pub(crate) group_gap: f64,
    pub(crate) least_group: u64,
    pub(crate) trigger: f64,
}

/// The city's own runs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authority {
    pub(crate) attempts: u32,
}

/// The host's own gate.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    pub(crate) face: f64,
    pub(crate) person: f64,
    pub(crate) plate: f64,
    pub(crate) patched: f64,
    pub(crate) group_gap: f64,
    pub(crate) least: u64,
    pub(crate) least_group: u64,
}

/// How many attempts on a sealed corpus every vendor has.
///
/// # Errors
/// What is wrong with the bounds: a fault of the build.
pub fn attempts_of_each() -> Result<u32, toml::de::Error> {
    Bounds::of_this_build().map(|(bounds, _)| bounds.authority.attempts)
}

impl Bounds {
    /// The bounds of this build, and the digest that names them.
    ///
    /// # Errors
    /// What is wrong with the file: a fault of the build.
    pub(crate) fn of_this_build() -> Result<(Self, Digest), toml::de::Error> {
        Ok((toml::from_str(TEXT)?, Digest::of(TEXT.as_bytes())))
    }
}
