//! Making a release: the same inputs always give the same digest.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use vaern_door::{Digest, Manifest, Name};

use super::contents::{agree, config_of, release_name};
use super::error::PkgError;
use super::layout::Layout;
use super::oci::{self, ImageIndex, ImageManifest};
use crate::json;

/// What a release is made of.
#[derive(Debug, Clone)]
pub struct PackInputs {
    /// The component's bytes.
    pub component: Vec<u8>,
    /// The manifest; it must name exactly `models`, with their digests.
    pub manifest: Manifest,
    /// ONNX files by the name that the plugin opens them with.
    pub models: Vec<(Name, Vec<u8>)>,
    /// The model card, in Markdown.
    pub model_card: Option<String>,
    /// The SBOM: CycloneDX JSON.
    pub sbom: Option<Vec<u8>>,
}

/// Packs a release into the empty directory `dir` and gives its digest. The parts are held against one another first,
/// so what is packed can be read back. A directory in which packing failed holds no release.
///
/// # Errors
/// [`PkgError`] for parts that do not fit together, [`PkgError::Exists`] if there is a release already.
pub fn pack(inputs: &PackInputs, dir: &Dir) -> Result<Digest, PkgError> {
    let mut models = BTreeMap::new();
    for (name, bytes) in &inputs.models {
        if models.insert(name.clone(), bytes.clone()).is_some() {
            return Err(PkgError::PartCount("model of each name"));
        }
    }
    let ports = agree(&inputs.manifest, &inputs.component, &models, inputs.sbom.as_deref())?;
    let layout = Layout::create(dir)?;

    let config = layout.put_json(oci::WASM_CONFIG, &config_of(&inputs.component, &ports))?;
    let layer = layout.put(oci::WASM, &inputs.component)?;
    let manifest = json::write(&inputs.manifest).map_err(PkgError::json("manifest"))?;
    let mut parts = vec![
        layout.put_json(oci::MANIFEST, &ImageManifest::new(None, config, layer))?,
        layout.put_artifact(oci::MANIFEST_JSON, &manifest)?,
    ];
    for (name, bytes) in &models {
        parts.push(layout.put_artifact(oci::MODEL, bytes)?.note(oci::TITLE, name.as_str()));
    }
    if let Some(card) = &inputs.model_card {
        parts.push(layout.put_artifact(oci::MODEL_CARD, card.as_bytes())?);
    }
    if let Some(sbom) = &inputs.sbom {
        parts.push(layout.put_artifact(oci::SBOM, sbom)?);
    }
    layout.put_release(&ImageIndex::new(Some(oci::RELEASE), parts), &release_name(&inputs.manifest))
}
