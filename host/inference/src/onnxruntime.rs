//! ONNX Runtime, loaded from a shared library that the operator installed. Faster than tract, and native code: it stays optional.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{TensorElementType, TensorRef, ValueType};

use crate::check::check;
use crate::error::printable;
use crate::guard::{Engine, Guarded, catching};
use crate::{Backend, BackendName, InferenceError, Model, ModelLimits, ModelRefusal, Tensor, TensorInfo};

/// The library is loaded once per process, whoever asks first; it cannot be unloaded or exchanged.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime, ready to load models.
#[derive(Clone)]
pub struct OnnxRuntime {
    environment: Environment,
    threads: usize,
}

/// Sessions of one model: as many callers as there are cores run at once, up to this many.
const MOST_SESSIONS: usize = 8;

/// Builds that report to their maker name their opt-out, or the address that they report to. From 1.29.0 on, the official ones do so
/// on Linux too, before any setting of a program can reach them, and from a thread of their own.
const TELEMETRY: [&[u8]; 2] = [b"ORT_DISABLE_TELEMETRY", b"OneCollector"];

/// Refuses a library that would send word of what runs here to somebody else.
fn keeps_to_itself(dylib: &Path) -> Result<(), InferenceError> {
    let unavailable = |why: String| InferenceError::BackendUnavailable { why: printable(&why) };
    let library = std::fs::read(dylib).map_err(|e| unavailable(e.to_string()))?;
    if TELEMETRY.iter().any(|mark| memchr::memmem::find(&library, mark).is_some()) {
        let why = "this build of ONNX Runtime reports to its maker; use a build without telemetry, as the one that vaern pins";
        return Err(unavailable(why.into()));
    }
    Ok(())
}

/// Loads ONNX Runtime from a library file. One thread per caller of a model.
///
/// # Errors
/// [`InferenceError::BackendUnavailable`] where the library is missing, is another version, reports to its maker (telemetry), or another
/// one is loaded already.
pub fn onnx_runtime(dylib: &Path) -> Result<OnnxRuntime, InferenceError> {
    onnx_runtime_with_threads(dylib, 1)
}

/// Loads ONNX Runtime from a library file, with `threads` (at least 1) inside one operator.
///
/// # Errors
/// As [`onnx_runtime`].
pub fn onnx_runtime_with_threads(dylib: &Path, threads: usize) -> Result<OnnxRuntime, InferenceError> {
    let unavailable = |why: &str| InferenceError::BackendUnavailable { why: printable(why) };
    let mut loaded = LOADED.lock().map_err(|_| unavailable("an earlier attempt to load ONNX Runtime panicked"))?;
    let environment = match &*loaded {
        Some((path, environment)) if path == dylib => environment.clone(),
        Some(_) => return Err(unavailable("another ONNX Runtime library is loaded in this process")),
        None => {
            keeps_to_itself(dylib)?;
            let environment = catching(BackendName::OnnxRuntime, || {
                ort::init_from(dylib)
                    .map_err(|e| unavailable(&e.to_string()))?
                    .with_telemetry(false)
                    .build()
                    .map_err(|e| unavailable(&e.to_string()))
            })?;
            *loaded = Some((dylib.to_owned(), environment.clone()));
            environment
        }
    };
    Ok(OnnxRuntime { environment, threads: threads.max(1) })
}

impl Backend for OnnxRuntime {
    fn name(&self) -> BackendName {
        BackendName::OnnxRuntime
    }

