//! T9 of positions: captures from nowhere, from elsewhere, from another time, and more of them than may be taken.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use vaern_door::Name;
use vaern_privacy::{Capture, CollectionLimits, LiveTrack, Position, Quota, TrackLog};
use vaern_scenes::{ExifBlock, ExifEntry, ExifValue};

use crate::faults::honest;
use crate::ours::{Act, CAMERA, OurGate, POLICY, SetupError, now};

const HERE: (f64, f64) = (55.6761, 12.5683);

/// The camera that the gate knows.
pub(crate) fn camera() -> Option<Name> {
    Name::new("test-cam").ok()
}

/// A fix that nothing is wrong with.
pub(crate) fn here() -> Option<Position> {
    fix(HERE, 5.0, 0)
}

fn fix((latitude, longitude): (f64, f64), error: f64, seconds: i64) -> Option<Position> {
    Position::new(latitude, longitude, error).map(|p| p.with_time(at(seconds))).ok()
}

/// A moment some seconds from now.
fn at(seconds: i64) -> Timestamp {
    now().saturating_add(SignedDuration::from_secs(seconds)).unwrap_or_else(|_| now())
}

/// What is to be refused: a gate, and captures that it is offered one after the other. The last of them must not come out; the ones
/// before it must, or it is refused for nothing.
struct Fault {
    what: &'static str,
    gate: OurGate,
    captures: Vec<Capture>,
}

impl Fault {
    /// Whether the last capture came out. A fault whose honest captures are refused is told as one that came out: it shows nothing.
    fn came_out(self) -> (&'static str, bool) {
        let last = self.captures.len().saturating_sub(1);
        let admitted = |capture| self.gate.admit(capture, Act::See(Vec::new())).is_ok();
        let mut out = self.captures.into_iter().map(admitted).collect::<Vec<bool>>();
        let honest = out.drain(..last).all(|came_out| came_out);
        (self.what, !honest || out.first() == Some(&true))
    }
}

/// Picture `seed`, of the known camera.
fn picture(seed: u64) -> Vec<u8> {
    honest(seed).unwrap_or_default()
}

fn located(seed: u64, place: Option<Position>) -> Vec<Capture> {
    place.map(|place| Capture::located_at(picture(seed), place).from_camera(camera())).into_iter().collect()
}

/// These captures, and then those.
fn after(first: Vec<Capture>, then: Vec<Capture>) -> Vec<Capture> {
    first.into_iter().chain(then).collect()
}

/// A picture that says when it was taken, in EXIF; with the fix of here and of now, if that is asked for.
fn stamped(taken: &str, offset: &str, fix: bool, error: Option<(u32, u32)>) -> Vec<u8> {
    let text = |text: &str| ExifValue::Ascii(text.to_owned());
    // To the millisecond: a second left open would be an error of its own.
    let exif = vec![ExifEntry::new(0x9003, text(taken)), ExifEntry::new(0x9291, text("000"))];
    let mut block = ExifBlock { exif, ..ExifBlock::default() };
    if !offset.is_empty() {
        block.exif.push(ExifEntry::new(0x9011, text(offset)));
    }
    if fix {
        let degrees = |value: f64| ExifValue::Rational(vec![((value * 1e6).round() as u32, 1_000_000), (0, 1), (0, 1)]);
        let clock = now().strftime("%H %M %S").to_string();
        let clock = clock.split(' ').map(|part| (part.parse().unwrap_or_default(), 1)).collect();
        let mut gps = vec![
            ExifEntry::new(1, text("N")),
            ExifEntry::new(2, degrees(HERE.0)),
            ExifEntry::new(3, text("E")),
            ExifEntry::new(4, degrees(HERE.1)),
            ExifEntry::new(7, ExifValue::Rational(clock)),
            ExifEntry::new(29, text(&now().strftime("%Y:%m:%d").to_string())),
        ];
        gps.extend(error.map(|error| ExifEntry::new(31, ExifValue::Rational(vec![error]))));
        block.gps = Some(gps);
    }
    let file = picture(5);
    let body = [b"Exif\0\0".as_slice(), &block.to_tiff()].concat();
    let length = u16::try_from(body.len() + 2).unwrap_or(u16::MAX).to_be_bytes();
    [file.get(..2).unwrap_or_default(), &[0xFF, 0xE1], &length, &body, file.get(2..).unwrap_or_default()].concat()
}

