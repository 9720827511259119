//! Running a component on frames. One frame, one store, one instance: whatever happens, the store ends with the call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vaern_door::{Detection, Grants, Interface, Label, Rect, Size, guard};
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::bindings::VisionPlugin;
use crate::bindings::exports::tmf::vision::plugin::PluginError;
use crate::deadline::{TICK, Ticking};
use crate::engine::{Compiled, Engine, classify};
use crate::host::{FrameHandle, LogLine, Models, State};
use crate::{Mismatch, NativeView, PluginFault, ReceivedFrame, SandboxError};

/// What a plugin says of itself. Checked against the grants when a runner is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Labels that it may answer with; a detection's label is an index into this list.
    pub labels: Vec<Label>,
    /// The frame size that it wants at most.
    pub frame: Size,
}

/// A plugin's answer for one frame, raw: pass it through [`crate::admit`] before anyone sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the plugin found, in its own order.
    pub detections: Vec<Detection>,
    /// Diagnostics, where granted.
    pub log: Vec<LogLine>,
    /// Bytes of diagnostics past the granted number.
    pub log_dropped: u64,
    /// What it took.
    pub usage: Usage,
}

/// What one call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Wall time of the call, instantiation included.
    pub wall: Duration,
    /// Guest memory at its largest.
    pub memory_bytes: u64,
    /// Native pixels handed out by `zoom`.
    pub zoom_pixels: u32,
    /// Instructions, where the engine counts them ([`Engine::metered`]): the same number on every machine.
    pub fuel: Option<u64>,
}

/// Something that runs one release: in this process, or in a worker behind a wall.
pub trait Runner: Send {
    /// What the plugin said of itself when the runner was made.
    fn describe(&self) -> &Description;

    /// Shows the plugin one frame.
    ///
    /// # Errors
    /// [`SandboxError`] says what stopped it. The runner stays usable: the next frame gets a store of its own.
    fn detect(&mut self, frame: &ReceivedFrame) -> Result<Answer, SandboxError>;

    /// Takes a clear frame to where this runner's plugin can see it. Behind a wall that is a slot which both sides map, so that
    /// `detect` need not copy it again. `native` is the same masked frame at the camera's resolution, for a plugin that may zoom.
    ///
    /// # Errors
    /// [`SandboxError::Setup`] where pixels or masks do not match the size.
    fn receive(
        &mut self,
        size: Size,
        rgb: &[u8],
        masked: &[Rect],
        native: Option<(Size, &[u8])>,
    ) -> Result<ReceivedFrame, SandboxError> {
        let native = native.map(|(size, rgb)| NativeView::new(size, rgb.into())).transpose()?;
        ReceivedFrame::new(size, rgb.into(), masked.into(), native)
    }
}

/// Runs a component in this process.
pub struct InProcess {
    compiled: Compiled,
    grants: Arc<Grants>,
    models: Arc<Models>,
    description: Description,
}

impl InProcess {
    /// Checks imports and description against the grants. `engine` is the one that compiled the component.
    ///
    /// # Errors
    /// [`SandboxError::ImportNotGranted`], [`SandboxError::DescriptionMismatch`], or what stopped `describe`.
    pub fn new(
        engine: &Engine,
        compiled: &Compiled,
        grants: Arc<Grants>,
        models: Models,
    ) -> Result<Self, SandboxError> {
        if !engine.compiled(compiled) {
            return Err(SandboxError::Setup("compiled by another engine"));
        }
        if guard::stands("sandbox.grants") {
            compiled.inspected.admit(|interface| grants.interfaces.contains(&interface))?;
        }
        if compiled.stack_bytes > grants.limits.stack_bytes {
            return Err(SandboxError::BadLimit("stack_bytes"));
        }
        if models.is_empty() && compiled.inspected.uses(Interface::Models) {
            return Err(SandboxError::ModelMissing);
        }
        let models = Arc::new(models);
        let description = Call::begin(compiled, &grants, &models, None)?.describe()?;
        if description.labels != grants.labels {
            return Err(SandboxError::DescriptionMismatch(Mismatch::Labels));
        }
        let (wants, granted) = (description.frame, grants.frame);
        if granted.width() > wants.width() || granted.height() > wants.height() {
            return Err(SandboxError::DescriptionMismatch(Mismatch::Frame));
        }
        Ok(Self { compiled: compiled.clone(), grants, models, description })
    }
}

impl Runner for InProcess {
    fn describe(&self) -> &Description {
        &self.description
    }

    fn detect(&mut self, frame: &ReceivedFrame) -> Result<Answer, SandboxError> {
        within(frame.size(), self.grants.frame)?;
        Call::begin(&self.compiled, &self.grants, &self.models, Some(frame.clone()))?.detect()
    }
}

