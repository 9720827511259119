//! A leaf: an event, when it happened, and the salt that keeps both secret from whoever sees only the tree.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::event::Event;
use crate::AuditError;

/// Bytes that a record may have at most. A log entry is counted in 16 bits (C2SP tlog-tiles), and so is a record here.
pub const MAX_RECORD: usize = 65_535;

/// Bytes of the salt.
pub(crate) const SALT: usize = 32;

/// An event and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Form of the record; 1.
    pub form: u8,
    /// Seconds since 1970, UTC.
    pub time: u64,
    /// What happened.
    pub event: Event,
}

impl Record {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        // serde's message may quote what it read, and an error must not carry what came from outside.
        let record: Self = serde_json::from_slice(bytes).map_err(|e| {
            if e.to_string().contains("accounted for") {
                "its count of frames does not add up"
            } else {
                "not of a known form"
            }
        })?;
        if record.form == 1 { Ok(record) } else { Err("of a form that this program does not know") }
    }
}

/// An event that is ready to be logged. Logging the same leaf twice logs it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub(crate) salt: [u8; SALT],
    pub(crate) record: Vec<u8>,
}

impl Leaf {
    /// Seals an event that happened at `time` (seconds since 1970, UTC) with a fresh salt.
    ///
    /// # Errors
    /// [`AuditError::EntryTooLarge`] for a record over [`MAX_RECORD`] bytes; [`AuditError::Randomness`].
    pub fn seal(event: Event, time: u64) -> Result<Self, AuditError> {
        let record = serde_json::to_vec(&Record { form: 1, time, event })
            .map_err(|_| AuditError::Malformed { what: "a record" })?;
        if vaern_door::guard::stands("record.entry_size") && record.len() > MAX_RECORD {
            return Err(AuditError::EntryTooLarge { size: record.len(), max: MAX_RECORD });
        }
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| AuditError::Randomness)?;
        Ok(Self { salt, record })
    }

    /// What stands in the tree: `sha256(salt ‖ record)`. The salt has a fixed length, so no two pairs look alike.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        commit(&self.salt, &self.record)
    }
}

pub(crate) fn commit(salt: &[u8; SALT], record: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(record).finalize().into()
}