fn exif(seconds: i64, offset: &str, error: Option<(u32, u32)>) -> Vec<Capture> {
    let taken = at(seconds).strftime("%Y:%m:%d %H:%M:%S").to_string();
    vec![Capture::located_by_exif(stamped(&taken, offset, true, error)).from_camera(camera())]
}

/// A picture of now beside a log.
fn by_log(log: Option<TrackLog>, taken: &str) -> Vec<Capture> {
    let capture = |log| Capture::located_by_log(stamped(taken, "Z", false, None), Arc::new(log), SignedDuration::ZERO);
    log.map(|log| capture(log).from_camera(camera())).into_iter().collect()
}

/// A GPX log of these points: seconds from now, metres to the north, and what else they say.
fn gpx(points: &[(i64, f64, &str)]) -> Option<TrackLog> {
    let point = |(seconds, north, more): &(i64, f64, &str)| {
        let (time, lat) = (at(*seconds), HERE.0 + north / 111_340.0);
        format!("<trkpt lat=\"{lat:.7}\" lon=\"{}\"><time>{time}</time>{more}</trkpt>", HERE.1)
    };
    let points: String = points.iter().map(point).collect();
    TrackLog::parse(format!("<gpx><trk><trkseg>{points}</trkseg></trk></gpx>").as_bytes()).ok()
}

/// An NMEA log of fixes a second before and after now, with a loss between them that carries no date.
fn lossy() -> Option<TrackLog> {
    let rmc = |seconds: i64| {
        let (clock, day) = (at(seconds).strftime("%H%M%S").to_string(), at(seconds).strftime("%d%m%y").to_string());
        format!("GPRMC,{clock},A,5540.5660,N,01234.0980,E,0.0,0.0,{day},,,A")
    };
    let lost = format!("GPRMC,{},V,,,,,,,,,,N", at(0).strftime("%H%M%S"));
    let line = |body: &String| format!("${body}*{:02X}\r\n", body.bytes().fold(0, |a, b| a ^ b));
    TrackLog::parse([rmc(-1), lost, rmc(1)].iter().map(line).collect::<String>().as_bytes()).ok()
}

/// What a receiver at hand reports at these seconds, with a status; its clock is so many seconds from ours.
fn reported(status: u8, ahead: i64) -> Vec<Capture> {
    let mut track = LiveTrack::default();
    for seconds in [-2, -1, 0] {
        let (lat, lon) = HERE;
        let time = at(seconds + ahead);
        let line = format!(
            "{{\"class\":\"TPV\",\"device\":\"a\",\"mode\":3,\"status\":{status},\"time\":\"{time}\",\"lat\":{lat},\"lon\":{lon},\"eph\":5.0}}"
        );
        track.hear(line.as_bytes(), at(seconds), SignedDuration::from_secs(2));
    }
    let capture = Capture::located_by_log(picture(6), track.log(), SignedDuration::ZERO).from_camera(camera());
    vec![capture.arrived(at(ahead), SignedDuration::from_millis(200))]
}

/// A number of pictures that is used up, which has to be asked before a picture is decoded.
#[derive(Debug)]
struct UsedUp;

impl Quota for UsedUp {
    fn left(&self) -> bool {
        false
    }

    fn take(&self) -> bool {
        true
    }
}

