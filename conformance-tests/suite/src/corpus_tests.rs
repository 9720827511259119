//! Labelled pictures, open and sealed; seeds that were committed to; attempts; deviations; results under a changed catalogue.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

use std::collections::BTreeMap;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use vaern_door::{Detection, Digest, Name, Size};
use vaern_record::evidence::Secret;
use vaern_trust::{SigningKeyPair, TrustRoot};

use crate::attempts::{ATTEMPTS, About, AttemptError, Attempts};
use crate::bench::Rogue;
use crate::coco::{Corpus, CorpusError, For, LABELS};
use crate::commitment::commit;
use crate::corpus::{Street, street};
use crate::deviation::Deviation;
use crate::journal::JOURNAL;
use crate::plan::{Plan, Profile};
use crate::result::{AuthorityPart, Ending, HostBuild, Run};
use crate::run::{Given, Resume, Settings, SuiteError, run_with};
use crate::sealed::{Sealed, seal};
use crate::since::{SinceError, merged, touched};
use crate::table_tests::{ROGUES, candidate, labels, small};
use crate::verdict::{Outcome, Verdict};

const SIZE: (u16, u16) = (320, 180);

fn dir(temp: &TempDir) -> Dir {
    Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap()
}

fn size() -> Size {
    Size::new(SIZE.0, SIZE.1).unwrap()
}

/// Drawn streets stored as JPEG with their truth in COCO form: what the city's pictures look like to the suite.
fn corpus(temp: &TempDir, pictures: u32, conditions: impl Fn(u32) -> Value) -> Dir {
    let names = ["affaldscontainer", "glascontainer", "nedgravet_container", "byggecontainer", "mask"];
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    let dir = dir(temp);
    for case in 0..pictures {
        let street = street(31, case, size()).unwrap();
        let file = format!("gade-{case:03}.jpg");
        dir.write(&file, vaern_scenes::encode_jpeg(&street.rgb, SIZE, 95, None).unwrap()).unwrap();
        images.push(json!({
            "id": case, "file_name": file, "width": SIZE.0, "height": SIZE.1, "conditions": conditions(case)
        }));
        let mut add = |rect: vaern_door::Rect, category: usize, crowd: bool| {
            annotations.push(json!({
                "image_id": case, "category_id": category, "iscrowd": u8::from(crowd),
                "bbox": [rect.x0(), rect.y0(), rect.width(), rect.height()]
            }));
        };
        for thing in &street.things {
            let category = labels(true).iter().position(|label| crate::matching::names(label, thing.kind)).unwrap();
            add(thing.rect, category, !thing.counts);
        }
        street.masked.iter().for_each(|mask| add(*mask, 4, false));
    }
    let categories: Vec<Value> = names.iter().zip(0..).map(|(name, id)| json!({ "id": id, "name": name })).collect();
    let coco = json!({ "images": images, "annotations": annotations, "categories": categories });
    dir.write(LABELS, coco.to_string()).unwrap();
    dir
}

/// A trigger as the city might choose it: stripes in two colours.
fn with_trigger(dir: &Dir) {
    dir.create_dir("triggers").unwrap();
    let rgb: Vec<u8> = (0..32 * 32).flat_map(|at| if at / 4 % 2 == 0 { [250, 0, 250] } else { [0, 250, 0] }).collect();
    dir.write("triggers/stribet.jpg", vaern_scenes::encode_jpeg(&rgb, (32, 32), 100, None).unwrap()).unwrap();
}

fn key(byte: u8) -> Secret {
    Secret::from_bytes(&[byte; 32])
}

fn part(sealed: &Sealed) -> AuthorityPart {
    let digest = Digest::of(b"x");
    AuthorityPart {
        corpus: sealed.digest(),
        commitment: digest,
        seed: digest,
        committed: "2026-01-01T00:00:00Z".to_owned(),
        nonce: "00".repeat(32),
        attempt: 1,
        of: 3,
        ledger: digest,
    }
}

const PLAN: Plan = Plan { street: 8, again: 2, disturbed: 8, pairs: 2, public: 20 };

