//! A registry to a layout. What lies there afterwards is verified like any other release; here nothing is believed.

use std::collections::BTreeSet;
use std::io;

use cap_std::fs::Dir;
use oci_client::RegistryOperation;
use serde_json::{Value, json};
use vaern_door::Digest;

use crate::RegistryError;
use crate::client::{Login, Patience, Registry, talk};
use crate::place::{Place, referrers_tag};
use crate::tree::{self, Named};

const INDEX_FILE: &str = "index.json";
const BLOBS: &str = "blobs/sha256";

/// Pulls a release, and what is said of it, into the empty directory `dir`. Gives its digest: a tag says which release the
/// registry means by it today, the digest says which one it is (PKG-20).
///
/// # Errors
/// [`RegistryError`]; the directory then holds no release.
pub fn pull(from: &Place, dir: &Dir, login: &Login, patience: Patience) -> Result<Digest, RegistryError> {
    if dir.entries().map_err(RegistryError::io("."))?.next().is_some() {
        return Err(RegistryError::Io { file: ".".to_owned(), kind: io::ErrorKind::DirectoryNotEmpty });
    }
    dir.create_dir_all(BLOBS).map_err(RegistryError::io(BLOBS))?;
    let blobs = dir.open_dir(BLOBS).map_err(RegistryError::io(BLOBS))?;
    let (release, index) = talk(async {
        let registry = Registry::open(from, login, patience, RegistryOperation::Pull).await?;
        fetch(&registry, from, &blobs).await
    })?;
    let write = |name: &str, bytes: &[u8]| dir.write(name, bytes).map_err(RegistryError::io(name));
    write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    // Last: with it, and only with it, the directory holds a release.
    write(INDEX_FILE, &index)?;
    if let Err(error) = vaern_trust::Release::open(dir).and_then(|_| Ok(vaern_trust::inspect(dir)?)) {
        dir.remove_file(INDEX_FILE).map_err(RegistryError::io(INDEX_FILE))?;
        return Err(match error {
            vaern_trust::ReleaseError::Package(error) => error.into(),
            _ => RegistryError::NotARelease("its parts do not hold together"),
        });
    }
    Ok(release)
}

/// Brings everything to `blobs`, and gives the release with the layout's index over it.
async fn fetch(registry: &Registry<'_>, from: &Place, blobs: &Dir) -> Result<(Digest, Vec<u8>), RegistryError> {
    let asked = match (from.digest(), from.tag()) {
        (Some(digest), _) => from.of(digest),
        (None, Some(tag)) => from.tagged(tag),
        (None, None) => return Err(RegistryError::Place(from.to_string())),
    };
    let missing = RegistryError::NotARelease("there is nothing of that name");
    let bytes = registry.manifest(&asked).await?.ok_or(missing)?;
    let release = Digest::of(&bytes);
    if let Some(digest) = from.digest().filter(|digest| *digest != release) {
        return Err(RegistryError::DigestMismatch(digest));
    }
    let size = bytes.len() as u64;
    let mut seen = BTreeSet::new();
    bring(registry, from, blobs, bytes, &mut seen).await?;
    let read = |digest: Digest| blobs.read(digest.hex()).map_err(RegistryError::io("blobs"));
    let name = name(&tree::read(&read(release)?)?, read)?;
    let mut entries = vec![json!({
        "mediaType": tree::INDEX, "digest": release, "size": size,
        "artifactType": "application/vnd.vaern.release.v1+json",
        "annotations": { "org.opencontainers.image.ref.name": name },
    })];
    if let Some(list) = registry.manifest(&from.tagged(&referrers_tag(release))).await? {
        for entry in tree::entries(&tree::read(&list)?) {
            let named = Named::of(&entry)?;
            if seen.contains(&named.digest) {
                continue;
            }
            let missing = RegistryError::NotARelease("a statement that is listed is not there");
            let bytes = registry.manifest(&from.of(named.digest)).await?.ok_or(missing)?;
            if Digest::of(&bytes) != named.digest {
                return Err(RegistryError::DigestMismatch(named.digest));
            }
            bring(registry, from, blobs, bytes, &mut seen).await?;
            entries.push(entry);
        }
    }
    Ok((release, tree::index(entries)))
}

/// Brings a manifest and all that it names.
async fn bring(
    registry: &Registry<'_>,
    from: &Place,
    blobs: &Dir,
    root: Vec<u8>,
    seen: &mut BTreeSet<Digest>,
) -> Result<(), RegistryError> {
    let keep = |digest: Digest, bytes: &[u8]| blobs.write(digest.hex(), bytes).map_err(RegistryError::io("blobs"));
    let mut open = vec![root];
    let mut manifests = 0;
    while let Some(bytes) = open.pop() {
        manifests += 1;
        if manifests > tree::MAX_MANIFESTS {
            return Err(RegistryError::TooLong);
        }
        let digest = Digest::of(&bytes);
        seen.insert(digest);
        keep(digest, &bytes)?;
        for part in tree::parts(&tree::read(&bytes)?)? {
            if !seen.insert(part.digest) {
                continue;
            }
            if part.is_manifest() {
                let missing = RegistryError::NotARelease("a part that is named is not there");
                let bytes = registry.manifest(&from.of(part.digest)).await?.ok_or(missing)?;
                if Digest::of(&bytes) != part.digest {
                    return Err(RegistryError::DigestMismatch(part.digest));
                }
                open.push(bytes);
            } else {
                keep(part.digest, &registry.blob(&part).await?)?;
            }
        }
    }
    Ok(())
}

/// The layout's name for the release is that of its manifest; a tag may be anything.
fn name(index: &Value, read: impl Fn(Digest) -> Result<Vec<u8>, RegistryError>) -> Result<String, RegistryError> {
    const KIND: &str = "application/vnd.vaern.manifest.v1+json";
    let none = || RegistryError::NotARelease("it has no manifest of its own");
    let entries = tree::entries(index);
    let entry = entries.iter().find(|entry| entry.get("artifactType").and_then(Value::as_str) == Some(KIND));
    let artifact = tree::read(&read(Named::of(entry.ok_or_else(none)?)?.digest)?)?;
    let layer = tree::parts(&artifact)?.into_iter().find(|part| part.media == KIND).ok_or_else(none)?;
    let manifest = tree::read(&read(layer.digest)?)?;
    let text = |field: &str| manifest.get(field).and_then(Value::as_str).ok_or_else(none);
    Ok(format!("{}-{}", text("name")?, text("version")?))
}
