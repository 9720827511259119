//! Compiled code as people use it: the city compiles and vouches, a node runs what was vouched for or compiles itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use cap_std::fs::Dir;
use program::{copy, fresh_demo, json, stderr, text, vaern};
use vaern_trust::SigningKeyPair;

/// A demo with a compiled release.
fn demo() -> &'static Path {
    static DEMO: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &DEMO
        .get_or_init(|| {
            let ((temp, out), _) = fresh_demo("4");
            let compiled = compile(&out, &out.join("release"));
            assert_eq!(compiled.status.code(), Some(0), "{}", stderr(&compiled));
            (temp, out)
        })
        .1
}

fn compile(demo: &Path, release: &Path) -> Output {
    let (policies, keys) = (demo.join("policies"), demo.join("keys"));
    let (jura, owner) = (keys.join("jura.secret.toml"), keys.join("systemejer.secret.toml"));
    vaern(&[
        "--json",
        "compile",
        text(release),
        "--policies",
        text(&policies),
        "--key",
        text(&jura),
        "--key",
        text(&owner),
    ])
}

/// A copy of the compiled release, to be spoilt.
fn release(temp: &Path) -> PathBuf {
    let release = temp.join("release");
    copy(&demo().join("release"), &release);
    release
}

fn run(release: &Path, out: &Path, from: &str) -> Output {
    let (source, policies) = (demo().join("drive"), demo().join("policies"));
    let places = [text(&source), text(release), text(&policies), text(out)];
    let [source, release, policies, out] = places;
    vaern(&[
        "--json",
        "run",
        "--source",
        source,
        "--release",
        release,
        "--policies",
        policies,
        "--out",
        out,
        "--code",
        from,
    ])
}

fn error(output: &Output) -> (Option<i32>, String, String) {
    let error = json(&output.stderr)["error"].clone();
    (output.status.code(), error["what"].as_str().unwrap().to_owned(), error["blame"].as_str().unwrap().to_owned())
}

