//! Real photographs with real detectors, where they are at hand. The pictures show people: nothing of them is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use program::{copy, text};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn data() -> Option<PathBuf> {
    let named = std::env::var_os("VAERN_SHARED_DATA").map(PathBuf::from);
    let path = named.unwrap_or_else(|| root().join("../shared/data"));
    if path.join("models").is_dir() && path.join("dev").is_dir() {
        return Some(path);
    }
    // Past the test runner's capture: a skip that nobody sees is a pass that did not happen.
    let _ = writeln!(std::io::stderr(), "SKIP real pictures: {} is not there", path.display());
    None
}

fn vaern(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_vaern")).args(args).env_remove("VAERN_MODELS").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What the output says of each file: (outcome or reason, share of the frame under masks).
fn account(csv: &str) -> BTreeMap<String, (String, f64)> {
    let rows = csv
        .trim_start_matches('\u{feff}')
        .lines()
        .map(|line| line.split(';').map(|cell| cell.trim_matches('"').to_owned()).collect::<Vec<_>>());
    let mut rows = rows;
    let head = rows.next().unwrap();
    let column = |name: &str| head.iter().position(|cell| cell == name).unwrap_or_else(|| panic!("{name} in {head:?}"));
    let (file, outcome, reason, share) = (column("fil"), column("udfald"), column("årsag"), column("maskeret_andel"));
    rows.map(|row| {
        let told = if row[reason].is_empty() { row[outcome].clone() } else { row[reason].clone() };
        (row[file].clone(), (told, row[share].replace(',', ".").parse().unwrap_or(0.0)))
    })
    .collect()
}

#[test]
fn min_01p_real_street_pictures_reach_the_plugin_masked_and_the_others_are_refused_by_name() {
    let Some(data) = data() else { return };
    let temp = tempfile::tempdir().unwrap();
    let demo = temp.path().join("demo");
    vaern(&["--json", "demo", "--frames", "4", "--out", text(&demo)]);
    // The demo's keys and release, approved anew for the test policy of real pictures.
    // The city's requirements and rules, with the places, cameras and detectors of the real pictures.
    let policies = temp.path().join("policies");
    for folder in ["catalogue", "capabilities"] {
        copy(&root().join("policies").join(folder), &policies.join(folder));
    }
    copy(&root().join("conformance-tests/policies/real-pictures"), &policies);
    let draft = std::fs::read_to_string(demo.join("city/approval.toml")).unwrap();
    let draft_path = temp.path().join("approval.toml");
    std::fs::write(&draft_path, draft.replace("policy = \"koebenhavn\"", "policy = \"real-pictures\"")).unwrap();
    std::fs::copy(demo.join("city/dpia.toml"), temp.path().join("dpia.toml")).unwrap();
    let release = temp.path().join("release");
    let (component, manifest) =
        (root().join("plugins/prebuilt/container-model.wasm"), root().join("plugins/container-model/vaern.toml"));
    vaern(&["plugin", "pack", "--component", text(&component), "--manifest", text(&manifest), "--out", text(&release)]);
    let key = |name: &str| demo.join(format!("keys/{name}.secret.toml"));
    vaern(&["plugin", "sign", text(&release), "--key", text(&key("vaern-reference"))]);
    let trust = demo.join("policies/trust.toml");
    vaern(&[
        "approve",
        text(&release),
        "--trust",
        text(&trust),
        "--draft",
        text(&draft_path),
        "--key",
        text(&key("jura")),
        "--key",
        text(&key("systemejer")),
        "--yes",
    ]);
    let models = temp.path().join("models");
    vaern(&[
        "models",
        "add",
        "--from",
        text(&data.join("models")),
        "--policies",
        text(&policies),
        "--models",
        text(&models),
    ]);

    let out = temp.path().join("out");
    let source = data.join("dev");
    let output = vaern(&[
        "--json",
        "run",
        "--source",
        text(&source),
        "--release",
        text(&release),
        "--policies",
        text(&policies),
        "--trust",
        text(&trust),
        "--models",
        text(&models),
        "--unsigned-policies",
        "--camera",
        "hand-held",
        "--out",
        text(&out),
    ]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{summary:#}");
    assert!(summary["frames_seen"].as_u64().unwrap() >= 10, "{summary}");
    let account = account(&std::fs::read_to_string(out.join("frames.csv")).unwrap());
    let labels: Value = serde_json::from_slice(&std::fs::read(data.join("dev/labels.json")).unwrap()).unwrap();
    let mut seen_with_people = 0;
    for (file, label) in labels.as_object().unwrap() {
        let Some((told, share)) = account.get(file) else { continue };
        let people = label["persons"].as_u64().unwrap_or(0) + label["faces"].as_u64().unwrap_or(0);
        if told == "set" && people > 0 {
            seen_with_people += 1;
            assert!(*share > 0.0, "{file} has {people} people and no mask");
        }
    }
    assert!(seen_with_people >= 3, "too few pictures with people reached the plugin to show anything");
    // Pictures that say nothing of where they were taken, and one that was taken elsewhere.
    assert_eq!(account["containers/mdc_photo_cdv_photo_005_1506112838833.jpg"].0, "no_fix");
    assert_eq!(account["street/DSC00001.JPG"].0, "outside_fence");
    assert_eq!(account["street/sgblur_flat_urban_small.jpg"].0, "outside_fence");
}