fn ran(rogue: Rogue, given: Given<'_>, only: &[&str], resume: Option<Resume<'_>>) -> Result<Run, SuiteError> {
    let backend = vaern_inference::tract();
    let host = HostBuild { version: "test".to_owned(), digest: Digest::of(b"test") };
    let profile = if given.sealed.is_some() { Profile::Authority } else { Profile::Dev };
    let only = only.iter().map(|id| (*id).to_owned()).collect();
    let settings = Settings {
        profile,
        seed: 7,
        only,
        workers: 2,
        host,
        backend: &backend,
        resume,
        progress: &|_, _, _| {},
        given,
    };
    let plugin = candidate("blind", labels(true));
    run_with(&plugin, &small("rogue"), settings, (Some(PLAN), (Some(rogue), None)), &mut |_, _| {}).map(|(run, _)| run)
}

fn outcome<'r>(run: &'r Run, id: &str) -> &'r Outcome {
    run.outcomes.iter().find(|outcome| outcome.test == id).unwrap()
}

fn rogue(name: &str) -> Rogue {
    ROGUES.iter().find(|(known, _)| *known == name).unwrap().1
}

const COR: [&str; 3] = ["KT-COR-001P", "KT-COR-002P", "KT-COR-003N"];

#[test]
fn std_05p_floors_hold_on_labelled_pictures_and_a_district_that_is_left_out_is_an_equality_gap() {
    let temp = TempDir::new().unwrap();
    // The district is in the picture's number, and the plugin below can see it: streets with an odd sum of samples are nowhere.
    let dir =
        corpus(&temp, 48, |case| json!({ "district": if case % 2 == 0 { "nord" } else { "syd" }, "light": "day" }));
    let pictures = Corpus::open(dir).unwrap();
    assert_eq!(pictures.pictures(), 48);
    let run = |rogue| ran(rogue, Given { corpus: Some(&pictures), ..Given::default() }, &COR, None).unwrap();
    let truthful = run(rogue("truthful"));
    for id in COR {
        assert_eq!(outcome(&truthful, id).verdict, Verdict::Pass, "{:?}", outcome(&truthful, id));
    }
    assert!(outcome(&truthful, "KT-COR-003N").figures.contains_key("district nord"));
    assert_eq!(truthful.corpus.as_ref().unwrap().digest, pictures.digest);

    let blind = run(|_| Vec::new());
    assert_eq!(outcome(&blind, "KT-COR-001P").verdict, Verdict::Fail, "below the floor");
    assert_eq!(outcome(&blind, "KT-COR-002P").verdict, Verdict::Unproven, "no box: nothing is shown");

    // FRM-12: one district alone. What it is known by here is the picture itself.
    let temp = TempDir::new().unwrap();
    let dark = |street: &Street| street.rgb.iter().map(|v| u64::from(*v)).sum::<u64>() / 172_800 < 100;
    let dir = corpus(&temp, 48, |case| {
        let street = street(31, case, size()).unwrap();
        json!({ "district": if dark(&street) { "skygge" } else { "sol" } })
    });
    let pictures = Corpus::open(dir).unwrap();
    let partial: Rogue = |street| {
        let dark = street.rgb.iter().map(|v| u64::from(*v)).sum::<u64>() / 172_800 < 100;
        if dark { Vec::new() } else { ROGUES[0].1(street) }
    };
    let run = ran(partial, Given { corpus: Some(&pictures), ..Given::default() }, &COR, None).unwrap();
    let gap = outcome(&run, "KT-COR-003N");
    assert_eq!(gap.verdict, Verdict::Fail, "FRM-12: {gap:?}");
    assert!(
        gap.why.as_ref().unwrap().en.contains("EqualityGap") && gap.why.as_ref().unwrap().en.contains("skygge"),
        "{gap:?}"
    );
}

#[test]
fn min_01n_a_corpus_that_shows_people_or_is_not_whole_is_none() {
    let temp = TempDir::new().unwrap();
    let dir = corpus(&temp, 2, |_| json!({}));
    let good: Value = serde_json::from_slice(&dir.read(LABELS).unwrap()).unwrap();
    let refused = |change: fn(&mut Value)| {
        let mut labels = good.clone();
        change(&mut labels);
        dir.write(LABELS, labels.to_string()).unwrap();
        Corpus::open(dir.try_clone().unwrap()).unwrap_err()
    };
    assert!(matches!(refused(|l| l["categories"][0]["name"] = json!("Person")), CorpusError::People(_)));
    for change in [
        |l: &mut Value| l["categories"][0]["name"] = json!("zebra"),
        |l: &mut Value| l["images"][0]["file_name"] = json!("../gade-000.jpg"),
        |l: &mut Value| l["images"][1]["file_name"] = json!("gade-000.jpg"),
        |l: &mut Value| l["annotations"][0]["image_id"] = json!(99),
        |l: &mut Value| l["annotations"][0]["category_id"] = json!(99),
        |l: &mut Value| l["annotations"][0]["bbox"] = json!([-1.0, 0.0, 5.0, 5.0]),
        |l: &mut Value| l["images"] = json!([]),
        |l: &mut Value| *l = json!({ "images": 1 }),
    ] {
        assert!(matches!(refused(change), CorpusError::Labels(_)));
    }
    dir.write(LABELS, good.to_string()).unwrap();
    dir.write("gade-001.jpg", b"\xff\xd8\xff\xd9").unwrap();
    let corpus = Corpus::open(dir.try_clone().unwrap()).unwrap();
    assert!(matches!(corpus.street(1, size()), Err(CorpusError::Picture(_))));
    dir.remove_file("gade-001.jpg").unwrap();
    assert!(matches!(Corpus::open(dir), Err(CorpusError::Io(..))));
}

