//! The list of detectors that the privacy gate may use, pinned by digest.

use serde::Deserialize;
use vaern_door::{Digest, Name};

use crate::PolicyError;
use crate::place::{Place, line_at};

/// `policies/models.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelList {
    /// The models, each name once.
    #[serde(rename = "model")]
    pub models: Vec<PinnedModel>,
}

/// One detector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PinnedModel {
    /// Name that masking policies call it by.
    #[cfg_attr(test, schemars(with = "String"))]
    pub name: Name,
    /// True for a model that is part of the program. Such a model knows drawn streets only.
    #[serde(default)]
    pub embedded: bool,
    /// File name in the model store.
    #[serde(default)]
    pub file: Option<String>,
    /// Digest of the file.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub sha256: Option<Digest>,
    /// What it finds.
    pub classes: Vec<ModelClass>,
    /// How its output is read.
    pub decoder: DecoderKind,
    /// Where it comes from.
    pub upstream: String,
    /// Its licence.
    pub licence: String,
}

/// What a detector of the gate can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ModelClass {
    /// A face.
    Face,
    /// A whole person.
    Person,
    /// A licence plate.
    Plate,
    /// A vehicle, under which a plate is assumed.
    Vehicle,
}

/// How a model's output becomes boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DecoderKind {
    /// This project's own form.
    VaernBoxes,
    /// YuNet.
    Yunet,
    /// YOLOX with the COCO classes.
    YoloxCoco,
    /// Ultra-light RFB: faces.
    Rfb,
}

impl ModelList {
    pub(crate) fn check(&self, file: &str, text: &str) -> Result<(), PolicyError> {
        let starts: Vec<usize> = text.match_indices("[[model]]").map(|(at, _)| line_at(text, at)).collect();
        for (index, model) in self.models.iter().enumerate() {
            let line = starts.get(index).copied().unwrap_or(1);
            let invalid = |problem: String| Err(PolicyError::Invalid { place: Place::new(file, line), problem });
            if self.models.iter().skip(index + 1).any(|other| other.name == model.name) {
                return invalid(format!("the model `{}` is listed twice", model.name));
            }
            if model.classes.is_empty() {
                return invalid(format!("the model `{}` finds no class", model.name));
            }
            let pinned = model.file.is_some() && model.sha256.is_some();
            let bare = model.file.is_none() && model.sha256.is_none();
            if !(model.embedded && bare || !model.embedded && pinned) {
                let name = &model.name;
                return invalid(format!("the model `{name}` must have either `embedded` or both `file` and `sha256`"));
            }
            let plain = |name: &String| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
            if !model.file.iter().all(plain) {
                return invalid(format!("the file of the model `{}` must be a plain file name", model.name));
            }
        }
        Ok(())
    }

    /// The model of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PinnedModel> {
        self.models.iter().find(|model| model.name.as_str() == name)
    }
}
