//! The plugin against fake frames and fake models.

use vaern_sdk::testing::{FakeFrame, Grant};
use vaern_sdk::{Detection, Plugin, PluginError, Region, Tensor};

use crate::head::{Head, MARK, PLACE, WRITTEN};
use crate::{DetectorYolo, detect_with};

fn place(text: &str) -> Vec<u8> {
    let mut place = [MARK.as_slice(), text.as_bytes()].concat();
    place.resize(PLACE, b'#');
    place
}

fn text(layout: &str) -> String {
    format!(
        "layout {layout}\ntensor 64x32\nfit letterbox-top-left\nscale zero-to-255\nchannels bgr\nframe 1280x720\nthreshold 50\noverlap 45\nclasses 3\nlabels byggecontainer glascontainer\nkept 1:1 2:0\nend\n"
    )
}

fn head(layout: &str) -> Head {
    Head::read(&place(&text(layout))).unwrap()
}

fn answering(head: &Head, answer: Tensor) -> FakeFrame {
    FakeFrame::filled(128, 64, [90, 90, 90])
        .only(&[Grant::Models])
        .declaring(&[head.spec])
        .with_model("detector", move |_| Ok(vec![answer.clone()]))
}

/// The 42 cells of a 64x32 tensor: 8x4 of stride 8, 4x2 of stride 16, 2x1 of stride 32.
fn cells(change: &[(usize, [f32; 8])]) -> Tensor {
    let mut rows = vec![[0.0_f32; 8]; 42];
    change.iter().for_each(|(at, row)| rows[*at] = *row);
    Tensor { shape: vec![1, 42, 8], data: rows.concat() }
}

#[test]
fn a_cell_s_box_is_scaled_by_its_stride_and_scored_by_both_numbers() {
    let head = head("grid");
    // Cell (3, 1) of stride 8, one and a half strides wide; a class that does not count; one that is too weak.
    let tensor = cells(&[
        (11, [0.5, 0.5, 1.5_f32.ln(), 0.0, 0.9, 0.0, 0.0, 0.8]),
        (20, [0.5, 0.5, 0.0, 0.0, 0.9, 0.9, 0.0, 0.0]),
        (33, [0.5, 0.5, 0.0, 0.0, 0.6, 0.0, 0.6, 0.0]),
    ]);
    let frame = answering(&head, tensor);
    let found = detect_with(&head, &frame).unwrap();
    assert_eq!(found, [Detection { label: 0, region: Region { x: 44, y: 16, width: 24, height: 16 }, score: 184 }]);
    assert_eq!(frame.asked(), [Grant::Models], "pixel-blind");
}

#[test]
fn columns_are_read_downwards() {
    let head = head("columns");
    let boxes: [[f32; 7]; 2] = [[32.0, 16.0, 16.0, 8.0, 0.9, 0.6, 0.7], [10.0, 10.0, 4.0, 4.0, 0.1, 0.1, f32::NAN]];
    let data: Vec<f32> = (0..7).flat_map(|row| boxes.iter().map(move |b| b[row])).collect();
    let frame = answering(&head, Tensor { shape: vec![1, 7, 2], data });
    let found = detect_with(&head, &frame).unwrap();
    assert_eq!(found, [Detection { label: 0, region: Region { x: 48, y: 24, width: 32, height: 16 }, score: 179 }]);
}

#[test]
fn an_answer_of_another_shape_is_an_error() {
    let grid = head("grid");
    for (shape, values) in [(vec![1, 41, 8], 328), (vec![1, 42, 9], 378), (vec![42, 8], 336), (vec![1, 42, 8], 335)] {
        let frame = answering(&grid, Tensor { shape, data: vec![0.0; values] });
        assert_eq!(detect_with(&grid, &frame), Err(PluginError::Model));
    }
}

#[test]
fn a_text_in_any_other_form_is_no_head() {
    let good = text("grid");
    for (from, to) in [
        ("layout grid", "layout other"),
        ("tensor 64x32", "tensor 64"),
        ("tensor 64x32", "tensor 0x32"),
        ("threshold 50", "threshold 0"),
        ("overlap 45", "overlap 101"),
        ("kept 1:1 2:0", "kept 3:0"),
        ("kept 1:1 2:0", "kept 1:2"),
        ("kept 1:1 2:0", "kept 1"),
        ("end", "more"),
    ] {
        assert!(good.contains(from));
        assert_eq!(Head::read(&place(&good.replace(from, to))), None, "{to}");
    }
    assert_eq!(Head::read(good.as_bytes()), None, "no mark");
}

#[test]
fn what_nobody_wrote_to_finds_nothing_and_agrees_with_no_manifest() {
    assert!(WRITTEN.starts_with(MARK) && WRITTEN[MARK.len()..].iter().all(|b| *b == b'#'));
    assert!(DetectorYolo::describe().labels.is_empty());
    assert_eq!(DetectorYolo::detect(&FakeFrame::filled(8, 8, [0; 3])), Err(PluginError::Other));
}
