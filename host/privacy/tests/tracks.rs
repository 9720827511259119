//! Positions from GPX and NMEA logs, and clocks: FRM-04, FRM-21, CLK-05, CLK-08.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::fmt::Write as _;
use std::sync::Arc;

use common::{Act, CAMERA, Exif, HERE, detector, fences, jpeg, now, policy, shared_data, size, street};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use vaern_privacy::{CameraProfile, CameraSet, Capture, Gate, NoFix, Position, Refusal, TrackLog, TrackLogError};

/// A gate whose camera has a clock of this zone; an empty one for none.
fn gate_with_clock(clock: &str) -> Gate {
    let line = if clock.is_empty() { String::new() } else { format!("clock = \"{clock}\"\n") };
    let camera = CameraProfile::parse(&format!("{CAMERA}{line}")).unwrap();
    let cameras = CameraSet::new(vec![camera]).unwrap();
    Gate::new(policy(), fences(), cameras, vec![detector(Act::See(vec![]))]).unwrap()
}

/// A picture without GPS that says only when it was taken.
fn picture(taken: &'static str, offset: &'static str, subsec: Option<&'static str>) -> Vec<u8> {
    let frame = size(64, 48);
    let exif =
        Exif { latitude: None, longitude: None, time: None, taken: Some((taken, offset)), subsec, ..Exif::default() };
    jpeg(&street(frame, 1), frame, &exif)
}

/// Where the gate puts a picture by a log.
fn located(gate: &Gate, log: &TrackLog, bytes: Vec<u8>, clock_offset: i64) -> Result<Position, Refusal> {
    let offset = SignedDuration::from_secs(clock_offset);
    let capture = Capture::located_by_log(bytes, Arc::new(log.clone()), offset);
    gate.admit(capture, now()).map(|admitted| *admitted.position.unwrap().open())
}

fn at(log: &TrackLog, time: &str) -> Result<Position, Refusal> {
    // EXIF has no `T`, and says the offset apart.
    let stamp: Timestamp = time.parse().unwrap();
    let text = stamp.strftime("%Y:%m:%d %H:%M:%S").to_string();
    located(&gate_with_clock(""), log, picture(text.leak(), "+00:00", Some("000")), 0)
}

/// One point a second, driving north at 10 m/s from the city hall square, from 11:00:00 UTC.
fn point(second: i64, extra: &str) -> String {
    let time =
        Timestamp::from_second("2026-06-01T11:00:00Z".parse::<Timestamp>().unwrap().as_second() + second).unwrap();
    let latitude = HERE.0 + second as f64 * 10.0 / 111_340.0;
    format!("<trkpt lat=\"{latitude:.8}\" lon=\"{}\"><time>{time}</time>{extra}</trkpt>\n", HERE.1)
}

fn gpx(body: &str) -> Result<TrackLog, TrackLogError> {
    let text = format!(
        "\u{feff}<?xml version=\"1.0\"?>\n<gpx version=\"1.1\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n\
         <wpt lat=\"1\" lon=\"2\"><time>2026-06-01T11:00:00Z</time></wpt>\n{body}</gpx>\n"
    );
    TrackLog::parse(text.as_bytes())
}

fn drive(seconds: std::ops::Range<i64>) -> String {
    let points: String = seconds.map(|s| point(s, "<hdop>1.2</hdop>")).collect();
    format!("<trk><trkseg>{points}</trkseg></trk>")
}

fn north_of_here(position: &Position) -> f64 {
    (position.latitude() - HERE.0) * 111_340.0
}

