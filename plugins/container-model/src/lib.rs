//! Reference plugin without a view: it names a tensor spec, the host runs the release's model on the frame, and what
//! comes back are boxes. No pixel enters the plugin, so it needs one grant only: `models`.
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

/// Below this a box is no detection. Where recall and precision meet on the validation scenes; a city may ask for more.
const THRESHOLD: f32 = 0.44;
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
        let outputs = frame.model("container")?.infer_frame(SPEC)?;
        let [boxes] = outputs.as_slice() else {
            return Err(PluginError::Model);
        };
        let candidates = decode(boxes)?;
        let found = suppress(candidates, SAME_LABEL_IOU, Suppress::SameLabel);
        let found = suppress(found, ANY_LABEL_IOU, Suppress::AnyLabel);
        let placed = SPEC.placement(frame.size());
        Ok(found.iter().filter_map(|candidate| place(candidate, &placed)).collect())
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
    let (label, score) = (0_u16..).zip(probabilities.iter().copied()).filter(|(_, p)| *p >= THRESHOLD).max_by(
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
