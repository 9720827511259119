//! An OCI image layout directory: blobs by digest, read with suspicion and written whole.

use std::io;

use cap_std::fs::Dir;
use serde::Serialize;
use serde::de::DeserializeOwned;
use vaern_door::{Digest, guard};

use super::error::PkgError;
use super::oci::{self, Descriptor, ImageIndex, ImageManifest, LayoutMark};
use crate::files::{self, Entry, Readers};
use crate::json;

const BLOBS: &str = "blobs/sha256";
pub(super) const INDEX_FILE: &str = "index.json";
const MARK_FILE: &str = "oci-layout";
const LAYOUT_VERSION: &str = "1.0.0";
pub(super) const MAX_JSON: u64 = json::MAX_BYTES as u64;
/// Statements of one release; approvals for other purposes and renewals included.
pub(super) const MAX_STATEMENTS: usize = 64;

/// Compiled code is some ten times as large as its component; this is far more than any plugin's.
pub(super) const MAX_CODE: u64 = 256 << 20;

/// What a statement is filed as. A hint for finding it: what it is, its signed bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatementKind {
    VendorRelease,
    Provenance,
    Approval,
    TestResult,
    VendorResult,
    Compiled,
}

impl StatementKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::VendorRelease => "vendor-release",
            Self::Provenance => "provenance",
            Self::Approval => "approval",
            Self::TestResult => "test-result",
            Self::VendorResult => "vendor-result",
            Self::Compiled => "compiled",
        }
    }

    fn parse(text: &str) -> Result<Self, PkgError> {
        let known = [Self::VendorRelease, Self::Provenance, Self::Approval];
        let known = known.into_iter().chain([Self::TestResult, Self::VendorResult, Self::Compiled]);
        known
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| PkgError::MediaType(crate::printable::printable(text)))
    }
}

/// The layout's own view of what it holds: one release index, the statements about it, and code that was compiled from it.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) name: String,
    pub(crate) release: Descriptor,
    pub(crate) statements: Vec<(StatementKind, Vec<u8>)>,
    /// Compiled code, named and not read: it is read when a signed statement names it too.
    pub(crate) code: Vec<Descriptor>,
    pub(super) entries: Vec<Descriptor>,
}

/// What the layout holds of compiled code: the envelopes, and where the code lies.
#[derive(Debug)]
pub(crate) struct Shelved {
    pub(crate) statements: Vec<Vec<u8>>,
    pub(crate) code: Vec<Descriptor>,
    pub(crate) layout: Layout,
}

/// A layout directory. No path leads out of it: the directory handle itself refuses.
#[derive(Debug)]
pub(crate) struct Layout {
    dir: Dir,
}

impl Layout {
    /// Takes the directory for reading. Nothing is read yet.
    pub(crate) fn open(dir: &Dir) -> Result<Self, PkgError> {
        Ok(Self { dir: dir.try_clone().map_err(PkgError::io("."))? })
    }

    /// Begins a new layout in an empty place.
    pub(crate) fn create(dir: &Dir) -> Result<Self, PkgError> {
        let layout = Self::open(dir)?;
        match files::entry(dir, INDEX_FILE) {
            Ok(_) => return Err(PkgError::Exists),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(PkgError::io(INDEX_FILE)(e)),
        }
        dir.create_dir_all(BLOBS).map_err(PkgError::io(BLOBS))?;
        let mark = LayoutMark { version: LAYOUT_VERSION.to_owned() };
        layout.write_json_file(MARK_FILE, &mark)?;
        Ok(layout)
    }

    fn read_plain(&self, name: &str, limit: u64) -> Result<Vec<u8>, PkgError> {
        match files::entry(&self.dir, name).map_err(PkgError::io(name))? {
            Entry::File => files::read_at_most(&self.dir, name, limit).map_err(PkgError::io(name)),
            Entry::Link | Entry::Other => Err(PkgError::BadEntry { file: name.to_owned() }),
        }
    }

    /// Reads a blob: at most one byte past what is declared or allowed, then size and digest are checked.
    pub(crate) fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, PkgError> {
        let (digest, declared) = (descriptor.digest()?, descriptor.size()?);
        let name = format!("{BLOBS}/{}", digest.hex());
        let bytes = match self.read_plain(&name, declared.min(limit)) {
            Err(PkgError::Io { kind: io::ErrorKind::NotFound, .. }) => return Err(PkgError::MissingBlob(digest)),
            other => other?,
        };
        let actual = bytes.len() as u64;
        if declared > limit && actual > limit {
            return Err(PkgError::TooComplex { what: "a blob larger than any such part may be" });
        }
        if actual != declared {
            return Err(PkgError::SizeMismatch { declared: declared.to_string() });
        }
        let same = Digest::of(&bytes) == digest || !guard::stands("trust.blob-digest");
        if same { Ok(bytes) } else { Err(PkgError::DigestMismatch(digest)) }
    }

