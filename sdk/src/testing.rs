//! A fake frame for `cargo test`: the same answers and the same refusals as the host gives, without WebAssembly.
//!
//! What it does not do: resample bit for bit as the host does. Its `tensor` takes the nearest sample, so a model's
//! answer on it differs a little from the city's. Measure recall with `vaern`, test logic here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::{
    Channels, Fit, Frame, FrameError, Level, Model, ModelError, Region, Scale, Size, Tensor, TensorSpec, Zoomed,
};

/// Something that a release may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// `pixels`, `rows`, `tensor`.
    Pixels,
    /// `zoom`.
    Zoom,
    /// `model`.
    Models,
    /// `log`.
    Diagnostics,
}

/// The bytes are not `3 * width * height` many, or a side is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongLength;

impl core::fmt::Display for WrongLength {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a frame has at least one pixel a side and three bytes a pixel")
    }
}

impl core::error::Error for WrongLength {}

type Answer = Box<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>, ModelError>>;

/// A frame made of bytes, with every grant unless [`FakeFrame::only`] takes some away.
pub struct FakeFrame {
    size: Size,
    rgb: Vec<u8>,
    grants: Option<Vec<Grant>>,
    specs: Option<Vec<TensorSpec>>,
    zoom_budget: Cell<usize>,
    models: BTreeMap<String, Answer>,
    log: RefCell<Vec<(Level, String)>>,
    asked: RefCell<Vec<Grant>>,
}

impl FakeFrame {
    /// A frame of RGB bytes, rows from top to bottom without padding.
    ///
    /// # Errors
    /// [`WrongLength`] where the bytes do not fill the frame.
    pub fn from_rgb(width: u16, height: u16, bytes: Vec<u8>) -> Result<Self, WrongLength> {
        let size = Size { width, height };
        if size.pixels() == 0 || bytes.len() != size.pixels() * 3 {
            return Err(WrongLength);
        }
        Ok(Self {
            size,
            rgb: bytes,
            grants: None,
            specs: None,
            zoom_budget: Cell::new(usize::MAX),
            models: BTreeMap::new(),
            log: RefCell::default(),
            asked: RefCell::default(),
        })
    }

