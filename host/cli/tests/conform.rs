//! The suite as people run it: on the demo's release, again by one test, signed by a role, and on the host itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use program::{fresh_demo, json, stderr, text, vaern};
use serde_json::Value;

/// A demo, and the suite's result on its release.
fn demo() -> &'static Path {
    static DEMO: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &DEMO.get_or_init(|| fresh_demo("4").0).1
}

fn conform(more: &[&str]) -> std::process::Output {
    let (release, policies) = (demo().join("release"), demo().join("policies"));
    vaern(&[&["--json", "conform", text(&release), "--policies", text(&policies)], more].concat())
}

#[test]
fn lev_01p_the_reference_plugin_passes_and_one_test_again_says_the_same() {
    let out = demo().join("conformance");
    let trust = demo().join("policies/trust.toml");
    let key = demo().join("keys/it-sikkerhed.secret.toml");
    let whole = conform(&["--out", text(&out), "--trust", text(&trust), "--key", text(&key)]);
    assert_eq!(whole.status.code(), Some(0), "{}\n{}", stderr(&whole), String::from_utf8_lossy(&whole.stdout));
    let run = json(&std::fs::read(out.join("run.json")).unwrap());
    assert_eq!(run["ending"], "passed", "{run:#}");
    assert_eq!(run["release"]["digest"], json(&whole.stdout)["run"]["release"]["digest"]);
    for file in ["report.html", "report.en.html", "junit.xml", "assessment-results.json", "times.json"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("<html lang=\"da\">") && page.contains("Bestået") && !page.contains("<script"));

    // GOV-05: one test again gives the same outcome, to the byte.
    let again = conform(&["--only", "KT-ROB-006N"]);
    let one = &json(&again.stdout)["run"];
    assert!(one.get("ending").is_none(), "some tests say nothing of the whole");
    let of = |run: &Value| -> String {
        let all = run["outcomes"].as_array().unwrap();
        all.iter().find(|outcome| outcome["test"] == "KT-ROB-006N").unwrap().to_string()
    };
    assert_eq!(of(one), of(&run));

    // The statement is in the release: what is approved next rests on it.
    let inspected = vaern(&[
        "approve",
        text(&demo().join("release")),
        "--trust",
        text(&trust),
        "--draft",
        text(&demo().join("city/approval.toml")),
        "--key",
        text(&demo().join("keys/jura.secret.toml")),
        "--key",
        text(&demo().join("keys/systemejer.secret.toml")),
        "--yes",
    ]);
    assert_eq!(inspected.status.code(), Some(0), "{}", stderr(&inspected));
}

#[test]
fn lev_01n_wrong_use_is_told_and_nothing_is_written() {
    let unknown = conform(&["--only", "KT-XXX-001P"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
    let unsigned = conform(&["--only", "KT-PKG-002P", "--profile", "vendor"]);
    assert_eq!(unsigned.status.code(), Some(1), "nobody said whose signature counts: that is no pass");
    assert_eq!(json(&unsigned.stdout)["run"]["outcomes"][0]["verdict"], "unproven");
    assert_eq!(vaern(&["conform"]).status.code(), Some(2));
}

#[test]
fn cyb_01p_this_host_stops_every_hostile_plugin_on_this_machine() {
    let told = vaern(&["--json", "conform", "--host"]);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    let host = json(&told.stdout);
    let guests = host["guests"].as_array().unwrap();
    assert!(guests.len() >= 38 && guests.iter().all(|guest| guest["holds"] == true), "{host:#}");
    assert!(guests.iter().filter(|guest| guest["expected"] == "answers").count() < guests.len() / 2);
}