    pub(crate) fn json<T: DeserializeOwned + Serialize>(
        &self,
        descriptor: &Descriptor,
        what: &'static str,
    ) -> Result<T, PkgError> {
        json::parse(&self.blob(descriptor, MAX_JSON)?).map_err(PkgError::json(what))
    }

    /// Reads what the layout holds: exactly one release, and statements that are filed under it.
    pub(crate) fn shelf(&self) -> Result<Shelf, PkgError> {
        let mark: LayoutMark =
            json::parse(&self.read_plain(MARK_FILE, MAX_JSON)?).map_err(PkgError::json(MARK_FILE))?;
        if mark.version != LAYOUT_VERSION {
            return Err(PkgError::MediaType(crate::printable::printable(&mark.version)));
        }
        let index: ImageIndex =
            json::parse(&self.read_plain(INDEX_FILE, MAX_JSON)?).map_err(PkgError::json(INDEX_FILE))?;
        let entries = index.expect(None)?;
        if entries.len() > MAX_STATEMENTS + 1 {
            return Err(PkgError::TooComplex { what: "statements" });
        }
        let mut found: Option<(&Descriptor, &str)> = None;
        for entry in entries.iter().filter(|entry| entry.media_type != oci::MANIFEST) {
            let name = entry.expect(oci::INDEX, Some(oci::RELEASE), Some(oci::REF_NAME))?;
            if found.replace((entry, name)).is_some() {
                return Err(PkgError::AmbiguousRef);
            }
        }
        let (release, name) = found.map(|(e, n)| (e.clone(), n.to_owned())).ok_or(PkgError::NoRelease)?;
        let (mut statements, mut code) = (Vec::new(), Vec::new());
        for entry in entries.iter().filter(|entry| entry.media_type == oci::MANIFEST) {
            if entry.artifact_type.as_deref() == Some(oci::COMPILED) {
                code.push(self.compiled(entry, &release)?);
            } else {
                statements.push(self.statement(entry, &release)?);
            }
        }
        Ok(Shelf { name, release, statements, code, entries })
    }

    fn statement(&self, entry: &Descriptor, release: &Descriptor) -> Result<(StatementKind, Vec<u8>), PkgError> {
        let kind = entry.expect(oci::MANIFEST, Some(oci::DSSE), Some(oci::STATEMENT_KIND))?;
        let kind = StatementKind::parse(kind)?;
        let manifest: ImageManifest = self.json(entry, "statement manifest")?;
        let envelope = manifest.layer(Some(oci::DSSE), oci::EMPTY, oci::DSSE)?;
        self.about(&manifest, release)?;
        Ok((kind, self.blob(envelope, MAX_JSON)?))
    }

    /// Where compiled code lies.
    fn compiled(&self, entry: &Descriptor, release: &Descriptor) -> Result<Descriptor, PkgError> {
        entry.expect(oci::MANIFEST, Some(oci::COMPILED), None)?;
        let manifest: ImageManifest = self.json(entry, "manifest of compiled code")?;
        self.about(&manifest, release)?;
        manifest.layer(Some(oci::COMPILED), oci::EMPTY, oci::COMPILED).cloned()
    }

    /// What is filed under a release names it as its subject, and has an empty config.
    fn about(&self, manifest: &ImageManifest, release: &Descriptor) -> Result<(), PkgError> {
        let subject = manifest.subject.as_ref().ok_or(PkgError::SubjectMismatch)?;
        subject.expect(oci::INDEX, None, None)?;
        if subject.digest()? != release.digest()? || subject.size()? != release.size()? {
            return Err(PkgError::SubjectMismatch);
        }
        self.empty_config(manifest)
    }

    /// Reads compiled code that a signed statement names by digest and size, from where the layout says that it lies.
    pub(crate) fn code(&self, shelved: &[Descriptor], digest: Digest, size: u64) -> Result<Vec<u8>, PkgError> {
        for descriptor in shelved {
            if descriptor.digest()? == digest && descriptor.size()? == size {
                return self.blob(descriptor, MAX_CODE);
            }
        }
        Err(PkgError::MissingBlob(digest))
    }

