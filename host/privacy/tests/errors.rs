//! What a receiver says of its own error, and of its loss: FRM-21 in EXIF, GPX and NMEA; and logs that are not in degrees: FRM-04.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::sync::Arc;

use common::{Act, Exif, HERE, gate, jpeg, now, size, street};
use exif::{Rational, SRational, Tag, Value};
use jiff::SignedDuration;
use vaern_privacy::{Capture, NoFix, Position, Refusal, TrackLog, TrackLogError};

fn taken(exif: &Exif, log: Option<TrackLog>) -> Result<Position, Refusal> {
    let bytes = jpeg(&street(size(64, 48), 1), size(64, 48), exif);
    let capture = match log {
        None => Capture::located_by_exif(bytes),
        Some(log) => Capture::located_by_log(bytes, Arc::new(log), SignedDuration::ZERO),
    };
    gate(Act::See(vec![])).admit(capture, now()).map(|admitted| *admitted.position.unwrap().open())
}

fn rational(num: u32, denom: u32) -> Value {
    Value::Rational(vec![Rational { num, denom }])
}

fn with(tag: Tag, value: Value) -> Result<Position, Refusal> {
    taken(&Exif { more: vec![(tag, value)], ..Exif::default() }, None)
}

/// Where the gate puts a picture that was taken half a second after the log's first fix.
fn by_log(log: TrackLog) -> Result<Position, Refusal> {
    let exif = Exif {
        taken: Some(("2026:06:01 11:00:00", "Z")),
        subsec: Some("500"),
        latitude: None,
        longitude: None,
        time: None,
        ..Exif::default()
    };
    taken(&exif, Some(log))
}

/// A point of 11:00:00 with something in it, and one of 11:00:01.
fn gpx(extra: &str) -> TrackLog {
    let point = |second: u8, extra: &str| {
        let (lat, lon) = HERE;
        format!("<trkpt lat=\"{lat}\" lon=\"{lon}\"><time>2026-06-01T11:00:0{second}Z</time>{extra}</trkpt>")
    };
    let points = format!("{}{}", point(0, extra), point(1, ""));
    TrackLog::parse(format!("<gpx><trk><trkseg>{points}</trkseg></trk></gpx>").as_bytes()).unwrap()
}

fn rmc(clock: &str, status: &str, day: &str) -> String {
    format!("GNRMC,{clock},{status},5540.5660,N,01234.0980,E,0.0,0.0,{day},,,A")
}

fn gga(clock: &str, quality: &str, dilution: &str) -> String {
    format!("GNGGA,{clock},5540.5660,N,01234.0980,E,{quality},09,{dilution},10.0,M,40.0,M,,")
}

/// These sentences, and a good fix of 11:00:01.
fn nmea(lines: &[String]) -> TrackLog {
    let sum = |body: &str| body.bytes().fold(0, |a, b| a ^ b);
    let last = [rmc("110001", "A", "010626")];
    let text: String = lines.iter().chain(&last).map(|body| format!("${body}*{:02X}\r\n", sum(body))).collect();
    TrackLog::parse(text.as_bytes()).unwrap()
}

#[test]
fn frm_21n_an_error_that_is_stated_and_is_none_is_no_fix() {
    for tag in [Tag::GPSHPositioningError, Tag::GPSDOP] {
        let signed = Value::SRational(vec![SRational { num: 5, denom: 1 }]);
        for value in [rational(500, 0), rational(0, 0), rational(0, 1), signed, Value::Ascii(vec![b"5".to_vec()])] {
            assert_eq!(with(tag, value.clone()).unwrap_err(), NoFix::Imprecise.into(), "{tag} {value:?}");
        }
    }
    for (extra, holds) in [
        ("<hdop>1.2</hdop>", true),
        ("<hdop></hdop>", true),
        ("<hdop>INF</hdop>", false),
        ("<hdop>NaN</hdop>", false),
        ("<hdop>-1</hdop>", false),
        ("<hdop>0</hdop>", false),
        ("<hdop>1&#48;0</hdop>", false),
        ("<hdop>1<b/>2</hdop>", false),
        ("<pdop>best</pdop>", false),
        ("<fix>3d</fix>", true),
        ("<fix>none</fix>", false),
        ("<fix><![CDATA[none]]></fix>", false),
        ("<fix>no&#110;e</fix>", false),
        // What is not read of a point may be written as it likes.
        ("<name><![CDATA[a & b]]></name><desc>&#65;<b>c</b></desc>", true),
    ] {
        assert_eq!(by_log(gpx(extra)).is_ok(), holds, "{extra}");
    }
    for (dilution, holds) in [("0.9", true), ("", true), ("NaN", false), ("0", false), ("-3", false), ("x", false)] {
        let log = nmea(&[rmc("110000", "A", "010626"), gga("110000", "1", dilution)]);
        assert_eq!(by_log(log).is_ok(), holds, "{dilution}");
    }
}

