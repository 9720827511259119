//! One requirement, as its file says it.

use std::fmt;

use serde::{Deserialize, Serialize};
use vaern_door::Version;

/// One file of `policies/catalogue/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KravEntry {
    /// Its id, as in `MIN-04`; also the name of the file.
    pub id: String,
    /// The requirement in Danish, verb first: `Værten SKAL …`, `Et plugin MÅ KUN …`.
    pub dk: String,
    /// The same in English.
    pub en: String,
    /// How it is met: by code that is tested, by people who examine, or both.
    pub kind: Vec<Kind>,
    /// Who has to meet it.
    pub responsible: Vec<Party>,
    /// Whether the city's documents demand it, or the project.
    pub origin: Origin,
    /// Version of the catalogue that it came with.
    #[cfg_attr(test, schemars(with = "String"))]
    pub since: Version,
    /// Every later change of what it says or allows, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Change>,
    /// Version from which it no longer applies. The file stays: nothing is renumbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub retired: Option<Version>,
    /// A remark for whoever reads it, in Danish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Ids of the rules in `capabilities/` that enforce it.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Tests that show it: `package::target::test`, where the target is a file of `tests/`, `lib` or `bin`, as in `guards.toml`.
    #[serde(default)]
    pub tests: Vec<String>,
    /// What people examine, and where the record of it stands. Demanded of every kind E.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examined: Option<String>,
    /// What is still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Planned>,
    /// Where the demand stands in the city's documents.
    pub source: Vec<Source>,
    /// Where else to read about it.
    #[serde(default)]
    pub references: References,
}

impl KravEntry {
    /// Version of its last change.
    #[must_use]
    pub fn version(&self) -> &Version {
        let last = self.changed.last().map(|change| &change.version);
        self.retired.as_ref().or(last).unwrap_or(&self.since)
    }

    /// Whether nothing shows or enforces it yet.
    #[must_use]
    pub fn only_planned(&self) -> bool {
        self.planned.is_some() && self.rules.is_empty() && self.tests.is_empty()
    }
}

/// How a requirement is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Kind {
    /// Enforced and tested by code.
    T,
    /// Examined by people: code demands a record and refuses without it.
    E,
}

impl Kind {
    /// The letter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::T => "T",
            Self::E => "E",
        }
    }
}

/// Who has to meet a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// vaern.
    Host,
    /// Whoever delivers a plugin.
    Vendor,
    /// The city.
    City,
}

impl Party {
    /// The Danish word.
    #[must_use]
    pub const fn dk(self) -> &'static str {
        match self {
            Self::Host => "værten",
            Self::Vendor => "leverandøren",
            Self::City => "forvaltningen",
        }
    }

    /// The word in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Vendor => "vendor",
            Self::City => "city",
        }
    }
}

/// Where a requirement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The city's documents.
    Source,
    /// A rule of this project, after the words of a document.
    Project,
}

/// A change of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Version of the catalogue that brought it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub version: Version,
    /// What changed and why, in Danish.
    pub why: String,
}

/// What is still to come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Number of the issue that brings it; absent where none is open yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<u32>,
    /// What it brings, in Danish.
    pub why: String,
}

/// A place in one of the city's documents.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which document.
    pub document: Document,
    /// Where in it.
    pub place: String,
    /// Its words.
    pub quote: String,
}

/// The city's documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Document {
    /// The privacy note of 2020.
    A,
    /// The codex of 2020.
    B,
}

impl Document {
    /// Its Danish title with date and case number.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::A => {
                "Privacy og juridisk compliance i innovationsforslaget, notat, TMF, 1. juli 2020, sag 2020-0148451"
            }
            Self::B => "Kodeks for anvendelse af kunstig intelligens, bilag 1, 23. januar 2020, sag 2019-0337243",
        }
    }

    /// A short name.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::A => "Privacynotatet",
            Self::B => "AI-kodekset",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "»{}« ({}, {})", self.quote, self.document.short(), self.place)
    }
}

/// Where else to read about a requirement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct References {
    /// Articles of the GDPR.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gdpr: Vec<String>,
    /// Goals and principles of the city's codex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codex: Vec<String>,
    /// The legal AI toolbox of KL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kl: Vec<String>,
    /// Articles of the AI Act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ai_act: Vec<String>,
    /// Model clauses for buying AI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcc_ai: Vec<String>,
    /// Other law.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<String>,
}

impl References {
    /// Every reference as one line of text, in a fixed order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let kinds = [
            ("GDPR ", &self.gdpr),
            ("kodekset, ", &self.codex),
            ("KL ", &self.kl),
            ("AI-forordningen ", &self.ai_act),
            ("MCC-AI ", &self.mcc_ai),
            ("", &self.other),
        ];
        kinds.iter().flat_map(|(kind, list)| list.iter().map(move |entry| format!("{kind}{entry}"))).collect()
    }
}
