//! The city's rules as people meet them at the command line: signed or not, altered, older, wider, explained, exported.
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
use std::process::Output;
use std::sync::OnceLock;

use program::{copy, json, text, vaern};
use vaern_policy::catalogue::KRAV;

fn done(args: &[&str]) -> Output {
    let output = vaern(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What was refused, with its krav.
fn refusal(output: &Output) -> (String, String) {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let error = json(&output.stderr)["error"].clone();
    assert!(error["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{error}");
    (error["what"].as_str().unwrap().to_owned(), error["krav"].as_str().unwrap().to_owned())
}

fn edit(dir: &Path, file: &str, from: &str, to: &str) {
    let path = dir.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} does not contain {from}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn demo() -> &'static Path {
    static DEMO: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &DEMO
        .get_or_init(|| {
            let temp = tempfile::tempdir().unwrap();
            let out = temp.path().join("demo");
            done(&["--json", "demo", "--frames", "4", "--out", text(&out)]);
            (temp, out)
        })
        .1
}

fn run(policies: &Path, out: &Path, more: &[&str]) -> Output {
    let (source, release) = (demo().join("drive"), demo().join("release"));
    let trust = demo().join("policies/trust.toml");
    let mut args = vec!["--json", "run", "--source", text(&source), "--release", text(&release)];
    args.extend(["--policies", text(policies), "--trust", text(&trust), "--out", text(out)]);
    args.extend(more);
    vaern(&args)
}

fn sign(policies: &Path, after: Option<&Path>) -> Output {
    let key = |desk: &str| demo().join(format!("keys/{desk}.secret.toml"));
    let (trust, jura, owner) = (demo().join("policies/trust.toml"), key("jura"), key("systemejer"));
    let mut args = vec!["--json", "policy", "sign", text(policies), "--trust", text(&trust)];
    args.extend(["--key", text(&jura), "--key", text(&owner), "--yes"]);
    match after {
        Some(before) => args.extend(["--after", text(before)]),
        None => args.push("--first"),
    }
    vaern(&args)
}

#[test]
fn the_demo_runs_the_city_s_own_files() {
    for folder in ["purposes", "profiles", "catalogue", "capabilities", "cameras", "geofences"] {
        for entry in std::fs::read_dir(root().join("policies").join(folder)).unwrap() {
            let entry = entry.unwrap();
            let shipped = demo().join("policies").join(folder).join(entry.file_name());
            let same = std::fs::read(&shipped).is_ok_and(|bytes| bytes == std::fs::read(entry.path()).unwrap());
            assert!(same, "the demo lacks or changes {folder}/{}", entry.file_name().display());
        }
    }
}

#[test]
fn pol_01n_an_unsigned_or_altered_or_older_policy_set_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let policies = temp.path().join("policies");
    copy(&demo().join("policies"), &policies);
    assert_eq!(run(&policies, &out, &[]).status.code(), Some(0));

    edit(&policies, "profiles/edge.toml", "# The quantities", "#  The quantities");
    let (what, krav) = refusal(&run(&policies, &out, &[]));
    assert!(what.contains("profiles/edge.toml") && krav == "SKJ-03", "{what}");

    let unsigned = temp.path().join("unsigned");
    copy(&root().join("policies"), &unsigned);
    let (what, krav) = refusal(&run(&unsigned, &out, &[]));
    assert!(what.contains("not signed") && krav == "SKJ-03", "{what}");
    let (what, _) = refusal(&run(&unsigned, &out, &["--unsigned-policies"]));
    assert!(what.contains("operating"), "{what}");
    let source = demo().join("drive");
    let trust = demo().join("policies/trust.toml");
    let masked = temp.path().join("masked");
    let mask = vaern(&[
        "--json",
        "mask",
        "--source",
        text(&source),
        "--policies",
        text(&unsigned),
        "--trust",
        text(&trust),
        "--out",
        text(&masked),
    ]);
    assert_eq!(refusal(&mask).1, "SKJ-03");

    let (what, krav) = refusal(&run(&demo().join("policies"), &out, &["--policy-floor", "2"]));
    assert!(what.contains("number 1") && krav == "SKJ-03", "{what}");
}

#[test]
fn pol_01n_one_signature_and_a_role_too_few_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    copy(&root().join("policies"), temp.path());
    let (trust, jura) = (demo().join("policies/trust.toml"), demo().join("keys/jura.secret.toml"));
    let alone = vaern(&[
        "--json",
        "policy",
        "sign",
        text(temp.path()),
        "--trust",
        text(&trust),
        "--key",
        text(&jura),
        "--first",
        "--yes",
    ]);
    refusal(&alone);
    assert!(!temp.path().join("policy-set.dsse.json").exists());
}

