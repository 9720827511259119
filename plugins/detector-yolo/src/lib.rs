//! Reference plugin around a vendor's own detection model, without a line of vendor code: what it must know of the model is
//! written into the component by `vaern plugin from-onnx`. No pixel enters it: it needs the grant `models` alone.
#![deny(missing_docs)]

pub mod head;

use head::{Head, Layout, WRITTEN};
use vaern_sdk::{
    Candidate, Description, Detection, Frame, Model, Plugin, PluginError, Size, Suppress, Tensor, suppress,
};

/// Strides of the three grids of the family.
const STRIDES: [u16; 3] = [8, 16, 32];
/// Boxes looked at per frame: the bound keeps a broken model from costing the deadline.
const MOST_CANDIDATES: usize = 1000;

/// The plugin.
pub struct DetectorYolo;

impl Plugin for DetectorYolo {
    fn describe() -> Description {
        match written() {
            Some(head) => {
                // An instance describes itself once and is gone: what is leaked lives as long as it.
                let labels: Vec<&'static str> =
                    head.labels.into_iter().map(|label| &*Box::leak(label.into_boxed_str())).collect();
                Description { labels: Box::leak(labels.into_boxed_slice()), frame: head.frame }
            }
            // A component that nobody wrote to finds nothing, and no manifest agrees with it.
            None => Description { labels: &[], frame: Size { width: 1, height: 1 } },
        }
    }

    fn detect<F: Frame>(frame: &F) -> Result<Vec<Detection>, PluginError> {
        detect_with(&written().ok_or(PluginError::Other)?, frame)
    }
}

/// What was written into this component. Hidden from the optimiser, which knows only what the compiler wrote.
fn written() -> Option<Head> {
    Head::read(std::hint::black_box(WRITTEN.as_slice()))
}

/// Finds objects as `head` says.
///
/// # Errors
/// [`PluginError::Model`] if the model's answer does not have the form that `head` says.
pub fn detect_with<F: Frame>(head: &Head, frame: &F) -> Result<Vec<Detection>, PluginError> {
    let outputs = frame.model("detector")?.infer_frame(head.spec)?;
    let [answer] = outputs.as_slice() else {
        return Err(PluginError::Model);
    };
    let mut candidates = match head.layout {
        Layout::Grid => grid(head, answer),
        Layout::Columns => columns(head, answer),
    }
    .ok_or(PluginError::Model)?;
    if candidates.len() > MOST_CANDIDATES {
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates.truncate(MOST_CANDIDATES);
    }
    let found = suppress(candidates, f32::from(head.overlap) / 100.0, Suppress::SameLabel);
    let placed = head.spec.placement(frame.size());
    let place = |found: &Candidate| {
        let region = placed.to_frame(found.x0, found.y0, found.x1, found.y1)?;
        Some(Detection { label: found.label, region, score: (found.score * 255.0 + 0.5) as u8 })
    };
    Ok(found.iter().filter_map(place).collect())
}

/// The strongest of the classes that count, if it is strong enough. A value that is not a number is no class.
fn strongest(head: &Head, score_of: impl Fn(u16) -> Option<f32>) -> Option<(u16, f32)> {
    let least = f32::from(head.threshold) / 100.0;
    let scored = head.kept.iter().filter_map(|(class, label)| Some((*label, score_of(*class)?)));
    scored
        .filter(|(_, score)| *score >= least)
        .max_by(|(i, a), (j, b)| a.total_cmp(b).then(j.cmp(i)))
        .map(|(label, score)| (label, score.min(1.0)))
}

fn around(label: u16, score: f32, [cx, cy, w, h]: [f32; 4]) -> Candidate {
    Candidate { label, score, x0: cx - w / 2.0, y0: cy - h / 2.0, x1: cx + w / 2.0, y1: cy + h / 2.0 }
}

/// `[1, N, 5 + C]`, a row for each cell.
fn grid(head: &Head, answer: &Tensor) -> Option<Vec<Candidate>> {
    let [1, rows, columns] = *answer.shape.as_slice() else { return None };
    let (rows, columns) = (rows as usize, columns as usize);
    let Size { width, height } = head.spec.size;
    let cells = STRIDES.into_iter().flat_map(|stride| {
        (0..height / stride)
            .flat_map(move |y| (0..width / stride).map(move |x| (f32::from(x), f32::from(y), f32::from(stride))))
    });
    let expected: usize = STRIDES.iter().map(|s| usize::from(width / s) * usize::from(height / s)).sum();
    if columns != 5 + usize::from(head.classes) || rows != expected || rows.checked_mul(columns)? != answer.data.len() {
        return None;
    }
    let found = answer.data.chunks_exact(columns).zip(cells).filter_map(|(row, (x, y, stride))| {
        let ([dx, dy, dw, dh, object], classes) = row.split_first_chunk()?;
        let (label, score) = strongest(head, |class| Some(object * classes.get(usize::from(class))?))?;
        Some(around(label, score, [(x + dx) * stride, (y + dy) * stride, dw.exp() * stride, dh.exp() * stride]))
    });
    Some(found.collect())
}

/// `[1, 4 + C, N]`, a column for each box.
fn columns(head: &Head, answer: &Tensor) -> Option<Vec<Candidate>> {
    let [1, values, boxes] = *answer.shape.as_slice() else { return None };
    let (values, boxes) = (values as usize, boxes as usize);
    if values != 4 + usize::from(head.classes) || values.checked_mul(boxes)? != answer.data.len() {
        return None;
    }
    let value = |row: usize, column: usize| answer.data.get(row * boxes + column).copied();
    let found = (0..boxes).filter_map(|at| {
        let (label, score) = strongest(head, |class| value(4 + usize::from(class), at))?;
        Some(around(label, score, [value(0, at)?, value(1, at)?, value(2, at)?, value(3, at)?]))
    });
    Some(found.collect())
}

vaern_sdk::export!(DetectorYolo);

#[cfg(test)]
mod tests;
