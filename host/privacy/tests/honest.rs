//! The honest neighbours of the hostile pictures: what stands right beside each attack of IMG-02 to IMG-13 is taken in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::{Act, Exif, evaluation_gate, gate, jpeg, jpeg_with, now, png, size, street};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vaern_privacy::{Capture, ClearFrame, PictureKind, Refusal};

fn open(bytes: Vec<u8>) -> Result<ClearFrame, Refusal> {
    evaluation_gate(Act::See(vec![])).admit(Capture::unlocated(bytes), now()).map(|a| a.frame)
}

/// Inserts a chunk before the picture data of a PNG.
fn with_chunk(png: &[u8], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let data = png.windows(4).position(|w| w == b"IDAT").unwrap() - 4;
    let mut chunk = (body.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(kind);
    chunk.extend_from_slice(body);
    let sum = chunk[4..].iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    chunk.extend_from_slice(&(!sum).to_be_bytes());
    [&png[..data], &chunk, &png[data..]].concat()
}

#[test]
fn img_02p_a_large_picture_within_the_bound_is_taken() {
    let frame = size(4096, 512);
    assert_eq!(open(jpeg_with(&street(frame, 3), frame, None, SamplingFactor::F_2_2, 60)).unwrap().size(), frame);
}

#[test]
fn img_03p_a_progressive_picture_with_an_encoders_scans_is_taken() {
    let frame = size(120, 90);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    encoder.set_progressive_scans(16);
    encoder.encode(&street(frame, 4), frame.width(), frame.height(), ColorType::Rgb).unwrap();
    assert_eq!(open(bytes).unwrap().size(), frame);
}

#[test]
fn img_04p_a_png_with_a_little_text_is_taken() {
    let frame = size(20, 20);
    let bytes = with_chunk(&png(&street(frame, 2), frame), b"tEXt", b"Comment\0a street");
    assert_eq!(open(bytes).unwrap().rgb(), street(frame, 2));
}

#[test]
fn img_05p_a_whole_exif_block_gives_its_fix() {
    let frame = size(32, 24);
    let gate = gate(Act::See(vec![]));
    let admitted =
        gate.admit(Capture::located_by_exif(jpeg(&street(frame, 1), frame, &Exif::default())), now()).unwrap();
    let position = *admitted.position.unwrap().open();
    assert!(
        (position.latitude() - common::HERE.0).abs() < 1e-6 && (position.longitude() - common::HERE.1).abs() < 1e-6
    );
}

#[test]
fn img_06p_grey_and_every_known_sampling_are_taken() {
    let frame = size(40, 30);
    for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2] {
        assert!(open(jpeg_with(&street(frame, 5), frame, None, sampling, 80)).is_ok());
    }
    let mut grey = Vec::new();
    Encoder::new(&mut grey, 90).encode(&[120; 40 * 30], 40, 30, ColorType::Luma).unwrap();
    assert!(open(grey).is_ok());
}

#[test]
fn img_08p_a_name_that_tells_the_truth_or_nothing_is_taken() {
    let frame = size(16, 16);
    for extension in ["png", "PNG", "dat", ""] {
        let capture =
            Capture::unlocated(png(&street(frame, 1), frame)).claiming(PictureKind::from_extension(extension));
        assert!(evaluation_gate(Act::See(vec![])).admit(capture, now()).is_ok(), "{extension}");
    }
}

#[test]
fn img_10p_colour_tags_do_not_move_a_pixel() {
    let frame = size(24, 16);
    let plain = png(&street(frame, 6), frame);
    let gamma = with_chunk(&plain, b"gAMA", &45_455_u32.to_be_bytes());
    assert_eq!(open(gamma).unwrap().rgb(), open(plain).unwrap().rgb());
    let bytes = jpeg_with(&street(frame, 6), frame, None, SamplingFactor::F_1_1, 90);
    // An ICC profile of a few bytes, as APP2.
    let mut tagged = bytes[..2].to_vec();
    tagged.extend_from_slice(b"\xFF\xE2\0\x14ICC_PROFILE\0\x01\x01ABCD");
    tagged.extend_from_slice(&bytes[2..]);
    assert_eq!(open(tagged).unwrap().rgb(), open(bytes).unwrap().rgb());
}

#[test]
fn img_13p_fill_bytes_before_a_marker_are_part_of_the_format() {
    let frame = size(24, 16);
    let bytes = jpeg_with(&street(frame, 6), frame, None, SamplingFactor::F_1_1, 90);
    let mut filled = bytes[..2].to_vec();
    filled.extend_from_slice(&[0xFF, 0xFF]);
    filled.extend_from_slice(&bytes[2..]);
    assert_eq!(open(filled).unwrap().rgb(), open(bytes).unwrap().rgb());
}
