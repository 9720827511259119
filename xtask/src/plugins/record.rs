//! `plugins/prebuilt/prebuilt.toml`: what is committed, and what it was made of.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, at};

const HEADER: &str = "\
# Written by `cargo xtask plugins`. Not edited by hand.
#
# component: sha256 of plugins/prebuilt/<name>.wasm
# sources:   sha256 over the files that made it, in the order of their paths: each as path, NUL, length as a decimal
#            number, NUL, bytes. The files: plugins/<name>/Cargo.toml and src/**, plugins/Cargo.toml and Cargo.lock,
#            sdk/src/**, sdk/template/sdk-Cargo.toml, wit/**, and the build flags as a file named `flags`.
# imports:   the functions of the door that the component calls, and hence the grants that it needs

";

/// All committed components.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    #[serde(default)]
    pub(super) component: Vec<Entry>,
}

/// One committed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) component: String,
    pub(super) sources: String,
    pub(super) compiler: String,
    pub(super) imports: Vec<String>,
}

impl Record {
    /// Reads the record; an absent one is empty.
    pub(super) fn read(prebuilt: &Path) -> Result<Self, Error> {
        let path = prebuilt.join("prebuilt.toml");
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| Error::Record(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::Io(path, error)),
        }
    }

    pub(super) fn write(&self, prebuilt: &Path) -> Result<(), Error> {
        let text = toml::to_string_pretty(self).map_err(|error| Error::Record(error.to_string()))?;
        let path = prebuilt.join("prebuilt.toml");
        fs::write(&path, format!("{HEADER}{text}")).map_err(at(&path))
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.component.iter().find(|entry| entry.name == name)
    }

    /// The compiler that made the committed components.
    pub(super) fn compiler(&self) -> Option<&str> {
        self.component.first().map(|entry| entry.compiler.as_str())
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
