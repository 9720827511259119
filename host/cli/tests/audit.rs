//! The log as an auditor meets it: verified, shown and proved from the command line, and refused when it was touched.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use program::{copy, json, text, vaern};
use serde_json::Value;

fn ok(args: &[&str]) -> Value {
    let output = vaern(args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    json(&output.stdout)
}

fn refused(args: &[&str]) -> String {
    let output = vaern(args);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    json(&output.stderr)["error"]["what"].as_str().unwrap().to_owned()
}

/// A demo and a second run over the same log, which every test reads.
fn demo() -> &'static (PathBuf, Value) {
    static DEMO: OnceLock<(tempfile::TempDir, (PathBuf, Value))> = OnceLock::new();
    &DEMO
        .get_or_init(|| {
            let temp = tempfile::tempdir().unwrap();
            let out = temp.path().join("demo");
            let told = ok(&["--json", "demo", "--frames", "12", "--out", text(&out)]);
            let path = |name: &str| out.join(name).to_str().unwrap().to_owned();
            ok(&[
                "--json",
                "run",
                "--source",
                &path("drive"),
                "--release",
                &path("release"),
                "--policies",
                &path("policies"),
                "--out",
                &path("again"),
                "--log",
                &path("log"),
                "--log-key",
                &path("keys/demo-node.secret.toml"),
            ]);
            (temp, (out, told))
        })
        .1
}

#[test]
fn aud_06p_the_log_of_two_runs_accounts_for_every_frame() {
    let (out, told) = demo();
    let key = told["log"]["key"].as_str().unwrap();
    let log = out.join("log");
    let checked = ok(&["--json", "audit", "verify", text(&log), "--key", key]);
    assert_eq!(checked["key_pinned"], true);
    assert_eq!(checked["kinds"]["RunBegun"], 2);
    assert_eq!(checked["kinds"]["RunEnded"], 2);
    assert_eq!(checked["kinds"]["PolicyInForce"], 1, "said once while it stays the same");
    assert_eq!(checked["kinds"]["ApprovalSeen"], 1);
    let frames = &checked["frames"];
    let of = |name: &str| frames[name].as_u64().unwrap();
    assert_eq!(of("frames_in"), 2 * told["summary"]["frames_in"].as_u64().unwrap());
    assert_eq!(of("frames_in"), of("with_objects") + of("empty") + of("refused") + of("failed"));
    assert!(checked["unfinished_runs"].as_array().unwrap().is_empty());
    let shown = ok(&["--json", "audit", "show", text(&log), "--from", "1", "--count", "2"]);
    assert_eq!(shown.as_array().unwrap().len(), 2);
    let begun = &shown[0]["record"]["event"];
    assert_eq!(begun["approval_seen"]["release"], told["release"], "{begun}");
    assert_eq!(begun["approval_seen"]["signers"].as_array().unwrap().len(), 2);
}

#[test]
fn aud_01n_a_leaf_touched_on_disk_is_named_by_its_index() {
    let (out, told) = demo();
    let key = told["log"]["key"].as_str().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let copy = temp.path().join("log");
    assert!(Command::new("cp").args(["-r", text(&out.join("log")), text(&copy)]).status().unwrap().success());
    let bundle = std::fs::read_dir(copy.join("tile/entries/000.p")).unwrap();
    // Partial bundles of every size stay until a full one replaces them: the newest is the longest.
    let newest = bundle.map(|e| e.unwrap().path()).max_by_key(|p| std::fs::metadata(p).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[34 * 2 + 5] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    assert!(refused(&["--json", "audit", "verify", text(&copy), "--key", key]).contains("leaf 2 "));
}

#[test]
fn aud_03n_a_log_shorter_than_the_examiner_saw_is_refused() {
    let (out, told) = demo();
    let key = told["log"]["key"].as_str().unwrap();
    let (temp, log) = (tempfile::tempdir().unwrap(), out.join("log"));
    let floor = temp.path().join("seen");
    let args = ["--json", "audit", "verify", text(&log), "--key", key, "--floor", text(&floor)];
    assert!(ok(&args)["floor"].is_null());
    let leaves = ok(&args)["floor"].as_u64().unwrap();
    let line = std::fs::read_to_string(&floor).unwrap();
    std::fs::write(&floor, line.replace(&format!(" {leaves} "), &format!(" {} ", leaves + 1))).unwrap();
    assert!(refused(&args).starts_with("CheckpointRollback"));
    std::fs::write(&floor, "nothing").unwrap();
    assert!(refused(&args).contains("log floor"));
}

#[test]
fn aud_01p_one_leaf_is_proved_to_somebody_with_nothing_but_the_key() {
    let (out, told) = demo();
    let key = told["log"]["key"].as_str().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let proof = temp.path().join("proof.txt");
    let log = out.join("log");
    let proved = ok(&["--json", "audit", "prove", text(&log), "1", "--key", key, "--out", text(&proof)]);
    let checked = ok(&["--json", "audit", "verify", text(&proof), "--key", key]);
    assert_eq!(checked["record"], proved["record"]);
    let honest = std::fs::read_to_string(&proof).unwrap();
    std::fs::write(&proof, honest.replace("index 1\n", "index 2\n")).unwrap();
    refused(&["--json", "audit", "verify", text(&proof), "--key", key]);
    refused(&["--json", "audit", "prove", text(&log), "4711", "--key", key]);
}

#[test]
fn a_log_checked_against_its_own_key_says_what_that_is_worth() {
    let log = demo().0.join("log");
    assert_eq!(ok(&["--json", "audit", "verify", text(&log)])["key_pinned"], false);
    let output = vaern(&["audit", "verify", text(&log)]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("not whose it is"));
}

/// The first proposal of the demo.
fn proposal(result: &Path) -> Value {
    json(&std::fs::read(result.join("detections.geojson")).unwrap())["features"][0].clone()
}

struct Asked {
    id: String,
    result: PathBuf,
    log: PathBuf,
}

impl Asked {
    fn args<'a>(&'a self, out: &'a Path, key: &'a str, release: &'a Path, policies: &'a Path) -> Vec<&'a str> {
        let mut args = vec!["--json", "insight", &self.id, "--result", text(&self.result), "--release", text(release)];
        args.extend(["--policies", text(policies), "--log", text(&self.log), "--key", key, "--out", text(out)]);
        args
    }
}

