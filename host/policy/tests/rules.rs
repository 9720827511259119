//! The rules decide, each of them can be the one that does, and what cannot be decided is a no.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::collections::BTreeSet;

use common::{city, files, manifest, refusal, set, with};
use vaern_door::{Interface, Manifest};
use vaern_policy::catalogue::KRAV;
use vaern_policy::rules::{ACTIONS, Answer, Case, Question, small_world};
use vaern_policy::{ActivationFacts, AdmissionFacts, CitySet, PolicyError};

/// The facts with one of them changed.
fn with_fact(facts: &AdmissionFacts, change: impl FnOnce(&mut AdmissionFacts)) -> AdmissionFacts {
    let mut changed = facts.clone();
    change(&mut changed);
    changed
}

/// Ids of the rules that forbid, over all cases of one action.
fn forbidding(action: &str) -> BTreeSet<String> {
    let city = city();
    let cases = small_world();
    let asked = cases.iter().filter(|case| case.question.action() == action);
    let refused = asked.map(|case| city.rules().decide(&case.question)).filter(|decision| !decision.allowed());
    refused.flat_map(|decision| decision.rules).filter(|rule| !rule.permits).map(|rule| rule.id).collect()
}

/// Ids of the forbidding rules that stand in a file.
fn written(file: &str) -> BTreeSet<String> {
    let city = city();
    let rules = city.rules().rules().filter(|rule| !rule.permits && rule.place.file == format!("capabilities/{file}"));
    rules.map(|rule| rule.id.clone()).collect()
}

#[test]
fn every_rule_of_admission_can_be_the_one_that_decides() {
    let mut expected = written("optagelse.cedar");
    expected.extend(written("undersoegelser.cedar"));
    assert!(expected.len() > 30);
    assert_eq!(forbidding("admit"), expected);
}

#[test]
fn every_rule_of_activation_can_be_the_one_that_decides() {
    assert_eq!(forbidding("activate"), written("aktivering.cedar"));
}

#[test]
fn every_other_rule_can_be_the_one_that_decides() {
    assert_eq!(forbidding("grant"), written("adgange.cedar"));
    assert_eq!(forbidding("handOver"), written("billeder.cedar"));
    assert_eq!(forbidding("accept"), written("svar.cedar"));
}

#[test]
fn gov_01n_gov_02n_gov_10n_a_release_is_admitted_with_every_record_and_not_without_one() {
    let set = set();
    let mut facts = AdmissionFacts::none().under(&set.purpose.policy_set, &set.purpose.catalogue);
    (facts.vendor_signed, facts.risk_record, facts.approved) = (true, true, true);
    (facts.legal_basis, facts.dpia, facts.dpo_advice, facts.responsible) = (true, true, true, true);
    facts.roles = ["jura", "systemejer"].map(str::to_owned).into();
    facts.residual_risk = "middel".to_owned();
    facts.age_days = 3;
    facts.examined = KRAV.map(str::to_owned).into();
    assert!(set.admit(&manifest(), &facts).unwrap().allowed());
    let krav = |facts: &AdmissionFacts| set.admit(&manifest(), facts).unwrap_err().krav().0;
    assert_eq!(krav(&with_fact(&facts, |f| f.dpia = false)), "GOV-01");
    assert_eq!(krav(&with_fact(&facts, |f| f.residual_risk = "høj".to_owned())), "GOV-02");
    assert_eq!(krav(&with_fact(&facts, |f| f.age_days = 366)), "GOV-04");
    assert_eq!(krav(&with_fact(&facts, |f| f.responsible = false)), "ANS-01");
    assert_eq!(krav(&with_fact(&facts, |f| f.dpo_advice = false)), "GOV-06");
    assert_eq!(krav(&with_fact(&facts, |f| assert!(f.examined.remove("GOV-10")))), "GOV-10");
    assert_eq!(krav(&with_fact(&facts, |f| assert!(f.roles.remove("systemejer")))), "SKJ-04");
}