    /// An empty config is empty: nothing hides where nobody looks.
    pub(crate) fn empty_config(&self, manifest: &ImageManifest) -> Result<(), PkgError> {
        if self.blob(&manifest.config, EMPTY_LEN)? == oci::EMPTY_JSON {
            Ok(())
        } else {
            Err(PkgError::MediaType(oci::EMPTY.to_owned()))
        }
    }

    /// Writes a blob and names it.
    pub(crate) fn put(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, PkgError> {
        let descriptor = Descriptor::of(media_type, bytes);
        let name = Digest::of(bytes).hex();
        let dir = self.dir.open_dir(BLOBS).map_err(PkgError::io(BLOBS))?;
        files::write_whole(&dir, &name, bytes, Readers::Everyone).map_err(PkgError::io(&name))?;
        Ok(descriptor)
    }

    pub(crate) fn put_json<T: Serialize>(&self, media_type: &str, value: &T) -> Result<Descriptor, PkgError> {
        let bytes = json::write(value).map_err(PkgError::json("json"))?;
        if bytes.len() > json::MAX_BYTES {
            return Err(PkgError::TooComplex { what: "a JSON file larger than 1 MiB" });
        }
        self.put(media_type, &bytes)
    }

    /// An artifact around one blob, with an empty config.
    pub(crate) fn put_artifact(&self, kind: &str, bytes: &[u8]) -> Result<Descriptor, PkgError> {
        let config = self.put(oci::EMPTY, oci::EMPTY_JSON)?;
        let layer = self.put(kind, bytes)?;
        let manifest = ImageManifest::new(Some(kind), config, layer);
        Ok(self.put_json(oci::MANIFEST, &manifest)?.artifact(kind))
    }

    /// Names the release; only now does the directory hold one.
    pub(crate) fn put_release(&self, index: &ImageIndex, name: &str) -> Result<Digest, PkgError> {
        let release = self.put_json(oci::INDEX, index)?.artifact(oci::RELEASE).note(oci::REF_NAME, name);
        let digest = release.digest()?;
        self.write_json_file(INDEX_FILE, &ImageIndex::new(None, vec![release]))?;
        Ok(digest)
    }

    /// Files a statement under the release. The same statement twice is one.
    pub(crate) fn put_statement(&self, shelf: &Shelf, kind: StatementKind, envelope: &[u8]) -> Result<(), PkgError> {
        let entry = self.put_about(shelf, oci::DSSE, envelope)?.note(oci::STATEMENT_KIND, kind.as_str());
        self.file(shelf, [entry])
    }

    /// Files compiled code under the release, and the statement about it.
    pub(crate) fn put_compiled(&self, shelf: &Shelf, code: &[u8], envelope: &[u8]) -> Result<(), PkgError> {
        if code.len() as u64 > MAX_CODE {
            return Err(PkgError::TooComplex { what: "compiled code" });
        }
        let code = self.put_about(shelf, oci::COMPILED, code)?;
        let entry = self.put_about(shelf, oci::DSSE, envelope)?;
        self.file(shelf, [code, entry.note(oci::STATEMENT_KIND, StatementKind::Compiled.as_str())])
    }

    /// Writes an artifact around one blob, with the release as its subject.
    fn put_about(&self, shelf: &Shelf, kind: &str, bytes: &[u8]) -> Result<Descriptor, PkgError> {
        let config = self.put(oci::EMPTY, oci::EMPTY_JSON)?;
        let layer = self.put(kind, bytes)?;
        let mut manifest = ImageManifest::new(Some(kind), config, layer);
        let mut subject = shelf.release.clone().without_notes();
        subject.artifact_type = None;
        manifest.subject = Some(subject);
        Ok(self.put_json(oci::MANIFEST, &manifest)?.artifact(kind))
    }

    /// Names what was written, in one step.
    fn file<const N: usize>(&self, shelf: &Shelf, new: [Descriptor; N]) -> Result<(), PkgError> {
        let mut entries = shelf.entries.clone();
        let before = entries.len();
        for entry in new {
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        if entries.len() == before {
            return Ok(());
        }
        if entries.len() > MAX_STATEMENTS + 1 {
            return Err(PkgError::TooComplex { what: "statements" });
        }
        self.write_json_file(INDEX_FILE, &ImageIndex::new(None, entries))
    }

    pub(super) fn write_json_file<T: Serialize>(&self, name: &'static str, value: &T) -> Result<(), PkgError> {
        let bytes = json::write(value).map_err(PkgError::json(name))?;
        files::write_whole(&self.dir, name, &bytes, Readers::Everyone).map_err(PkgError::io(name))
    }
}

const EMPTY_LEN: u64 = oci::EMPTY_JSON.len() as u64;
