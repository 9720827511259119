//! Checkpoints (C2SP tlog-checkpoint): which log, how many leaves, which root. And the floor under them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::merkle::Hash;
use super::note::{KeyName, Note, VerifierKey};
use crate::AuditError;

/// What a log says of itself, after its signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: KeyName,
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl Checkpoint {
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the text of a note whose signature was checked.
    fn parse(text: &str) -> Result<Self, AuditError> {
        let wrong = || AuditError::Malformed { what: "a checkpoint" };
        let mut lines = text.strip_suffix('\n').ok_or_else(wrong)?.split('\n');
        let (Some(origin), Some(digits), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong());
        };
        let size: u64 = digits.parse().map_err(|_| wrong())?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
        // Extension lines may follow; this log writes none, and one that it does not know must not be passed over.
        if size.to_string() != digits || lines.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { origin: KeyName::new(origin)?, size, root })
    }

    /// Reads a signed checkpoint: the signature first, then what it says.
    ///
    /// # Errors
    /// [`AuditError`] for a wrong form, a wrong signature, or another log.
    pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Self, AuditError> {
        Self::of_note(&Note::parse(bytes)?, key)
    }

    /// The text of another kind of note that the log's key signed.
    pub(crate) fn signed_text(bytes: &[u8], key: &VerifierKey) -> Result<String, AuditError> {
        let note = Note::parse(bytes)?;
        note.check(&key.0)?;
        Ok(note.text)
    }

    pub(crate) fn of_note(note: &Note, key: &VerifierKey) -> Result<Self, AuditError> {
        note.check(&key.0)?;
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin != *key.name() {
            return Err(AuditError::OtherLog {
                found: checkpoint.origin.to_string(),
                expected: key.name().to_string(),
            });
        }
        Ok(checkpoint)
    }
}

/// The newest checkpoint that somebody saw, kept where whoever writes the log cannot reach it. A log that does not
/// contain it was cut off or rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl From<&Checkpoint> for Floor {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { size: checkpoint.size, root: checkpoint.root }
    }
}

impl Floor {
    /// One line: leaves and root. To be kept in a file of its own.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(text, "vaern-log-floor 1 {} {}", self.size, STANDARD.encode(self.root));
        text
    }

    /// Reads the line.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] in any other form: a floor that cannot be read is never taken for none.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let wrong = || AuditError::Malformed { what: "a log floor" };
        let line = text.strip_suffix('\n').ok_or_else(wrong)?;
        let [_, _, size, root] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(wrong()) };
        let floor = Self {
            size: size.parse().map_err(|_| wrong())?,
            root: STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?,
        };
        if floor.to_text() == text { Ok(floor) } else { Err(wrong()) }
    }
}
