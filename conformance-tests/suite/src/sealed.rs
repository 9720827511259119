//! The sealed corpus: labelled pictures, triggers and generator settings that no vendor has seen, each file under the city's key.
//!
//! ```text
//! corpus directory ──► seal ──► index.sealed, 000000.sealed, 000001.sealed … (XChaCha20-Poly1305, bound to corpus and number)
//! ```
//!
//! It is opened in memory, file by file as it is shown, and what was opened is overwritten when it goes. Nothing here can write an opened
//! file: there is no function that takes one and a directory.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use vaern_door::{Size, guard};
use vaern_record::evidence::Secret;
use zeroize::Zeroizing;

use crate::coco::{Corpus, CorpusError, Files, For, decoded};

/// The sealed list of what is in it.
const INDEX: &str = "index.sealed";
/// Triggers of the city's own choice: JPEG files in this directory of a corpus.
pub const TRIGGERS: &str = "triggers";
/// Settings of the generator, in a corpus that has some.
pub const GENERATOR: &str = "generator.toml";
const FORMAT: &str = "vaern-corpus/1";
const NONCE: usize = 24;

/// What is drawn beside the pictures, from numbers that nobody outside has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// The seed of the series.
    pub seed: u64,
    /// Streets of it.
    pub streets: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format: String,
    used: For,
    id: String,
    /// Names in the order of their numbers.
    files: Vec<String>,
    triggers: Vec<String>,
    generator: Generator,
}

/// A sealed corpus that was opened. Its pictures stay sealed until each is shown.
pub struct Sealed {
    pub(crate) corpus: Corpus,
    pub(crate) triggers: Vec<(Size, Vec<u8>)>,
    pub(crate) generator: Generator,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} pictures, {} triggers)", self.corpus.pictures(), self.triggers.len())
    }
}

impl Sealed {
    /// Opens the list, and checks that every file of it opens.
    ///
    /// # Errors
    /// [`CorpusError::Sealed`] for another key, another corpus or changed bytes, and what [`Corpus::open`] says.
    pub fn open(dir: Dir, key: Secret, used: For) -> Result<Self, CorpusError> {
        let index = opened(&key, &Files::read(&dir, INDEX)?, INDEX)?;
        let index: Index = serde_json::from_slice(&index).map_err(|_| CorpusError::Sealed)?;
        if index.format != FORMAT {
            return Err(CorpusError::Labels(format!("a corpus of another form: {}", index.format)));
        }
        if index.used != used {
            return Err(CorpusError::Labels(
                "a corpus for plugins is none for the gate, nor the other way about".to_owned(),
            ));
        }
        let numbers = (0_u32..).zip(&index.files).map(|(number, name)| (name.clone(), number)).collect();
        let files = Locked { dir, key, id: index.id, numbers };
        let mut triggers = Vec::new();
        for name in &index.triggers {
            let bytes = files.read(name)?;
            triggers.push(decoded(&bytes).ok_or_else(|| CorpusError::Picture("a trigger".to_owned()))?);
        }
        Ok(Self { corpus: Corpus::new(Box::new(files), used)?, triggers, generator: index.generator })
    }

    /// What names its contents: the same for two seals of one corpus.
    #[must_use]
    pub const fn digest(&self) -> vaern_door::Digest {
        self.corpus.digest
    }

    /// Number of pictures.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.corpus.pictures()
    }

    /// The pictures, still sealed.
    #[must_use]
    pub const fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// The triggers, each with its size, as RGB.
    #[must_use]
    pub fn patches(&self) -> &[(Size, Vec<u8>)] {
        &self.triggers
    }

    /// Number of triggers.
    #[must_use]
    pub fn triggers(&self) -> usize {
        self.triggers.len()
    }
}

/// Files that are opened one at a time.
struct Locked {
    dir: Dir,
    key: Secret,
    id: String,
    numbers: BTreeMap<String, u32>,
}

impl Files for Locked {
    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, CorpusError> {
        let number = self.numbers.get(name).ok_or(CorpusError::Sealed)?;
        opened(&self.key, &Files::read(&self.dir, &file(*number))?, &bound(&self.id, *number))
    }
}

fn file(number: u32) -> String {
    format!("{number:06}.sealed")
}

fn bound(id: &str, number: u32) -> String {
    format!("{FORMAT} {id} {number}")
}

