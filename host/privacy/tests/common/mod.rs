//! Pictures, policies and fake detectors for the tests of the gate.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::io::Cursor;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value};
use jiff::Timestamp;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vaern_door::{Digest, Name, Rect, Size};
use vaern_privacy::{
    CameraProfile, CameraSet, Capture, DetectorFault, Fence, FenceSet, Gate, MaskingPolicy, PeopleClass,
    PeopleDetector, Picture, SeenBox,
};

pub const HERE: (f64, f64) = (55.6761, 12.5683);

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// A cheap deterministic noise, the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn byte(&mut self) -> u8 {
        (self.next() >> 32) as u8
    }
}

/// A smooth picture with some texture.
pub fn street(size: Size, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed | 1);
    let mut rgb = Vec::with_capacity(size.rgb_bytes());
    for y in 0..size.height() {
        for x in 0..size.width() {
            let noise = dice.byte() % 24;
            rgb.extend_from_slice(&[
                (x % 200) as u8 + noise,
                (y % 180) as u8 + noise,
                ((x / 7 + y / 5) % 160) as u8 + noise,
            ]);
        }
    }
    rgb
}

/// A small street, by our encoder.
pub fn encoded(progressive: bool, restart: Option<u16>, sampling: SamplingFactor) -> Vec<u8> {
    let frame = size(70, 50);
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 85);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    if let Some(interval) = restart {
        encoder.set_restart_interval(interval);
    }
    encoder.encode(&street(frame, 4), frame.width(), frame.height(), ColorType::Rgb).unwrap();
    out
}

/// Baseline and progressive, with restarts and without, in every sampling.
pub fn all_kinds() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for progressive in [false, true] {
        for restart in [None, Some(3)] {
            for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2] {
                all.push(encoded(progressive, restart, sampling));
            }
        }
    }
    all
}

pub struct Exif {
    pub latitude: Option<(f64, &'static str)>,
    pub longitude: Option<(f64, &'static str)>,
    pub orientation: Option<u16>,
    pub time: Option<(&'static str, [u32; 3])>,
    pub status: Option<&'static str>,
    pub error_m: Option<u32>,
    /// Local time and offset from UTC; an empty offset is left out, and so is an empty time. Without it the picture says the time of its fix.
    pub taken: Option<(&'static str, &'static str)>,
    pub subsec: Option<&'static str>,
    pub model: &'static str,
    /// Anything else.
    pub more: Vec<(Tag, Value)>,
}

impl Default for Exif {
    fn default() -> Self {
        Self {
            latitude: Some((HERE.0, "N")),
            longitude: Some((HERE.1, "E")),
            orientation: None,
            time: Some(("2026:06:01", [11, 59, 58])),
            status: None,
            error_m: None,
            taken: None,
            subsec: None,
            model: "test-cam",
            more: Vec::new(),
        }
    }
}

fn dms(value: f64) -> Value {
    let degrees = value.trunc();
    let minutes = ((value - degrees) * 60.0).trunc();
    let seconds = (value - degrees - minutes / 60.0) * 3600.0;
    let part = |num: f64, denom: u32| Rational { num: (num * f64::from(denom)).round() as u32, denom };
    Value::Rational(vec![part(degrees, 1), part(minutes, 1), part(seconds, 100_000)])
}

fn ascii(text: &str) -> Value {
    Value::Ascii(vec![text.as_bytes().to_vec()])
}

impl Exif {
    pub fn at(latitude: f64, longitude: f64) -> Self {
        Self { latitude: Some((latitude, "N")), longitude: Some((longitude, "E")), ..Self::default() }
    }

    pub fn tiff(&self) -> Vec<u8> {
        let mut fields = vec![(Tag::Model, ascii(self.model))];
        let mut push = |tag, value: Option<Value>| fields.extend(value.map(|v| (tag, v)));
        self.more.iter().for_each(|(tag, value)| push(*tag, Some(value.clone())));
        push(Tag::Orientation, self.orientation.map(|o| Value::Short(vec![o])));
        push(Tag::GPSLatitude, self.latitude.map(|l| dms(l.0)));
        push(Tag::GPSLatitudeRef, self.latitude.map(|l| ascii(l.1)));
        push(Tag::GPSLongitude, self.longitude.map(|l| dms(l.0)));
        push(Tag::GPSLongitudeRef, self.longitude.map(|l| ascii(l.1)));
        push(Tag::GPSStatus, self.status.map(ascii));
        push(Tag::GPSDateStamp, self.time.map(|t| ascii(t.0)));
        let clock = |t: [u32; 3]| Value::Rational(t.iter().map(|num| Rational { num: *num, denom: 1 }).collect());
        push(Tag::GPSTimeStamp, self.time.map(|t| clock(t.1)));
        push(Tag::GPSHPositioningError, self.error_m.map(|e| Value::Rational(vec![Rational { num: e, denom: 1 }])));
        let of_fix = self.time.map(|(day, [h, m, s])| (format!("{day} {h:02}:{m:02}:{s:02}"), "Z".to_owned()));
        let taken = self.taken.map(|(time, offset)| (time.to_owned(), offset.to_owned())).or(of_fix);
        let (time, offset) = taken.unwrap_or_default();
        push(Tag::DateTimeOriginal, Some(time).filter(|text| !text.is_empty()).map(|text| ascii(&text)));
        push(Tag::OffsetTimeOriginal, Some(offset).filter(|text| !text.is_empty()).map(|text| ascii(&text)));
        push(Tag::SubSecTimeOriginal, self.subsec.map(ascii));
        let fields: Vec<Field> =
            fields.into_iter().map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value }).collect();
        let mut writer = Writer::new();
        fields.iter().for_each(|f| writer.push_field(f));
        let mut out = Cursor::new(Vec::new());
        writer.write(&mut out, false).unwrap();
        out.into_inner()
    }
}

pub fn jpeg_with(rgb: &[u8], size: Size, exif: Option<&Exif>, sampling: SamplingFactor, quality: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, quality);
    encoder.set_sampling_factor(sampling);
    if let Some(exif) = exif {
        encoder.add_exif_metadata(&exif.tiff()).unwrap();
    }
    encoder.encode(rgb, size.width(), size.height(), ColorType::Rgb).unwrap();
    out
}