#[test]
fn frm_10n_img_11n_where_the_profile_asks_for_a_test_of_the_gate_an_approval_names_one_of_this_gate() {
    let asking = with(files(), "profiles/edge.toml", "max_age_days = 365", "max_age_days = 365\ngate_result = true");
    let before = CitySet::of(asking.clone()).unwrap();
    let set = before.choose(None).unwrap();
    let refused = set.gate_tested(None).unwrap_err();
    assert!(matches!(refused, PolicyError::NoGateResult { .. }) && refused.krav().0 == "MIN-01", "{refused:?}");
    assert!(refused.mend().contains("vaern corpus gate"), "{}", refused.mend());
    // Admission asks the same, before any rule.
    let facts = AdmissionFacts::none();
    assert!(matches!(set.admit(&manifest(), &facts), Err(PolicyError::NoGateResult { .. })));
    let named = |gate| with_fact(&facts, |f| f.gate = Some(gate));
    // The test of a gate with another masking policy, or with another list of detectors, is of another gate.
    for (file, from, to) in [
        ("masking/irreversible-v1.toml", "threshold = 0.2", "threshold = 0.3"),
        ("models.toml", "# The city's", "# Our city's"),
    ] {
        let other = CitySet::of(with(asking.clone(), file, from, to)).unwrap().choose(None).unwrap().gate_digest();
        assert!(matches!(set.admit(&manifest(), &named(other)), Err(PolicyError::OtherGate { .. })), "{file}");
    }
    // FRM-10P, IMG-11P: with it the rules decide; a change elsewhere leaves the gate what it was.
    assert!(matches!(set.admit(&manifest(), &named(set.gate_digest())), Err(PolicyError::Denied(_))));
    let longer = with(asking, "profiles/edge.toml", "evidence_days = 7", "evidence_days = 6");
    assert_eq!(CitySet::of(longer).unwrap().choose(None).unwrap().gate_digest(), set.gate_digest());
    // A profile that asks for nothing takes an approval without, and no longer asking is wider than before.
    assert!(self::set().gate_tested(None).is_ok());
    let widened = city().may_follow(&before).unwrap_err();
    assert!(widened.to_string().contains("approval.gate_result") || widened.to_string().contains("test of the gate"));
    assert_eq!(widened.krav().0, "MIN-01");
}

#[test]
fn lev_04n_lev_01n_where_the_profile_asks_for_the_test_of_the_release_an_approval_has_a_host_line_and_the_vendors_result()
 {
    let asking = |more: &str| {
        let more = format!("max_age_days = 365\n{more} = true");
        CitySet::of(with(files(), "profiles/edge.toml", "max_age_days = 365", &more)).unwrap()
    };
    let facts = AdmissionFacts::none();
    // A profile that asks for nothing leaves it to the rules.
    assert!(matches!(set().admit(&manifest(), &facts), Err(PolicyError::Denied(_))));
    for (more, named, missing) in [
        ("host_line", with_fact(&facts, |f| f.host_line = true), "LEV-04"),
        ("vendor_result", with_fact(&facts, |f| f.vendor_tested = true), "LEV-01"),
    ] {
        let before = asking(more);
        let set = before.choose(None).unwrap();
        let refused = set.admit(&manifest(), &facts).unwrap_err();
        assert_eq!(refused.krav().0, missing, "{refused:?}");
        assert!(!matches!(refused, PolicyError::Denied(_)) && !refused.mend().is_empty());
        assert!(
            matches!(set.admit(&manifest(), &named), Err(PolicyError::Denied(_))),
            "{more}: with it the rules decide"
        );
        // No longer to ask is wider than before.
        let widened = city().may_follow(&before).unwrap_err();
        assert_eq!(widened.krav().0, missing, "{widened}");
        assert!(widened.to_string().contains("approval need no longer"), "{widened}");
    }
}

