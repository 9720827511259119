//! Packed pixels of a PNG that are not exactly those of its picture: IMG-04, IMG-13.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::{Act, crc, evaluation_gate, now, size};
use vaern_privacy::{Capture, ClearFrame, DecodeFault, Refusal};

fn open(bytes: &[u8]) -> Result<ClearFrame, Refusal> {
    evaluation_gate(Act::See(vec![])).admit(Capture::unlocated(bytes.to_vec()), now()).map(|a| a.frame)
}

/// A PNG around these packed pixels, every checksum of a chunk right. `kind` is depth, colour and interlace.
fn packed_png(width: u32, height: u32, [depth, colour, interlace]: [u8; 3], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], body: &[u8]| {
        let mut whole = kind.to_vec();
        whole.extend_from_slice(body);
        let crc = crc(&whole);
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(&whole);
        out.extend_from_slice(&crc.to_be_bytes());
    };
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[depth, colour, 0, 0, interlace]);
    chunk(b"IHDR", &header);
    parts.iter().for_each(|part| chunk(b"IDAT", part));
    chunk(b"IEND", &[]);
    out
}

fn packed(raw: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(raw, 6)
}

const RGB: [u8; 3] = [8, 2, 0];

#[test]
fn img_04n_packed_pixels_are_exactly_those_of_the_picture() {
    let row = [&[0_u8][..], &[90; 16 * 3]].concat();
    let honest = packed(&row.repeat(8));
    assert_eq!(open(&packed_png(16, 8, RGB, &[&honest])).unwrap().size(), size(16, 8));
    // Far more than the picture holds, in one part and behind the honest ones.
    for surplus in [1, 50_000_000] {
        let bomb = packed(&[row.repeat(8), vec![0; surplus]].concat());
        assert_eq!(open(&packed_png(16, 8, RGB, &[&bomb])).unwrap_err(), Refusal::ExpansionLimit, "{surplus}");
        let (first, rest) = bomb.split_at(honest.len() / 2);
        assert_eq!(open(&packed_png(16, 8, RGB, &[first, rest])).unwrap_err(), Refusal::ExpansionLimit);
    }
    let short = packed(&row.repeat(7));
    assert_eq!(open(&packed_png(16, 8, RGB, &[&short])).unwrap_err(), Refusal::Truncated);
}

#[test]
fn img_04p_every_kind_of_png_unpacks_to_the_size_that_its_header_tells() {
    // Samples of a pixel by colour, and the depths that go with it.
    let kinds: [(u8, u64, &[u8]); 4] =
        [(0, 1, &[1, 2, 4, 8, 16]), (2, 3, &[8, 16]), (4, 2, &[8, 16]), (6, 4, &[8, 16])];
    for (width, height) in [(1_u64, 1_u64), (7, 5), (33, 9)] {
        for (colour, samples, depths) in kinds {
            for depth in depths {
                let row = 1 + (width * samples * u64::from(*depth)).div_ceil(8);
                let raw = packed(&vec![0; (row * height) as usize]);
                let (one, two) = raw.split_at(raw.len() / 2);
                let bytes = packed_png(width as u32, height as u32, [*depth, colour, 0], &[one, &[], two]);
                assert!(open(&bytes).is_ok(), "colour {colour}, depth {depth}, {width} x {height}");
            }
        }
        // Seven passes, counted by hand: each takes every so many columns and rows from its first.
        let mut raw = 0;
        for (x0, y0, dx, dy) in
            [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        {
            let across = (x0..width).step_by(dx).count();
            let down = (y0..height).step_by(dy).count();
            raw += if across == 0 { 0 } else { down * (1 + across * 3) };
        }
        let raw = packed(&vec![0; raw]);
        assert!(
            open(&packed_png(width as u32, height as u32, [8, 2, 1], &[&raw])).is_ok(),
            "{width} x {height}, interlaced"
        );
    }
}

#[test]
fn img_13n_a_png_without_its_checksum_or_with_more_behind_it() {
    let honest = packed(&[&[0_u8][..], &[90; 16 * 3]].concat().repeat(8));
    for cut in 1..=4 {
        let cut = &honest[..honest.len() - cut];
        assert_eq!(open(&packed_png(16, 8, RGB, &[cut])).unwrap_err(), Refusal::Truncated);
    }
    let mut wrong = honest.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(open(&packed_png(16, 8, RGB, &[&wrong])).unwrap_err(), DecodeFault::Decoder.into());
    for parts in [&[&[&honest[..], b"hidden"].concat()[..]][..], &[&honest, b"hidden"]] {
        assert_eq!(open(&packed_png(16, 8, RGB, parts)).unwrap_err(), Refusal::DecodeWarning);
    }
}
