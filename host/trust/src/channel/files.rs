//! The two signed files of a channel.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Manifest, Name};

use crate::city::CityFile;

/// What is approved and current, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelFile {
    /// Name of the channel.
    pub channel: Name,
    /// Counts up with each issue.
    pub sequence: u64,
    /// When it was signed, in whole seconds.
    #[serde(with = "seconds")]
    pub issued: Timestamp,
    /// First moment at which it says nothing any more, in whole seconds.
    #[serde(with = "seconds")]
    pub expires: Timestamp,
    /// The least sequence of the revocations that belong to it; 0 where there are none yet. So nobody can show an old
    /// list beside a new channel (UPD-04).
    pub revocations: u64,
    /// The releases that may run.
    pub releases: Vec<ListedRelease>,
    /// The least counter of a plugin that is safe: what is below has a known hole (UPD-20).
    pub minimum: Vec<SecurityMinimum>,
    /// Builds of the host that passed the suite, by line: an approval names a line, so that a security fix of the host
    /// does not void every approval (SIG-23).
    pub hosts: Vec<HostLine>,
    /// A node runs of the listed releases only what was assigned to it by name ([`super::Assignment`]).
    #[serde(default, skip_serializing_if = "is_false")]
    pub assigned: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl CityFile for ChannelFile {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.channel.v1+json";
}

/// A release that may run. All but the digest is for people and must agree with the release's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedRelease {
    /// The release.
    pub release: Digest,
    /// Its vendor.
    pub vendor: Name,
    /// Its plugin.
    pub plugin: Name,
    /// Its counter.
    pub counter: u64,
    /// The purpose that it is approved for.
    pub purpose: Name,
}

impl ListedRelease {
    /// The entry for a release with this manifest.
    #[must_use]
    pub fn of(release: Digest, manifest: &Manifest) -> Self {
        Self {
            release,
            vendor: manifest.vendor.clone(),
            plugin: manifest.name.clone(),
            counter: manifest.counter,
            purpose: manifest.purpose.clone(),
        }
    }
}

/// The least counter of a plugin that may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityMinimum {
    /// The vendor.
    pub vendor: Name,
    /// The plugin.
    pub plugin: Name,
    /// The least counter.
    pub counter: u64,
}

/// Builds of the host that count as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostLine {
    /// Name of the line.
    pub line: Name,
    /// Digests of the programs that passed the suite.
    pub builds: Vec<Digest>,
    /// Tests that a release must have passed on one of them.
    pub tests: BTreeSet<String>,
}

/// The releases that were stopped. A list only grows: what was revoked stays so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocations {
    /// Counts up with each issue.
    pub sequence: u64,
    /// When it was signed, in whole seconds.
    #[serde(with = "seconds")]
    pub issued: Timestamp,
    /// The releases.
    pub revoked: Vec<Revoked>,
}

impl CityFile for Revocations {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.revocations.v1+json";
}

/// One release that was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// The release.
    pub release: Digest,
    /// Why, for people.
    pub reason: String,
    /// When.
    #[serde(with = "seconds")]
    pub since: Timestamp,
}

/// Whether a channel lists a release exactly as its manifest says.
#[must_use]
pub fn is_listed(channel: &ChannelFile, release: Digest, manifest: &Manifest) -> bool {
    channel.releases.contains(&ListedRelease::of(release, manifest))
}

/// Moments as they are signed: whole seconds. Another reader of such files knows no finer time (UPD-19).
pub(super) mod seconds {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(in crate::channel) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        Timestamp::from_second(time.as_second()).unwrap_or(*time).serialize(serializer)
    }

    /// A fraction is read, and then refused: it is not how the value would be written.
    pub(in crate::channel) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }
}
