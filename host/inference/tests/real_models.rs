//! Real models on real pictures, with both backends. Needs the shared data; ONNX Runtime is used where `ORT_DYLIB_PATH` names it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vaern_door::{Channels, Fit, Rect, Scale, Size, TensorSpec};
use vaern_inference::{
    Backend, Decoder, InferenceError, Model, ModelLimits, ModelRefusal, RawBox, Tensor, onnx_runtime, prepare,
    prepare_region, suppress, tract,
};

/// Past the test runner's capture: a skip that nobody sees is a pass that did not happen.
fn skip(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIP {why}");
}

fn shared() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let dir = std::env::var_os("VAERN_SHARED_DATA").map_or(default, PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    skip("no shared data (set VAERN_SHARED_DATA)");
    None
}

fn runtime() -> Option<impl Backend> {
    let Some(path) = std::env::var_os("ORT_DYLIB_PATH") else {
        skip("no ONNX Runtime (set ORT_DYLIB_PATH)");
        return None;
    };
    Some(onnx_runtime(Path::new(&path)).expect("ORT_DYLIB_PATH names a usable library"))
}

fn load(backend: &dyn Backend, path: &Path) -> Result<Arc<dyn Model>, InferenceError> {
    backend.load(&std::fs::read(path).unwrap(), &ModelLimits::default())
}

fn picture(path: &Path) -> (Vec<u8>, Size) {
    let options =
        zune_core::options::DecoderOptions::default().jpeg_set_out_colorspace(zune_core::colorspace::ColorSpace::RGB);
    let bytes = std::io::Cursor::new(std::fs::read(path).unwrap());
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(bytes, options);
    let rgb = decoder.decode().unwrap();
    let (w, h) = decoder.dimensions().unwrap();
    (rgb, Size::new(w.try_into().unwrap(), h.try_into().unwrap()).unwrap())
}

fn spec(side: (u16, u16), scale: Scale, channels: Channels) -> TensorSpec {
    TensorSpec { size: Size::new(side.0, side.1).unwrap(), fit: Fit::LetterboxTopLeft, scale, channels }
}

