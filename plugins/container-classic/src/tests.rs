//! The plugin against fake frames.

use vaern_sdk::testing::{FakeFrame, Grant};
use vaern_sdk::{Plugin, PluginError, Region};

use crate::ContainerClassic;
use crate::score::{NONE, Question, Tree, byte, leaf};

/// A street in four colours: sky, houses, pavement, road.
fn street() -> FakeFrame {
    let band = |y, height| Region { x: 0, y, width: 1280, height };
    FakeFrame::filled(1280, 720, [150, 170, 200])
        .painted(band(120, 240), [150, 120, 100])
        .painted(band(360, 100), [150, 148, 142])
        .painted(band(460, 260), [95, 95, 98])
}

#[test]
fn masked_people_are_no_containers() {
    // The gate fills people with one grey; the plugin must not answer with them, large or small, alone or in a crowd.
    let people =
        [(80, 300, 96, 256), (400, 352, 48, 112), (432, 352, 48, 112), (640, 272, 160, 400), (1000, 368, 32, 80)];
    let mut frame = street();
    for (x, y, width, height) in people {
        frame = frame.painted(Region { x, y, width, height }, [64, 64, 64]);
    }
    assert_eq!(ContainerClassic::detect(&frame), Ok(vec![]));
}

#[test]
fn frames_with_nothing_in_them_have_no_containers() {
    assert_eq!(ContainerClassic::detect(&street()), Ok(vec![]));
    for grey in [0, 64, 114, 255] {
        assert_eq!(ContainerClassic::detect(&FakeFrame::filled(1280, 720, [grey; 3])), Ok(vec![]));
    }
}

#[test]
fn frames_of_any_size_get_an_answer() {
    for (width, height) in [(1, 1), (1, 65_535), (3, 2), (320, 1), (319, 181), (1280, 720), (2000, 9)] {
        assert!(ContainerClassic::detect(&FakeFrame::filled(width, height, [90, 80, 70])).is_ok(), "{width}x{height}");
    }
}

#[test]
fn it_needs_pixels_and_nothing_else() {
    let frame = street();
    ContainerClassic::detect(&frame).unwrap();
    assert_eq!(frame.asked(), [Grant::Pixels]);
    assert_eq!(ContainerClassic::detect(&frame.only(&[Grant::Models])), Err(PluginError::Frame));
}

#[test]
fn a_tree_is_walked_by_its_answers() {
    let question = |least| Question { a: 0, b: NONE, least };
    let tree = Tree {
        questions: [question(50), question(25), question(75), question(12), question(37), question(62), question(87)],
        leaves: [0, 1, 2, 3, 4, 5, 6, 7],
    };
    let walk = |value: i32| leaf(&tree, |_| value);
    assert_eq!([0, 12, 30, 49, 50, 70, 80, 99].map(walk), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn scores_rise_from_the_threshold_and_stay_in_a_byte() {
    assert_eq!((byte(-5), byte(0)), (128, 128));
    let scores: Vec<u8> = (0..40).map(|i| byte(i * 400)).collect();
    assert!(scores.is_sorted() && scores[10] > 230, "{scores:?}");
    assert_eq!(byte(i32::MAX), 254);
}

#[test]
fn the_manifest_and_the_description_agree() {
    let manifest = include_str!("../vaern.toml");
    assert!(manifest.contains("labels = [\"affaldscontainer\"]"));
    assert!(manifest.contains("capabilities = [\"pixels\"]"));
    assert_eq!(ContainerClassic::describe().labels, ["affaldscontainer"]);
}
