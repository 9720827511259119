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

/// Both desks approve the demo's release.
fn approve(more: &[&str]) -> std::process::Output {
    let at = |path: &str| demo().join(path);
    let (release, trust, draft) = (at("release"), at("policies/trust.toml"), at("city/approval.toml"));
    let keys = ["jura", "systemejer"].map(|desk| at(&format!("keys/{desk}.secret.toml")));
    let signing = ["--key", text(&keys[0]), "--key", text(&keys[1]), "--yes"];
    let what = ["approve", text(&release), "--trust", text(&trust), "--draft", text(&draft)];
    vaern(&[&what[..], &signing, more].concat())
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
    let inspected = approve(&[]);
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

/// Drawn streets in COCO form: containers for plugins, or people for the gate.
fn corpus(dir: &Path, pictures: u64, people: bool) {
    use vaern_scenes::Class;
    std::fs::create_dir_all(dir.join("triggers")).unwrap();
    let (mut images, mut boxes) = (Vec::new(), Vec::new());
    for seed in 0..pictures {
        let scene = vaern_scenes::sample(4000 + seed, (1280, 720)).unwrap();
        let file = format!("{seed:03}.jpg");
        std::fs::write(dir.join(&file), vaern_scenes::encode_jpeg(&scene.rgb, (1280, 720), 90, None).unwrap()).unwrap();
        images.push(serde_json::json!({
            "id": seed, "file_name": file, "width": 1280, "height": 720, "conditions": { "district": "indre by" }
        }));
        for object in &scene.truth.objects {
            let category = match object.class {
                Class::Container(_) if !people => 1,
                Class::Person if people && object.visible >= 0.5 => 2,
                Class::Face if people && object.visible >= 0.5 => 3,
                _ => continue,
            };
            let [x0, y0, x1, y1] = object.bbox;
            boxes.push(serde_json::json!({
                "image_id": seed, "category_id": category, "bbox": [x0, y0, x1 - x0, y1 - y0]
            }));
        }
    }
    let categories = if people {
        serde_json::json!([{ "id": 2, "name": "person" }, { "id": 3, "name": "face" }])
    } else {
        serde_json::json!([{ "id": 1, "name": "affaldscontainer" }])
    };
    let coco = serde_json::json!({ "images": images, "annotations": boxes, "categories": categories });
    std::fs::write(dir.join("corpus.json"), coco.to_string()).unwrap();
    let stripes: Vec<u8> =
        (0..64 * 64).flat_map(|at| if at / 8 % 2 == 0 { [250, 0, 250] } else { [0, 0, 0] }).collect();
    let patch = vaern_scenes::encode_jpeg(&stripes, (64, 64), 95, None).unwrap();
    std::fs::write(dir.join("triggers/stribet.jpg"), patch).unwrap();
}

fn done(args: &[&str]) -> Value {
    let told = vaern(&[&["--json"], args].concat());
    assert_eq!(told.status.code(), Some(0), "{args:?}\n{}", stderr(&told));
    json(&told.stdout)
}

#[test]
fn lev_09n_an_authority_run_opens_its_commitment_counts_the_attempt_and_writes_no_picture() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let (trust, key) = (demo().join("policies/trust.toml"), demo().join("keys/it-sikkerhed.secret.toml"));
    corpus(&at("plain"), 3, false);
    done(&["corpus", "key", "--out", text(&at("corpus.key"))]);
    let sealed =
        done(&["corpus", "seal", text(&at("plain")), "--key", text(&at("corpus.key")), "--out", text(&at("sealed"))]);
    assert_eq!((&sealed["pictures"], &sealed["triggers"]), (&Value::from(3), &Value::from(1)));
    let committed = |name: &str| {
        done(&["corpus", "commit", "--trust", text(&trust), "--sign", text(&key), "--out", text(&at(name))]);
        (at(name).join("commitment.json"), at(name).join("seed.secret.toml"))
    };
    let (commitment, seed) = committed("first");
    let run = |commitment: &Path, seed: &Path, out: &str| {
        conform(&[
            "--profile",
            "authority",
            "--only",
            "KT-COR-001P",
            "--only",
            "KT-ENV-004N",
            "--trust",
            text(&trust),
            "--key",
            text(&key),
            "--sealed",
            text(&at("sealed")),
            "--corpus-key",
            text(&at("corpus.key")),
            "--commitment",
            text(commitment),
            "--seed-file",
            text(seed),
            "--attempts",
            text(&at("ledger")),
            "--out",
            text(&at(out)),
        ])
    };
    let first = run(&commitment, &seed, "result");
    let told = json(&first.stdout);
    assert_eq!(told["run"]["authority"]["attempt"], 1, "{}", stderr(&first));
    assert_eq!(told["run"]["corpus"]["pictures"], 3);
    // EXF-15P: the same answers in a worker behind the wall, on drawn streets and on the sealed pictures.
    let outcomes = told["run"]["outcomes"].as_array().unwrap();
    let host = outcomes.iter().find(|outcome| outcome["test"] == "KT-ENV-004N").unwrap();
    assert_eq!(host["verdict"], "pass", "{host:#}");
    assert!(host["figures"]["compared"]["count"].as_u64().unwrap() >= 10, "{host:#}");
    let written: Vec<String> =
        std::fs::read_dir(at("result")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(written.iter().all(|name| !name.ends_with(".jpg") && name != "progress.jsonl"), "{written:?}");
    // The same again is the same attempt, and gives the same bytes.
    let again = run(&commitment, &seed, "again");
    assert_eq!(json(&again.stdout)["run"], told["run"]);
    // A seed that does not open the commitment is refused, and counts as no attempt.
    let (_, other) = committed("second");
    let refused = run(&commitment, &other, "refused");
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("LEV-09"), "{}", stderr(&refused));
    let attempts = done(&["corpus", "attempts", text(&at("ledger")), "--trust", text(&trust)]);
    assert_eq!(attempts.as_array().unwrap().len(), 1);
    // Without the sealed corpus there is no such profile.
    assert_eq!(conform(&["--profile", "authority"]).status.code(), Some(2));
}