#[test]
fn frm_21p_a_picture_between_two_points_lies_between_them() {
    let log = gpx(&drive(0..30)).unwrap();
    let account = log.account();
    assert_eq!((account.fixes, account.segments, account.untimed, account.bad), (30, 1, 0, 0));
    let gate = gate_with_clock("");
    let exact = located(&gate, &log, picture("2026:06:01 11:00:10", "+00:00", Some("500")), 0).unwrap();
    assert!((north_of_here(&exact) - 105.0).abs() < 0.2, "{}", north_of_here(&exact));
    assert!((exact.error_m() - 6.0).abs() < 0.1, "HDOP 1.2 is 6 m: {}", exact.error_m());
    // A camera that stamps whole seconds leaves a second open: half of it in the middle, half in the error.
    let vague = located(&gate, &log, picture("2026:06:01 13:00:12", "+02:00", None), 0).unwrap();
    assert!((north_of_here(&vague) - 125.0).abs() < 0.2, "{}", north_of_here(&vague));
    assert!((vague.error_m() - 11.0).abs() < 0.2, "{}", vague.error_m());
    assert_eq!(vague.time(), Some("2026-06-01T11:00:12.5Z".parse().unwrap()));
}

#[test]
fn clk_08n_a_picture_without_time_or_before_and_after_the_log_has_no_place() {
    let log = gpx(&drive(0..30)).unwrap();
    let gate = gate_with_clock("");
    let no_time = jpeg(
        &street(size(64, 48), 1),
        size(64, 48),
        &Exif { latitude: None, longitude: None, time: None, ..Exif::default() },
    );
    assert_eq!(located(&gate, &log, no_time, 0).unwrap_err(), NoFix::NoTime.into());
    for time in ["2026:06:01 10:59:59", "2026:06:01 11:00:30", "2026:06:01 13:00:10", "2026:06:02 11:00:10"] {
        let refused = located(&gate, &log, picture(time, "+00:00", None), 0).unwrap_err();
        assert_eq!(refused, NoFix::Stale.into(), "{time}");
    }
    // A local time whose zone nobody states is not taken for UTC.
    assert_eq!(located(&gate, &log, picture("2026:06:01 11:00:10", "", None), 0).unwrap_err(), NoFix::NoTime.into());
    // An offset that cannot be read is not the same as none.
    let copenhagen = gate_with_clock("Europe/Copenhagen");
    let garbled = picture("2026:06:01 13:00:10", "CEST", None);
    assert_eq!(located(&copenhagen, &log, garbled, 0).unwrap_err(), NoFix::NoTime.into());
}

#[test]
fn clk_08p_copenhagen_time_and_a_clock_that_runs_fast_are_set_right() {
    let log = gpx(&drive(0..30)).unwrap();
    let copenhagen = gate_with_clock("Europe/Copenhagen");
    let local = located(&copenhagen, &log, picture("2026:06:01 13:00:10", "", Some("0")), 0).unwrap();
    assert!((north_of_here(&local) - 100.5).abs() < 0.2, "{}", north_of_here(&local));
    // The offset that the picture states goes before the profile's zone.
    let stated = located(&copenhagen, &log, picture("2026:06:01 11:00:20", "Z", Some("000")), 0).unwrap();
    assert!((north_of_here(&stated) - 200.0).abs() < 0.2, "{}", north_of_here(&stated));
    // A clock that is 90 s fast.
    let fast = located(&copenhagen, &log, picture("2026:06:01 13:01:45", "", Some("000")), -90).unwrap();
    assert!((north_of_here(&fast) - 150.0).abs() < 0.2, "{}", north_of_here(&fast));
    let fixed = gate_with_clock("+01:00");
    let winter = located(&fixed, &log, picture("2026:06:01 12:00:05", "", Some("000")), 0).unwrap();
    assert!((north_of_here(&winter) - 50.0).abs() < 0.2);
    assert!(CameraProfile::parse(&format!("{CAMERA}clock = \"Mars/Olympus\"\n")).is_err());
}

/// A log around a moment, so that only the clock can refuse.
fn around(moment: &str) -> TrackLog {
    let middle = moment.parse::<Timestamp>().unwrap().as_second();
    let points: String = (middle - 5..middle + 5)
        .map(|s| {
            let time = Timestamp::from_second(s).unwrap();
            format!("<trkpt lat=\"{}\" lon=\"{}\"><time>{time}</time></trkpt>", HERE.0, HERE.1)
        })
        .collect();
    gpx(&format!("<trk><trkseg>{points}</trkseg></trk>")).unwrap()
}