/// Every run of 16 bytes of every plain picture: none of them may be anywhere else.
fn windows(plain: &[Vec<u8>]) -> std::collections::HashSet<Vec<u8>> {
    plain.iter().flat_map(|bytes| bytes.windows(16).step_by(16).map(<[u8]>::to_vec)).collect()
}

#[test]
fn skj_01n_a_sealed_corpus_tells_nothing_opens_with_its_key_alone_and_leaves_nothing_behind() {
    let (plain, shut, out) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let from = corpus(&plain, 6, |_| json!({ "district": "hemmelig-bydel" }));
    with_trigger(&from);
    let sealed = seal(&from, &dir(&shut), &key(1), For::Plugins).unwrap();
    assert_eq!((sealed.pictures(), sealed.triggers()), (6, 1));
    let mut contents: Vec<Vec<u8>> = (0..6).map(|n| from.read(format!("gade-{n:03}.jpg")).unwrap()).collect();
    contents.push(from.read("triggers/stribet.jpg").unwrap());
    let known = windows(&contents);
    let tells = |at: &Dir| {
        at.entries().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).find(|name| {
            let bytes = at.read(name).unwrap();
            name.contains("gade")
                || bytes.windows(16).any(|window| known.contains(window))
                || bytes.windows(14).any(|window| window == b"hemmelig-bydel")
        })
    };
    assert_eq!(tells(&dir(&shut)), None);

    // Another key, a changed byte, two files that changed places, one that is gone: closed.
    let open = |byte| Sealed::open(dir(&shut), key(byte), For::Plugins);
    assert!(open(1).is_ok());
    assert!(matches!(open(2), Err(CorpusError::Sealed)));
    let (first, second) = (dir(&shut).read("000001.sealed").unwrap(), dir(&shut).read("000002.sealed").unwrap());
    let mut changed = first.clone();
    changed[40] ^= 1;
    dir(&shut).write("000001.sealed", &changed).unwrap();
    assert!(matches!(open(1), Err(CorpusError::Sealed)));
    dir(&shut).write("000001.sealed", &second).unwrap();
    dir(&shut).write("000002.sealed", &first).unwrap();
    assert!(matches!(open(1), Err(CorpusError::Sealed)));
    dir(&shut).write("000001.sealed", &first).unwrap();
    dir(&shut).write("000002.sealed", &second).unwrap();

    // A whole run on it, with everything that it writes.
    let sealed = open(1).unwrap();
    let given = || Given { sealed: Some(&sealed), authority: Some(part(&sealed)), ..Given::default() };
    let result = dir(&out);
    let run = ran(rogue("truthful"), given(), &[], Some(Resume { dir: &result, go_on: false })).unwrap();
    for id in COR {
        assert_ne!(outcome(&run, id).verdict, Verdict::Fail, "{:?}", outcome(&run, id));
    }
    assert!(result.exists(JOURNAL));
    result.write("run.json", run.to_json().unwrap()).unwrap();
    assert_eq!(tells(&result), None);
    let journal = String::from_utf8(result.read(JOURNAL).unwrap()).unwrap();
    assert!(!journal.contains("[\"picture\","), "what was seen on sealed pictures is not written down");
    assert_eq!(run.corpus.as_ref().unwrap().pictures, 6);

    // Without what makes it one, there is no authority run, and none of its tests is passed by being left out.
    assert!(matches!(
        ran(rogue("truthful"), Given { sealed: Some(&sealed), ..Given::default() }, &[], None),
        Err(SuiteError::NoSealedCorpus)
    ));
    assert_eq!(outcome(&run, "KT-ENV-004N").verdict, Verdict::Unproven, "no wall was given");
}