#[test]
fn ret_02p_insight_gives_the_whole_chain_of_one_proposal_on_one_page() {
    let (out, told) = demo();
    let key = told["log"]["key"].as_str().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let page = temp.path().join("page.html");
    let result = temp.path().join("result");
    copy(&out.join("result"), &result);
    let feature = proposal(&result);
    let asked = Asked { id: feature["id"].as_str().unwrap().to_owned(), result, log: out.join("log") };
    let (release, policies) = (out.join("release"), out.join("policies"));
    let args = asked.args(&page, key, &release, &policies);
    let insight = ok(&args);
    assert_eq!(insight["picture"]["state"], "kept");
    assert_eq!(insight["review"], "afventer");
    assert_eq!(insight["release"]["digest"], told["release"]);
    assert_eq!(insight["approval"]["signers"].as_array().unwrap().len(), 2);
    assert!(insight["rules"]["krav"].as_object().unwrap().contains_key("GOV-01"));
    let begun = &insight["log"]["begun"]["record"]["event"]["run_begun"];
    assert_eq!(begun["run"], insight["log"]["run"]);
    let proof = temp.path().join("proof");
    std::fs::write(&proof, insight["log"]["begun"]["proof"].as_str().unwrap()).unwrap();
    ok(&["--json", "audit", "verify", text(&proof), "--key", key]);
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("data:image/jpeg;base64,") && html.contains("class=\"box\"") && !html.contains("<script"));
    // A picture that is gone is said to be gone.
    std::fs::remove_dir_all(asked.result.join("pictures")).unwrap();
    assert_eq!(ok(&args)["picture"]["state"], "deleted");
    assert!(std::fs::read_to_string(&page).unwrap().contains("Billedet er slettet."));
}

#[test]
fn ret_02n_insight_refuses_to_mix_runs_releases_and_rules() {
    let (out, told) = demo();
    let key = told["log"]["key"].as_str().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let page = temp.path().join("page.html");
    let (result, policies) = (temp.path().join("result"), temp.path().join("policies"));
    copy(&out.join("result"), &result);
    copy(&out.join("policies"), &policies);
    let id = proposal(&result)["id"].as_str().unwrap().to_owned();
    let release = out.join("release");
    let asked = Asked { id, result, log: out.join("log") };
    // The other run's place in the log: its ids are not this run's, though release and rules are the same.
    let link = asked.result.join("log.json");
    let honest = std::fs::read_to_string(&link).unwrap();
    std::fs::copy(out.join("again/log.json"), &link).unwrap();
    let mut mixed = json(honest.as_bytes());
    mixed["begun"] = json(&std::fs::read(&link).unwrap())["begun"].clone();
    std::fs::write(&link, mixed.to_string()).unwrap();
    let told = refused(&asked.args(&page, key, &release, &policies));
    assert!(told.contains("another run"), "{told}");
    std::fs::write(&link, honest).unwrap();
    ok(&asked.args(&page, key, &release, &policies));
    let purpose = policies.join("purposes/containere.toml");
    let changed = std::fs::read_to_string(&purpose).unwrap() + "\n# changed since\n";
    std::fs::write(&purpose, changed).unwrap();
    let told = refused(&asked.args(&page, key, &release, &policies));
    assert!(told.contains("policy set"), "{told}");
    let unknown = Asked { id: "0".repeat(32), ..asked };
    refused(&unknown.args(&page, key, &release, &out.join("policies")));
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 3, "a refusal leaves no page beside the honest one");
}