#[test]
fn gov_03n_skj_03n_a_revoked_or_stale_release_and_one_under_unsigned_rules_do_not_run() {
    let set = set();
    let now = ActivationFacts { revoked: false, policy_signed: true, stale_hours: 2, max_stale_hours: 0 };
    assert!(set.activate(&manifest(), now).unwrap().allowed());
    let krav = |facts| set.activate(&manifest(), facts).unwrap_err().krav().0;
    assert_eq!(krav(ActivationFacts { revoked: true, ..now }), "GOV-03");
    assert_eq!(krav(ActivationFacts { stale_hours: 169, ..now }), "GOV-04");
    assert_eq!(krav(ActivationFacts { policy_signed: false, ..now }), "SKJ-03");
}

#[test]
fn min_01n_min_04n_over_the_whole_small_world_no_unsafe_frame_label_or_interface_passes() {
    let city = city();
    let (mut allowed, mut frames) = (0, 0);
    for Case { what, safe, question } in small_world() {
        let decision = city.rules().decide(&question);
        assert!(decision.errors.is_empty(), "{what}: {:?}", decision.errors);
        assert!(safe || !decision.allowed(), "{what}");
        allowed += usize::from(decision.allowed());
        frames += usize::from(decision.allowed() && question.action() == "handOver");
    }
    assert_eq!(frames, 1, "one kind of frame passes: the clear one");
    assert!(allowed > 10, "a world in which nothing is allowed shows nothing");
}

#[test]
fn std_01n_an_empty_policy_set_grants_nothing() {
    let mut bare = files();
    bare.retain(|path, _| !path.starts_with("capabilities/") && !path.starts_with("catalogue/"));
    let city = CitySet::of(bare).unwrap();
    for case in small_world() {
        assert_eq!(city.rules().decide(&case.question).answer, Answer::No, "{}", case.what);
    }
    let refused = city.choose(None).unwrap().grants(&manifest()).unwrap_err();
    assert!(matches!(&refused, PolicyError::Denied(decision) if decision.rules.is_empty()), "{refused}");
    assert_eq!(refused.krav().0, "STD-01");
}

/// The clear frame is permitted by one rule; each rule that forbids a kind of frame holds even against a wider permit.
#[test]
fn pol_03n_a_permit_that_lets_unsafe_frames_through_is_refused_when_the_set_is_loaded() {
    let wider = with(
        files(),
        "capabilities/billeder.cedar",
        "when { resource.masked && resource.insideFence }",
        "when { true }",
    );
    CitySet::of(wider.clone()).expect("the forbids hold by themselves");
    for (condition, witness) in [("resource.masked", "not masked"), ("resource.insideFence", "not inside the fence")] {
        let open =
            with(wider.clone(), "capabilities/billeder.cedar", &format!("unless {{ {condition} }}"), "unless { true }");
        let refused = CitySet::of(open).unwrap_err();
        assert!(matches!(&refused, PolicyError::Unsafe { witness: w } if w.contains(witness)), "{refused}");
        assert_eq!(refused.krav().0, "STD-01");
    }
    let people = with(files(), "capabilities/svar.cedar", "when { resource.person }", "when { resource.face }");
    assert!(matches!(CitySet::of(people), Err(PolicyError::Unsafe { .. })));
}

#[test]
fn pol_02n_a_rule_that_errors_is_a_deny() {
    // Overflows: an engine that skips the rule would open what it forbids.
    let erring = "unless { context.ageDays * 9223372036854775807 < 0 && context.dpia }";
    let refused = refusal("capabilities/optagelse.cedar", "unless { context.dpia }", erring);
    assert!(
        matches!(&refused, PolicyError::EvaluationError { problem, .. } if problem.contains("gov-01")),
        "{refused}"
    );
    assert_eq!(refused.krav().0, "STD-02");
}

