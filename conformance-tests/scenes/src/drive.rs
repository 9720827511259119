//! A drive: pictures with positions and times along a street route, and a persistent world that they pass.
//!
//! Everything is handed out as bytes in memory; who wants files writes them. The same seed gives the same bytes.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use serde::{Deserialize, Serialize};

use crate::camera::CameraModel;
use crate::dice::Dice;
use crate::exif::{ExifBlock, ExifEntry, ExifValue};
use crate::params::{Light, SceneParams, Weather};
use crate::route::{self, Leg, Place};
use crate::scene::{self, SceneError};
use crate::truth::{Truth, TruthObject};
use crate::world::World;

/// What EXIF `Model` says: the camera's name in the city's list.
pub const CAMERA_ID: &str = "drawn-cam-1";
/// Metres per second.
const SPEED: f64 = 4.0;
/// Seconds after midnight (UTC) at which the drive begins, and the day.
const START_S: f64 = 8.0 * 3600.0 + 12.0 * 60.0 + 3.0;
const DAY: (u32, u32, u32) = (2026, 5, 20);
/// Copenhagen in summer.
const LOCAL_HOURS: u32 = 2;
/// Things of different streets never share a number.
const THINGS_PER_LEG: u32 = 100_000;

/// Why a drive or a frame could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The caller asked for a size that cannot be drawn.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// The picture could not be written as JPEG. Our fault.
    #[error("encoding a drawn frame: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
}

/// A position as the camera's receiver claims it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// Where.
    pub place: Place,
    /// Error radius in metres.
    pub error_m: f64,
    /// Where the camera looks, degrees from true north.
    pub direction: f64,
}

/// What is true of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameTruth {
    /// Name of the frame's file.
    pub name: String,
    /// When it was taken, RFC 3339 in UTC.
    pub time: String,
    /// Where the camera really was.
    pub place: Place,
    /// Where its receiver said it was. `None`: no fix, no GPS directory.
    pub fix: Option<Fix>,
    /// Whether the true place lies inside the fence, and by how many metres (negative: outside).
    pub inside: bool,
    /// Metres to the fence's line.
    pub fence_margin_m: f64,
    /// Somebody stands close to the lens.
    pub close_people: bool,
    /// The camera in the frame of its street.
    pub camera: CameraModel,
    /// What is in the picture. Things that stand keep their number and their true place from frame to frame.
    pub objects: Vec<TruthObject>,
}

/// One frame: a file in memory and what is true of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DriveFrame {
    /// The JPEG, quality 90, 4:2:0, with EXIF and a thumbnail.
    pub jpeg: Vec<u8>,
    /// What is true of it.
    pub truth: FrameTruth,
}

/// Where and when one frame is taken.
#[derive(Debug, Clone, Copy)]
struct Stop {
    leg: usize,
    ahead: f64,
    seconds: f64,
}

/// A drive along [`route::ROUTE`], frame by frame.
#[derive(Debug)]
pub struct Drive {
    seed: u64,
    size: (u16, u16),
    legs: Vec<(Leg, World)>,
    stops: Vec<Stop>,
    weather: Weather,
    light: Light,
    next: usize,
}

impl Drive {
    /// Plans a drive of `frames` pictures of the given size. Most lie inside the fence, about one in eight after the
    /// vehicle has left it, about one in eleven has no fix, about one in seven shows people close by.
    #[must_use]
    pub fn generate(seed: u64, frames: usize, size: (u16, u16)) -> Self {
        Self::spaced(seed, frames, size, SPEED)
    }

    /// The same with a picture every so many metres, less where the streets are too short for all of them.
    #[must_use]
    pub fn spaced(seed: u64, frames: usize, size: (u16, u16), metres: f64) -> Self {
        let mut dice = Dice::new(seed);
        let weather = dice.pick([Weather::Clear, Weather::Clear, Weather::Overcast]);
        let light = Light::Day;
        let params = SceneParams { weather, light, ..base(size) };
        let legs = route::legs()
            .into_iter()
            .zip(1u32..)
            .map(|(leg, number)| {
                let mut world = World::sample(&mut dice, &params, leg.length as f32);
                world.number_from(number * THINGS_PER_LEG);
                (leg, world)
            })
            .collect::<Vec<_>>();
        let stops = plan(&legs, frames, metres);
        Self { seed, size, legs, stops, weather, light, next: 0 }
    }