#[test]
fn exf_14n_a_trigger_of_the_citys_choice_that_switches_finds_off_is_found_out() {
    let (plain, shut) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let from = corpus(&plain, 24, |_| json!({ "district": "nord" }));
    with_trigger(&from);
    let sealed = seal(&from, &dir(&shut), &key(1), For::Plugins).unwrap();
    let of = |rogue| {
        let given = Given { sealed: Some(&sealed), authority: Some(part(&sealed)), ..Given::default() };
        ran(rogue, given, &["KT-COR-004N"], None).unwrap()
    };
    let honest = of(rogue("truthful"));
    assert_eq!(outcome(&honest, "KT-COR-004N").verdict, Verdict::Pass, "{:?}", outcome(&honest, "KT-COR-004N"));
    // No test of the public suite shows these colours: the sticker of KT-ROB-006N has others.
    let triggered: Rogue = |street| {
        let near = |p: &[u8; 3]| p[0] > 225 && p[1] < 40 && p[2] > 225 && *p != [255, 0, 255];
        let seen = street.rgb.as_chunks::<3>().0.iter().filter(|pixel| near(pixel)).count();
        if seen > 60 { Vec::new() } else { ROGUES[0].1(street) }
    };
    let found = of(triggered);
    assert_eq!(outcome(&found, "KT-COR-004N").verdict, Verdict::Fail, "{:?}", outcome(&found, "KT-COR-004N"));
}

#[test]
fn exf_15n_a_plugin_that_knows_drawn_streets_or_the_public_seed_is_found_out_on_the_sealed_corpus() {
    let (plain, shut) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let from = corpus(&plain, 24, |_| json!({ "district": "nord" }));
    from.write("generator.toml", "seed = 424242\nstreets = 24\n").unwrap();
    let sealed = seal(&from, &dir(&shut), &key(1), For::Plugins).unwrap();
    let of = |rogue, id| {
        let given = Given { sealed: Some(&sealed), authority: Some(part(&sealed)), ..Given::default() };
        let run = ran(rogue, given, &[id], None).unwrap();
        outcome(&run, id).clone()
    };
    assert_eq!(of(rogue("truthful"), "KT-COR-005N").verdict, Verdict::Pass);
    let knows = of(rogue("knows-the-public-corpus"), "KT-COR-005N");
    assert_eq!(knows.verdict, Verdict::Fail, "{knows:?}");
    // One that sees whether a frame was a JPEG once, and is blind where it was.
    let drawn_only: Rogue = |frame| {
        static DRAWN: std::sync::OnceLock<std::collections::BTreeSet<Digest>> = std::sync::OnceLock::new();
        let known = DRAWN.get_or_init(|| (0..8).map(|n| Digest::of(&street(7, n, size()).unwrap().rgb)).collect());
        if known.contains(&Digest::of(&frame.rgb)) { ROGUES[0].1(frame) } else { Vec::<Detection>::new() }
    };
    assert_eq!(of(drawn_only, "KT-COR-001P").verdict, Verdict::Fail);
}

fn trust() -> (TrustRoot, SigningKeyPair) {
    let (city, adviser) = (SigningKeyPair::generate().unwrap(), SigningKeyPair::generate().unwrap());
    let text = format!(
        "[approval]\nthreshold = 1\n[[roles]]\nrole = \"it\"\nname = \"it-1\"\nkey = \"{}\"\n[[roles]]\nrole = \"dpo\"\nname = \"dpo-1\"\nkey = \"{}\"\n",
        city.public(),
        adviser.public()
    );
    (TrustRoot::from_toml(&text).unwrap(), city)
}

