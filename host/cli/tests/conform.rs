//! The suite as people run it: on the demo's release, again by one test, signed by a role, and on the host itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;
mod streets;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use program::{fresh_demo, json, stderr, text, vaern};
use serde_json::Value;
use streets::corpus;

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

fn done(args: &[&str]) -> Value {
    let told = vaern(&[&["--json"], args].concat());
    assert_eq!(told.status.code(), Some(0), "{args:?}\n{}", stderr(&told));
    json(&told.stdout)
}

/// A second release beside the demo's, by the same vendor.
fn second_release(temp: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = temp.join("classic");
    let (component, manifest) =
        (root.join("plugins/prebuilt/container-classic.wasm"), root.join("plugins/container-classic/vaern.toml"));
    let lock = root.join("plugins/Cargo.lock");
    let pack = ["plugin", "pack", "--component", text(&component), "--manifest", text(&manifest)];
    done(&[&pack[..], &["--lock", text(&lock), "--out", text(&out)]].concat());
    let key = demo().join("keys/vaern-reference.secret.toml");
    done(&["plugin", "sign", text(&out), "--key", text(&key)]);
    out
}

/// Whether `part` stands in `file`: as bytes, in base64 at any alignment, or in hexadecimal.
fn holds(file: &[u8], part: &[u8]) -> bool {
    use base64::Engine as _;
    let found = |needle: &[u8]| memchr::memmem::find(file, needle).is_some();
    let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = (0..3).any(|skip| {
        let whole = part.get(skip..).map(|rest| &rest[..rest.len() / 3 * 3]).unwrap_or_default();
        found(base64::engine::general_purpose::STANDARD.encode(whole).as_bytes())
    });
    found(part) || base64 || found(hex.as_bytes())
}

/// Every file below a folder.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files_below(&path)) } else { all.push(path) }
    }
    all
}

/// A run of a picture's bytes that stands nowhere by chance: a plain wall or road is compressed to a few bytes that come again and again.
fn telling(scan: &[u8]) -> &[u8] {
    let kinds = |part: &&[u8]| part.iter().collect::<std::collections::BTreeSet<_>>().len();
    let part = scan.windows(48).step_by(16).max_by_key(kinds).unwrap();
    assert!(kinds(&part) > 32, "{part:x?}");
    part
}

/// STD-06: no file of a deliverable holds a part of a picture of the corpus, and no picture beyond those that are drawn from the seed.
fn no_picture_of(corpus: &Path, deliverable: &Path) -> usize {
    let pictures: Vec<Vec<u8>> = files_below(corpus)
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "jpg"))
        .map(|path| std::fs::read(path).unwrap())
        // A patch of stripes looks like any other.
        .filter(|picture| picture.len() > 10_000)
        .collect();
    assert!(pictures.len() > 2);
    let mut seen = 0;
    for path in files_below(deliverable) {
        let bytes = std::fs::read(&path).unwrap();
        for picture in &pictures {
            let scan = &picture[memchr::memmem::find(picture, b"\xff\xda").unwrap()..];
            for half in [&scan[..scan.len() / 2], &scan[scan.len() / 2..]] {
                let part = telling(half);
                assert!(holds(picture, part), "the search finds what is there");
                assert!(!holds(&bytes, part), "{} holds a picture of the corpus", path.display());
            }
        }
        assert!(!bytes.starts_with(&[0xff, 0xd8]) && !bytes.starts_with(b"\x89PNG"), "{}", path.display());
        seen += 1;
    }
    seen
}

