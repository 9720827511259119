//! The hour's bit budget over a whole run (EXF-18): what does not fit is withheld, frame by frame, in the order of the source.
//!
//! The clock of the ledger is the capture's own, which no plugin has a hand in, so that a drive of three hours gets three hours'
//! budget however fast it is worked through. Order and clock do not depend on threads: the same run withholds the same frames.

use cap_std::fs::Dir;
use vaern_door::{Blame, Grants, Krav, Name};
use vaern_sandbox::{Ledger, Said, Verdict, bits_per_box};

use crate::outcome::{FrameOutcome, FrameResult, Refusal};

/// Charges every frame to the vendor's budget and withholds what does not fit. A withheld frame looks the same whatever the plugin
/// had said, its picture included. Answers with the bits charged.
pub(crate) fn withhold(
    ledger: &mut Ledger,
    frames: &mut [FrameOutcome],
    vendor: &Name,
    grants: &Grants,
    out: &Dir,
) -> u64 {
    let mut now = 0;
    for frame in frames {
        let picture = match &frame.result {
            FrameResult::Seen(seen) => seen.picture.clone(),
            FrameResult::Refused(_) => None,
        };
        if charge(ledger, &mut now, vendor, grants, &mut frame.result) == Verdict::Withheld {
            if let Some(picture) = picture {
                // It tells that the plugin answered. Where it cannot be removed, the account still does not name it.
                let _ = out.remove_file(picture);
            }
            // Times of stages that only some answers reach would tell them apart as well.
            frame.stages_ms.retain(|stage, _| !matches!(*stage, "plugin" | "admit" | "write"));
        }
    }
    ledger.bits()
}

