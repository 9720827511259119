//! What the detectors that the host knows mean by their numbers.
//!
//! Each decoder reads the raw answer of one family of models and gives boxes in pixels of the input tensor. A value that is not
//! finite is an error, never an absent box: a detector that stops seeing people must not look like an empty street.

use crate::{InferenceError, Model, Tensor};

/// A family of detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// One output `boxes` of `[1, N, 4 + classes]`: `x0, y0, x1, y1` in tensor pixels, then one probability per class.
    VaernBoxes {
        /// Number of classes.
        classes: usize,
    },
    /// `YuNet`: class 0 is a face. Input BGR, 0 to 255, sides divisible by 32.
    YuNet,
    /// YOLOX with COCO classes: of those, person and vehicles. Input BGR, 0 to 255, letterboxed to the upper left.
    YoloxCoco,
    /// Ultra-light RFB: class 0 is a face. Input RGB, -1 to 1.
    Rfb,
}

/// A box in pixels of the tensor. Finite, `x0 <= x1`, `y0 <= y1`; may reach past the tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawBox {
    /// Class, in the decoder's own counting: COCO's for [`Decoder::YoloxCoco`].
    pub class: usize,
    /// Left edge.
    pub x0: f32,
    /// Upper edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Lower edge.
    pub y1: f32,
    /// 0.0 to 1.0.
    pub score: f32,
}

/// COCO's numbers for person, bicycle, car, motorcycle, bus, lorry.
const COCO_KEPT: [usize; 6] = [0, 1, 2, 3, 5, 7];
const COCO_CLASSES: usize = 80;
const STRIDES: [usize; 3] = [8, 16, 32];

impl Decoder {
    /// Reads the boxes with a score of at least `threshold` out of a model's answer, strongest first. Overlapping boxes are
    /// all kept: see [`suppress`].
    ///
    /// # Errors
    /// [`InferenceError::BadOutput`] where the answer does not have the form of this family, [`InferenceError::NonFinite`]
    /// where a number is not finite.
    pub fn decode(&self, model: &dyn Model, outputs: &[Tensor], threshold: f32) -> Result<Vec<RawBox>, InferenceError> {
        if !outputs.iter().all(Tensor::is_finite) {
            return Err(InferenceError::NonFinite);
        }
        let named = Named { model, outputs };
        let mut boxes = match self {
            Self::VaernBoxes { classes } => vaern_boxes(&named, *classes, threshold),
            Self::YuNet => yunet(&named, threshold),
            Self::YoloxCoco => yolox(&named, threshold),
            Self::Rfb => rfb(&named, threshold),
        }?;
        // exp() and products can leave the finite numbers even from finite ones.
        if !boxes.iter().all(|b| [b.x0, b.y0, b.x1, b.y1, b.score].iter().all(|v| v.is_finite())) {
            return Err(InferenceError::NonFinite);
        }
        boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(boxes)
    }
}

/// Keeps the strongest of boxes of one class that overlap by more than `iou`. `boxes` must be sorted strongest first.
#[must_use]
pub fn suppress(boxes: &[RawBox], iou: f32) -> Vec<RawBox> {
    let mut kept: Vec<RawBox> = vec![];
    for candidate in boxes {
        if !kept.iter().any(|k| k.class == candidate.class && overlap(k, candidate) > iou) {
            kept.push(*candidate);
        }
    }
    kept
}

fn overlap(a: &RawBox, b: &RawBox) -> f32 {
    let width = (a.x1.min(b.x1) - a.x0.max(b.x0)).max(0.0);
    let height = (a.y1.min(b.y1) - a.y0.max(b.y0)).max(0.0);
    let area = |r: &RawBox| (r.x1 - r.x0) * (r.y1 - r.y0);
    let both = width * height;
    let either = area(a) + area(b) - both;
    if either > 0.0 { both / either } else { 0.0 }
}

/// A box from two corners in any order. A model that swaps them still means the area between.
fn corners(class: usize, score: f32, [ax, ay, bx, by]: [f32; 4]) -> RawBox {
    RawBox { class, x0: ax.min(bx), y0: ay.min(by), x1: ax.max(bx), y1: ay.max(by), score }
}

fn around(class: usize, score: f32, [cx, cy, w, h]: [f32; 4]) -> RawBox {
    corners(class, score, [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0])
}

struct Named<'a> {
    model: &'a dyn Model,
    outputs: &'a [Tensor],
}

const FORM: InferenceError = InferenceError::BadOutput("the answer does not have the form that the decoder reads");

impl<'a> Named<'a> {
    /// Width and height of the one input.
    fn input(&self) -> Result<(usize, usize), InferenceError> {
        match self.model.inputs() {
            [info] => match *info.shape.as_slice() {
                [1, 3, height, width] => Ok((width, height)),
                _ => Err(FORM),
            },
            _ => Err(FORM),
        }
    }

