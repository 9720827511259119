//! The WebAssembly side: bindings made from `wit/vision.wit`, and the adapter between them and the SDK's own types.
//!
//! A plugin names nothing in here; [`export!`](crate::export) does.

use core::marker::PhantomData;

use crate::{
    Channels, Description, Detection, Fit, FrameError, Level, ModelError, Plugin, PluginError, Region, Scale, Size,
    Tensor, TensorSpec, Zoomed,
};

/// Made by wit-bindgen from the same files as the host's side.
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "generated: the canonical ABI hands over raw memory, and this is the only place that touches it"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "vision-plugin",
        pub_export_macro: true,
        export_macro_name: "export_vision_plugin",
        default_bindings_module: "vaern_sdk::guest::bindings",
    });
}

use bindings::exports::tmf::vision::plugin as exported;
use bindings::tmf::vision::{diagnostics, frames, models, types};

/// The component's export for a plugin.
pub struct Guest<P>(PhantomData<P>);

impl<P: Plugin + 'static> exported::Guest for Guest<P> {
    fn describe() -> exported::Description {
        let Description { labels, frame } = P::describe();
        exported::Description {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            frame: types::Size { width: frame.width, height: frame.height },
        }
    }

    fn detect(frame: &frames::Frame) -> Result<Vec<exported::Detection>, exported::PluginError> {
        match P::detect(&Handle { frame }) {
            Ok(found) => Ok(found.into_iter().map(detection).collect()),
            Err(PluginError::Model) => Err(exported::PluginError::Model),
            Err(PluginError::Frame) => Err(exported::PluginError::Frame),
            Err(PluginError::Other) => Err(exported::PluginError::Other),
        }
    }
}

/// The host's frame, by its handle.
struct Handle<'a> {
    frame: &'a frames::Frame,
}

/// The host's model, by its handle, with the frame of this call.
struct Opened<'a> {
    model: models::Model,
    frame: &'a frames::Frame,
}

impl crate::Frame for Handle<'_> {
    type Model<'a>
        = Opened<'a>
    where
        Self: 'a;

    fn size(&self) -> Size {
        size(self.frame.size())
    }

    fn pixels(&self) -> Result<Vec<u8>, FrameError> {
        self.frame.pixels().map_err(frame_error)
    }

    fn rows(&self, y: u16, count: u16) -> Result<Vec<u8>, FrameError> {
        self.frame.rows(y, count).map_err(frame_error)
    }

    fn tensor(&self, wanted: TensorSpec) -> Result<Tensor, FrameError> {
        self.frame.tensor(spec(wanted)).map(tensor).map_err(frame_error)
    }

    fn zoom(&self, region: Region) -> Result<Zoomed, FrameError> {
        let zoomed = self.frame.zoom(native(region)).map_err(frame_error)?;
        Ok(Zoomed { size: size(zoomed.size), pixels: zoomed.pixels })
    }

    fn model(&self, name: &str) -> Result<Opened<'_>, ModelError> {
        let model = models::open(name).map_err(model_error)?;
        Ok(Opened { model, frame: self.frame })
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => diagnostics::Level::Debug,
            Level::Info => diagnostics::Level::Info,
            Level::Warning => diagnostics::Level::Warning,
        };
        diagnostics::log(level, message);
    }
}

impl crate::Model for Opened<'_> {
    fn infer(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, ModelError> {
        let inputs: Vec<types::Tensor> =
            inputs.into_iter().map(|Tensor { shape, data }| types::Tensor { shape, data }).collect();
        self.model.infer(&inputs).map(tensors).map_err(model_error)
    }

    fn infer_frame(&self, wanted: TensorSpec) -> Result<Vec<Tensor>, ModelError> {
        self.model.infer_frame(self.frame, spec(wanted)).map(tensors).map_err(model_error)
    }
}

fn size(size: types::Size) -> Size {
    Size { width: size.width, height: size.height }
}

fn native(region: Region) -> types::Region {
    types::Region { x: region.x, y: region.y, width: region.width, height: region.height }
}

fn detection(found: Detection) -> exported::Detection {
    exported::Detection { label: found.label, region: native(found.region), score: found.score }
}

fn tensor(tensor: types::Tensor) -> Tensor {
    Tensor { shape: tensor.shape, data: tensor.data }
}

fn tensors(tensors: Vec<types::Tensor>) -> Vec<Tensor> {
    tensors.into_iter().map(tensor).collect()
}

fn spec(spec: TensorSpec) -> types::TensorSpec {
    types::TensorSpec {
        width: spec.size.width,
        height: spec.size.height,
        fit: match spec.fit {
            Fit::Stretch => types::Fit::Stretch,
            Fit::LetterboxTopLeft => types::Fit::LetterboxTopLeft,
            Fit::LetterboxCentre => types::Fit::LetterboxCentre,
        },
        scale: match spec.scale {
            Scale::ZeroTo255 => types::Scale::ZeroTo255,
            Scale::ZeroToOne => types::Scale::ZeroToOne,
            Scale::MinusOneToOne => types::Scale::MinusOneToOne,
        },
        channels: match spec.channels {
            Channels::Rgb => types::Channels::Rgb,
            Channels::Bgr => types::Channels::Bgr,
        },
    }
}

fn frame_error(error: frames::FrameError) -> FrameError {
    match error {
        frames::FrameError::NotGranted => FrameError::NotGranted,
        frames::FrameError::OutOfBounds => FrameError::OutOfBounds,
        frames::FrameError::UndeclaredSpec => FrameError::UndeclaredSpec,
        frames::FrameError::Budget => FrameError::Budget,
    }
}

fn model_error(error: models::ModelError) -> ModelError {
    match error {
        models::ModelError::NotGranted => ModelError::NotGranted,
        models::ModelError::UnknownModel => ModelError::UnknownModel,
        models::ModelError::BadInput => ModelError::BadInput,
        models::ModelError::UndeclaredSpec => ModelError::UndeclaredSpec,
        models::ModelError::Failed => ModelError::Failed,
    }
}