#[test]
fn frm_21p_an_error_that_is_stated_is_believed_but_a_dilution_not_below_the_cameras_own() {
    let error = |tag, value| with(tag, value).unwrap().error_m();
    assert!((error(Tag::GPSHPositioningError, rational(23, 10)) - 2.3).abs() < 1e-9);
    assert!((error(Tag::GPSDOP, rational(3, 1)) - 15.0).abs() < 1e-9, "five metres for each unit");
    assert!((error(Tag::GPSDOP, rational(6, 10)) - 5.0).abs() < 1e-9, "the camera's own is 5");
    assert_eq!(with(Tag::GPSDOP, rational(11, 1)).unwrap_err(), NoFix::Imprecise.into(), "55 metres");
}

#[test]
fn min_03n_a_magnetic_direction_is_no_heading_and_min_03p_a_true_one_or_the_way_driven_is() {
    let heading = |more| taken(&Exif { more, ..Exif::default() }, None).unwrap().heading();
    let ascii = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
    let direction =
        |reference| vec![(Tag::GPSImgDirection, rational(90, 1)), (Tag::GPSImgDirectionRef, ascii(reference))];
    assert_eq!(heading(direction("T")), Some(90.0));
    assert_eq!(heading(direction("M")), None);
    // The way driven, with the camera's own angle to it, which is 0 here.
    let track = vec![(Tag::GPSTrack, rational(45, 1)), (Tag::GPSTrackRef, ascii("T"))];
    assert_eq!(heading(track.clone()), Some(45.0));
    assert_eq!(heading([direction("M"), track].concat()), Some(45.0));
}

#[test]
fn frm_21n_a_loss_without_a_date_is_not_drawn_over() {
    let good = rmc("110000", "A", "010626");
    for lost in [
        "GPRMC,110000.5,V,,,,,,,,,,N".to_owned(),
        gga("110000.5", "0", "0.9"),
        gga("110000.5", "", ""),
        rmc("110000.5", "A", ""),
    ] {
        assert_eq!(by_log(nmea(&[good.clone(), lost.clone()])).unwrap_err(), NoFix::Stale.into(), "{lost}");
    }
    // A receiver that tells its place more often than its date.
    let more = [good, gga("110000.2", "1", "0.9"), gga("110000.4", "1", "0.9")];
    assert!(by_log(nmea(&more)).is_ok());
}

#[test]
fn frm_04n_a_log_in_metres_or_with_its_axes_swapped_is_refused_with_its_mend() {
    let parse = |lat: &str, lon: &str| {
        let point = format!("<trkpt lat=\"{lat}\" lon=\"{lon}\"><time>2026-06-01T11:00:00Z</time></trkpt>");
        TrackLog::parse(format!("<gpx><trk><trkseg>{point}</trkseg></trk></gpx>").as_bytes()).unwrap_err()
    };
    assert_eq!(parse("6175804", "724352"), TrackLogError::Epsg25832);
    assert_eq!(parse("724352", "6175804"), TrackLogError::Epsg25832);
    assert!(TrackLogError::Epsg25832.to_string().contains("WGS 84"));
    assert_eq!(parse("12.5683", "55.6761"), TrackLogError::Swapped);
    assert!(TrackLogError::Swapped.to_string().contains("`lat` north"));
    assert_eq!(parse("95.0", "100.0"), TrackLogError::NoFixes);
}
