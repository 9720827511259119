//! The register of a release that is approved in every way, and with one thing missing at a time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vaern_door::Interface;
use vaern_trust::{ApprovalDraft, DpoAdvice, Responsible};

use super::*;
use crate::plan::Profile;
use crate::report::{Language, notice_html, register_html, test_result};
use crate::result::{Basis, FORMAT, Tested};
use crate::result::{Ending, HostBuild};
use crate::stats::{Pairs, Tally};
use crate::table_tests::{candidate, labels, small};
use crate::verdict::Outcome;

const DPIA: &str = "date = \"2026-03-01\"\nresidual_risk = \"middel\"\ndescription = \"Biler fotograferer gaden.\"\n\
    necessity = \"Containere findes ikke i noget register.\"\nrisks = \"Personer kan genkendes.\"\nmeasures = \"Alle maskeres.\"\n";
const ADVICE: &[u8] = "Brug så få billeder som muligt.".as_bytes();

/// Everything that an entry is made from, to be changed by a test.
struct Papers {
    set: PolicySet,
    manifest: Manifest,
    draft: ApprovalDraft,
    dpia: Record,
    run: Run,
    /// The run whose result was signed, where it is another.
    signed: Option<Run>,
    result: bool,
    advice: Vec<u8>,
    look_us: u64,
}

fn outcome(test: &str, figures: &[(&str, Figure)]) -> Outcome {
    let figures: BTreeMap<String, Figure> =
        figures.iter().map(|(name, figure)| ((*name).to_owned(), figure.clone())).collect();
    Outcome { test: test.to_owned(), verdict: Verdict::Pass, why: None, case: None, figures }
}

impl Papers {
    fn new() -> Self {
        let mut manifest = candidate("honest", labels(true)).manifest().clone();
        manifest.capabilities = vec![Interface::Models];
        manifest.intended_use = "Finds containers on public roads".to_owned();
        let set = small("honest");
        let dpia = Record::read(DPIA.as_bytes()).unwrap();
        let draft = ApprovalDraft {
            purpose: set.purpose.name.clone(),
            legal_basis: Some(set.purpose.legal_basis.clone()),
            catalogue: set.purpose.catalogue.clone(),
            policy: set.purpose.policy_set.clone(),
            host_line: None,
            gate: None,
            dpia: Some(dpia.record().clone()),
            responsible: Some(Responsible { unit: "Byens Anvendelse".into(), manager: "enhedschef".into() }),
            dpo_advice: Some(DpoAdvice {
                date: "2026-03-10".parse().unwrap(),
                digest: Digest::of(ADVICE),
                reply: "Rådet følges.".into(),
            }),
            not_before: "2026-04-01T00:00:00Z".parse().unwrap(),
            expires: Some("2027-04-01T00:00:00Z".parse().unwrap()),
            examined: BTreeSet::new(),
        };
        let digest = Digest::of(b"x");
        let share = Tally { part: 18, of: 20 }.figure();
        let gap = Pairs::default().figure();
        let run = Run {
            format: FORMAT.to_owned(),
            release: Tested { name: "honest-0.1.0".to_owned(), digest, vendor: manifest.vendor.clone() },
            host: HostBuild { version: "1".to_owned(), digest },
            basis: Basis {
                catalogue: set.purpose.catalogue.clone(),
                catalogue_digest: digest,
                krav: BTreeMap::new(),
                policy: digest,
                rules: digest,
                suite: "1".to_owned(),
                bounds: digest,
            },
            profile: Profile::Vendor,
            seed: 1,
            engine: "tract".to_owned(),
            corpus: None,
            authority: None,
            deviations: Vec::new(),
            ending: Some(Ending::Passed),
            outcomes: vec![
                outcome("KT-QUA-002P", &[("recall", share.clone())]),
                outcome("KT-QUA-003P", &[("precision", share)]),
                outcome("KT-FAI-001N", &[("net_loss", gap.clone())]),
                outcome("KT-FAI-003N", &[("child", gap)]),
                outcome("KT-COS-001P", &[("instructions_per_1000_frames", Figure::Count { count: 1_375_046_000 })]),
                outcome("KT-COS-002P", &[("memory_bytes_most", Figure::Count { count: 1_376_256 })]),
            ],
            examples: Vec::new(),
        };
        Self { set, manifest, draft, dpia, run, signed: None, result: true, advice: ADVICE.to_vec(), look_us: 347_728 }
    }

