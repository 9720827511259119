//! Broken, odd and hostile pictures: IMG-01 to IMG-13. Every one is a named refusal or a whole frame.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use common::{
    Act, Dice, Exif, all_kinds, encoded, evaluation_gate, jpeg, jpeg_with, now, png, shared_data, size, street,
};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vaern_privacy::{Bound, Capture, ClearFrame, Gate, NoFix, PictureKind, Refusal, StructureFault, Variant};

fn eval() -> Gate {
    evaluation_gate(Act::See(vec![]))
}

fn open(bytes: &[u8]) -> Result<ClearFrame, Refusal> {
    eval().admit(Capture::unlocated(bytes.to_vec()), now()).map(|a| a.frame)
}

/// Where a marker stands in the headers.
fn marker(bytes: &[u8], code: u8) -> usize {
    let mut at = 2;
    while bytes[at + 1] != code {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    }
    at
}

#[test]
fn img_01p_whole_pictures_of_every_kind_pass() {
    for bytes in all_kinds() {
        assert_eq!(open(&bytes).unwrap().size(), size(70, 50));
    }
    let frame = size(33, 21);
    assert_eq!(open(&png(&street(frame, 2), frame)).unwrap().rgb(), street(frame, 2));
}

#[test]
fn img_01n_truncated_at_every_byte() {
    for bytes in all_kinds() {
        for end in 0..bytes.len() {
            let refused = open(&bytes[..end]).unwrap_err();
            assert!(matches!(refused, Refusal::Truncated | Refusal::NotAPicture), "at {end}: {refused:?}");
        }
    }
}

#[test]
fn img_01n_an_end_marker_after_the_cut_does_not_help() {
    for bytes in all_kinds() {
        let scan = marker(&bytes, 0xDA) + 14;
        for end in scan..bytes.len() - 2 {
            let mut cut = bytes[..end].to_vec();
            cut.extend_from_slice(&[0xFF, 0xD9]);
            assert!(open(&cut).is_err(), "a cut at {end} of {} came through", bytes.len());
        }
    }
}

#[test]
fn img_01n_png_truncated_at_every_byte() {
    let frame = size(20, 20);
    let bytes = png(&street(frame, 2), frame);
    for end in 0..bytes.len() {
        assert!(open(&bytes[..end]).is_err(), "at {end}");
    }
}

#[test]
fn img_02n_a_header_of_65535_squared_is_refused_before_allocation() {
    let mut bytes = encoded(false, None, SamplingFactor::F_2_2);
    let at = marker(&bytes, 0xC0);
    bytes[at + 5..at + 9].copy_from_slice(&[0xFF; 4]);
    assert_eq!(open(&bytes).unwrap_err(), Refusal::TooLarge(Bound::Pixels));
    let mut bytes = png(&[0; 3], size(1, 1));
    bytes[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
    assert_eq!(open(&bytes).unwrap_err(), Refusal::TooLarge(Bound::Pixels));
}

#[test]
fn img_03n_thousands_of_scans() {
    let bytes = encoded(false, None, SamplingFactor::F_1_1);
    let scan = marker(&bytes, 0xDA);
    let mut many = bytes[..bytes.len() - 2].to_vec();
    for _ in 0..3000 {
        many.extend_from_slice(&bytes[scan..scan + 14]);
        many.push(0);
    }
    many.extend_from_slice(&[0xFF, 0xD9]);
    assert_eq!(open(&many).unwrap_err(), Refusal::ScanLimit);
}

#[test]
fn img_04n_png_bombs_and_animations() {
    // An animation control chunk before the picture data.
    let bytes = png(&[7; 12], size(2, 2));
    let data = bytes.windows(4).position(|w| w == b"IDAT").unwrap() - 4;
    let mut animated = bytes[..data].to_vec();
    animated.extend_from_slice(&[0, 0, 0, 8]);
    animated.extend_from_slice(b"acTL\0\0\0\x02\0\0\0\0\0\0\0\0");
    animated.extend_from_slice(&bytes[data..]);
    assert_eq!(open(&animated).unwrap_err(), Refusal::Animated);
    let mut text = bytes[..data].to_vec();
    text.extend_from_slice(&2000_u32.to_be_bytes());
    text.extend_from_slice(b"zTXt");
    text.extend_from_slice(&[0; 2004]);
    text.extend_from_slice(&bytes[data..]);
    assert_eq!(open(&text).unwrap_err(), Refusal::ExpansionLimit);
}

#[test]
fn img_06n_variants_are_named() {
    let kind = |bytes: &[u8]| open(bytes).unwrap_err();
    let base = encoded(false, None, SamplingFactor::F_1_1);
    let at = marker(&base, 0xC0);
    let with = |offset: usize, value: u8| {
        let mut bytes = base.clone();
        bytes[at + offset] = value;
        bytes
    };
    assert_eq!(kind(&with(4, 12)), Variant::Precision.into());
    assert_eq!(kind(&with(1, 0xC3)), Variant::Lossless.into());
    assert_eq!(kind(&with(1, 0xC9)), Variant::Arithmetic.into());
    assert_eq!(kind(&with(1, 0xC5)), Variant::Hierarchical.into());
    // 4:1:1: blocks of 32 pixels.
    assert_eq!(kind(&with(11, 0x41)), Variant::Sampling.into());
    let mut tall = base.clone();
    tall[at + 5..at + 7].copy_from_slice(&[0, 0]);
    assert_eq!(kind(&tall), Variant::LateHeight.into());
    let mut cmyk = Vec::new();
    Encoder::new(&mut cmyk, 80).encode(&[9; 16 * 16 * 4], 16, 16, ColorType::Cmyk).unwrap();
    assert_eq!(kind(&cmyk), Variant::Cmyk.into());
    // Grey is honest.
    let mut grey = Vec::new();
    Encoder::new(&mut grey, 90).encode(&[77; 20 * 10], 20, 10, ColorType::Luma).unwrap();
    let frame = open(&grey).unwrap();
    assert!(frame.rgb().chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2] && p[0].abs_diff(77) < 3));
}

