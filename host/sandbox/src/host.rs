//! The host's side of every function behind the door. Each checks the time first, then the grant, then the arguments.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use vaern_door::{Channels, Fit, Grants, Interface, Name, Rect, Scale, Size, TensorSpec, guard};
use vaern_inference::{InferenceError, Model, Tensor, prepare};
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};

use crate::ReceivedFrame;
use crate::bindings::VisionPlugin;
use crate::bindings::tmf::vision::{diagnostics, frames, models, types};
use crate::limiter::Limiter;

use frames::FrameError;
use models::ModelError;

/// The models of a release, by the names of its manifest.
pub(crate) type Models = BTreeMap<Name, Arc<dyn Model>>;

#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
/// What a handle to a frame stands for. There is one frame per store, so it holds nothing.
#[derive(Debug)]
pub struct FrameHandle;

#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
/// What a handle to a model stands for.
#[derive(Debug)]
pub struct ModelHandle(Name);

/// How much a line of diagnostics matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// Worth a look.
    Info,
    /// Something is wrong.
    Warning,
}

/// One line of diagnostics, in the plugin's words: untrusted text, cut to printable characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The words.
    pub text: String,
}

/// Why the host itself ends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("deadline")]
    Deadline,
    #[error("inference panicked")]
    InferencePanic,
}

/// Everything that one store holds. Dropped with it.
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    pub(crate) log: Vec<LogLine>,
    pub(crate) log_dropped: u64,
    pub(crate) zoomed: u32,
    grants: Arc<Grants>,
    models: Arc<Models>,
    frame: Option<ReceivedFrame>,
    deadline: Instant,
    log_left: u32,
    prepared: Vec<(TensorSpec, Arc<Tensor>)>,
    answers: Vec<(Name, TensorSpec, Arc<Vec<Tensor>>)>,
}

impl State {
    pub(crate) fn new(
        grants: Arc<Grants>,
        models: Arc<Models>,
        frame: Option<ReceivedFrame>,
        deadline: Instant,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(grants.limits.handles).unwrap_or(usize::MAX));
        Self {
            limiter: Limiter::new(&grants.limits),
            table,
            log: vec![],
            log_dropped: 0,
            zoomed: 0,
            log_left: grants.limits.log_bytes,
            grants,
            models,
            frame,
            deadline,
            prepared: vec![],
            answers: vec![],
        }
    }

    /// Epochs do not interrupt the host's own code, so each call looks at the clock itself.
    fn enter(&self) -> Result<()> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(Stop::Deadline.into()) }
    }

    fn granted(&self, interface: Interface) -> bool {
        self.grants.interfaces.contains(&interface)
    }

    /// The frame behind a handle.
    fn frame(&self, handle: &Resource<FrameHandle>) -> Result<ReceivedFrame> {
        self.table.get(handle)?;
        // A handle exists only where there is a frame.
        self.frame.clone().ok_or_else(|| wasmtime::component::ResourceTableError::NotPresent.into())
    }

    fn declared(&self, spec: types::TensorSpec) -> Option<TensorSpec> {
        let spec = TensorSpec {
            size: Size::new(spec.width, spec.height).ok()?,
            fit: match spec.fit {
                types::Fit::Stretch => Fit::Stretch,
                types::Fit::LetterboxTopLeft => Fit::LetterboxTopLeft,
                types::Fit::LetterboxCentre => Fit::LetterboxCentre,
            },
            scale: match spec.scale {
                types::Scale::ZeroTo255 => Scale::ZeroTo255,
                types::Scale::ZeroToOne => Scale::ZeroToOne,
                types::Scale::MinusOneToOne => Scale::MinusOneToOne,
            },
            channels: match spec.channels {
                types::Channels::Rgb => Channels::Rgb,
                types::Channels::Bgr => Channels::Bgr,
            },
        };
        self.grants.tensors.contains(&spec).then_some(spec)
    }

    /// The frame as a tensor; prepared once per spec.
    fn prepared(&mut self, frame: &ReceivedFrame, spec: TensorSpec) -> Result<Arc<Tensor>, InferenceError> {
        if let Some((_, tensor)) = self.prepared.iter().find(|(s, _)| *s == spec) {
            return Ok(tensor.clone());
        }
        let tensor = Arc::new(prepare(frame.rgb(), frame.size(), &spec)?);
        self.prepared.push((spec, tensor.clone()));
        Ok(tensor)
    }

    fn run(&self, name: &Name, inputs: &[Tensor]) -> Result<Result<Vec<Tensor>, ModelError>> {
        let Some(model) = self.models.get(name) else { return Ok(Err(ModelError::UnknownModel)) };
        match model.run(inputs) {
            Ok(outputs) => Ok(Ok(outputs)),
            Err(InferenceError::BadInput(_)) => Ok(Err(ModelError::BadInput)),
            Err(InferenceError::Panicked { .. } | InferenceError::Quarantined) => Err(Stop::InferencePanic.into()),
            Err(_) => Ok(Err(ModelError::Failed)),
        }
    }
}

