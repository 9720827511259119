//! The targets of `fuzz/` on the stable compiler: honest inputs, mutated at random, for a few seconds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod targets;

use proptest::prelude::*;

/// One step of a mutation: (what, where, with what).
type Step = (u8, u32, u8);

fn mutate(mut data: Vec<u8>, dictionary: &[&[u8]], steps: &[Step]) -> Vec<u8> {
    for (what, at, with) in steps {
        let at = *at as usize % (data.len() + 1);
        match what % 6 {
            0 | 1 if at < data.len() => data[at] = *with,
            2 if at < data.len() => data[at] ^= 1 << (with % 8),
            3 => data.truncate(at),
            4 => {
                let word = dictionary[usize::from(*with) % dictionary.len()];
                data.splice(at..at, word.iter().copied());
            }
            _ => {
                let end = (at + usize::from(*with)).min(data.len());
                let part = data[at..end].to_vec();
                data.splice(at..at, part);
            }
        }
    }
    data
}

fn drive(target: &'static str, cases: u32) {
    let seeds = targets::seeds::of(target);
    let dictionary = targets::seeds::dictionary(target);
    for seed in &seeds {
        targets::run(target, seed);
    }
    // What coverage led to in hours of fuzzing is tried again every time.
    let kept = targets::kept::of(target);
    assert!(kept.len() > 100, "{} kept inputs", kept.len());
    kept.iter().for_each(|input| targets::run(target, input));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let steps = prop::collection::vec(any::<Step>(), 1..8);
    let inputs = (0..seeds.len(), steps);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&inputs, |(seed, steps)| {
            targets::run(target, &mutate(seeds[seed].clone(), &dictionary, &steps));
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_picture() {
    drive("picture", 1500);
}

#[test]
fn img_05n_any_exif() {
    drive("exif", 3000);
}

#[test]
fn any_gpx() {
    drive("gpx", 600);
}

#[test]
fn any_nmea() {
    drive("nmea", 600);
}

#[test]
fn any_fence() {
    drive("fence", 3000);
}

#[test]
fn what_is_kept_is_read_as_it_was_packed() {
    let inputs = vec![b"b".to_vec(), Vec::new(), vec![7; 70_000]];
    let packed = targets::kept::packed(inputs);
    assert!(packed.len() < 1000);
    assert_eq!(targets::kept::unpacked(&packed), [Vec::new(), vec![7; 70_000], b"b".to_vec()]);
}

#[test]
fn honest_seeds_go_all_the_way_through() {
    // A target whose seeds are all refused would look at nothing.
    use vaern_privacy::{Fence, TrackLog};
    for seed in targets::seeds::of("gpx").iter().chain(&targets::seeds::of("nmea")) {
        assert!(TrackLog::parse(seed).is_ok());
    }
    for seed in targets::seeds::of("fence") {
        Fence::parse(vaern_door::Name::new("f").unwrap(), std::str::from_utf8(&seed).unwrap(), 100.0).unwrap();
    }
}

#[test]
fn img_02n_any_stream_of_a_camera() {
    drive("mjpeg", 6000);
}

#[test]
fn frm_21n_any_reports_of_a_receiver() {
    drive("gpsd", 1500);
}
