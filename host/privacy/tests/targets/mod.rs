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

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vaern_door::{Digest, Name, Rect, Size};
use vaern_privacy::{
    CameraProfile, CameraSet, Capture, DetectorFault, Fence, FenceSet, Gate, Head, LiveTrack, MaskingPolicy,
    OriginalBytes, Parts, PeopleClass, PeopleDetector, Picture, Position, Refusal, SeenBox, TrackLog,
};

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
    let masked = frame.masked()[0];
    let at = (usize::from(masked.y0()) * usize::from(frame.size().width()) + usize::from(masked.x0())) * 3;
    assert_eq!(&frame.rgb()[at..at + 3], &[40, 90, 160], "the mask is not filled");
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
    if let Ok(far) = Position::new(-45.0, -120.0, 1.0) {
        let _ = fence.holds(&far);
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

fn noise(size: Size) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    (0..size.rgb_bytes())
        .map(|i| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (i % 199) as u8 ^ (state >> 27) as u8
        })
        .collect()
}

fn jpeg(size: Size, sampling: SamplingFactor, progressive: bool, restart: Option<u16>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 70);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    if let Some(interval) = restart {
        encoder.set_restart_interval(interval);
    }
    encoder.encode(&noise(size), size.width(), size.height(), ColorType::Rgb).unwrap();
    out
}

fn png(size: Size) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size.width().into(), size.height().into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(&noise(size)).unwrap();
    out
}

/// A little-endian TIFF structure with the time of the picture and, if given, a GPS directory.
fn tiff(taken: &str, place: Option<(u32, u32)>) -> Vec<u8> {
    // Entries are (tag, type, count, value or offset); data follow the directories.
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    let mut put = |entries: &[(u16, u16, u32, u32)]| {
        out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
    };
    // Directory 0 at 8 (3 entries, 42 bytes), EXIF at 50 (1 entry, 18 bytes), GPS at 68 (6 entries, 78 bytes), data at 146.
    let gps = u32::from(place.is_some());
    put(&[(0x0112, 3, 1, 1), (0x8769, 4, 1, 50), (if gps == 1 { 0x8825 } else { 0x9999 }, 4, 1, 68)]);
    put(&[(0x9003, 2, 20, 146)]);
    put(&[
        (1, 2, 2, u32::from(b'N')),
        (2, 5, 3, 166),
        (3, 2, 2, u32::from(b'E')),
        (4, 5, 3, 190),
        (7, 5, 3, 214),
        (29, 2, 11, 238),
    ]);
    out.extend_from_slice(taken.as_bytes());
    out.push(0);
    let mut rationals = |parts: [u32; 3], last: u32| {
        for (part, denominator) in parts.into_iter().zip([1, 1, last]) {
            out.extend_from_slice(&part.to_le_bytes());
            out.extend_from_slice(&denominator.to_le_bytes());
        }
    };
    let (north, east) = place.unwrap_or_default();
    rationals([55, 40, north], 1000);
    rationals([12, 34, east], 1000);
    rationals([11, 0, 10], 1);
    out.extend_from_slice(b"2026:06:01\0");
    out
}

/// Honest inputs of a target, made by our own code.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let size = |w, h| Size::new(w, h).unwrap();
    match target {
        "picture" => vec![
            jpeg(size(40, 24), SamplingFactor::F_2_2, false, None),
            jpeg(size(17, 9), SamplingFactor::F_1_1, true, None),
            jpeg(size(48, 32), SamplingFactor::F_2_1, false, Some(1)),
            jpeg(size(33, 31), SamplingFactor::F_2_2, true, Some(2)),
            png(size(9, 7)),
            with_exif(&tiff("2026:06:01 13:00:10", Some((33_960, 5_880)))),
        ],
        "exif" => vec![tiff("2026:06:01 13:00:10", Some((33_960, 5_880))), tiff("2026:06:01 13:00:10", None)],
        "gpx" => vec![gpx(1), gpx(3)],
        "nmea" => vec![nmea()],
        "mjpeg" => vec![stream(true), stream(false)],
        "gpsd" => vec![reports()],
        _ => vec![FENCE.as_bytes().to_vec(), FENCE_WITH_HOLE.as_bytes().to_vec()],
    }
}

const FENCE_WITH_HOLE: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"vaern":"include"},
"geometry":{"type":"MultiPolygon","coordinates":[[[[12.5,55.6],[12.6,55.6],[12.6,55.65],[12.5,55.65],[12.5,55.6]],
[[12.52,55.61],[12.53,55.61],[12.53,55.62],[12.52,55.61]]]]}},{"type":"Feature","properties":{"vaern":"exclude"},
"geometry":{"type":"Polygon","coordinates":[[[12.55,55.62],[12.56,55.62],[12.56,55.63],[12.55,55.62]]]}}]}"#;

fn gpx(step: u32) -> Vec<u8> {
    let mut text = String::from("<?xml version=\"1.0\"?><gpx version=\"1.1\"><trk><trkseg>");
    for second in (0..15).step_by(step as usize) {
        let latitude = 55.676 + f64::from(second) * 0.0001;
        let _ = write!(
            text,
            "<trkpt lat=\"{latitude}\" lon=\"12.5683\"><time>2026-06-01T11:00:{second:02}Z</time><hdop>1.1</hdop></trkpt>"
        );
    }
    text.push_str("</trkseg></trk></gpx>");
    text.into_bytes()
}

