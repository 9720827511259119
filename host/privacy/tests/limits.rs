//! What a purpose does not need is not collected: FRM-07, MIN-07, MIN-11. Decided before a pixel is decoded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Act, HERE, gate, jpeg, name, now, size, street};
use jiff::Timestamp;
use proptest::prelude::*;
use vaern_privacy::{Capture, CollectionLimits, Gate, Memory, Position, Quota, Refusal};

/// A place `east` and `north` metres from the city hall square, some seconds into a drive.
fn place(east: f64, north: f64, second: i64, heading: Option<f64>) -> Position {
    let time = "2026-06-01T11:00:00Z".parse::<Timestamp>().unwrap().as_second() + second;
    let position = Position::new(HERE.0 + north / 111_340.0, HERE.1 + east / 62_900.0, 5.0).unwrap();
    let position = position.with_time(Timestamp::from_second(time).unwrap());
    heading.map_or(position, |heading| position.with_heading(heading))
}

fn capture(seed: u64, position: Position) -> Capture {
    let frame = size(16, 16);
    let bytes = jpeg(&street(frame, seed * 2 + 1), frame, &common::Exif::default());
    Capture::located_at(bytes, position).from_camera(Some(name("test-cam")))
}

fn limited(limits: CollectionLimits) -> Gate {
    gate(Act::See(vec![])).limited(limits)
}

fn shoot(gate: &Gate, seed: u64, position: Position) -> Result<(), Refusal> {
    gate.admit(capture(seed, position), now()).map(|_| ())
}

#[test]
fn min_07n_no_two_frames_of_one_spot() {
    let gate = limited(CollectionLimits { min_distance_m: Some(10.0), ..CollectionLimits::default() });
    assert_eq!(shoot(&gate, 1, place(0.0, 0.0, 0, Some(10.0))), Ok(()));
    assert_eq!(shoot(&gate, 2, place(0.0, 6.0, 1, Some(20.0))), Err(Refusal::SameSpot));
    assert_eq!(shoot(&gate, 3, place(3.0, 3.0, 900, Some(350.0))), Err(Refusal::SameSpot), "later is no other spot");
    assert_eq!(shoot(&gate, 4, place(0.0, 0.0, 901, None)), Err(Refusal::SameSpot), "who looks nowhere may look here");
}

#[test]
fn min_07p_another_spot_and_another_view_are_collected() {
    let gate = limited(CollectionLimits { min_distance_m: Some(10.0), ..CollectionLimits::default() });
    for (seed, position) in [
        place(0.0, 0.0, 0, Some(0.0)),
        place(0.0, 11.0, 1, Some(0.0)),
        // Back along the other side of the street.
        place(0.0, 1.0, 60, Some(180.0)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(shoot(&gate, seed as u64 + 1, position), Ok(()), "{seed}");
    }
}

#[test]
fn min_07n_no_faster_than_the_purpose_needs_and_min_07p_in_any_order() {
    let gate = limited(CollectionLimits { min_interval_s: Some(2.0), ..CollectionLimits::default() });
    assert_eq!(shoot(&gate, 1, place(0.0, 0.0, 10, None)), Ok(()));
    assert_eq!(shoot(&gate, 2, place(0.0, 15.0, 11, None)), Err(Refusal::TooSoon));
    assert_eq!(shoot(&gate, 3, place(0.0, -15.0, 9, None)), Err(Refusal::TooSoon));
    assert_eq!(shoot(&gate, 4, place(0.0, 30.0, 12, None)), Ok(()));
    assert_eq!(shoot(&gate, 5, place(0.0, -30.0, 8, None)), Ok(()));
}

#[test]
fn min_07n_in_operation_a_frame_is_held_against_the_newest_and_a_restart_forgets_no_more_than_it_must() {
    let limits = || CollectionLimits {
        min_distance_m: Some(10.0),
        min_interval_s: Some(0.5),
        memory: Memory::Newest,
        ..CollectionLimits::default()
    };
    let gate = limited(limits());
    for n in 0..9 {
        assert_eq!(shoot(&gate, n, place(0.0, 12.0 * n as f64, n as i64, None)), Ok(()), "{n}");
    }
    assert_eq!(shoot(&gate, 20, place(0.0, 97.0, 12, None)), Err(Refusal::SameSpot), "it stands still");
    assert_eq!(shoot(&gate, 21, place(0.0, 120.0, 8, None)), Err(Refusal::TooSoon));
    assert_eq!(shoot(&gate, 22, place(0.0, 0.0, 600, None)), Ok(()), "the next round is looked at again");

    // A restart: the newest frame is handed on, and nothing of it is doubled.
    let gate = limited(limits());
    gate.resume(name("test-cam"), place(0.0, 96.0, 8, None));
    assert_eq!(shoot(&gate, 23, place(0.0, 97.0, 12, None)), Err(Refusal::SameSpot));
    assert_eq!(shoot(&gate, 24, place(0.0, 120.0, 8, None)), Err(Refusal::TooSoon));
    assert_eq!(shoot(&gate, 25, place(0.0, 120.0, 12, None)), Ok(()));
}

#[derive(Debug)]
struct Count(AtomicU64, u64);

impl Quota for Count {
    fn left(&self) -> bool {
        self.0.load(Ordering::SeqCst) < self.1
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < self.1).then_some(n + 1)).is_ok()
    }
}

