//! The quantities of a node: what a plugin may have at most, how long things are kept, and what an approval takes.
//!
//! One file is read unchanged by the vendor's tool, the conformance suite and the node.

use std::collections::BTreeSet;

use serde::Deserialize;
use vaern_door::{Digest, Interface, Limits, Name, OutputRules, Size, guard};

use crate::PolicyError;
use crate::place::{Place, line_of};

/// One file of `policies/profiles/`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Name of the profile.
    pub name: Name,
    /// Interfaces that may be granted.
    pub interfaces: BTreeSet<Interface>,
    /// Largest frame handed to a plugin.
    pub frame: Size,
    /// Resource limits.
    pub limits: Limits,
    /// What a run of the conformance suite may cost at most, in units of fuel per frame.
    pub fuel_per_frame: u64,
    /// What happens to answers.
    pub output: OutputRules,
    /// How long what may be kept is kept.
    pub retention: Retention,
    /// How much is looked at.
    pub rates: Rates,
    /// What an approval takes.
    pub approval: ApprovalRule,
    /// Hours without word from the city after which a node stops (GOV-03).
    pub max_stale_hours: u32,
    /// What a new release has to show on a node.
    pub swap: SwapRule,
    /// How much a release is expected to find. Nobody is alarmed where the profile does not say.
    pub expected: Option<Expected>,
    /// Pictures with a known answer that a release in operation is shown. None where the profile does not say.
    pub probe: Option<ProbeRule>,
    /// How much interference from outside goes without an alarm. Nobody is alarmed where the profile does not say.
    pub interference: Option<InterferenceRule>,
    /// Whether a node may run whose memory could reach a disk: swap, a core file, a hibernation image. Not where the profile does not say.
    pub memory_may_reach_disk: bool,
}

/// How much a release in operation is expected to find (ANS-02). Outside of it a node says so; nothing stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Frames seen over which it is judged.
    pub frames: u32,
    /// Objects for each hundred frames, at least.
    pub least_per_100: u32,
    /// Objects for each hundred frames, at most.
    pub most_per_100: u32,
}

/// Pictures with a known answer that a release in operation is shown among the frames of the street (ANS-02). Where it finds less of what is
/// known to be there, or more that is not, a node says so; nothing stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProbeRule {
    /// Digest of `probes.toml`, the list of the pictures and of what is in them. The pictures are the city's and the nodes'; no vendor has them.
    #[cfg_attr(test, schemars(with = "String"))]
    pub list: Digest,
    /// Frames seen from one picture to the next, on average.
    pub every_frames: u32,
    /// Pictures over which it is judged.
    pub pictures: u32,
    /// Of what is known to be there, found in percent, at least.
    pub found_percent: u16,
    /// Finds beside it for each hundred pictures, at most.
    pub beside_per_100: u32,
}

/// Signs that somebody outside interferes with what is seen (CYB-02). Where there are more of them a node says so; nothing stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InterferenceRule {
    /// Captures that came, and frames that were seen, over which signs are counted.
    pub frames: u32,
    /// Captures that came once before, for each hundred that came, at most.
    pub replayed_per_100: u32,
    /// Captures without a position that can be true, for each hundred that came, at most.
    pub unplaced_per_100: u32,
    /// Objects in a frame above which it is crowded.
    pub crowded_above: u32,
    /// Crowded frames for each hundred that were seen, at most.
    pub crowded_per_100: u32,
    /// Percent of a frame under masks above which it is covered.
    pub covered_above_percent: u32,
    /// Covered frames for each hundred that were seen, at most.
    pub covered_per_100: u32,
}

/// What a new release has to show on a node before and after it takes another's place. A node may ask for more, never for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SwapRule {
    /// Frames that it sees beside the one that runs, at least.
    pub shadow_frames: u32,
    /// Mean agreement with the one that runs, in percent, at least.
    pub agreement_percent: u16,
    /// Frames of the shadow and of the watch that it may fail at.
    pub failures: u32,
    /// Its median time in percent of the other's, at most.
    pub slower_percent: u32,
    /// Frames in the seat until it is confirmed, at least.
    pub watch_frames: u32,
}

impl Default for SwapRule {
    /// Where the profile says nothing.
    fn default() -> Self {
        Self { shadow_frames: 50, agreement_percent: 50, failures: 0, slower_percent: 300, watch_frames: 100 }
    }
}