#[test]
fn img_07n_trailing_bytes_are_tolerated_and_never_appear() {
    let secret = b"PK\x03\x04<html>a second life of this file</html>";
    let mut bytes = encoded(false, None, SamplingFactor::F_2_2);
    let clean = open(&bytes).unwrap();
    bytes.extend_from_slice(secret);
    let frame = open(&bytes).unwrap();
    assert_eq!(frame.rgb(), clean.rgb());
    let out = frame.encode_jpeg(90).unwrap();
    assert!(!out.windows(8).any(|w| w == &secret[8..16]));
}

#[test]
fn img_08n_types_are_told_by_their_bytes() {
    let claims = |bytes: &[u8], extension: &str| {
        let capture = Capture::unlocated(bytes.to_vec()).claiming(PictureKind::from_extension(extension));
        eval().admit(capture, now()).map(|_| ())
    };
    assert_eq!(claims(b"Dear reader, this is a text.", "jpg"), Err(Refusal::NotAPicture));
    assert_eq!(claims(b"", "jpg"), Err(Refusal::NotAPicture));
    let frame = size(8, 8);
    let picture = png(&street(frame, 1), frame);
    assert_eq!(claims(&picture, "jpg"), Err(Refusal::TypeMismatch));
    assert_eq!(claims(&picture, "PNG"), Ok(()));
    assert_eq!(claims(&encoded(false, None, SamplingFactor::F_1_1), "JPEG"), Ok(()));
}

#[test]
fn img_09n_restart_markers_out_of_order() {
    let bytes = encoded(false, Some(3), SamplingFactor::F_2_2);
    let scan = marker(&bytes, 0xDA) + 14;
    let first = scan + bytes[scan..].windows(2).position(|w| w == [0xFF, 0xD0]).unwrap();
    let mut wrong = bytes.clone();
    wrong[first + 1] = 0xD3;
    assert_eq!(open(&wrong).unwrap_err(), StructureFault::Restart.into());
    let mut gone = bytes.clone();
    gone.drain(first..first + 2);
    assert!(open(&gone).is_err());
}

#[test]
fn img_10n_unknown_orientations_are_refused() {
    let frame = size(16, 8);
    let turned = |code| jpeg(&street(frame, 1), frame, &Exif { orientation: Some(code), ..Exif::default() });
    assert_eq!(open(&turned(0)).unwrap_err(), Variant::Orientation.into());
    assert_eq!(open(&turned(9)).unwrap_err(), Variant::Orientation.into());
    for code in 1..=8 {
        let expected = if code >= 5 { size(8, 16) } else { frame };
        assert_eq!(open(&turned(code)).unwrap().size(), expected);
    }
    // Two EXIF blocks may disagree about it.
    let bytes = turned(6);
    let app1 = marker(&bytes, 0xE1);
    let end = app1 + 2 + usize::from(u16::from_be_bytes([bytes[app1 + 2], bytes[app1 + 3]]));
    let mut double = bytes[..end].to_vec();
    double.extend_from_slice(&bytes[app1..end]);
    double.extend_from_slice(&bytes[end..]);
    assert_eq!(open(&double).unwrap_err(), NoFix::Ambiguous.into());
}

#[test]
fn img_05n_a_broken_exif_block_is_no_fix() {
    let frame = size(16, 8);
    let good = jpeg(&street(frame, 1), frame, &Exif::default());
    let app1 = marker(&good, 0xE1);
    let mut dice = Dice(99);
    let mut refused = 0;
    for _ in 0..2000 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            let at = app1 + 10 + dice.next() as usize % 200;
            bytes[at] = dice.byte();
        }
        refused += usize::from(open(&bytes).is_err());
    }
    assert!(refused > 100, "{refused}");
    let mut cycle = good.clone();
    // The next-IFD pointer of IFD0 leads back to IFD0.
    let tiff = app1 + 10;
    let big = cycle[tiff..tiff + 2] == *b"MM";
    let read = |b: &[u8]| if big { u16::from_be_bytes([b[0], b[1]]) } else { u16::from_le_bytes([b[0], b[1]]) };
    let entries = usize::from(read(&cycle[tiff + 8..tiff + 10]));
    let next = tiff + 10 + entries * 12;
    let eight = if big { 8_u32.to_be_bytes() } else { 8_u32.to_le_bytes() };
    cycle[next..next + 4].copy_from_slice(&eight);
    assert_eq!(open(&cycle).unwrap_err(), NoFix::ExifMalformed.into());
}