#[test]
fn min_11n_beyond_the_quota_collection_stops() {
    let quota = Arc::new(Count(AtomicU64::new(0), 2));
    let gate = limited(CollectionLimits { quota: Some(quota.clone()), ..CollectionLimits::default() });
    // What is refused on the way is not collected.
    let broken =
        Capture::located_at(b"no picture".to_vec(), place(0.0, 0.0, 0, None)).from_camera(Some(name("test-cam")));
    assert!(gate.admit(broken, now()).is_err());
    assert_eq!(quota.0.load(Ordering::SeqCst), 0);
    for seed in 1..=2 {
        assert_eq!(shoot(&gate, seed, place(0.0, seed as f64 * 20.0, seed as i64 * 5, None)), Ok(()));
    }
    assert_eq!(shoot(&gate, 3, place(0.0, 80.0, 20, None)), Err(Refusal::QuotaReached));
    assert_eq!(quota.0.load(Ordering::SeqCst), 2);
}

#[test]
fn min_11n_the_quota_is_judged_before_decode() {
    let gate =
        limited(CollectionLimits { quota: Some(Arc::new(Count(AtomicU64::new(5), 5))), ..CollectionLimits::default() });
    let located = gate.locate(capture(1, place(0.0, 0.0, 0, None)), now()).unwrap();
    assert_eq!(gate.fence(located).map(|_| ()), Err(Refusal::QuotaReached));
}

#[test]
fn min_11n_two_frames_at_once_do_not_share_the_last_place() {
    let gate =
        limited(CollectionLimits { quota: Some(Arc::new(Count(AtomicU64::new(0), 1))), ..CollectionLimits::default() });
    let ready = |seed: u64, second| {
        let located = gate.locate(capture(seed, place(0.0, second as f64 * 5.0, second, None)), now()).unwrap();
        let raw = gate.decode(gate.fence(located).unwrap()).unwrap();
        let proof = gate.search(&raw).unwrap();
        (raw, proof)
    };
    let (first, second) = (ready(1, 1), ready(2, 8));
    assert!(gate.mask(first.0, first.1).is_ok());
    assert_eq!(gate.mask(second.0, second.1).map(|_| ()), Err(Refusal::QuotaReached));
}

#[test]
fn frm_07n_a_frame_for_another_purpose_is_refused() {
    let gate = gate(Act::See(vec![])).for_purpose(name("containere"));
    let offered = |purpose: &str, seed| {
        let capture = capture(seed, place(0.0, seed as f64, seed as i64, None)).for_purpose(Some(name(purpose)));
        gate.admit(capture, now()).map(|_| ())
    };
    assert_eq!(offered("parkering", 1), Err(Refusal::WrongPurpose));
    assert_eq!(Refusal::WrongPurpose.krav().0, "STD-03", "the purpose binds");
    assert_eq!(offered("containere", 2), Ok(()), "frm_07p");
    assert_eq!(shoot(&gate, 3, place(0.0, 3.0, 3, None)), Ok(()), "frm_07p: nobody says what it was taken for");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The grid finds what comparing each with each would find.
    #[test]
    fn near_spots_are_found_as_by_comparing_all(
        spots in prop::collection::vec((-60.0..60.0_f64, -60.0..60.0_f64), 2..14), least in 2.0..25.0_f64,
    ) {
        let gate = limited(CollectionLimits { min_distance_m: Some(least), ..CollectionLimits::default() });
        let mut kept: Vec<Position> = Vec::new();
        for (index, (east, north)) in spots.into_iter().enumerate() {
            let here = place(east, north, index as i64 * 10, None);
            let near = kept.iter().any(|other| other.distance_m(&here) < least);
            let result = shoot(&gate, index as u64 + 1, here);
            prop_assert_eq!(result, if near { Err(Refusal::SameSpot) } else { Ok(()) });
            if !near {
                kept.push(here);
            }
        }
    }
}

