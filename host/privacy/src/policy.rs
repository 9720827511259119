//! Masking policies: what is masked, how, and the bounds that no policy file may loosen (FRM-02, FRM-23).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, guard};

use crate::carry::CarryRule;
use crate::letters;
use crate::shadow::ShadowRule;

/// What a detector of the city looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeopleClass {
    /// A motor vehicle, masked only as the place of plates and windows.
    Vehicle,
    /// A number plate.
    Plate,
    /// A whole person.
    Person,
    /// A face.
    Face,
}

impl PeopleClass {
    /// The word used in policies and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vehicle => "vehicle",
            Self::Plate => "plate",
            Self::Person => "person",
            Self::Face => "face",
        }
    }
}

/// Why a masking policy is refused. The city's own file, so every one of these blames the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML of the right form.
    #[error("masking policy: {0}")]
    Form(String),
    /// Blur, mosaic and mean colour were all undone when measured; only a fill that ignores the masked pixels is not.
    #[error(
        "masking policy `{policy}`: method `{method}` can be undone or re-identified; \
         use `constant`, the only fill that does not depend on what it covers (MIN-02)"
    )]
    ReversibleObfuscation {
        /// The policy.
        policy: Name,
        /// The method asked for, one of the known ones.
        method: &'static str,
    },
    /// A method that nobody knows.
    #[error("masking policy `{0}`: unknown method; use `constant`")]
    UnknownMethod(Name),
    /// A bound is passed that the program holds against every policy.
    #[error("masking policy `{policy}`: `{param}` must be {bound} (MIN-01, MIN-02)")]
    PolicyFloor {
        /// The policy.
        policy: Name,
        /// The parameter.
        param: String,
        /// What is allowed.
        bound: &'static str,
    },
}

/// How one class of regions is masked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionRule {
    /// Detectors that must all have searched the frame for this class; their boxes are united.
    pub detectors: Vec<Name>,
    /// Boxes with a score below this are not masked.
    pub threshold: f32,
    /// The same for boxes that the detector saw at 160 of its pixels or more; the threshold rises from 32 pixels on. A large
    /// thing in plain view gives a strong score. The same as `threshold` where absent.
    #[serde(default)]
    pub threshold_large: Option<f32>,
    /// Score from which a box, too weak for a mask, is a sign that the fine scale must be searched around it.
    #[serde(default)]
    pub sign: Option<f32>,
    /// Larger boxes of a tile, in the detector's pixels, are left to the next coarser level. No bound where absent, and none
    /// for the whole frame.
    #[serde(default)]
    pub max_side_px: Option<f64>,
    /// Added on each side, in the detector's pixels: it knows the edges of small things badly.
    #[serde(default)]
    pub slack_px: f64,
    /// Factor on the width of a box.
    pub grow_x: f64,
    /// Factor on the height of a box.
    pub grow_y: f64,
    /// Only this lower part of the box is masked; the whole where absent.
    #[serde(default)]
    pub cover_lower: Option<f64>,
    /// For vehicles of which only the lower part is masked: those that are masked whole all the same.
    #[serde(default)]
    pub cabin: Option<CabinRule>,
    /// For faces: the body that must be below one.
    #[serde(default)]
    pub body: Option<BodyRule>,
    /// Red, green, blue of the fill.
    pub fill: [u8; 3],
}

impl RegionRule {
    /// The score that a box needs, by the longer side at which the detector saw it, in the detector's pixels.
    #[must_use]
    pub fn threshold_for(&self, side: f64) -> f32 {
        const SMALL: f64 = 32.0;
        const LARGE: f64 = 160.0;
        let Some(large) = self.threshold_large else { return self.threshold };
        let part = ((side / SMALL).log2() / (LARGE / SMALL).log2()).clamp(0.0, 1.0);
        (large - self.threshold).mul_add(part as f32, self.threshold)
    }
}

/// A vehicle so near that whoever sits in it could be made out behind the glass: masked with its cabin.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CabinRule {
    /// Least height of the vehicle, in pixels of the frame.
    pub from_px: f64,
    /// Least score: what is taken for a vehicle by half is often a container.
    pub threshold: f32,
}

/// A face implies a body: masked as a person, also where no detector of persons saw one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyRule {
    /// Only below faces with at least this score.
    pub threshold: f32,
    /// Reach below the chin, in heights of the face.
    pub heads: f64,
    /// Width, in widths of the face.
    pub widths: f64,
}

