//! Restoring a floor without a visit to the vehicle: a statement signed by the root's keys says what it must be.

use std::collections::BTreeSet;

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, guard};

use super::clock::Clock;
use super::error::FloorError;
use super::rows::{Mark, Role, Rows};
use super::store::Floor;
use crate::city::{CityFile, Signed};

/// What a node's floor must be from now on. Signed by the root's keys ([`crate::Authority::Root`]).
///
/// It also takes a number back that an attacker drove to a huge value (UPD-07): only the root may do that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The node; a statement for one node restores no other.
    pub node: Name,
    /// Counts up with each statement for this node.
    pub serial: u64,
    /// When it was signed: the node's time floor from then on.
    pub issued: Timestamp,
    /// First moment at which it no longer applies: an old one must not lie about for years.
    pub expires: Timestamp,
    /// The newest of each role.
    pub marks: Vec<RecoveryMark>,
    /// Releases that stay revoked.
    pub revoked: Vec<Digest>,
}

/// One row of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryMark {
    /// The role, as it is written: `channel`, `release:vendor/plugin`.
    pub role: String,
    /// Its number.
    pub version: u64,
    /// What has this number.
    pub digest: Digest,
}

impl CityFile for Recovery {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.recovery.v1+json";
}

impl Recovery {
    /// Restores the floor in `dir` as the statement says, for the node `node` at `wall`.
    ///
    /// Where the floor before can still be read, its statement number and its revocations are respected; where it
    /// cannot, the statement's expiry alone bounds its age.
    ///
    /// # Errors
    /// [`FloorError::Recovery`] if the statement is for another node, expired, or not newer than the last one;
    /// [`FloorError::Busy`] and [`FloorError::Storage`] as ever.
    pub fn restore(signed: &Signed<Self>, dir: &Dir, node: &Name, wall: Timestamp) -> Result<Floor, FloorError> {
        let recovery = signed.file();
        if guard::stands("trust.recovery-node") && recovery.node != *node {
            return Err(FloorError::Recovery("it is for another node"));
        }
        if guard::stands("trust.recovery-expiry") && wall >= recovery.expires {
            return Err(FloorError::Recovery("it has expired"));
        }
        let mut rows = Rows::at(recovery.issued);
        let mut seen = BTreeSet::new();
        for mark in &recovery.marks {
            let role: Role = mark.role.parse()?;
            if role == Role::Recovery || !seen.insert(role.clone()) {
                return Err(FloorError::Recovery("a row stands twice in it"));
            }
            rows.marks.insert(role, Mark { version: mark.version, digest: mark.digest });
        }
        rows.revoked.extend(&recovery.revoked);
        match Floor::open(dir) {
            Ok(before) => {
                let last = before.rows().marks.get(&Role::Recovery).map_or(0, |mark| mark.version);
                if guard::stands("trust.recovery-serial") && recovery.serial <= last {
                    return Err(FloorError::Recovery("one with this number or a later one was used already"));
                }
                rows.revoked.extend(&before.rows().revoked);
                // What the statement does not name stays as it was.
                for (role, mark) in &before.rows().marks {
                    rows.marks.entry(role.clone()).or_insert(*mark);
                }
                rows.active.clone_from(&before.rows().active);
                rows.clock = Clock { signed: recovery.issued.max(before.rows().clock.signed), ..rows.clock };
                rows.clock.seen = rows.clock.signed;
            }
            Err(FloorError::Missing | FloorError::Unreadable(_)) => {}
            Err(other) => return Err(other),
        }
        rows.marks.insert(Role::Recovery, Mark { version: recovery.serial, digest: signed.digest() });
        Floor::replace(dir, &rows)
    }
}