/// A lawyer raises a retention from 7 to 30 days: one line, one diff, one clear refusal, or a signed widening.
#[test]
fn pol_03n_a_lawyer_s_change_is_refused_and_pol_03p_a_decided_one_is_signed_and_runs() {
    let temp = tempfile::tempdir().unwrap();
    let (before, after) = (demo().join("policies"), temp.path().join("policies"));
    copy(&before, &after);
    std::fs::remove_file(after.join("policy-set.dsse.json")).unwrap();
    edit(&after, "profiles/edge.toml", "evidence_days = 7", "evidence_days = 30");
    let told = json(&done(&["--json", "policy", "diff", text(&before), text(&after)]).stdout);
    assert_eq!(told["wider"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["may_follow"], false);
    let (what, krav) = refusal(&sign(&after, Some(&before)));
    assert!(what.contains("retention.evidence_days: 7 → 30") && krav == "SKJ-06", "{what}");

    let change = "since = \"0.1.0\"\nchanged = [{ version = \"0.2.0\", why = \"Klagefristen er fire uger.\" }]";
    edit(&after, "catalogue/SKJ-06.toml", "since = \"0.1.0\"", change);
    edit(&after, "purposes/containere.toml", "catalogue = \"0.1.0\"", "catalogue = \"0.2.0\"");
    let signed = sign(&after, Some(&before));
    assert_eq!(signed.status.code(), Some(0), "{}", String::from_utf8_lossy(&signed.stderr));
    let seal = json(&signed.stdout)["draft"]["seal"].clone();
    assert_eq!((seal["sequence"].as_u64(), seal["widened"][0].as_str()), (Some(2), Some("SKJ-06")));
    // The approval was given for the catalogue before it (MAL-05).
    let (what, krav) = refusal(&run(&after, &temp.path().join("out"), &["--policy-floor", "2"]));
    assert!(what.contains("0.2.0") && krav == "MAL-05", "{what}");
}

#[test]
fn lig_02n_a_new_label_and_min_05n_zoom_are_refused_at_signing_too() {
    for (file, from, to, krav) in [
        ("purposes/containere.toml", "\"glascontainer\"", "\"glascontainer\", \"papkasse\"", "LIG-02"),
        ("profiles/edge.toml", "zoom_pixels = 0", "zoom_pixels = 65_536", "MIN-05"),
    ] {
        let temp = tempfile::tempdir().unwrap();
        copy(&root().join("policies"), temp.path());
        edit(temp.path(), file, from, to);
        assert_eq!(refusal(&sign(temp.path(), Some(&demo().join("policies")))).1, krav);
    }
}

#[test]
fn gen_02p_policy_explain_names_rules_krav_and_quotes() {
    let (release, policies) = (demo().join("release"), demo().join("policies"));
    let told = json(&done(&["--json", "policy", "explain", text(&release), "--policies", text(&policies)]).stdout);
    let decisions = told["decisions"].as_array().unwrap();
    assert!(decisions.len() >= 5 && told["chain"].is_null(), "{told}");
    for decision in decisions.iter().filter(|d| d["answer"] == "yes") {
        let rule = &decision["rules"][0];
        assert!(rule["dk"].as_str().unwrap().ends_with('.') && rule["permits"] == true, "{decision}");
        assert!(!decision["krav"][0]["quotes"][0].as_str().unwrap().is_empty(), "{decision}");
    }
    let pixels = decisions.iter().find(|d| d["about"] == "grant pixels").unwrap();
    assert_eq!(pixels["answer"], "no", "it did not ask for pixels");
    let one = done(&["policy", "explain", text(&release), "--policies", text(&policies), "--action", "admit"]);
    let one = String::from_utf8(one.stdout).unwrap();
    assert!(one.starts_with("admit: ja") && one.contains("STD-01") && one.contains('»'), "{one}");
}

#[test]
fn lev_08p_the_catalogue_is_exported_for_vendors_and_says_its_version() {
    let temp = tempfile::tempdir().unwrap();
    let policies = root().join("policies");
    done(&["catalogue", "export", "--policies", text(&policies), "--format", "html", "--out", text(temp.path())]);
    let page = std::fs::read_to_string(temp.path().join("kravkatalog.html")).unwrap();
    assert!(page.contains("lang=\"da\"") && page.contains("Version 0.1.0"));
    for id in KRAV {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    // Self-contained: nothing is fetched when a vendor opens it.
    for foreign in ["http:", "https:", "src=", "<script", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn pol_10n_the_catalogue_check_turns_red_without_a_test_and_strict_refuses_what_is_planned() {
    let (policies, source) = (root().join("policies"), root());
    let check = |more: &[&str]| {
        let mut args = vec!["--json", "catalogue", "check", "--policies", text(&policies)];
        args.extend(more);
        vaern(&args)
    };
    let whole = check(&["--source", text(&source)]);
    assert_eq!(whole.status.code(), Some(0), "{}", String::from_utf8_lossy(&whole.stderr));
    assert_eq!(json(&whole.stdout)["krav"], 72);
    let (what, _) = refusal(&check(&["--source", text(&source), "--strict"]));
    assert!(what.contains("not whole"), "{what}");
    // A source tree in which one crate has lost its tests.
    let temp = tempfile::tempdir().unwrap();
    for package in ["host/door", "host/privacy", "host/sandbox"] {
        copy(&source.join(package), &temp.path().join(package));
    }
    let (what, _) = refusal(&check(&["--source", text(temp.path())]));
    assert!(what.contains("vaern-trust::") && !what.contains("vaern-privacy::"), "{what}");
}

#[test]
fn gen_02n_every_krav_that_an_error_names_is_in_the_catalogue() {
    let known: BTreeSet<&str> = KRAV.into_iter().collect();
    let mut named = 0;
    let mut folders: Vec<PathBuf> = ["host", "conformance-tests"].iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Tests make up krav that do not exist; the program must not.
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let shipped = source.split("#[cfg(test)]").next().unwrap();
                for id in shipped.split("Krav(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                    assert!(known.contains(id), "{} names {id}", path.display());
                    named += 1;
                }
            }
        }
    }
    assert!(named > 100, "{named} krav named: this test reads the source no longer");
}
