//! Somebody outside interferes: plays pictures again, takes the positions away, puts something up in the street. The node says so.

use serde_json::Value;
use vaern_scenes::{Dice, Drive, SceneParams, encode_jpeg, render_without_people};

use crate::nodes::{City, Service, until};
use crate::probes::{SIZE, figure, steady, street};
use crate::{files, leaves};

const RULE: &str = "[interference]\nframes = 10\nreplayed_per_100 = 10\nunplaced_per_100 = 30\ncrowded_above = 6\n\
    crowded_per_100 = 20\ncovered_above_percent = 95\ncovered_per_100 = 20\n\n[expected]";

/// A city that bears a few signs, whose one release finds a container in each frame, and ten where it sees magenta in the corner.
fn city() -> City {
    let city = steady(City::ruled("", &[("[expected]", RULE)]));
    city.release_with("lured", &lured(), 1, None, "\"pixels\"");
    city
}

fn lured() -> Vec<u8> {
    let guest = include_str!("../../../../conformance-tests/hostile/pixels.wat");
    let one = "(i32.store (i32.const 104) (i32.const 1))     ;; one detection";
    let pixel = |at: u8| format!("(i32.load8_u offset={at} (i32.load (i32.const 116)))");
    let magenta = format!(
        "(i32.and (i32.gt_u {} (i32.const 180)) (i32.and (i32.lt_u {} (i32.const 90)) (i32.gt_u {} (i32.const 180))))",
        pixel(0),
        pixel(1),
        pixel(2)
    );
    // Ten boxes side by side, in the place of the one.
    let ten = format!(
        "(if {magenta} (then
          (i32.store (i32.const 100) (i32.const 1024)) (i32.store (i32.const 104) (i32.const 10))
          (loop $next
            (i32.store16 offset=1026 (local.get $at) (i32.mul (local.get $at) (i32.const 2)))
            (i32.store16 offset=1028 (local.get $at) (i32.const 64))
            (i32.store16 offset=1030 (local.get $at) (i32.const 8))
            (i32.store16 offset=1032 (local.get $at) (i32.const 8))
            (i32.store8 offset=1034 (local.get $at) (i32.const 200))
            (local.set $at (i32.add (local.get $at) (i32.const 12)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 120))))))"
    );
    let head = "(func (export \"tmf:vision/plugin@0.1.0#detect\") (param $frame i32) (result i32)";
    assert!(guest.contains(one) && guest.contains(head));
    let guest = guest.replace(one, &format!("(i32.store (i32.const 104) (i32.const 1)) {ten}"));
    vaern_hostile::component_of(&guest.replace(head, &format!("{head} (local $at i32)"))).unwrap()
}

fn alarmed(health: &Value) -> bool {
    health["alarms"].to_string().contains("interference: ")
}

/// What the log has of it.
fn signs(city: &City) -> Vec<Value> {
    leaves(city, "incident").iter().map(|incident| incident["reason"].clone()).collect()
}

/// The node after it saw the plain street.
fn running(city: &City) -> Service {
    city.bring(&files(&street(), 0));
    let mut service = city.start();
    let health = service.saw(40);
    assert!(!alarmed(&health), "{health}");
    service
}

/// Where a JPEG was taken: its EXIF block, marker and all.
fn place_of(jpeg: &[u8]) -> &[u8] {
    let at = jpeg.windows(2).position(|w| w == [0xff, 0xe1]).unwrap();
    let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
    &jpeg[at..at + 2 + length]
}

#[test]
fn cyb_02n_pictures_that_are_played_again_are_refused_and_raise_an_alarm() {
    let city = city();
    let mut service = running(&city);
    city.bring(&files(&street()[..20], 100));
    service.is("the alarm", alarmed);
    service.saw(60);
    until("the figures are told", || figure(&service, "vaern_frames_total{outcome=\"refused\"}") == 20);
    service.end();
    assert_eq!(signs(&city), ["replayed"]);
    let [frames, found, empty, refused] = city.account();
    assert_eq!((frames, found + empty, refused), (60, 40, 20), "and nothing is counted twice");
}

#[test]
fn cyb_02n_positions_that_are_taken_away_raise_an_alarm() {
    let city = city();
    let mut service = running(&city);
    let drive = Drive::generate(8, 300, SIZE).map(Result::unwrap);
    let jammed: Vec<Vec<u8>> = drive.filter(|f| f.truth.fix.is_none()).map(|f| f.jpeg).take(20).collect();
    assert_eq!(jammed.len(), 20);
    city.bring(&files(&jammed, 100));
    service.is("the alarm", alarmed);
    service.saw(60);
    service.end();
    assert_eq!(signs(&city), ["unplaced"]);
    let [frames, found, empty, refused] = city.account();
    assert_eq!((frames, found + empty, refused), (60, 40, 20));
}

#[test]
fn cyb_02n_a_sticker_that_lures_a_release_raises_an_alarm_and_cyb_02p_the_plain_street_does_not() {
    let city = city();
    let params = SceneParams::sample(&mut Dice::new(3), SIZE);
    // The same drawn street without the sticker and with it, at the places of a drive.
    let drawn = |sticker: bool, n: u64| {
        let mut scene = render_without_people(n, &params).unwrap();
        for pixel in scene.rgb.chunks_exact_mut(3).enumerate().filter(|(at, _)| at % 320 < 64 && at / 320 < 48) {
            if sticker {
                pixel.1.copy_from_slice(&[255, 0, 255]);
            }
        }
        encode_jpeg(&scene.rgb, SIZE, 95, None).unwrap()
    };
    let placed = street();
    let at = |sticker: bool, range: std::ops::Range<usize>| -> Vec<Vec<u8>> {
        let one = |n: usize| {
            let jpeg = drawn(sticker, n as u64);
            [&jpeg[..2], place_of(&placed[n]), &jpeg[2..]].concat()
        };
        range.map(one).collect()
    };
    city.bring(&files(&at(false, 0..20), 0));
    let mut service = city.start();
    let health = service.saw(20);
    assert!(!alarmed(&health), "{health}");
    city.bring(&files(&at(true, 20..40), 100));
    service.is("the alarm", alarmed);
    service.saw(40);
    service.end();
    assert_eq!(signs(&city), ["crowded"]);
    let [frames, found, empty, refused] = city.account();
    assert_eq!((frames, found + empty, refused), (40, 40, 0));
}