/// Charges one frame, and takes what was said out of it where it does not fit. `now` follows the captures' own clock.
pub(crate) fn charge(
    ledger: &mut Ledger,
    now: &mut i64,
    vendor: &Name,
    grants: &Grants,
    result: &mut FrameResult,
) -> Verdict {
    let said = match result {
        FrameResult::Seen(seen) => {
            *now = seen.position.and_then(|place| place.time_ms).unwrap_or(*now);
            Said::Boxes {
                count: u32::try_from(seen.objects.len()).unwrap_or(u32::MAX),
                bits_per_box: bits_per_box(seen.size, grants.labels.len(), &grants.output),
            }
        }
        FrameResult::Refused(refusal) if refusal.reason.starts_with("plugin_") => Said::Failure,
        // Refused before the plugin saw it: the plugin said nothing.
        FrameResult::Refused(_) => return Verdict::Released,
    };
    let verdict = ledger.charge(vendor, said, *now);
    if verdict == Verdict::Withheld {
        *result = FrameResult::Refused(Refusal {
            reason: "plugin_withheld",
            krav: Krav("STD-04"),
            blame: Blame::Vendor,
            detail: "the vendor's answers have used up the bits that the policy allows in an hour".to_owned(),
        });
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::outcome::{FoundObject, Place, SeenFrame};
    use vaern_door::{Label, Limits, OutputRules, Rect, Size};

    fn grants(bits_per_hour: u32) -> Grants {
        Grants {
            interfaces: Default::default(),
            frame: Size::new(1280, 720).unwrap(),
            tensors: vec![],
            labels: vec![Label::new("affaldscontainer").unwrap()],
            limits: Limits {
                memory_bytes: 1 << 20,
                table_elements: 10,
                instances: 4,
                deadline_ms: 100,
                hostcall_bytes: 4096,
                handles: 8,
                stack_bytes: 65_536,
                log_bytes: 0,
                zoom_pixels: 0,
                component_bytes: 1 << 20,
                model_bytes: 1 << 20,
            },
            output: OutputRules {
                grid: 4,
                score_steps: 16,
                min_score: 64,
                max_detections: 32,
                bits_per_frame: 1200,
                bits_per_hour,
            },
        }
    }

    fn outcome(number: usize, result: FrameResult) -> FrameOutcome {
        let stages_ms = BTreeMap::from([("decode", 1.0), ("plugin", 2.0), ("write", 3.0)]);
        FrameOutcome { number, file: format!("{number}.jpg"), result, stages_ms }
    }

    fn seen(number: usize, boxes: usize, second: i64) -> FrameOutcome {
        let object = FoundObject {
            id: "x".into(),
            label: Label::new("affaldscontainer").unwrap(),
            score: 200,
            rect: Rect::new(0, 0, 8, 8).unwrap(),
            delvist_maskeret: false,
        };
        let place = Place {
            latitude: 55.0,
            longitude: 12.0,
            error_m: 1.0,
            heading: None,
            time_ms: Some(second * 1000),
            view: None,
        };
        let seen = SeenFrame {
            frame_id: format!("f{number}"),
            size: Size::new(1280, 720).unwrap(),
            position: Some(place),
            masked_share: 0.0,
            masked_boxes: BTreeMap::new(),
            seconds_in_clear: 0.1,
            objects: vec![object; boxes],
            dropped_answers: BTreeMap::new(),
            zoom_pixels: None,
            picture: Some(format!("f{number}.jpg")),
        };
        outcome(number, FrameResult::Seen(Box::new(seen)))
    }

    fn failed(number: usize) -> FrameOutcome {
        let refusal =
            Refusal { reason: "plugin_trap", krav: Krav("CYB-01"), blame: Blame::Vendor, detail: String::new() };
        outcome(number, FrameResult::Refused(refusal))
    }

    fn run(mut frames: Vec<FrameOutcome>, bits: u32) -> (Vec<FrameOutcome>, u64, Vec<String>) {
        let dir = cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap();
        for frame in &frames {
            if let FrameResult::Seen(seen) = &frame.result {
                dir.write(seen.picture.as_ref().unwrap(), b"jpeg").unwrap();
            }
        }
        let mut ledger = Ledger::new(&grants(bits).output);
        let charged = withhold(&mut ledger, &mut frames, &Name::new("v").unwrap(), &grants(bits), &dir);
        let mut left: Vec<String> =
            dir.entries().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        (frames, charged, left)
    }

    #[test]
    fn exf_18n_a_vendor_that_says_too_much_is_withheld_and_its_pictures_with_it() {
        // One box is 39 bits or so; 400 bits an hour are 200 at once.
        let (frames, charged, pictures) = run((1..=50).map(|n| seen(n, 1, 0)).collect(), 400);
        let released = frames.iter().filter(|f| matches!(f.result, FrameResult::Seen(_))).count();
        assert!((3..=6).contains(&released), "{released}");
        assert_eq!(pictures.len(), released, "{pictures:?}");
        assert!(charged <= 200, "{charged}");
        let withheld =
            |f: &&FrameOutcome| matches!(&f.result, FrameResult::Refused(r) if r.reason == "plugin_withheld");
        assert_eq!(frames.iter().filter(withheld).count(), 50 - released, "every frame has its outcome");
    }

    #[test]
    fn exf_18n_a_withheld_failure_looks_like_a_withheld_answer() {
        let mut frames: Vec<FrameOutcome> = (1..=50).map(|n| seen(n, 1, 0)).collect();
        frames.extend([failed(51), seen(52, 0, 0), seen(53, 9, 0)]);
        let (frames, ..) = run(frames, 400);
        let told: Vec<String> = frames[50..]
            .iter()
            .map(|f| format!("{:?} {:?}", f.result, f.stages_ms).replace(char::is_numeric, "#"))
            .collect();
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
    }

    #[test]
    fn exf_18p_the_same_boxes_over_hours_of_captures_are_released() {
        let (frames, ..) = run((1..=50).map(|n| seen(n as usize, 1, n * 3600)).collect(), 400);
        assert!(frames.iter().all(|f| matches!(f.result, FrameResult::Seen(_))));
    }

    #[test]
    fn exf_21n_frames_that_the_plugin_never_saw_cost_nothing() {
        let fenced =
            Refusal { reason: "outside_fence", krav: Krav("MIN-04"), blame: Blame::Operator, detail: String::new() };
        let (_, charged, _) = run(vec![outcome(1, FrameResult::Refused(fenced))], 400);
        assert_eq!(charged, 0);
        let (_, charged, _) = run(vec![failed(1)], 400);
        assert_eq!(charged, 8, "and a failure does");
    }
}
