//! A layout to a registry: parts first, names last, so that whoever finds a name finds everything.

use std::io::Read as _;

use cap_std::fs::Dir;
use oci_client::RegistryOperation;
use serde_json::Value;
use vaern_door::Digest;

use crate::RegistryError;
use crate::client::{Access, Patience, Registry, talk};
use crate::place::{Place, referrers_tag};
use crate::tree::{self, Named};

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The release.
    pub release: Digest,
    /// Its tag.
    pub tag: String,
    /// Statements and compiled code that hang on it there now.
    pub referrers: usize,
}

/// Pushes the release in `dir`, and what is said of it. Without a tag in `to` it is tagged with its name and version.
///
/// # Errors
/// [`RegistryError::Package`] if the release does not hold: it is not pushed then.
pub fn push(dir: &Dir, to: &Place, access: &Access, patience: Patience) -> Result<Pushed, RegistryError> {
    let (release, contents) = vaern_trust::inspect(dir)?;
    if to.digest().is_some() {
        return Err(RegistryError::Place(to.to_string()));
    }
    let tag =
        to.tag().map_or_else(|| format!("{}-{}", contents.manifest.name, contents.manifest.version), str::to_owned);
    let listed = tree::entries(&tree::read(&file(dir, "index.json", tree::MAX_MANIFEST)?)?);
    talk(async {
        let registry = Registry::open(to, access, patience, RegistryOperation::Push).await?;
        let mut referrers = vec![];
        for entry in &listed {
            let named = Named::of(entry)?;
            put(&registry, dir, to, &named).await?;
            if named.digest != release {
                referrers.push(entry.clone());
            }
        }
        let list = to.tagged(&referrers_tag(release));
        let there = match registry.manifest(&list).await? {
            Some(bytes) => tree::entries(&tree::read(&bytes)?),
            None => vec![],
        };
        // What others hung on it stays.
        let more: Vec<Value> = there.into_iter().filter(|entry| !referrers.contains(entry)).collect();
        referrers.extend(more);
        let count = referrers.len();
        registry.put_manifest(&list, tree::INDEX, &tree::index(referrers)).await?;
        let bytes = blob(dir, &Named { media: tree::INDEX.to_owned(), digest: release, size: tree::MAX_MANIFEST })?;
        registry.put_manifest(&to.tagged(&tag), tree::INDEX, &bytes).await?;
        Ok(Pushed { release, tag, referrers: count })
    })
}

/// Puts a manifest and all that it names, deepest first.
async fn put(registry: &Registry<'_>, dir: &Dir, to: &Place, root: &Named) -> Result<(), RegistryError> {
    // Names to be put once everything below them is there.
    let mut open = vec![(root.clone(), false)];
    let mut count = 0;
    while let Some((named, below)) = open.pop() {
        count += 1;
        if count > 8 * tree::MAX_MANIFESTS {
            return Err(RegistryError::TooLong);
        }
        let bytes = blob(dir, &named)?;
        if !named.is_manifest() {
            registry.put_blob(named.digest, bytes).await?;
        } else if below {
            registry.put_manifest(&to.of(named.digest), &named.media, &bytes).await?;
        } else {
            let parts = tree::parts(&tree::read(&bytes)?)?;
            open.push((named, true));
            open.extend(parts.into_iter().map(|part| (part, false)));
        }
    }
    Ok(())
}

fn blob(dir: &Dir, named: &Named) -> Result<Vec<u8>, RegistryError> {
    let bytes = file(dir, &format!("blobs/sha256/{}", named.digest.hex()), named.size)?;
    if Digest::of(&bytes) == named.digest { Ok(bytes) } else { Err(RegistryError::DigestMismatch(named.digest)) }
}

fn file(dir: &Dir, name: &str, most: u64) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = vec![];
    let opened = dir.open(name).map_err(RegistryError::io(name))?;
    opened.take(most + 1).read_to_end(&mut bytes).map_err(RegistryError::io(name))?;
    if bytes.len() as u64 > most { Err(RegistryError::TooLong) } else { Ok(bytes) }
}