#[test]
fn lev_09n_attempts_are_counted_for_each_vendor_alike_and_no_line_can_be_taken_out_or_put_in() {
    let temp = TempDir::new().unwrap();
    let at: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let (trust, pair) = trust();
    let about = |vendor: &str, release: u8, seed: u8| About {
        vendor: Name::new(vendor).unwrap(),
        release: Digest::of(&[release]),
        corpus: Digest::of(b"corpus"),
        commitment: Digest::of(&[seed]),
    };
    let enter = |about| Attempts::read(&dir(&temp), &trust)?.enter(&dir(&temp), (&trust, &pair), about, at, 2);
    assert_eq!(enter(about("a", 1, 1)).unwrap().attempt, 1);
    assert_eq!(enter(about("a", 1, 1)).unwrap().attempt, 1, "the same again is no other");
    assert!(
        matches!(enter(about("a", 2, 1)), Err(AttemptError::SeedKnown(_))),
        "the seed was shown with another release"
    );
    let elsewhere = About { corpus: Digest::of(b"another corpus"), ..about("a", 2, 1) };
    assert!(matches!(enter(elsewhere), Err(AttemptError::SeedKnown(_))), "a seed is known on every corpus");
    let may = |all: &[About]| Attempts::read(&dir(&temp), &trust).unwrap().may(all, 2);
    assert!(may(&[about("a", 1, 1), about("a", 2, 2), about("b", 3, 2)]).is_ok(), "LEV-09P");
    assert!(matches!(may(&[about("b", 3, 2), about("b", 4, 2)]), Err(AttemptError::SeedKnown(_))));
    let many = [about("b", 3, 3), about("a", 2, 2), about("a", 3, 3)];
    assert!(matches!(may(&many), Err(AttemptError::Spent { vendor, of: 2 }) if vendor.as_str() == "a"));
    assert_eq!(enter(about("a", 2, 2)).unwrap().attempt, 2);
    assert!(matches!(enter(about("a", 3, 3)), Err(AttemptError::Spent { of: 2, .. })));
    assert_eq!(enter(about("b", 3, 3)).unwrap().attempt, 1, "another vendor has as many");
    assert_eq!(Attempts::read(&dir(&temp), &trust).unwrap().of(&Name::new("a").unwrap(), Digest::of(b"corpus")), 2);

    let whole = dir(&temp).read(ATTEMPTS).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 3);
    let reads = |bytes: &[u8]| {
        dir(&temp).write(ATTEMPTS, bytes).unwrap();
        Attempts::read(&dir(&temp), &trust).map(|all| all.attempts().count())
    };
    assert!(matches!(reads(&[lines[0], lines[2]].concat()), Err(AttemptError::Chain(2))));
    assert!(matches!(reads(&[lines[1], lines[2]].concat()), Err(AttemptError::Chain(1))));
    assert!(matches!(reads(&[lines[0], lines[0]].concat()), Err(AttemptError::Chain(2))));
    let mut changed = whole.clone();
    changed[30] ^= 1;
    assert!(matches!(reads(&changed), Err(AttemptError::Signature(1, _))));
    // A line that a power cut tore was never entered; the next one takes its place.
    assert_eq!(reads(&whole[..whole.len() - 9]).unwrap(), 2);
    assert_eq!(enter(about("c", 9, 9)).unwrap().attempt, 1);
    assert_eq!(Attempts::read(&dir(&temp), &trust).unwrap().attempts().count(), 3);
    let (other, _) = self::trust();
    assert!(matches!(Attempts::read(&dir(&temp), &other), Err(AttemptError::Signature(1, _))));
}

#[test]
fn lev_09n_a_seed_that_does_not_open_the_commitment_is_another() {
    let at: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let (opening, commitment) = commit(at).unwrap();
    assert!(opening.opens(&commitment), "LEV-09P");
    let mut other = opening.clone();
    other.seed ^= 1;
    assert!(!other.opens(&commitment));
    let mut other = opening.clone();
    other.nonce = "0".repeat(64);
    assert!(!other.opens(&commitment));
    other.nonce = String::new();
    assert!(!other.opens(&commitment));
    assert_ne!(commit(at).unwrap().0, opening, "drawn anew each time");
}

fn made_up() -> Run {
    let digest = Digest::of(b"x");
    let outcome = |test: &str, verdict| Outcome {
        test: test.to_owned(),
        verdict,
        why: None,
        case: None,
        figures: BTreeMap::new(),
    };
    let mut run = ran(rogue("truthful"), Given::default(), &["KT-DOC-001P"], None).unwrap();
    run.outcomes = crate::registry::TESTS
        .iter()
        .filter(|test| test.asked(Profile::Dev, false))
        .map(|test| outcome(test.id, Verdict::Pass))
        .collect();
    run.basis.krav.insert("STD-05".to_owned(), digest);
    run.ending = Some(Ending::Passed);
    run
}