pub fn jpeg(rgb: &[u8], size: Size, exif: &Exif) -> Vec<u8> {
    jpeg_with(rgb, size, Some(exif), SamplingFactor::F_2_2, 90)
}

pub fn png(rgb: &[u8], size: Size) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size.width().into(), size.height().into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(rgb).unwrap();
    out
}

/// The checksum of a PNG chunk, over its kind and its body.
pub fn crc(chunk: &[u8]) -> u32 {
    let step = |crc: u32, _: u8| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !chunk.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Seconds of processor time that this thread has had: what a busy machine does not stretch.
pub fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<u64>().unwrap() as f64 / 1e9
}

pub fn size(width: u16, height: u16) -> Size {
    Size::new(width, height).unwrap()
}

/// What a fake detector does when asked.
#[derive(Clone)]
pub enum Act {
    /// Sees these boxes, in every tile that they touch.
    See(Vec<SeenBox>),
    Fail,
    Panic,
    NotANumber,
    Sleep(std::time::Duration),
    Flood,
}

pub struct Fake {
    pub name: Name,
    pub classes: Vec<PeopleClass>,
    pub act: Act,
}

impl PeopleDetector for Fake {
    fn name(&self) -> &Name {
        &self.name
    }

    fn digest(&self) -> Digest {
        Digest::of(b"fake")
    }

    fn classes(&self) -> &[PeopleClass] {
        &self.classes
    }

    fn input(&self) -> Size {
        Size::new(320, 320).unwrap()
    }

    fn look(&self, picture: Picture<'_>, tile: Rect, floor: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        assert_eq!(picture.rgb().len(), picture.size().rgb_bytes());
        match &self.act {
            Act::See(boxes) => {
                let touches = |b: &SeenBox| {
                    b.x0 < f32::from(tile.x1())
                        && b.x1 > f32::from(tile.x0())
                        && b.y0 < f32::from(tile.y1())
                        && b.y1 > f32::from(tile.y0())
                };
                Ok(boxes.iter().filter(|b| touches(b) && b.score >= floor).copied().collect())
            }
            Act::Fail => Err(DetectorFault),
            Act::Panic => panic!("a detector that panics"),
            Act::NotANumber => {
                Ok(vec![SeenBox { class: PeopleClass::Face, x0: f32::NAN, y0: 0.0, x1: 1.0, y1: 1.0, score: 0.9 }])
            }
            Act::Sleep(time) => {
                std::thread::sleep(*time);
                Ok(Vec::new())
            }
            Act::Flood => {
                let seen = SeenBox { class: PeopleClass::Face, x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0, score: 0.9 };
                Ok(vec![seen; 10_001])
            }
        }
    }
}

pub fn detector(act: Act) -> Arc<dyn PeopleDetector> {
    let classes = vec![PeopleClass::Face, PeopleClass::Person, PeopleClass::Plate];
    Arc::new(Fake { name: name("people-drawn"), classes, act })
}

pub fn seen(class: PeopleClass, x0: f32, y0: f32, x1: f32, y1: f32) -> SeenBox {
    SeenBox { class, x0, y0, x1, y1, score: 0.9 }
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn policy_text() -> String {
    std::fs::read_to_string(repository().join("policies/masking/irreversible-v1.toml")).unwrap()
}

pub fn policy() -> MaskingPolicy {
    MaskingPolicy::parse(&policy_text()).unwrap()
}

pub fn evaluation_policy() -> MaskingPolicy {
    MaskingPolicy::parse(&policy_text().replace("allow_unlocated = false", "allow_unlocated = true")).unwrap()
}

pub fn fence_text() -> String {
    std::fs::read_to_string(repository().join("policies/geofences/indre-by.geojson")).unwrap()
}

pub fn fences() -> FenceSet {
    FenceSet::new(vec![Fence::parse(name("indre-by"), &fence_text(), 10.0).unwrap()])
}

pub const CAMERA: &str = "id = \"test-cam\"\nexif_model = \"test-cam\"\nheight_m = 2.0\nheading_offset_deg = 0.0\n\
                          hfov_deg = 60.0\ndefault_error_m = 5.0\n";

pub fn cameras() -> CameraSet {
    CameraSet::new(vec![CameraProfile::parse(CAMERA).unwrap()]).unwrap()
}

pub fn gate(act: Act) -> Gate {
    Gate::new(policy(), fences(), cameras(), vec![detector(act)]).unwrap()
}

/// A gate that takes pictures without position.
pub fn evaluation_gate(act: Act) -> Gate {
    Gate::new(evaluation_policy(), fences(), cameras(), vec![detector(act)]).unwrap()
}

pub fn capture(bytes: Vec<u8>) -> Capture {
    Capture::located_by_exif(bytes)
}

/// The folder of shared test data, or a visible word that it is not there.
pub fn shared_data(test: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("VAERN_SHARED_DATA").map_or_else(|| repository().join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    // Past the test runner's capture: a skip that nobody sees is a pass that did not happen.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: no shared data at {}", folder.display());
    None
}