#[test]
fn pol_10n_a_rule_without_a_krav_and_a_krav_without_its_rule_are_refused() {
    let file = "capabilities/billeder.cedar";
    let foreign = refusal(file, "@krav(\"MIN-01\")", "@krav(\"MIN-99\")");
    assert!(matches!(&foreign, PolicyError::Untraced { what, .. } if what.contains("MIN-99")), "{foreign}");
    let unlisted = refusal(file, "@id(\"min-01-maskeret\")", "@id(\"min-01-andet\")");
    assert!(matches!(&unlisted, PolicyError::Untraced { what, .. } if what.contains("min-01-andet")), "{unlisted}");
    let text = String::from_utf8(files()[file].clone()).unwrap();
    let at = text.find("@id(\"min-01-maskeret\")").unwrap();
    let end = at + text[at..].find(";\n").unwrap() + 2;
    let deleted = refusal(file, &text[at..end], "");
    assert!(
        matches!(&deleted, PolicyError::Untraced { place, what } if place.file == "catalogue/MIN-01.toml"
        && what.contains("min-01-maskeret")),
        "{deleted}"
    );
    let lone = refusal("catalogue/MIN-01.toml", "\"min-01-maskeret\", ", "");
    assert!(matches!(lone, PolicyError::Untraced { .. }), "{lone}");
}

#[test]
fn gen_02p_every_decision_names_its_rules_in_danish() {
    let city = city();
    let mut seen = BTreeSet::new();
    for case in small_world() {
        let decision = city.rules().decide(&case.question);
        seen.insert(case.question.action());
        // A no may be the silence of every rule; a yes has always been said by one.
        assert!(!decision.allowed() || !decision.rules.is_empty(), "{:?}", case.question);
        for rule in &decision.rules {
            let entry = city.catalogue().get(&rule.krav).unwrap();
            assert!(entry.rules.contains(&rule.id) && rule.dk.ends_with('.') && rule.place.line > 1, "{rule:?}");
            assert_eq!(rule.permits, decision.allowed(), "{rule:?}");
        }
    }
    assert_eq!(seen.len(), ACTIONS.len());
}

#[test]
fn pol_06n_what_a_vendor_writes_never_enters_an_explanation() {
    let lie = "Godkendt af Datatilsynet";
    let said = Manifest { intended_use: lie.to_owned(), capabilities: vec![Interface::Zoom], ..manifest() };
    let set = set();
    let question = set
        .activation(&said, ActivationFacts { revoked: true, policy_signed: true, stale_hours: 0, max_stale_hours: 0 });
    let decision = set.city().rules().decide(&question);
    assert_eq!(decision.krav().0, "GOV-03");
    let told = serde_json::to_string(&decision).unwrap() + &decision.to_string();
    assert!(!told.contains(lie));
    // A schema without a place for the vendor's words keeps it so.
    assert!(!format!("{question:?}").contains(lie));
    let asked = Question::Grant {
        release: vaern_policy::rules::ReleaseView::of(&said),
        interface: Interface::Zoom,
        ceiling: BTreeSet::new(),
        operating: true,
        zoom_pixels: 0,
    };
    assert!(!set.city().rules().decide(&asked).to_string().contains(lie));
}

#[test]
fn rules_that_do_not_follow_the_schema_are_refused_with_their_line() {
    for (from, to) in [
        ("resource.masked }", "resource.nakedness }"),
        ("@dk(\"Et billede, hvor personer", "@uk(\"Et billede, hvor personer"),
        ("forbid (principal", "forbidden (principal"),
        ("Vaern::Action::\"handOver\"", "Vaern::Action::\"handover\""),
    ] {
        let refused = refusal("capabilities/billeder.cedar", from, to);
        assert!(
            matches!(&refused, PolicyError::Invalid { place, .. } if place.file == "capabilities/billeder.cedar" && place.line > 1),
            "{to}: {refused}"
        );
    }
}
