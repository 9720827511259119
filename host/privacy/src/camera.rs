//! Camera profiles: what the city knows of a camera before it believes a frame from it (MIN-08).

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;
use vaern_door::{Name, guard};

use crate::exif;
use crate::receipt::View;
use crate::refusal::Refusal;

/// Why a camera profile is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// Not TOML of the right form.
    #[error("camera profile: {0}")]
    Form(String),
    /// A quantity outside what a camera on a vehicle can have.
    #[error("camera `{camera}`: `{field}` must be {range}")]
    Range {
        /// The camera.
        camera: Name,
        /// Name of the field.
        field: &'static str,
        /// What is allowed.
        range: &'static str,
    },
    /// Two profiles of one name.
    #[error("camera `{0}` has two profiles")]
    Doubled(Name),
    /// Two profiles claim the same model.
    #[error("camera `{0}` claims an EXIF model that another profile claims too")]
    DoubledModel(Name),
}

/// A part of the frame that is always masked, in fractions of the upright frame.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedMask {
    /// Why it is there, for readers.
    pub why: String,
    /// Corners as fractions of width and height, 0.0 to 1.0. Masked are all pixel rows' spans that the outline touches.
    pub polygon: Vec<[f64; 2]>,
}

/// What a camera's clock shows: `UTC`, a fixed offset such as `+01:00`, or a zone such as `Europe/Copenhagen`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CameraClock(TimeZone);

impl CameraClock {
    pub(crate) const fn zone(&self) -> &TimeZone {
        &self.0
    }
}

impl TryFrom<String> for CameraClock {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fixed = || exif::parse_offset(&text).map(TimeZone::fixed);
        let zone = if text == "UTC" { Some(TimeZone::UTC) } else { fixed().or_else(|| TimeZone::get(&text).ok()) };
        let unknown = || "`clock` must be `UTC`, an offset such as `+01:00`, or a zone such as `Europe/Copenhagen`";
        zone.map(Self).ok_or_else(|| unknown().to_owned())
    }
}

/// What the city knows of a camera.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraProfile {
    /// Name of the camera, as in `--camera`.
    pub id: Name,
    /// What EXIF `Model` says, if the camera is to be known by it.
    #[serde(default)]
    pub exif_model: Option<String>,
    /// Height of the lens above the street in metres.
    pub height_m: f64,
    /// Degrees clockwise from the vehicle's heading to where the camera looks.
    pub heading_offset_deg: f64,
    /// Horizontal field of view in degrees.
    pub hfov_deg: f64,
    /// Degrees by which the camera looks below the horizon. Without it nobody can say how far away something in a picture is.
    #[serde(default)]
    pub pitch_deg: Option<f64>,
    /// Error radius of a fix that states none, in metres.
    pub default_error_m: f64,
    /// What the camera's clock shows, for pictures that do not state their offset from UTC. Without it such a picture has
    /// no time in UTC, and no track can place it.
    #[serde(default)]
    pub clock: Option<CameraClock>,
    /// Parts of the frame that are always masked.
    #[serde(default)]
    pub fixed_mask: Vec<FixedMask>,
}

impl CameraProfile {
    pub(crate) const fn view(&self) -> View {
        View { hfov_deg: self.hfov_deg, height_m: self.height_m, pitch_deg: self.pitch_deg }
    }

    /// Reads and checks a profile.
    ///
    /// # Errors
    /// [`CameraError`] names the field.
    pub fn parse(text: &str) -> Result<Self, CameraError> {
        let profile: Self = toml::from_str(text).map_err(|e| CameraError::Form(e.to_string()))?;
        let range = |field, range| Err(CameraError::Range { camera: profile.id.clone(), field, range });
        if !(0.2..=10.0).contains(&profile.height_m) {
            return range("height_m", "0.2 to 10");
        }
        if !(-360.0..=360.0).contains(&profile.heading_offset_deg) {
            return range("heading_offset_deg", "-360 to 360");
        }
        if !(10.0..=180.0).contains(&profile.hfov_deg) {
            return range("hfov_deg", "10 to 180");
        }
        if profile.pitch_deg.is_some_and(|pitch| !(-20.0..=70.0).contains(&pitch)) {
            return range("pitch_deg", "left out, or -20 to 70");
        }
        if !(1.0..=100.0).contains(&profile.default_error_m) {
            return range("default_error_m", "1 to 100: no receiver on a vehicle is better than a metre");
        }
        let fraction = |v: &f64| (0.0..=1.0).contains(v);
        if profile.fixed_mask.iter().any(|m| m.polygon.len() < 3 || !m.polygon.iter().flatten().all(fraction)) {
            return range("fixed_mask.polygon", "at least three corners, each coordinate 0.0 to 1.0");
        }
        if profile.exif_model.as_ref().is_some_and(|m| m.trim().is_empty()) {
            return range("exif_model", "left out, or a model's name");
        }
        Ok(profile)
    }
}

/// The cameras that the city knows.
#[derive(Debug, Clone, Default)]
pub struct CameraSet {
    cameras: BTreeMap<Name, CameraProfile>,
}

impl CameraSet {
    /// A set of profiles, each of its own name and model.
    ///
    /// # Errors
    /// [`CameraError`] where two profiles claim the same name or model.
    pub fn new(profiles: Vec<CameraProfile>) -> Result<Self, CameraError> {
        let mut cameras = BTreeMap::new();
        for profile in profiles {
            let same_model = |c: &CameraProfile| c.exif_model.is_some() && c.exif_model == profile.exif_model;
            if cameras.values().any(same_model) {
                return Err(CameraError::DoubledModel(profile.id));
            }
            if let Some(old) = cameras.insert(profile.id.clone(), profile) {
                return Err(CameraError::Doubled(old.id));
            }
        }
        Ok(Self { cameras })
    }

    /// The profile of a camera by the name that the operator gives it.
    #[must_use]
    pub fn get(&self, id: &Name) -> Option<&CameraProfile> {
        self.cameras.get(id)
    }

    /// The profile by the operator's word, else by EXIF model.
    pub(crate) fn resolve(&self, named: Option<&Name>, exif_model: Option<&str>) -> Result<&CameraProfile, Refusal> {
        let found = match (named, exif_model) {
            (Some(id), _) => self.get(id),
            (None, Some(model)) => self.cameras.values().find(|c| c.exif_model.as_deref() == Some(model)),
            (None, None) => None,
        };
        let any = self.cameras.values().next().filter(|_| !guard::stands("privacy.known-camera"));
        found.or(any).ok_or(Refusal::UnknownCamera)
    }
}
