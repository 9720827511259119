//! The gate under test: how much of the people on labelled pictures it covers, condition by condition, with and without patches.
//!
//! Pictures with people on them are raw. This never runs in a process that holds vendor code, and writes nothing but counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Rect, Size};
use vaern_privacy::{Capture, Gate};
use vaern_trust::CityFile;

use crate::bounds::Bounds;
use crate::coco::{Corpus, CorpusError, decoded};
use crate::corpus::paint;
use crate::result::{CorpusPart, HostBuild};
use crate::stats::{Tally, percent};
use crate::verdict::Figure;

/// Name of the form.
pub const GATE_FORMAT: &str = "vaern-conformance-gate/1";

/// Part of a labelled box that must lie under masks, as in the figures of `docs/privacy-gate.md`.
const COVERED: f64 = 0.9;
/// Who is smaller than this is not counted, as there.
const LEAST_PERSON: u16 = 24;

/// What the gate did on a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRun {
    /// [`GATE_FORMAT`].
    pub format: String,
    /// The host whose gate it is.
    pub host: HostBuild,
    /// Digest of the policy set.
    pub policy: Digest,
    /// Name of the masking policy.
    pub masking: String,
    /// The engine that ran the detectors.
    pub engine: String,
    /// The pictures.
    pub corpus: CorpusPart,
    /// Digest of the bounds.
    pub bounds: Digest,
    /// Pictures that the gate refused: nobody is seen on them, and they count for nothing.
    pub refused: u64,
    /// Covered of labelled, by class and condition; `all` is every condition, `patched` with each patch on each person.
    pub covered: BTreeMap<String, BTreeMap<String, Figure>>,
    /// What lies below its floor, or too far below the whole: each by name.
    pub below: Vec<String>,
    /// What could not be shown: too few labels, or none.
    pub unproven: Vec<String>,
    /// Whether nothing lies below, and nothing is unproven.
    pub holds: bool,
}

/// What a role of the city signs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateResult {
    /// Digest of `gate.json`.
    pub run: Digest,
    /// The host's program.
    pub host: Digest,
    /// Digest of the policy set.
    pub policy: Digest,
    /// Digest of the gate: its masking policy and its list of detectors. An approval names it.
    pub gate: Digest,
    /// Digest of the corpus.
    pub corpus: Digest,
    /// Whether it holds.
    pub holds: bool,
    /// When.
    pub at: Timestamp,
}

impl CityFile for GateResult {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.gate-result.v2+json";
}

/// What the gate under test is made of.
pub struct GateUnderTest<'a> {
    /// The gate.
    pub gate: &'a Gate,
    /// The host whose gate it is.
    pub host: HostBuild,
    /// Digest of the policy set.
    pub policy: Digest,
    /// The engine that runs the detectors.
    pub engine: String,
}

type Counts = BTreeMap<String, BTreeMap<String, Tally>>;