    fn register(&self) -> Result<Register, RegisterError> {
        let roles = ["jura", "systemejer"].map(|role| Name::new(role).unwrap());
        let approval = Approved::new(&self.draft, BTreeSet::from(roles)).unwrap();
        let bytes = self.run.to_json().unwrap();
        let result = test_result(self.signed.as_ref().unwrap_or(&self.run));
        Register::of(&Sources {
            set: &self.set,
            release: Digest::of(b"x"),
            manifest: &self.manifest,
            approval: (&approval, Digest::of(b"approval")),
            dpia: &self.dpia,
            advice: &self.advice,
            result: result.as_ref().filter(|_| self.result),
            run: (&self.run, &bytes),
            look_us: self.look_us,
        })
    }

    fn refused(change: impl FnOnce(&mut Self)) -> RegisterError {
        let mut papers = Self::new();
        change(&mut papers);
        papers.register().unwrap_err()
    }
}

/// Every value of the entry that has no parts.
fn leaves<'v>(value: &'v Value, path: String, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(all) if !all.is_empty() => {
            all.iter().for_each(|(name, value)| leaves(value, format!("{path}.{name}"), found));
        }
        Value::Array(all) if !all.is_empty() => {
            all.iter().zip(0..).for_each(|(value, at)| leaves(value, format!("{path}[{at}]"), found));
        }
        leaf => found.push((path, leaf)),
    }
}

#[test]
fn gen_01p_an_approved_release_is_registered_with_no_empty_field_and_reads_back() {
    let register = Papers::new().register().unwrap();
    let json = serde_json::to_value(&register).unwrap();
    let mut found = Vec::new();
    leaves(&json, String::new(), &mut found);
    assert!(found.len() > 80, "{}", found.len());
    for (path, leaf) in &found {
        let says = match leaf {
            Value::String(text) => text.chars().any(char::is_alphanumeric),
            Value::Number(_) => true,
            _ => false,
        };
        assert!(says, "{path} is empty: {leaf}");
    }
    assert_eq!(serde_json::from_value::<Register>(json).unwrap(), register);
}

#[test]
fn gen_01n_each_field_that_nobody_stated_is_refused_by_name() {
    let unstated = |wanted: &str, change: fn(&mut Papers)| match Papers::refused(change) {
        RegisterError::Unstated { field, place } => {
            assert_eq!(field, wanted);
            assert!(!place.is_empty());
        }
        other => panic!("{wanted}: {other:?}"),
    };
    unstated("answers.authority", |p| p.set.purpose.register.authority = None);
    unstated("purpose.benefit", |p| p.set.purpose.register.benefit = None);
    unstated("purpose.rights", |p| p.set.purpose.register.rights.as_mut().unwrap().en.clear());
    unstated("purpose.purpose", |p| p.set.purpose.en = " ".to_owned());
    unstated("release.intended_use", |p| p.manifest.intended_use.clear());
    unstated("conformance.quality", |p| p.run.outcomes.retain(|o| o.test != "KT-QUA-003P"));
    unstated("conformance.equality", |p| p.run.outcomes.retain(|o| o.test != "KT-FAI-003N"));
    unstated("conformance.cost.instructions_per_1000_frames", |p| p.run.outcomes.retain(|o| o.test != "KT-COS-001P"));
    unstated("conformance.cost.tenths_of_a_second_per_1000_frames", |p| p.look_us = 0);
    unstated("advice.advice", |p| {
        p.advice = b" \n".to_vec();
        p.draft.dpo_advice.as_mut().unwrap().digest = Digest::of(&p.advice);
    });
}

