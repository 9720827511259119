//! What became of each frame: the one account from which every output file is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaern_door::{Blame, Digest, Krav, Label, Rect, Size};

/// Everything that a run produced, in the order of the source. `frames_in` is `frames.len()`: nothing is left out.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Which release looked, under which rules. `None` for `vaern mask`, where no plugin runs.
    pub release: Option<ReleaseInfo>,
    /// What stood between the release and this process. `None` where no plugin ran.
    pub sandbox: Option<SandboxInfo>,
    /// The policy set.
    pub policy: PolicyInfo,
    /// One entry for each file of the source.
    pub frames: Vec<FrameOutcome>,
    /// Start of the run, RFC 3339 UTC.
    pub started: String,
    /// Wall time of the whole run in milliseconds.
    pub wall_ms: f64,
    /// Everything that a reader must know before trusting the figures, as `(Danish, English)`: drawn-street models, weaker modes.
    pub cautions: Vec<(String, String)>,
}

/// What stood between a release and this process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SandboxInfo {
    /// The release ran in worker processes.
    pub walled: bool,
    /// Protections of those in force, by name.
    pub in_force: Vec<&'static str>,
    /// Protections that the machine does not give.
    pub missing: Vec<&'static str>,
    /// What happened to workers, by name.
    pub incidents: BTreeMap<&'static str, u64>,
    /// The release failed so often that it was shown no more frames.
    pub quarantined: bool,
    /// Bits that the answers of the run carry at most.
    pub bits_charged: u64,
}

/// The release that looked at the frames.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseInfo {
    /// Name of the plugin.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// Name of the vendor.
    pub vendor: String,
    /// Digest of the release index.
    pub digest: Digest,
    /// Interfaces granted, by name. Without `pixels` the plugin is pixel-blind.
    pub interfaces: Vec<String>,
    /// Unit and manager that answer for it (ANS-01).
    pub responsible: String,
    /// When the approval ends, RFC 3339 UTC.
    pub approved_until: String,
}

/// The rules in force.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyInfo {
    /// Name of the purpose.
    pub purpose: String,
    /// The purpose in Danish.
    pub dk: String,
    /// The purpose in English.
    pub en: String,
    /// Legal basis.
    pub legal_basis: String,
    /// Name of the masking policy.
    pub masking: String,
    /// Digest of the policy set.
    pub digest: Digest,
    /// Detectors of the gate, by name and digest.
    pub detectors: Vec<(String, Digest)>,
    /// Inference backend.
    pub backend: String,
    /// Outlines of the fence's included areas: rings of (longitude, latitude) in degrees, for the map.
    pub fence: Vec<Vec<(f64, f64)>>,
}

/// One file of the source.
#[derive(Debug, Clone, Serialize)]
pub struct FrameOutcome {
    /// Position in the source, from 1.
    pub number: usize,
    /// File name in the source, for the operator: never handed to a plugin.
    pub file: String,
    /// What became of it.
    pub result: FrameResult,
    /// Time per stage in milliseconds, for the stages that were reached: `read`, `locate`, `fence`, `decode`, `detect`,
    /// `mask`, `scale`, `plugin`, `admit`, `write`.
    pub stages_ms: BTreeMap<&'static str, f64>,
}

/// A frame is either seen by the plugin, or refused by name. There is no third.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum FrameResult {
    /// Refused: no output but this entry.
    Refused(Refusal),
    /// Masked, and seen by the plugin (or written, for `vaern mask`).
    Seen(Box<SeenFrame>),
}

/// Why a frame was refused.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// Stable name, such as `outside_fence`.
    pub reason: &'static str,
    /// The requirement behind it.
    pub krav: Krav,
    /// Who has to act.
    pub blame: Blame,
    /// What happened, in English, for the operator.
    pub detail: String,
}

/// A masked frame and what was found in it.
#[derive(Debug, Clone, Serialize)]
pub struct SeenFrame {
    /// Random id of the clear frame.
    pub frame_id: String,
    /// Size of the clear frame that the plugin saw.
    pub size: Size,
    /// Where the camera was. `None` only under an evaluation policy.
    pub position: Option<Place>,
    /// Share of the frame's area under masks, 0.0 to 1.0.
    pub masked_share: f64,
    /// Boxes masked, by class name.
    pub masked_boxes: BTreeMap<&'static str, usize>,
    /// Seconds from decode to the last raw pixel gone.
    pub seconds_in_clear: f64,
    /// What was found.
    pub objects: Vec<FoundObject>,
    /// Answers of the plugin that the output rules dropped, by reason.
    pub dropped_answers: BTreeMap<&'static str, u32>,
    /// Pixels at full resolution that the plugin asked for beyond its own view of the frame. `None` where it may not.
    pub zoom_pixels: Option<u32>,
    /// The masked picture, JPEG, if it is kept: path inside the output directory.
    pub picture: Option<String>,
}

