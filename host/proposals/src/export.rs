//! What is handed on: GeoJSON for maps (RFC 7946), a table for a Danish spreadsheet, COCO for those who measure, and where cameras
//! looked. Withdrawn proposals are in none of them but by their id, and every export is remembered, so that what was handed on of a
//! proposal can be called back.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use vaern_door::Digest;
use vaern_record::log::{Event, ExportRef};

use crate::book::{Book, EXPORTS, Exported, Proposal, Status};
use crate::coverage::{CELL_DEG, ring};
use crate::disk;
use crate::error::ProposalError;
use crate::review::quoted;
use crate::withdrawal::{Recalled, digest};

/// Proposals for maps.
pub const GEOJSON: &str = "proposals.geojson";
/// Proposals for a Danish spreadsheet.
pub const CSV: &str = "proposals.csv";
/// Proposals as COCO annotations.
pub const COCO: &str = "coco.json";
/// Where cameras looked.
pub const COVERAGE: &str = "coverage.geojson";
/// What was withdrawn, and which exports held it.
pub const WITHDRAWN: &str = "withdrawn.json";

/// What every proposal answers to: a person decides; it is about an object; wrong ones are taken back.
const KRAV: [&str; 3] = ["RET-03", "STD-04", "STD-05"];

/// What "not seen" means.
const CAUTION: &str = "An area that is not listed was not looked at, or only in passing, or by a run that does not say where it looked. Where nothing was found in an area that is listed, \
nothing was found: that is not to say that nothing was there.";

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// 1, 2, 3 and so on.
    pub number: u64,
    /// Proposals that it holds.
    pub proposals: usize,
    /// Of those, proposals that wait for a person.
    pub waiting: usize,
    /// Cells and days that cameras looked at.
    pub covered: usize,
    /// Runs that do not say where they looked: of their streets nothing is known.
    pub runs_without_coverage: usize,
    /// Withdrawn proposals, and which earlier exports held them.
    pub withdrawn: Vec<Recalled>,
}

/// What the leaf of an export names.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    export: &'a Exported,
    files: BTreeMap<&'static str, Digest>,
}

impl Book {
    /// Writes all files into the folder of the proposals, over those of the export before. `log` is told first.
    ///
    /// # Errors
    /// [`ProposalError`] where the log does not take it, or a file cannot be written.
    pub fn export(
        &mut self,
        time: i64,
        log: &mut dyn FnMut(Event) -> Result<(), String>,
    ) -> Result<Export, ProposalError> {
        let all = self.proposals();
        let standing: Vec<&Proposal> = all.iter().filter(|proposal| proposal.status != Status::Withdrawn).collect();
        let number = self.exports.last().map_or(1, |export| export.number + 1);
        let recalled = self.recalled();
        let files = [
            (GEOJSON, text(&geojson(&standing, &recalled, number))?),
            (CSV, csv(&standing)),
            (COCO, text(&coco(&standing, number))?),
            (COVERAGE, text(&self.coverage())?),
            (WITHDRAWN, text(&recalled)?),
        ];
        let proposals = standing.iter().map(|proposal| proposal.id.clone()).collect();
        let export = Exported { number, time, proposals };
        let files_digests = files.iter().map(|(name, text)| (*name, Digest::of(text.as_bytes()))).collect();
        let listed = Listed { export: &export, files: files_digests };
        log(Event::Exported { export: ExportRef::of(digest(&listed)) }).map_err(ProposalError::Log)?;
        let waiting = standing.iter().filter(|proposal| proposal.status == Status::Waiting).count();
        let done = Export {
            number,
            proposals: standing.len(),
            waiting,
            covered: self.covered().len(),
            runs_without_coverage: self.uncovered(),
            withdrawn: recalled,
        };
        // Remembered before it is there: what nobody remembers, nobody calls back.
        self.exports.push(export);
        disk::write_json(&self.dir, EXPORTS, &self.exports)?;
        for (name, text) in files {
            disk::write(&self.dir, name, text.as_bytes())?;
        }
        Ok(done)
    }

    /// Where cameras looked, as GeoJSON.
    fn coverage(&self) -> Value {
        let feature = |((day, cell), frames): ((&str, [i32; 2]), u32)| {
            json!({
                "type": "Feature",
                "geometry": { "type": "Polygon", "coordinates": [ring(cell)] },
                "properties": { "day": day, "frames_at_least": frames },
            })
        };
        let features: Vec<Value> = self.covered().into_iter().map(feature).collect();
        json!({
            "type": "FeatureCollection",
            "caution": CAUTION,
            "cell_deg": CELL_DEG,
            "runs_without_coverage": self.uncovered(),
            "features": features,
        })
    }
}

fn text<T: Serialize>(value: &T) -> Result<String, ProposalError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n")
        .map_err(|error| ProposalError::Write { file: "export".to_owned(), source: error.into() })
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// The different values of a field, in order.
fn each<T: ToString>(proposal: &Proposal, field: impl Fn(&crate::book::Seen) -> Option<T>) -> Vec<String> {
    let all: BTreeSet<String> = proposal.seen.iter().filter_map(|seen| field(seen).map(|v| v.to_string())).collect();
    all.into_iter().collect()
}