/// How long what may be kept is kept, in days; 0 keeps nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The masked crop of a detection and its record (SKJ-06).
    pub evidence_days: u16,
    /// The whole masked frame in which something was found, so that it can be found again (GEN-02). Off where it is not named.
    #[serde(default)]
    pub replay_days: u16,
    /// Masked training pictures (SEP-02).
    pub training_days: u16,
    /// Masked pictures of a run's result (SKJ-07).
    pub pictures_days: u16,
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Frames per second at most (MIN-07).
    pub frames_per_second: u16,
    /// Metres between two frames of one camera at least (MIN-07).
    pub min_distance_m: u16,
    /// Pictures that may be collected in all (MIN-11).
    pub pictures: u32,
}

/// Who must have signed an approval, and how old it may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// Number of distinct keys in distinct roles (SKJ-04).
    pub threshold: u16,
    /// Roles that must be among them.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub roles: BTreeSet<Name>,
    /// Days after which an approval no longer holds, whatever expiry it names (GOV-04).
    pub max_age_days: u16,
    /// Whether an approval must name a result of `vaern corpus gate` on the gate of this set (MIN-01): recall by condition and under
    /// patches, at or above its floors.
    #[serde(default)]
    pub gate_result: bool,
    /// Whether an approval must name a host line (LEV-04): no node then runs the release without a passed result of the suite on it, signed
    /// by the city, on a build of that line.
    #[serde(default)]
    pub host_line: bool,
    /// Whether the release must carry its vendor's own signed result of the suite (LEV-01), under the catalogue of the approval.
    #[serde(default)]
    pub vendor_result: bool,
}

/// The file's form.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileFile {
    /// Name of the profile: a-z, 0-9 and single inner `-`.
    #[cfg_attr(test, schemars(with = "String"))]
    name: Name,
    /// Interfaces that may be granted: `pixels`, `zoom`, `models`, `diagnostics`.
    #[cfg_attr(test, schemars(with = "Vec<InterfaceName>"))]
    interfaces: BTreeSet<Interface>,
    /// Largest frame handed to a plugin, in pixels.
    #[cfg_attr(test, schemars(with = "SizeFile"))]
    frame: Size,
    limits: LimitsFile,
    output: OutputFile,
    retention: Retention,
    rates: Rates,
    approval: ApprovalRule,
    staleness: Staleness,
    /// What a new release has to show on a node. Where it is left out: 50 frames beside, 50 percent agreement, no failure, three times
    /// the time, 100 frames of watch.
    #[serde(default)]
    swap: SwapRule,
    /// How much a release is expected to find. Left out, nobody is alarmed.
    expected: Option<Expected>,
    /// Pictures with a known answer. Left out, none is shown.
    probe: Option<ProbeRule>,
    /// Signs of interference from outside. Left out, nobody is alarmed.
    interference: Option<InterferenceRule>,
    /// What keeps the memory of a node from a disk. Left out, it must not be able to reach one.
    #[serde(default)]
    memory: MemoryFile,
}

/// Whether the memory of a node may reach a disk.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct MemoryFile {
    /// False refuses to start a node whose memory could be swapped out, be in a core file or in a hibernation image.
    may_reach_disk: bool,
}

/// Resource limits of one instance.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct LimitsFile {
    /// Linear memory of an instance, in bytes.
    memory_bytes: u64,
    /// Elements of all tables of an instance.
    table_elements: u32,
    /// Core instances, memories and tables inside the component.
    instances: u32,
    /// Wall time of one call, models included, in milliseconds.
    deadline_ms: u32,
    /// Fuel that one frame may cost in a conformance run.
    fuel_per_frame: u64,
    /// Bytes that one call may carry from the guest to the host.
    hostcall_bytes: u32,
    /// Resource handles alive at once.
    handles: u32,
    /// Guest stack in bytes.
    stack_bytes: u32,
    /// Bytes of diagnostics kept per frame; never any in operation.
    log_bytes: u32,
    /// Native pixels that zoom may hand out per frame; 0 is no zoom.
    zoom_pixels: u32,
    /// Largest component file in bytes.
    component_bytes: u64,
    /// Largest model file in bytes.
    model_bytes: u64,
}