#[test]
fn clk_05n_the_hour_that_is_shown_twice_and_the_hour_that_is_never_shown_are_no_time() {
    let gate = gate_with_clock("Europe/Copenhagen");
    // Summer time ended on 26 October 2025 at 03:00, back to 02:00.
    let log = around("2025-10-26T00:30:00Z");
    let refused = located(&gate, &log, picture("2025:10:26 02:30:00", "", None), 0).unwrap_err();
    assert_eq!(refused, NoFix::AmbiguousTime.into());
    // It began on 29 March 2026 at 02:00, on to 03:00.
    let log = around("2026-03-29T01:30:00Z");
    let refused = located(&gate, &log, picture("2026:03:29 02:30:00", "", None), 0).unwrap_err();
    assert_eq!(refused, NoFix::AmbiguousTime.into());
    // The same goes for a fix in EXIF whose age can then not be known.
    let exif =
        Exif { time: Some(("2025:10:26", [0, 30, 0])), taken: Some(("2025:10:26 02:30:00", "")), ..Exif::default() };
    let bytes = jpeg(&street(size(64, 48), 1), size(64, 48), &exif);
    let refused = gate.admit(Capture::located_by_exif(bytes), now()).unwrap_err();
    assert_eq!(refused, NoFix::AmbiguousTime.into());
}

#[test]
fn clk_05p_a_stated_offset_tells_the_two_hours_apart() {
    let gate = gate_with_clock("Europe/Copenhagen");
    let first = around("2025-10-26T00:30:00Z");
    let second = around("2025-10-26T01:30:00Z");
    let summer = || picture("2025:10:26 02:30:00", "+02:00", Some("000"));
    let winter = || picture("2025:10:26 02:30:00", "+01:00", Some("000"));
    assert_eq!(located(&gate, &second, summer(), 0).unwrap_err(), NoFix::Stale.into());
    assert!(located(&gate, &first, summer(), 0).is_ok());
    assert!(located(&gate, &second, winter(), 0).is_ok());
    // An hour before and after, local time is a time again, and a day does not change on the way.
    let day = around("2025-10-25T22:30:00Z");
    let midnight = located(&gate, &day, picture("2025:10:26 00:30:00", "", Some("000")), 0).unwrap();
    assert_eq!(midnight.time(), Some("2025-10-25T22:30:00Z".parse().unwrap()));
}

#[test]
fn clk_08n_exif_time_and_satellite_time_that_disagree_are_no_fix() {
    let gate = gate_with_clock("Europe/Copenhagen");
    let shot = |taken| {
        let exif = Exif { taken: Some((taken, "")), ..Exif::default() };
        let bytes = jpeg(&street(size(64, 48), 1), size(64, 48), &exif);
        gate.admit(Capture::located_by_exif(bytes), now()).map(|_| ())
    };
    // The fix is of 11:59:58 UTC.
    assert_eq!(shot("2026:06:01 11:59:58"), Err(NoFix::Stale.into()), "local time taken for UTC");
    assert_eq!(shot("2026:06:01 14:00:02"), Err(NoFix::Stale.into()));
    assert_eq!(shot("2026:06:01 13:59:57"), Ok(()));
}