    fn load(&self, bytes: &[u8], limits: &ModelLimits) -> Result<Arc<dyn Model>, InferenceError> {
        let checked = check(bytes, limits)?;
        let session = || {
            catching(BackendName::OnnxRuntime, || {
                let builder = Session::builder(&self.environment).map_err(|e| failed(&e))?;
                let builder = builder.with_intra_threads(self.threads).map_err(|e| failed(&e))?;
                let mut builder = builder.with_inter_threads(1).map_err(|e| failed(&e))?;
                builder.commit_from_memory(bytes).map_err(|e| failed(&e))
            })
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut idle = vec![session()?];
        while idle.len() < (cores / self.threads).clamp(1, MOST_SESSIONS) {
            idle.push(session()?);
        }
        let session = idle.first().ok_or(InferenceError::Quarantined)?;
        let mut outputs = vec![];
        for (outlet, name) in session.outputs().iter().zip(&checked.outputs) {
            let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = outlet.dtype() else {
                return Err(ModelRefusal::PortType.into());
            };
            // A dimension that is not known is -1 here.
            let shape: Result<Vec<usize>, _> = shape.iter().map(|d| usize::try_from(*d)).collect();
            let shape = shape.map_err(|_| ModelRefusal::DynamicOutput)?;
            if crate::tensor::elements(&shape).is_none_or(|n| n > limits.elements) {
                return Err(ModelRefusal::TensorSize.into());
            }
            if outlet.name() != name {
                return Err(ModelRefusal::Malformed.into());
            }
            outputs.push(TensorInfo { name: name.clone(), shape });
        }
        let same = session.inputs().iter().map(|i| i.name()).eq(checked.inputs.iter().map(|i| i.name.as_str()));
        if !same || outputs.len() != checked.outputs.len() {
            return Err(ModelRefusal::Malformed.into());
        }
        let engine = OnnxEngine { idle: Mutex::new(idle), returned: Condvar::new() };
        Ok(Arc::new(Guarded::new(engine, BackendName::OnnxRuntime, checked.inputs, outputs)))
    }
}

/// A session wants to be borrowed mutably; each caller takes an idle one, or waits for one.
struct OnnxEngine {
    idle: Mutex<Vec<Session>>,
    returned: Condvar,
}

/// A session out of the pool; it goes back when dropped, also after a panic.
struct Lent<'a> {
    engine: &'a OnnxEngine,
    session: Option<Session>,
}

impl OnnxEngine {
    fn lend(&self) -> Result<Lent<'_>, InferenceError> {
        let poisoned = |_| InferenceError::Quarantined;
        let idle = self.idle.lock().map_err(|_| poisoned(()))?;
        let mut idle = self.returned.wait_while(idle, |idle| idle.is_empty()).map_err(|_| poisoned(()))?;
        Ok(Lent { engine: self, session: idle.pop() })
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let (Some(session), Ok(mut idle)) = (self.session.take(), self.engine.idle.lock()) {
            idle.push(session);
            self.engine.returned.notify_one();
        }
    }
}

impl Engine for OnnxEngine {
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
        let mut lent = self.lend()?;
        let session = lent.session.as_mut().ok_or(InferenceError::Quarantined)?;
        let mut values: Vec<SessionInputValue<'_>> = vec![];
        for input in inputs {
            values.push(TensorRef::from_array_view((input.shape(), input.data())).map_err(|e| failed(&e))?.into());
        }
        let outputs = session.run(values.as_slice()).map_err(|e| failed(&e))?;
        let mut tensors = vec![];
        for value in outputs.values() {
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(|e| failed(&e))?;
            let shape: Result<Vec<usize>, _> = shape.iter().map(|d| usize::try_from(*d)).collect();
            let shape = shape.map_err(|_| InferenceError::BadOutput("the shape of a tensor"))?;
            tensors.push(Tensor::new(shape, data.to_vec())?);
        }
        Ok(tensors)
    }
}

fn failed<R>(error: &ort::Error<R>) -> InferenceError {
    InferenceError::Failed { backend: BackendName::OnnxRuntime, why: printable(&error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sep_01_a_runtime_that_reports_to_its_maker_is_refused_before_it_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        for mark in TELEMETRY {
            std::fs::write(&library, [b"\x7fELF and so on ", mark, b"\0"].concat()).unwrap();
            let refused = onnx_runtime(&library).err().unwrap();
            assert!(refused.to_string().contains("reports to its maker"), "{refused}");
        }
        std::fs::write(&library, b"\x7fELF and so on").unwrap();
        let broken = onnx_runtime(&library).err().unwrap();
        assert!(!broken.to_string().contains("reports to its maker"), "{broken}");
        assert!(onnx_runtime(&folder.path().join("missing.so")).is_err());
    }
}
