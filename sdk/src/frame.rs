//! What a plugin implements and what it is handed.

use crate::{
    Description, Detection, FrameError, Level, ModelError, PluginError, Region, Size, Tensor, TensorSpec, Zoomed,
};

/// A vendor's algorithm. It keeps nothing: by default an instance lives for one frame.
pub trait Plugin {
    /// Says what the plugin can find. Called once, on an instance that sees no frame.
    fn describe() -> Description;

    /// Finds objects in one frame. The order of the answer carries no meaning.
    ///
    /// # Errors
    /// [`PluginError`] for a frame to which the plugin has no answer. An empty list is an answer: there is nothing.
    fn detect<F: Frame>(frame: &F) -> Result<Vec<Detection>, PluginError>;
}

/// One masked frame. Every function but [`Frame::size`] needs a grant.
pub trait Frame {
    /// A model of the release, together with the frame it may look at.
    type Model<'a>: Model
    where
        Self: 'a;

    /// Size of this frame in pixels. Needs no grant.
    fn size(&self) -> Size;

    /// All pixels: RGB, 8 bits a sample, rows from top to bottom without padding. Needs grant `pixels`.
    /// Prefer [`Frame::rows`]: a fresh instance pays for every page of memory that it touches.
    ///
    /// # Errors
    /// [`FrameError`] says what the host refused.
    fn pixels(&self) -> Result<Vec<u8>, FrameError>;

    /// The rows `y` to `y + count`, in the form of [`Frame::pixels`]. Needs grant `pixels`.
    ///
    /// # Errors
    /// [`FrameError`] says what the host refused.
    fn rows(&self, y: u16, count: u16) -> Result<Vec<u8>, FrameError>;

    /// The frame fitted and scaled by the host. Needs grant `pixels`; the manifest must declare the spec.
    ///
    /// # Errors
    /// [`FrameError`] says what the host refused.
    fn tensor(&self, spec: TensorSpec) -> Result<Tensor, FrameError>;

    /// A region at the native resolution of the camera, still masked. Needs grant `zoom`; counted against a budget.
    ///
    /// # Errors
    /// [`FrameError`] says what the host refused.
    fn zoom(&self, region: Region) -> Result<Zoomed, FrameError>;

    /// Opens a model by the name that the manifest gives it. Needs grant `models`.
    ///
    /// # Errors
    /// [`ModelError`] says what the host refused.
    fn model(&self, name: &str) -> Result<Self::Model<'_>, ModelError>;

    /// Writes one line for the author. Kept at home and in conformance, discarded in operation. Needs grant `diagnostics`.
    fn log(&self, level: Level, message: &str);
}

/// A model that belongs to the release.
pub trait Model {
    /// Runs the model on the plugin's own tensors, one per model input, in the model's order.
    ///
    /// # Errors
    /// [`ModelError`] says what the host refused or what failed.
    fn infer(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, ModelError>;

    /// Runs the model on the frame, fitted and scaled by the host, without a pixel entering the plugin.
    /// A plugin that asks only for this is pixel-blind, the grant the city prefers.
    ///
    /// # Errors
    /// [`ModelError`] says what the host refused or what failed.
    fn infer_frame(&self, spec: TensorSpec) -> Result<Vec<Tensor>, ModelError>;
}
