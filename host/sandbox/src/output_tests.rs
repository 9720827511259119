use super::*;
use proptest::prelude::*;

fn size(w: u16, h: u16) -> Size {
    Size::new(w, h).unwrap()
}

fn rect(x0: u16, y0: u16, x1: u16, y1: u16) -> Rect {
    Rect::new(x0, y0, x1, y1).unwrap()
}

fn labels(n: usize) -> Vec<Label> {
    (0..n).map(|i| Label::new(format!("label{i}")).unwrap()).collect()
}

const RULES: OutputRules = OutputRules {
    grid: 8,
    score_steps: 16,
    min_score: 64,
    max_detections: 4,
    bits_per_frame: 1000,
    bits_per_hour: 20_000,
};

fn found(label: u16, rect: Rect, score: u8) -> Detection {
    Detection { label, rect, score }
}

fn run(raw: &[Detection], masked: &[Rect]) -> Admitted {
    admit(raw, size(100, 60), masked, &labels(2), &RULES)
}

/// An admitted answer as a plugin might have given it.
fn again(admitted: &Admitted, labels: &[Label]) -> Vec<Detection> {
    let index = |l: &Label| labels.iter().position(|x| x == l).unwrap() as u16;
    admitted.detections.iter().map(|d| found(index(&d.label), d.rect, d.score)).collect()
}

