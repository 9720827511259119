//! What must hold for any bytes at all: one function for each way in, driven by random mutation in an ordinary test
//! (`tests/mutation.rs`) and by coverage in `fuzz/`. Seeds and dictionaries are made here, from our own code.
#![allow(dead_code, unreachable_pub, reason = "each user takes a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fault must be seen"
)]

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use jpeg_encoder::SamplingFactor;
use vaern_door::{Digest, Name, Rect, Size};
use vaern_privacy::{
    CameraProfile, CameraSet, Capture, DetectorFault, Fence, FenceSet, Gate, Head, LiveTrack, MaskingPolicy,
    OriginalBytes, Parts, PeopleClass, PeopleDetector, Picture, Position, SeenBox, TrackLog,
};

pub mod kept;
pub mod seeds;

use seeds::{jpeg, tiff};

const POLICY: &str = include_str!("../../../../policies/masking/irreversible-v1.toml");
const FENCE: &str = include_str!("../../../../policies/geofences/indre-by.geojson");
const CAMERA: &str = "id = \"cam\"\nheight_m = 2.0\nheading_offset_deg = 0.0\nhfov_deg = 60.0\ndefault_error_m = 5.0\n\
                      clock = \"Europe/Copenhagen\"\n";

/// Names of the targets, as `cargo xtask fuzz` takes them.
pub const ALL: [&str; 7] = ["picture", "exif", "gpx", "nmea", "fence", "mjpeg", "gpsd"];

/// Runs a target on some bytes. It panics where something does not hold.
pub fn run(target: &str, data: &[u8]) {
    match target {
        "picture" => picture(data),
        "exif" => exif(data),
        "gpx" | "nmea" => track(data),
        "fence" => fence(data),
        "mjpeg" => mjpeg(data),
        "gpsd" => gpsd(data),
        other => panic!("no such target: {other}"),
    }
}

struct Blind(Name);

impl PeopleDetector for Blind {
    fn name(&self) -> &Name {
        &self.0
    }

    fn digest(&self) -> Digest {
        Digest::of(b"blind")
    }

    fn classes(&self) -> &[PeopleClass] {
        &[PeopleClass::Face, PeopleClass::Person, PeopleClass::Plate]
    }

    fn input(&self) -> Size {
        Size::new(320, 320).unwrap()
    }

    fn look(&self, picture: Picture<'_>, _: Rect, _: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        assert_eq!(picture.rgb().len(), picture.size().rgb_bytes(), "a frame by half");
        let seen = SeenBox { class: PeopleClass::Face, x0: 0.0, y0: 0.0, x1: 4.0, y1: 4.0, score: 0.9 };
        Ok(vec![seen])
    }
}

/// The rules, parsed once: a gate is made anew for each input.
fn rules(text: &str) -> (MaskingPolicy, FenceSet, CameraSet) {
    // Small bounds: what is looked for is in the parsers, not in the time that a large picture takes.
    let text = text.replace("max_pixels = 50_000_000", "max_pixels = 1_000_000");
    let policy = MaskingPolicy::parse(&text).unwrap();
    let fence = Fence::parse(Name::new("indre-by").unwrap(), FENCE, 10.0).unwrap();
    let cameras = CameraSet::new(vec![CameraProfile::parse(CAMERA).unwrap()]).unwrap();
    (policy, FenceSet::new(vec![fence]), cameras)
}

static RULES: LazyLock<(MaskingPolicy, FenceSet, CameraSet)> = LazyLock::new(|| rules(POLICY));

fn gate((policy, fences, cameras): (MaskingPolicy, FenceSet, CameraSet)) -> Gate {
    let detector = Blind(Name::new("people-drawn").unwrap());
    Gate::new(policy, fences, cameras, vec![Arc::new(detector)]).unwrap()
}