/// The file of the code: by far the largest that is new in the compiled release.
fn code_file(release: &Path) -> PathBuf {
    let mut blobs = std::fs::read_dir(release.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let elf = |path: &PathBuf| std::fs::read(path).unwrap().starts_with(b"\x7fELF");
    blobs.find(elf).unwrap()
}

fn trust_and_keys() -> (vaern_trust::TrustRoot, [SigningKeyPair; 2]) {
    let trust = std::fs::read_to_string(demo().join("policies/trust.toml")).unwrap();
    let keys = Dir::open_ambient_dir(demo().join("keys"), cap_std::ambient_authority()).unwrap();
    let pair = |name: &str| vaern_trust::read_secret(&keys, name).unwrap().1;
    (vaern_trust::TrustRoot::from_toml(&trust).unwrap(), ["jura.secret.toml", "systemejer.secret.toml"].map(pair))
}

#[test]
fn pkg_16p_pkg_18p_the_code_that_was_vouched_for_says_what_compiling_here_says() {
    let temp = tempfile::tempdir().unwrap();
    let found = |from: &str| {
        let out = temp.path().join(from);
        let run = run(&demo().join("release"), &out, from);
        assert_eq!(run.status.code(), Some(0), "{from}: {}", stderr(&run));
        assert_eq!(json(&run.stdout)["sandbox"]["missing"], serde_json::json!([]), "behind the whole wall");
        // Ids are drawn anew in each run; what was found is not.
        let found = json(&std::fs::read(out.join("detections.geojson")).unwrap())["features"].clone();
        let found = found.as_array().unwrap().iter().map(|feature| {
            let said = &feature["properties"];
            [&said["frame"], &said["label"], &said["score"], &said["box_px"]].map(serde_json::Value::to_string)
        });
        found.collect::<Vec<_>>()
    };
    let [vouched, compiled] = ["vouched", "compile"].map(found);
    assert!(!vouched.is_empty());
    assert_eq!(vouched, compiled);
}

#[test]
fn pkg_16n_a_flipped_bit_of_the_code_is_refused_before_anything_runs_and_never_compiled_around() {
    let temp = tempfile::tempdir().unwrap();
    let release = release(temp.path());
    let file = code_file(&release);
    let honest = std::fs::read(&file).unwrap();
    for at in [0, honest.len() / 2, honest.len() - 1] {
        let mut flipped = honest.clone();
        flipped[at] ^= 1;
        std::fs::write(&file, &flipped).unwrap();
        for from in ["vouched", "prefer"] {
            let out = temp.path().join("out");
            let (status, what, blame) = error(&run(&release, &out, from));
            assert_eq!((status, blame.as_str()), (Some(1), "vendor"), "{what}");
            assert!(what.contains("do not have the digest"), "{what}");
            assert!(!out.exists(), "nothing came out");
        }
    }
}

#[test]
fn pkg_18n_code_of_another_engine_is_refused_or_compiled_anew_as_the_operator_says() {
    let temp = tempfile::tempdir().unwrap();
    let (trust, [jura, owner]) = trust_and_keys();
    let plain = tempfile::tempdir().unwrap();
    let fresh = plain.path().join("release");
    // A release without the right code: packed anew from the demo's, without what was compiled.
    copy(&demo().join("release"), &fresh);
    let index = fresh.join("index.json");
    let mut listed = json(&std::fs::read(&index).unwrap());
    listed["manifests"].as_array_mut().unwrap().retain(|entry| {
        entry["artifactType"] != "application/vnd.vaern.compiled.v1"
            && entry["annotations"]["vnd.vaern.statement"] != "compiled"
    });
    std::fs::write(&index, serde_json::to_vec(&listed).unwrap()).unwrap();
    let (status, what, _) = error(&run(&fresh, &temp.path().join("none"), "vouched"));
    assert_eq!(status, Some(1));
    assert!(what.contains("compiled code: not signed"), "{what}");
    let dir = Dir::open_ambient_dir(&fresh, cap_std::ambient_authority()).unwrap();
    let mut other = vaern_sandbox::wall::engine();
    other.cpu.insert("a feature that no processor has".to_owned());
    vaern_trust::sign_compiled(&dir, &trust, other, b"code for another machine", &[&jura, &owner]).unwrap();
    let (status, what, _) = error(&run(&fresh, &temp.path().join("other"), "vouched"));
    assert_eq!(status, Some(1));
    assert!(what.contains("EngineMismatch") && what.contains("features of the processor"), "{what}");
    let compiled = run(&fresh, &temp.path().join("compiled"), "prefer");
    assert_eq!(compiled.status.code(), Some(0), "{}", stderr(&compiled));
    // What a signature vouches for and this engine does not take is refused by the engine, and not compiled around.
    let engine = vaern_sandbox::wall::engine();
    vaern_trust::sign_compiled(&dir, &trust, engine, b"signed, and no code at all", &[&jura, &owner]).unwrap();
    let (status, what, blame) = error(&run(&fresh, &temp.path().join("bad"), "prefer"));
    assert_eq!((status, blame.as_str()), (Some(1), "policy"), "{what}");
    assert!(what.contains("does not load"), "{what}");
}

#[test]
fn pkg_17n_what_is_renamed_over_the_code_while_it_runs_is_never_loaded() {
    use std::collections::BTreeMap;
    use vaern_sandbox::wall::{Launch, Vendor, Wall, WallSettings};
    let temp = tempfile::tempdir().unwrap();
    let path = release(temp.path());
    let (trust, _) = trust_and_keys();
    let dir = Dir::open_ambient_dir(&path, cap_std::ambient_authority()).unwrap();
    let purpose = vaern_door::Name::new("containere").unwrap();
    let approved = vaern_trust::verify(&dir, &trust, jiff::Timestamp::now(), &purpose).unwrap();
    let code = approved.compiled(&trust, &vaern_sandbox::wall::engine()).unwrap();
    let policies = Dir::open_ambient_dir(demo().join("policies"), cap_std::ambient_authority()).unwrap();
    let set = vaern_policy::PolicySet::load(&policies, None).unwrap();
    let grants = std::sync::Arc::new(set.grants(approved.manifest()).unwrap());
    let models: BTreeMap<_, _> = approved.models().map(|(name, bytes)| (name.clone(), bytes.to_vec())).collect();
    let vendor = Vendor { component: approved.component().to_vec(), models, grants: grants.clone() };
    let program = PathBuf::from(env!("CARGO_BIN_EXE_vaern"));
    let launch = Launch { program, arguments: vec!["worker".into()], runtime: None };
    let wall = Wall::with_code(WallSettings::strict(launch), vendor, &code).unwrap();
    std::fs::write(temp.path().join("other"), b"other code").unwrap();
    std::fs::rename(temp.path().join("other"), code_file(&path)).unwrap();
    drop(code);
    // Each worker from now on, a spare one and one that is started anew, runs the bytes that were checked.
    use vaern_sandbox::Runner as _;
    let mut runners: Vec<_> = (0..3).map(|_| wall.runner().unwrap()).collect();
    let size = grants.frame;
    for runner in &mut runners {
        let frame = runner.receive(size, &vec![90; size.rgb_bytes()], &[], None).unwrap();
        assert!(runner.detect(&frame).is_ok());
    }
}