/// What is asked of a fix.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionRules {
    /// Refuse a fix that carries no time.
    pub require_time: bool,
    /// Largest error radius in metres.
    pub max_error_m: f64,
    /// How far a fix may lie in the future, in seconds: clocks differ.
    pub max_future_s: u32,
    /// Longest time between fix and picture in seconds, where the picture's own time states its offset from UTC.
    pub max_fix_gap_s: u32,
    /// Speed between two fixes that is not believed, in km/h.
    pub max_speed_kmh: f64,
    /// Oldest capture that may be processed, in seconds. Where it is absent, an operating purpose has its profile's retention as its bound,
    /// and any other none.
    #[serde(default)]
    pub max_age_s: Option<u64>,
}

/// How the frame is cut up for the detectors. The whole frame is always searched as well.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileRules {
    /// Model pixels per frame pixel, one level of tiles each.
    pub scales: Vec<f64>,
    /// Part of a tile that its neighbour covers too.
    pub overlap: f64,
    /// A finer scale that is searched around signs: where a coarser level saw a box with at least the `sign` of its class.
    #[serde(default)]
    pub fine: Option<f64>,
    /// Frames of up to so many pixels are searched everywhere at the fine scale.
    #[serde(default)]
    pub fine_everywhere_px: u64,
}

/// What holds for one detector instead of the rule of the region. Only for a second opinion: one detector of each class
/// keeps to the rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorRule {
    /// Its scores are on a scale of their own: what a box needs at any size.
    pub threshold: f32,
    /// Largest scale: a second opinion on what is near costs little, one on what is far costs much.
    pub max_scale: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    name: Name,
    irreversible: bool,
    method: String,
    allow_unlocated: bool,
    max_bytes: u64,
    max_pixels: u64,
    max_scans: u16,
    max_seconds_in_clear: f64,
    margin_px: u16,
    png_grid_px: u16,
    fixed_fill: [u8; 3],
    position: PositionRules,
    tiles: TileRules,
    #[serde(default)]
    second_opinion: BTreeMap<Name, DetectorRule>,
    #[serde(default)]
    shadows: Option<ShadowRule>,
    #[serde(default)]
    carry: Option<CarryRule>,
    regions: BTreeMap<PeopleClass, RegionRule>,
}

/// A masking policy that keeps every bound.
#[derive(Debug, Clone)]
pub struct MaskingPolicy {
    file: PolicyFile,
    digest: Digest,
}

impl MaskingPolicy {
    /// Reads and checks a policy.
    ///
    /// # Errors
    /// [`PolicyError`] names the parameter and what is allowed.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: PolicyFile = toml::from_str(text).map_err(|e| PolicyError::Form(e.to_string()))?;
        check_method(&file)?;
        check_bounds(&file)?;
        check_regions(&file)?;
        Ok(Self { file, digest: Digest::of(text.as_bytes()) })
    }

    /// Name of the policy.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.file.name
    }

    /// Digest of the policy file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether captures without a position may be masked: evaluation only.
    #[must_use]
    pub const fn allow_unlocated(&self) -> bool {
        self.file.allow_unlocated
    }

    /// What is asked of a fix.
    #[must_use]
    pub const fn position(&self) -> &PositionRules {
        &self.file.position
    }

    /// Bounds the age of captures. A bound that is tighter already stays.
    pub(crate) fn no_older_than(&mut self, seconds: u64) {
        let age = &mut self.file.position.max_age_s;
        *age = Some(age.map_or(seconds, |before| before.min(seconds)));
    }

    /// Names of all detectors that must be loaded. The one that is part of the program is not among them.
    pub fn required_detectors(&self) -> impl Iterator<Item = &Name> {
        self.all_detectors().filter(|name| name.as_str() != letters::NAME)
    }

    pub(crate) fn all_detectors(&self) -> impl Iterator<Item = &Name> {
        let mut names: Vec<&Name> = self.file.regions.values().flat_map(|r| &r.detectors).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// The lowest score that a detector's boxes are of use at: what it reports below need not be reported.
    #[must_use]
    pub fn lowest_score(&self, detector: &Name) -> f32 {
        let rules = self.file.regions.values().filter(|r| r.detectors.contains(detector));
        match self.second_opinion(detector) {
            Some(rule) => rule.threshold,
            None => rules.map(|r| r.sign.unwrap_or(r.threshold).min(r.threshold)).fold(1.0, f32::min),
        }
    }

    pub(crate) const fn shadows(&self) -> Option<&ShadowRule> {
        self.file.shadows.as_ref()
    }

    pub(crate) const fn carry(&self) -> Option<&CarryRule> {
        self.file.carry.as_ref()
    }

    pub(crate) fn second_opinion(&self, detector: &Name) -> Option<&DetectorRule> {
        self.file.second_opinion.get(detector)
    }

    /// How a class is masked, where it is.
    #[must_use]
    pub fn region(&self, class: PeopleClass) -> Option<&RegionRule> {
        self.file.regions.get(&class)
    }

    pub(crate) const fn regions(&self) -> &BTreeMap<PeopleClass, RegionRule> {
        &self.file.regions
    }

    pub(crate) const fn tiles(&self) -> &TileRules {
        &self.file.tiles
    }

    /// Largest picture file in bytes.
    #[must_use]
    pub const fn max_bytes(&self) -> u64 {
        self.file.max_bytes
    }

    pub(crate) const fn max_pixels(&self) -> u64 {
        self.file.max_pixels
    }

    pub(crate) const fn max_scans(&self) -> u16 {
        self.file.max_scans
    }

    pub(crate) const fn margin_px(&self) -> u16 {
        self.file.margin_px
    }

    pub(crate) const fn png_grid_px(&self) -> u16 {
        self.file.png_grid_px
    }

    pub(crate) const fn fixed_fill(&self) -> [u8; 3] {
        self.file.fixed_fill
    }

    /// Longest time that pixels may be in clear.
    #[must_use]
    pub fn max_in_clear(&self) -> Duration {
        Duration::from_secs_f64(self.file.max_seconds_in_clear)
    }
}

