//! ONNX models behind one trait: tract (embedded, the default) and ONNX Runtime (loaded from a library when present).
//!
//! A model file is foreign data. It passes the `check` of this crate before any backend sees a byte of it, it is loaded and run
//! behind `catch_unwind`, and what goes in and comes out is checked for number, shape and finiteness. A model that panics is
//! quarantined: it never runs again. Whoever calls a model can therefore rely on one thing: an answer is complete and
//! finite, or it is an error. "Nothing found" is never the face of a failure.
//!
//! What this crate cannot bound is the memory and the time of native code: those belong to the process around it.

mod backend;
mod check;
mod declared;
mod decode;
mod error;
mod guard;
mod onnxruntime;
mod operators;
mod prepare;
mod tensor;
mod tract;
mod wire;

pub use backend::{Backend, BackendName, Model};
pub use check::ModelLimits;
pub use declared::{is_embedding_shaped, load_vendors, named_classes};
pub use decode::{Decoder, RawBox, suppress};
pub use error::{InferenceError, ModelRefusal};
pub use onnxruntime::{OnnxRuntime, onnx_runtime, onnx_runtime_with_threads};
pub use prepare::{prepare, prepare_region, prepare_region_in};
pub use tensor::{Tensor, TensorInfo};
pub use tract::{Tract, tract};