fn geojson(standing: &[&Proposal], recalled: &[Recalled], number: u64) -> Value {
    let feature = |proposal: &&Proposal| {
        let place = proposal.place.as_ref();
        // Six digits are a tenth of a metre: more would be made up.
        let point =
            place.map(|p| json!({ "type": "Point", "coordinates": [rounded(p.longitude, 6), rounded(p.latitude, 6)] }));
        let (first, last) = proposal.days.clone().unzip();
        json!({
            "type": "Feature",
            "id": proposal.id,
            "geometry": point,
            "properties": {
                "id": proposal.id,
                "label": proposal.label,
                "score": rounded(proposal.score, 3),
                "review": proposal.status.as_str(),
                "position_is": place.map(|p| p.kind.as_str()),
                "position_error_m": place.map(|p| rounded(p.error_m, 1)),
                "bearing": place.and_then(|p| p.bearing).map(|b| rounded(b, 0)),
                "bearing_error": place.and_then(|p| p.bearing_error).map(|b| rounded(b, 0)),
                "first_seen": first,
                "last_seen": last,
                "observations": proposal.seen.len(),
                "runs": proposal.runs,
                "delvist_maskeret": proposal.seen.iter().all(|seen| seen.delvist_maskeret),
                "withdrawn_observations": proposal.withdrawn_finds,
                "purposes": each(proposal, |seen| Some(seen.purpose.clone())),
                "releases": each(proposal, |seen| seen.release),
                "policies": each(proposal, |seen| Some(seen.policy)),
                "krav": KRAV,
            },
        })
    };
    let features: Vec<Value> = standing.iter().map(feature).collect();
    let withdrawn: Vec<&str> = recalled.iter().filter(|r| r.cause.is_some()).map(|r| r.id.as_str()).collect();
    json!({
        "type": "FeatureCollection",
        "export": number,
        "caution": "Each feature is a proposal, not a decision: a person decides.",
        "withdrawn": withdrawn,
        "features": features,
    })
}

const COLUMNS: [&str; 18] = [
    "id",
    "etiket",
    "status",
    "score",
    "breddegrad",
    "længdegrad",
    "usikkerhed_m",
    "position",
    "retning_grader",
    "retning_usikkerhed_grader",
    "først_set",
    "sidst_set",
    "antal_set",
    "antal_kørsler",
    "delvist_maskeret",
    "formål",
    "programmer",
    "krav",
];

fn csv(standing: &[&Proposal]) -> String {
    let mut text = String::from('\u{feff}');
    let mut line = |fields: &[String; COLUMNS.len()]| {
        text.push_str(&fields.join(";"));
        text.push_str("\r\n");
    };
    line(&COLUMNS.map(quoted));
    for proposal in standing {
        let place = proposal.place.as_ref();
        // Numbers stand without quotes, so that a spreadsheet reckons with them.
        let number = |value: Option<f64>, decimals: usize| {
            value.map(|value| format!("{value:.decimals$}").replace('.', ",")).unwrap_or_default()
        };
        let (first, last) = proposal.days.clone().unwrap_or_default();
        let masked = proposal.seen.iter().all(|seen| seen.delvist_maskeret);
        line(&[
            quoted(&proposal.id),
            quoted(&proposal.label.as_ref().map(ToString::to_string).unwrap_or_default()),
            quoted(proposal.status.as_str()),
            number(Some(proposal.score), 3),
            number(place.map(|p| p.latitude), 6),
            number(place.map(|p| p.longitude), 6),
            number(place.map(|p| p.error_m), 1),
            quoted(place.map_or("ukendt", |p| p.kind.danish())),
            number(place.and_then(|p| p.bearing), 0),
            number(place.and_then(|p| p.bearing_error), 0),
            quoted(&first),
            quoted(&last),
            proposal.seen.len().to_string(),
            proposal.runs.to_string(),
            quoted(if masked { "ja" } else { "nej" }),
            quoted(&each(proposal, |seen| Some(seen.purpose.clone())).join(" ")),
            quoted(&each(proposal, |seen| seen.release).join(" ")),
            quoted(&KRAV.join(" ")),
        ]);
    }
    text
}

/// Boxes in the pictures that they were found in. A picture that is not there any more has no file name.
fn coco(standing: &[&Proposal], number: u64) -> Value {
    let labels: BTreeSet<String> = standing.iter().filter_map(|p| p.label.as_ref().map(ToString::to_string)).collect();
    let categories: BTreeMap<&str, usize> = labels.iter().map(String::as_str).zip(1..).collect();
    let mut images: BTreeMap<&str, Value> = BTreeMap::new();
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    let frames: BTreeSet<&str> =
        standing.iter().flat_map(|p| p.seen.iter().map(|seen| seen.frame_id.as_str())).collect();
    ids.extend(frames.into_iter().zip(1..));
    let mut annotations = Vec::new();
    for proposal in standing {
        let category = proposal.label.as_ref().and_then(|label| categories.get(label.as_str()));
        for seen in &proposal.seen {
            let image = ids.get(seen.frame_id.as_str());
            let [width, height] = seen.frame_px;
            let file = seen.picture.as_ref().map(|file| format!("{}/{file}", seen.run)).unwrap_or_default();
            images.entry(&seen.frame_id).or_insert_with(|| {
                json!({ "id": image, "width": width, "height": height, "file_name": file, "frame_id": seen.frame_id })
            });
            let [x0, y0, x1, y1] = seen.box_px.map(u32::from);
            annotations.push(json!({
                "id": annotations.len() + 1,
                "image_id": image,
                "category_id": category,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "iscrowd": 0,
                "score": rounded(seen.score, 3),
                "find": seen.id,
                "proposal": proposal.id,
                "review": proposal.status.as_str(),
            }));
        }
    }
    let categories: Vec<Value> = categories.iter().map(|(name, id)| json!({ "id": id, "name": name })).collect();
    json!({
        "info": { "description": "vaern: proposals, not decisions", "version": number.to_string() },
        "images": images.into_values().collect::<Vec<_>>(),
        "annotations": annotations,
        "categories": categories,
    })
}