/// Position of the camera when the picture was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Radius of the error circle in metres.
    pub error_m: f64,
    /// Direction of the camera, degrees clockwise from north, if known.
    pub heading: Option<f64>,
    /// Unix time in milliseconds, if known.
    pub time_ms: Option<i64>,
    /// How the camera looks, by its signed profile.
    #[serde(default)]
    pub view: Option<View>,
}

/// What it takes to say where something in the picture stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Horizontal field of view in degrees.
    pub hfov_deg: f64,
    /// Height of the lens above the street in metres.
    pub height_m: f64,
    /// Degrees by which the camera looks below the horizon, if the profile says it.
    pub pitch_deg: Option<f64>,
}

/// One object, proposed. A person decides (RET-03).
#[derive(Debug, Clone, Serialize)]
pub struct FoundObject {
    /// Random id of this detection.
    pub id: String,
    /// Label of the city's vocabulary.
    pub label: Label,
    /// Score, 0 to 255, in steps.
    pub score: u8,
    /// Where, in pixels of the clear frame.
    pub rect: Rect,
    /// Part of the box lies under a mask.
    pub delvist_maskeret: bool,
}

/// The figures of a run, derived from [`Run`] and from nothing else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Files in the source.
    pub frames_in: usize,
    /// Frames that reached the plugin (or were written, for `vaern mask`).
    pub frames_seen: usize,
    /// Frames refused.
    pub frames_refused: usize,
    /// Frames in which at least one object was found.
    pub frames_with_objects: usize,
    /// Refused frames by reason.
    pub refused_by_reason: BTreeMap<&'static str, usize>,
    /// Those of them that no rule refused: plugin or host failed at them.
    pub failed_by_reason: BTreeMap<&'static str, usize>,
    /// Frames with at least one mask.
    pub frames_masked: usize,
    /// Objects found.
    pub detections: usize,
    /// Objects by label.
    pub detections_by_label: BTreeMap<String, usize>,
    /// Answers that the output rules dropped, by reason: at most so many. Powers of ten, because the exact number is the
    /// plugin's to choose, and what it chooses is a way out (EXF-09).
    pub dropped_answers: BTreeMap<&'static str, u32>,
    /// Masked pixels at full resolution that were handed out beyond the plugin's own view of its frames: at most so many, a power of ten as
    /// above (MIN-05). `None` where no plugin may ask for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoom_pixels: Option<u64>,
    /// Median and 95th percentile of each stage, in milliseconds, and how many frames reached it.
    pub stages_ms: BTreeMap<&'static str, StageFigure>,
    /// Longest time that a raw frame existed, in seconds.
    pub longest_seconds_in_clear: f64,
    /// What stood between the release and this process. `None` where no plugin ran.
    pub sandbox: Option<SandboxInfo>,
    /// Wall time of the run in milliseconds.
    pub wall_ms: f64,
}

/// Time of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageFigure {
    /// Frames that reached the stage.
    pub frames: usize,
    /// Median in milliseconds.
    pub p50: f64,
    /// 95th percentile in milliseconds.
    pub p95: f64,
}

impl Run {
    /// The run without anything that tells of a single picture: no names, positions, pictures or details, and no area that a
    /// map would be drawn of. Its summary is the same.
    #[must_use]
    pub fn counts(&self) -> Self {
        let mut run = self.clone();
        run.policy.fence = Vec::new();
        for frame in &mut run.frames {
            frame.file = String::new();
            match &mut frame.result {
                FrameResult::Refused(refusal) => refusal.detail = String::new(),
                FrameResult::Seen(seen) => {
                    seen.frame_id = String::new();
                    seen.position = None;
                    seen.picture = None;
                }
            }
        }
        run
    }