/// Every model with its decoder and the preparation it was trained with.
fn models() -> [(&'static str, Decoder, TensorSpec); 3] {
    [
        ("yunet_n_640_640.onnx", Decoder::YuNet, spec((640, 640), Scale::ZeroTo255, Channels::Bgr)),
        ("yolox_nano_coco_416.onnx", Decoder::YoloxCoco, spec((416, 416), Scale::ZeroTo255, Channels::Bgr)),
        ("ultralight_version-RFB-320.onnx", Decoder::Rfb, spec((320, 240), Scale::MinusOneToOne, Channels::Rgb)),
    ]
}

fn tiles(size: Size, side: u16) -> Vec<Rect> {
    let mut tiles = vec![];
    for y in (0..size.height()).step_by(usize::from(side) * 3 / 4) {
        for x in (0..size.width()).step_by(usize::from(side) * 3 / 4) {
            let (x1, y1) = ((x + side).min(size.width()), (y + side).min(size.height()));
            tiles.push(Rect::new(x, y, x1, y1).unwrap());
        }
    }
    tiles
}

fn count(boxes: &[RawBox], class: usize) -> usize {
    boxes.iter().filter(|b| b.class == class).count()
}

#[test]
fn sbx_20p_real_models_see_real_people() {
    let Some(data) = shared() else { return };
    let (rgb, size) = picture(&data.join("dev/street/deface_city.jpg"));
    let mut found = vec![];
    for (name, decoder, spec) in models() {
        let model = load(&tract(), &data.join("models").join(name)).unwrap();
        let tensor = prepare(&rgb, size, &spec).unwrap();
        let answer = model.run(&[tensor]).unwrap();
        let boxes = suppress(&decoder.decode(&*model, &answer, 0.5).unwrap(), 0.45);
        let mut all = vec![];
        for tile in tiles(size, 640) {
            let tensor = prepare_region(&rgb, size, tile, &spec).unwrap();
            let answer = model.run(&[tensor]).unwrap();
            all.extend(suppress(&decoder.decode(&*model, &answer, 0.5).unwrap(), 0.45));
        }
        println!("{name}: whole frame {}, tiles {} of class 0, {size:?}", count(&boxes, 0), count(&all, 0));
        found.push(count(&all, 0).max(count(&boxes, 0)));
    }
    // A crowd: some of it must be found by each model. How many is a matter for the benches.
    assert!(found.iter().all(|n| *n >= 8), "{found:?}");
}

#[test]
fn both_backends_agree() {
    let (Some(data), Some(runtime)) = (shared(), runtime()) else { return };
    let (rgb, size) = picture(&data.join("dev/street/deface_city.jpg"));
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let mut paths: Vec<(PathBuf, TensorSpec)> =
        models().into_iter().map(|(n, _, s)| (data.join("models").join(n), s)).collect();
    for name in ["people.onnx", "container.onnx"] {
        let path = own.join(name);
        if path.is_file() {
            let info = load(&tract(), &path).unwrap().inputs()[0].shape.clone();
            let side = (info[3].try_into().unwrap(), info[2].try_into().unwrap());
            paths.push((path, spec(side, Scale::ZeroToOne, Channels::Rgb)));
        } else {
            panic!("{name} is part of the repository");
        }
    }
    for (path, spec) in paths {
        let tensor = prepare(&rgb, size, &spec).unwrap();
        let a = load(&tract(), &path).unwrap();
        let b = load(&runtime, &path).unwrap();
        assert_eq!(a.inputs(), b.inputs());
        assert_eq!(a.outputs(), b.outputs());
        let run = |m: &dyn Model| m.run(std::slice::from_ref(&tensor)).unwrap();
        let worst = run(&*a)
            .iter()
            .zip(&run(&*b))
            .flat_map(|(x, y)| x.data().iter().zip(y.data()))
            // Relative above 1: boxes in pixels carry the rounding of their size.
            .map(|(x, y)| (x - y).abs() / x.abs().max(1.0))
            .fold(0.0_f32, f32::max);
        println!("{}: worst difference {worst:e}", path.file_name().unwrap().display());
        assert!(worst < 1e-3, "{}: {worst}", path.display());
    }
}

#[test]
fn sbx_20n_a_dynamic_model_is_refused_by_name() {
    let Some(data) = shared() else { return };
    let refused = load(&tract(), &data.join("models/yunet_n_dynamic.onnx")).err();
    assert_eq!(refused, Some(InferenceError::ModelRefused { reason: ModelRefusal::DynamicInput }));
}

#[test]
fn sbx_20n_cut_and_flipped_models_never_panic() {
    let Some(data) = shared() else { return };
    let good = std::fs::read(data.join("models/yunet_n_320_320.onnx")).unwrap();
    let limits = ModelLimits::default();
    for part in 1..40 {
        let cut = good.len() * part / 40;
        assert!(tract().load(&good[..cut], &limits).is_err(), "cut at {cut}");
    }
    let (mut refused, mut loaded, mut ran) = (0, 0, 0);
    // A fixed stride walks over headers, names, shapes and weights alike.
    for step in 0..150 {
        let mut bytes = good.clone();
        let at = step * (good.len() / 150) + step % 7;
        bytes[at] ^= 1 << (step % 8);
        match tract().load(&bytes, &limits) {
            Err(_) => refused += 1,
            Ok(model) => {
                loaded += 1;
                // Running is slow: a sample is enough to show that a damaged model answers or errs.
                if loaded % 10 == 0 {
                    let shape = model.inputs()[0].shape.clone();
                    let zeros = Tensor::new(shape.clone(), vec![0.0; shape.iter().product()]).unwrap();
                    let _ = model.run(&[zeros]);
                    ran += 1;
                }
            }
        }
    }
    println!("150 flipped files: {refused} refused, {loaded} loaded, {ran} of them run");
    assert_eq!(refused + loaded, 150);
}

#[test]
fn a_missing_library_is_named_as_the_fault_of_the_installation() {
    let missing = onnx_runtime(Path::new("/nonexistent/libonnxruntime.so"));
    // Where another test of this process loaded the real one first, a second library is refused as well.
    assert!(matches!(missing.err(), Some(InferenceError::BackendUnavailable { .. })));
}