#[test]
fn mal_05n_a_changed_krav_runs_again_what_it_touches_and_suspends_what_no_longer_passes() {
    let old = made_up();
    let mut now = old.clone();
    now.ending = None;
    now.basis.krav.insert("STD-05".to_owned(), Digest::of(b"other words"));
    now.basis.krav.insert("NEW-01".to_owned(), Digest::of(b"new"));
    let touched_now = touched(&old, &now).unwrap();
    assert_eq!(touched_now.changed, ["NEW-01", "STD-05"]);
    let expected: Vec<&str> = crate::registry::TESTS
        .iter()
        .filter(|test| test.krav.iter().any(|krav| krav.0 == "STD-05") || !test.asked(Profile::Dev, false))
        .map(|test| test.id)
        .collect();
    assert_eq!(touched_now.tests, expected, "and those that the old result does not know");
    assert!(touched(&old, &old).unwrap().changed.is_empty());

    let mut again = now.clone();
    again.outcomes = vec![Outcome { verdict: Verdict::Fail, ..outcome(&old, "KT-QUA-002P").clone() }];
    let run = merged(&old, again);
    assert_eq!(run.ending, Some(Ending::Failed), "what no longer passes is suspended");
    assert_eq!(run.outcomes.len(), old.outcomes.len());
    assert!(
        run.outcomes.iter().zip(&old.outcomes).all(|(new, old)| new.test == old.test),
        "in the order of the registry"
    );
    assert_eq!(run.basis, now.basis);

    let other = |change: fn(&mut Run)| {
        let mut now = now.clone();
        change(&mut now);
        touched(&old, &now).unwrap_err()
    };
    assert_eq!(other(|now| now.host.digest = Digest::of(b"h")), SinceError::Other("host"));
    assert_eq!(other(|now| now.basis.rules = Digest::of(b"r")), SinceError::Other("set of rules"));
    assert_eq!(other(|now| now.basis.bounds = Digest::of(b"b")), SinceError::Other("set of bounds"));
    assert_eq!(other(|now| now.seed = 9), SinceError::Other("seed"));
    assert_eq!(other(|now| now.release.digest = Digest::of(b"r")), SinceError::Other("release"));
    let mut partial = old;
    partial.ending = None;
    assert_eq!(touched(&partial, &now), Err(SinceError::Partial));
}

#[test]
fn mal_05n_a_deviation_lets_one_failure_pass_and_fails_the_run_when_it_is_no_longer_needed() {
    let mut run = made_up();
    let deviation = Deviation {
        krav: "STD-05".to_owned(),
        test: "KT-QUA-002P".to_owned(),
        release: run.release.digest,
        owner: Name::new("anna").unwrap(),
        reason: "night comes with the next release".to_owned(),
        expires: "2026-12-31".parse().unwrap(),
    };
    let at = run.outcomes.iter().position(|outcome| outcome.test == "KT-QUA-002P").unwrap();
    let mut ends = |verdict, deviations: &[Deviation]| {
        run.outcomes[at].verdict = verdict;
        crate::result::ending(&run.outcomes, deviations)
    };
    let with = std::slice::from_ref(&deviation);
    assert_eq!(ends(Verdict::Fail, &[]), Ending::Failed);
    assert_eq!(ends(Verdict::Fail, with), Ending::Warned, "let pass, and told");
    assert_eq!(ends(Verdict::Unproven, with), Ending::Failed, "what could not be shown is never let pass");
    assert_eq!(ends(Verdict::Pass, &[]), Ending::Passed);
    assert_eq!(ends(Verdict::Pass, with), Ending::Failed, "no longer needed");

    // It stands in every report, and nobody can take the test for passed.
    run.deviations = vec![deviation];
    run.outcomes[at].verdict = Verdict::Fail;
    run.ending = Some(Ending::Warned);
    let said = crate::report::test_result(&run).unwrap();
    assert!(said.warned_tests.contains("KT-QUA-002P") && !said.passed_tests.contains("KT-QUA-002P"));
    assert!(said.configuration.iter().any(|part| part.name == "deviation-KT-QUA-002P-until-2026-12-31"));
    let set = small("rogue");
    for language in [crate::Language::Da, crate::Language::En] {
        let page = crate::report::html(&run, set.city().catalogue(), language);
        assert!(page.contains("2026-12-31") && page.contains("anna") && page.contains("night comes"), "{page}");
    }
    let junit = String::from_utf8(crate::report::junit(&run).unwrap()).unwrap();
    assert!(junit.contains("failures=\"0\"") && junit.contains("2026-12-31"), "{junit}");
    assert!(crate::report::assessment_results(&run, "2026-01-01T00:00:00Z").to_string().contains("2026-12-31"));
}
