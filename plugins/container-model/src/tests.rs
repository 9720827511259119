//! The plugin against fake frames and fake models.

use vaern_sdk::testing::{FakeFrame, Grant};
use vaern_sdk::{Detection, ModelError, Plugin, PluginError, Region, Tensor};

use crate::{ContainerModel, LABELS, SPEC};

fn frame_with(rows: Vec<[f32; 8]>) -> FakeFrame {
    frame_answering(Tensor { shape: vec![1, u32::try_from(rows.len()).unwrap(), 8], data: rows.concat() })
}

fn frame_answering(boxes: Tensor) -> FakeFrame {
    FakeFrame::filled(1280, 720, [90, 90, 90]).only(&[Grant::Models]).declaring(&[SPEC]).with_model(
        "container",
        move |inputs| {
            assert_eq!(inputs[0].shape, [1, 3, 384, 640]);
            Ok(vec![boxes.clone()])
        },
    )
}

fn row(x0: f32, y0: f32, x1: f32, y1: f32, class: usize, p: f32) -> [f32; 8] {
    let mut row = [x0, y0, x1, y1, 0.0, 0.0, 0.0, 0.0];
    row[4 + class] = p;
    row
}

#[test]
fn a_box_is_mapped_back_to_the_frame_and_scored() {
    let frame = frame_with(vec![row(10.0, 22.0, 110.0, 122.0, 1, 0.9), row(300.0, 50.0, 320.0, 90.0, 3, 0.39)]);
    let found = ContainerModel::detect(&frame).unwrap();
    assert_eq!(found, [Detection { label: 1, region: Region { x: 20, y: 20, width: 200, height: 200 }, score: 230 }]);
    assert_eq!(frame.asked(), [Grant::Models], "pixel-blind");
}

#[test]
fn one_container_is_one_detection() {
    let frame = frame_with(vec![
        row(100.0, 100.0, 200.0, 200.0, 0, 0.8),
        row(104.0, 100.0, 204.0, 200.0, 0, 0.9),
        row(102.0, 100.0, 202.0, 200.0, 3, 0.7),
        row(400.0, 100.0, 500.0, 200.0, 3, 0.7),
    ]);
    let found = ContainerModel::detect(&frame).unwrap();
    assert_eq!(
        found.iter().map(|d| (d.label, d.region.x, d.score)).collect::<Vec<_>>(),
        [(0, 208, 230), (3, 800, 179)]
    );
}

#[test]
fn boxes_are_clipped_and_what_is_left_of_nothing_is_dropped() {
    let frame = frame_with(vec![
        row(-40.0, -40.0, 50.0, 50.0, 2, 0.5),
        row(0.0, 0.0, 640.0, 11.0, 0, 0.9),
        row(50.0, 50.0, 40.0, 60.0, 0, 0.9),
        row(1e30, 50.0, 2e30, 60.0, 0, 0.9),
    ]);
    let found = ContainerModel::detect(&frame).unwrap();
    assert_eq!(found, [Detection { label: 2, region: Region { x: 0, y: 0, width: 100, height: 76 }, score: 128 }]);
}

#[test]
fn probabilities_past_one_are_certain_and_no_more() {
    let found = ContainerModel::detect(&frame_with(vec![row(10.0, 22.0, 110.0, 122.0, 0, 7.0)])).unwrap();
    assert_eq!(found[0].score, 255);
}

#[test]
fn an_answer_of_another_shape_is_an_error_and_not_a_guess() {
    let tensor = |shape: &[u32], length| Tensor { shape: shape.to_vec(), data: vec![0.5; length] };
    for wrong in
        [tensor(&[1, 2, 9], 18), tensor(&[2, 1, 8], 16), tensor(&[1, 2, 4], 8), tensor(&[16], 16), tensor(&[], 1)]
    {
        let shape = wrong.shape.clone();
        assert_eq!(ContainerModel::detect(&frame_answering(wrong)), Err(PluginError::Model), "{shape:?}");
    }
    let fewer_classes = tensor(&[1, 1, 6], 6);
    assert!(ContainerModel::detect(&frame_answering(fewer_classes)).is_ok());
    assert_eq!(ContainerModel::detect(&frame_with(vec![])), Ok(vec![]));
}

#[test]
fn values_that_are_no_numbers_never_become_boxes() {
    let good = row(10.0, 22.0, 110.0, 122.0, 0, 0.9);
    for at in 0..5 {
        let mut bad = good;
        bad[at] = f32::NAN;
        // The host refuses such an answer; the plugin does not rely on it.
        let candidates = crate::decode(&Tensor { shape: vec![1, 2, 8], data: [bad, good].concat() }).unwrap();
        let kept = vaern_sdk::suppress(candidates, 0.45, vaern_sdk::Suppress::SameLabel);
        assert_eq!(kept.len(), 1, "{at}");
        assert!((kept[0].score - 0.9).abs() < 1e-6);
    }
}

#[test]
fn a_model_that_fails_is_the_models_fault() {
    let frame = FakeFrame::filled(64, 64, [0; 3]).with_model("container", |_| Err(ModelError::Failed));
    assert_eq!(ContainerModel::detect(&frame), Err(PluginError::Model));
    assert_eq!(ContainerModel::detect(&FakeFrame::filled(64, 64, [0; 3])), Err(PluginError::Model));
    let none = FakeFrame::filled(64, 64, [0; 3]).with_model("container", |_| Ok(vec![]));
    assert_eq!(ContainerModel::detect(&none), Err(PluginError::Model));
}

#[test]
fn a_flood_of_boxes_is_bounded() {
    let rows =
        (0..20_000_u16).map(|i| row(f32::from(i % 600), 50.0, f32::from(i % 600) + 30.0, 90.0, 0, 0.9)).collect();
    let found = ContainerModel::detect(&frame_with(rows)).unwrap();
    assert!(!found.is_empty() && found.len() < 100, "{}", found.len());
}

#[test]
fn the_manifest_and_the_description_agree() {
    let manifest = include_str!("../vaern.toml");
    let labels = format!("labels = [{}]", LABELS.iter().map(|l| format!("{l:?}")).collect::<Vec<_>>().join(", "));
    assert!(manifest.contains(&labels));
    assert!(manifest.contains("size = { width = 640, height = 384 }"));
    assert!(manifest.contains("capabilities = [\"models\"]"));
    assert_eq!(ContainerModel::describe().labels, LABELS);
}
