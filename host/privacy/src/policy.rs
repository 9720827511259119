//! Masking policies: what is masked, how, and the bounds that no policy file may loosen (FRM-02, FRM-23).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name};

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
    /// Factor on the width of a box.
    pub grow_x: f64,
    /// Factor on the height of a box.
    pub grow_y: f64,
    /// Only this lower part of the box is masked; the whole where absent.
    #[serde(default)]
    pub cover_lower: Option<f64>,
    /// Red, green, blue of the fill.
    pub fill: [u8; 3],
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
    /// Oldest capture that may be processed, in seconds; no bound where absent.
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

    /// Names of all detectors that must be loaded.
    pub fn required_detectors(&self) -> impl Iterator<Item = &Name> {
        let mut names: Vec<&Name> = self.file.regions.values().flat_map(|r| &r.detectors).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// The lowest threshold that a detector's boxes are kept at: what it reports below need not be reported.
    #[must_use]
    pub fn lowest_threshold(&self, detector: &Name) -> f32 {
        let rules = self.file.regions.values().filter(|r| r.detectors.contains(detector));
        rules.map(|r| r.threshold).fold(1.0, f32::min)
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
    if file.method == "constant" {
        return Ok(());
    }
    let policy = file.name.clone();
    match REVERSIBLE.into_iter().find(|m| *m == file.method) {
        Some(method) => Err(PolicyError::ReversibleObfuscation { policy, method }),
        None => Err(PolicyError::UnknownMethod(policy)),
    }
}

fn floor(file: &PolicyFile, holds: bool, param: &str, bound: &'static str) -> Result<(), PolicyError> {
    if holds {
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
    check(position.max_fix_gap_s <= 10, "position.max_fix_gap_s", "at most 10")?;
    check((1.0..=200.0).contains(&position.max_speed_kmh), "position.max_speed_kmh", "1 to 200")?;
    let tiles = &file.tiles;
    check(
        (1..=4).contains(&tiles.scales.len()),
        "tiles.scales",
        "1 to 4 levels: the whole frame alone misses small faces",
    )?;
    check(tiles.scales.iter().all(|s| (0.2..=2.0).contains(s)), "tiles.scales", "0.2 to 2.0 each")?;
    check((0.1..=0.5).contains(&tiles.overlap), "tiles.overlap", "0.1 to 0.5")
}

fn check_regions(file: &PolicyFile) -> Result<(), PolicyError> {
    let has = |class| file.regions.contains_key(&class);
    floor(file, has(PeopleClass::Face), "regions.face", "present: faces are masked (MIN-01)")?;
    floor(file, has(PeopleClass::Person), "regions.person", "present: persons are masked whole (MIN-01)")?;
    let plates = has(PeopleClass::Plate) || has(PeopleClass::Vehicle);
    floor(file, plates, "regions.plate", "present, or `regions.vehicle` in its place (MIN-03)")?;
    for (class, rule) in &file.regions {
        let check =
            |holds, param: &str, bound| floor(file, holds, &format!("regions.{}.{param}", class.as_str()), bound);
        check(!rule.detectors.is_empty(), "detectors", "a list of at least one detector")?;
        check(rule.threshold > 0.0 && rule.threshold <= 0.5, "threshold", "above 0 and at most 0.5")?;
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
    }
    Ok(())
}