static OPEN: LazyLock<Gate> =
    LazyLock::new(|| gate(rules(&POLICY.replace("allow_unlocated = false", "allow_unlocated = true"))));

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// Any bytes end in a refusal or in a whole frame, masked, that encodes to allow-listed segments only.
pub fn picture(data: &[u8]) {
    let Ok(admitted) = OPEN.admit(Capture::unlocated(data.to_vec()), now()) else { return };
    let frame = admitted.frame;
    assert_eq!(frame.rgb().len(), frame.size().rgb_bytes());
    assert!(!frame.masked().is_empty() && admitted.receipt.searched_tiles > 0);
    let row = usize::from(frame.size().width()) * 3;
    for masked in frame.masked() {
        for y in masked.y0()..masked.y1() {
            let at = usize::from(y) * row + usize::from(masked.x0()) * 3;
            let line = &frame.rgb()[at..at + usize::from(masked.width()) * 3];
            assert!(line.chunks_exact(3).all(|pixel| pixel == [40, 90, 160]), "the mask is not filled");
        }
    }
    let out = frame.encode_jpeg(80).unwrap();
    let mut at = 2;
    while out[at + 1] != 0xDA {
        assert!(matches!(out[at + 1], 0xDB | 0xC0 | 0xC4), "segment {:02x}", out[at + 1]);
        at += 2 + usize::from(u16::from_be_bytes([out[at + 2], out[at + 3]]));
    }
}

static FRAME: LazyLock<Vec<u8>> =
    LazyLock::new(|| jpeg(Size::new(16, 16).unwrap(), SamplingFactor::F_1_1, false, None));

/// A small JPEG around these bytes as its EXIF block.
fn with_exif(tiff: &[u8]) -> Vec<u8> {
    let tiff = &tiff[..tiff.len().min(65_000)];
    let mut out = FRAME[..2].to_vec();
    out.extend_from_slice(&[0xFF, 0xE1]);
    out.extend_from_slice(&(tiff.len() as u16 + 8).to_be_bytes());
    out.extend_from_slice(b"Exif\0\0");
    out.extend_from_slice(tiff);
    out.extend_from_slice(&FRAME[2..]);
    out
}

/// Any EXIF block ends in a refusal or in a plausible position of the present or the past.
pub fn exif(data: &[u8]) {
    // A gate of its own each time: the track of the camera is not what is looked for.
    let gate = gate(RULES.clone());
    let camera = Some(Name::new("cam").unwrap());
    let located = gate.locate(Capture::located_by_exif(with_exif(data)).from_camera(camera), now());
    if let Ok(fenced) = located.and_then(|located| gate.fence(located)) {
        holds(fenced.position().expect("a fenced frame without position").open());
    }
}

fn holds(position: &Position) {
    assert!((55.6..55.8).contains(&position.latitude()) && (12.4..12.7).contains(&position.longitude()));
    assert!((1.0..=50.0).contains(&position.error_m()));
    assert!(position.heading().is_none_or(|h| (0.0..360.0).contains(&h)));
    let time = position.time().expect("a fix without time");
    assert!(time <= now() + SignedDuration::from_secs(5));
}

/// Any log is refused or gives places that are plausible at each of twenty moments.
pub fn track(data: &[u8]) {
    let Ok(log) = TrackLog::parse(data) else { return };
    let account = log.account();
    assert!(
        account.fixes > 0 && account.segments > 0 && account.segments <= account.fixes + account.void + account.bad
    );
    let log = Arc::new(log);
    let gate = gate(RULES.clone());
    for second in 0..20 {
        let tiff = tiff(&format!("2026:06:01 13:00:{second:02}"), None);
        let capture = Capture::located_by_log(with_exif(&tiff), Arc::clone(&log), SignedDuration::ZERO);
        let located = gate.locate(capture.from_camera(Some(Name::new("cam").unwrap())), now());
        if let Ok(fenced) = located.and_then(|located| gate.fence(located)) {
            holds(fenced.position().expect("a fenced frame without position").open());
        }
    }
}

