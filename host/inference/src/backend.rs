//! The one trait that a backend implements and the one that a loaded model implements.

use std::fmt;
use std::sync::Arc;

use crate::{InferenceError, ModelLimits, Tensor, TensorInfo};

/// Which engine ran a model. Recorded with every replayable result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackendName {
    /// tract, pure Rust, embedded.
    Tract,
    /// ONNX Runtime, a shared library.
    OnnxRuntime,
}

impl BackendName {
    /// The name used in files and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tract => "tract",
            Self::OnnxRuntime => "onnxruntime",
        }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An engine that loads models.
pub trait Backend: Send + Sync {
    /// Which engine this is.
    fn name(&self) -> BackendName;

    /// Checks the bytes of an ONNX file, then loads them.
    ///
    /// # Errors
    /// [`InferenceError::ModelRefused`] where the file does not pass the checks; other variants where the engine fails.
    fn load(&self, bytes: &[u8], limits: &ModelLimits) -> Result<Arc<dyn Model>, InferenceError>;
}

/// A loaded model. Holds no state from one run to the next.
pub trait Model: Send + Sync {
    /// The inputs, in order.
    fn inputs(&self) -> &[TensorInfo];

    /// The outputs, in order.
    fn outputs(&self) -> &[TensorInfo];

    /// Runs the model: one tensor per input, one per output, every value finite.
    ///
    /// # Errors
    /// [`InferenceError`]; after [`InferenceError::Panicked`] every further run is [`InferenceError::Quarantined`].
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError>;

    /// The engine that runs it.
    fn backend(&self) -> BackendName;
}