fn check_method(file: &PolicyFile) -> Result<(), PolicyError> {
    const REVERSIBLE: [&str; 8] =
        ["blur", "gaussian", "box-blur", "mosaic", "pixelate", "mean", "median", "noisy-mosaic"];
    if file.method == "constant" || !guard::stands("privacy.method") {
        return Ok(());
    }
    let policy = file.name.clone();
    match REVERSIBLE.into_iter().find(|m| *m == file.method) {
        Some(method) => Err(PolicyError::ReversibleObfuscation { policy, method }),
        None => Err(PolicyError::UnknownMethod(policy)),
    }
}

fn floor(file: &PolicyFile, holds: bool, param: &str, bound: &'static str) -> Result<(), PolicyError> {
    if holds || !guard::stands("privacy.policy-floor") {
        Ok(())
    } else {
        Err(PolicyError::PolicyFloor { policy: file.name.clone(), param: param.to_owned(), bound })
    }
}

fn check_bounds(file: &PolicyFile) -> Result<(), PolicyError> {
    let check = |holds, param, bound| floor(file, holds, param, bound);
    check(file.irreversible, "irreversible", "true: this gate has no weaker method")?;
    check((1..=268_435_456).contains(&file.max_bytes), "max_bytes", "1 to 268435456")?;
    check((1..=200_000_000).contains(&file.max_pixels), "max_pixels", "1 to 200000000")?;
    check((1..=256).contains(&file.max_scans), "max_scans", "1 to 256")?;
    check((2..=64).contains(&file.margin_px), "margin_px", "2 to 64")?;
    check((16..=64).contains(&file.png_grid_px), "png_grid_px", "16 to 64")?;
    check((0.001..=60.0).contains(&file.max_seconds_in_clear), "max_seconds_in_clear", "0.001 to 60")?;
    let position = &file.position;
    check((1.0..=100.0).contains(&position.max_error_m), "position.max_error_m", "1 to 100")?;
    check(position.max_future_s <= 60, "position.max_future_s", "at most 60")?;
    check(position.max_fix_gap_s <= 2, "position.max_fix_gap_s", "at most 2")?;
    check((1.0..=200.0).contains(&position.max_speed_kmh), "position.max_speed_kmh", "1 to 200")?;
    let tiles = &file.tiles;
    check(
        (2..=4).contains(&tiles.scales.len()),
        "tiles.scales",
        "2 to 4 levels: the whole frame alone misses small faces",
    )?;
    check(tiles.scales.iter().all(|s| (0.2..=2.0).contains(s)), "tiles.scales", "0.2 to 2.0 each")?;
    check((0.1..=0.5).contains(&tiles.overlap), "tiles.overlap", "0.1 to 0.5")?;
    // The fine scale is an addition: without it, everything is still searched at what the other scales show.
    if let Some(shadows) = &file.shadows {
        check((3.0..=30.0).contains(&shadows.min_elevation_deg), "shadows.min_elevation_deg", "3 to 30")?;
        check((0.0..=45.0).contains(&shadows.spread_deg), "shadows.spread_deg", "0 to 45")?;
        check((1.0..=20.0).contains(&shadows.max_length_m), "shadows.max_length_m", "1 to 20")?;
    }
    if let Some(carry) = &file.carry {
        check((0.1..=5.0).contains(&carry.max_seconds), "carry.max_seconds", "0.1 to 5")?;
        check((1..=60).contains(&carry.max_frames), "carry.max_frames", "1 to 60")?;
        check((0.5..=3.0).contains(&carry.heights_per_second), "carry.heights_per_second", "0.5 to 3")?;
    }
    for (name, rule) in &file.second_opinion {
        check((0.2..=2.0).contains(&rule.max_scale), "second_opinion.max_scale", "0.2 to 2.0")?;
        check(rule.threshold > 0.0 && rule.threshold <= 0.9, "second_opinion.threshold", "above 0 and at most 0.9")?;
        let alone = |r: &RegionRule| {
            r.detectors.contains(name) && r.detectors.iter().all(|d| file.second_opinion.contains_key(d))
        };
        check(!file.regions.values().any(alone), "second_opinion", "left out for one detector of every region")?;
    }
    check(
        tiles.fine.is_none_or(|fine| (0.5..=2.0).contains(&fine) && tiles.scales.iter().any(|s| *s >= fine / 2.0)),
        "tiles.fine",
        "0.5 to 2.0, and at most twice the largest of `tiles.scales`",
    )
}