/// Runs the gate over a corpus of people. `patches` are put on persons; `told` hears how far it is.
///
/// # Errors
/// [`CorpusError`] where a picture cannot be read.
pub fn gate(
    tested: GateUnderTest<'_>,
    corpus: &Corpus,
    (patches, sealed): (&[(Size, Vec<u8>)], bool),
    now: Timestamp,
    told: &dyn Fn(usize, usize),
) -> Result<GateRun, CorpusError> {
    let (bounds, bounds_digest) = Bounds::of_this_build().map_err(|_| CorpusError::Host("the bounds"))?;
    let (mut counts, mut refused) = (Counts::new(), 0_u64);
    for (number, picture) in corpus.pictures.iter().enumerate() {
        let bytes = corpus.files.read(&picture.file)?;
        let mut groups: Vec<&str> = picture.groups.iter().map(String::as_str).collect();
        groups.push("all");
        refused += u64::from(!cover(tested.gate, bytes.to_vec(), &picture.people, &groups, now, &mut counts));
        let persons: Vec<Rect> =
            picture.people.iter().filter(|(class, _)| *class == "person").map(|(_, rect)| *rect).collect();
        for (size, patch) in patches.iter().filter(|_| !persons.is_empty()) {
            let patched = with_patch(&bytes, &persons, *size, patch).ok_or(CorpusError::Host("a patch"))?;
            refused += u64::from(!cover(tested.gate, patched, &picture.people, &["patched"], now, &mut counts));
        }
        told(number + 1, corpus.pictures.len());
    }
    let (mut below, mut unproven) = judged(&counts, &bounds.gate, patches.is_empty());
    below.sort_unstable();
    unproven.sort_unstable();
    let holds = below.is_empty() && unproven.is_empty();
    let figures =
        |groups: BTreeMap<String, Tally>| groups.into_iter().map(|(name, tally)| (name, tally.figure())).collect();
    Ok(GateRun {
        format: GATE_FORMAT.to_owned(),
        host: tested.host,
        policy: tested.policy,
        masking: tested.gate.policy().name().to_string(),
        engine: tested.engine,
        corpus: CorpusPart {
            digest: corpus.digest,
            pictures: u64::try_from(corpus.pictures()).unwrap_or(u64::MAX),
            sealed,
        },
        bounds: bounds_digest,
        refused,
        covered: counts.into_iter().map(|(class, groups)| (class, figures(groups))).collect(),
        below,
        unproven,
        holds,
    })
}

