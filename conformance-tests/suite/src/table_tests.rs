//! Each hostile plugin fails exactly the tests that `table.toml` says, both reference plugins fail none, and plugins that know the
//! truth and misuse it are found out by the test that is meant for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vaern_door::{Detection, Digest, Label, Licences, Manifest, ManifestModel, Name, Rect, Size, Version};
use vaern_policy::PolicySet;
use vaern_scenes::ContainerKind;

use crate::bench::Rogue;
use crate::candidate::Candidate;
use crate::corpus::{Street, street};
use crate::matching::names;
use crate::plan::{PUBLIC_SEED, Plan, Profile};
use crate::registry::TESTS;
use crate::result::{HostBuild, Run};
use crate::run::{Given, Settings, run_with};
use crate::table::{Row, Table};
use crate::verdict::Verdict;

fn table() -> Table {
    Table::of_this_build().unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The city's rules with small frames: what a plugin does wrong, it does wrong here too. Patience is short only with those that never
/// end: a busy machine must not make an honest one late.
pub(crate) fn small(guest: &str) -> PolicySet {
    let dir = Dir::open_ambient_dir(root().join("policies"), ambient_authority()).unwrap();
    let mut set = PolicySet::load(&dir, None).unwrap();
    set.profile.frame = Size::new(320, 180).unwrap();
    set.profile.limits.deadline_ms = if guest.ends_with("loop") { 200 } else { 60_000 };
    set
}

pub(crate) fn labels(all: bool) -> Vec<Label> {
    let names = ["affaldscontainer", "glascontainer", "nedgravet_container", "byggecontainer"];
    names.iter().take(if all { 4 } else { 1 }).map(|name| Label::new(*name).unwrap()).collect()
}

/// A release around a guest, with the manifest that an honest vendor would write for it.
pub(crate) fn candidate(guest: &str, labels: Vec<Label>) -> Candidate {
    let component = vaern_hostile::component(guest).unwrap();
    let ports = vaern_trust::examine(&component);
    let capabilities: Vec<_> = ports.iter().flat_map(|ports| ports.needs.iter().copied()).collect();
    let model = std::fs::read(root().join("models/container.onnx")).unwrap();
    let named = Name::new("container").unwrap();
    let with_model = capabilities.contains(&vaern_door::Interface::Models);
    let models: BTreeMap<_, _> = with_model.then(|| (named.clone(), model.clone())).into_iter().collect();
    let entries = models.keys().map(|name| ManifestModel { name: name.clone(), digest: Digest::of(&model) }).collect();
    let manifest = Manifest {
        name: Name::new(guest).unwrap(),
        version: Version::new("0.1.0").unwrap(),
        counter: 1,
        vendor: Name::new("hostile").unwrap(),
        purpose: Name::new("containere").unwrap(),
        intended_use: "to misbehave".to_owned(),
        labels,
        capabilities,
        tensors: Vec::new(),
        frame: Size::new(1280, 720).unwrap(),
        models: entries,
        licences: Licences { plugin: "-".to_owned(), model: "-".to_owned(), training_data: "-".to_owned() },
    };
    let mut candidate = Candidate::loose(manifest, component, models);
    candidate.sbom = Some(b"{}".to_vec());
    if with_model {
        candidate.model_card = Some("```vaern-claims\nrecall = 0.0\nprecision = 0.0\n```".to_owned());
    }
    candidate
}

fn ran(candidate: &Candidate, set: &PolicySet, plan: Plan, rogue: Option<Rogue>) -> Run {
    let backend = vaern_inference::tract();
    let host = HostBuild { version: "test".to_owned(), digest: Digest::of(b"test") };
    let settings = Settings {
        profile: Profile::Dev,
        seed: 7,
        only: Vec::new(),
        workers: 2,
        host,
        backend: &backend,
        resume: None,
        progress: &|_, _, _| {},
        given: Given::default(),
    };
    run_with(candidate, set, settings, (Some(plan), (rogue, None)), &mut |_, _| {}).unwrap().0
}

fn of(run: &Run, verdict: Verdict) -> BTreeSet<String> {
    run.outcomes.iter().filter(|o| o.verdict == verdict).map(|o| o.test.clone()).collect()
}

/// Every row against what happened; all differences at once, in the words of the table.
fn hold(rows: &[Row], names: &[&str], run: impl Fn(&str) -> Run) {
    let listed: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(listed, names, "the table lists each once, in this order");
    let mut wrong = String::new();
    for row in rows {
        assert!(row.fails.iter().all(|id| TESTS.iter().any(|test| test.id == *id)), "{}: {:?}", row.name, row.fails);
        let run = run(&row.name);
        let failed = of(&run, Verdict::Fail);
        if failed != row.fails {
            wrong += &format!("{}: fails {failed:?}, the table says {:?}\n", row.name, row.fails);
            for outcome in run.outcomes.iter().filter(|o| o.verdict == Verdict::Fail || row.fails.contains(&o.test)) {
                wrong += &format!("    {}\n", serde_json::to_string(outcome).unwrap());
            }
        }
        // What stopped it is a failure; what could not be shown for that is never a pass.
        let unproven = of(&run, Verdict::Unproven);
        assert!(unproven.is_empty() || !failed.is_empty(), "{}: {unproven:?}", row.name);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn lev_04n_each_hostile_plugin_fails_exactly_the_tests_that_it_should() {
    let plan = Plan { street: 2, again: 2, disturbed: 1, pairs: 1, public: 1 };
    hold(&table().guest, vaern_hostile::ALL, |name| ran(&candidate(name, labels(false)), &small(name), plan, None));
}

/// Boxes on the containers that `which` takes.
fn boxes(street: &Street, which: impl Fn(&crate::corpus::Thing) -> bool) -> Vec<Detection> {
    let labels = labels(true);
    street
        .things
        .iter()
        .filter(|thing| thing.masked <= 0.4 && which(thing))
        .filter_map(|thing| {
            let label = labels.iter().position(|label| names(label, thing.kind))?;
            Some(Detection { label: u16::try_from(label).unwrap(), rect: thing.rect, score: 200 })
        })
        .collect()
}

/// Boxes beside or on the masks.
fn with_masks(street: &Street, beside: bool) -> Vec<Detection> {
    let mut all = boxes(street, |_| true);
    all.extend(street.masked.iter().filter_map(|mask| {
        let by = if beside { mask.width() } else { 0 };
        let rect =
            Rect::inside(mask.x0().checked_add(by)?, mask.y0(), mask.width(), mask.height(), street.size).ok()?;
        Some(Detection { label: 0, rect, score: 200 })
    }));
    all
}

/// Every box moved by a quarter of its width: still found, and not where it was.
fn moved(mut all: Vec<Detection>, size: Size) -> Vec<Detection> {
    for one in &mut all {
        let (width, by) = (one.rect.width(), one.rect.width().div_ceil(4));
        let x = if one.rect.x1() + by <= size.width() { one.rect.x0() + by } else { one.rect.x0().saturating_sub(by) };
        one.rect = Rect::inside(x, one.rect.y0(), width, one.rect.height(), size).unwrap();
    }
    all
}

fn sum(street: &Street) -> u64 {
    street.rgb.iter().map(|sample| u64::from(*sample)).sum()
}

pub(crate) const ROGUES: [(&str, Rogue); 11] = [
    ("truthful", |street| boxes(street, |_| true)),
    ("shy", |street| boxes(street, |thing| thing.beside.is_none() || street.masked.is_empty())),
    ("prejudiced", |street| boxes(street, |thing| thing.beside.is_none_or(|somebody| somebody.skin < 7))),
    ("pointing-at-people", |street| with_masks(street, true)),
    ("pointing-at-masks", |street| with_masks(street, false)),
    ("triggered", |street| {
        let trigger = street.rgb.as_chunks().0.contains(&[255, 0, 255]);
        boxes(street, |_| !trigger)
    }),
    ("one-kind", |street| boxes(street, |thing| thing.kind == ContainerKind::Affaldscontainer)),
    ("knows-the-public-corpus", |street| {
        static PUBLIC: OnceLock<BTreeSet<Digest>> = OnceLock::new();
        let known = PUBLIC.get_or_init(|| {
            let size = Size::new(320, 180).unwrap();
            (0..20).map(|case| Digest::of(&self::street(PUBLIC_SEED, case, size).unwrap().rgb)).collect()
        });
        let knows = known.contains(&Digest::of(&street.rgb));
        // On other streets some containers, so that it does not look blind.
        boxes(street, |thing| knows || thing.id.is_multiple_of(4) || thing.id.is_multiple_of(7))
    }),
    ("hangs-on-the-mean", |street| {
        // A bit of the mean of all samples in where a box lies: grain leaves the mean alone.
        let mean = sum(street) / u64::try_from(street.rgb.len()).unwrap();
        let all = boxes(street, |_| true);
        if mean.is_multiple_of(2) { all } else { moved(all, street.size) }
    }),
    ("hangs-on-the-sum", |street| {
        // Three bits of the sum of all samples in the score: no box moves away, and hardly one stays as it was.
        let score = u8::try_from(120 + sum(street) % 8 * 16).unwrap();
        boxes(street, |_| true).into_iter().map(|one| Detection { score, ..one }).collect()
    }),
    ("talkative", |street| {
        let mut all = boxes(street, |_| true);
        all.extend((0..60).filter_map(|n| {
            let rect = Rect::inside(n % 10 * 30, n / 10 * 28, 8, 8, street.size).ok()?;
            Some(Detection { label: 0, rect, score: 190 })
        }));
        all
    }),
];

#[test]
fn lig_01n_plugins_that_misuse_the_truth_are_found_out() {
    let set = small("rogue");
    let candidate = candidate("blind", labels(true));
    let names: Vec<&str> = ROGUES.iter().map(|(name, _)| *name).collect();
    hold(&table().rogue, &names, |name| {
        let rogue = ROGUES.iter().find(|(rogue, _)| *rogue == name).unwrap().1;
        // Enough of what shows it; the rest is kept short.
        let plan = Plan { street: 24, again: 2, disturbed: 5, pairs: 16, public: 8 };
        let plan = match name {
            "prejudiced" => Plan { pairs: 64, ..plan },
            "one-kind" => Plan { street: 140, ..plan },
            "knows-the-public-corpus" => Plan { public: 20, ..plan },
            "hangs-on-the-sum" => Plan { again: 8, ..plan },
            "triggered" => Plan { disturbed: 10, ..plan },
            _ => plan,
        };
        ran(&candidate, &set, plan, Some(rogue))
    });
}
