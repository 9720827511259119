//! The OCI image layout's own JSON files, as far as a release needs them. Fields that a release does not need are
//! refused: what is not read must not be there to mislead another reader.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use vaern_door::Digest;

use super::error::PkgError;
use crate::printable::printable;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(crate) const WASM: &str = "application/wasm";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const RELEASE: &str = "application/vnd.vaern.release.v1+json";
pub(crate) const MANIFEST_JSON: &str = "application/vnd.vaern.manifest.v1+json";
pub(crate) const MODEL: &str = "application/vnd.vaern.model.v1+onnx";
pub(crate) const MODEL_CARD: &str = "application/vnd.vaern.model-card.v1+markdown";
pub(crate) const SBOM: &str = "application/vnd.cyclonedx+json";
pub(crate) const COMPILED: &str = "application/vnd.vaern.compiled.v1";
pub(crate) const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const TITLE: &str = "org.opencontainers.image.title";
pub(crate) const STATEMENT_KIND: &str = "vnd.vaern.statement";

/// The content of an empty config.
pub(crate) const EMPTY_JSON: &[u8] = b"{}";

/// Names a blob by digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Descriptor {
    #[serde(rename = "mediaType")]
    pub(crate) media_type: String,
    // Texts and numbers as written: a digest or size in a wrong form gets an error of its own.
    digest: String,
    size: Number,
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: (bytes.len() as u64).into(),
            artifact_type: None,
            annotations: None,
        }
    }

    pub(crate) fn artifact(mut self, artifact_type: &str) -> Self {
        self.artifact_type = Some(artifact_type.to_owned());
        self
    }

    pub(crate) fn note(mut self, key: &str, value: &str) -> Self {
        self.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without_notes(mut self) -> Self {
        self.annotations = None;
        self
    }

    pub(crate) fn digest(&self) -> Result<Digest, PkgError> {
        self.digest.parse().map_err(|_| PkgError::DigestFormat)
    }

    pub(crate) fn size(&self) -> Result<u64, PkgError> {
        self.size.as_u64().ok_or_else(|| PkgError::SizeMismatch { declared: self.size.to_string() })
    }

    /// Demands this media type and artifact type and exactly the annotation `key`, or none; gives its value.
    pub(crate) fn expect(&self, media: &str, artifact: Option<&str>, key: Option<&str>) -> Result<&str, PkgError> {
        if self.media_type != media {
            return Err(PkgError::MediaType(printable(&self.media_type)));
        }
        if self.artifact_type.as_deref() != artifact {
            return Err(PkgError::MediaType(printable(self.artifact_type.as_deref().unwrap_or("none"))));
        }
        let mut value = None;
        for (name, text) in self.annotations.iter().flatten() {
            if Some(name.as_str()) != key {
                return Err(PkgError::UnknownField { name: printable(name) });
            }
            value = Some(text.as_str());
        }
        match key {
            // An empty list of annotations is a second spelling of none.
            None if self.annotations.is_some() => Err(PkgError::UnknownField { name: "annotations".into() }),
            None => Ok(""),
            Some(_) => value.ok_or(PkgError::PartCount("name for each of its parts")),
        }
    }
}

/// `oci-layout`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutMark {
    #[serde(rename = "imageLayoutVersion")]
    pub(crate) version: String,
}

/// `index.json` and the release index.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageIndex {
    #[serde(rename = "schemaVersion")]
    schema: u64,
    #[serde(rename = "mediaType")]
    media_type: String,
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

impl ImageIndex {
    pub(crate) fn new(artifact_type: Option<&str>, manifests: Vec<Descriptor>) -> Self {
        Self { schema: 2, media_type: INDEX.to_owned(), artifact_type: artifact_type.map(str::to_owned), manifests }
    }

    pub(crate) fn expect(self, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, PkgError> {
        if self.schema != 2 || self.media_type != INDEX || self.artifact_type.as_deref() != artifact_type {
            return Err(PkgError::MediaType(printable(self.artifact_type.as_deref().unwrap_or(&self.media_type))));
        }
        Ok(self.manifests)
    }
}

/// An image manifest: one artifact of the release, or one statement.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageManifest {
    #[serde(rename = "schemaVersion")]
    schema: u64,
    #[serde(rename = "mediaType")]
    media_type: String,
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
}

impl ImageManifest {
    pub(crate) fn new(artifact: Option<&str>, config: Descriptor, layer: Descriptor) -> Self {
        Self {
            schema: 2,
            media_type: MANIFEST.to_owned(),
            artifact_type: artifact.map(str::to_owned),
            config,
            layers: vec![layer],
            subject: None,
        }
    }

    /// Demands the types of an artifact with one layer; gives the layer.
    pub(crate) fn layer(&self, artifact: Option<&str>, config: &str, layer: &str) -> Result<&Descriptor, PkgError> {
        if self.schema != 2 || self.media_type != MANIFEST || self.artifact_type.as_deref() != artifact {
            return Err(PkgError::MediaType(printable(self.artifact_type.as_deref().unwrap_or(&self.media_type))));
        }
        let [only] = self.layers.as_slice() else {
            return Err(PkgError::LayerCount(self.layers.len()));
        };
        self.config.expect(config, None, None)?;
        only.expect(layer, None, None)?;
        Ok(only)
    }
}

/// Config of a CNCF wasm artifact.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WasmConfig {
    created: String,
    architecture: String,
    os: String,
    #[serde(rename = "layerDigests")]
    layer_digests: Vec<Digest>,
    pub(crate) component: WasmComponent,
}

/// What a component takes and gives.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WasmComponent {
    pub(crate) exports: Vec<String>,
    pub(crate) imports: Vec<String>,
}

impl WasmConfig {
    /// The format asks for a time of making; a fixed one, so that the same inputs have the same digest.
    pub(crate) fn new(layer: Digest, component: WasmComponent) -> Self {
        Self {
            created: "1970-01-01T00:00:00Z".to_owned(),
            architecture: "wasm".to_owned(),
            os: "wasip2".to_owned(),
            layer_digests: vec![layer],
            component,
        }
    }
}
