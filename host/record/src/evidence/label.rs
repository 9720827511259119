//! What evidence is, for what it is kept, and until when. All of it is bound to the ciphertext.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name};

use super::error::EvidenceError;
use super::store::Kind;
use crate::log::RetentionClass;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A day, counted from 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u32);

impl Day {
    /// The day of a moment in seconds since 1970, UTC.
    #[must_use]
    pub const fn of(seconds: u64) -> Self {
        let days = seconds / DAY;
        Self(if days > u32::MAX as u64 { u32::MAX } else { days as u32 })
    }

    /// So many days later.
    #[must_use]
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

/// The random id of a detection, which is the id of its evidence: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// Takes 128 random bits.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RecordId {
    type Err = EvidenceError;
    fn from_str(text: &str) -> Result<Self, EvidenceError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| EvidenceError::Label("id"))?;
        let id = Self(bytes);
        if id.to_string() == text { Ok(id) } else { Err(EvidenceError::Label("id")) }
    }
}

/// The label of one piece of evidence. It lies beside it in the clear, and the evidence opens under no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The requirement that it is kept for, such as `RET-02`.
    pub requirement: String,
    /// The purpose of the policy set.
    pub purpose: Name,
    /// The zone (fence) of the camera: coarse, never a position.
    pub zone: Name,
    /// The release that found it.
    pub release: Digest,
    /// How long it is kept, by its class.
    pub class: RetentionClass,
    /// Last day on which it may be shown.
    pub expires: Day,
}

impl Label {
    /// What the cipher binds: every field with its length, so that no two labels look alike.
    pub(super) fn bound(&self, id: &RecordId, kind: Kind) -> Result<Vec<u8>, EvidenceError> {
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=16).contains(&self.requirement.len()) || !self.requirement.bytes().all(plain) {
            return Err(EvidenceError::Label("requirement"));
        }
        let class = [self.class as u8];
        let expires = self.expires.0.to_be_bytes();
        let fields: [&[u8]; 8] = [
            kind.as_str().as_bytes(),
            id.bytes(),
            self.requirement.as_bytes(),
            self.purpose.as_str().as_bytes(),
            self.zone.as_str().as_bytes(),
            self.release.as_bytes(),
            &class,
            &expires,
        ];
        let mut bytes = b"vaern-evidence-1".to_vec();
        for field in fields {
            // No field is longer than a name.
            bytes.push(u8::try_from(field.len()).map_err(|_| EvidenceError::Label("length"))?);
            bytes.extend_from_slice(field);
        }
        Ok(bytes)
    }
}
