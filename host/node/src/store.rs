//! The city's own detectors: those embedded in the program, and those installed in a model store, each held to its digest.

use std::io::Read as _;

use cap_std::fs::Dir;
use vaern_door::{Blame, Digest, Krav, Name};
use vaern_policy::PinnedModel;

use crate::sinks;

/// `people`: faces, persons and plates of drawn streets (`models/people.md`).
const PEOPLE_DRAWN: &[u8] = include_bytes!("../../../models/people.onnx");

/// No detector of the gate is larger.
const MAX_MODEL_BYTES: u64 = 256 << 20;

/// Why a detector's file is not used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The model is not installed.
    #[error("the model `{name}` is not installed")]
    Missing {
        /// Name in `models.toml`.
        name: Name,
    },
    /// The installed file is not the pinned one.
    #[error("the file of the model `{name}` has the digest {found}; the policy pins {pinned}")]
    DigestMismatch {
        /// Name in `models.toml`.
        name: Name,
        /// What the file is.
        found: Digest,
        /// What it must be.
        pinned: Digest,
    },
    /// The policy calls a model embedded that the program does not hold.
    #[error("the program holds no model `{name}`")]
    NotEmbedded {
        /// Name in `models.toml`.
        name: Name,
    },
    /// The file cannot be read.
    #[error("cannot read the file of the model `{name}`: {source}")]
    Unreadable {
        /// Name in `models.toml`.
        name: Name,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] sinks::SinkError),
}

impl StoreError {
    /// The requirement behind it: without its detectors the gate lets nothing out.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("MIN-01")
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NotEmbedded { .. } => Blame::Policy,
            _ => Blame::Operator,
        }
    }
}

/// Where detectors come from. Without a directory only embedded ones are there.
#[derive(Debug)]
pub struct ModelStore {
    dir: Option<Dir>,
}

impl ModelStore {
    /// A store over a directory, or over none.
    #[must_use]
    pub fn new(dir: Option<Dir>) -> Self {
        Self { dir }
    }

    /// The bytes of a pinned model, and their digest, checked against the pin.
    ///
    /// # Errors
    /// [`StoreError`] where the model is missing or is not the pinned one.
    pub fn load(&self, pinned: &PinnedModel) -> Result<(Vec<u8>, Digest), StoreError> {
        let name = || pinned.name.clone();
        if pinned.embedded {
            return match pinned.name.as_str() {
                "people-drawn" => Ok((PEOPLE_DRAWN.to_vec(), Digest::of(PEOPLE_DRAWN))),
                _ => Err(StoreError::NotEmbedded { name: name() }),
            };
        }
        let (Some(dir), Some(file)) = (&self.dir, &pinned.file) else {
            return Err(StoreError::Missing { name: name() });
        };
        let bytes = match dir.open(file) {
            Ok(file) => read(file).map_err(|source| StoreError::Unreadable { name: name(), source })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing { name: name() }),
            Err(source) => return Err(StoreError::Unreadable { name: name(), source }),
        };
        let found = matching(pinned, &bytes)?;
        Ok((bytes, found))
    }

    /// Copies the pinned file from another directory into the store, after checking it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is written unless the digest agrees.
    pub fn add(&self, pinned: &PinnedModel, from: &Dir) -> Result<Digest, StoreError> {
        let other = Self { dir: from.try_clone().ok() };
        let (bytes, digest) = other.load(pinned)?;
        let (Some(dir), Some(file)) = (&self.dir, &pinned.file) else {
            return Err(StoreError::Missing { name: pinned.name.clone() });
        };
        sinks::write_file(dir, file, &bytes)?;
        Ok(digest)
    }
}

fn matching(pinned: &PinnedModel, bytes: &[u8]) -> Result<Digest, StoreError> {
    let found = Digest::of(bytes);
    match pinned.sha256 {
        Some(pin) if pin == found => Ok(found),
        Some(pin) => Err(StoreError::DigestMismatch { name: pinned.name.clone(), found, pinned: pin }),
        None => Err(StoreError::Missing { name: pinned.name.clone() }),
    }
}

fn read(file: cap_std::fs::File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_MODEL_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_MODEL_BYTES {
        return Err(std::io::Error::other("larger than any detector"));
    }
    Ok(bytes)
}
