//! A [`PeopleDetector`] that runs an ONNX model through `vaern-inference`.

use std::sync::Arc;

use vaern_door::{Digest, Name, Rect, Size, TensorSpec};
use vaern_inference::{Decoder, Model, prepare_region_in};

use crate::detect::{DetectorFault, PeopleDetector, Picture, SeenBox};
use crate::policy::PeopleClass;
use crate::scratch::Scratch;

/// COCO's numbers of what the gate asks for: person, car, motorcycle, bus, lorry. A bicycle has neither plate nor windows.
const COCO: [(usize, PeopleClass); 5] = [
    (0, PeopleClass::Person),
    (2, PeopleClass::Vehicle),
    (3, PeopleClass::Vehicle),
    (5, PeopleClass::Vehicle),
    (7, PeopleClass::Vehicle),
];

/// A detector made of a model, the decoder of its answer, and the meaning of its class numbers.
pub struct ModelDetector {
    name: Name,
    digest: Digest,
    model: Arc<dyn Model>,
    decoder: Decoder,
    spec: TensorSpec,
    meaning: Vec<(usize, PeopleClass)>,
    classes: Vec<PeopleClass>,
}

impl ModelDetector {
    /// A detector. For [`Decoder::VaernBoxes`], `classes` says in order what the model's class numbers mean; the decoders of
    /// known families know that themselves, and `classes` says which of them are to be used.
    ///
    /// # Errors
    /// [`DetectorFault`] where the model's input is not the one that `spec` prepares, or a class is none of the decoder's.
    pub fn new(
        name: Name,
        digest: Digest,
        model: Arc<dyn Model>,
        decoder: Decoder,
        spec: TensorSpec,
        classes: &[PeopleClass],
    ) -> Result<Self, DetectorFault> {
        let wanted = [1, 3, usize::from(spec.size.height()), usize::from(spec.size.width())];
        if model.inputs().iter().map(|i| i.shape.as_slice()).ne([wanted.as_slice()]) {
            return Err(DetectorFault);
        }
        let meaning: Vec<(usize, PeopleClass)> = match decoder {
            Decoder::VaernBoxes { classes: count } if count == classes.len() => {
                classes.iter().copied().enumerate().collect()
            }
            Decoder::VaernBoxes { .. } => return Err(DetectorFault),
            Decoder::YuNet | Decoder::Rfb => vec![(0, PeopleClass::Face)],
            Decoder::YoloxCoco => COCO.to_vec(),
        };
        let known = |class: &PeopleClass| meaning.iter().any(|(_, m)| m == class);
        if classes.is_empty() || !classes.iter().all(known) {
            return Err(DetectorFault);
        }
        Ok(Self { name, digest, model, decoder, spec, meaning, classes: classes.to_vec() })
    }
}

impl PeopleDetector for ModelDetector {
    fn name(&self) -> &Name {
        &self.name
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn classes(&self) -> &[PeopleClass] {
        &self.classes
    }

    fn input(&self) -> Size {
        self.spec.size
    }

    fn look(&self, picture: Picture<'_>, tile: Rect, floor: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        let frame = picture.size();
        // The level's pixels where the search made them, else the frame's own.
        let (rgb, size, tile) = match picture.scaled() {
            Some(scaled) => (scaled.level, scaled.size, scaled.tile),
            None => (picture.rgb(), frame, tile),
        };
        let room = picture.scratch().map(Scratch::take).unwrap_or_default();
        let tensors = [prepare_region_in(room, rgb, size, tile, &self.spec).map_err(|_| DetectorFault)?];
        let outputs = self.model.run(&tensors);
        if let Some(scratch) = picture.scratch() {
            let [tensor] = tensors;
            scratch.give(tensor.into_parts().1);
        }
        let outputs = outputs.map_err(|_| DetectorFault)?;
        let boxes = self.decoder.decode(self.model.as_ref(), &outputs, floor).map_err(|_| DetectorFault)?;
        let part = Size::new(tile.width(), tile.height()).map_err(|_| DetectorFault)?;
        let placed = self.spec.placement(part);
        // From tensor pixels to pixels of the level, from there to pixels of the frame.
        let to_frame = |from: u16, to: u16| f32::from(to) / f32::from(from);
        let (up_x, up_y) = (to_frame(size.width(), frame.width()), to_frame(size.height(), frame.height()));
        let scale_x = f32::from(tile.width()) / f32::from(placed.size.width());
        let scale_y = f32::from(tile.height()) / f32::from(placed.size.height());
        let x = |v: f32| (f32::from(tile.x0()) + (v - f32::from(placed.x)) * scale_x) * up_x;
        let y = |v: f32| (f32::from(tile.y0()) + (v - f32::from(placed.y)) * scale_y) * up_y;
        Ok(boxes
            .iter()
            .filter_map(|b| {
                let (_, class) = self.meaning.iter().find(|(number, _)| *number == b.class)?;
                Some(SeenBox { class: *class, x0: x(b.x0), y0: y(b.y0), x1: x(b.x1), y1: y(b.y1), score: b.score })
            })
            .collect())
    }
}