#[test]
fn std_06n_gov_08p_reports_on_labelled_pictures_hold_figures_and_drawn_streets_and_none_of_the_pictures() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let (trust, key) = (demo().join("policies/trust.toml"), demo().join("keys/it-sikkerhed.secret.toml"));
    corpus(&at("plain"), 3, false);
    let planted = std::fs::read(at("plain/000.jpg")).unwrap();
    let part = telling(&planted[planted.len() / 2..]);
    for page in [planted.clone(), base64_page(&planted), base64_page(&planted[1..]), base64_page(&planted[2..])] {
        assert!(holds(&page, part), "a search that finds nothing shows nothing");
    }
    // The report of one release, with the pictures open.
    let report = conform(&["--corpus", text(&at("plain")), "--trust", text(&trust), "--out", text(&at("report"))]);
    assert!(matches!(report.status.code(), Some(0 | 1)), "{}", stderr(&report));
    let run = json(&std::fs::read(at("report/run.json")).unwrap());
    assert_eq!(run["corpus"]["pictures"], 3);
    assert_eq!(no_picture_of(&at("plain"), &at("report")), 6);
    // The pictures in it are the drawn streets of the seed: as many as the run says, and no others.
    let page = std::fs::read_to_string(at("report/report.html")).unwrap();
    let examples = run["examples"].as_array().map_or(0, Vec::len);
    assert!(examples > 0 && page.matches("data:image/").count() == examples, "{examples}");

    // GOV-08: two releases side by side on the same labelled pictures.
    let second = second_release(temp.path());
    let (first, policies) = (demo().join("release"), demo().join("policies"));
    let beside = ["compare", text(&first), text(&second), "--policies", text(&policies), "--trust", text(&trust)];
    let (plain, out) = (at("plain"), at("comparison"));
    let comparison = done(&[&beside[..], &["--corpus", text(&plain), "--out", text(&out)]].concat());
    assert_eq!((&comparison["corpus"]["pictures"], &comparison["corpus"]["sealed"]), (&3.into(), &false.into()));
    for file in ["run-1.json", "run-2.json"] {
        let run = json(&std::fs::read(out.join(file)).unwrap());
        let outcomes = run["outcomes"].as_array().unwrap();
        let labelled = outcomes.iter().find(|outcome| outcome["test"] == "KT-COR-001P").unwrap();
        assert!(labelled["figures"]["recall"]["of"].as_u64().unwrap() > 0, "{labelled:#}");
    }
    assert_eq!(no_picture_of(&at("plain"), &out), 4);
    let page = std::fs::read_to_string(out.join("comparison.html")).unwrap();
    assert!(!page.contains("data:image/"), "{page}");
    // On a sealed corpus a seed is revealed to a vendor once: two releases of one vendor are not compared on one seed.
    done(&["corpus", "key", "--out", text(&at("corpus.key"))]);
    done(&["corpus", "seal", text(&at("plain")), "--key", text(&at("corpus.key")), "--out", text(&at("sealed"))]);
    done(&["corpus", "commit", "--trust", text(&trust), "--sign", text(&key), "--out", text(&at("seed"))]);
    let (sealed, corpus_key, ledger) = (at("sealed"), at("corpus.key"), at("ledger"));
    let (commitment, seed, out) = (at("seed/commitment.json"), at("seed/seed.secret.toml"), at("once-more"));
    let on = ["--sealed", text(&sealed), "--corpus-key", text(&corpus_key), "--key", text(&key)];
    let by = ["--commitment", text(&commitment), "--seed-file", text(&seed), "--attempts", text(&ledger)];
    let city = ["--profile", "authority", "--out", text(&out)];
    let refused = vaern(&[&["--json"], &beside[..], &on, &by, &city].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("LEV-09") && !out.join("comparison.html").exists(), "{}", stderr(&refused));
}

fn base64_page(bytes: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    format!("<img src=\"data:image/jpeg;base64,{}\">", base64::engine::general_purpose::STANDARD.encode(bytes)).into()
}

