//! T9: whatever goes wrong, nothing is let out.

use std::time::Duration;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vaern_door::Size;
use vaern_privacy::{Capture, PeopleClass};
use vaern_scenes::{Dice, ExifBlock, ExifEntry, ExifValue};

use crate::container::segments;
use crate::masker::{Masker, Refused};
use crate::noise::texture;
use crate::ours::{Act, CAMERA, OurGate, POLICY, SetupError, evaluation};
use crate::verdict::{Figure, TestId, Verdict};

pub(crate) fn honest(seed: u64) -> Result<Vec<u8>, Refused> {
    let size = Size::new(96, 64).map_err(|e| Refused(e.to_string()))?;
    Ok(texture(size, &mut Dice::new(seed)).jpeg(SamplingFactor::F_2_2, 88)?)
}

/// Puts an EXIF block with this orientation in front.
pub(crate) fn with_orientation(file: &[u8], code: u16) -> Vec<u8> {
    let block =
        ExifBlock { primary: vec![ExifEntry::new(0x0112, ExifValue::Short(vec![code]))], ..ExifBlock::default() };
    let body = [b"Exif\0\0".as_slice(), &block.to_tiff()].concat();
    let mut out = file.get(..2).unwrap_or_default().to_vec();
    out.extend_from_slice(&[0xFF, 0xE1]);
    out.extend_from_slice(&u16::try_from(body.len() + 2).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(&body);
    out.extend_from_slice(file.get(2..).unwrap_or_default());
    out
}

/// A PNG of 16 by 8 pixels whose packed pixels are stored as they are, with more behind them; without any, their checksum is left out.
fn packed_png(more: &[u8]) -> Result<Vec<u8>, Refused> {
    let fail = |e: png::EncodingError| Refused(e.to_string());
    let pixels = [vec![0; (1 + 16 * 3) * 8], more.to_vec()].concat();
    let length = pixels.len() as u16;
    // One stored block: its length, the same inverted, the bytes; then their Adler-32.
    let mut packed = vec![0x78, 0x01, 1];
    packed.extend_from_slice(&length.to_le_bytes());
    packed.extend_from_slice(&(!length).to_le_bytes());
    packed.extend_from_slice(&pixels);
    if !more.is_empty() {
        let add =
            |(a, b): (u32, u32), byte: &u8| ((a + u32::from(*byte)) % 65_521, (a + u32::from(*byte) + b) % 65_521);
        let (a, b) = pixels.iter().fold((1, 0), add);
        packed.extend_from_slice(&(b << 16 | a).to_be_bytes());
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 16, 8);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(fail)?;
    writer.write_chunk(png::chunk::IDAT, &packed).map_err(fail)?;
    // Without pixels of its own the writer does not end the file; it has written what is asked of it.
    drop(writer);
    if !out.windows(4).any(|w| w == b"IEND") {
        out.extend_from_slice(&[0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82]);
    }
    Ok(out)
}

/// Files that no masking may let through, each with what is wrong with it.
///
/// # Errors
/// [`Refused`] where a picture to be broken could not be encoded.
pub fn file_faults() -> Result<Vec<(&'static str, Vec<u8>)>, Refused> {
    let whole = honest(1)?;
    let at = |marker: u8| segments(&whole).into_iter().find(|s| s.marker == marker).map_or(0..0, |s| s.body);
    let (frame, scan) = (at(0xC0), at(0xDA));
    let patched = |at: usize, value: &[u8]| {
        let mut bytes = whole.clone();
        bytes.splice(at..at + value.len(), value.iter().copied());
        bytes
    };
    let middle = scan.end + (whole.len() - scan.end) / 2;
    let mut stray = whole.clone();
    stray.splice(frame.start - 4..frame.start - 4, *b"stray");
    let mut cmyk = Vec::new();
    Encoder::new(&mut cmyk, 80)
        .encode(&[9; 16 * 16 * 4], 16, 16, ColorType::Cmyk)
        .map_err(|e| Refused(e.to_string()))?;
    Ok(vec![
        ("no picture", b"GIF89a, or so it says".to_vec()),
        ("an empty file", Vec::new()),
        ("cut off in the middle", whole[..middle].to_vec()),
        ("cut off, with an end marker", [&whole[..middle], &[0xFF, 0xD9]].concat()),
        ("bytes between segments, a decoder's warning", stray),
        ("unknown orientation", with_orientation(&whole, 9)),
        ("four colours", cmyk),
        ("12 bits a sample", patched(frame.start, &[12])),
        ("height zero", patched(frame.start + 1, &[0, 0])),
        ("65535 x 65535", patched(frame.start + 1, &[0xFF; 4])),
        ("a PNG with more pixels than it has room for", packed_png(&[200])?),
        ("a PNG without the checksum of its pixels", packed_png(&[])?),
    ])
}

/// T9 on files, for any masker: a broken or doubtful file gives nothing. The honest file beside them must come through.
#[must_use]
pub fn t9_files(masker: &dyn Masker) -> Verdict {
    let faults = match file_faults() {
        Ok(faults) => faults,
        Err(refused) => return Verdict::of(TestId::T9, false, Vec::new(), refused.to_string()),
    };
    let out: Vec<&str> =
        faults.iter().filter(|(_, file)| masker.mask(file, &[]).is_ok()).map(|(what, _)| *what).collect();
    let honest = honest(1).is_ok_and(|file| masker.mask(&file, &[]).is_ok());
    let figures = vec![
        Figure::new("faults", faults.len() as f64, ""),
        Figure::new("frames out", out.len() as f64, ""),
        Figure::new("honest frames out", f64::from(u8::from(honest)), ""),
    ];
    Verdict::of(TestId::T9, honest && out.is_empty(), figures, out.join(", "))
}

/// T9 on the whole gate: every fault of a file, of the detector and of the fix, one at a time.
///
/// # Errors
/// [`SetupError`] where the gate cannot be set up without a fault.
pub fn t9_gate() -> Result<Verdict, SetupError> {
    let gate = OurGate::new()?;
    let mut tried = 0;
    let mut out: Vec<&'static str> = Vec::new();
    let mut note = |what: &'static str, came_out: bool| {
        tried += 1;
        if came_out {
            out.push(what);
        }
    };
    for (what, file) in file_faults().unwrap_or_default() {
        note(what, gate.admit(Capture::unlocated(file), Act::See(Vec::new())).is_ok());
    }
    let file = || honest(2).unwrap_or_default();
    let nan = f32::NAN;
    let acts = [
        ("the detector fails", Act::Fail),
        ("the detector panics", Act::Panic),
        ("a score that is no number", Act::Odd([0.0, 0.0, 9.0, 9.0, nan])),
        ("an edge that is no number", Act::Odd([nan, 0.0, 9.0, 9.0, 0.9])),
        ("an edge without end", Act::Odd([0.0, 0.0, f32::INFINITY, 9.0, 0.9])),
        ("more boxes than people", Act::Flood),
    ];
    for (what, act) in acts {
        note(what, gate.admit(Capture::unlocated(file()), act).is_ok());
    }
    let hasty = evaluation(POLICY).replace("max_seconds_in_clear = 20.0", "max_seconds_in_clear = 0.05");
    let slow = OurGate::with(&hasty, 320)?;
    note(
        "the detector takes too long",
        slow.admit(Capture::unlocated(file()), Act::Sleep(Duration::from_millis(120))).is_ok(),
    );
    // The detector that the policy asks for is another one.
    let renamed = POLICY.replace("[\"people-drawn\"]", "[\"people-of-mars\", \"people-drawn\"]");
    note("a detector is missing", OurGate::with(&renamed, 320).is_ok());
    note(
        "a detector is blind for persons",
        OurGate::built(POLICY, 320, &[PeopleClass::Face, PeopleClass::Plate], CAMERA).is_ok(),
    );
    let other = || Capture::unlocated(honest(3).unwrap_or_default());
    let here = gate.admit(other(), Act::See(Vec::new())).is_ok();
    note(
        "the proof is of another picture",
        !here || gate.admit_with_proof_of(Capture::unlocated(file()), other()).is_ok(),
    );
    let policies = [
        ("a policy that blurs", "method = \"constant\"", "method = \"blur\""),
        ("a policy without a margin", "margin_px = 2", "margin_px = 0"),
        ("a policy that masks nothing faint", "threshold = 0.2", "threshold = 0.9"),
        ("a policy that does not grow faces", "grow_x = 1.5", "grow_x = 1.0"),
        ("a policy without end", "max_seconds_in_clear = 20.0", "max_seconds_in_clear = 1e9"),
    ];
    for (what, from, to) in policies {
        note(what, OurGate::with(&POLICY.replace(from, to), 320).is_ok());
    }
    for (what, came_out) in crate::places::faults()? {
        note(what, came_out);
    }
    // With nothing wrong the frame comes out, or all of the above would say nothing; offered once more it does not.
    let fresh = OurGate::with(POLICY, 320)?;
    let here = || crate::places::here().map(|place| Capture::located_at(file(), place));
    let admitted = || {
        here().is_some_and(|capture| {
            fresh.admit(capture.from_camera(crate::places::camera()), Act::See(Vec::new())).is_ok()
        })
    };
    let once = admitted();
    note("a replay", admitted());
    let figures = vec![
        Figure::new("faults", f64::from(tried), ""),
        Figure::new("frames out", out.len() as f64, ""),
        Figure::new("honest frames out", f64::from(u8::from(once)), ""),
    ];
    Ok(Verdict::of(TestId::T9, once && out.is_empty(), figures, out.join(", ")))
}