/// A frame larger than granted is the host's own fault, and never shown.
pub(crate) fn within(size: Size, granted: Size) -> Result<(), SandboxError> {
    let larger = size.width() > granted.width() || size.height() > granted.height();
    if guard::stands("sandbox.frame_size") && larger { Err(SandboxError::FrameTooLarge) } else { Ok(()) }
}

/// An instance before its one call. The call consumes it, and the store with it: there is no way to a second call after a
/// trap, because there is no way to a second call (SBX-25).
struct Call {
    store: Store<State>,
    plugin: VisionPlugin,
    ticking: Ticking,
    begun: Instant,
    allowed: Duration,
}

impl Call {
    fn begin(
        compiled: &Compiled,
        grants: &Arc<Grants>,
        models: &Arc<Models>,
        frame: Option<ReceivedFrame>,
    ) -> Result<Self, SandboxError> {
        let begun = Instant::now();
        guarded(|| {
            let state = |deadline| State::new(grants.clone(), models.clone(), frame, deadline);
            let mut store = compiled.ticking.store(grants, state);
            match compiled.pre.instantiate(&mut store) {
                Ok(plugin) => {
                    let ticking = compiled.ticking.clone();
                    Ok(Self { store, plugin, ticking, begun, allowed: grants.limits.deadline() })
                }
                Err(error) => Err(classify(&error, store.data())),
            }
        })
    }

    fn describe(mut self) -> Result<Description, SandboxError> {
        guarded(move || {
            let raw = self
                .plugin
                .tmf_vision_plugin()
                .call_describe(&mut self.store)
                .map_err(|error| classify(&error, self.store.data()))?;
            self.in_time()?;
            let labels: Result<Vec<Label>, _> = raw.labels.into_iter().map(Label::new).collect();
            Ok(Description {
                labels: labels.map_err(|_| SandboxError::DescriptionMismatch(Mismatch::Labels))?,
                frame: Size::new(raw.frame.width, raw.frame.height)
                    .map_err(|_| SandboxError::DescriptionMismatch(Mismatch::Frame))?,
            })
        })
    }

    fn detect(mut self) -> Result<Answer, SandboxError> {
        guarded(move || {
            let frame = self.store.data_mut().table.push(FrameHandle).map_err(|_| SandboxError::HandleLimit)?;
            let answer = self
                .plugin
                .tmf_vision_plugin()
                .call_detect(&mut self.store, Resource::new_borrow(frame.rep()))
                .map_err(|error| classify(&error, self.store.data()))?;
            self.in_time()?;
            let raw = answer.map_err(|error| {
                SandboxError::PluginFailed(match error {
                    PluginError::Model => PluginFault::Model,
                    PluginError::Frame => PluginFault::Frame,
                    PluginError::Other => PluginFault::Other,
                })
            })?;
            let detections: Option<Vec<Detection>> = raw
                .into_iter()
                .map(|d| {
                    // A box that is empty or wraps around cannot exist; one outside the frame can, and is dropped later.
                    let (x1, y1) = (d.region.x.checked_add(d.region.width)?, d.region.y.checked_add(d.region.height)?);
                    let rect = Rect::new(d.region.x, d.region.y, x1, y1).ok()?;
                    Some(Detection { label: d.label, rect, score: d.score })
                })
                .collect();
            let wall = self.begun.elapsed();
            let fuel = self.ticking.spent(&self.store);
            let state = self.store.into_data();
            Ok(Answer {
                detections: detections.ok_or(SandboxError::InvalidResult)?,
                usage: Usage { wall, memory_bytes: state.limiter.memory_bytes(), zoom_pixels: state.zoomed, fuel },
                log: state.log,
                log_dropped: state.log_dropped,
            })
        })
    }

    /// A call whose time ran out inside the host returns without meeting another check; it is late all the same.
    fn in_time(&self) -> Result<(), SandboxError> {
        if self.begun.elapsed() <= self.allowed + TICK * 2 { Ok(()) } else { Err(SandboxError::DeadlineExceeded) }
    }
}

/// A panic of the host's own code while it serves a plugin ends the call, not the host.
fn guarded<T>(work: impl FnOnce() -> Result<T, SandboxError>) -> Result<T, SandboxError> {
    // The store is dropped during the unwinding; nothing else is shared.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(SandboxError::HostPanic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbx_25n_a_call_takes_its_store_with_it() {
        // These types are the proof: both ways to run a guest consume the call, and the store is inside. A method that borrowed
        // would not compile here, and neither would a second call.
        let detect: fn(Call) -> Result<Answer, SandboxError> = Call::detect;
        let describe: fn(Call) -> Result<Description, SandboxError> = Call::describe;
        assert!(std::mem::needs_drop::<Call>(), "the store goes with it");
        assert!(detect as usize != describe as usize);
    }
}