#[test]
fn clk_08n_a_fix_beside_a_picture_whose_time_nobody_can_tell_is_no_fix() {
    let shot = |clock: &str, taken, subsec| {
        let exif = Exif { taken: Some(taken), subsec, ..Exif::default() };
        let bytes = jpeg(&street(size(64, 48), 1), size(64, 48), &exif);
        gate_with_clock(clock).admit(Capture::located_by_exif(bytes), now()).map(|_| ())
    };
    // The fix is of 11:59:58 UTC; how old it is beside these pictures, nobody can say.
    for (clock, taken, subsec) in [
        ("", ("", ""), None),
        ("", ("2026:06:01 13:59:58", ""), None),
        ("", ("2026:06:01 13:59:58", "   :  "), None),
        ("Europe/Copenhagen", ("2026:06:01 13:59:60", ""), None),
        ("Europe/Copenhagen", ("2026:06:01 24:00:00", ""), None),
        ("Europe/Copenhagen", ("2026:06:01 13:59:58", "CEST"), None),
    ] {
        assert_eq!(shot(clock, taken, subsec), Err(NoFix::NoTime.into()), "{clock} {taken:?} {subsec:?}");
    }
    // Decimals that are none leave the whole second open.
    assert_eq!(shot("Europe/Copenhagen", ("2026:06:01 13:59:58", ""), Some("-5")), Ok(()));
    // A blank offset is how EXIF says that there is none: the profile's clock holds, and the hour-old fix is seen.
    for blank in ["   :  ", "      "] {
        assert_eq!(shot("Europe/Copenhagen", ("2026:06:01 13:59:58", blank), None), Ok(()));
        assert_eq!(shot("Europe/Copenhagen", ("2026:06:01 14:59:58", blank), None), Err(NoFix::Stale.into()));
    }
}

#[test]
fn frm_21n_gaps_jumps_and_lost_fixes_are_not_drawn_over() {
    // A gap of three seconds.
    let gap = gpx(&format!("<trk><trkseg>{}{}</trkseg></trk>", point(0, ""), point(3, ""))).unwrap();
    assert_eq!(at(&gap, "2026-06-01T11:00:01Z").unwrap_err(), NoFix::Stale.into());
    assert!(at(&gap, "2026-06-01T11:00:03Z").is_ok(), "at a fix there is nothing to draw");
    // A jump of a kilometre within a second.
    let far = point(2, "").replace(&format!("lon=\"{}\"", HERE.1), "lon=\"12.5843\"");
    let jump = gpx(&format!("<trk><trkseg>{}{}{far}</trkseg></trk>", point(0, ""), point(1, ""))).unwrap();
    assert_eq!(
        located(&gate_with_clock(""), &jump, picture("2026:06:01 11:00:01", "Z", Some("500")), 0),
        Err(NoFix::Jump.into())
    );
    // The receiver says that it has no fix, or writes (0,0).
    let null = "<trkpt lat=\"0\" lon=\"0\"><time>2026-06-01T11:00:01Z</time></trkpt>".to_owned();
    for lost in [point(1, "<fix>none</fix>"), null] {
        let log = gpx(&format!("<trk><trkseg>{}{lost}{}</trkseg></trk>", point(0, ""), point(2, ""))).unwrap();
        assert_eq!((log.account().fixes, log.account().void), (2, 1));
        assert_eq!(at(&log, "2026-06-01T11:00:01Z").unwrap_err(), NoFix::Void.into());
    }
    // Nothing is drawn from one segment to the next, nor over a point without time.
    let split = gpx(&format!("<trk><trkseg>{}</trkseg><trkseg/><trkseg>{}</trkseg></trk>", point(0, ""), point(2, "")))
        .unwrap();
    assert_eq!(split.account().segments, 2);
    assert_eq!(at(&split, "2026-06-01T11:00:01Z").unwrap_err(), NoFix::Stale.into());
    let untimed = format!("<trkpt lat=\"{}\" lon=\"{}\"/>", HERE.0, HERE.1);
    let broken = gpx(&format!("<trk><trkseg>{}{untimed}{}</trkseg></trk>", point(0, ""), point(2, ""))).unwrap();
    assert_eq!(broken.account().untimed, 1);
    assert_eq!(at(&broken, "2026-06-01T11:00:01Z").unwrap_err(), NoFix::Stale.into());
    // A dilution that stands for more than the policy allows.
    let vague = gpx(&format!("<trk><trkseg>{}</trkseg></trk>", point(0, "<hdop>16</hdop>"))).unwrap();
    assert_eq!(at(&vague, "2026-06-01T11:00:00Z").unwrap_err(), NoFix::Imprecise.into());
}

