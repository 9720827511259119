//! What hangs together: manifests name blobs, an index names manifests. Read as far as moving them needs.

use serde_json::Value;
use vaern_door::Digest;

use crate::RegistryError;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The largest manifest or index.
pub(crate) const MAX_MANIFEST: u64 = 1 << 20;

/// The largest blob: a model.
const MAX_BLOB: u64 = 512 << 20;

/// Manifests of one release, statements and all.
pub(crate) const MAX_MANIFESTS: usize = 128;

/// A thing by its digest and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) media: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Named {
    pub(crate) fn of(descriptor: &Value) -> Result<Self, RegistryError> {
        let text = |field: &str| descriptor.get(field).and_then(Value::as_str);
        let media = text("mediaType").ok_or(RegistryError::NotARelease("a part without a media type"))?.to_owned();
        let digest = text("digest").and_then(|digest| digest.parse().ok());
        let digest = digest.ok_or(RegistryError::NotARelease("a part without a digest"))?;
        let size = descriptor.get("size").and_then(Value::as_u64);
        let size = size.ok_or(RegistryError::NotARelease("a part without a size"))?;
        let most = if media == INDEX || media == MANIFEST { MAX_MANIFEST } else { MAX_BLOB };
        if size > most { Err(RegistryError::TooLong) } else { Ok(Self { media, digest, size }) }
    }

    pub(crate) fn is_manifest(&self) -> bool {
        self.media == INDEX || self.media == MANIFEST
    }
}

/// Reads a manifest or an index.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, RegistryError> {
    serde_json::from_slice(bytes).map_err(|_| RegistryError::NotARelease("a manifest that is not JSON"))
}

/// What a manifest or an index names: config and layers, or manifests. Not its subject: that is what it hangs on.
pub(crate) fn parts(manifest: &Value) -> Result<Vec<Named>, RegistryError> {
    let list = |field: &str| manifest.get(field).and_then(Value::as_array).into_iter().flatten();
    manifest.get("config").into_iter().chain(list("layers")).chain(list("manifests")).map(Named::of).collect()
}

/// The entries of an index, as they are written.
pub(crate) fn entries(index: &Value) -> Vec<Value> {
    index.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// An index over these entries.
pub(crate) fn index(entries: Vec<Value>) -> Vec<u8> {
    serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string().into_bytes()
}
