//! Pictures changed by chance: what comes through is whole, masked, the same to a second decoder, and never long in coming (IMG-09).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::collections::BTreeMap;

use common::{
    Act, Dice, Exif, all_kinds, evaluation_gate, jpeg, now, png, processor_seconds, shared_data, size, street,
};
use vaern_privacy::{Capture, ClearFrame, Refusal};

fn open(bytes: &[u8]) -> Result<ClearFrame, Refusal> {
    evaluation_gate(Act::See(vec![])).admit(Capture::unlocated(bytes.to_vec()), now()).map(|a| a.frame)
}

/// The second decoder's pixels, where it decodes at all: (width, height, RGB).
fn second_opinion(bytes: &[u8]) -> Option<(u16, u16, Vec<u8>)> {
    let decoded = std::panic::catch_unwind(|| {
        let mut decoder = jpeg_decoder::Decoder::new(bytes);
        let pixels = decoder.decode().ok()?;
        let info = decoder.info()?;
        let rgb = match info.pixel_format {
            jpeg_decoder::PixelFormat::RGB24 => pixels,
            jpeg_decoder::PixelFormat::L8 => pixels.iter().flat_map(|p| [*p; 3]).collect(),
            _ => return None,
        };
        Some((info.width, info.height, rgb))
    });
    decoded.ok().flatten()
}

/// The share of blocks of 16 by 16 pixels whose mean brightness two decoders see more than 20 levels apart. Means, because
/// decoders bring chroma to full size by different rules.
fn apart(ours: &[u8], theirs: &[u8], width: usize) -> f64 {
    let means = |rgb: &[u8]| {
        let mut blocks: BTreeMap<(usize, usize), (f64, f64)> = BTreeMap::new();
        for (at, pixel) in rgb.chunks_exact(3).enumerate() {
            let block = blocks.entry((at % width / 16, at / width / 16)).or_default();
            block.0 += f64::from(pixel[0]) * 0.299 + f64::from(pixel[1]) * 0.587 + f64::from(pixel[2]) * 0.114;
            block.1 += 1.0;
        }
        blocks.into_values().map(|(sum, count)| sum / count).collect::<Vec<f64>>()
    };
    let (ours, theirs) = (means(ours), means(theirs));
    ours.iter().zip(&theirs).filter(|(a, b)| (*a - *b).abs() > 20.0).count() as f64 / ours.len() as f64
}

#[test]
fn img_09p_two_decoders_see_one_picture() {
    for bytes in all_kinds() {
        let ours = open(&bytes).unwrap();
        let (width, height, theirs) = second_opinion(&bytes).expect("the second decoder refuses an honest picture");
        assert_eq!((ours.size().width(), ours.size().height()), (width, height));
        assert!(apart(ours.rgb(), &theirs, usize::from(width)) < 1e-9);
    }
}

/// Every kind of JPEG, one with an EXIF block, and PNGs; of these each checksum is set right again after a change, or no change
/// would be looked at.
fn kinds_to_change() -> Vec<Vec<u8>> {
    let frame = size(70, 50);
    let exif = Exif { orientation: Some(1), error_m: Some(4), ..Exif::default() };
    let more = [
        jpeg(&street(frame, 4), frame, &exif),
        png(&street(frame, 4), frame),
        png(&street(size(9, 40), 4), size(9, 40)),
    ];
    all_kinds().into_iter().chain(more).collect()
}

fn with_right_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.starts_with(b"\x89PNG") {
        return bytes;
    }
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes(head.try_into().unwrap()) as usize;
        let Some(chunk) = bytes.get(at + 4..end) else { break };
        let crc = common::crc(chunk).to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&crc);
        at = end + 4;
    }
    bytes
}