#[test]
fn img_12n_odd_sizes_come_out_right_or_not_at_all() {
    for (w, h) in [(1, 1), (1, 9), (9, 1), (17, 3), (3, 17), (16, 16), (8, 8), (33, 31)] {
        let frame = size(w, h);
        let rgb = street(frame, 3);
        assert_eq!(open(&png(&rgb, frame)).unwrap().rgb(), rgb);
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2] {
            let out = open(&jpeg_with(&rgb, frame, None, sampling, 95)).unwrap();
            assert_eq!((out.size(), out.rgb().len()), (frame, frame.rgb_bytes()));
            assert!(out.encode_jpeg(80).is_ok());
        }
    }
    let mut zero = encoded(false, None, SamplingFactor::F_1_1);
    let at = marker(&zero, 0xC0);
    zero[at + 7..at + 9].copy_from_slice(&[0, 0]);
    assert_eq!(open(&zero).unwrap_err(), StructureFault::FrameHeader.into());
}

#[test]
fn img_13n_what_decoders_only_warn_about_is_refused() {
    let bytes = encoded(false, None, SamplingFactor::F_2_2);
    let mut extra = bytes[..bytes.len() - 2].to_vec();
    extra.extend_from_slice(&[1, 2, 3, 4, 0xFF, 0xD9]);
    assert_eq!(open(&extra).unwrap_err(), Refusal::DecodeWarning);
    let at = marker(&bytes, 0xDB);
    let mut stray = bytes[..at].to_vec();
    stray.extend_from_slice(&[0, 1, 2]);
    stray.extend_from_slice(&bytes[at..]);
    assert_eq!(open(&stray).unwrap_err(), StructureFault::StrayBytes.into());
}

#[test]
fn mutated_pictures_never_panic_and_never_come_out_by_half() {
    let gate = eval();
    let mut dice = Dice(20_260_601);
    for bytes in all_kinds() {
        for _ in 0..250 {
            let mut mutant = bytes.clone();
            for _ in 0..1 + dice.next() % 4 {
                let at = dice.next() as usize % mutant.len();
                mutant[at] = dice.byte();
            }
            if let Ok(admitted) = gate.admit(Capture::unlocated(mutant), now()) {
                assert_eq!(admitted.frame.rgb().len(), admitted.frame.size().rgb_bytes());
            }
        }
    }
}

#[test]
fn the_nasty_folder_ends_in_refusals_or_whole_frames() {
    let Some(data) = shared_data("the_nasty_folder_ends_in_refusals_or_whole_frames") else { return };
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("dev/nasty_index.json")).unwrap()).unwrap();
    let gate = eval();
    let (mut admitted, mut counts, mut seen) = (0, BTreeMap::new(), 0);
    for entry in std::fs::read_dir(data.join("dev/nasty")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let start = Instant::now();
        let result = gate.admit(Capture::unlocated(std::fs::read(&path).unwrap()), now());
        let seconds = start.elapsed().as_secs_f64();
        println!("{file}: {:?} in {seconds:.2} s", result.as_ref().map(|a| a.frame.size()));
        seen += 1;
        match result {
            Ok(frame) => {
                admitted += 1;
                // Another decoder must have seen a whole picture of the same area.
                let other = &index[&file];
                assert_eq!(other["pillow_decode"], "ok", "{file} came through");
                let area = other["width"].as_u64().unwrap() * other["height"].as_u64().unwrap();
                assert_eq!(frame.frame.size().pixels() as u64, area, "{file}");
            }
            Err(refusal) => *counts.entry((refusal.reason(), refusal.detail())).or_insert(0) += 1,
        }
    }
    println!("{admitted} of {seen} admitted; refused: {counts:?}");
    assert!(seen > 100 && admitted > 20, "{admitted} of {seen}");
}

#[test]
fn every_honest_street_picture_of_the_shared_data_is_taken() {
    let Some(data) = shared_data("every_honest_street_picture_of_the_shared_data_is_taken") else { return };
    let gate = eval();
    let mut refused = Vec::new();
    for folder in ["dev/street", "dev/containers"] {
        for entry in std::fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let capture = Capture::unlocated(std::fs::read(&path).unwrap());
            if let Err(refusal) = gate.admit(capture, now()) {
                refused.push((path.file_name().unwrap().to_owned(), refusal));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:?}");
}