    /// A frame of one colour. A side of zero becomes one pixel.
    #[must_use]
    pub fn filled(width: u16, height: u16, colour: [u8; 3]) -> Self {
        let size = Size { width: width.max(1), height: height.max(1) };
        Self {
            size,
            rgb: colour.repeat(size.pixels()),
            grants: None,
            specs: None,
            zoom_budget: Cell::new(usize::MAX),
            models: BTreeMap::new(),
            log: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// Paints a rectangle; what lies outside the frame is left out.
    #[must_use]
    pub fn painted(mut self, region: Region, colour: [u8; 3]) -> Self {
        let stride = usize::from(self.size.width) * 3;
        let (from, to) = (usize::from(region.x) * 3, (usize::from(region.x) + usize::from(region.width)) * 3);
        let rows = self.rgb.chunks_exact_mut(stride).skip(region.y.into()).take(region.height.into());
        for row in rows {
            if let Some(part) = row.get_mut(from..to.min(stride)) {
                for (sample, value) in part.iter_mut().zip(colour.iter().cycle()) {
                    *sample = *value;
                }
            }
        }
        self
    }

    /// Adds a model: what it answers to its input tensors.
    #[must_use]
    pub fn with_model(
        mut self,
        name: &str,
        answer: impl Fn(&[Tensor]) -> Result<Vec<Tensor>, ModelError> + 'static,
    ) -> Self {
        self.models.insert(name.to_owned(), Box::new(answer));
        self
    }

    /// Only these grants; everything else is refused as the host refuses it.
    #[must_use]
    pub fn only(mut self, grants: &[Grant]) -> Self {
        self.grants = Some(grants.to_vec());
        self
    }

    /// Only these tensor specs, as a manifest declares them.
    #[must_use]
    pub fn declaring(mut self, specs: &[TensorSpec]) -> Self {
        self.specs = Some(specs.to_vec());
        self
    }

    /// Pixels that `zoom` hands out before it refuses.
    #[must_use]
    pub fn with_zoom_budget(self, pixels: usize) -> Self {
        self.zoom_budget.set(pixels);
        self
    }

    /// What the plugin logged.
    #[must_use]
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.log.borrow().clone()
    }

    /// The grants that the plugin needed so far, each once: what its manifest has to ask for.
    #[must_use]
    pub fn asked(&self) -> Vec<Grant> {
        let mut asked = self.asked.borrow().clone();
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    fn granted(&self, grant: Grant) -> bool {
        self.asked.borrow_mut().push(grant);
        self.grants.as_ref().is_none_or(|grants| grants.contains(&grant))
    }

    fn declared(&self, spec: TensorSpec) -> bool {
        self.specs.as_ref().is_none_or(|specs| specs.contains(&spec))
    }

    fn prepare(&self, spec: TensorSpec) -> Tensor {
        let placed = spec.placement(self.size);
        let (width, height) = (usize::from(spec.size.width), usize::from(spec.size.height));
        let mut data = Vec::with_capacity(width * height * 3);
        let order = match spec.channels {
            Channels::Rgb => [0, 1, 2],
            Channels::Bgr => [2, 1, 0],
        };
        // The nearest source sample on one axis, or none where the grey border is.
        let source = |at: usize, offset: u16, length: u16, frame: u16| {
            let inside = at.checked_sub(offset.into()).filter(|i| *i < usize::from(length))?;
            Some((inside * 2 + 1) * usize::from(frame) / (usize::from(length) * 2))
        };
        for channel in order {
            for ty in 0..height {
                let y = source(ty, placed.y, placed.size.height, self.size.height);
                for tx in 0..width {
                    let x = source(tx, placed.x, placed.size.width, self.size.width);
                    let sample = y
                        .zip(x)
                        .and_then(|(y, x)| self.rgb.get((y * usize::from(self.size.width) + x) * 3 + channel))
                        .copied()
                        .unwrap_or(114);
                    data.push(match spec.scale {
                        Scale::ZeroTo255 => f32::from(sample),
                        Scale::ZeroToOne => f32::from(sample) / 255.0,
                        Scale::MinusOneToOne => f32::from(sample) / 127.5 - 1.0,
                    });
                }
            }
        }
        debug_assert!(spec.fit != Fit::Stretch || placed.size == spec.size);
        Tensor { shape: vec![1, 3, spec.size.height.into(), spec.size.width.into()], data }
    }
}

impl Frame for FakeFrame {
    type Model<'a> = FakeModel<'a>;

    fn size(&self) -> Size {
        self.size
    }

    fn pixels(&self) -> Result<Vec<u8>, FrameError> {
        if self.granted(Grant::Pixels) { Ok(self.rgb.clone()) } else { Err(FrameError::NotGranted) }
    }

    fn rows(&self, y: u16, count: u16) -> Result<Vec<u8>, FrameError> {
        if !self.granted(Grant::Pixels) {
            return Err(FrameError::NotGranted);
        }
        let stride = usize::from(self.size.width) * 3;
        let (from, length) = (usize::from(y) * stride, usize::from(count) * stride);
        match self.rgb.get(from..from + length) {
            Some(rows) if count > 0 => Ok(rows.to_vec()),
            _ => Err(FrameError::OutOfBounds),
        }
    }

    fn tensor(&self, spec: TensorSpec) -> Result<Tensor, FrameError> {
        if !self.granted(Grant::Pixels) {
            return Err(FrameError::NotGranted);
        }
        if self.declared(spec) { Ok(self.prepare(spec)) } else { Err(FrameError::UndeclaredSpec) }
    }

    fn zoom(&self, region: Region) -> Result<Zoomed, FrameError> {
        if !self.granted(Grant::Zoom) {
            return Err(FrameError::NotGranted);
        }
        let size = Size { width: region.width, height: region.height };
        let fits = |from: u16, length: u16, limit: u16| from.checked_add(length).is_some_and(|end| end <= limit);
        if size.pixels() == 0
            || !fits(region.x, region.width, self.size.width)
            || !fits(region.y, region.height, self.size.height)
        {
            return Err(FrameError::OutOfBounds);
        }
        let left = self.zoom_budget.get().checked_sub(size.pixels()).ok_or(FrameError::Budget)?;
        self.zoom_budget.set(left);
        let stride = usize::from(self.size.width) * 3;
        let columns = usize::from(region.x) * 3..(usize::from(region.x) + usize::from(region.width)) * 3;
        let rows = self.rgb.chunks_exact(stride).skip(region.y.into()).take(region.height.into());
        let pixels = rows.filter_map(|row| row.get(columns.clone())).flatten().copied().collect();
        Ok(Zoomed { size, pixels })
    }

    fn model(&self, name: &str) -> Result<FakeModel<'_>, ModelError> {
        if !self.granted(Grant::Models) {
            return Err(ModelError::NotGranted);
        }
        let answer = self.models.get(name).ok_or(ModelError::UnknownModel)?;
        Ok(FakeModel { frame: self, answer })
    }

    fn log(&self, level: Level, message: &str) {
        if self.granted(Grant::Diagnostics) {
            self.log.borrow_mut().push((level, message.to_owned()));
        }
    }
}

/// A model of a fake frame.
pub struct FakeModel<'a> {
    frame: &'a FakeFrame,
    answer: &'a Answer,
}

