//! Errors as numbers on the wire. A closed list: what a worker can say is what stands here.

use vaern_inference::{BackendName, InferenceError, ModelRefusal};

use crate::{Feature, Mismatch, PluginFault, SandboxError as E, TrapKind};

/// Every refusal without a text of its own, by its place in the list.
const PLAIN: [E; 52] = [
    E::NotAComponent,
    E::WorldMismatch,
    E::TooComplex("bytes"),
    E::TooComplex("functions"),
    E::TooComplex("a function is too long"),
    E::TooComplex("parts"),
    E::FeatureNotAllowed(Feature::Threads),
    E::FeatureNotAllowed(Feature::RelaxedSimd),
    E::FeatureNotAllowed(Feature::Memory64),
    E::FeatureNotAllowed(Feature::MultiMemory),
    E::FeatureNotAllowed(Feature::Gc),
    E::FeatureNotAllowed(Feature::Exceptions),
    E::FeatureNotAllowed(Feature::TailCall),
    E::FeatureNotAllowed(Feature::Async),
    E::FeatureNotAllowed(Feature::Other),
    E::DescriptionMismatch(Mismatch::Labels),
    E::DescriptionMismatch(Mismatch::Frame),
    E::ModelMissing,
    E::DeadlineExceeded,
    E::MemoryLimit,
    E::TableLimit,
    E::InstanceLimit,
    E::StackOverflow,
    E::HandleLimit,
    E::HostcallBudget,
    E::BadHandle,
    E::InvalidString,
    E::InvalidResult,
    E::Reentrancy,
    E::Trap(TrapKind::Unreachable),
    E::Trap(TrapKind::OutOfBounds),
    E::Trap(TrapKind::Arithmetic),
    E::Trap(TrapKind::BadCall),
    E::Trap(TrapKind::Other),
    E::InferencePanic,
    E::PluginFailed(PluginFault::Model),
    E::PluginFailed(PluginFault::Frame),
    E::PluginFailed(PluginFault::Other),
    E::BadCode,
    E::NoCompiler,
    E::FrameTooLarge,
    E::BadLimit("stack_bytes"),
    E::Setup("engine"),
    E::Setup("ticker"),
    E::Setup("linker"),
    E::Setup("memory image"),
    E::Setup("frame"),
    E::Setup("native frame"),
    E::Setup("masks"),
    E::Setup("slot"),
    E::Setup("worker"),
    E::HostPanic,
];

/// The one refusal with a text: an import's name.
const IMPORT: u8 = 255;

/// Longest name of an import that crosses.
const LONGEST_NAME: usize = 120;

pub(super) fn code(error: &E) -> (u8, &str) {
    if let E::ImportNotGranted { name } = error {
        return (IMPORT, name);
    }
    let unknown = PLAIN.len() - 2;
    let place = PLAIN.iter().position(|plain| plain == error).unwrap_or(unknown);
    (u8::try_from(place).unwrap_or(IMPORT - 1), "")
}

pub(super) fn error(code: u8, text: &str) -> Option<E> {
    if code == IMPORT {
        let printable = text.len() <= LONGEST_NAME && text.chars().all(|c| c.is_ascii_graphic());
        return printable.then(|| E::ImportNotGranted { name: text.to_owned() });
    }
    if text.is_empty() { PLAIN.get(usize::from(code)).cloned() } else { None }
}

/// Every way in which a model can be refused. What an engine said of it stays inside.
fn models() -> Vec<InferenceError> {
    use ModelRefusal as R;
    let refusals = [
        R::TooLarge,
        R::Malformed,
        R::ExternalData,
        R::TensorSize,
        R::ElementType,
        R::NonFiniteWeight,
        R::DynamicInput,
        R::DynamicOutput,
        R::PortType,
        R::CustomDomain,
        R::Operator,
        R::Unsupported,
        R::TooManyParts,
        R::Cycle,
        R::EmbeddingShaped,
    ];
    let mut all: Vec<InferenceError> = refusals.into_iter().map(InferenceError::from).collect();
    for backend in [BackendName::Tract, BackendName::OnnxRuntime] {
        all.push(InferenceError::Panicked { backend });
        all.push(InferenceError::Failed { backend, why: "it could not load the model".to_owned() });
    }
    all
}

pub(super) fn model_code(error: &InferenceError, backend: BackendName) -> u8 {
    let error = match error {
        InferenceError::ModelRefused { .. } | InferenceError::Panicked { .. } => error.clone(),
        _ => InferenceError::Failed { backend, why: "it could not load the model".to_owned() },
    };
    let place = models().iter().position(|known| *known == error);
    u8::try_from(place.unwrap_or_default()).unwrap_or_default()
}

pub(super) fn model_error(code: u8) -> Option<InferenceError> {
    models().into_iter().nth(usize::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_number_of_its_own() {
        for (place, plain) in PLAIN.iter().enumerate() {
            assert_eq!(code(plain), (place as u8, ""));
            assert_eq!(error(place as u8, "").as_ref(), Some(plain));
        }
        let import = E::ImportNotGranted { name: "wasi:clocks/now".into() };
        let (number, text) = code(&import);
        assert_eq!(error(number, text), Some(import));
        for (place, known) in models().iter().enumerate() {
            let backend =
                if let InferenceError::Failed { backend, .. } = known { *backend } else { BackendName::Tract };
            assert_eq!(model_error(model_code(known, backend)).as_ref(), Some(known));
            assert_eq!(model_error(place as u8).as_ref(), Some(known));
        }
    }

    #[test]
    fn exf_07n_a_worker_cannot_say_more_than_the_list() {
        assert_eq!(error(PLAIN.len() as u8, ""), None);
        assert_eq!(error(3, "and some words"), None);
        assert_eq!(error(IMPORT, "no spaces, please"), None);
        assert_eq!(error(IMPORT, &"a".repeat(LONGEST_NAME + 1)), None);
        assert_eq!(model_error(200), None);
        let reasons: std::collections::BTreeSet<_> = PLAIN.iter().map(E::reason).collect();
        assert!(reasons.len() <= 12, "what is counted per frame is a handful of names: {reasons:?}");
    }
}
