//! Everything that shows compliance, checked again by one command: whole it holds, and each thing that was touched is named.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use program::{copy, fresh_demo, json, stderr, text, vaern};
use serde_json::Value;
use vaern_door::Digest;
use vaern_trust::{Outcome, TakenPart, TestResult};

/// A demo whose release was tested, signed for, and published in a channel; and the key of its log.
fn whole() -> &'static (PathBuf, String) {
    static WHOLE: OnceLock<(tempfile::TempDir, (PathBuf, String))> = OnceLock::new();
    &WHOLE
        .get_or_init(|| {
            let ((temp, out), told) = fresh_demo("12");
            let at = |path: &str| out.join(path);
            let (release, policies, trust) = (at("release"), at("policies"), at("policies/trust.toml"));
            let (key, result) = (at("keys/it-sikkerhed.secret.toml"), at("conformance"));
            let run = ["conform", text(&release), "--policies", text(&policies), "--trust", text(&trust)];
            done(&[&run[..], &["--key", text(&key), "--out", text(&result)]].concat());
            desks(&out, &["channel", "init", "--name", "drift"]);
            desks(&out, &["channel", "publish", text(&release)]);
            let key = told["log"]["key"].as_str().unwrap().to_owned();
            (temp, (out, key))
        })
        .1
}

fn done(args: &[&str]) -> Value {
    let told = vaern(&[&["--json"], args].concat());
    assert_eq!(told.status.code(), Some(0), "{args:?}\n{}", stderr(&told));
    json(&told.stdout)
}

/// A command about the channel that two desks of the city sign.
fn desks(folder: &Path, args: &[&str]) {
    let at = |path: &str| folder.join(path);
    let (channel, trust) = (at("channel"), at("policies/trust.toml"));
    let keys = ["jura", "systemejer"].map(|desk| at(&format!("keys/{desk}.secret.toml")));
    let signing =
        ["--channel", text(&channel), "--trust", text(&trust), "--key", text(&keys[0]), "--key", text(&keys[1])];
    done(&[args, &signing].concat());
}

/// The parts of a folder, each with the option that names it.
const PARTS: [(&str, &str); 10] = [
    ("--trust", "policies/trust.toml"),
    ("--policies", "policies"),
    ("--release", "release"),
    ("--conformance", "conformance"),
    ("--paper", "city/dpia.toml"),
    ("--paper", "city/dpo-advice.txt"),
    ("--channel", "channel"),
    ("--log", "log"),
    ("--floor", "keys/demo-node.log-floor"),
    ("--result", "result"),
];