#[test]
fn frm_21n_two_tracks_that_disagree_are_no_fix_and_frm_21p_two_that_agree_are_one() {
    let elsewhere = drive(0..30).replace(&format!("lon=\"{}\"", HERE.1), "lon=\"12.5723\"");
    let two = gpx(&format!("{}{elsewhere}", drive(0..30))).unwrap();
    assert_eq!(at(&two, "2026-06-01T11:00:10Z").unwrap_err(), NoFix::Ambiguous.into());
    let same = gpx(&format!("{}{}", drive(0..30), drive(5..20))).unwrap();
    assert!((north_of_here(&at(&same, "2026-06-01T11:00:10Z").unwrap()) - 100.0).abs() < 0.2);
    // A clock that was set back begins a stretch of its own.
    let back = gpx(&format!("<trk><trkseg>{}{}{}</trkseg></trk>", point(5, ""), point(6, ""), point(5, ""))).unwrap();
    assert_eq!(back.account().segments, 2);
}

#[test]
fn frm_04n_positions_of_a_log_that_cannot_be_positions_are_left_out() {
    for (lat, lon) in [("6175804", "724352"), ("12.5683", "55.6761"), ("NaN", "12.5"), ("91", "12.5"), ("55.6", "181")]
    {
        let bad = format!("<trkpt lat=\"{lat}\" lon=\"{lon}\"><time>2026-06-01T11:00:01Z</time></trkpt>");
        let log = gpx(&format!("<trk><trkseg>{}{bad}{}</trkseg></trk>", point(0, ""), point(2, ""))).unwrap();
        assert_eq!(log.account().fixes, 2, "{lat} {lon}");
        assert_eq!(at(&log, "2026-06-01T11:00:01Z").unwrap_err(), NoFix::Void.into(), "{lat} {lon}");
    }
    // Outside the fence is outside, whoever says where the picture was taken.
    let away = drive(0..30).replace("lat=\"55.", "lat=\"54.");
    assert_eq!(at(&gpx(&away).unwrap(), "2026-06-01T11:00:10Z").unwrap_err(), Refusal::OutsideFence);
    // Older than now by nothing, but in the future by minutes.
    let later = drive(0..30).replace("T11:00", "T12:05");
    assert_eq!(at(&gpx(&later).unwrap(), "2026-06-01T12:05:10Z").unwrap_err(), NoFix::Future.into());
}

