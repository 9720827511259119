//! What can go wrong between a model file and an answer, and whose fault it is.

use vaern_door::{Blame, Krav};

use crate::BackendName;

/// Why a model was not loaded or gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    /// Fault of whoever made the model: the file does not pass the checks made before a backend sees it.
    #[error("the model is refused: {reason}")]
    ModelRefused {
        /// Which check it failed.
        reason: ModelRefusal,
    },
    /// Fault of the model or of the backend: the backend panicked. The model is quarantined from here on.
    #[error("{backend} panicked on the model; the model is quarantined")]
    Panicked {
        /// The backend that panicked.
        backend: BackendName,
    },
    /// An earlier panic put the model out of use.
    #[error("the model is quarantined after a panic")]
    Quarantined,
    /// Fault of the caller: number, shape or values of the inputs do not fit the model.
    #[error("the input does not fit the model: {0}")]
    BadInput(&'static str),
    /// Fault of the model: its answer has another number or shape of tensors than it declares, or than its decoder reads.
    #[error("the model's answer has an unexpected form: {0}")]
    BadOutput(&'static str),
    /// Fault of the model: a value of its answer is not finite. Nothing of the answer may be used.
    #[error("the model's answer holds a value that is not finite")]
    NonFinite,
    /// Fault of the installation: the backend cannot be used on this machine.
    #[error("the backend is not available: {why}")]
    BackendUnavailable {
        /// What is missing, in the loader's words.
        why: String,
    },
    /// Fault of the model, usually: the backend reported an error.
    #[error("{backend} failed: {why}")]
    Failed {
        /// The backend.
        backend: BackendName,
        /// The backend's words, cut to printable text. May quote names from the model: never write it to an audit log.
        why: String,
    },
}

impl InferenceError {
    /// Whose turn it is, where the model is a vendor's. For the city's own models it is the city's.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::BackendUnavailable { .. } => Blame::Operator,
            Self::BadInput(_) => Blame::Host,
            _ => Blame::Vendor,
        }
    }

    /// The requirement behind the refusal: foreign models are checked, and every fault fails closed.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav(match self {
            Self::ModelRefused { reason: ModelRefusal::EmbeddingShaped } => "LEV-05",
            Self::ModelRefused { .. } => "CYB-01",
            _ => "STD-02",
        })
    }
}

/// Which check a model file failed. A closed set: it may be counted and logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ModelRefusal {
    /// The file is larger than the limit.
    #[error("the file is larger than allowed")]
    TooLarge,
    /// Not a well-formed ONNX file, or one that two readers could understand differently.
    #[error("the file is not a well-formed ONNX model")]
    Malformed,
    /// Weights outside the file.
    #[error("the model keeps data outside its file")]
    ExternalData,
    /// A tensor's dimensions do not match the bytes that it has, or exceed the limit.
    #[error("a tensor's dimensions do not match its data, or exceed the limit")]
    TensorSize,
    /// An element type that is not a plain number.
    #[error("a tensor holds something else than plain numbers")]
    ElementType,
    /// NaN or infinity among the weights.
    #[error("a weight is not finite")]
    NonFiniteWeight,
    /// An input whose shape is not fixed.
    #[error("an input has no fixed shape; export the model with fixed shapes")]
    DynamicInput,
    /// An output whose shape is not fixed.
    #[error("an output has no fixed shape; export the model with fixed shapes")]
    DynamicOutput,
    /// Inputs and outputs must be 32-bit floats.
    #[error("inputs and outputs must be 32-bit floats")]
    PortType,
    /// Operators of another domain than ONNX's own.
    #[error("the model uses operators outside the standard ONNX domain")]
    CustomDomain,
    /// An operator outside the closed set.
    #[error("the model uses an operator that is not in the allowed set")]
    Operator,
    /// Loops, branches, functions, training or sparse parts.
    #[error("the model has control flow, functions, training or sparse parts")]
    Unsupported,
    /// More nodes, tensors or ports than the limit.
    #[error("the model has more parts than allowed")]
    TooManyParts,
    /// An answer is one vector for the whole frame: the form of a face or person embedding.
    #[error("an answer of the model has the form of an embedding: one vector for the whole frame")]
    EmbeddingShaped,
    /// A node reads what no earlier node wrote: a cycle, an unsorted graph, or a missing tensor.
    #[error("the graph has a cycle, is not sorted, or reads a tensor that nothing writes")]
    Cycle,
}

impl From<ModelRefusal> for InferenceError {
    fn from(reason: ModelRefusal) -> Self {
        Self::ModelRefused { reason }
    }
}

/// Cuts a backend's words down to what a message can carry: printable, 200 characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { ' ' }).collect()
}