/// Every fault of a position, and whether its capture came out.
///
/// # Errors
/// [`SetupError`] where the gate cannot be set up without a fault.
pub(crate) fn faults() -> Result<Vec<(&'static str, bool)>, SetupError> {
    let strict = || OurGate::with(POLICY, 320);
    let mut faults = Vec::new();
    let mut add = |what, gate, captures| faults.push(Fault { what, gate, captures });
    let stamp = now().strftime("%Y:%m:%d %H:%M:%S").to_string();
    // A gate of its own for each: a wild fix before it must not be what this one is refused for.
    add("no position", strict()?, vec![Capture::unlocated(picture(2)).from_camera(camera())]);
    add("no position in the picture", strict()?, vec![Capture::located_by_exif(picture(2)).from_camera(camera())]);
    let untimed = Position::new(HERE.0, HERE.1, 5.0).ok();
    for (what, place) in [
        ("outside the fence", fix((55.6923, 12.5992), 5.0, 0)),
        ("on the other side of the earth", fix((HERE.0, HERE.1 - 180.0), 5.0, 0)),
        ("an error circle across the fence", fix(HERE, 5000.0, 0)),
        ("a fix from the future", fix(HERE, 5.0, 60)),
        ("a fix without time", untimed),
    ] {
        add(what, strict()?, located(2, place));
    }
    for (what, place) in [
        ("latitude and longitude swapped", fix((HERE.1, HERE.0), 5.0, 0)),
        ("a position that is no number", fix((f64::NAN, HERE.1), 5.0, 0)),
        ("the null island", fix((0.0, 0.0), 5.0, 0)),
    ] {
        // There is no such position to offer.
        if place.is_some() {
            add(what, strict()?, located(2, place));
        }
    }
    add(
        "an unknown camera",
        strict()?,
        here().map(|place| Capture::located_at(picture(2), place)).into_iter().collect(),
    );
    let jump = after(located(2, fix(HERE, 5.0, -2)), located(3, fix((HERE.0 + 0.0054, HERE.1), 5.0, 0)));
    add("a jump of 600 metres in two seconds", strict()?, jump);
    add("a fix three seconds from its picture", strict()?, exif(3, "Z", None));
    add("a picture whose time nobody can tell", strict()?, exif(0, "", None));
    add("an error that is none", strict()?, exif(0, "Z", Some((5, 0))));
    let local =
        OurGate::built(POLICY, 320, &crate::ours::ALL_CLASSES, &format!("{CAMERA}clock = \"Europe/Copenhagen\"\n"))?;
    let shown_twice = Capture::located_by_exif(stamped("2025:10:26 02:30:00", "", true, None)).from_camera(camera());
    add("an hour that the clock shows twice", local, vec![shown_twice]);
    add("a gap of three seconds in the log", strict()?, by_log(gpx(&[(-1, 0.0, ""), (2, 0.0, "")]), &stamp));
    add("a jump in the log", strict()?, by_log(gpx(&[(-1, -150.0, ""), (1, 150.0, "")]), &stamp));
    let poor = "<hdop>-1</hdop>";
    add(
        "an error in the log that is none",
        strict()?,
        by_log(gpx(&[(-1, 0.0, poor), (1, 0.0, poor), (2, 0.0, "")]), &stamp),
    );
    add("a loss in the log without its date", strict()?, by_log(lossy(), &stamp));
    add("a receiver that reckons", strict()?, reported(5, 0));
    add("a receiver with another clock", strict()?, reported(3, -60));
    add(
        "a capture older than may be",
        strict()?.changed(|gate| gate.no_older_than(3600)),
        located(2, fix(HERE, 5.0, -3601)),
    );
    let purpose = |name| Name::new(name).ok();
    let bound = strict()?.changed(|gate| match purpose("containere") {
        Some(name) => gate.for_purpose(name),
        None => gate,
    });
    let other = located(2, here()).into_iter().map(|capture| capture.for_purpose(purpose("parkering"))).collect();
    add("a capture for another purpose", bound, other);
    let twice = |metres: f64, seconds: i64| {
        let there = fix((HERE.0 + metres / 111_340.0, HERE.1), 5.0, seconds - 60);
        after(located(2, fix(HERE, 5.0, -60)), located(3, there))
    };
    let limited = |limits| Ok::<_, SetupError>(strict()?.changed(|gate| gate.limited(limits)));
    let default = CollectionLimits::default;
    add("one spot twice", limited(CollectionLimits { min_distance_m: Some(10.0), ..default() })?, twice(5.0, 30));
    add("sooner than may be", limited(CollectionLimits { min_interval_s: Some(2.0), ..default() })?, twice(12.0, 1));
    let quota = CollectionLimits { quota: Some(Arc::new(UsedUp)), ..default() };
    add("beyond the number of pictures", limited(quota)?, located(2, here()));
    Ok(faults.into_iter().map(Fault::came_out).collect())
}
