//! What is given out when evidence was deleted: signed, and plain about what deletion can and cannot mean.

use std::fmt::Write as _;

use vaern_door::Digest;

use super::delete::Pending;
use crate::AuditError;
use crate::log::{Checkpoint, Deletion, Log, VerifierKey};

/// First line of every certificate.
const FORM: &str = "vaern deletion certificate 1";

/// What every certificate says of its own worth.
const RESIDUAL: &str = "\
The keys of these records were wrapped by one epoch key. Both copies of that key were overwritten in place and synced\n\
before this was signed; it was in no backup. What is left of the records is ciphertext without a key.\n\
Residual risk: flash storage may keep an overwritten block where only its maker's tools reach it. Together with the\n\
store key such a block could bring the epoch key back. Destroying the store key, or the disk, ends that risk.\n\
Restrisiko: et flashlager kan gemme en overskrevet blok, som kun producentens værktøj kan nå. Sammen med lagerets nøgle\n\
kunne den genskabe epokens nøgle. Når lagerets nøgle eller disken destrueres, er den risiko væk.\n";

/// A signed deletion certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate(String);

impl Certificate {
    pub(super) fn of_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Reads a certificate that the key of the log signed.
    ///
    /// # Errors
    /// [`AuditError`] for another key, a changed text, or something else.
    pub fn signed(text: &str, key: &VerifierKey) -> Result<Self, AuditError> {
        let certificate = Self::of_text(text);
        certificate.check(key)?;
        Ok(certificate)
    }

    /// Why the records were deleted.
    #[must_use]
    pub fn cause(&self) -> Option<Deletion> {
        self.0.lines().find_map(|line| line.strip_prefix("cause ")).and_then(Deletion::named)
    }

    /// The signed text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The digest that its leaf in the log names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Checks that the key of the log signed it.
    ///
    /// # Errors
    /// [`AuditError`] for another key or a changed text.
    pub fn check(&self, key: &VerifierKey) -> Result<(), AuditError> {
        let text = Checkpoint::signed_text(self.0.as_bytes(), key)?;
        if text.starts_with(FORM) { Ok(()) } else { Err(AuditError::Malformed { what: "a deletion certificate" }) }
    }

    /// The ids of the records that it is for.
    #[must_use]
    pub fn records(&self) -> Vec<&str> {
        self.0.lines().filter_map(|line| line.strip_prefix("record ")).collect()
    }
}

/// Signs that the records of `pending` are gone with epoch key `epoch`.
pub(super) fn issue(serial: u64, epoch: u64, pending: &Pending, log: &Log) -> Certificate {
    let mut text = format!(
        "{FORM}\nnumber {serial}\ntime {}\nclass {}\ncause {}\nlast day {}\nepoch {epoch}\nrecords {}\n",
        pending.time,
        word(&pending.class),
        word(&pending.cause),
        pending.day.0,
        pending.records.len(),
    );
    for id in &pending.records {
        // Writing to a string does not fail.
        let _ = writeln!(text, "record {id}");
    }
    text += RESIDUAL;
    Certificate(log.certify(&text))
}

/// The word of a closed type, as it is written in the log.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