#[test]
fn gen_01p_gov_12p_an_approved_release_is_registered_and_without_its_papers_it_is_not() {
    let temp = tempfile::tempdir().unwrap();
    // A demo of its own: the result is signed here, and then approved.
    let ((_demo, demo), _) = fresh_demo("4");
    let at = |path: &str| demo.join(path);
    let (release, policies, trust) = (at("release"), at("policies"), at("policies/trust.toml"));
    let (result, out) = (temp.path().join("result"), temp.path().join("register"));
    let key = at("keys/it-sikkerhed.secret.toml");
    let register = |dpia: &Path, advice: &Path| {
        let what = ["--json", "register", text(&release), "--policies", text(&policies), "--trust", text(&trust)];
        let papers = ["--dpia", text(dpia), "--advice", text(advice), "--result", text(&result)];
        vaern(&[&what[..], &papers, &["--out", text(&out)]].concat())
    };
    let (dpia, advice) = (at("city/dpia.toml"), at("city/dpo-advice.txt"));
    let run = ["conform", text(&release), "--policies", text(&policies), "--trust", text(&trust)];
    done(&[&run[..], &["--out", text(&result)]].concat());
    let refused = |told: &std::process::Output, krav: &str| {
        assert_eq!(told.status.code(), Some(1), "{}", stderr(told));
        assert!(stderr(told).contains(krav) && !out.exists(), "{}", stderr(told));
    };
    refused(&register(&dpia, &advice), "LEV-04");
    done(&[&run[..], &["--key", text(&key), "--out", text(&result)]].concat());
    refused(&register(&dpia, &dpia), "GOV-05");
    let told = register(&dpia, &advice);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    let entry = json(&std::fs::read(out.join("register.json")).unwrap());
    assert_eq!(entry, json(&told.stdout));
    assert!(entry["decision"]["roles"].as_array().unwrap().iter().any(|role| role == "jura"));
    for (file, words) in [
        ("register.html", ["Offentlig registrering", "Sparet arbejdstid", "jura"]),
        ("register.en.html", ["Public register entry", "Staff time saved", "jura"]),
        ("notice.html", ["Oplysning til borgere", "Hvad der ikke indsamles", "Datatilsynet"]),
        ("notice.en.html", ["Notice to citizens", "What is not collected", "Datatilsynet"]),
    ] {
        let page = std::fs::read_to_string(out.join(file)).unwrap();
        assert!(words.iter().all(|word| page.contains(word)), "{file}");
        assert!(!page.contains("data:image") && !page.contains("<script"), "{file}");
        // MAL-01: only what may run is registered, and nobody is named but by role.
        assert!(!page.contains("secret") && !page.contains("ed25519:"), "{file}");
    }
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
    frm_10_approvals_under_a_profile_that_asks(temp.path());
    // A picture of people is no picture for plugins.
    let refused = conform(&["--corpus", text(&at("people")), "--only", "KT-COR-001P"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("MIN-01"), "{}", stderr(&refused));
}

/// Where the profile asks for a test of the gate, nobody signs without one, and none runs that names the test of another gate.
fn frm_10_approvals_under_a_profile_that_asks(temp: &Path) {
    use vaern_door::{Digest, Name};
    let dir = |path: &Path| cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap();
    let rules = temp.join("asking");
    program::copy(&demo().join("policies"), &rules);
    let profile = rules.join("profiles/edge.toml");
    let text_of = std::fs::read_to_string(&profile).unwrap();
    std::fs::write(&profile, text_of.replace("max_age_days = 365", "max_age_days = 365\ngate_result = true")).unwrap();
    let set = vaern_policy::PolicySet::load(&dir(&rules), None).unwrap();
    let refused = |told: &std::process::Output| {
        assert_eq!(told.status.code(), Some(1), "{}", stderr(told));
        assert!(stderr(told).contains("MIN-01"), "{}", stderr(told));
    };
    refused(&approve(&["--policies", text(&rules)]));
    // What `vaern corpus gate` would sign of a gate that holds; four pictures cannot show one.
    let trust = vaern_trust::TrustRoot::from_toml(&std::fs::read_to_string(rules.join("trust.toml")).unwrap()).unwrap();
    let (_, pair) = vaern_trust::read_secret(&dir(&demo().join("keys")), "it-sikkerhed.secret.toml").unwrap();
    let result = |gate: Digest, file: &str| {
        let digest = Digest::of(b"x");
        let said = vaern_conformance::GateResult {
            run: digest,
            host: digest,
            policy: set.digest(),
            gate,
            corpus: digest,
            holds: true,
            at: jiff::Timestamp::now(),
        };
        let authority = vaern_trust::Authority::TestResult;
        std::fs::write(temp.join(file), vaern_trust::sign_file(&said, &trust, authority, &[&pair]).unwrap()).unwrap();
        temp.join(file)
    };
    let (ours, other) = (result(set.gate_digest(), "ours.json"), result(Digest::of(b"other"), "other.json"));
    refused(&approve(&["--policies", text(&rules), "--gate-result", text(&other)]));
    let approved = approve(&["--policies", text(&rules), "--gate-result", text(&ours)]);
    assert_eq!(approved.status.code(), Some(0), "FRM-10P {}", stderr(&approved));
    assert!(String::from_utf8_lossy(&approved.stdout).contains(&set.gate_digest().hex()));
    // A node holds the same: the approval that names this gate, and no older one.
    let purpose = Name::new("containere").unwrap();
    let now = jiff::Timestamp::now();
    let facts = vaern_node::facts::establish(&dir(&demo().join("release")), &trust, &purpose, now).unwrap();
    assert!(facts.refused.is_none(), "{:?}", facts.refused);
    assert!(set.admit(&facts.manifest, &facts.facts).is_ok(), "IMG-11P");
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
