//! The guard around every backend: inputs and outputs are checked, panics are caught, a model that panicked is quarantined.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{BackendName, InferenceError, Model, Tensor, TensorInfo};

/// What a backend itself has to offer; the guard does the rest.
pub(crate) trait Engine: Send + Sync {
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError>;
}

/// A backend's model behind its checks.
pub(crate) struct Guarded<E> {
    engine: E,
    backend: BackendName,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    quarantined: AtomicBool,
}

impl<E: Engine> Guarded<E> {
    pub(crate) fn new(engine: E, backend: BackendName, inputs: Vec<TensorInfo>, outputs: Vec<TensorInfo>) -> Self {
        Self { engine, backend, inputs, outputs, quarantined: AtomicBool::new(false) }
    }
}

/// Runs foreign code; a panic becomes an error.
pub(crate) fn catching<T>(
    backend: BackendName,
    work: impl FnOnce() -> Result<T, InferenceError>,
) -> Result<T, InferenceError> {
    // What the closure touched is dropped or quarantined after a panic, so a broken invariant cannot be observed.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(InferenceError::Panicked { backend }))
}

impl<E: Engine> Model for Guarded<E> {
    fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
        if self.quarantined.load(Ordering::Acquire) {
            return Err(InferenceError::Quarantined);
        }
        if inputs.len() != self.inputs.len() {
            return Err(InferenceError::BadInput("the number of tensors"));
        }
        for (tensor, info) in inputs.iter().zip(&self.inputs) {
            if tensor.shape() != info.shape {
                return Err(InferenceError::BadInput("the shape of a tensor"));
            }
            if !tensor.is_finite() {
                return Err(InferenceError::BadInput("a value that is not finite"));
            }
        }
        let outputs = catching(self.backend, || self.engine.run(inputs)).inspect_err(|error| {
            if matches!(error, InferenceError::Panicked { .. }) {
                self.quarantined.store(true, Ordering::Release);
            }
        })?;
        if outputs.len() != self.outputs.len() {
            return Err(InferenceError::BadOutput("the number of tensors"));
        }
        for (tensor, info) in outputs.iter().zip(&self.outputs) {
            if tensor.shape() != info.shape {
                return Err(InferenceError::BadOutput("the shape of a tensor"));
            }
            if !tensor.is_finite() {
                return Err(InferenceError::NonFinite);
            }
        }
        Ok(outputs)
    }

    fn backend(&self) -> BackendName {
        self.backend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Moody;
    impl Engine for Moody {
        fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
            let value = inputs[0].data()[0];
            assert!(value < 2.0, "the engine does not like this");
            match value {
                1.0 => Tensor::new(vec![1], vec![f32::NAN]).map(|t| vec![t]),
                0.5 => Tensor::new(vec![2], vec![0.0; 2]).map(|t| vec![t]),
                0.25 => Ok(vec![]),
                v => Tensor::new(vec![1], vec![v]).map(|t| vec![t]),
            }
        }
    }

    fn model() -> Guarded<Moody> {
        let info = || vec![TensorInfo { name: "x".into(), shape: vec![1] }];
        Guarded::new(Moody, BackendName::Tract, info(), info())
    }

    fn one(value: f32) -> Vec<Tensor> {
        vec![Tensor::new(vec![1], vec![value]).unwrap()]
    }

    #[test]
    fn sbx_20n_a_panic_is_caught_and_the_model_quarantined() {
        let model = model();
        assert!(model.run(&one(0.0)).is_ok());
        assert_eq!(model.run(&one(2.0)), Err(InferenceError::Panicked { backend: BackendName::Tract }));
        assert_eq!(model.run(&one(0.0)), Err(InferenceError::Quarantined));
        assert_eq!(model.run(&one(0.0)), Err(InferenceError::Quarantined));
    }

    #[test]
    fn bad_inputs_and_answers_are_errors() {
        let model = model();
        assert_eq!(model.run(&[]), Err(InferenceError::BadInput("the number of tensors")));
        let wide = vec![Tensor::new(vec![1, 1], vec![0.0]).unwrap()];
        assert_eq!(model.run(&wide), Err(InferenceError::BadInput("the shape of a tensor")));
        assert_eq!(model.run(&one(f32::NAN)), Err(InferenceError::BadInput("a value that is not finite")));
        assert_eq!(model.run(&one(1.0)), Err(InferenceError::NonFinite));
        assert_eq!(model.run(&one(0.5)), Err(InferenceError::BadOutput("the shape of a tensor")));
        assert_eq!(model.run(&one(0.25)), Err(InferenceError::BadOutput("the number of tensors")));
        assert!(model.run(&one(0.0)).is_ok(), "none of these is a reason for quarantine");
    }
}
