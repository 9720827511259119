//! The ledger against encoders that use every channel at once.

use super::*;
use proptest::prelude::*;
use rand::SeedableRng as _;
use vaern_door::{AdmittedDetection, Detection, Label, Rect, Size};

const RULES: OutputRules = OutputRules {
    grid: 4,
    score_steps: 16,
    min_score: 64,
    max_detections: 32,
    bits_per_frame: 1200,
    bits_per_hour: 20_000,
};

fn vendor(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn boxes(count: u32) -> Said {
    Said::Boxes { count, bits_per_box: 34 }
}

#[test]
fn exf_18n_the_prices_are_a_code_that_can_be_decoded() {
    // Kraft: the weights of all answers together, 2^-price each. A box is one of 2^34; failures are eight kinds.
    let weight = |price: u64| (-(price as f64) / BIT as f64).exp2();
    let mut sum = weight(boxes(0).price()) + 8.0 * weight(FAILURE);
    for count in 1..=1000_u32 {
        // 2^(34 n) answers of n boxes.
        sum += (34.0 * f64::from(count)).exp2().min(f64::MAX) * weight(boxes(count).price());
        if count == 25 {
            // Beyond this the factors leave the range of a float; the terms halve each time, so what is left is the last one.
            sum += (34.0 * 25.0_f64).exp2() * weight(boxes(25).price());
            break;
        }
    }
    assert!(sum <= 1.0, "{sum}");
}

/// The hardest that a plugin can try: a frame each 40 ms for four hours, each with as many random boxes as it may have.
fn most_in_an_hour(mut says: impl FnMut(u64) -> Said) -> (u64, u64) {
    let mut ledger = Ledger::new(&RULES);
    let mut heard: std::collections::VecDeque<(i64, u64)> = Default::default();
    let (mut hour, mut most, mut bits_before) = (0_u64, 0_u64, 0_u64);
    for frame in 0..360_000_u64 {
        let at = i64::try_from(frame * 40).unwrap();
        ledger.charge(&vendor("v"), says(frame), at);
        let cost = ledger.charged - bits_before;
        bits_before = ledger.charged;
        heard.push_back((at, cost));
        hour += cost;
        while heard.front().is_some_and(|(then, _)| at - then >= 3_600_000) {
            hour -= heard.pop_front().unwrap().1;
        }
        most = most.max(hour);
    }
    (most / BIT, ledger.bits() / 4)
}

#[test]
fn exf_18n_no_hour_carries_more_than_the_policy_says() {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(18);
    let (most, mean) = most_in_an_hour(|_| boxes(32));
    println!(
        "32 random boxes a frame, 25 frames a second: at most {most} bits in any hour, {mean} in the mean of four"
    );
    assert!(most <= 20_000 && mean <= 20_000);
    let (most, mean) = most_in_an_hour(|_| match dice.random_range(0..4_u8) {
        0 => boxes(0),
        1 => Said::Failure,
        2 => boxes(1),
        _ => boxes(dice.random_range(0..=32)),
    });
    println!("every channel at random: at most {most} bits in any hour, {mean} in the mean of four");
    assert!(most <= 20_000 && mean <= 20_000);
}

/// Bits hidden in one box by an encoder that knows every rule: place, size and score, all on the grid already.
const HIDDEN: u32 = 29;

fn encoded(message: u32) -> Detection {
    let bits = |from: u32, count: u32| u16::try_from(message >> from & ((1 << count) - 1)).unwrap();
    let grid = RULES.grid;
    let (x0, x1) = (bits(0, 7), 128 + bits(7, 7));
    let (y0, y1) = (bits(14, 6), 64 + bits(20, 6));
    let rect = Rect::new(x0 * grid, y0 * grid, x1 * grid, y1 * grid).unwrap();
    // Eight of the steps at or above the least score.
    Detection { label: 0, rect, score: u8::try_from(128 + bits(26, 3) * 16).unwrap() }
}

fn decoded(found: &AdmittedDetection) -> u32 {
    let (r, grid) = (found.rect, RULES.grid);
    let place = u32::from(r.x0() / grid) | u32::from(r.x1() / grid - 128) << 7;
    let lines = u32::from(r.y0() / grid) << 14 | u32::from(r.y1() / grid - 64) << 20;
    place | lines | u32::from((found.score - 128) / 16) << 26
}

#[test]
fn exf_18n_a_hostile_encoder_gets_no_more_bits_out_than_the_ledger_states() {
    // A random message, hidden as well as this encoder can, sent through the output rules and the ledger, and read again.
    let frame = Size::new(1280, 720).unwrap();
    let labels = [Label::new("affaldscontainer").unwrap()];
    for boxes in [1_usize, 8, 32] {
        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(boxes as u64);
        let mut ledger = Ledger::new(&RULES);
        let mut hours = [0_u64; 3];
        for second in 0..3 * 3600_i64 {
            let mut messages: Vec<u32> = (0..boxes).map(|_| dice.random_range(0..1_u32 << HIDDEN)).collect();
            let raw: Vec<Detection> = messages.iter().map(|message| encoded(*message)).collect();
            let admitted = crate::admit(&raw, frame, &[], &labels, &RULES);
            let count = u32::try_from(admitted.detections.len()).unwrap();
            let said = Said::Boxes { count, bits_per_box: crate::bits_per_box(frame, labels.len(), &RULES) };
            if ledger.charge(&vendor("v"), said, second * 1000) == Verdict::Released {
                // Order is lost, so a set of messages is read; what a set tells is less than what its members tell.
                let mut heard: Vec<u32> = admitted.detections.iter().map(decoded).collect();
                heard.sort_unstable();
                messages.sort_unstable();
                assert_eq!(heard, messages, "the encoder and the decoder agree, or this measures nothing");
                hours[usize::try_from(second / 3600).unwrap()] += u64::from(HIDDEN) * heard.len() as u64;
            }
        }
        println!(
            "{boxes} boxes a frame, a frame a second: {hours:?} bits read in three hours, {} charged",
            ledger.bits()
        );
        assert!(hours.iter().all(|bits| *bits <= 20_000) && hours.iter().sum::<u64>() <= ledger.bits());
        assert!(hours[0] > 5_000, "an encoder that gets nothing out is a poor one");
    }
}

#[test]
fn exf_18p_an_honest_drive_is_not_held_back() {
    let mut ledger = Ledger::new(&RULES);
    // One frame a second for eight hours, a container in sight in every twentieth.
    for frame in 0..28_800_i64 {
        let verdict = ledger.charge(&vendor("v"), boxes(u32::from(frame % 20 == 0)), frame * 1000);
        assert_eq!(verdict, Verdict::Released, "{frame}");
    }
    assert!(ledger.bits() < 8 * 20_000);
}

#[test]
fn exf_07n_failures_are_charged_like_words() {
    let mut ledger = Ledger::new(&RULES);
    let released = (0..5000).take_while(|_| ledger.charge(&vendor("v"), Said::Failure, 0) == Verdict::Released).count();
    assert_eq!(released, 1250, "10,000 bits at once, 8 for each failure");
    assert_eq!(ledger.charge(&vendor("v"), boxes(0), 0), Verdict::Withheld, "and then even silence is withheld");
}

#[test]
fn exf_04n_the_number_of_boxes_is_charged() {
    let cost = |count| {
        let mut ledger = Ledger::new(&RULES);
        ledger.charge(&vendor("v"), boxes(count), 0);
        ledger.charged
    };
    assert_eq!(cost(0), 125);
    assert_eq!(cost(1), 40_000);
    assert_eq!(cost(2) - cost(1), 35_000);
}

#[test]
fn exf_21n_releases_of_one_vendor_share_a_bucket_and_exf_21p_vendors_do_not() {
    let mut ledger = Ledger::new(&RULES);
    // Two releases take turns; the ledger does not know releases.
    while ledger.charge(&vendor("v"), boxes(10), 0) == Verdict::Released {}
    assert_eq!(ledger.charge(&vendor("v"), boxes(10), 0), Verdict::Withheld);
    assert_eq!(ledger.charge(&vendor("w"), boxes(10), 0), Verdict::Released);
}

#[test]
fn exf_18n_time_that_goes_backwards_gives_no_new_bits() {
    let mut ledger = Ledger::new(&RULES);
    while ledger.charge(&vendor("v"), boxes(32), 10_000_000) == Verdict::Released {}
    let bits = ledger.bits();
    for at in [0, 5, 9_999_999, i64::MIN] {
        assert_eq!(ledger.charge(&vendor("v"), boxes(32), at), Verdict::Withheld);
    }
    assert!(ledger.bits() - bits <= 8 * 4, "only what being withheld costs");
}

#[test]
fn exf_18n_a_closed_ledger_hears_nothing() {
    let mut ledger = Ledger::new(&RULES);
    while ledger.allowance - ledger.buckets.get(&vendor("v")).map_or(0, |b| b.level) >= FAILURE {
        ledger.charge(&vendor("v"), Said::Failure, 0);
    }
    let mut other = ledger.clone();
    for (one, two) in [(boxes(0), boxes(32)), (Said::Failure, boxes(1))] {
        assert_eq!(ledger.charge(&vendor("v"), one, 0), other.charge(&vendor("v"), two, 0));
    }
    assert_eq!(ledger.charged, other.charged);
}

proptest! {
    #[test]
    fn exf_18n_many_short_steps_leak_as_much_as_one_long(steps in 1_i64..2000) {
        let full = || {
            let mut ledger = Ledger::new(&RULES);
            while ledger.charge(&vendor("v"), boxes(32), 0) == Verdict::Released {}
            ledger
        };
        let (mut one, mut many) = (full(), full());
        let end = 1_000_000;
        for step in 1..=steps {
            let at = end * step / steps;
            // A charge of nothing heard, to make it leak.
            let bucket = many.buckets.get(&vendor("v")).unwrap().level;
            prop_assume!(bucket <= many.allowance);
            many.charge(&vendor("v"), boxes(0), at);
        }
        one.charge(&vendor("v"), boxes(0), end);
        let level = |ledger: &Ledger| ledger.buckets.get(&vendor("v")).unwrap().level;
        // What the empty answers themselves cost is the only difference, and what a step has not leaked yet.
        prop_assert!(level(&many) <= level(&one) + u64::try_from(steps).unwrap() * EMPTY + FAILURE * 2);
        prop_assert!(level(&many) + 10 >= level(&one));
    }
}