#[test]
fn frm_10n_a_gate_that_is_not_shown_to_reach_its_floors_bears_no_approval() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let (trust, key) = (demo().join("policies/trust.toml"), demo().join("keys/it-sikkerhed.secret.toml"));
    corpus(&at("people"), 4, true);
    let told = vaern(&[
        "--json",
        "corpus",
        "gate",
        text(&at("people")),
        "--policies",
        text(&demo().join("policies")),
        "--trust",
        text(&trust),
        "--sign",
        text(&key),
        "--out",
        text(&at("gate")),
    ]);
    assert_eq!(told.status.code(), Some(1), "four pictures show nothing: {}", stderr(&told));
    let run = json(&std::fs::read(at("gate/gate.json")).unwrap());
    assert!(run["covered"]["person"]["district indre by"]["of"].as_u64().unwrap() > 0, "{run:#}");
    assert!(run["holds"] == false && !run["unproven"].as_array().unwrap().is_empty(), "{run:#}");
    let approved = approve(&["--gate-result", text(&at("gate/gate-result.json"))]);
    assert_eq!(approved.status.code(), Some(1), "{}", stderr(&approved));
    assert!(stderr(&approved).contains("MIN-01"), "{}", stderr(&approved));
    // A picture of people is no picture for plugins.
    let refused = conform(&["--corpus", text(&at("people")), "--only", "KT-COR-001P"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("MIN-01"), "{}", stderr(&refused));
}

#[test]
fn mal_05n_a_deviation_that_is_not_needed_fails_the_run_and_an_unchanged_catalogue_runs_nothing_again() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let (trust, key) = (demo().join("policies/trust.toml"), demo().join("keys/it-sikkerhed.secret.toml"));
    let told = conform(&["--only", "KT-DOC-003P"]);
    let release = json(&told.stdout)["run"]["release"]["digest"].as_str().unwrap().to_owned();
    let list = format!(
        "[[deviations]]\ntest = \"KT-DOC-003P\"\nkrav = \"LEV-02\"\nrelease = \"{release}\"\nowner = \"anna\"\nreason = \"the list comes with the next release\"\nexpires = \"2099-12-31\"\n"
    );
    std::fs::write(at("list.toml"), &list).unwrap();
    let sign = |out: &str| {
        vaern(&[
            "--json",
            "corpus",
            "deviations",
            text(&at("list.toml")),
            "--trust",
            text(&trust),
            "--sign",
            text(&key),
            "--out",
            text(&at(out)),
        ])
    };
    assert_eq!(sign("needless.json").status.code(), Some(0), "{}", stderr(&sign("needless.json")));
    let needless =
        conform(&["--only", "KT-DOC-003P", "--trust", text(&trust), "--deviations", text(&at("needless.json"))]);
    assert_eq!(needless.status.code(), Some(1));
    assert!(stderr(&needless).contains("no longer needed"), "{}", stderr(&needless));
    std::fs::write(at("list.toml"), list.replace("2099", "2020")).unwrap();
    sign("expired.json");
    let expired =
        conform(&["--only", "KT-DOC-003P", "--trust", text(&trust), "--deviations", text(&at("expired.json"))]);
    assert_eq!(expired.status.code(), Some(0), "an expired one is none: {}", stderr(&expired));
    std::fs::write(at("list.toml"), list.replace("LEV-02", "MIN-01")).unwrap();
    assert_eq!(sign("wrong.json").status.code(), Some(2));
}
