//! What nobody tested runs nowhere: a release on a node, its host line, and what its vendor says of its own tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod nodes;
mod program;

use std::path::Path;

use cap_std::fs::Dir;
use nodes::City;
use program::{fresh_demo, json, stderr, text, vaern};
use serde_json::Value;
use vaern_door::Digest;
use vaern_trust::{Outcome, TakenPart, TestResult, TrustRoot};

fn dir(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap()
}

/// A city whose profile takes an approval only for a host line.
fn asking() -> City {
    City::ruled("", &[("max_age_days = 365", "max_age_days = 365\nhost_line = true")])
}

/// From now on approvals are for the line, which this program is a build of; a release must have passed one test on it.
fn lines(city: &City) {
    let draft = city.at("city/approval.toml");
    let before = std::fs::read_to_string(&draft).unwrap();
    std::fs::write(&draft, before.replacen("purpose = ", "host_line = \"edge-1\"\npurpose = ", 1)).unwrap();
    let build = format!("edge-1={}", this_program());
    city.signing(&["channel", "publish", "--host", &build, "--mandatory", "edge-1=KT-DOR-001P"]);
}

fn this_program() -> Digest {
    Digest::of(&std::fs::read(env!("CARGO_BIN_EXE_vaern")).unwrap())
}

/// A passed result of the suite on this program, under the city's catalogue.
fn passed(city: &City) -> TestResult {
    let set = vaern_policy::PolicySet::load(&dir(&city.at("policies")), None).unwrap();
    TestResult {
        result: Outcome::Passed,
        configuration: vec![
            TakenPart::new("host", this_program()),
            TakenPart::new(format!("catalogue-{}", set.purpose.catalogue), Digest::of(b"catalogue")),
        ],
        passed_tests: ["KT-DOR-001P".to_owned()].into(),
        warned_tests: [].into(),
        failed_tests: [].into(),
    }
}

/// The city signs a result for a release that a node has.
fn sign(city: &City, release: &str, result: &TestResult) {
    let trust = std::fs::read_to_string(city.at("policies/trust.toml")).unwrap();
    let trust = TrustRoot::from_toml(&trust).unwrap();
    let (_, pair) = vaern_trust::read_secret(&dir(&city.at("keys")), "it-sikkerhed.secret.toml").unwrap();
    vaern_trust::sign_test_result(&dir(&city.at("releases").join(release)), &trust, result, &pair).unwrap();
}

fn alarmed(health: &Value, what: &str) -> bool {
    health["alarms"].to_string().contains(what)
}

#[test]
fn lev_04n_no_release_takes_the_seat_without_a_passed_test_of_it_on_this_host_line() {
    let city = asking();
    let unbound = city.release("honest", 1, None);
    let mut service = city.start();
    let health = service.is("an approval for no line", |health| alarmed(health, "only for a host line"));
    assert!(health["release"].is_null() && alarmed(&health, &unbound), "{health:#}");

    lines(&city);
    let release = city.release("honest", 2, None);
    let health = service.is("no test", |health| alarmed(health, "test result: not signed"));
    assert!(health["release"].is_null() && alarmed(&health, &release), "{health:#}");
    let good = passed(&city);
    let mut failed = good.clone();
    failed.result = Outcome::Failed;
    failed.failed_tests.insert("KT-LIM-001N".to_owned());
    let mut half = good.clone();
    half.passed_tests.clear();
    let mut elsewhere = good.clone();
    elsewhere.configuration[0] = TakenPart::new("host", Digest::of(b"another program"));
    let mut older = good.clone();
    older.configuration[1] = TakenPart::new("catalogue-0.0.1", Digest::of(b"catalogue"));
    for (result, why) in [
        (&failed, "not passed: [KT-LIM-001N]"),
        (&elsewhere, "HostPairMismatch"),
        (&half, "not passed: [KT-DOR-001P]"),
        (&older, "of the requirements catalogue"),
    ] {
        sign(&city, "honest-2", result);
        let health = service.is(why, |health| alarmed(health, why));
        assert!(health["release"].is_null(), "{why}: {health:#}");
    }
    // LEV-04P: with a passed one it has the seat, and keeps it while a newer release has none.
    sign(&city, "honest-2", &good);
    service.is("the seat", |health| health["release"] == release.as_str());
    let newer = city.release("honest", 3, None);
    let health = service.is("the newer one is turned down", |health| {
        alarmed(health, &format!("the release {newer} does not run")) && health["trial"].is_null()
    });
    assert_eq!(health["release"], release.as_str(), "{health:#}");
    service.end();
}