/// Masks one picture and counts who is covered; whether the gate took it.
fn cover(
    gate: &Gate,
    bytes: Vec<u8>,
    people: &[(&'static str, Rect)],
    groups: &[&str],
    now: Timestamp,
    counts: &mut Counts,
) -> bool {
    let Ok(admitted) = gate.admit(Capture::unlocated(bytes), now) else { return false };
    let masks = admitted.frame.masked();
    for (class, rect) in people {
        if *class == "person" && rect.height() < LEAST_PERSON {
            continue;
        }
        let hidden = crate::corpus::share(rect.covered_by(masks), rect.area()) >= COVERED;
        let by_group = counts.entry((*class).to_owned()).or_default();
        for group in groups {
            by_group.entry((*group).to_owned()).or_default().add(hidden);
        }
    }
    true
}

/// What lies below its floor, and what could not be shown.
fn judged(counts: &Counts, bounds: &crate::bounds::Gate, no_patches: bool) -> (Vec<String>, Vec<String>) {
    let (mut below, mut unproven) = (Vec::new(), Vec::new());
    for (class, floor) in [("face", bounds.face), ("person", bounds.person), ("plate", bounds.plate)] {
        let groups = counts.get(class);
        let whole = groups.and_then(|groups| groups.get("all")).copied().unwrap_or_default();
        if whole.of < bounds.least {
            unproven.push(format!("{class}: {} labelled, at least {} are needed", whole.of, bounds.least));
            continue;
        }
        for (group, tally) in groups.into_iter().flatten().filter(|(group, _)| *group != "patched") {
            let (share, wanted) = (percent(tally.share()), percent(floor));
            // Broken where the whole interval lies below the floor; of all together the share itself must reach it.
            if tally.interval().1 < floor || group == "all" && tally.share() < floor {
                below.push(format!("{class}, {group}: {share} covered, the floor is {wanted}"));
            } else if tally.of >= bounds.least_group && tally.interval().1 < whole.share() - bounds.group_gap {
                below
                    .push(format!("EqualityGap: {class}, {group}: {share} covered, {} of all", percent(whole.share())));
            }
        }
    }
    let patched = counts.get("person").and_then(|groups| groups.get("patched")).copied().unwrap_or_default();
    if no_patches || patched.of < bounds.least {
        unproven
            .push(format!("person, patched: {} seen with a patch, at least {} are needed", patched.of, bounds.least));
    } else if patched.share() < bounds.patched {
        let (share, floor) = (percent(patched.share()), percent(bounds.patched));
        below.push(format!("person, patched: {share} covered, the floor is {floor}"));
    }
    (below, unproven)
}

/// The picture with a patch on the middle of each person, a third as wide; stored anew.
fn with_patch(bytes: &[u8], persons: &[Rect], size: Size, patch: &[u8]) -> Option<Vec<u8>> {
    let (full, mut rgb) = decoded(bytes)?;
    for person in persons {
        let side = (person.width().min(person.height()) / 3).max(4);
        let (x0, y0) = (person.x0() + (person.width().saturating_sub(side)) / 2, person.y0() + person.height() / 4);
        for dy in 0..side {
            for dx in 0..side {
                let from = |at: u16, of: u16| usize::from(at) * usize::from(of) / usize::from(side);
                let at = (from(dy, size.height()) * usize::from(size.width()) + from(dx, size.width())) * 3;
                let colour: [u8; 3] = patch.get(at..at + 3)?.try_into().ok()?;
                if let Ok(dot) = Rect::inside(x0 + dx, y0 + dy, 1, 1, full) {
                    paint(&mut rgb, full, dot, colour);
                }
            }
        }
    }
    vaern_scenes::encode_jpeg(&rgb, (full.width(), full.height()), 95, None).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, &str, u64, u64)]) -> Counts {
        let mut counts = Counts::new();
        for (class, group, part, of) in rows {
            let tally = Tally { part: *part, of: *of };
            counts.entry((*class).to_owned()).or_default().insert((*group).to_owned(), tally);
        }
        counts
    }

    const GOOD: [(&str, &str, u64, u64); 5] = [
        ("face", "all", 990, 1000),
        ("person", "all", 990, 1000),
        ("plate", "all", 990, 1000),
        ("person", "patched", 990, 1000),
        ("person", "light night", 195, 200),
    ];

    #[test]
    fn frm_10n_a_condition_below_the_floor_or_without_labels_does_not_hold() {
        let bounds = Bounds::of_this_build().unwrap().0.gate;
        let of = |more: &[(&str, &str, u64, u64)]| judged(&counts(&[&GOOD[..], more].concat()), &bounds, false);
        assert_eq!(of(&[]), (vec![], vec![]), "FRM-10P");
        let night = of(&[("person", "light night", 120, 200)]).0;
        assert!(night.iter().any(|line| line.contains("light night") && line.contains("floor")), "{night:?}");
        assert!(!of(&[("face", "all", 900, 1000)]).0.is_empty());
        // FRM-12: above the floor's reach, and still too far from the rest.
        let district = of(&[("face", "district syd", 18, 20), ("face", "all", 1000, 1000)]);
        assert!(district.0.is_empty() || district.0.iter().all(|line| line.contains("district syd")), "{district:?}");
        assert!(!of(&[("plate", "all", 2, 2)]).1.is_empty(), "too few labels show nothing");
    }

    #[test]
    fn frm_12n_a_group_far_below_the_whole_is_an_equality_gap() {
        let mut bounds = Bounds::of_this_build().unwrap().0.gate;
        bounds.face = 0.5;
        let (below, _) = judged(&counts(&[&GOOD[..], &[("face", "district syd", 160, 200)]].concat()), &bounds, false);
        assert_eq!(below.len(), 1, "{below:?}");
        assert!(below.iter().all(|line| line.starts_with("EqualityGap: face, district syd")), "{below:?}");
    }

    #[test]
    fn img_11n_patches_that_uncover_people_or_that_nobody_tried_do_not_hold() {
        let bounds = Bounds::of_this_build().unwrap().0.gate;
        let uncovered = judged(&counts(&[&GOOD[..], &[("person", "patched", 500, 1000)]].concat()), &bounds, false);
        assert!(uncovered.0.iter().any(|line| line.contains("patched")), "{uncovered:?}");
        assert!(!judged(&counts(&GOOD), &bounds, true).1.is_empty(), "no patch was given");
    }
}
