//! What was said of a release later: approvals, results and compiled code that another copy of it has, added to this one.
//!
//! Only ever added: the release is the same to the digest, a blob that is whole is never written again, and the index gets its new
//! entries in one step, after everything that they name is there. What was added is believed no more than what came first.

use std::io;

use vaern_door::guard;

use super::error::PkgError;
use super::layout::{INDEX_FILE, Layout, MAX_CODE, MAX_JSON, MAX_STATEMENTS, Shelf};
use super::oci::{self, Descriptor, ImageIndex, ImageManifest};

/// Adds to `here` the statements and the code that `there` has about the same release, and mends blobs about it that were damaged.
/// `step` is told before each thing that is written, and stops it there by an error. Says whether anything was written.
pub(crate) fn supplement(
    here: &Layout,
    there: &Layout,
    step: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<bool, PkgError> {
    let (mine, theirs) = (here.shelf()?, there.shelf()?);
    if guard::stands("trust.same-release") && mine.release != theirs.release {
        return Err(PkgError::DigestMismatch(mine.release.digest()?));
    }
    let mut written = false;
    let mut bring = |descriptor: &Descriptor, limit: u64| -> Result<(), PkgError> {
        if here.blob(descriptor, limit).is_ok() {
            return Ok(());
        }
        // Read first: what does not have its digest there stays there.
        let bytes = there.blob(descriptor, limit)?;
        let name = descriptor.digest()?.hex();
        step(&name).map_err(PkgError::io(&name))?;
        here.put(&descriptor.media_type, &bytes)?;
        written = true;
        Ok(())
    };
    for entry in theirs.entries.iter().filter(|entry| entry.media_type == oci::MANIFEST) {
        let manifest: ImageManifest = there.json(entry, "manifest of a statement")?;
        let (kind, limit) = match entry.artifact_type.as_deref() {
            Some(oci::COMPILED) => (oci::COMPILED, MAX_CODE),
            _ => (oci::DSSE, MAX_JSON),
        };
        bring(&manifest.config, MAX_JSON)?;
        bring(manifest.layer(Some(kind), oci::EMPTY, kind)?, limit)?;
        bring(entry, MAX_JSON)?;
    }
    let entries = together(&mine, &theirs);
    if entries == mine.entries {
        return Ok(written);
    }
    step(INDEX_FILE).map_err(PkgError::io(INDEX_FILE))?;
    here.name_all(entries)?;
    Ok(true)
}

/// What is here first, in its order, and then what is new. Where both are more than a release may have, those of `theirs` count: they
/// hold together without the others.
fn together(mine: &Shelf, theirs: &Shelf) -> Vec<Descriptor> {
    let new: Vec<&Descriptor> = theirs.entries.iter().filter(|entry| !mine.entries.contains(entry)).collect();
    let mut room = (MAX_STATEMENTS + 1).saturating_sub(theirs.entries.len());
    let stays = mine.entries.iter().filter(|entry| {
        let theirs_too = theirs.entries.contains(entry);
        let fits = theirs_too || room > 0;
        if !theirs_too {
            room = room.saturating_sub(1);
        }
        fits
    });
    stays.chain(new).cloned().collect()
}

impl Layout {
    fn name_all(&self, entries: Vec<Descriptor>) -> Result<(), PkgError> {
        self.write_json_file(INDEX_FILE, &ImageIndex::new(None, entries))
    }
}