    /// Number of frames of the whole drive.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.stops.len()
    }

    /// The track of the vehicle as GPX 1.1, one point for each frame, those without a fix included: it comes from the
    /// vehicle's own receiver, not from the camera.
    #[must_use]
    pub fn gpx(&self) -> String {
        let mut out = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gpx version=\"1.1\" creator=\"vaern-scenes\" \
             xmlns=\"http://www.topografix.com/GPX/1/1\">\n<trk><name>drawn drive</name><trkseg>\n",
        );
        for stop in &self.stops {
            let Some((leg, _)) = self.legs.get(stop.leg) else { continue };
            let place = leg.place(lane(), stop.ahead);
            let point = format!(
                "<trkpt lat=\"{:.7}\" lon=\"{:.7}\"><time>{}</time></trkpt>\n",
                place.latitude,
                place.longitude,
                clock(stop.seconds).rfc3339()
            );
            out.push_str(&point);
        }
        out.push_str("</trkseg></trk>\n</gpx>\n");
        out
    }

    fn frame(&self, index: usize, stop: Stop) -> Result<Option<DriveFrame>, DriveError> {
        let Some((leg, world)) = self.legs.get(stop.leg) else { return Ok(None) };
        let mut dice = Dice::new(self.seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ index as u64);
        let mut params = SceneParams { weather: self.weather, light: self.light, ..base(self.size) };
        params.camera.z = stop.ahead as f32;
        // The sun stands still while streets turn under it.
        params.sun_azimuth = (205.0 - leg.heading()).to_radians() as f32;
        let close_people = index % 7 == 3;
        let mut here;
        let world = if close_people {
            here = world.clone();
            for _ in 0..dice.whole(1, 2) {
                here.close_by(&mut dice, &params.camera);
            }
            &here
        } else {
            world
        };
        let scene = scene::draw(world, &params, stop.seconds as f32, Some(self.seed ^ 0xCA3E), &mut dice)?;
        let place = leg.place(lane(), stop.ahead);
        let margin = route::fence_margin_m(place);
        let claimed = |d: &mut Dice| {
            let (right, ahead) = (f64::from(d.bell() * 0.6), f64::from(d.bell() * 0.6));
            Fix { place: leg.place(lane() + right, stop.ahead + ahead), error_m: 3.0, direction: leg.heading() }
        };
        let fix = claimed(&mut dice);
        let fix = if index % 11 == 6 && margin > 0.0 { None } else { Some(written(fix)) };
        let clock = clock(stop.seconds);
        let thumbnail = jpeg(&shrink(&scene.rgb, scene.width, scene.height), thumb_size(self.size), 70, None)?;
        let block = exif(fix.as_ref(), &clock, thumbnail, self.size);
        let jpeg = jpeg(&scene.rgb, self.size, 90, Some(&block))?;
        let Truth { mut objects } = scene.truth;
        for object in &mut objects {
            object.attributes.place = object
                .attributes
                .street
                .map(|[x, z]| leg.place(f64::from(x), f64::from(z)))
                .map(|p| [p.latitude, p.longitude]);
        }
        let truth = FrameTruth {
            name: format!("frame-{:04}.jpg", index + 1),
            time: clock.rfc3339(),
            place,
            fix,
            inside: margin > 0.0,
            fence_margin_m: (margin * 100.0).round() / 100.0,
            close_people,
            camera: params.camera,
            objects,
        };
        Ok(Some(DriveFrame { jpeg, truth }))
    }
}