#[test]
fn lev_04n_without_a_channel_no_release_runs_that_was_approved_for_a_host_line() {
    let city = asking();
    lines(&city);
    city.release("honest", 1, None);
    sign(&city, "honest-1", &passed(&city));
    std::fs::create_dir(city.at("pictures")).unwrap();
    for (name, bytes) in nodes::drive(2) {
        std::fs::write(city.at("pictures").join(name), bytes).unwrap();
    }
    let (source, release, policies) = (city.at("pictures"), city.at("releases/honest-1"), city.at("policies"));
    let run = |out: &Path, more: &[&str]| {
        let what = ["--json", "run", "--source", text(&source), "--release", text(&release)];
        vaern(&[&what[..], &["--policies", text(&policies), "--out", text(out)], more].concat())
    };
    let out = city.at("without");
    let told = run(&out, &[]);
    assert_eq!(told.status.code(), Some(1), "{}", stderr(&told));
    assert!(stderr(&told).contains("LEV-04") && !out.exists(), "{}", stderr(&told));
    let (channel, state) = (city.at("channel"), city.at("state"));
    let told = run(&city.at("with"), &["--channel", text(&channel), "--state", text(&state)]);
    assert_eq!(told.status.code(), Some(0), "LEV-04P {}", stderr(&told));
}

#[test]
fn lev_01p_a_vendor_signs_its_own_run_and_lev_01n_where_the_city_asks_for_it_nobody_approves_without() {
    let ((_temp, demo), _) = fresh_demo("4");
    let at = |path: &str| demo.join(path);
    let profile = at("policies/profiles/edge.toml");
    let rules = std::fs::read_to_string(&profile).unwrap();
    std::fs::write(&profile, rules.replace("max_age_days = 365", "max_age_days = 365\nvendor_result = true")).unwrap();
    let (release, policies, trust) = (at("release"), at("policies"), at("policies/trust.toml"));
    let keys = ["jura", "systemejer"].map(|desk| at(&format!("keys/{desk}.secret.toml")));
    let draft = at("city/approval.toml");
    let approve = || {
        let what = ["approve", text(&release), "--trust", text(&trust), "--draft", text(&draft), "--yes"];
        let signing = ["--policies", text(&policies), "--key", text(&keys[0]), "--key", text(&keys[1])];
        vaern(&[&what[..], &signing].concat())
    };
    let check = || {
        let what = ["--json", "plugin", "check", text(&release), "--policies", text(&policies)];
        let told = vaern(&[&what[..], &["--trust", text(&trust)]].concat());
        json(&told.stdout)["findings"].as_array().unwrap().iter().any(|one| one["krav"] == "LEV-01")
    };
    let refused = approve();
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("LEV-01") && stderr(&refused).contains("--vendor-key"), "{}", stderr(&refused));
    assert!(check(), "the vendor is told before");

    let conform = |key: &str| {
        let key = at(key);
        let run = ["--json", "conform", text(&release), "--policies", text(&policies), "--trust", text(&trust)];
        vaern(&[&run[..], &["--vendor-key", text(&key)]].concat())
    };
    let city = conform("keys/it-sikkerhed.secret.toml");
    assert_eq!(city.status.code(), Some(1), "the city's key is no vendor's");
    assert!(stderr(&city).contains("LEV-01") && check(), "{}", stderr(&city));
    let own = conform("keys/vaern-reference.secret.toml");
    assert_eq!(own.status.code(), Some(0), "{}", stderr(&own));
    assert!(!check());
    let approved = approve();
    assert_eq!(approved.status.code(), Some(0), "{}", stderr(&approved));
    let shown = String::from_utf8_lossy(&approved.stdout).into_owned();
    assert!(shown.contains("the vendor signed its own run") && shown.contains("the city signed none"), "{shown}");
}