/// Seals the corpus in `from` into the empty directory `to`, and opens it again before it is called sealed. Gives it as it opens.
///
/// # Errors
/// [`CorpusError`]; a corpus that could not be shown is not sealed.
pub fn seal(from: &Dir, to: &Dir, key: &Secret, used: For) -> Result<Sealed, CorpusError> {
    let io = |name: &str| {
        let name = name.to_owned();
        move |error| CorpusError::Io(name, error)
    };
    let copy = from.try_clone().map_err(io("."))?;
    let corpus = Corpus::new(Box::new(copy), used)?;
    let mut names: Vec<(String, Zeroizing<Vec<u8>>)> = Vec::new();
    for (name, number) in corpus.names().zip(0_usize..) {
        if number > 0 && used == For::Plugins {
            // Shown once, so that no picture fails for the first time before a vendor's plugin.
            corpus.street(number - 1, Size::new(u16::MAX, u16::MAX).map_err(|_| CorpusError::Host("size"))?)?;
        }
        names.push((name.to_owned(), corpus.files.read(name)?));
    }
    let mut triggers = Vec::new();
    if let Ok(folder) = from.open_dir(TRIGGERS) {
        let mut found: Vec<String> = Vec::new();
        for entry in folder.entries().map_err(io(TRIGGERS))? {
            let name = entry.map_err(io(TRIGGERS))?.file_name();
            found
                .push(name.into_string().map_err(|_| CorpusError::Labels("a trigger's name is not UTF-8".to_owned()))?);
        }
        found.sort_unstable();
        for name in found {
            let bytes = Files::read(&folder, &name)?;
            decoded(&bytes).ok_or_else(|| CorpusError::Picture(name.clone()))?;
            let name = format!("{TRIGGERS}/{name}");
            names.push((name.clone(), bytes));
            triggers.push(name);
        }
    }
    let generator = match Files::read(from, GENERATOR) {
        Ok(text) => toml::from_str(std::str::from_utf8(&text).unwrap_or("?"))
            .map_err(|error: toml::de::Error| CorpusError::Labels(format!("{GENERATOR}: {error}")))?,
        Err(_) => Generator { seed: u64::from_le_bytes(random()?), streets: 40 },
    };
    let id: [u8; 16] = random()?;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    for ((name, bytes), number) in names.iter().zip(0_u32..) {
        to.write(file(number), shut(key, bytes, &bound(&id, number))?).map_err(io(name))?;
    }
    let files = names.into_iter().map(|(name, _)| name).collect();
    let index = Index { format: FORMAT.to_owned(), used, id, files, triggers, generator };
    let plain =
        Zeroizing::new(serde_json::to_vec(&index).map_err(|_| CorpusError::Host("the index cannot be written"))?);
    to.write(INDEX, shut(key, &plain, INDEX)?).map_err(io(INDEX))?;
    let mut again = None;
    key.expose(|bytes| again = Some(Secret::from_bytes(bytes)));
    let again = again.ok_or(CorpusError::Host("the key"))?;
    let sealed = Sealed::open(to.try_clone().map_err(io("."))?, again, used)?;
    if sealed.digest() == corpus.digest { Ok(sealed) } else { Err(CorpusError::Sealed) }
}

fn random<const N: usize>() -> Result<[u8; N], CorpusError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| CorpusError::Host("the system gives no randomness"))?;
    Ok(bytes)
}

fn cipher(key: &Secret) -> Result<XChaCha20Poly1305, CorpusError> {
    let mut made = None;
    key.expose(|bytes| made = XChaCha20Poly1305::new_from_slice(bytes).ok());
    made.ok_or(CorpusError::Sealed)
}

fn shut(key: &Secret, plain: &[u8], bound: &str) -> Result<Vec<u8>, CorpusError> {
    let nonce: [u8; NONCE] = random()?;
    let payload = Payload { msg: plain, aad: bound.as_bytes() };
    let sealed = cipher(key)?.encrypt(&XNonce::from(nonce), payload).map_err(|_| CorpusError::Sealed)?;
    Ok([&nonce[..], &sealed].concat())
}

fn opened(key: &Secret, sealed: &[u8], bound: &str) -> Result<Zeroizing<Vec<u8>>, CorpusError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(CorpusError::Sealed)?;
    let payload = Payload { msg: sealed, aad: bound.as_bytes() };
    let plain = cipher(key)?.decrypt(&XNonce::from(*nonce), payload);
    plain.map(Zeroizing::new).map_err(|_| CorpusError::Sealed)
}

/// Whether a part of the run may be written down as it goes: nothing of a sealed corpus is.
pub(crate) fn may_be_kept(sealed: bool) -> bool {
    !sealed || !guard::stands("conformance.sealed")
}
