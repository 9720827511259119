//! The plugin against fake frames and fake models.

use vaern_sdk::testing::{FakeFrame, Grant};
use vaern_sdk::{Detection, ModelError, Plugin, PluginError, Region, Tensor};

use crate::{AGAIN, ContainerModel, LABELS, SPEC};

fn frame_with(rows: Vec<[f32; 8]>) -> FakeFrame {
    // What a model that sees the same in both looks says: the picture lies 12 pixels higher in the second.
    let again = rows.iter().map(|[x0, y0, x1, y1, scores @ ..]| {
        let [a, b, c, d] = *scores;
        [*x0, y0 - 12.0, *x1, y1 - 12.0, a, b, c, d]
    });
    let again = again.collect();
    frame_seen_twice(rows, again)
}

fn frame_seen_twice(first: Vec<[f32; 8]>, second: Vec<[f32; 8]>) -> FakeFrame {
    frame(move |picture| {
        // Row 0 is letterbox grey where the picture lies in the middle, and the picture's own where it lies on top.
        let rows = if picture.data[0] == 114.0 / 255.0 { &first } else { &second };
        Tensor { shape: vec![1, u32::try_from(rows.len()).unwrap(), 8], data: rows.concat() }
    })
}

fn frame_answering(boxes: Tensor) -> FakeFrame {
    frame(move |_| boxes.clone())
}

fn frame(answer: impl Fn(&Tensor) -> Tensor + 'static) -> FakeFrame {
    FakeFrame::filled(1280, 720, [90, 90, 90]).only(&[Grant::Models]).declaring(&[SPEC, AGAIN]).with_model(
        "container",
        move |inputs| {
            assert_eq!(inputs[0].shape, [1, 3, 384, 640]);
            Ok(vec![answer(&inputs[0])])
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
fn two_looks_at_one_container_are_joined_nearer_to_the_stronger() {
    let first = vec![row(100.0, 112.0, 200.0, 212.0, 0, 0.9)];
    let second = vec![row(110.0, 100.0, 210.0, 200.0, 0, 0.6)];
    let found = ContainerModel::detect(&frame_seen_twice(first, second)).unwrap();
    assert_eq!(found, [Detection { label: 0, region: Region { x: 208, y: 200, width: 200, height: 200 }, score: 191 }]);
}

#[test]
fn what_one_look_sees_alone_keeps_half_of_its_score() {
    let weak = row(100.0, 112.0, 200.0, 212.0, 0, 0.9);
    let sure = row(400.0, 112.0, 500.0, 212.0, 1, 1.0);
    let elsewhere = row(400.0, 300.0, 500.0, 350.0, 1, 0.9);
    for (first, second) in [(vec![weak, sure], vec![elsewhere]), (vec![elsewhere], vec![weak, sure])] {
        let found = ContainerModel::detect(&frame_seen_twice(first, second)).unwrap();
        assert_eq!(found.iter().map(|d| (d.label, d.region.x, d.score)).collect::<Vec<_>>(), [(1, 800, 128)]);
    }
}

#[test]
fn looks_that_name_it_otherwise_do_not_agree() {
    let called = |class| vec![row(100.0, 112.0, 200.0, 212.0, class, 0.9)];
    let moved = |class| vec![row(100.0, 100.0, 200.0, 200.0, class, 0.9)];
    assert_eq!(ContainerModel::detect(&frame_seen_twice(called(0), moved(3))), Ok(vec![]));
    assert_eq!(ContainerModel::detect(&frame_seen_twice(called(3), moved(3))).unwrap().len(), 1);
}

#[test]
fn a_frame_that_fills_the_tensor_is_looked_at_once() {
    let looks = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = std::rc::Rc::clone(&looks);
    let frame = FakeFrame::filled(640, 384, [90; 3]).with_model("container", move |_| {
        counted.set(counted.get() + 1);
        Ok(vec![Tensor { shape: vec![1, 1, 8], data: row(10.0, 22.0, 110.0, 122.0, 1, 0.9).to_vec() }])
    });
    let found = ContainerModel::detect(&frame).unwrap();
    assert_eq!(found, [Detection { label: 1, region: Region { x: 10, y: 22, width: 100, height: 100 }, score: 230 }]);
    assert_eq!(looks.get(), 1);
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
    assert_eq!(manifest.matches("size = { width = 640, height = 384 }").count(), 2);
    assert!(manifest.contains("fit = \"letterbox-centre\"") && manifest.contains("fit = \"letterbox-top-left\""));
    assert!(manifest.contains("capabilities = [\"models\"]"));
    assert_eq!(ContainerModel::describe().labels, LABELS);
}