/// How answers are made canonical before anyone sees them.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct OutputFile {
    /// Boxes are snapped outward to this grid, in pixels of the frame.
    grid: u16,
    /// Number of score steps.
    score_steps: u8,
    /// Detections with a score below this are dropped.
    min_score: u8,
    /// Detections kept per frame.
    max_detections: u16,
    /// Bits that one frame's answer may carry.
    bits_per_frame: u32,
    /// Bits that the answers of one hour may carry together.
    bits_per_hour: u32,
}

/// How long a node may be out of touch.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Staleness {
    /// Hours without word from the city after which a node stops.
    max_hours: u32,
}

#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code, reason = "for the schema only")]
enum InterfaceName {
    Pixels,
    Zoom,
    Models,
    Diagnostics,
}

#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "for the schema only")]
struct SizeFile {
    width: u16,
    height: u16,
}

impl Profile {
    pub(crate) fn read(file: &str, text: &str) -> Result<Self, PolicyError> {
        let wire: ProfileFile = crate::set::parse(file, text)?;
        wire.check(file, text)?;
        let (l, o) = (&wire.limits, &wire.output);
        Ok(Self {
            limits: Limits {
                memory_bytes: l.memory_bytes,
                table_elements: l.table_elements,
                instances: l.instances,
                deadline_ms: l.deadline_ms,
                hostcall_bytes: l.hostcall_bytes,
                handles: l.handles,
                stack_bytes: l.stack_bytes,
                log_bytes: l.log_bytes,
                zoom_pixels: l.zoom_pixels,
                component_bytes: l.component_bytes,
                model_bytes: l.model_bytes,
            },
            fuel_per_frame: l.fuel_per_frame,
            output: OutputRules {
                grid: o.grid,
                score_steps: o.score_steps,
                min_score: o.min_score,
                max_detections: o.max_detections,
                bits_per_frame: o.bits_per_frame,
                bits_per_hour: o.bits_per_hour,
            },
            name: wire.name,
            interfaces: wire.interfaces,
            frame: wire.frame,
            retention: wire.retention,
            rates: wire.rates,
            approval: wire.approval,
            max_stale_hours: wire.staleness.max_hours,
            swap: wire.swap,
            expected: wire.expected,
            probe: wire.probe,
            interference: wire.interference,
            memory_may_reach_disk: wire.memory.may_reach_disk,
        })
    }
}

