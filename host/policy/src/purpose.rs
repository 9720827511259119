//! A purpose: what is looked for, on which legal basis, where, and with which files.

use serde::Deserialize;
use vaern_door::{Label, Name, Version, guard};

use crate::PolicyError;
use crate::place::{Place, line_of};

/// One file of `policies/purposes/`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// Name of the purpose.
    #[cfg_attr(test, schemars(with = "String"))]
    pub name: Name,
    /// Name of the policy set that this file belongs to; an approval names it too.
    #[cfg_attr(test, schemars(with = "String"))]
    pub policy_set: Name,
    /// Version of the requirements catalogue that the set was written against; an approval names it too (MAL-05).
    #[cfg_attr(test, schemars(with = "String"))]
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
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub vocabulary: Vec<Label>,
    /// Path of the fence inside the policy directory.
    pub geofence: String,
    /// Largest area of the fence in square kilometres (MIN-04).
    pub max_area_km2: f64,
    /// Path of the masking policy inside the policy directory.
    pub masking: String,
    /// Path of the profile inside the policy directory.
    pub profile: String,
    /// What the public register and the notice to citizens say beside what follows from the rules. A purpose without it runs, and
    /// cannot be registered (GEN-01, GOV-12).
    #[serde(default)]
    pub register: PublicWords,
}

/// What the city says to the public of a purpose. Each may be absent; the register refuses to be made without it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublicWords {
    /// The authority that answers for the processing.
    pub authority: Option<String>,
    /// What citizens get from it (MAL-02).
    pub benefit: Option<TwoLanguages>,
    /// The staff time that it saves (MAL-03).
    pub saving: Option<TwoLanguages>,
    /// How the saving is measured (MAL-03).
    pub measured: Option<TwoLanguages>,
    /// How somebody asks for insight, objects and complains (GOV-12, RET-02).
    pub rights: Option<TwoLanguages>,
}

/// The same said in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TwoLanguages {
    /// In Danish.
    pub dk: String,
    /// In English.
    pub en: String,
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

/// Whether a label is about people or what is theirs.
pub(crate) fn is_about_people(label: &Label) -> bool {
    PERSON_WORDS.iter().any(|word| label.as_str().split('_').any(|part| part.starts_with(word)))
}

/// Whether a label is about faces.
pub(crate) fn is_about_faces(label: &Label) -> bool {
    ["ansigt", "face"].iter().any(|word| label.as_str().split('_').any(|part| part.starts_with(word)))
}

impl Purpose {
    pub(crate) fn check(&self, file: &str, text: &str) -> Result<(), PolicyError> {
        let place = |param| Place::new(file, line_of(text, param));
        let fail = |param, allowed| Err(PolicyError::OutOfRange { place: place(param), param, allowed });
        if guard::stands("policy.legal-basis") && self.legal_basis.trim().is_empty() {
            return Err(PolicyError::NoLegalBasis { place: place("legal_basis"), purpose: self.name.clone() });
        }
        if self.vocabulary.is_empty() || self.vocabulary.len() > 64 {
            return fail("vocabulary", "1 to 64 labels");
        }
        for (index, label) in self.vocabulary.iter().enumerate() {
            if guard::stands("policy.people-words") && is_about_people(label) {
                let (place, purpose) = (place("vocabulary"), self.name.clone());
                return Err(PolicyError::PersonLabel { place, purpose, label: label.clone() });
            }
            if self.vocabulary.iter().skip(index + 1).any(|other| other == label) {
                return fail("vocabulary", "each label once");
            }
        }
        if !(self.max_area_km2.is_finite() && self.max_area_km2 > 0.0 && self.max_area_km2 <= 1000.0) {
            return fail("max_area_km2", "more than 0, at most 1000");
        }
        for (param, path, folder) in [
            ("geofence", &self.geofence, "geofences/"),
            ("masking", &self.masking, "masking/"),
            ("profile", &self.profile, "profiles/"),
        ] {
            let plain = path.strip_prefix(folder).is_some_and(|name| !name.is_empty() && !name.contains(['/', '\\']));
            if !plain {
                return fail(param, "a file of the folder of the same kind, as in `profiles/edge.toml`");
            }
        }
        Ok(())
    }
}
