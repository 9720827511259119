//! The gate with the detectors for real streets, as the measuring examples need it.

#![allow(dead_code, unreachable_pub, reason = "each example uses a part of it")]

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_inference::Backend;
use vaern_node::gate;
use vaern_node::store::ModelStore;
use vaern_policy::PolicySet;
use vaern_privacy::{CameraSet, FenceSet, Gate, MaskingPolicy};

/// The value after `--name` on the command line.
pub fn option(name: &str) -> Option<String> {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).map(|i| args[i + 1].clone())
}

/// ONNX Runtime with `--runtime LIBONNXRUNTIME` or `ORT_DYLIB_PATH`, else tract.
pub fn backend() -> Box<dyn Backend> {
    let library = option("--runtime").or_else(|| std::env::var("ORT_DYLIB_PATH").ok());
    match library.filter(|_| option("--engine").as_deref() != Some("tract")) {
        Some(library) => Box::new(vaern_inference::onnx_runtime(Path::new(&library)).unwrap()),
        None => Box::new(vaern_inference::tract()),
    }
}

/// The evaluation policy for real pictures, with the models of a folder.
pub fn gate(models: &str, backend: &dyn Backend) -> Gate {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance-tests/policies/real-pictures");
    let set = PolicySet::load(&Dir::open_ambient_dir(policies, ambient_authority()).unwrap(), None).unwrap();
    let store = ModelStore::new(Some(Dir::open_ambient_dir(models, ambient_authority()).unwrap()));
    let detectors = gate::detectors(&set, &store, backend).unwrap();
    let mut text = std::str::from_utf8(set.masking()).unwrap().to_owned();
    // To try a change of the policy without writing it: --with 'old=>new'.
    if let Some(change) = option("--with") {
        let (old, new) = change.split_once("=>").unwrap();
        assert!(text.contains(old), "the policy does not say `{old}`");
        text = text.replace(old, new);
    }
    let masking = MaskingPolicy::parse(&text).unwrap();
    Gate::new(masking, FenceSet::default(), CameraSet::default(), detectors).unwrap()
}
