//! What one node is to run, ring by ring, as the city says it in signed files.
//!
//! A channel says what may run; where it asks for assignments, a node runs of that only what was assigned to it by name. A
//! release reaches the first ring as soon as it is approved, and each further ring only with a signed result of the ring
//! before it. The result is signed as an approval is: whoever holds the channel's key alone cannot skip a ring (UPD-18).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, guard};

use super::error::UpdateError;
use super::files::seconds;
use crate::city::{CityFile, Signed, open_file};
use crate::sig_error::SigError;
use crate::trust_root::{Authority, TrustRoot};

/// The folder of assignments in a channel's folder: one file for each node.
pub const ASSIGNMENTS: &str = "assignments";

/// What one node is to run. Signed as a channel is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The node; an assignment for one node means nothing to another (UPD-10).
    pub node: Name,
    /// Counts up with each assignment for this node.
    pub sequence: u64,
    /// When it was signed, in whole seconds.
    #[serde(with = "seconds")]
    pub issued: Timestamp,
    /// First moment at which it says nothing any more, in whole seconds.
    #[serde(with = "seconds")]
    pub expires: Timestamp,
    /// The releases.
    pub releases: Vec<AssignedRelease>,
}

impl CityFile for Assignment {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.assignment.v1+json";
}

/// A release that one node is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignedRelease {
    /// The release.
    pub release: Digest,
    /// The ring of the rollout that the node is in, from 0.
    pub ring: u16,
    /// From ring 1 on: the signed result of the ring before ([`RingResult`]), the envelope as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
}

/// How a release did in one ring. Signed as an approval is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingResult {
    /// The release.
    pub release: Digest,
    /// The ring, from 0.
    pub ring: u16,
    /// When it was signed, in whole seconds.
    #[serde(with = "seconds")]
    pub issued: Timestamp,
    /// Nodes that ran it. A ring of none shows nothing.
    pub nodes: u32,
    /// Frames that they showed to it.
    pub frames: u64,
    /// Frames that it failed on.
    pub failures: u64,
    /// Whether it may go on to the next ring: a decision of those who sign, and not a figure.
    pub passed: bool,
}

impl CityFile for RingResult {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.ring-result.v1+json";
}

/// Why a release is not ready for the ring that it is assigned in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingGap {
    /// No result of the ring before.
    #[error("the assignment carries no result of the ring before")]
    NoResult,
    /// A result that is not signed as an approval is.
    #[error("the result of the ring before: {0}")]
    NotSigned(SigError),
    /// A result of another release.
    #[error("the result is of the release {0}")]
    OtherRelease(Digest),
    /// A result of another ring.
    #[error("the result is of ring {0}")]
    OtherRing(u16),
    /// No node ran it there, or it saw no frame.
    #[error("the ring before showed it no frame")]
    NothingSeen,
    /// It did not pass.
    #[error("it did not pass the ring before")]
    NotPassed,
}

/// An assignment whose signatures were checked, with each release held against the result of the ring before.
#[derive(Debug, Clone)]
pub struct Assigned {
    signed: Signed<Assignment>,
    rings: BTreeMap<Digest, Standing>,
}

/// The ring of a release, and what is missing for it.
type Standing = (u16, Result<(), RingGap>);

impl Assigned {
    /// Reads a signed assignment, and the results that it carries.
    ///
    /// # Errors
    /// [`UpdateError::Assignment`] if it is not signed as the trust root demands. A ring that was skipped is no error here: it
    /// concerns one release, and [`crate::State::judge`] refuses that one.
    pub fn open(bytes: &[u8], trust: &TrustRoot) -> Result<Self, UpdateError> {
        let signed = open_file::<Assignment>(bytes, trust, Authority::Channel).map_err(UpdateError::Assignment)?;
        let mut rings: BTreeMap<Digest, Standing> = BTreeMap::new();
        for entry in &signed.file().releases {
            let standing = (entry.ring, gate(entry, trust));
            // Named twice, the later ring counts: it is the one that asks for more.
            match rings.get(&entry.release) {
                Some((ring, _)) if *ring >= entry.ring => {}
                _ => drop(rings.insert(entry.release, standing)),
            }
        }
        Ok(Self { signed, rings })
    }

    /// The assignment.
    #[must_use]
    pub const fn file(&self) -> &Assignment {
        self.signed.file()
    }

    /// Digest of the signed bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// Says whether the node that this is for may run `release`.
    ///
    /// # Errors
    /// [`UpdateError::NotAssigned`] and [`UpdateError::RingViolation`].
    pub fn judge(&self, release: Digest) -> Result<(), UpdateError> {
        let node = || self.file().node.clone();
        let standing =
            self.rings.get(&release).ok_or_else(|| UpdateError::NotAssigned { node: Some(node()), release })?;
        match standing {
            (ring, Err(gap)) if guard::stands("trust.ring") => {
                Err(UpdateError::RingViolation { release, ring: *ring, gap: gap.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Holds the result that an entry carries against the ring that it names.
fn gate(entry: &AssignedRelease, trust: &TrustRoot) -> Result<(), RingGap> {
    let Some(before) = entry.ring.checked_sub(1) else { return Ok(()) };
    let text = entry.gate.as_ref().ok_or(RingGap::NoResult)?;
    let result = open_file::<RingResult>(text.as_bytes(), trust, Authority::Approval).map_err(RingGap::NotSigned)?;
    let result = result.file();
    if result.release != entry.release {
        return Err(RingGap::OtherRelease(result.release));
    }
    if result.ring != before {
        return Err(RingGap::OtherRing(result.ring));
    }
    if result.nodes == 0 || result.frames == 0 {
        return Err(RingGap::NothingSeen);
    }
    if result.passed { Ok(()) } else { Err(RingGap::NotPassed) }
}

/// The file of a node's assignment in a channel's folder.
#[must_use]
pub fn assignment_file(node: &Name) -> String {
    format!("{ASSIGNMENTS}/{node}.json")
}