#[test]
fn exf_01n_nothing_smaller_than_the_grid_survives() {
    // All boxes that differ only inside their outermost cells become one.
    let mut seen = std::collections::BTreeSet::new();
    for dx in 0..8 {
        for dy in 0..8 {
            let answer = run(&[found(0, rect(8 + dx, 16 + dy, 33 + dx % 7, 41 + dy % 7), 200)], &[]);
            seen.insert(answer.detections[0].rect);
        }
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(run(&[found(0, rect(99, 59, 100, 60), 200)], &[]).detections[0].rect, rect(96, 56, 100, 60));
}

#[test]
fn exf_01p_an_object_keeps_its_place_to_a_cell() {
    let truth = rect(17, 9, 55, 47);
    let out = run(&[found(1, truth, 250)], &[]).detections;
    assert_eq!(out.len(), 1);
    assert!(out[0].rect.intersection(truth) == Some(truth), "snapped outward, so nothing of the object is cut off");
    assert!(out[0].rect.iou(truth) > 0.7);
}

#[test]
fn exf_02n_scores_leave_in_steps() {
    let all: std::collections::BTreeSet<u8> = (0..=255).map(|s| stepped(s, 16)).collect();
    assert_eq!(all.len(), 16);
    assert_eq!((stepped(0, 16), stepped(15, 16), stepped(16, 16), stepped(255, 16)), (15, 15, 31, 255));
    for steps in 2..=255 {
        for score in 0..=255 {
            let step = stepped(score, steps);
            assert!(step >= score && stepped(step, steps) == step, "{score} in {steps}");
        }
    }
}

#[test]
fn exf_05n_labels_are_a_closed_set() {
    let answer = run(&[found(2, rect(0, 0, 8, 8), 200), found(u16::MAX, rect(0, 0, 8, 8), 200)], &[]);
    assert!(answer.detections.is_empty());
    assert_eq!(answer.dropped.unknown_label, 2);
    assert_eq!(run(&[found(1, rect(0, 0, 8, 8), 200)], &[]).detections[0].label, labels(2)[1]);
}

#[test]
fn exf_13n_boxes_under_a_mask_or_outside_are_dropped() {
    let mask = [rect(0, 0, 50, 60)];
    let raw = [
        found(0, rect(8, 8, 16, 16), 200),
        found(0, rect(40, 8, 56, 16), 200),
        found(0, rect(64, 8, 72, 16), 200),
        found(0, rect(96, 8, 101, 16), 200),
    ];
    let answer = run(&raw, &mask);
    assert_eq!((answer.dropped.inside_mask, answer.dropped.outside_frame), (2, 1));
    assert_eq!(answer.detections.len(), 1);
    assert!(!answer.detections[0].delvist_maskeret);
}

#[test]
fn exf_13p_half_masked_objects_stay_and_say_so() {
    let answer = run(&[found(0, rect(48, 8, 64, 16), 200)], &[rect(0, 0, 56, 60)]);
    assert_eq!(answer.detections.len(), 1);
    assert!(answer.detections[0].delvist_maskeret);
}

#[test]
fn exf_04n_number_and_bits_are_bounded() {
    let many: Vec<Detection> =
        (0..12).map(|i| found(i % 2, rect(i * 8, 0, i * 8 + 8, 8), 100 + i as u8 * 10)).collect();
    let answer = run(&many, &[]);
    assert_eq!(answer.detections.len(), 4);
    assert_eq!(answer.dropped.over_cap, 8);
    assert!(answer.detections.iter().all(|d| d.score > 175), "the weakest go first");
    // 13 by 8 cells, 2 labels, 12 steps from 64: 2 * 91 * 36 * 12 = 78,624 values.
    assert_eq!(bits_per_box(size(100, 60), 2, &RULES), 17);
    assert_eq!(answer.bits, 3 + 4 * 17);

    for (budget, kept, bits) in [(71, 4, 71), (70, 3, 54), (20, 1, 20), (19, 0, 0), (2, 0, 0), (0, 0, 0)] {
        let rules = OutputRules { bits_per_frame: budget, ..RULES };
        let answer = admit(&many, size(100, 60), &[], &labels(2), &rules);
        assert_eq!((answer.detections.len(), answer.bits), (kept, bits), "budget {budget}");
        assert_eq!(answer.dropped.over_budget, 4 - kept as u32);
    }
}

#[test]
fn a_flood_of_boxes_costs_bounded_work() {
    let raw: Vec<Detection> = (0..80_000_u32)
        .map(|i| {
            let (x, y) = ((i % 90) as u16, (i / 90 % 50) as u16);
            found((i % 2) as u16, rect(x, y, x + 1 + (i % 9) as u16, y + 1 + (i % 8) as u16), (i % 256) as u8)
        })
        .collect();
    let masks: Vec<Rect> = (0..50).map(|i| rect(i, i, i + 2, i + 2)).collect();
    let answer = run(&raw, &masks);
    assert_eq!(answer.detections.len(), 4);
    assert_eq!(answer.dropped.total() + 4, 80_000);
}

fn any_rect() -> impl Strategy<Value = Rect> {
    (0..110_u16, 0..70_u16, 1..60_u16, 1..40_u16).prop_map(|(x, y, w, h)| rect(x, y, x + w, y + h))
}

fn any_case() -> impl Strategy<Value = (Vec<Detection>, Vec<Rect>, OutputRules)> {
    let detection = (0..4_u16, any_rect(), any::<u8>()).prop_map(|(label, rect, score)| found(label, rect, score));
    let rules = (1..40_u16, 2..=255_u8, any::<u8>(), 0..12_u16, 0..300_u32).prop_map(
        |(grid, score_steps, min_score, max_detections, bits_per_frame)| OutputRules {
            grid,
            score_steps,
            min_score,
            max_detections,
            bits_per_frame,
            bits_per_hour: 20_000,
        },
    );
    (prop::collection::vec(detection, 0..40), prop::collection::vec(any_rect(), 0..6), rules)
}

proptest! {
    #[test]
    fn exf_22n_canonical_is_idempotent((raw, masked, rules) in any_case()) {
        let labels = labels(3);
        let once = admit(&raw, size(100, 60), &masked, &labels, &rules);
        let twice = admit(&again(&once, &labels), size(100, 60), &masked, &labels, &rules);
        prop_assert_eq!(&once.detections, &twice.detections);
        prop_assert_eq!(once.bits, twice.bits);
        prop_assert_eq!(twice.dropped, Dropped::default());
        prop_assert_eq!(once.dropped.total() as usize + once.detections.len(), raw.len());
        prop_assert!(once.bits <= rules.bits_per_frame);
    }

    #[test]
    fn exf_03n_order_carries_nothing(
        (case, shuffled) in any_case().prop_flat_map(|case| {
            let raw = case.0.clone();
            (Just(case), Just(raw).prop_shuffle())
        })
    ) {
        let (raw, masked, rules) = case;
        let labels = labels(3);
        let one = admit(&raw, size(100, 60), &masked, &labels, &rules);
        let other = admit(&shuffled, size(100, 60), &masked, &labels, &rules);
        prop_assert_eq!(one, other);
    }
}
