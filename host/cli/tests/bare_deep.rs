//! A node without a compiler: the program is built without one, and runs what the city compiled and vouches for, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

#[path = "nodes/mod.rs"]
mod nodes;
#[path = "program/mod.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nodes::{City, done};
use program::{fresh_demo, json, stderr, text};
use serde_json::Value;

/// Builds the program without its compiler, in a folder of its own. `VAERN_BARE` names one that was built before.
fn bare() -> PathBuf {
    if let Some(built) = std::env::var_os("VAERN_BARE") {
        return built.into();
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = repository.join("target/bare");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(&repository)
        .env("CARGO_TARGET_DIR", &target)
        .args(["build", "--release", "--locked", "--quiet", "--package", "vaern", "--no-default-features"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", stderr(&built));
    target.join("release/vaern")
}

fn by(program: &Path, args: &[&str]) -> Output {
    Command::new(program).args(args).env_remove("VAERN_MODELS").output().unwrap()
}

/// What a run of the demo's drive found. Ids are drawn anew in each run; what was found is not.
fn run(program: &Path, demo: &Path, out: &Path, more: &[&str]) -> Result<Vec<[String; 4]>, (Option<i32>, Value)> {
    let places = [demo.join("drive"), demo.join("release"), demo.join("policies")];
    let [source, release, policies] = places.each_ref().map(|path| text(path));
    let args = ["--source", source, "--release", release, "--policies", policies, "--out", text(out)];
    let done = by(program, &[&["--json", "run"], &args[..], more].concat());
    if done.status.code() != Some(0) {
        return Err((done.status.code(), json(&done.stderr)["error"].clone()));
    }
    assert_eq!(json(&done.stdout)["sandbox"]["missing"], serde_json::json!([]), "behind the whole wall");
    let found = json(&std::fs::read(out.join("detections.geojson")).unwrap())["features"].clone();
    let said = |feature: &Value| {
        let said = &feature["properties"];
        [&said["frame"], &said["label"], &said["score"], &said["box_px"]].map(Value::to_string)
    };
    Ok(found.as_array().unwrap().iter().map(said).collect())
}

fn compile(release: &Path, policies: &Path, keys: &Path) {
    let keys = ["jura", "systemejer"].map(|desk| keys.join(format!("{desk}.secret.toml")));
    let signed = ["--key", text(&keys[0]), "--key", text(&keys[1])];
    done(&[&["compile", text(release), "--policies", text(policies)], &signed[..]].concat());
}

/// A file of the release that begins as compiled code does.
fn code_file(release: &Path) -> PathBuf {
    let mut blobs = std::fs::read_dir(release.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    blobs.find(|path| std::fs::read(path).unwrap().starts_with(b"\x7fELF")).unwrap()
}

#[test]
#[ignore = "deep: builds the program a second time, without a compiler"]
fn pkg_16p_a_program_without_a_compiler_runs_vouched_code_and_pkg_16n_nothing_else() {
    let (whole, bare) = (PathBuf::from(env!("CARGO_BIN_EXE_vaern")), bare());
    let help = String::from_utf8(by(&bare, &["--help"]).stdout).unwrap();
    assert!(!help.contains("\n  conform "), "{help}");
    let ((_temp, demo), _) = fresh_demo("4");
    let out = |name: &str| demo.join("out").join(name);
    // Without code it is refused by what is lacking, and with what to do.
    let (status, error) = run(&bare, &demo, &out("none"), &[]).unwrap_err();
    assert_eq!((status, error["blame"].as_str()), (Some(1), Some("policy")), "{error}");
    assert!(error["what"].as_str().unwrap().contains("compiled code: not signed"), "{error}");
    assert!(error["mend"].as_str().unwrap().contains("vaern compile"), "{error}");
    assert!(!out("none").exists(), "nothing came out");
    // Nor does it compile because somebody says so.
    for from in ["compile", "prefer"] {
        let (status, error) = run(&bare, &demo, &out(from), &["--code", from]).unwrap_err();
        assert_eq!(status, Some(1), "{error}");
        assert!(error["what"].as_str().unwrap().contains("without a compiler"), "{error}");
        assert!(error["mend"].as_str().unwrap().contains("vaern compile"), "{error}");
    }
    compile(&demo.join("release"), &demo.join("policies"), &demo.join("keys"));
    let found = run(&bare, &demo, &out("bare"), &[]).unwrap();
    assert_eq!(found, run(&whole, &demo, &out("whole"), &["--code", "compile"]).unwrap());
    assert!(!found.is_empty());
    // One bit of it, and it is refused.
    let file = code_file(&demo.join("release"));
    let mut flipped = std::fs::read(&file).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&file, flipped).unwrap();
    let (status, error) = run(&bare, &demo, &out("flipped"), &[]).unwrap_err();
    assert_eq!(status, Some(1));
    assert!(error["what"].as_str().unwrap().contains("do not have the digest"), "{error}");
    let size = |program: &Path| std::fs::metadata(program).unwrap().len() as f64 / 1e6;
    println!(
        "DEEP the program without a compiler: {:.1} MB, {:.1} MB with; {} objects found, the same as where the code is compiled",
        size(&bare),
        size(&whole),
        found.len()
    );

    // As a service: the same choice without a word of it in the configuration, and its own copy after a restart.
    let city = City::new("");
    city.release("honest", 1, None);
    let mut service = city.start_by(&bare);
    service.is("it is turned down for want of code", |health| {
        health["alarms"].to_string().contains("compiled code: not signed")
    });
    compile(&city.at("releases/honest-1"), &city.at("policies"), &city.at("keys"));
    service.is("it runs", |health| health["condition"] == "running");
    city.bring(&nodes::drive(12));
    service.saw(12);
    service.signal("KILL");
    service.wait();
    std::fs::rename(city.at("releases"), city.at("elsewhere")).unwrap();
    std::fs::create_dir(city.at("releases")).unwrap();
    let mut service = city.start_by(&bare);
    service.is("it runs from its own copy", |health| health["condition"] == "running");
    service.end();
    println!("DEEP the service without a compiler: 12 frames, a kill, and a start from its own copy");
}