fn check_regions(file: &PolicyFile) -> Result<(), PolicyError> {
    let has = |class| file.regions.contains_key(&class);
    floor(file, has(PeopleClass::Face), "regions.face", "present: faces are masked (MIN-01)")?;
    floor(file, has(PeopleClass::Person), "regions.person", "present: persons are masked whole (MIN-01)")?;
    if file.tiles.fine.is_some() {
        let signs = file.regions.iter().all(|(class, r)| *class == PeopleClass::Plate || r.sign.is_some());
        floor(file, signs, "regions.sign", "present in every region where `tiles.fine` is set")?;
    }
    // Rows of letters are a net below the vehicles, not a plate detector to be trusted alone.
    let trusted = |rule: &RegionRule| rule.detectors.iter().any(|name| name.as_str() != letters::NAME);
    let plates = file.regions.get(&PeopleClass::Plate).is_some_and(trusted) || has(PeopleClass::Vehicle);
    floor(file, plates, "regions.plate", "present, or `regions.vehicle` in its place (MIN-03)")?;
    for (class, rule) in &file.regions {
        let check =
            |holds, param: &str, bound| floor(file, holds, &format!("regions.{}.{param}", class.as_str()), bound);
        check(!rule.detectors.is_empty(), "detectors", "a list of at least one detector")?;
        check(rule.threshold > 0.0 && rule.threshold <= 0.5, "threshold", "above 0 and at most 0.5")?;
        let large = rule.threshold_large.unwrap_or(rule.threshold);
        check(large >= rule.threshold && large <= 0.6, "threshold_large", "from `threshold` to 0.6")?;
        let sign = rule.sign.is_none_or(|sign| sign > 0.0 && sign <= rule.threshold && sign <= 0.1);
        check(sign, "sign", "above 0, at most `threshold` and at most 0.1")?;
        // At half of this the next coarser level must still see well.
        check(rule.max_side_px.is_none_or(|px| px >= 96.0), "max_side_px", "at least 96")?;
        check((0.0..=16.0).contains(&rule.slack_px), "slack_px", "0 to 16")?;
        if let Some(body) = &rule.body {
            check(*class == PeopleClass::Face, "body", "left out: only a face implies a body")?;
            check(body.threshold > 0.0 && body.threshold <= 0.9, "body.threshold", "above 0 and at most 0.9")?;
            check((1.0..=8.0).contains(&body.heads), "body.heads", "1 to 8")?;
            check((1.0..=6.0).contains(&body.widths), "body.widths", "1 to 6")?;
        }
        let (x, y) = match class {
            PeopleClass::Face => (1.5, 1.5),
            PeopleClass::Person => (1.1, 1.1),
            PeopleClass::Plate => (1.25, 1.0),
            PeopleClass::Vehicle => (1.0, 1.0),
        };
        // The upper bound keeps a policy from hiding that it masks everything.
        check(
            (x..=4.0).contains(&rule.grow_x),
            "grow_x",
            "between 1.5 (face), 1.1 (person), 1.25 (plate), 1 (vehicle) and 4",
        )?;
        check(
            (y..=4.0).contains(&rule.grow_y),
            "grow_y",
            "between 1.5 (face), 1.1 (person), 1 (plate, vehicle) and 4",
        )?;
        if let Some(part) = rule.cover_lower {
            check(*class == PeopleClass::Vehicle, "cover_lower", "left out: only vehicles may be covered in part")?;
            check((0.6..=1.0).contains(&part), "cover_lower", "0.6 to 1.0")?;
        }
        if let Some(cabin) = &rule.cabin {
            check(rule.cover_lower.is_some(), "cabin", "left out: what is masked whole has its cabin masked")?;
            check((0.0..=200.0).contains(&cabin.from_px), "cabin.from_px", "0 to 200")?;
            check((0.0..=0.7).contains(&cabin.threshold), "cabin.threshold", "0 to 0.7")?;
        }
    }
    Ok(())
}
