//! A registry to a layout. What lies there afterwards is verified like any other release; here nothing is believed.

use std::collections::BTreeSet;
use std::io;

use cap_std::fs::Dir;
use oci_client::RegistryOperation;
use serde_json::{Value, json};
use vaern_door::Digest;

use crate::RegistryError;
use crate::client::{Access, Patience, Registry, talk};
use crate::place::{Place, referrers_tag};
use crate::tree::{self, Named};

const INDEX_FILE: &str = "index.json";
const BLOBS: &str = "blobs/sha256";

/// Pulls a release, and what is said of it, into the directory `dir`. Gives its digest: a tag says which release the
/// registry means by it today, the digest says which one it is (PKG-20).
///
/// The directory is empty, or holds the same release: then only what it lacks is brought, and nothing that it has is written again.
///
/// # Errors
/// [`RegistryError`]; an empty directory then holds no release, and one that held it is as it was but for blobs that nothing names.
pub fn pull(from: &Place, dir: &Dir, access: &Access, patience: Patience) -> Result<Digest, RegistryError> {
    let held = Held::of(dir)?;
    dir.create_dir_all(BLOBS).map_err(RegistryError::io(BLOBS))?;
    let blobs = dir.open_dir(BLOBS).map_err(RegistryError::io(BLOBS))?;
    let (release, index) = talk(async {
        let registry = Registry::open(from, access, patience, RegistryOperation::Pull).await?;
        fetch(&registry, from, &blobs, held.as_ref()).await
    })?;
    if held.is_none() {
        dir.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(RegistryError::io("oci-layout"))?;
    }
    // Last: with it, and only with it, the directory holds what came.
    replace(dir, &index)?;
    if let Err(error) = vaern_trust::Release::open(dir).and_then(|_| Ok(vaern_trust::inspect(dir)?)) {
        match &held {
            Some(held) => replace(dir, &held.index)?,
            None => dir.remove_file(INDEX_FILE).map_err(RegistryError::io(INDEX_FILE))?,
        }
        return Err(match error {
            vaern_trust::ReleaseError::Package(error) => error.into(),
            _ => RegistryError::NotARelease("its parts do not hold together"),
        });
    }
    Ok(release)
}

/// A release that a directory holds already.
struct Held {
    release: Digest,
    index: Vec<u8>,
    entries: Vec<Value>,
}

impl Held {
    /// What the directory holds; `None` where it is empty.
    fn of(dir: &Dir) -> Result<Option<Self>, RegistryError> {
        if dir.entries().map_err(RegistryError::io("."))?.next().is_none() {
            return Ok(None);
        }
        if !dir.exists(INDEX_FILE) {
            return Err(RegistryError::Io { file: ".".to_owned(), kind: io::ErrorKind::DirectoryNotEmpty });
        }
        let (release, _) = vaern_trust::inspect(dir)?;
        let index = dir.read(INDEX_FILE).map_err(RegistryError::io(INDEX_FILE))?;
        let entries = tree::entries(&tree::read(&index)?);
        Ok(Some(Self { release, index, entries }))
    }
}

fn replace(dir: &Dir, index: &[u8]) -> Result<(), RegistryError> {
    const BESIDE: &str = ".index.json";
    dir.write(BESIDE, index).and_then(|()| dir.rename(BESIDE, dir, INDEX_FILE)).map_err(RegistryError::io(INDEX_FILE))
}

/// What lies there already under the digest that names it, whole.
fn have(blobs: &Dir, part: &Named) -> Option<Vec<u8>> {
    let same_size = blobs.metadata(part.digest.hex()).is_ok_and(|data| data.is_file() && data.len() == part.size);
    let bytes = same_size.then(|| blobs.read(part.digest.hex()).ok()).flatten()?;
    (Digest::of(&bytes) == part.digest).then_some(bytes)
}

/// A manifest that is named by its digest: the one that is there, or the registry's.
async fn named(
    registry: &Registry<'_>,
    from: &Place,
    blobs: &Dir,
    part: &Named,
    missing: &'static str,
) -> Result<Vec<u8>, RegistryError> {
    if let Some(bytes) = have(blobs, part) {
        return Ok(bytes);
    }
    let bytes = registry.manifest(&from.of(part.digest)).await?.ok_or(RegistryError::NotARelease(missing))?;
    if Digest::of(&bytes) == part.digest { Ok(bytes) } else { Err(RegistryError::DigestMismatch(part.digest)) }
}

/// Brings what `blobs` lacks, and gives the release with the layout's index over it.
async fn fetch(
    registry: &Registry<'_>,
    from: &Place,
    blobs: &Dir,
    held: Option<&Held>,
) -> Result<(Digest, Vec<u8>), RegistryError> {
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
    if let Some(held) = held.filter(|held| held.release != release) {
        return Err(RegistryError::OtherRelease { held: held.release, offered: release });
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
            let statement = Named::of(&entry)?;
            if seen.contains(&statement.digest) {
                continue;
            }
            let missing = "a statement that is listed is not there";
            let bytes = named(registry, from, blobs, &statement, missing).await?;
            bring(registry, from, blobs, bytes, &mut seen).await?;
            entries.push(entry);
        }
    }
    // What it had stays, in its place.
    let mut all = held.map_or_else(Vec::new, |held| held.entries.clone());
    let new: Vec<Value> = entries.into_iter().filter(|entry| !all.contains(entry)).collect();
    // The release itself is named once, however its entry is written.
    all.extend(
        new.into_iter().filter(|entry| held.is_none() || Named::of(entry).is_ok_and(|named| named.digest != release)),
    );
    Ok((release, tree::index(all)))
}

/// Brings a manifest and all that it names.
async fn bring(
    registry: &Registry<'_>,
    from: &Place,
    blobs: &Dir,
    root: Vec<u8>,
    seen: &mut BTreeSet<Digest>,
) -> Result<(), RegistryError> {
    let keep = |digest: Digest, bytes: &[u8]| {
        // What is there and whole is not written again.
        let there = have(blobs, &Named { media: String::new(), digest, size: bytes.len() as u64 });
        there.map_or_else(|| blobs.write(digest.hex(), bytes).map_err(RegistryError::io("blobs")), |_| Ok(()))
    };
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
                open.push(named(registry, from, blobs, &part, "a part that is named is not there").await?);
            } else if have(blobs, &part).is_none() {
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