impl Model for FakeModel<'_> {
    fn infer(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, ModelError> {
        let whole = |tensor: &Tensor| {
            let length = tensor.shape.iter().try_fold(1_usize, |n, side| n.checked_mul(usize::try_from(*side).ok()?));
            length == Some(tensor.data.len())
        };
        if !inputs.iter().all(whole) {
            return Err(ModelError::BadInput);
        }
        let outputs = (self.answer)(&inputs)?;
        // The host refuses what is not finite, so that no plugin has to be written against it.
        let finite = outputs.iter().all(|tensor| tensor.data.iter().all(|value| value.is_finite()));
        if finite && outputs.iter().all(whole) { Ok(outputs) } else { Err(ModelError::Failed) }
    }

    fn infer_frame(&self, spec: TensorSpec) -> Result<Vec<Tensor>, ModelError> {
        if !self.frame.declared(spec) {
            return Err(ModelError::UndeclaredSpec);
        }
        self.infer(vec![self.frame.prepare(spec)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: TensorSpec = TensorSpec {
        size: Size { width: 8, height: 8 },
        fit: Fit::LetterboxCentre,
        scale: Scale::ZeroToOne,
        channels: Channels::Bgr,
    };

    #[test]
    fn a_frame_without_a_grant_refuses_and_with_it_answers() {
        let frame = FakeFrame::filled(16, 8, [255, 0, 0]).only(&[Grant::Models]);
        assert_eq!(frame.rows(0, 1), Err(FrameError::NotGranted));
        assert_eq!(frame.tensor(SPEC), Err(FrameError::NotGranted));
        assert_eq!(frame.zoom(Region { x: 0, y: 0, width: 1, height: 1 }), Err(FrameError::NotGranted));
        assert_eq!(frame.asked(), [Grant::Pixels, Grant::Zoom]);
        let frame = frame.only(&[Grant::Pixels, Grant::Zoom]);
        assert_eq!(frame.rows(7, 1).unwrap().len(), 48);
        assert_eq!(frame.rows(7, 2), Err(FrameError::OutOfBounds));
        assert_eq!(frame.rows(0, 0), Err(FrameError::OutOfBounds));
        assert_eq!(frame.model("m").err(), Some(ModelError::NotGranted));
    }

    #[test]
    fn zoom_is_counted() {
        let frame = FakeFrame::filled(16, 8, [1, 2, 3]).with_zoom_budget(40);
        let region = Region { x: 8, y: 0, width: 8, height: 4 };
        assert_eq!(frame.zoom(region).unwrap().pixels.len(), 96);
        assert_eq!(frame.zoom(region), Err(FrameError::Budget));
        assert_eq!(frame.zoom(Region { x: 9, ..region }), Err(FrameError::OutOfBounds));
        assert_eq!(frame.zoom(Region { x: u16::MAX, ..region }), Err(FrameError::OutOfBounds));
    }

    #[test]
    fn tensors_are_letterboxed_scaled_and_ordered() {
        let frame = FakeFrame::filled(16, 8, [255, 0, 0]).declaring(&[SPEC]);
        let tensor = frame.tensor(SPEC).unwrap();
        assert_eq!(tensor.shape, [1, 3, 8, 8]);
        let at = |channel: usize, y: usize, x: usize| tensor.data[channel * 64 + y * 8 + x];
        assert_eq!((at(0, 4, 4), at(2, 4, 4)), (0.0, 1.0));
        assert_eq!((at(0, 0, 0), at(2, 1, 7)), (114.0 / 255.0, 114.0 / 255.0));
        assert_eq!(frame.tensor(TensorSpec { fit: Fit::Stretch, ..SPEC }), Err(FrameError::UndeclaredSpec));
    }

    #[test]
    fn a_model_that_answers_nonsense_fails_as_it_does_on_the_host() {
        let one = |value: f32| move |_: &[Tensor]| Ok(vec![Tensor { shape: vec![1], data: vec![value] }]);
        let frame = FakeFrame::filled(8, 8, [0; 3])
            .with_model("good", one(1.0))
            .with_model("nan", one(f32::NAN))
            .with_model("short", |_| Ok(vec![Tensor { shape: vec![2], data: vec![1.0] }]));
        let run = |name: &str| frame.model(name).and_then(|model| model.infer_frame(SPEC));
        assert_eq!(run("good").unwrap()[0].data, [1.0]);
        assert_eq!(run("nan"), Err(ModelError::Failed));
        assert_eq!(run("short"), Err(ModelError::Failed));
        assert_eq!(run("none"), Err(ModelError::UnknownModel));
    }

    #[test]
    fn painting_stays_inside_the_frame() {
        let frame = FakeFrame::filled(4, 4, [0; 3]).painted(Region { x: 2, y: 3, width: 9, height: 9 }, [1, 2, 3]);
        let pixels = frame.pixels().unwrap();
        assert_eq!(pixels.iter().filter(|sample| **sample > 0).count(), 6);
        assert_eq!(pixels[3 * 14..], [1, 2, 3, 1, 2, 3]);
    }
}
