//! A purpose: what is looked for, on which legal basis, where, and with which files.

use serde::Deserialize;
use vaern_door::{Label, Name, Version};

use crate::PolicyError;

/// One file of `policies/purposes/`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// Name of the purpose.
    pub name: Name,
    /// Name of the policy set that this file belongs to; an approval names it too.
    pub policy_set: Name,
    /// Version of the requirements catalogue that the set was written against; an approval names it too (MAL-05).
    pub catalogue: Version,
    /// What it is for, in Danish.
    pub dk: String,
    /// What it is for, in English.
    pub en: String,
    /// The legal basis (GOV-07).
    pub legal_basis: String,
    /// False only for evaluation: an operating purpose refuses pictures without a position.
    pub operating: bool,
    /// Labels that may leave, and no others (STD-04).
    pub vocabulary: Vec<Label>,
    /// Path of the fence inside the policy directory.
    pub geofence: String,
    /// Largest area of the fence in square kilometres (MIN-04).
    pub max_area_km2: f64,
    /// Path of the masking policy inside the policy directory.
    pub masking: String,
    /// Path of the profile inside the policy directory.
    pub profile: String,
}

/// Beginnings of words for people and what is theirs, Danish and English. A vocabulary that holds one is refused.
const PERSON_WORDS: [&str; 16] = [
    "person",
    "people",
    "menneske",
    "borger",
    "citizen",
    "ansigt",
    "face",
    "mand",
    "kvinde",
    "barn",
    "child",
    "cyklist",
    "fodgaenger",
    "pedestrian",
    "nummerplade",
    "plate",
];

impl Purpose {
    pub(crate) fn check(&self, file: &str) -> Result<(), PolicyError> {
        if self.legal_basis.trim().is_empty() {
            return Err(PolicyError::NoLegalBasis { purpose: self.name.clone() });
        }
        if self.vocabulary.is_empty() || self.vocabulary.len() > 64 {
            let allowed = "1 to 64 labels";
            return Err(PolicyError::OutOfRange { file: file.to_owned(), param: "vocabulary", allowed });
        }
        for label in &self.vocabulary {
            if PERSON_WORDS.iter().any(|word| label.as_str().split('_').any(|part| part.starts_with(word))) {
                return Err(PolicyError::PersonLabel { purpose: self.name.clone(), label: label.clone() });
            }
        }
        if !(self.max_area_km2.is_finite() && self.max_area_km2 > 0.0 && self.max_area_km2 <= 1000.0) {
            let allowed = "more than 0, at most 1000";
            return Err(PolicyError::OutOfRange { file: file.to_owned(), param: "max_area_km2", allowed });
        }
        Ok(())
    }
}
