//! POL-04: the frozen grants never allow what the rules deny, over generated worlds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::OnceLock;

use common::{files, manifest};
use proptest::prelude::*;
use vaern_door::{Interface, Label, Manifest, Name, Size};
use vaern_policy::rules::{FrameFacts, Question, ReleaseView};
use vaern_policy::{CitySet, PolicySet};

const INTERFACES: [Interface; 4] = [Interface::Pixels, Interface::Zoom, Interface::Models, Interface::Diagnostics];
const WORDS: [&str; 4] = ["affaldscontainer", "glascontainer", "byggecontainer", "papkasse"];

/// A set that gives these interfaces and words, whose rules additionally forbid what `forbids` says.
fn world(ceiling: u8, words: u8, zoom: bool, operating: bool, forbids: u8) -> PolicySet {
    let mut files = files();
    let listed = |names: Vec<&str>| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let given: Vec<&str> =
        INTERFACES.iter().enumerate().filter(|(i, _)| ceiling & (1 << i) != 0).map(|(_, x)| x.as_str()).collect();
    let spoken: Vec<&str> = WORDS.iter().enumerate().filter(|(i, _)| words & (1 << i) != 0).map(|(_, x)| *x).collect();
    let mut edit = |file: &str, from: &str, to: &str| {
        let text = String::from_utf8(files[file].clone()).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    };
    edit("profiles/edge.toml", "[\"models\", \"pixels\"]", &format!("[{}]", listed(given)));
    if zoom {
        edit("profiles/edge.toml", "zoom_pixels = 0", "zoom_pixels = 65_536");
    }
    if !operating {
        edit("purposes/containere.toml", "operating = true", "operating = false");
    }
    edit(
        "purposes/containere.toml",
        "[\"affaldscontainer\", \"glascontainer\", \"nedgravet_container\", \"byggecontainer\"]",
        &format!("[{}]", listed(spoken)),
    );
    // Rules that a city might add; each belongs to a krav that lists it.
    let more = [
        ("grant", "resource == Vaern::Interface::\"pixels\""),
        ("grant", "resource == Vaern::Interface::\"zoom\" && context.operating"),
        ("accept", "resource == Vaern::Label::\"glascontainer\""),
        ("accept", "principal.labels.contains(Vaern::Label::\"papkasse\")"),
        ("handOver", "principal.purpose == \"containere\""),
        ("grant", "principal.vendor == \"vaern\" && resource == Vaern::Interface::\"models\""),
    ];
    let mut rules = String::from_utf8(files["capabilities/adgange.cedar"].clone()).unwrap();
    let mut ids = String::new();
    for (at, (action, when)) in more.iter().enumerate().filter(|(at, _)| forbids & (1 << at) != 0) {
        let _ = write!(
            rules,
            "\n@id(\"prove-{at}\")\n@krav(\"MIN-07\")\n@dk(\"En prøve.\")\nforbid (principal, action == Vaern::Action::\"{action}\", resource)\nwhen {{ {when} }};\n"
        );
        let _ = write!(ids, "\"prove-{at}\", ");
    }
    files.insert("capabilities/adgange.cedar".to_owned(), rules.into_bytes());
    let krav = String::from_utf8(files["catalogue/MIN-07.toml"].clone()).unwrap();
    files.insert(
        "catalogue/MIN-07.toml".to_owned(),
        krav.replacen("rules = []", &format!("rules = [{ids}]"), 1).into_bytes(),
    );
    CitySet::of(files).unwrap().choose(None).unwrap()
}

/// Worlds are made once: reading a whole set for every case would leave time for few.
fn worlds() -> &'static [PolicySet] {
    static WORLDS: OnceLock<Vec<PolicySet>> = OnceLock::new();
    WORLDS.get_or_init(|| {
        let mut seed = 0x9e37_79b9_u32;
        let mut dice = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as u8
        };
        (0..48)
            .map(|at| {
                let forbids = if at % 2 == 0 { 0 } else { dice() & 0x3f };
                world(dice(), dice() | 1, dice() % 2 == 0, dice() % 3 != 0, forbids)
            })
            .collect()
    })
}

fn asked() -> impl Strategy<Value = Manifest> {
    let label = prop::sample::select(WORDS.to_vec());
    (
        prop::collection::vec(label, 0..5),
        prop::collection::vec(prop::sample::select(INTERFACES.to_vec()), 0..5),
        prop::sample::select(vec!["containere", "parkering"]),
        (1..4000_u16, 1..4000_u16),
    )
        .prop_map(|(labels, capabilities, purpose, (width, height))| Manifest {
            labels: labels.into_iter().map(|label| Label::new(label).unwrap()).collect(),
            capabilities,
            purpose: Name::new(purpose).unwrap(),
            frame: Size::new(width, height).unwrap(),
            ..manifest()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn pol_04n_grants_never_allow_what_the_rules_deny(at in 0..48_usize, manifest in asked()) {
        let set = &worlds()[at];
        let Ok(grants) = set.grants(&manifest) else { return Ok(()) };
        let release = ReleaseView::of(&manifest);
        let rules = set.city().rules();
        let allowed = |question: &Question| rules.decide(question).allowed();
        let clear = Question::HandOver { release: release.clone(), frame: FrameFacts::CLEAR };
        prop_assert!(allowed(&clear), "a clear frame");
        for interface in &grants.interfaces {
            let question = Question::Grant {
                release: release.clone(),
                interface: *interface,
                ceiling: set.profile.interfaces.clone(),
                operating: set.purpose.operating,
                zoom_pixels: set.profile.limits.zoom_pixels,
            };
            prop_assert!(allowed(&question), "{interface:?}");
        }
        let vocabulary: BTreeSet<Label> = set.purpose.vocabulary.iter().cloned().collect();
        for label in &grants.labels {
            let question = Question::Accept {
                release: release.clone(),
                label: label.clone(),
                vocabulary: vocabulary.clone(),
                over_half_masked: false,
            };
            prop_assert!(allowed(&question), "{label}");
        }
        prop_assert!(grants.frame.width() <= set.profile.frame.width() && grants.frame.width() <= manifest.frame.width());
        prop_assert!(grants.limits.zoom_pixels == 0 || grants.interfaces.contains(&Interface::Zoom));
        prop_assert!(grants.limits.log_bytes == 0 || !set.purpose.operating);
    }
}

#[test]
fn pol_04p_some_of_the_generated_worlds_grant_something_and_some_refuse() {
    let granted = worlds().iter().filter(|set| set.grants(&manifest()).is_ok()).count();
    assert!(granted > 5 && granted < 45, "{granted} of 48");
}