#[test]
fn frm_11n_two_replays_at_once_are_counted_once() {
    let gate = gate(Act::See(vec![]));
    let ready = || {
        let located = gate.locate(capture(1, place(0.0, 0.0, 0, None)), now()).unwrap();
        let raw = gate.decode(gate.fence(located).unwrap()).unwrap();
        let proof = gate.search(&raw).unwrap();
        (raw, proof)
    };
    let (first, second) = (ready(), ready());
    assert!(gate.mask(first.0, first.1).is_ok());
    assert_eq!(gate.mask(second.0, second.1).map(|_| ()), Err(Refusal::Replayed));
}

#[test]
fn frm_06n_a_frame_older_than_its_retention_is_refused_and_frm_06p_a_younger_one_is_not() {
    let text = common::policy_text().replace("max_speed_kmh = 200.0", "max_speed_kmh = 200.0\nmax_age_s = 7200");
    let policy = vaern_privacy::MaskingPolicy::parse(&text).unwrap();
    let detectors = vec![common::detector(Act::See(vec![]))];
    let gate = Gate::new(policy, common::fences(), common::cameras(), detectors).unwrap();
    // Now is 12:00; the drive began at 11:00.
    assert_eq!(shoot(&gate, 1, place(0.0, 0.0, -3601, None)), Err(Refusal::TooOld));
    assert_eq!(shoot(&gate, 2, place(0.0, 0.0, -3599, None)), Ok(()));
    // Whoever runs the gate may bound the age further, and never less.
    let tighter =
        Gate::new(common::policy(), common::fences(), common::cameras(), vec![common::detector(Act::See(vec![]))]);
    let tighter = tighter.unwrap().no_older_than(3900).no_older_than(90_000);
    assert_eq!(shoot(&tighter, 1, place(0.0, 0.0, -301, None)), Err(Refusal::TooOld));
    assert_eq!(shoot(&tighter, 2, place(0.0, 0.0, -299, None)), Ok(()));
    // Refused before decode: the picture behind a good header need not be one.
    let located = gate.locate(capture(3, place(0.0, 0.0, -4000, None)), now());
    assert_eq!(located.map(|_| ()), Err(Refusal::TooOld));
}

#[test]
fn frm_09n_nothing_of_a_frame_tells_when_it_was_taken() {
    let gate = gate(Act::See(vec![]));
    let frame = size(32, 32);
    let shot = |time, at: (f64, f64)| {
        let exif = common::Exif { time: Some(("2026:06:01", time)), ..common::Exif::at(at.0, at.1) };
        let bytes = jpeg(&street(frame, 9), frame, &exif);
        gate.admit(Capture::located_by_exif(bytes), now()).unwrap()
    };
    let (early, late) = (shot([11, 0, 0], HERE), shot([11, 30, 7], (HERE.0 + 0.001, HERE.1)));
    assert_eq!(early.frame.rgb(), late.frame.rgb());
    assert_eq!(early.frame.encode_jpeg(90).unwrap(), late.frame.encode_jpeg(90).unwrap());
    let told = |receipt: &vaern_privacy::Receipt| {
        let mut value = serde_json::to_value(receipt).unwrap();
        value.as_object_mut().unwrap().remove("seconds_in_clear");
        value
    };
    assert_eq!(told(&early.receipt), told(&late.receipt));
    // The door to a plugin has no word for it either.
    let wit = std::fs::read_dir(common::repository().join("wit")).unwrap().map(|entry| entry.unwrap().path());
    let texts =
        wit.filter(|path| path.extension().is_some_and(|e| e == "wit")).map(|p| std::fs::read_to_string(p).unwrap());
    let code: Vec<String> = texts
        .flat_map(|text| text.lines().map(|l| l.split("//").next().unwrap_or("").to_owned()).collect::<Vec<_>>())
        .collect();
    assert!(code.len() > 20);
    assert!(
        !code.iter().any(|line| line.contains("time") || line.contains("clock") || line.contains("position")),
        "{code:?}"
    );
}

#[test]
fn frm_09p_the_city_keeps_the_time_beside_the_frame() {
    let gate = gate(Act::See(vec![]));
    let admitted = gate.admit(capture(1, place(0.0, 0.0, 5, None)), now()).unwrap();
    assert_eq!(admitted.position.unwrap().open().time(), place(0.0, 0.0, 5, None).time());
}