#[test]
fn broken_and_hostile_gpx_files_are_refused_by_name() {
    let parse = |text: &str| TrackLog::parse(text.as_bytes()).unwrap_err();
    assert_eq!(parse("<gpx><trk>"), TrackLogError::Xml);
    assert_eq!(parse("<gpx></trk></gpx>"), TrackLogError::Xml);
    assert_eq!(parse("<kml></kml>"), TrackLogError::NotGpx);
    assert_eq!(parse("<gpx></gpx><gpx></gpx>"), TrackLogError::NotGpx);
    assert_eq!(parse("<gpx></gpx>"), TrackLogError::NoFixes);
    assert_eq!(parse(""), TrackLogError::NoFixes);
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE gpx [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><gpx>&b;</gpx>";
    assert_eq!(parse(bomb), TrackLogError::DocumentType);
    assert_eq!(parse(&format!("<gpx>{}", "<a>".repeat(100_000))), TrackLogError::TooDeep);
    assert_eq!(TrackLog::parse(b"\xFF\xFE<\0g\0p\0x\0").unwrap_err(), TrackLogError::NotUtf8);
    assert_eq!(TrackLog::parse(b"<gpx>\xFF</gpx>").unwrap_err(), TrackLogError::NotUtf8);
    // A time without a zone is anybody's local time.
    let local = drive(0..3).replace("Z</time>", "</time>");
    assert_eq!(gpx(&local).unwrap_err(), TrackLogError::NoFixes);
    // An extension's own `time` is not the point's.
    let nested = point(0, "<extensions><x><time>2020-01-01T00:00:00Z</time></x></extensions>");
    let log = gpx(&format!("<trk><trkseg>{nested}</trkseg></trk>")).unwrap();
    assert!(at(&log, "2026-06-01T11:00:00Z").is_ok());
}

fn sentence(body: &str) -> String {
    let sum = body.bytes().fold(0, |a, b| a ^ b);
    format!("${body}*{sum:02X}\r\n")
}

const RMC: &str = "GNRMC,110000.00,A,5540.5660,N,01234.0980,E,19.4,0.0,010626,,,A";
const GGA: &str = "GNGGA,110000.00,5540.5660,N,01234.0980,E,1,09,0.9,10.0,M,40.0,M,,";

fn nmea(lines: &[&str]) -> Result<TrackLog, TrackLogError> {
    let text = lines.iter().fold(String::from("# a comment\r\n"), |mut text, line| {
        let _ = write!(text, "{}", sentence(line));
        text
    });
    TrackLog::parse(text.as_bytes())
}

#[test]
fn frm_21p_nmea_fixes_are_taken_with_their_date_and_dilution() {
    let log = nmea(&[RMC, GGA]).unwrap();
    let position = at(&log, "2026-06-01T11:00:00Z").unwrap();
    assert!((position.latitude() - 55.6761).abs() < 1e-6 && (position.longitude() - 12.5683).abs() < 1e-6);
    assert_eq!(position.heading(), Some(0.0));
    assert!(
        (position.error_m() - 5.0).abs() < 0.01,
        "4.5 m by dilution, not below the camera's 5: {}",
        position.error_m()
    );
    // Two epochs, and a picture between them.
    let later = [RMC.replace("110000", "110002"), GGA.replace("110000", "110002")];
    let log = nmea(&[RMC, GGA, &later[0], &later[1]]).unwrap();
    assert!(at(&log, "2026-06-01T11:00:01Z").is_ok());
    // The order of the sentences of one epoch does not matter.
    assert_eq!(nmea(&[GGA, RMC]).unwrap().account().fixes, 1);
}

#[test]
fn frm_21n_nmea_that_says_it_has_no_fix_is_believed() {
    let void = |lines: &[&str]| nmea(lines).map(|log| log.account().fixes).unwrap_or(0);
    assert_eq!(void(&[&RMC.replace(",A,5540", ",V,5540"), GGA]), 0, "status V");
    assert_eq!(void(&[RMC, &GGA.replace(",E,1,", ",E,0,")]), 0, "quality 0");
    for quality in ["6", "7", "8", ""] {
        assert_eq!(void(&[RMC, &GGA.replace(",E,1,", &format!(",E,{quality},"))]), 0, "quality {quality}");
    }
    for mode in ["N", "E", "M", "S"] {
        assert_eq!(void(&[&RMC.replace(",,,A", &format!(",,,{mode}"))]), 0, "mode {mode}");
    }
    assert_eq!(void(&[GGA]), 0, "GGA alone has no date");
    assert_eq!(void(&[&RMC.replace("010626", "310626")]), 0, "a date that does not exist");
    assert_eq!(void(&[&RMC.replace("5540.5660", "5560.5660")]), 0, "sixty minutes");
    assert_eq!(void(&[&RMC.replace(",N,", ",X,")]), 0, "no hemisphere");
    // Between two good fixes a lost one is not drawn over.
    let (b, c) = (RMC.replace("110000", "110001").replace(",A,", ",V,"), RMC.replace("110000", "110002"));
    let log = nmea(&[RMC, &b, &c]).unwrap();
    assert_eq!(at(&log, "2026-06-01T11:00:01Z").unwrap_err(), NoFix::Void.into());
}

#[test]
fn frm_21n_nmea_lines_whose_checksum_does_not_hold_are_left_out() {
    let good = sentence(RMC);
    for (from, to) in [("*", ""), ("5540", "5541"), ("*", "*0")] {
        assert_eq!(TrackLog::parse(good.replace(from, to).as_bytes()).unwrap_err(), TrackLogError::NoFixes);
    }
    let body = good.split('*').next().unwrap();
    assert_eq!(TrackLog::parse(body.as_bytes()).unwrap_err(), TrackLogError::NoFixes, "no checksum at all");
    // A binary packet that runs into the line leaves the sentence whole.
    let mut mixed = b"\xB5\x62\x01\x07$GPX\x00".to_vec();
    mixed.extend_from_slice(good.as_bytes());
    assert_eq!(TrackLog::parse(&mixed).unwrap().account().fixes, 1);
}

#[test]
fn real_logs_are_read_or_refused_and_never_invent_a_fix() {
    let Some(data) = shared_data("real_logs_are_read_or_refused_and_never_invent_a_fix") else { return };
    let mut files = 0;
    let mut fixes = 0;
    for entry in std::fs::read_dir(data.join("dev/tracks")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let log = TrackLog::parse(&bytes);
        println!("{file}: {:?}", log.as_ref().map(TrackLog::account));
        let account = log.map(|log| log.account()).unwrap_or_default();
        if file.ends_with(".gpx") {
            // Counted by other means: points of tracks that hold a time in UTC.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let points = text.split("<trkpt").skip(1).map(|rest| rest.split("</trkpt>").next().unwrap());
            let timed = points.filter(|point| point.contains("Z</time>")).count();
            assert_eq!(account.fixes + account.void + account.bad, timed, "{file}");
        }
        files += 1;
        fixes += account.fixes;
    }
    assert!(files >= 25 && fixes > 500, "{files} files, {fixes} fixes");
}

/// What another program made of the same sentences, line by line: every fix of ours must be one of its fixes.
#[test]
fn real_logs_agree_with_what_another_program_reads_in_them() {
    let Some(data) = shared_data("real_logs_agree_with_what_another_program_reads_in_them") else { return };
    let mut compared = 0;
    for file in ["gpsd_nmea-fuzzy-cases.log.chk", "gpsd_bu303-moving.log.chk", "gpsd_ublox-neo-m8n.log.chk"] {
        let text = std::fs::read(data.join("dev/tracks").join(file)).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        let log = TrackLog::parse(text.as_bytes()).unwrap();
        // A gate cannot be asked about places far from its fence, so the log is compared by what it would refuse there.
        let mut theirs = 0;
        for line in text.lines().filter(|line| line.contains("\"class\":\"TPV\"")) {
            let value: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
            theirs += usize::from(value["mode"].as_u64() >= Some(2) && value["time"].is_string());
        }
        println!("{file}: {:?}, theirs {theirs}", log.account());
        assert!(
            log.account().fixes <= theirs && log.account().fixes * 2 >= theirs,
            "{file}: {:?} {theirs}",
            log.account()
        );
        compared += log.account().fixes;
    }
    assert!(compared > 30, "{compared}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever lies between the two ends of a stretch is on the straight line between them, and its error reaches both.
    #[test]
    fn a_place_between_two_fixes_lies_on_the_line_between_them(
        east in -40.0..40.0_f64, north in -40.0..40.0_f64, milli in 0_u32..1000,
    ) {
        let (lat, lon) = (HERE.0 + north / 111_340.0, HERE.1 + east / 62_900.0);
        let b = format!("<trkpt lat=\"{lat}\" lon=\"{lon}\"><time>2026-06-01T11:00:01Z</time></trkpt>");
        let log = gpx(&format!("<trk><trkseg>{}{b}</trkseg></trk>", point(0, ""))).unwrap();
        let subsec = format!("{milli:03}").leak();
        let result = located(&gate_with_clock(""), &log, picture("2026:06:01 11:00:00", "Z", Some(subsec)), 0);
        let position = result.unwrap();
        let share = f64::from(milli) / 1000.0;
        prop_assert!((north_of_here(&position) - north * share).abs() < 0.5);
        prop_assert!(((position.longitude() - HERE.1) * 62_900.0 - east * share).abs() < 0.5);
    }
}