fn nmea() -> Vec<u8> {
    let mut text = String::new();
    for second in 0..12 {
        let clock = format!("1100{second:02}.00");
        for body in [
            format!("GNRMC,{clock},A,5540.5660,N,01234.0980,E,19.4,12.0,010626,,,A"),
            format!("GNGGA,{clock},5540.5660,N,01234.0980,E,1,09,0.9,10.0,M,40.0,M,,"),
        ] {
            let sum = body.bytes().fold(0, |a, b| a ^ b);
            let _ = write!(text, "${body}*{sum:02X}\r\n");
        }
    }
    text.into_bytes()
}

fn stream(sized: bool) -> Vec<u8> {
    let mut out = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=cam\r\n\r\n".to_vec();
    for picture in [&FRAME[..], &[1, 2, 3], &[0xFF; 40]] {
        let length = if sized { format!("Content-Length: {}\r\n", picture.len()) } else { String::new() };
        out.extend(format!("--cam\r\nContent-Type: image/jpeg\r\n{length}\r\n").bytes());
        out.extend(picture);
        out.extend(b"\r\n");
    }
    out
}

fn reports() -> Vec<u8> {
    let mut text = String::from("{\"class\":\"VERSION\",\"release\":\"3.22\"}\n");
    for second in 41..59 {
        let latitude = 55.676 + f64::from(second) * 0.0001;
        let _ = writeln!(
            text,
            "{{\"class\":\"TPV\",\"device\":\"/dev/a\",\"mode\":3,\"time\":\"2026-06-01T11:59:{second}.000Z\",\"lat\":{latitude:.6},\
             \"lon\":12.5683,\"eph\":6.5,\"track\":1.25}}"
        );
    }
    text.into_bytes()
}

/// Words that a mutation should know of, in the form of a libFuzzer dictionary.
pub fn dictionary(target: &str) -> Vec<&'static [u8]> {
    match target {
        "picture" => vec![
            b"\xFF\xD8\xFF",
            b"\xFF\xD9",
            b"\xFF\xDA",
            b"\xFF\xC0",
            b"\xFF\xC2",
            b"\xFF\xC4",
            b"\xFF\xDB",
            b"\xFF\xDD",
            b"\xFF\xD0",
            b"\xFF\xE1",
            b"Exif\0\0",
            b"IHDR",
            b"IDAT",
            b"IEND",
            b"eXIf",
            b"zTXt",
            b"acTL",
        ],
        "exif" => vec![
            b"II*\0",
            b"MM\0*",
            b"\x25\x88",
            b"\x69\x87",
            b"\x12\x01",
            b"\x02\0\x05\0\x03\0\0\0",
            b"2026:06:01",
            b"N\0",
            b"E\0",
            b"W\0",
            b"S\0",
            b"T\0",
            b"V\0",
        ],
        "gpx" => vec![
            b"<trk>",
            b"</trk>",
            b"<trkseg>",
            b"</trkseg>",
            b"<trkpt ",
            b"</trkpt>",
            b"lat=\"",
            b"lon=\"",
            b"<time>",
            b"</time>",
            b"<fix>none</fix>",
            b"<hdop>",
            b"<![CDATA[",
            b"<!--",
            b"<!DOCTYPE",
            b"&amp;",
            b"NaN",
            b"1e308",
        ],
        "nmea" => vec![
            b"$GNRMC,",
            b"$GPGGA,",
            b",A,",
            b",V,",
            b"*00\r\n",
            b"\r\n",
            b",N,",
            b",E,",
            b"235960.999",
            b"010626",
            b",,,",
        ],
        "mjpeg" => vec![
            b"--cam\r\n",
            b"\r\n--cam\r\n",
            b"--cam--\r\n",
            b"----cam\r\n",
            b"Content-Length: ",
            b"Content-Length: 99999999999\r\n",
            b"Content-Type: image/jpeg\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"boundary=",
            b"boundary=--cam",
            b"\r\n\r\n",
            b"HTTP/1.1 302 ",
        ],
        "gpsd" => vec![
            b"{\"class\":\"TPV\"",
            b"\"device\":\"/dev/b\"",
            b"\"mode\":1",
            b"\"eph\":",
            b"\"lat\":0.0",
            b"\"time\":null",
            b"1e308",
            b"-0.0",
            b"}\n",
        ],
        _ => vec![
            b"\"Polygon\"",
            b"\"MultiPolygon\"",
            b"\"Feature\"",
            b"\"FeatureCollection\"",
            b"\"coordinates\"",
            b"\"crs\"",
            b"\"vaern\"",
            b"\"exclude\"",
            b"[[[",
            b"]]]",
            b"12.5",
            b"55.6",
            b"1e400",
            b"-180",
            b"null",
        ],
    }
}

/// Whether a refusal of any target may ever say this: the list is closed, so the answer is in its type.
pub fn is_closed(refusal: &Refusal) -> bool {
    !refusal.reason().is_empty()
}