fn recheck(folder: &Path, key: &str, left_out: Option<&str>) -> std::process::Output {
    let mut args = vec!["--json".to_owned(), "recheck".to_owned()];
    args.extend((left_out != Some("--key")).then(|| format!("--key={key}")));
    let named = PARTS.iter().filter(|(_, part)| Some(*part) != left_out);
    args.extend(named.map(|(option, part)| format!("{option}={}", text(&folder.join(part)))));
    vaern(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What was not shown to hold: the first words of each, and its state.
fn doubts(told: &std::process::Output) -> Vec<(String, String, String)> {
    let all = json(&told.stdout);
    let word = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    let findings = all["checked"].as_array().unwrap().iter().filter(|one| one["state"] != "holds");
    findings.map(|one| (word(one, "what"), word(one, "state"), word(one, "krav"))).collect()
}

/// A copy of the whole folder in which one thing is changed: it is refused, and what was changed is the first that is named.
fn changed(first: (&str, &str, &str), change: impl FnOnce(&Path)) -> Vec<(String, String, String)> {
    let (folder, key) = whole();
    let temp = tempfile::tempdir().unwrap();
    copy(folder, temp.path());
    change(temp.path());
    let told = recheck(temp.path(), key, None);
    let doubts = doubts(&told);
    assert_eq!(told.status.code(), Some(1), "{first:?}\n{}", stderr(&told));
    assert_eq!(json(&told.stdout)["holds"], false);
    let (what, state, krav) = doubts.first().unwrap_or_else(|| panic!("{first:?}"));
    assert!(what.starts_with(first.0), "{first:?} {doubts:#?}");
    assert_eq!((state.as_str(), krav.as_str()), (first.1, first.2), "{doubts:#?}");
    assert!(stderr(&told).contains("not shown to hold"), "{}", stderr(&told));
    doubts
}

fn replace(file: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(file).unwrap();
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after, "{from} is not in {}", file.display());
    std::fs::write(file, after).unwrap();
}

/// Takes the statements of one kind out of a release: the release itself stays what it was.
fn unfile(folder: &Path, kind: &str) {
    let file = folder.join("release/index.json");
    let mut index = json(&std::fs::read(&file).unwrap());
    let manifests = index["manifests"].as_array_mut().unwrap();
    let before = manifests.len();
    manifests.retain(|one| one["annotations"]["vnd.vaern.statement"] != kind);
    assert!(manifests.len() < before, "{kind}");
    std::fs::write(file, serde_json::to_vec(&index).unwrap()).unwrap();
}

/// Signs another result for the release as the city's role, in place of the one that is there.
fn signs(folder: &Path, result: &TestResult) {
    unfile(folder, "test-result");
    let open =
        |path: &str| cap_std::fs::Dir::open_ambient_dir(folder.join(path), cap_std::ambient_authority()).unwrap();
    let trust = std::fs::read_to_string(folder.join("policies/trust.toml")).unwrap();
    let trust = vaern_trust::TrustRoot::from_toml(&trust).unwrap();
    let (_, pair) = vaern_trust::read_secret(&open("keys"), "it-sikkerhed.secret.toml").unwrap();
    vaern_trust::sign_test_result(&open("release"), &trust, result, &pair).unwrap();
}

fn run(folder: &Path) -> vaern_conformance::Run {
    vaern_conformance::Run::from_json(&std::fs::read(folder.join("conformance/run.json")).unwrap()).unwrap()
}

#[test]
fn gov_05p_what_belongs_together_and_was_not_touched_holds() {
    let (folder, key) = whole();
    let told = recheck(folder, key, None);
    assert_eq!(told.status.code(), Some(0), "{:#?}\n{}", doubts(&told), stderr(&told));
    let all = json(&told.stdout);
    assert_eq!(all["holds"], true);
    let kinds: BTreeSet<&str> = all["checked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap().split(" of ").next().unwrap())
        .collect();
    for what in ["trust root", "policy set", "floor", "log", "approval", "signed test result", "host", "revocation"] {
        assert!(kinds.contains(what), "{what} in {kinds:?}");
    }
    let plain = vaern(&["recheck", "--trust", "nowhere", "--policies", "nowhere"]);
    assert_eq!(plain.status.code(), Some(1));
    let lines = String::from_utf8_lossy(&plain.stdout).into_owned();
    assert!(lines.contains("NOT THERE") && !lines.contains("ok  "), "{lines}");
}

#[test]
fn gov_05n_what_is_not_there_is_not_shown() {
    let (folder, key) = whole();
    let parts = PARTS.iter().map(|(option, part)| (*option, *part)).chain([("--key", "--key")]);
    // A policy directory and a trust root must be named; that they must be there, too, is shown above.
    for (option, part) in parts.filter(|(option, _)| !["--trust", "--policies"].contains(option)) {
        let told = recheck(folder, key, Some(part));
        let doubts = doubts(&told);
        assert_eq!(told.status.code(), Some(1), "{option} {part}");
        assert!(!doubts.is_empty() && doubts.iter().all(|(_, state, _)| state == "not_there"), "{part} {doubts:#?}");
    }
}

#[test]
fn gov_05n_another_policy_approval_paper_or_revocation_is_named() {
    changed(("policy set", "refused", "SKJ-03"), |folder| {
        replace(&folder.join("policies/models.toml"), "# The city", "# the city");
    });
    changed(("approval of", "refused", "SKJ-03"), |folder| unfile(folder, "approval"));
    let paper = changed(("DPIA record", "not_there", "GOV-01"), |folder| {
        replace(&folder.join("city/dpia.toml"), "date = ", "date =  ");
    });
    assert_eq!(paper.len(), 1, "and nothing else: {paper:#?}");
    changed(("officer's advice", "not_there", "GOV-06"), |folder| {
        std::fs::write(folder.join("city/dpo-advice.txt"), "Ingen indvendinger.\n").unwrap();
    });
    changed(("revocation of", "refused", "GOV-03"), |folder| {
        let release = json(&std::fs::read(folder.join("conformance/run.json")).unwrap());
        let digest = release["release"]["digest"].as_str().unwrap();
        desks(folder, &["revoke", digest, "--reason", "a hole"]);
    });
    // The list of revocations is gone, and the channel says that there was one.
    changed(("channel", "refused", "CYB-01"), |folder| {
        let release = json(&std::fs::read(folder.join("conformance/run.json")).unwrap());
        let digest = release["release"]["digest"].as_str().unwrap();
        desks(folder, &["revoke", digest, "--reason", "a hole"]);
        desks(folder, &["channel", "publish"]);
        std::fs::remove_file(folder.join("channel/revocations.json")).unwrap();
    });
}

#[test]
fn gov_05n_a_result_of_another_release_run_host_or_catalogue_is_named() {
    // One verdict is another: whole again as a file, and not what was signed.
    changed(("signed test result", "refused", "GOV-05"), |folder| {
        let mut other = run(folder);
        other.outcomes[0].figures.clear();
        other.outcomes[1].figures.clear();
        other.seed = 2;
        std::fs::write(folder.join("conformance/run.json"), other.to_json().unwrap()).unwrap();
    });
    changed(("run of the suite", "refused", "GOV-05"), |folder| {
        replace(&folder.join("conformance/run.json"), "\"seed\": ", "\"seed\":  ");
    });
    changed(("signed test result", "not_there", "LEV-04"), |folder| {
        let mut other = run(folder);
        other.release.digest = Digest::of(b"another release");
        std::fs::write(folder.join("conformance/run.json"), other.to_json().unwrap()).unwrap();
    });
    changed(("signed test result", "not_there", "LEV-04"), |folder| unfile(folder, "test-result"));
    let catalogue = |version: &str| TestResult {
        result: Outcome::Passed,
        configuration: vec![
            TakenPart::new("host", Digest::of(b"host")),
            TakenPart::new(format!("catalogue-{version}"), Digest::of(b"catalogue")),
        ],
        passed_tests: ["KT-DOR-001P".to_owned()].into(),
        warned_tests: [].into(),
        failed_tests: [].into(),
    };
    changed(("signed test result", "refused", "MAL-05"), |folder| signs(folder, &catalogue("0.0.1")));
    // The same version with other words, signed and all.
    changed(("signed test result", "refused", "MAL-05"), |folder| {
        let mut other = run(folder);
        other.basis.catalogue_digest = Digest::of(b"other words");
        signs(folder, &vaern_conformance::test_result(&other).unwrap());
        std::fs::write(folder.join("conformance/run.json"), other.to_json().unwrap()).unwrap();
    });
    changed(("host", "not_there", "LEV-04"), |folder| {
        let mut other = run(folder);
        other.host.digest = Digest::of(b"another program");
        signs(folder, &vaern_conformance::test_result(&other).unwrap());
        std::fs::write(folder.join("conformance/run.json"), other.to_json().unwrap()).unwrap();
    });
    // A result that failed bears nothing.
    changed(("signed test result", "refused", "LEV-04"), |folder| {
        let mut failed = catalogue("0.1.0");
        failed.failed_tests.insert("KT-LIM-001N".to_owned());
        failed.result = Outcome::Failed;
        signs(folder, &failed);
    });
}

#[test]
fn gov_05n_a_log_or_a_result_that_counts_otherwise_is_named() {
    changed(("log", "refused", "GOV-05"), |folder| {
        let bundle = std::fs::read_dir(folder.join("log/tile/entries/000.p")).unwrap();
        let newest = bundle.map(|e| e.unwrap().path()).max_by_key(|p| std::fs::metadata(p).unwrap().len()).unwrap();
        let mut bytes = std::fs::read(&newest).unwrap();
        bytes[34 * 2 + 5] ^= 1;
        std::fs::write(&newest, bytes).unwrap();
    });
    changed(("log", "refused", "GOV-05"), |folder| {
        // It was longer once.
        let file = folder.join("keys/demo-node.log-floor");
        let line = std::fs::read_to_string(&file).unwrap();
        let leaves: u64 = line.split(' ').nth(2).unwrap().parse().unwrap();
        std::fs::write(file, line.replace(&format!(" {leaves} "), &format!(" {} ", leaves + 1))).unwrap();
    });
    changed(("result ", "refused", "GOV-05"), |folder| {
        let file = folder.join("result/summary.json");
        let frames = json(&std::fs::read(&file).unwrap())["frames_in"].as_u64().unwrap();
        replace(&file, &format!("\"frames_in\": {frames}"), &format!("\"frames_in\": {}", frames - 1));
    });
    changed(("result ", "refused", "GOV-05"), |folder| {
        // One find is taken out.
        let file = folder.join("result/detections.geojson");
        let mut all = json(&std::fs::read(&file).unwrap());
        assert!(all["features"].as_array_mut().unwrap().pop().is_some());
        std::fs::write(file, all.to_string()).unwrap();
    });
    changed(("result ", "refused", "GOV-05"), |folder| {
        // A find is passed off as another release's.
        let file = folder.join("result/detections.geojson");
        let mut all = json(&std::fs::read(&file).unwrap());
        all["features"][0]["properties"]["release"] = Digest::of(b"another").to_string().into();
        std::fs::write(file, all.to_string()).unwrap();
    });
    changed(("result ", "refused", "GOV-05"), |folder| {
        let file = folder.join("result/frames.csv");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.lines().take(3).map(|line| format!("{line}\r\n")).collect::<String>()).unwrap();
    });
    // A second run is in the log, and its result is not here.
    let lacking = changed(("result of every run", "not_there", "GOV-05"), |folder| {
        let at = |path: &str| text(&folder.join(path)).to_owned();
        let (source, release, policies) = (at("drive"), at("release"), at("policies"));
        let what = ["run", "--source", &source, "--release", &release, "--policies", &policies];
        let (out, log, key) = (at("again"), at("log"), at("keys/demo-node.secret.toml"));
        done(&[&what[..], &["--out", &out, "--log", &log, "--log-key", &key]].concat());
    });
    assert_eq!(lacking.len(), 1, "{lacking:#?}");
}
