//! `detections.geojson`: one proposal per line, in the order of the frames, in a form that any GIS opens (RFC 7946).

use serde::Serialize;
use vaern_door::{Digest, Label, Rect};

use super::{DETECTIONS, SinkError};
use crate::outcome::{FoundObject, FrameResult, Run, SeenFrame, View};
use crate::report::words;

#[derive(Serialize)]
struct Feature<'a> {
    r#type: &'static str,
    id: &'a str,
    /// `null` where the position is unknown (RFC 7946, section 3.2): a made-up place would be worse than none.
    geometry: Option<Point>,
    properties: Properties<'a>,
}

#[derive(Serialize)]
struct Point {
    r#type: &'static str,
    /// Longitude first.
    coordinates: [f64; 2],
}

#[derive(Serialize)]
struct Properties<'a> {
    id: &'a str,
    label: &'a Label,
    score: f64,
    review: &'static str,
    delvist_maskeret: bool,
    position_is: Option<&'static str>,
    position_error_m: Option<f64>,
    heading: Option<f64>,
    /// How the camera looks, so that whoever reads this can say where the object stands.
    view: Option<View>,
    time: Option<String>,
    frame: usize,
    frame_id: &'a str,
    picture: Option<&'a str>,
    box_px: [u16; 4],
    frame_px: [u16; 2],
    release: Option<Digest>,
    policy: Digest,
    purpose: &'a str,
}

/// The objects found, as a GeoJSON feature collection. Every one is a proposal: a person decides (RET-03).
///
/// # Errors
/// [`SinkError`] if a feature cannot be written as JSON.
pub fn detections_geojson(run: &Run) -> Result<String, SinkError> {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    let mut separator = "\n";
    for frame in &run.frames {
        let FrameResult::Seen(seen) = &frame.result else { continue };
        for object in &seen.objects {
            let feature = feature(run, frame.number, seen, object);
            text.push_str(separator);
            text.push_str(&serde_json::to_string(&feature).map_err(|error| SinkError::new(DETECTIONS, error))?);
            separator = ",\n";
        }
    }
    text.push_str("\n]}\n");
    Ok(text)
}

fn feature<'a>(run: &'a Run, frame: usize, seen: &'a SeenFrame, object: &'a FoundObject) -> Feature<'a> {
    let place = seen.position.filter(words::on_earth);
    Feature {
        r#type: "Feature",
        id: &object.id,
        geometry: place
            .map(|p| Point { r#type: "Point", coordinates: [rounded(p.longitude, 7), rounded(p.latitude, 7)] }),
        properties: Properties {
            id: &object.id,
            label: &object.label,
            score: rounded(f64::from(object.score) / 255.0, 3),
            review: "afventer",
            delvist_maskeret: object.delvist_maskeret,
            position_is: place.map(|_| "camera"),
            position_error_m: place.map(|p| rounded(p.error_m, 1)),
            heading: place.and_then(|p| p.heading).map(|h| rounded(h, 1)),
            view: place.and_then(|p| p.view),
            time: place.and_then(|p| p.time_ms).and_then(words::rfc3339),
            frame,
            frame_id: &seen.frame_id,
            picture: seen.picture.as_deref(),
            box_px: corners(object.rect),
            frame_px: [seen.size.width(), seen.size.height()],
            release: run.release.as_ref().map(|r| r.digest),
            policy: run.policy.digest,
            purpose: &run.policy.purpose,
        },
    }
}

const fn corners(rect: Rect) -> [u16; 4] {
    [rect.x0(), rect.y0(), rect.x1(), rect.y1()]
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