impl types::Host for State {}
impl frames::Host for State {}

impl frames::HostFrame for State {
    fn size(&mut self, frame: Resource<FrameHandle>) -> Result<types::Size> {
        self.enter()?;
        let size = self.frame(&frame)?.size();
        Ok(types::Size { width: size.width(), height: size.height() })
    }

    fn pixels(&mut self, frame: Resource<FrameHandle>) -> Result<Result<Vec<u8>, FrameError>> {
        // Replaced in `linker` by a function that does not copy; kept equal to it.
        Ok(pixels(self, &frame)?.map(|pixels| pixels.to_vec()))
    }

    fn rows(&mut self, frame: Resource<FrameHandle>, y: u16, count: u16) -> Result<Result<Vec<u8>, FrameError>> {
        // Replaced in `linker`, as `pixels` is.
        Ok(rows(self, &frame, y, count)?.map(|rows| rows.to_vec()))
    }

    fn tensor(
        &mut self,
        frame: Resource<FrameHandle>,
        spec: types::TensorSpec,
    ) -> Result<Result<types::Tensor, FrameError>> {
        self.enter()?;
        let frame = self.frame(&frame)?;
        if !self.granted(Interface::Pixels) {
            return Ok(Err(FrameError::NotGranted));
        }
        let Some(spec) = self.declared(spec) else { return Ok(Err(FrameError::UndeclaredSpec)) };
        Ok(self.prepared(&frame, spec).map(|tensor| to_guest(&tensor)).map_err(|_| FrameError::OutOfBounds))
    }

    fn zoom(
        &mut self,
        frame: Resource<FrameHandle>,
        region: types::Region,
    ) -> Result<Result<frames::Zoomed, FrameError>> {
        self.enter()?;
        let frame = self.frame(&frame)?;
        if !self.granted(Interface::Zoom) {
            return Ok(Err(FrameError::NotGranted));
        }
        let region = Rect::inside(region.x, region.y, region.width, region.height, frame.size());
        let Some((region, size)) = region.ok().and_then(|r| Some((r, frame.zoomed_size(r)?))) else {
            return Ok(Err(FrameError::OutOfBounds));
        };
        // Charged before it is handed out; what does not fit is refused as a whole.
        let charge = u32::try_from(size.pixels()).ok().and_then(|pixels| self.zoomed.checked_add(pixels));
        match charge {
            Some(total) if total <= self.grants.limits.zoom_pixels || !guard::stands("sandbox.zoom_budget") => {
                self.zoomed = total;
            }
            _ => return Ok(Err(FrameError::Budget)),
        }
        let Some(pixels) = frame.zoomed(region) else { return Ok(Err(FrameError::OutOfBounds)) };
        Ok(Ok(frames::Zoomed { size: types::Size { width: size.width(), height: size.height() }, pixels }))
    }

    fn drop(&mut self, frame: Resource<FrameHandle>) -> Result<()> {
        self.table.delete(frame)?;
        Ok(())
    }
}

fn pixels(state: &State, frame: &Resource<FrameHandle>) -> Result<Result<Bytes, FrameError>> {
    state.enter()?;
    let frame = state.frame(frame)?;
    Ok(if state.granted(Interface::Pixels) { Ok(frame.shared().clone()) } else { Err(FrameError::NotGranted) })
}

fn rows(state: &State, frame: &Resource<FrameHandle>, y: u16, count: u16) -> Result<Result<Bytes, FrameError>> {
    state.enter()?;
    let frame = state.frame(frame)?;
    if !state.granted(Interface::Pixels) {
        return Ok(Err(FrameError::NotGranted));
    }
    Ok(frame.rows(y, count).ok_or(FrameError::OutOfBounds))
}

impl models::Host for State {
    fn open(&mut self, name: String) -> Result<Result<Resource<ModelHandle>, ModelError>> {
        self.enter()?;
        if !self.granted(Interface::Models) {
            return Ok(Err(ModelError::NotGranted));
        }
        match Name::new(name).ok().filter(|name| self.models.contains_key(name)) {
            Some(name) => Ok(Ok(self.table.push(ModelHandle(name))?)),
            None => Ok(Err(ModelError::UnknownModel)),
        }
    }
}