#[test]
fn mal_03n_without_the_time_saved_or_how_it_is_measured_nothing_is_registered() {
    for (change, field) in [
        ((|p| p.set.purpose.register.saving = None) as fn(&mut Papers), "saving.stated"),
        (|p| p.set.purpose.register.measured = None, "saving.measured"),
        (|p| p.set.purpose.register.saving.as_mut().unwrap().dk = "udfyldes".to_owned(), "saving.stated"),
    ] {
        let refused = Papers::refused(change);
        assert_eq!(refused.krav().0, "MAL-03", "{field}");
        assert!(refused.to_string().contains(field) && refused.mend().contains("purposes/containere.toml"));
    }
    let (_, page) = register_html(&Papers::new().register().unwrap(), Language::Da);
    let beside = page.find("Sparet arbejdstid").zip(page.find("Maskinens tid pr. 1.000 billeder"));
    assert!(
        beside.is_some_and(|(saved, spent)| saved < spent && spent - saved < 2_000),
        "MAL-03P: one beside the other"
    );
    assert!(page.contains("347,8 sekunder") && page.contains("1.375.046.000"));
}

#[test]
fn gen_01n_a_record_or_a_run_that_is_not_the_approved_one_is_refused() {
    let other = Papers::refused(|p| p.dpia = Record::read(DPIA.replace("Alle", "Nogle").as_bytes()).unwrap());
    assert!(matches!(other, RegisterError::OtherRecord { what: "DPIA record", .. }), "{other:?}");
    let other = Papers::refused(|p| p.advice.push(b'!'));
    assert!(matches!(other, RegisterError::OtherRecord { .. }), "{other:?}");
    assert_eq!(Papers::refused(|p| p.result = false), RegisterError::NoResult);
    // Figures that were made better after the result was signed.
    let better = Papers::refused(|p| {
        p.signed = Some(p.run.clone());
        p.run.outcomes[0].figures.insert("recall".to_owned(), Tally { part: 20, of: 20 }.figure());
    });
    assert_eq!(better, RegisterError::OtherRun);
}

#[test]
fn gov_12p_the_notice_says_what_is_collected_why_how_long_and_whom_to_ask() {
    let register = Papers::new().register().unwrap();
    for (language, words) in [
        (
            Language::Da,
            [
                "Hvad der indsamles",
                "Hvad der ikke indsamles",
                "Hvorfor",
                "højst 7 dage",
                "Digital Post",
                "80.000 billeder",
                "Byens Anvendelse",
            ],
        ),
        (
            Language::En,
            [
                "What is collected",
                "What is not collected",
                "Why",
                "7 days at most",
                "Digital Post",
                "80,000 pictures",
                "Byens Anvendelse",
            ],
        ),
    ] {
        let (_, page) = notice_html(&register, language);
        for word in words {
            assert!(page.contains(word), "{language:?} {word}");
        }
    }
    // What the policy says is what the notice says.
    let mut papers = Papers::new();
    papers.set.profile.retention.evidence_days = 0;
    papers.set.profile.rates.pictures = 12_345;
    let (_, page) = notice_html(&papers.register().unwrap(), Language::Da);
    assert!(page.contains("Det maskerede udsnit omkring et fund: gemmes ikke.") && page.contains("12.345 billeder"));
}

#[test]
fn std_06n_no_page_of_the_register_holds_a_picture_or_a_position() {
    let papers = Papers::new();
    let register = papers.register().unwrap();
    let fence = String::from_utf8(papers.set.geofence().to_vec()).unwrap();
    let corners: Vec<&str> =
        fence.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|number| number.len() > 5).collect();
    assert!(corners.len() > 4, "{corners:?}");
    for language in [Language::Da, Language::En] {
        for (file, page) in [register_html(&register, language), notice_html(&register, language)] {
            for sign in ["<img", "<image", "data:image", "<script", "base64", "http://", "https://"] {
                assert!(!page.contains(sign), "{file}: {sign}");
            }
            assert!(corners.iter().all(|corner| !page.contains(corner)), "{file}");
            assert!(page.contains("<h1>Containere</h1>") && page.ends_with("</html>\n"), "{file}");
        }
    }
    let named = Papers::refused(|p| {
        p.set.purpose.register.rights.as_mut().unwrap().dk = "Ring til borgeren med nummer 010203-1234.".to_owned();
    });
    assert!(matches!(named, RegisterError::Personal { .. }), "{named:?}");
}
