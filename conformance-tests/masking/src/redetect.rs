//! T7: does a detector still find a face where one was masked? Finding none proves nothing; finding one proves enough.

use std::sync::Arc;

use vaern_door::{Channels, Fit, Rect, Scale, Size, TensorSpec};
use vaern_inference::{Backend as _, Decoder, InferenceError, Model, ModelLimits, prepare_region, tract};
use vaern_privacy::{PeopleClass, SeenBox};
use vaern_scenes::{Class, Scene};

use crate::gallery::drawn;
use crate::masker::{Masker, seen};
use crate::picture::Picture;
use crate::verdict::{Figure, TestId, Verdict};

/// The detector of drawn people that comes with the repository.
const PEOPLE_DRAWN: &[u8] = include_bytes!("../../../models/people.onnx");

/// A model that finds faces, and how it is asked.
pub struct PeopleModel {
    model: Arc<dyn Model>,
    decoder: Decoder,
    spec: TensorSpec,
    face: usize,
    threshold: f32,
}

impl PeopleModel {
    /// The detector of drawn people.
    ///
    /// # Errors
    /// [`InferenceError`] where the model does not load.
    pub fn drawn() -> Result<Self, InferenceError> {
        let spec =
            |size| TensorSpec { size, fit: Fit::LetterboxTopLeft, scale: Scale::ZeroToOne, channels: Channels::Rgb };
        Self::load(PEOPLE_DRAWN, Decoder::VaernBoxes { classes: 3 }, spec, 0.3)
    }

    /// `YuNet`, for photographs.
    ///
    /// # Errors
    /// [`InferenceError`] where the model does not load.
    pub fn yunet(file: &[u8]) -> Result<Self, InferenceError> {
        let spec =
            |size| TensorSpec { size, fit: Fit::LetterboxTopLeft, scale: Scale::ZeroTo255, channels: Channels::Bgr };
        Self::load(file, Decoder::YuNet, spec, 0.5)
    }

    fn load(
        file: &[u8],
        decoder: Decoder,
        spec: impl Fn(Size) -> TensorSpec,
        threshold: f32,
    ) -> Result<Self, InferenceError> {
        let model = tract().load(file, &ModelLimits::default())?;
        let shape = model.inputs().first().map(|input| input.shape.clone()).unwrap_or_default();
        let side = |axis: usize| shape.get(axis).and_then(|n| u16::try_from(*n).ok()).unwrap_or(0);
        let size =
            Size::new(side(3), side(2)).map_err(|_| InferenceError::BadInput("the model's input has no size"))?;
        Ok(Self { model, decoder, spec: spec(size), face: 0, threshold })
    }

    /// Faces in a part of a picture: `x0, y0, x1, y1` and score, in pixels of the picture.
    ///
    /// # Errors
    /// [`InferenceError`] for anything but a complete search.
    pub fn faces(&self, picture: &Picture, part: Rect) -> Result<Vec<([f32; 4], f32)>, InferenceError> {
        let tensor = prepare_region(picture.rgb(), picture.size(), part, &self.spec)?;
        let outputs = self.model.run(&[tensor])?;
        let boxes = self.decoder.decode(self.model.as_ref(), &outputs, self.threshold)?;
        let size = Size::new(part.width(), part.height()).map_err(|_| InferenceError::BadInput("an empty part"))?;
        let placed = self.spec.placement(size);
        let scale = f32::from(part.width()) / f32::from(placed.size.width());
        let (left, top) = (f32::from(part.x0()), f32::from(part.y0()));
        let place = |b: &vaern_inference::RawBox| {
            [left + b.x0 * scale, top + b.y0 * scale, left + b.x1 * scale, top + b.y1 * scale]
        };
        Ok(boxes.iter().filter(|b| b.class == self.face).map(|b| (place(b), b.score)).collect())
    }

    /// Faces in the whole picture and in tiles at full resolution that overlap by a quarter.
    ///
    /// # Errors
    /// [`InferenceError`] for anything but a complete search.
    pub fn all_faces(&self, picture: &Picture) -> Result<Vec<([f32; 4], f32)>, InferenceError> {
        let whole = Rect::whole(picture.size());
        let mut found = self.faces(picture, whole)?;
        let (w, h) = (self.spec.size.width(), self.spec.size.height());
        let starts = |side: u16, tile: u16| -> Vec<u16> {
            let last = side.saturating_sub(tile);
            let mut all: Vec<u16> = (0..last).step_by(usize::from((tile * 3 / 4).max(1))).collect();
            all.push(last);
            all
        };
        if w < whole.width() || h < whole.height() {
            for y in starts(whole.height(), h) {
                for x in starts(whole.width(), w) {
                    let tile = Rect::new(
                        x,
                        y,
                        x.saturating_add(w).min(whole.width()),
                        y.saturating_add(h).min(whole.height()),
                    );
                    if let Ok(tile) = tile {
                        found.extend(self.faces(picture, tile)?);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Overlap of two boxes as part of their union.
pub(crate) fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let across = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let down = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |r: [f32; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let both = across * down;
    if both > 0.0 { both / (area(a) + area(b) - both) } else { 0.0 }
}

/// Boxes that count as the same face.
const SAME: f32 = 0.4;

/// The true boxes of a drawn scene, as a perfect detector would give them.
pub(crate) fn truth_boxes(scene: &Scene) -> Vec<SeenBox> {
    let class = |class: Class| match class {
        Class::Face => Some(PeopleClass::Face),
        Class::Person => Some(PeopleClass::Person),
        Class::Plate => Some(PeopleClass::Plate),
        _ => None,
    };
    scene.truth.objects.iter().filter_map(|o| class(o.class).map(|class| seen(class, o.bbox))).collect()
}

/// Faces of drawn scenes that the detector finds before masking, and again after it. Only the faces are masked: a masked
/// person would hide them twice.
#[must_use]
pub fn t7(masker: &dyn Masker, model: &PeopleModel, scenes: &[Scene]) -> Verdict {
    let (mut before, mut after, mut failed) = (0_u32, 0_u32, 0_u32);
    for scene in scenes {
        let boxes: Vec<SeenBox> = truth_boxes(scene).into_iter().filter(|b| b.class == PeopleClass::Face).collect();
        let file = drawn(scene).and_then(|p| p.jpeg(jpeg_encoder::SamplingFactor::F_2_2, 92).ok()).unwrap_or_default();
        let masked = masker.mask(&file, &boxes).ok();
        let all = |picture: &Picture| model.faces(picture, Rect::whole(picture.size())).ok();
        let found = Picture::decode(&file).ok().and_then(|p| all(&p)).zip(masked.and_then(|m| all(&m.picture)));
        let Some((first, second)) = found else {
            failed += 1;
            continue;
        };
        for truth in boxes {
            let truth = [truth.x0, truth.y0, truth.x1, truth.y1];
            let hit = |found: &[([f32; 4], f32)]| found.iter().any(|(b, _)| overlap(*b, truth) >= SAME);
            if hit(&first) {
                before += 1;
                after += u32::from(hit(&second));
            }
        }
    }
    let figures = vec![
        Figure::new("found before", f64::from(before), ""),
        Figure::new("found again", f64::from(after), ""),
        Figure::new("failed", f64::from(failed), ""),
    ];
    Verdict::of(TestId::T7, before > 0 && after == 0 && failed == 0, figures, "")
}