    /// The rows of an output `[1, rows, WIDTH]`.
    fn rows<const WIDTH: usize>(&self, name: &str) -> Result<&'a [[f32; WIDTH]], InferenceError> {
        let tensor = self.named(name)?;
        match *tensor.shape() {
            [1, _, width] if width == WIDTH => Ok(tensor.data().as_chunks::<WIDTH>().0),
            _ => Err(FORM),
        }
    }

    fn named(&self, name: &str) -> Result<&'a Tensor, InferenceError> {
        let mut found = self.model.outputs().iter().zip(self.outputs).filter(|(info, _)| info.name == name);
        match (found.next(), found.next()) {
            (Some((_, tensor)), None) => Ok(tensor),
            _ => Err(FORM),
        }
    }
}

fn vaern_boxes(answer: &Named<'_>, classes: usize, threshold: f32) -> Result<Vec<RawBox>, InferenceError> {
    let tensor = answer.named("boxes")?;
    let width = match *tensor.shape() {
        [1, _, width] if classes > 0 && width == classes.saturating_add(4) => width,
        _ => return Err(FORM),
    };
    let mut boxes = vec![];
    for row in tensor.data().chunks_exact(width) {
        let Some((rect, scores)) = row.split_first_chunk::<4>() else { return Err(FORM) };
        for (class, score) in scores.iter().enumerate() {
            if *score >= threshold {
                boxes.push(corners(class, *score, *rect));
            }
        }
    }
    Ok(boxes)
}

/// The cells of a grid of this stride over the input, row by row, as `(column, row)`.
fn cells(width: usize, height: usize, stride: usize) -> impl Iterator<Item = (f32, f32)> {
    let (columns, rows) = (width / stride, height / stride);
    // Grids are below 2^16 cells a side, so the conversion is exact.
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (x as f32, y as f32)))
}

fn yunet(answer: &Named<'_>, threshold: f32) -> Result<Vec<RawBox>, InferenceError> {
    let (width, height) = answer.input()?;
    let mut boxes = vec![];
    for stride in STRIDES {
        let class = answer.rows::<1>(&format!("cls_{stride}"))?;
        let object = answer.rows::<1>(&format!("obj_{stride}"))?;
        let rects = answer.rows::<4>(&format!("bbox_{stride}"))?;
        let count = (width / stride) * (height / stride);
        if [class.len(), object.len(), rects.len()] != [count; 3] {
            return Err(FORM);
        }
        let s = stride as f32;
        for ((([cls], [obj]), [dx, dy, dw, dh]), (x, y)) in
            class.iter().zip(object).zip(rects).zip(cells(width, height, stride))
        {
            let score = (cls.clamp(0.0, 1.0) * obj.clamp(0.0, 1.0)).sqrt();
            if score >= threshold {
                boxes.push(around(0, score, [(x + dx) * s, (y + dy) * s, dw.exp() * s, dh.exp() * s]));
            }
        }
    }
    Ok(boxes)
}

fn yolox(answer: &Named<'_>, threshold: f32) -> Result<Vec<RawBox>, InferenceError> {
    let (width, height) = answer.input()?;
    let rows = answer.rows::<{ COCO_CLASSES + 5 }>("output")?;
    let grid = STRIDES.into_iter().flat_map(|s| cells(width, height, s).map(move |(x, y)| (x, y, s as f32)));
    if rows.len() != STRIDES.iter().map(|s| (width / s) * (height / s)).sum::<usize>() {
        return Err(FORM);
    }
    let mut boxes = vec![];
    for ([dx, dy, dw, dh, object, classes @ ..], (x, y, s)) in rows.iter().zip(grid) {
        for class in COCO_KEPT {
            let score = object * classes.get(class).copied().unwrap_or_default();
            if score >= threshold {
                boxes.push(around(class, score, [(x + dx) * s, (y + dy) * s, dw.exp() * s, dh.exp() * s]));
            }
        }
    }
    Ok(boxes)
}

fn rfb(answer: &Named<'_>, threshold: f32) -> Result<Vec<RawBox>, InferenceError> {
    let (width, height) = answer.input()?;
    let scores = answer.rows::<2>("scores")?;
    let rects = answer.rows::<4>("boxes")?;
    if scores.len() != rects.len() {
        return Err(FORM);
    }
    let (w, h) = (width as f32, height as f32);
    let faces = scores.iter().zip(rects).filter(|([_, face], _)| *face >= threshold);
    Ok(faces.map(|([_, face], [x0, y0, x1, y1])| corners(0, *face, [x0 * w, y0 * h, x1 * w, y1 * h])).collect())
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