impl ProfileFile {
    fn check(&self, file: &str, text: &str) -> Result<(), PolicyError> {
        let within = |value: u64, range: std::ops::RangeInclusive<u64>, param, allowed| {
            if range.contains(&value) || !guard::stands("policy.range") {
                return Ok(());
            }
            Err(PolicyError::OutOfRange { place: Place::new(file, line_of(text, param)), param, allowed })
        };
        let (l, o, r) = (&self.limits, &self.output, &self.retention);
        // A limit of zero would mean "nothing works", one beyond these bounds would mean "no limit": neither is a policy.
        within(l.memory_bytes, 65_536..=1 << 30, "limits.memory_bytes", "65536 to 1073741824")?;
        within(l.table_elements.into(), 1..=1_000_000, "limits.table_elements", "1 to 1000000")?;
        within(l.instances.into(), 1..=64, "limits.instances", "1 to 64")?;
        within(l.deadline_ms.into(), 1..=60_000, "limits.deadline_ms", "1 to 60000")?;
        let fuel = "1000000 to 1000000000000";
        within(l.fuel_per_frame, 1_000_000..=1_000_000_000_000, "limits.fuel_per_frame", fuel)?;
        within(l.hostcall_bytes.into(), 1_024..=64 << 20, "limits.hostcall_bytes", "1024 to 67108864")?;
        within(l.handles.into(), 4..=10_000, "limits.handles", "4 to 10000")?;
        within(l.stack_bytes.into(), 16_384..=8 << 20, "limits.stack_bytes", "16384 to 8388608")?;
        within(l.log_bytes.into(), 0..=65_536, "limits.log_bytes", "0 to 65536")?;
        within(l.zoom_pixels.into(), 0..=16 << 20, "limits.zoom_pixels", "0 to 16777216")?;
        within(l.component_bytes, 1..=256 << 20, "limits.component_bytes", "1 to 268435456")?;
        within(l.model_bytes, 1..=1 << 30, "limits.model_bytes", "1 to 1073741824")?;
        within(o.grid.into(), 1..=256, "output.grid", "1 to 256")?;
        within(o.score_steps.into(), 2..=255, "output.score_steps", "2 to 255")?;
        within(o.max_detections.into(), 1..=1_000, "output.max_detections", "1 to 1000")?;
        within(o.bits_per_frame.into(), 1..=100_000, "output.bits_per_frame", "1 to 100000")?;
        within(o.bits_per_hour.into(), 1..=100_000_000, "output.bits_per_hour", "1 to 100000000")?;
        within(r.evidence_days.into(), 0..=365, "retention.evidence_days", "0 to 365")?;
        within(r.replay_days.into(), 0..=90, "retention.replay_days", "0 to 90")?;
        within(r.training_days.into(), 0..=730, "retention.training_days", "0 to 730")?;
        within(r.pictures_days.into(), 0..=365, "retention.pictures_days", "0 to 365")?;
        within(self.rates.frames_per_second.into(), 1..=120, "rates.frames_per_second", "1 to 120")?;
        within(self.rates.min_distance_m.into(), 0..=1_000, "rates.min_distance_m", "0 to 1000")?;
        within(self.rates.pictures.into(), 1..=10_000_000, "rates.pictures", "1 to 10000000")?;
        // Two roles at least: nobody approves alone.
        within(self.approval.threshold.into(), 2..=16, "approval.threshold", "2 to 16")?;
        let roles = u64::try_from(self.approval.roles.len()).unwrap_or(u64::MAX);
        let most = u64::from(self.approval.threshold);
        within(roles, 0..=most, "approval.roles", "no more roles than the threshold")?;
        within(self.approval.max_age_days.into(), 1..=1_095, "approval.max_age_days", "1 to 1095")?;
        within(self.staleness.max_hours.into(), 1..=2_160, "staleness.max_hours", "1 to 2160")?;
        let s = &self.swap;
        within(s.shadow_frames.into(), 1..=100_000, "swap.shadow_frames", "1 to 100000")?;
        within(s.agreement_percent.into(), 0..=100, "swap.agreement_percent", "0 to 100")?;
        within(s.failures.into(), 0..=1_000, "swap.failures", "0 to 1000")?;
        within(s.slower_percent.into(), 100..=10_000, "swap.slower_percent", "100 to 10000")?;
        within(s.watch_frames.into(), 1..=100_000, "swap.watch_frames", "1 to 100000")?;
        if let Some(p) = &self.probe {
            // A picture for each four frames at most: what is looked at is the street.
            within(p.every_frames.into(), 4..=1_000_000, "probe.every_frames", "4 to 1000000")?;
            within(p.pictures.into(), 1..=10_000, "probe.pictures", "1 to 10000")?;
            within(p.found_percent.into(), 0..=100, "probe.found_percent", "0 to 100")?;
            within(p.beside_per_100.into(), 0..=100_000, "probe.beside_per_100", "0 to 100000")?;
        }
        if let Some(i) = &self.interference {
            within(i.frames.into(), 10..=1_000_000, "interference.frames", "10 to 1000000")?;
            within(i.replayed_per_100.into(), 0..=99, "interference.replayed_per_100", "0 to 99")?;
            within(i.unplaced_per_100.into(), 0..=99, "interference.unplaced_per_100", "0 to 99")?;
            within(i.crowded_above.into(), 1..=999, "interference.crowded_above", "1 to 999")?;
            within(i.crowded_per_100.into(), 0..=99, "interference.crowded_per_100", "0 to 99")?;
            within(i.covered_above_percent.into(), 1..=99, "interference.covered_above_percent", "1 to 99")?;
            within(i.covered_per_100.into(), 0..=99, "interference.covered_per_100", "0 to 99")?;
        }
        let Some(e) = &self.expected else { return Ok(()) };
        within(e.frames.into(), 1..=1_000_000, "expected.frames", "1 to 1000000")?;
        within(e.most_per_100.into(), 0..=100_000, "expected.most_per_100", "0 to 100000")?;
        let most = u64::from(e.most_per_100);
        within(e.least_per_100.into(), 0..=most, "expected.least_per_100", "no more than most_per_100")
    }
}

/// The JSON Schema of the file, for editors.
#[cfg(test)]
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(ProfileFile)
}