    /// Counts the run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut refused_by_reason = BTreeMap::new();
        let mut failed_by_reason = BTreeMap::new();
        let mut detections_by_label = BTreeMap::new();
        let mut dropped_answers = BTreeMap::new();
        let mut zoom_pixels = None;
        let mut samples: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        let (mut frames_seen, mut frames_with_objects, mut frames_masked, mut detections) = (0, 0, 0, 0);
        let mut longest_seconds_in_clear = 0.0_f64;
        for frame in &self.frames {
            for (stage, ms) in &frame.stages_ms {
                samples.entry(stage).or_default().push(*ms);
            }
            match &frame.result {
                FrameResult::Refused(refusal) => {
                    *refused_by_reason.entry(refusal.reason).or_insert(0) += 1;
                    if matches!(refusal.blame, Blame::Vendor | Blame::Host) {
                        *failed_by_reason.entry(refusal.reason).or_insert(0) += 1;
                    }
                }
                FrameResult::Seen(seen) => {
                    frames_seen += 1;
                    frames_with_objects += usize::from(!seen.objects.is_empty());
                    frames_masked += usize::from(seen.masked_share > 0.0);
                    detections += seen.objects.len();
                    longest_seconds_in_clear = longest_seconds_in_clear.max(seen.seconds_in_clear);
                    for object in &seen.objects {
                        *detections_by_label.entry(object.label.to_string()).or_insert(0) += 1;
                    }
                    zoom_pixels = seen.zoom_pixels.map(|n| zoom_pixels.unwrap_or(0) + u64::from(n)).or(zoom_pixels);
                    for (reason, count) in &seen.dropped_answers {
                        *dropped_answers.entry(*reason).or_insert(0) += count;
                    }
                }
            }
        }
        for count in dropped_answers.values_mut() {
            *count = u32::try_from(at_most((*count).into())).unwrap_or(u32::MAX);
        }
        let figure = |(stage, values)| match stage {
            "plugin" => (stage, StageFigure::of(values).coarse()),
            _ => (stage, StageFigure::of(values)),
        };
        let stages_ms = samples.into_iter().map(figure).collect();
        Summary {
            frames_in: self.frames.len(),
            frames_seen,
            frames_refused: self.frames.len() - frames_seen,
            frames_with_objects,
            refused_by_reason,
            failed_by_reason,
            frames_masked,
            detections,
            detections_by_label,
            dropped_answers,
            zoom_pixels: zoom_pixels.map(at_most),
            stages_ms,
            longest_seconds_in_clear,
            sandbox: self.sandbox.clone(),
            wall_ms: self.wall_ms,
        }
    }
}

/// The next power of ten.
fn at_most(count: u64) -> u64 {
    (0..20).map(|digits| 10_u64.pow(digits)).find(|power| *power >= count).unwrap_or(u64::MAX)
}

impl StageFigure {
    /// Rounded up to 1, 2 or 5 and zeros: how long a plugin takes is its own to choose (EXF-09).
    fn coarse(self) -> Self {
        let up = |ms: f64| {
            let steps = (-3..7).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
            steps.into_iter().find(|step| *step >= ms).unwrap_or(ms)
        };
        Self { frames: self.frames, p50: up(self.p50), p95: up(self.p95) }
    }

    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        // Nearest rank: the smallest sample that at least this share of the samples do not exceed.
        let rank = |share: f64| {
            let index = (values.len() as f64 * share).ceil() as usize;
            values.get(index.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { frames: values.len(), p50: rank(0.5), p95: rank(0.95) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exf_09n_what_a_plugin_chooses_is_told_in_steps() {
        assert_eq!([0, 1, 2, 10, 11, 4711, u64::MAX].map(at_most), [1, 1, 10, 10, 100, 10_000, u64::MAX]);
        let figure = |p50, p95| StageFigure { frames: 3, p50, p95 }.coarse();
        let (one, other) = (figure(6.1, 51.0), figure(9.9, 99.0));
        assert_eq!(one, other);
        assert_eq!((one.p50, one.p95), (10.0, 100.0));
        assert_eq!(figure(0.0, 0.0011).p95, 0.002);
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let figure = StageFigure::of((1..=100).rev().map(f64::from).collect());
        assert_eq!((figure.frames, figure.p50, figure.p95), (100, 50.0, 95.0));
        let one = StageFigure::of(vec![7.0]);
        assert_eq!((one.p50, one.p95), (7.0, 7.0));
    }
}
