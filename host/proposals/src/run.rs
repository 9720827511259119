//! What one run says: read from the folder that it wrote, and believed only as far as its form goes.

use std::collections::BTreeSet;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Label};

use crate::coverage::{CoverageFile, Covered};
use crate::disk;
use crate::error::{ProposalError, printable};
use crate::merge::{Drive, Find};
use crate::sight::{Estimate, Shot};

const DETECTIONS: &str = "detections.geojson";
const COVERAGE: &str = "coverage.json";
const LINK: &str = "log.json";
const REVOKED: &str = "revoked.json";

/// Releases that a run can name as revoked: a city has a few.
const MOST_REVOKED: usize = 10_000;

/// A find as it is kept: where the object is, not where the camera was; on which day, not when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observation {
    pub(crate) id: String,
    pub(crate) label: Label,
    pub(crate) score: f64,
    pub(crate) delvist_maskeret: bool,
    pub(crate) estimate: Option<Estimate>,
    pub(crate) day: Option<String>,
    pub(crate) release: Option<Digest>,
    pub(crate) policy: Digest,
    pub(crate) purpose: String,
    pub(crate) frame_id: String,
    pub(crate) picture: Option<String>,
    pub(crate) box_px: [u16; 4],
    pub(crate) frame_px: [u16; 2],
}

/// A run, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(crate) key: String,
    pub(crate) digest: Digest,
    /// The run has its place in a log.
    pub(crate) logged: bool,
    pub(crate) drive: Drive,
    pub(crate) observations: Vec<Observation>,
    /// Where it looked. Nothing where the run does not say it.
    pub(crate) covered: Option<Vec<Covered>>,
    /// The releases that the city had revoked by then, as the node knew them.
    pub(crate) revoked: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedFile {
    form: u8,
    releases: Vec<Digest>,
}

#[derive(Deserialize)]
struct Collection {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    id: String,
    geometry: Option<Geometry>,
    properties: Properties,
}

#[derive(Deserialize)]
struct Geometry {
    coordinates: [f64; 2],
}

#[derive(Deserialize)]
struct Properties {
    label: Label,
    score: f64,
    delvist_maskeret: bool,
    position_error_m: Option<f64>,
    heading: Option<f64>,
    #[serde(default)]
    view: Option<View>,
    time: Option<String>,
    frame: usize,
    frame_id: String,
    picture: Option<String>,
    box_px: [u16; 4],
    frame_px: [u16; 2],
    release: Option<Digest>,
    policy: Digest,
    purpose: String,
}

#[derive(Deserialize)]
struct View {
    hfov_deg: f64,
    height_m: f64,
    pitch_deg: Option<f64>,
}

#[derive(Deserialize)]
struct Link {
    run: String,
}

impl Run {
    /// Reads the folder of a run. `name` is what messages call it.
    ///
    /// # Errors
    /// [`ProposalError`] where the folder holds no result, or one that vaern did not write.
    pub fn read(dir: &Dir, name: &str) -> Result<Self, ProposalError> {
        let bytes = disk::read(dir, DETECTIONS)?.ok_or_else(|| ProposalError::NoResult(printable(name)))?;
        let form = |line| ProposalError::Form { file: DETECTIONS.to_owned(), line };
        let collection: Collection = serde_json::from_slice(&bytes).map_err(|e| form(e.line()))?;
        let link: Option<Link> = disk::read_json(dir, LINK)?;
        let coverage: Option<CoverageFile> = disk::read_json(dir, COVERAGE)?;
        let revoked = match disk::read_json::<RevokedFile>(dir, REVOKED)? {
            None => Vec::new(),
            Some(file) if file.form == 1 && file.releases.len() <= MOST_REVOKED => file.releases,
            Some(_) => return Err(ProposalError::Form { file: REVOKED.to_owned(), line: 0 }),
        };
        let digest = Digest::of(&bytes);
        let hex = digest.to_string();
        // A run without a log is known by what it found.
        let key = link.as_ref().map_or_else(|| hex.rsplit(':').next().unwrap_or_default(), |link| &link.run);
        let key = key.get(..32).filter(|key| is_id(key)).ok_or_else(|| form(0))?.to_owned();
        let mut run = Self {
            drive: Drive { name: key.clone(), finds: Vec::with_capacity(collection.features.len()) },
            key,
            digest,
            logged: link.is_some(),
            observations: Vec::with_capacity(collection.features.len()),
            covered: coverage.map(CoverageFile::told).transpose()?,
            revoked,
        };
        let mut seen = BTreeSet::new();
        // `vaern run` writes one feature on a line, from the second on.
        for (feature, line) in collection.features.into_iter().zip(2..) {
            if !seen.insert(feature.id.clone()) {
                return Err(form(line));
            }
            let (find, observation) = taken(feature).ok_or_else(|| form(line))?;
            run.drive.finds.push(find);
            run.observations.push(observation);
        }
        Ok(run)
    }

    /// What the run is called in the log, or by its result where it kept no log.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Run {
    /// The run has its place in a log.
    #[must_use]
    pub const fn is_logged(&self) -> bool {
        self.logged
    }

    /// The releases that the city had revoked when the run was over, as its node knew them.
    #[must_use]
    pub fn revoked(&self) -> &[Digest] {
        &self.revoked
    }
}

/// 128 bits in hexadecimal.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A find as it is merged, and as it is kept.
fn taken(feature: Feature) -> Option<(Find, Observation)> {
    let Feature { id, geometry, properties: p } = feature;
    let [width, height] = p.frame_px;
    let [x0, y0, x1, y1] = p.box_px;
    let whole = is_id(&id)
        && is_id(&p.frame_id)
        && (0.0..=1.0).contains(&p.score)
        && (x0 < x1 && y0 < y1 && x1 <= width && y1 <= height)
        && p.picture.as_deref().is_none_or(|picture| picture.len() <= 200 && !picture.chars().any(char::is_control));
    if !whole {
        return None;
    }
    let time: Option<jiff::Timestamp> = match &p.time {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    let estimate = geometry.zip(p.position_error_m).and_then(|(geometry, error_m)| {
        let [longitude, latitude] = geometry.coordinates;
        Estimate::of(&Shot {
            latitude,
            longitude,
            error_m,
            heading: p.heading,
            hfov_deg: p.view.as_ref().map(|view| view.hfov_deg),
            height_m: p.view.as_ref().map(|view| view.height_m),
            pitch_deg: p.view.as_ref().and_then(|view| view.pitch_deg),
            box_px: p.box_px,
            frame_px: p.frame_px,
        })
    });
    let find = Find {
        id: id.clone(),
        label: p.label.clone(),
        estimate,
        frame: p.frame_id.clone(),
        number: p.frame,
        time_ms: time.map(jiff::Timestamp::as_millisecond),
    };
    let observation = Observation {
        id,
        label: p.label,
        score: p.score,
        delvist_maskeret: p.delvist_maskeret,
        estimate,
        day: time.map(|time| time.strftime("%Y-%m-%d").to_string()),
        release: p.release,
        policy: p.policy,
        purpose: p.purpose,
        frame_id: p.frame_id,
        picture: p.picture,
        box_px: p.box_px,
        frame_px: p.frame_px,
    };
    Some((find, observation))
}