/// Any fence file is refused or stands for an area that is no larger than allowed, and no position on or beyond its
/// outline is inside.
pub fn fence(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(fence) = Fence::parse(Name::new("f").unwrap(), text, 100.0) else { return };
    assert!(fence.area_km2() > 0.0 && fence.area_km2() <= 100.0);
    let outlines = fence.outlines();
    assert!(!outlines.is_empty());
    // Where several areas are included, a corner of one may lie inside another.
    let single = outlines.len() == 1;
    for (longitude, latitude) in outlines.into_iter().filter(|_| single).flatten() {
        if let Ok(corner) = Position::new(latitude, longitude, 1.0) {
            assert!(!fence.holds(&corner), "a corner is inside");
        }
    }
    // Nothing outside the degrees of all corners is inside, here or on the other side of the earth.
    let corners = fence.outlines().into_iter().flatten();
    let around = corners.fold((180.0_f64, -180.0_f64, 90.0_f64, -90.0_f64), |(west, east, south, north), (x, y)| {
        (west.min(x), east.max(x), south.min(y), north.max(y))
    });
    for (longitude, latitude) in [(around.0, around.2), (around.1, around.3), (around.0, around.3)] {
        let east = if longitude > 0.0 { longitude - 180.0 } else { longitude + 180.0 };
        for (x, y) in [(east, latitude), (east + 0.01, latitude), (east, -latitude), (longitude, -latitude)] {
            let outside = x < around.0 || x > around.1 || y < around.2 || y > around.3;
            if let Ok(far) = Position::new(y, x, 1.0) {
                assert!(!outside || !fence.holds(&far), "{x} {y} is inside");
            }
        }
    }
}

/// Any answer of a camera ends in bounded pictures or in a name, and however it is cut, it is read the same.
pub fn mjpeg(data: &[u8]) {
    const MAX: u64 = 2_000;
    let read = |bite: usize| {
        let (mut head, mut parts, mut out) = (Head::default(), None, Vec::new());
        for bite in data.chunks(bite) {
            let mut rest = bite;
            if parts.is_none() {
                match head.push(bite) {
                    Ok(Some((boundary, used))) => {
                        assert!(used <= bite.len());
                        match Parts::new(&boundary, MAX) {
                            Ok(begun) => parts = Some(begun),
                            Err(error) => return (out, Some(error)),
                        }
                        rest = &bite[used..];
                    }
                    Ok(None) => continue,
                    Err(error) => return (out, Some(error)),
                }
            }
            if let Some(parts) = &mut parts {
                let mut whole = Vec::new();
                let read = parts.push(rest, &mut whole);
                out.extend(whole.iter().map(OriginalBytes::len));
                if let Err(error) = read {
                    return (out, Some(error));
                }
            }
        }
        (out, None)
    };
    let (pictures, why) = read(data.len().max(1));
    assert!(pictures.iter().all(|length| (1..=2_000).contains(length)));
    assert_eq!((pictures, why), read(7));
}

/// Any reports of a receiver, a line each and one a second, give places that are plausible.
pub fn gpsd(data: &[u8]) {
    let mut track = LiveTrack::default();
    let at = |second: i64| now() + SignedDuration::from_secs(second - 20);
    for (second, line) in (0..20).zip(data.split(|b| *b == b'\n')) {
        track.hear(line, at(second), SignedDuration::from_secs(2));
    }
    let (log, gate) = (track.log(), gate(RULES.clone()));
    for second in 0..20 {
        let capture = Capture::located_by_log(FRAME.clone(), Arc::clone(&log), SignedDuration::ZERO);
        let capture = capture.from_camera(Some(Name::new("cam").unwrap()));
        let located = gate.locate(capture.arrived(at(second), SignedDuration::from_millis(300)), now());
        if let Ok(fenced) = located.and_then(|located| gate.fence(located)) {
            holds(fenced.position().expect("a fenced frame without position").open());
        }
    }
}