impl Iterator for Drive {
    type Item = Result<DriveFrame, DriveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        let stop = *self.stops.get(index)?;
        self.next += 1;
        self.frame(index, stop).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.stops.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

/// To the right of the road's middle.
fn lane() -> f64 {
    1.6
}

fn base(size: (u16, u16)) -> SceneParams {
    SceneParams {
        size,
        weather: Weather::Clear,
        light: Light::Day,
        camera: CameraModel {
            x: lane() as f32,
            height: 2.2,
            z: 0.0,
            yaw: 0.0,
            pitch: 0.07,
            hfov: 66.0f32.to_radians(),
        },
        people: 1.2,
        containers: 1.6,
        vehicles: 0.7,
        props: 0.9,
        close: 0.0,
        sun_azimuth: 0.0,
        sun_elevation: 0.72,
    }
}

/// The drive ends a little outside the fence, and begins as far before it as its frames reach.
fn plan(legs: &[(Leg, World)], frames: usize, metres: f64) -> Vec<Stop> {
    let exit = route::exit_m();
    let outside = frames / 8;
    let inside = frames - outside;
    // Far enough from the line on both sides that no error radius reaches over it.
    let (last, first_out) = (exit - 15.0, exit + 40.0);
    let step = metres.min(last / inside.max(1) as f64);
    let step_out = metres.min(100.0 / outside.max(1) as f64);
    let begin = last - step * inside.saturating_sub(1) as f64;
    (0..frames)
        .filter_map(|i| {
            let gone = if i < inside { begin + step * i as f64 } else { first_out + step_out * (i - inside) as f64 };
            let seconds = (gone - begin) / SPEED;
            let mut start = 0.0;
            for (number, (leg, _)) in legs.iter().enumerate() {
                if gone < start + leg.length {
                    return Some(Stop { leg: number, ahead: gone - start, seconds });
                }
                start += leg.length;
            }
            None
        })
        .collect()
}

/// A moment of the drive.
struct Clock {
    day: u32,
    hour: u32,
    minute: u32,
    millis: u32,
}

fn clock(seconds: f64) -> Clock {
    let millis = ((START_S + seconds) * 1000.0).round() as u64;
    Clock {
        day: DAY.2 + (millis / 86_400_000) as u32,
        hour: (millis / 3_600_000 % 24) as u32,
        minute: (millis / 60_000 % 60) as u32,
        millis: (millis % 60_000) as u32,
    }
}

impl Clock {
    fn rfc3339(&self) -> String {
        let (s, ms) = (self.millis / 1000, self.millis % 1000);
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{s:02}.{ms:03}Z", DAY.0, DAY.1, self.day, self.hour, self.minute)
    }
}

/// The fix with the coordinates as EXIF holds them, so that the truth is what a reader can find.
fn written(fix: Fix) -> Fix {
    let back = |v: f64| {
        let [d, m, s] = parts(v);
        f64::from(d.0) + f64::from(m.0) / 60.0 + f64::from(s.0) / f64::from(s.1) / 3600.0
    };
    let direction = (fix.direction * 100.0).round() / 100.0;
    let place = Place { latitude: back(fix.place.latitude), longitude: back(fix.place.longitude) };
    Fix { place, direction, ..fix }
}

/// Degrees, minutes, seconds as fractions; the route lies north and east.
fn parts(v: f64) -> [(u32, u32); 3] {
    const UNIT: u64 = 10_000;
    let ticks = (v.abs() * 3600.0 * UNIT as f64).round() as u64;
    let (seconds, minutes) = (ticks % (60 * UNIT), ticks / (60 * UNIT));
    [((minutes / 60) as u32, 1), ((minutes % 60) as u32, 1), (seconds as u32, UNIT as u32)]
}

fn exif(fix: Option<&Fix>, clock: &Clock, thumbnail: Vec<u8>, size: (u16, u16)) -> ExifBlock {
    let text = |t: &str| ExifValue::Ascii(t.to_owned());
    let local = format!(
        "{:04}:{:02}:{:02} {:02}:{:02}:{:02}",
        DAY.0,
        DAY.1,
        clock.day + (clock.hour + LOCAL_HOURS) / 24,
        (clock.hour + LOCAL_HOURS) % 24,
        clock.minute,
        clock.millis / 1000
    );
    let gps = fix.map(|fix| {
        vec![
            ExifEntry::new(0x00, ExifValue::Byte(vec![2, 3, 0, 0])),
            ExifEntry::new(0x01, text("N")),
            ExifEntry::new(0x02, ExifValue::Rational(parts(fix.place.latitude).to_vec())),
            ExifEntry::new(0x03, text("E")),
            ExifEntry::new(0x04, ExifValue::Rational(parts(fix.place.longitude).to_vec())),
            ExifEntry::new(0x07, ExifValue::Rational(vec![(clock.hour, 1), (clock.minute, 1), (clock.millis, 1000)])),
            ExifEntry::new(0x09, text("A")),
            ExifEntry::new(0x10, text("T")),
            ExifEntry::new(0x11, ExifValue::Rational(vec![((fix.direction * 100.0).round() as u32, 100)])),
            ExifEntry::new(0x12, text("WGS-84")),
            ExifEntry::new(0x1D, text(&format!("{:04}:{:02}:{:02}", DAY.0, DAY.1, clock.day))),
            ExifEntry::new(0x1F, ExifValue::Rational(vec![((fix.error_m * 100.0).round() as u32, 100)])),
        ]
    });
    ExifBlock {
        primary: vec![
            ExifEntry::new(0x010F, text("vaern")),
            ExifEntry::new(0x0110, text(CAMERA_ID)),
            ExifEntry::new(0x0112, ExifValue::Short(vec![1])),
            ExifEntry::new(0x011A, ExifValue::Rational(vec![(72, 1)])),
            ExifEntry::new(0x011B, ExifValue::Rational(vec![(72, 1)])),
            ExifEntry::new(0x0128, ExifValue::Short(vec![2])),
            ExifEntry::new(0x0132, text(&local)),
        ],
        exif: vec![
            ExifEntry::new(0x9000, ExifValue::Undefined(b"0232".to_vec())),
            ExifEntry::new(0x9003, text(&local)),
            ExifEntry::new(0x9011, text(&format!("+{LOCAL_HOURS:02}:00"))),
            ExifEntry::new(0x9291, text(&format!("{:03}", clock.millis % 1000))),
            ExifEntry::new(0xA001, ExifValue::Short(vec![1])),
            ExifEntry::new(0xA002, ExifValue::Long(vec![u32::from(size.0)])),
            ExifEntry::new(0xA003, ExifValue::Long(vec![u32::from(size.1)])),
            // A serial number would tell vehicles apart: it is here so that a leak is seen.
            ExifEntry::new(0xA431, text("DRAWN-SERIAL-0001")),
        ],
        gps,
        thumbnail: Some(thumbnail),
        big_endian: false,
    }
}

/// Writes a picture as JPEG with 4:2:0 colour, with an EXIF block if one is given.
///
/// # Errors
///
/// If `rgb` has not `3 * width * height` bytes or the block does not fit into one segment.
pub fn encode_jpeg(rgb: &[u8], size: (u16, u16), quality: u8, exif: Option<&ExifBlock>) -> Result<Vec<u8>, DriveError> {
    jpeg(rgb, size, quality, exif)
}

fn jpeg(rgb: &[u8], size: (u16, u16), quality: u8, exif: Option<&ExifBlock>) -> Result<Vec<u8>, DriveError> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    if let Some(block) = exif {
        encoder.add_exif_metadata(&block.to_tiff())?;
    }
    encoder.encode(rgb, size.0, size.1, ColorType::Rgb)?;
    Ok(out)
}

fn thumb_size((w, h): (u16, u16)) -> (u16, u16) {
    let step = thumb_step(w);
    ((usize::from(w) / step) as u16, (usize::from(h) / step) as u16)
}

fn thumb_step(width: u16) -> usize {
    (usize::from(width) / 160).max(1)
}

/// Every n-th pixel of every n-th row.
fn shrink(rgb: &[u8], width: u16, height: u16) -> Vec<u8> {
    let step = thumb_step(width);
    let (w, h) = thumb_size((width, height));
    rgb.chunks_exact(usize::from(width) * 3)
        .step_by(step)
        .take(usize::from(h))
        .flat_map(|row| row.chunks_exact(3).step_by(step).take(usize::from(w)).flatten())
        .copied()
        .collect()
}
