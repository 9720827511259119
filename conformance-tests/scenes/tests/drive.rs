//! A drive's files say what its truth says: positions, times, and what a camera leaves out without a fix.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use exif::{Exif, In, Reader, Tag, Value};
use vaern_scenes::{
    CAMERA_ID, Class, Drive, DriveFrame, ExifBlock, ExifEntry, ExifValue, FENCE, encode_jpeg, fence_margin_m,
};

const SMALL: (u16, u16) = (320, 180);

fn frames(seed: u64, count: usize) -> Vec<DriveFrame> {
    Drive::generate(seed, count, SMALL).map(|f| f.unwrap()).collect()
}

fn read(jpeg: &[u8]) -> Exif {
    Reader::new().read_from_container(&mut Cursor::new(jpeg)).unwrap()
}

fn degrees(exif: &Exif, tag: Tag) -> f64 {
    match &exif.get_field(tag, In::PRIMARY).unwrap().value {
        Value::Rational(v) => v[0].to_f64() + v[1].to_f64() / 60.0 + v[2].to_f64() / 3600.0,
        other => panic!("{tag}: {other:?}"),
    }
}

fn number(exif: &Exif, tag: Tag) -> f64 {
    match &exif.get_field(tag, In::PRIMARY).unwrap().value {
        Value::Rational(v) => v[0].to_f64(),
        other => panic!("{tag}: {other:?}"),
    }
}

fn text(exif: &Exif, tag: Tag) -> String {
    match &exif.get_field(tag, In::PRIMARY).unwrap().value {
        Value::Ascii(v) => String::from_utf8(v[0].clone()).unwrap(),
        other => panic!("{tag}: {other:?}"),
    }
}

#[test]
fn exif_says_what_the_truth_says() {
    let all = frames(3, 24);
    assert_eq!(all.len(), 24);
    let mut without = 0;
    for frame in &all {
        let (exif, truth) = (read(&frame.jpeg), &frame.truth);
        assert_eq!(text(&exif, Tag::Make), "vaern");
        assert_eq!(text(&exif, Tag::Model), CAMERA_ID);
        assert_eq!(text(&exif, Tag::OffsetTimeOriginal), "+02:00");
        let utc_hour: u32 = truth.time[11..13].parse().unwrap();
        let local = format!("{} {:02}{}", truth.time[..10].replace('-', ":"), utc_hour + 2, &truth.time[13..19]);
        assert_eq!(text(&exif, Tag::DateTimeOriginal), local);
        let Some(fix) = &truth.fix else {
            without += 1;
            assert!(exif.fields().all(|f| f.tag.context() != exif::Context::Gps), "{}: GPS without a fix", truth.name);
            continue;
        };
        assert_eq!((text(&exif, Tag::GPSLatitudeRef), text(&exif, Tag::GPSLongitudeRef)), ("N".into(), "E".into()));
        assert!((degrees(&exif, Tag::GPSLatitude) - fix.place.latitude).abs() < 1e-9);
        assert!((degrees(&exif, Tag::GPSLongitude) - fix.place.longitude).abs() < 1e-9);
        assert!((number(&exif, Tag::GPSImgDirection) - fix.direction).abs() < 1e-9);
        assert!((number(&exif, Tag::GPSHPositioningError) - fix.error_m).abs() < 1e-9);
        assert_eq!(text(&exif, Tag::GPSDateStamp), truth.time[..10].replace('-', ":"));
        // The claim is near the true place, and not the same.
        let off = (fix.place.latitude - truth.place.latitude).abs() * 111_336.0;
        assert!(off < 4.0, "{}: {off} m off", truth.name);
    }
    assert!(without >= 1, "no frame without a fix");
}

#[test]
fn frames_lie_inside_outside_and_near_people_as_stated() {
    let all = frames(4, 24);
    let outside: Vec<_> = all.iter().filter(|f| !f.truth.inside).collect();
    assert_eq!(outside.len(), 3);
    for f in &all {
        assert!((fence_margin_m(f.truth.place) > 0.0) == f.truth.inside);
        let error = f.truth.fix.map_or(5.0, |fix| fix.error_m + 5.0);
        assert!(f.truth.fence_margin_m.abs() > error, "{}: too near the line to say", f.truth.name);
    }
    let close: Vec<_> = all.iter().filter(|f| f.truth.close_people).collect();
    assert!(close.len() >= 3);
    let near =
        |f: &&&DriveFrame| f.truth.objects.iter().any(|o| o.class == Class::Person && o.attributes.distance_m < 7.0);
    assert!(close.iter().filter(near).count() >= close.len() - 1, "close frames without close people");
}

