//! Reference plugin without a view: it names tensor specs, the host runs the release's model on the frame, and what
//! comes back are boxes. No pixel enters the plugin, so it needs one grant only: `models`.
//!
//! The model looks twice, with the frame at two places of the tensor: what it sees by chance of the grid it rarely sees again.
#![deny(missing_docs)]

use vaern_sdk::{
    Candidate, Channels, Description, Detection, Fit, Frame, Model, Placement, Plugin, PluginError, Scale, Size,
    Suppress, Tensor, TensorSpec, suppress,
};

/// Labels in the order of the model's classes.
const LABELS: &[&str] = &["affaldscontainer", "glascontainer", "nedgravet_container", "byggecontainer"];

/// How the model was trained to see the frame. The manifest declares the same.
const SPEC: TensorSpec = TensorSpec {
    size: Size { width: 640, height: 384 },
    fit: Fit::LetterboxCentre,
    scale: Scale::ZeroToOne,
    channels: Channels::Rgb,
};
/// The second look: the same, but the picture lies in the tensor's upper left corner.
const AGAIN: TensorSpec = TensorSpec { fit: Fit::LetterboxTopLeft, ..SPEC };

/// Below this a box of one look does not count: a partner that lifts it to the threshold would have to be all but sure.
const FLOOR: f32 = 0.25;
/// Below this a box is no detection. Where recall and precision meet on the validation scenes; a city may ask for more.
const THRESHOLD: f32 = 0.5;
/// Boxes of the two looks that overlap by at least this are one sight.
const PARTNER_IOU: f32 = 0.5;
/// Two boxes of one label that overlap by more than this are one container.
const SAME_LABEL_IOU: f32 = 0.45;
/// Two boxes of different labels that overlap by more than this are one container that the model is unsure about.
const ANY_LABEL_IOU: f32 = 0.65;
/// Boxes looked at per frame. A sane answer has far fewer; the bound keeps a broken model from costing the deadline.
const MOST_CANDIDATES: usize = 1000;

/// The plugin.
pub struct ContainerModel;

impl Plugin for ContainerModel {
    fn describe() -> Description {
        Description { labels: LABELS, frame: Size { width: 1280, height: 720 } }
    }

    fn detect<F: Frame>(frame: &F) -> Result<Vec<Detection>, PluginError> {
        let model = frame.model("container")?;
        let look = |spec: TensorSpec| {
            let outputs = model.infer_frame(spec)?;
            let [boxes] = outputs.as_slice() else {
                return Err(PluginError::Model);
            };
            Ok(suppressed(decode(boxes)?))
        };
        let placed = SPEC.placement(frame.size());
        let moved = AGAIN.placement(frame.size());
        let first = look(SPEC)?;
        let found = if moved == placed {
            // The frame fills the tensor: a second look would be the first.
            first
        } else {
            let (dx, dy) = (f32::from(placed.x) - f32::from(moved.x), f32::from(placed.y) - f32::from(moved.y));
            let shift = |c: Candidate| Candidate { x0: c.x0 + dx, x1: c.x1 + dx, y0: c.y0 + dy, y1: c.y1 + dy, ..c };
            suppressed(agree(first, look(AGAIN)?.into_iter().map(shift).collect()))
        };
        Ok(found.iter().filter(|c| c.score >= THRESHOLD).filter_map(|candidate| place(candidate, &placed)).collect())
    }
}

/// One answer for one thing.
fn suppressed(candidates: Vec<Candidate>) -> Vec<Candidate> {
    suppress(suppress(candidates, SAME_LABEL_IOU, Suppress::SameLabel), ANY_LABEL_IOU, Suppress::AnyLabel)
}

/// Joins two looks, each strongest first. What both see gets the mean score and a box between theirs, nearer to the stronger;
/// what one sees alone keeps half of its score.
fn agree(first: Vec<Candidate>, mut second: Vec<Candidate>) -> Vec<Candidate> {
    let alone = |c: Candidate| Candidate { score: c.score / 2.0, ..c };
    let mut joined = Vec::with_capacity(first.len() + second.len());
    for a in first {
        let near = |b: &Candidate| if b.label == a.label { a.iou(b) } else { 0.0 };
        let partner = second
            .iter()
            .enumerate()
            .filter(|(_, b)| near(b) >= PARTNER_IOU)
            .max_by(|(i, b), (j, c)| near(b).total_cmp(&near(c)).then(j.cmp(i)))
            .map(|(i, _)| i);
        joined.push(partner.map_or_else(|| alone(a), |i| between(a, second.remove(i))));
    }
    joined.extend(second.into_iter().map(alone));
    joined
}

fn between(a: Candidate, b: Candidate) -> Candidate {
    // Both scores are at least the floor, so that their sum is above zero.
    let part = a.score / (a.score + b.score);
    let mix = |a: f32, b: f32| a * part + b * (1.0 - part);
    Candidate {
        label: a.label,
        score: (a.score + b.score) / 2.0,
        x0: mix(a.x0, b.x0),
        y0: mix(a.y0, b.y0),
        x1: mix(a.x1, b.x1),
        y1: mix(a.y1, b.y1),
    }
}

/// Reads `[1, N, 4 + C]`: rows of four corners in tensor pixels and one probability a class.
fn decode(tensor: &Tensor) -> Result<Vec<Candidate>, PluginError> {
    let [1, rows, columns] = *tensor.shape.as_slice() else {
        return Err(PluginError::Model);
    };
    let (rows, columns) = (rows as usize, columns as usize);
    let classes = columns.checked_sub(4).filter(|classes| (1..=LABELS.len()).contains(classes));
    if classes.is_none() || rows.checked_mul(columns) != Some(tensor.data.len()) {
        return Err(PluginError::Model);
    }
    let mut candidates: Vec<Candidate> = tensor.data.chunks_exact(columns).filter_map(candidate).collect();
    if candidates.len() > MOST_CANDIDATES {
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates.truncate(MOST_CANDIDATES);
    }
    Ok(candidates)
}

/// The strongest class of one row, if it is strong enough. A value that is not a number is no class.
fn candidate(row: &[f32]) -> Option<Candidate> {
    let ([x0, y0, x1, y1], probabilities) = row.split_first_chunk()?;
    let (label, score) = (0_u16..).zip(probabilities.iter().copied()).filter(|(_, p)| *p >= FLOOR).max_by(
        // Of equal probabilities the first class wins.
        |(i, a), (j, b)| a.total_cmp(b).then(j.cmp(i)),
    )?;
    Some(Candidate { label, score: score.min(1.0), x0: *x0, y0: *y0, x1: *x1, y1: *y1 })
}

fn place(candidate: &Candidate, placed: &Placement) -> Option<Detection> {
    let region = placed.to_frame(candidate.x0, candidate.y0, candidate.x1, candidate.y1)?;
    // A threshold above zero and the `min` above keep this within a byte.
    let score = (candidate.score * 255.0 + 0.5) as u8;
    Some(Detection { label: candidate.label, region, score })
}

vaern_sdk::export!(ContainerModel);

#[cfg(test)]
mod tests;
