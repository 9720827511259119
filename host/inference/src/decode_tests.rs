use super::*;
use crate::{BackendName, TensorInfo};

/// A model that only has ports.
struct Ports(Vec<TensorInfo>, Vec<TensorInfo>);

impl Model for Ports {
    fn inputs(&self) -> &[TensorInfo] {
        &self.0
    }
    fn outputs(&self) -> &[TensorInfo] {
        &self.1
    }
    fn run(&self, _: &[Tensor]) -> Result<Vec<Tensor>, InferenceError> {
        Err(InferenceError::Quarantined)
    }
    fn backend(&self) -> BackendName {
        BackendName::Tract
    }
}

fn ports(input: usize, outputs: &[(&str, &[usize])]) -> (Ports, Vec<Tensor>) {
    let info = |name: &str, shape: &[usize]| TensorInfo { name: name.into(), shape: shape.to_vec() };
    let infos: Vec<_> = outputs.iter().map(|(n, s)| info(n, s)).collect();
    let tensors =
        outputs.iter().map(|(_, s)| Tensor::new(s.to_vec(), vec![0.0; s.iter().product()]).unwrap()).collect();
    (Ports(vec![info("x", &[1, 3, input, input])], infos), tensors)
}

fn set(tensor: &mut Tensor, at: usize, values: &[f32]) {
    let (shape, mut data) = tensor.clone().into_parts();
    data[at..at + values.len()].copy_from_slice(values);
    *tensor = Tensor::new(shape, data).unwrap();
}

const VAERN: Decoder = Decoder::VaernBoxes { classes: 2 };

#[test]
fn own_boxes_are_read_with_every_class() {
    let (model, mut out) = ports(64, &[("boxes", &[1, 3, 6])]);
    set(&mut out[0], 6, &[10.0, 20.0, 5.0, 40.0, 0.4, 0.9]);
    assert!(VAERN.decode(&model, &out, 0.95).unwrap().is_empty());
    let found = VAERN.decode(&model, &out, 0.3).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], RawBox { class: 1, x0: 5.0, y0: 20.0, x1: 10.0, y1: 40.0, score: 0.9 });
    assert_eq!(found[1].class, 0);
}

#[test]
fn yunet_and_yolox_grids_are_read_row_by_row() {
    let yunet: [(&str, &[usize]); 9] = [
        ("cls_8", &[1, 64, 1]),
        ("cls_16", &[1, 16, 1]),
        ("cls_32", &[1, 4, 1]),
        ("obj_8", &[1, 64, 1]),
        ("obj_16", &[1, 16, 1]),
        ("obj_32", &[1, 4, 1]),
        ("bbox_8", &[1, 64, 4]),
        ("bbox_16", &[1, 16, 4]),
        ("bbox_32", &[1, 4, 4]),
    ];
    let (model, mut out) = ports(64, &yunet);
    // Row 1, column 2 of the stride of 16.
    set(&mut out[1], 6, &[0.81]);
    set(&mut out[4], 6, &[1.0]);
    set(&mut out[7], 24, &[0.5, 0.5, 0.0, 2.0_f32.ln()]);
    let found = Decoder::YuNet.decode(&model, &out, 0.5).unwrap();
    assert_eq!(found, [RawBox { class: 0, x0: 32.0, y0: 8.0, x1: 48.0, y1: 40.0, score: 0.9 }]);

    let (model, mut out) = ports(64, &[("output", &[1, 84, 85])]);
    // The first cell of the stride of 32 follows 64 + 16 others.
    let row = 80 * 85;
    set(&mut out[0], row, &[0.5, 0.5, 0.0, 0.0, 0.8]);
    set(&mut out[0], row + 5 + 2, &[0.5]);
    set(&mut out[0], row + 5 + 4, &[0.9]);
    let found = Decoder::YoloxCoco.decode(&model, &out, 0.3).unwrap();
    assert_eq!(
        found,
        [RawBox { class: 2, x0: 0.0, y0: 0.0, x1: 32.0, y1: 32.0, score: 0.4 }],
        "aeroplanes are not kept"
    );
}

#[test]
fn a_value_that_is_not_finite_is_never_no_boxes() {
    let (model, mut out) = ports(64, &[("boxes", &[1, 3, 6])]);
    set(&mut out[0], 0, &[f32::NAN]);
    assert_eq!(VAERN.decode(&model, &out, 0.5), Err(InferenceError::NonFinite));

    let (model, mut out) = ports(64, &[("output", &[1, 84, 85])]);
    set(&mut out[0], 0, &[0.0, 0.0, 200.0, 0.0, 1.0, 1.0]);
    assert_eq!(Decoder::YoloxCoco.decode(&model, &out, 0.5), Err(InferenceError::NonFinite), "a width of infinity");
}

#[test]
fn another_models_answer_is_an_error() {
    let (model, out) = ports(64, &[("boxes", &[1, 3, 7])]);
    for decoder in [VAERN, Decoder::YuNet, Decoder::YoloxCoco, Decoder::Rfb] {
        assert_eq!(decoder.decode(&model, &out, 0.5), Err(FORM), "{decoder:?}");
    }
    let (model, out) = ports(64, &[("output", &[1, 83, 85])]);
    assert_eq!(Decoder::YoloxCoco.decode(&model, &out, 0.5), Err(FORM), "rows missing");
}

#[test]
fn suppression_keeps_the_strongest_of_each_class() {
    let at = |class, x0: f32, score| RawBox { class, x0, y0: 0.0, x1: x0 + 10.0, y1: 10.0, score };
    let boxes = [at(0, 0.0, 0.9), at(0, 1.0, 0.8), at(1, 1.0, 0.7), at(0, 30.0, 0.6)];
    assert_eq!(suppress(&boxes, 0.5), [boxes[0], boxes[2], boxes[3]]);
}