/// Mutants that come through must be the same picture to a second decoder (IMG-09), and hold no more than the first.
/// Gives how many there were, came through, could be compared, looked otherwise to the second decoder, and the longest in seconds of the processor.
fn mutants(seed: u64, each: usize) -> (usize, usize, usize, usize, f64) {
    // Every frame must be masked: a detector that always sees something.
    let gate = evaluation_gate(Act::See(vec![common::seen(vaern_privacy::PeopleClass::Face, 0.0, 0.0, 20.0, 20.0)]));
    let mut dice = Dice(seed);
    let (mut all, mut through, mut compared, mut other, mut slowest) = (0, 0, 0, 0, 0.0_f64);
    for bytes in kinds_to_change() {
        for _ in 0..each {
            let mut mutant = bytes.clone();
            for _ in 0..1 + dice.next() % 4 {
                let at = dice.next() as usize % mutant.len();
                mutant[at] =
                    if dice.next().is_multiple_of(2) { dice.byte() } else { mutant[at] ^ (1 << (dice.next() % 8)) };
            }
            all += 1;
            let mutant = with_right_checksums(mutant);
            let start = processor_seconds();
            let result = gate.admit(Capture::unlocated(mutant.clone()), now());
            slowest = slowest.max(processor_seconds() - start);
            let Ok(admitted) = result else { continue };
            through += 1;
            let frame = admitted.frame;
            assert_eq!(frame.rgb().len(), frame.size().rgb_bytes());
            assert!(!frame.masked().is_empty() && admitted.receipt.searched_tiles > 0);
            let corner = (5 * usize::from(frame.size().width()) + 5) * 3;
            if frame.size().width() > 20 && frame.size().height() > 20 {
                assert_eq!(&frame.rgb()[corner..corner + 3], &[40, 90, 160]);
            }
            // Compared unmasked: the mask would hide a difference.
            let (Ok(ours), Some((w, h, theirs))) = (open(&mutant), second_opinion(&mutant)) else { continue };
            compared += 1;
            assert_eq!((ours.size().width(), ours.size().height()), (w, h), "two decoders, two sizes");
            other += usize::from(apart(ours.rgb(), &theirs, usize::from(w)) > 0.05);
        }
    }
    (all, through, compared, other, slowest)
}

#[test]
fn img_09n_what_comes_through_is_the_same_picture_to_a_second_decoder() {
    let (all, through, compared, other, _) = mutants(77, 40);
    assert!(through > 20 && compared > 20, "{through} of {all} came through, {compared} compared");
    assert!(other * 50 <= compared, "{other} of {compared} look otherwise");
}

/// No file may keep the gate longer than this, in seconds of the processor: beyond is a hang.
const LONGEST_S: f64 = 2.0;

#[test]
fn img_09n_ten_thousand_mutants_and_the_nasty_folder() {
    let (all, through, compared, other, longest) = mutants(20_261_125, 700);
    println!(
        "{all} mutated pictures: no crash, the slowest {longest:.2} s of the processor; {through} came through whole and masked; of \
         {compared} that a second decoder reads, {other} look otherwise to it"
    );
    assert!(all >= 10_000 && other * 50 <= compared);
    assert!(longest < LONGEST_S, "{longest} s for one file");
    let Some(data) = shared_data("img_09n_ten_thousand_mutants_and_the_nasty_folder") else { return };
    let gate = evaluation_gate(Act::See(vec![common::seen(vaern_privacy::PeopleClass::Face, 0.0, 0.0, 20.0, 20.0)]));
    let (mut files, mut admitted, mut slowest) = (0, 0, 0.0_f64);
    for entry in std::fs::read_dir(data.join("dev/nasty")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let start = processor_seconds();
        let result = gate.admit(Capture::unlocated(bytes), now());
        slowest = slowest.max(processor_seconds() - start);
        files += 1;
        if let Ok(frame) = result {
            admitted += 1;
            assert!(!frame.frame.masked().is_empty());
        }
    }
    println!(
        "{files} nasty files: {admitted} whole frames, {} refusals, slowest {slowest:.2} s of the processor",
        files - admitted
    );
    assert!(slowest < LONGEST_S, "{slowest} s for one file");
}