impl models::HostModel for State {
    fn infer(
        &mut self,
        model: Resource<ModelHandle>,
        inputs: Vec<types::Tensor>,
    ) -> Result<Result<Vec<types::Tensor>, ModelError>> {
        self.enter()?;
        let name = self.table.get(&model)?.0.clone();
        if !self.granted(Interface::Models) {
            return Ok(Err(ModelError::NotGranted));
        }
        let inputs: Option<Vec<Tensor>> = inputs.into_iter().map(from_guest).collect();
        let Some(inputs) = inputs else { return Ok(Err(ModelError::BadInput)) };
        Ok(self.run(&name, &inputs)?.map(|outputs| outputs.iter().map(to_guest).collect()))
    }

    fn infer_frame(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        spec: types::TensorSpec,
    ) -> Result<Result<Vec<types::Tensor>, ModelError>> {
        self.enter()?;
        let name = self.table.get(&model)?.0.clone();
        let frame = self.frame(&frame)?;
        if !self.granted(Interface::Models) {
            return Ok(Err(ModelError::NotGranted));
        }
        let Some(spec) = self.declared(spec) else { return Ok(Err(ModelError::UndeclaredSpec)) };
        if let Some((.., answer)) = self.answers.iter().find(|(n, s, _)| *n == name && *s == spec) {
            return Ok(Ok(answer.iter().map(to_guest).collect()));
        }
        let Ok(tensor) = self.prepared(&frame, spec) else { return Ok(Err(ModelError::BadInput)) };
        let answer = match self.run(&name, std::slice::from_ref(&*tensor))? {
            Ok(outputs) => Arc::new(outputs),
            Err(error) => return Ok(Err(error)),
        };
        self.answers.push((name, spec, answer.clone()));
        Ok(Ok(answer.iter().map(to_guest).collect()))
    }

    fn drop(&mut self, model: Resource<ModelHandle>) -> Result<()> {
        self.table.delete(model)?;
        Ok(())
    }
}

impl diagnostics::Host for State {
    fn log(&mut self, level: diagnostics::Level, message: String) -> Result<()> {
        self.enter()?;
        if !self.granted(Interface::Diagnostics) {
            return Ok(());
        }
        let bytes = u32::try_from(message.len()).unwrap_or(u32::MAX);
        // An empty line costs one byte, so that lines are bounded as well.
        match self.log_left.checked_sub(bytes.max(1)) {
            Some(left) => {
                self.log_left = left;
                let text = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                let level = match level {
                    diagnostics::Level::Debug => Level::Debug,
                    diagnostics::Level::Info => Level::Info,
                    diagnostics::Level::Warning => Level::Warning,
                };
                self.log.push(LogLine { level, text });
            }
            None => self.log_dropped = self.log_dropped.saturating_add(u64::from(bytes.max(1))),
        }
        Ok(())
    }
}

/// A tensor on its way into the plugin. Models' answers are finite, frames are; nothing else takes this way.
fn to_guest(tensor: &Tensor) -> types::Tensor {
    // Shapes are bounded by the model check, far below 2^32.
    let shape = tensor.shape().iter().map(|d| u32::try_from(*d).unwrap_or(u32::MAX)).collect();
    types::Tensor { shape, data: tensor.data().to_vec() }
}

fn from_guest(tensor: types::Tensor) -> Option<Tensor> {
    let shape: Option<Vec<usize>> = tensor.shape.into_iter().map(|d| usize::try_from(d).ok()).collect();
    Tensor::new(shape?, tensor.data).ok()
}

/// Everything behind the door, and nothing else.
pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    VisionPlugin::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    // The bindings want a vector of their own for each answer; sharing the frame's saves a copy of every pixel.
    linker.allow_shadowing(true);
    let mut frames = linker.instance("tmf:vision/frames@0.1.0")?;
    frames.func_wrap(
        "[method]frame.pixels",
        |store: wasmtime::StoreContextMut<'_, State>, (frame,): (Resource<FrameHandle>,)| {
            Ok((pixels(store.data(), &frame)?,))
        },
    )?;
    frames.func_wrap(
        "[method]frame.rows",
        |store: wasmtime::StoreContextMut<'_, State>, (frame, y, count): (Resource<FrameHandle>, u16, u16)| {
            Ok((rows(store.data(), &frame, y, count)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(linker)
}