#[test]
fn standing_things_keep_number_and_place() {
    let mut places: BTreeMap<u32, Vec<[f64; 2]>> = BTreeMap::new();
    for f in frames(5, 20) {
        for o in f.truth.objects.iter().filter(|o| matches!(o.class, Class::Container(_))) {
            places.entry(o.attributes.thing.unwrap()).or_default().push(o.attributes.place.unwrap());
        }
    }
    let again = places.values().filter(|p| p.len() > 2).count();
    assert!(again > 2, "only {again} containers are seen more than twice");
    for (thing, seen) in places {
        assert!(seen.iter().all(|p| p == &seen[0]), "container {thing} moved: {seen:?}");
        let p = vaern_scenes::Place { latitude: seen[0][0], longitude: seen[0][1] };
        assert!(fence_margin_m(p).abs() < 2000.0);
    }
}

#[test]
fn frames_are_jpegs_with_a_thumbnail_and_the_same_for_a_seed() {
    let (a, b) = (frames(6, 9), frames(6, 9));
    assert_eq!(a, b);
    for f in &a {
        let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(&f.jpeg));
        let pixels = decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some((320, 180)));
        assert_eq!(pixels.len(), 320 * 180 * 3);
        let sof = f.jpeg.windows(2).rposition(|w| w == [0xFF, 0xC0]).unwrap();
        assert_eq!(f.jpeg[sof + 11], 0x22, "luma is sampled 2x2");
        let exif = read(&f.jpeg);
        let field = |tag| exif.get_field(tag, In::THUMBNAIL).unwrap().value.get_uint(0).unwrap() as usize;
        let (at, len) = (field(Tag::JPEGInterchangeFormat), field(Tag::JPEGInterchangeFormatLength));
        let thumb = &exif.buf()[at..at + len];
        assert_eq!((&thumb[..2], &thumb[len - 2..]), (&[0xFF, 0xD8][..], &[0xFF, 0xD9][..]));
        let mut small = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(thumb));
        small.decode().unwrap();
        assert_eq!(small.dimensions(), Some((160, 90)));
    }
}

#[test]
fn the_track_has_a_point_for_each_frame() {
    let drive = Drive::generate(7, 12, SMALL);
    let gpx = drive.gpx();
    assert_eq!(gpx.matches("<trkpt ").count(), 12);
    for frame in drive {
        let truth = frame.unwrap().truth;
        let point = format!(
            "<trkpt lat=\"{:.7}\" lon=\"{:.7}\"><time>{}</time>",
            truth.place.latitude, truth.place.longitude, truth.time
        );
        assert!(gpx.contains(&point), "{} is not on the track", truth.name);
    }
}

#[test]
fn long_and_short_drives_have_the_frames_asked_for() {
    for frames in [0, 1, 7, 300, 2000] {
        assert_eq!(Drive::generate(1, frames, SMALL).frames(), frames);
    }
}

#[test]
fn the_fence_is_the_citys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/geofences/indre-by.geojson");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let ring = json["features"][0]["geometry"]["coordinates"][0].as_array().unwrap();
    let corners: Vec<(f64, f64)> = ring.iter().map(|p| (p[1].as_f64().unwrap(), p[0].as_f64().unwrap())).collect();
    let ours: Vec<(f64, f64)> = FENCE.iter().chain(FENCE.first()).map(|p| (p.latitude, p.longitude)).collect();
    assert_eq!(ours, corners);
}

#[test]
fn either_byte_order_reads_the_same_and_a_wrong_block_can_be_written() {
    let mut block = ExifBlock {
        primary: vec![ExifEntry::new(0x0110, ExifValue::Ascii("x".into()))],
        exif: vec![ExifEntry::new(0xA001, ExifValue::Short(vec![1]))],
        gps: Some(vec![ExifEntry::new(0x02, ExifValue::Rational(vec![(55, 1), (40, 1), (30, 1)]))]),
        thumbnail: None,
        big_endian: false,
    };
    for big_endian in [false, true] {
        block.big_endian = big_endian;
        let grey = vec![128; 16 * 16 * 3];
        let exif = read(&encode_jpeg(&grey, (16, 16), 90, Some(&block)).unwrap());
        assert_eq!(text(&exif, Tag::Model), "x");
        assert!((degrees(&exif, Tag::GPSLatitude) - 55.675).abs() < 1e-9);
        assert!(exif.get_field(Tag::GPSLatitudeRef, In::PRIMARY).is_none(), "left out on purpose");
    }
}
