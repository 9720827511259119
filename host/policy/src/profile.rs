//! The quantities of a node: what a plugin may have at most.

use std::collections::BTreeSet;

use serde::Deserialize;
use vaern_door::{Interface, Limits, Name, OutputRules, Size};

use crate::PolicyError;

/// One file of `policies/profiles/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name of the profile.
    pub name: Name,
    /// Interfaces that may be granted.
    pub interfaces: BTreeSet<Interface>,
    /// Largest frame handed to a plugin.
    pub frame: Size,
    /// Resource limits.
    pub limits: Limits,
    /// What happens to answers.
    pub output: OutputRules,
}

impl Profile {
    pub(crate) fn check(&self, file: &str) -> Result<(), PolicyError> {
        let fail = |param, allowed| Err(PolicyError::OutOfRange { file: file.to_owned(), param, allowed });
        let (l, o) = (&self.limits, &self.output);
        // A limit of zero would mean "nothing works", one beyond these bounds would mean "no limit": neither is a policy.
        if !(65_536..=1 << 30).contains(&l.memory_bytes) {
            return fail("limits.memory_bytes", "65536 to 1073741824");
        }
        if !(1..=1_000_000).contains(&l.table_elements) {
            return fail("limits.table_elements", "1 to 1000000");
        }
        if !(1..=64).contains(&l.instances) {
            return fail("limits.instances", "1 to 64");
        }
        if !(1..=60_000).contains(&l.deadline_ms) {
            return fail("limits.deadline_ms", "1 to 60000");
        }
        if !(1_024..=64 << 20).contains(&l.hostcall_bytes) {
            return fail("limits.hostcall_bytes", "1024 to 67108864");
        }
        if !(4..=10_000).contains(&l.handles) {
            return fail("limits.handles", "4 to 10000");
        }
        if !(16_384..=8 << 20).contains(&l.stack_bytes) {
            return fail("limits.stack_bytes", "16384 to 8388608");
        }
        if !(1..=256 << 20).contains(&l.component_bytes) {
            return fail("limits.component_bytes", "1 to 268435456");
        }
        if !(1..=1 << 30).contains(&l.model_bytes) {
            return fail("limits.model_bytes", "1 to 1073741824");
        }
        if !(1..=256).contains(&o.grid) {
            return fail("output.grid", "1 to 256");
        }
        if !(2..=255).contains(&o.score_steps) {
            return fail("output.score_steps", "2 to 255");
        }
        if !(1..=1_000).contains(&o.max_detections) {
            return fail("output.max_detections", "1 to 1000");
        }
        if !(1..=100_000).contains(&o.bits_per_frame) {
            return fail("output.bits_per_frame", "1 to 100000");
        }
        if !(1..=100_000_000).contains(&o.bits_per_hour) {
            return fail("output.bits_per_hour", "1 to 100000000");
        }
        Ok(())
    }
}
