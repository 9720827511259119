//! The form of a register entry. No field of it can be empty: each is stated, or there is no entry.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, Version};
use vaern_trust::ResidualRisk;

use super::stated::{Both, Listed, Stated};
use crate::result::{Ending, HostBuild};
use crate::verdict::Figure;

/// Which release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Name of the plugin.
    pub plugin: Stated,
    /// Its version.
    pub version: Version,
    /// Who made it.
    pub vendor: Stated,
    /// What the vendor says it is for.
    pub intended_use: Stated,
    /// Digest of the release index.
    pub digest: Digest,
}

/// Who answers for it (ANS-01).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// The authority.
    pub authority: Stated,
    /// The organisational unit.
    pub unit: Stated,
    /// The manager's role, not a name.
    pub manager: Stated,
}

/// What for, and on which basis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct For {
    /// Name of the purpose.
    pub name: Name,
    /// What it is for.
    pub purpose: Both,
    /// The legal basis.
    pub legal_basis: Stated,
    /// What citizens get from it (MAL-02).
    pub benefit: Both,
    /// How somebody asks for insight, objects and complains.
    pub rights: Both,
}

/// What the impact assessment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// Its date.
    pub date: Date,
    /// Digest of the record.
    pub digest: Digest,
    /// The risk that is left.
    pub residual_risk: ResidualRisk,
    /// What is done with which data.
    pub description: Stated,
    /// Why it is necessary.
    pub necessity: Stated,
    /// The risks.
    pub risks: Stated,
    /// The measures.
    pub measures: Stated,
}

/// Who approved, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The roles that signed: no names.
    pub roles: Listed<Stated>,
    /// First day.
    pub from: Date,
    /// The day on which it ends.
    pub until: Date,
    /// Digest of the signed approval.
    pub digest: Digest,
    /// Version of the catalogue.
    pub catalogue: Version,
    /// Digest of the policy set.
    pub policy: Digest,
}

/// What the data protection officer advised, and what the city answered (GOV-06).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// When.
    pub date: Date,
    /// Digest of the advice.
    pub digest: Digest,
    /// The advice.
    pub advice: Stated,
    /// The city's reply.
    pub reply: Stated,
}

/// One figure with its interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The test that measured it.
    pub test: Stated,
    /// Its name in the run.
    pub name: Stated,
    /// The figure: a share or a gap, never a bare count.
    pub figure: Figure,
}

/// What the machine spends (MAL-03).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Instructions of the plugin's own code for a thousand frames; the models' work is not in it.
    pub instructions_per_1000_frames: u64,
    /// Most bytes of memory of the plugin.
    pub memory_bytes: u64,
    /// Tenths of a second for a thousand frames on the machine of the run, models included. Beside the signed result, not in it.
    pub tenths_of_a_second_per_1000_frames: u64,
}

/// What the suite measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformance {
    /// How thorough, and on what.
    pub on: Both,
    /// How it ended.
    pub ending: Ending,
    /// Tests that passed, of those that were asked.
    pub passed: u64,
    /// Tests that were asked.
    pub asked: u64,
    /// The host.
    pub host: HostBuild,
    /// Digest of `run.json`.
    pub run: Digest,
    /// What is found, and rightly.
    pub quality: Listed<Measured>,
    /// Whether it depends on who is near.
    pub equality: Listed<Measured>,
    /// What it costs.
    pub cost: Cost,
}

/// The staff time that is saved (MAL-03).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saving {
    /// How much.
    pub stated: Both,
    /// How that is measured.
    pub measured: Both,
}

/// The entry. No field of it can be empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// [`REGISTER_FORMAT`](super::REGISTER_FORMAT).
    pub format: String,
    /// Which release.
    pub release: Registered,
    /// Who answers for it.
    pub answers: Answers,
    /// What for.
    pub purpose: For,
    /// What is collected.
    pub collected: Listed<Both>,
    /// What is not.
    pub not_collected: Listed<Both>,
    /// How long what is kept is kept.
    pub kept: Listed<Both>,
    /// What the plugin can do.
    pub may: Listed<Both>,
    /// What it cannot.
    pub may_not: Listed<Both>,
    /// The impact assessment.
    pub dpia: Assessment,
    /// The approval.
    pub decision: Decision,
    /// The data protection officer's advice and the reply.
    pub advice: Advice,
    /// What was measured.
    pub conformance: Conformance,
    /// The staff time that is saved.
    pub saving: Saving,
}
