//! What a vendor declares of a release. A claim, not a grant: the policy decides what is given (LEV-06).

use serde::{Deserialize, Serialize};

use crate::{Digest, Interface, Label, Name, Size, TensorSpec, Version};

/// The manifest of a release, as it is packed and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the plugin.
    pub name: Name,
    /// Version for people's eyes.
    pub version: Version,
    /// Counts up with each release of this plugin; a node never goes back.
    pub counter: u64,
    /// Name of the vendor.
    pub vendor: Name,
    /// The purpose the plugin is made for; must be the purpose it is approved and run for (STD-03).
    pub purpose: Name,
    /// What the plugin is meant to do, in the vendor's words. Never shown as the host's own text.
    pub intended_use: String,
    /// Labels the plugin may answer with, in the order of its `describe` answer.
    pub labels: Vec<Label>,
    /// Interfaces asked for.
    pub capabilities: Vec<Interface>,
    /// The closed set of tensor specs that the plugin uses.
    #[serde(default)]
    pub tensors: Vec<TensorSpec>,
    /// The frame size the plugin wants at most.
    pub frame: Size,
    /// The models of the release.
    #[serde(default)]
    pub models: Vec<ManifestModel>,
    /// Who may use what under which terms (LEV-07).
    pub licences: Licences,
}

/// A model of the release, by the name that the plugin opens it with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestModel {
    /// Name that the plugin opens it with.
    pub name: Name,
    /// Digest of the ONNX file.
    pub digest: Digest,
}

/// Licences, as SPDX expressions or plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licences {
    /// Licence of the plugin's code.
    pub plugin: String,
    /// Licence of the models.
    pub model: String,
    /// Licence of the data that the models were trained on.
    pub training_data: String,
}
