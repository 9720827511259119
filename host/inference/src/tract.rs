//! tract, used directly. Pure Rust, in every build, and the backend that the demo and the tests rest on.

use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::check::check;
use crate::error::printable;
use crate::guard::{Engine, Guarded, catching};
use crate::{Backend, BackendName, InferenceError, Model, ModelLimits, ModelRefusal, Tensor, TensorInfo};

/// The embedded backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tract(());

/// The embedded backend. Always there.
#[must_use]
pub const fn tract() -> Tract {
    Tract(())
}

impl Backend for Tract {
    fn name(&self) -> BackendName {
        BackendName::Tract
    }

    fn load(&self, bytes: &[u8], limits: &ModelLimits) -> Result<Arc<dyn Model>, InferenceError> {
        let checked = check(bytes, limits)?;
        let (plan, outputs) = catching(BackendName::Tract, || load(bytes, checked.outputs, limits))?;
        Ok(Arc::new(Guarded::new(TractEngine(plan), BackendName::Tract, checked.inputs, outputs)))
    }
}

fn load(
    bytes: &[u8],
    names: Vec<String>,
    limits: &ModelLimits,
) -> Result<(Arc<TypedRunnableModel>, Vec<TensorInfo>), InferenceError> {
    let model = tract_onnx::onnx().model_for_read(&mut &*bytes).and_then(|m| m.into_typed()).map_err(failed)?;
    // Sizes of results are known only now. A scale or a pad in the file can ask for any amount.
    for fact in model.nodes.iter().flat_map(|n| &n.outputs).map(|o| &o.fact) {
        let size = fact.shape.as_concrete().ok_or(ModelRefusal::DynamicOutput)?;
        if crate::tensor::elements(size).is_none_or(|n| n > limits.elements) {
            return Err(ModelRefusal::TensorSize.into());
        }
    }
    let mut outputs = vec![];
    for (outlet, name) in model.outputs.iter().zip(names) {
        let fact = model.outlet_fact(*outlet).map_err(failed)?;
        if fact.datum_type != f32::datum_type() {
            return Err(ModelRefusal::PortType.into());
        }
        let shape = fact.shape.as_concrete().ok_or(ModelRefusal::DynamicOutput)?.to_vec();
        outputs.push(TensorInfo { name, shape });
    }
    let plan = model.into_optimized().and_then(|m| m.into_runnable()).map_err(failed)?;
    Ok((plan, outputs))
}

struct TractEngine(Arc<TypedRunnableModel>);

impl Engine for TractEngine {
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
        let mut values = tvec![];
        for input in inputs {
            values.push(
                tract_onnx::prelude::Tensor::from_shape(input.shape(), input.data()).map_err(failed)?.into_tvalue(),
            );
        }
        let outputs = self.0.run(values).map_err(failed)?;
        outputs
            .iter()
            .map(|value| {
                let view = value.to_plain_array_view::<f32>().map_err(failed)?;
                Tensor::new(view.shape().to_vec(), view.iter().copied().collect())
            })
            .collect()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn failed(error: TractError) -> InferenceError {
    InferenceError::Failed { backend: BackendName::Tract, why: printable(&format!("{error:#}")) }
}
