//! `vaern mask --set`: a training set collected as people run it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod program;

use std::path::{Path, PathBuf};

use program::{text, vaern};
use serde_json::Value;

fn ok(args: &[&str]) -> Value {
    let output = vaern(args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn pictures(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|e| e == "jpg")).count()
}

#[test]
fn sep_02p_a_set_is_collected_and_its_originals_go_under_a_signature() {
    let temp = tempfile::tempdir().unwrap();
    let (demo, out, keys) = (temp.path().join("demo"), temp.path().join("set"), temp.path().join("keys"));
    ok(&["--json", "demo", "--frames", "4", "--out", text(&demo)]);
    ok(&["--json", "keys", "new", "--name", "indsamling", "--role", "vej", "--out", text(&keys)]);
    let manifest = temp.path().join("training-set.toml");
    let lines = "name = \"round-1\"\nowner = \"TMF, Containerenheden\"\npurpose = \"containere\"\nexpires = \"2099-01-01T00:00:00Z\"\n";
    std::fs::write(&manifest, lines).unwrap();
    let (drive, policies) = (demo.join("drive"), demo.join("policies"));
    let mut command =
        vec!["--json", "mask", "--source", text(&drive), "--out", text(&out), "--policies", text(&policies)];
    let before = pictures(&drive);
    // Deletion needs a set and a key; wrong use says so and deletes nothing.
    for wrong in [&["--delete-originals"][..], &["--set", text(&manifest), "--delete-originals"][..]] {
        let args: Vec<&str> = command.iter().chain(wrong).copied().collect();
        assert_eq!(vaern(&args).status.code(), Some(2));
    }
    assert_eq!(pictures(&drive), before);
    let key = keys.join("indsamling.secret.toml");
    command.extend(["--set", text(&manifest), "--delete-originals", "--key", text(&key)]);
    let told = ok(&command);
    let account = &told["collection"];
    let deleted = account["originals_deleted"].as_u64().unwrap() as usize;
    assert!(deleted > 0, "{told}");
    assert_eq!(pictures(&drive), before - deleted);
    assert_eq!(pictures(&out.join("pictures")), deleted);
    assert_eq!(account["originals_kept"].as_array().unwrap().len(), pictures(&drive), "what was refused is named");
    assert!(out.join("deletions/000001.dsse.json").exists());
    // The same command again has nothing left to do but what was refused.
    let again = ok(&command);
    assert_eq!(again["collection"], told["collection"]);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn sep_01n_names_and_places_of_originals_stand_in_the_journal_of_a_set_and_nowhere_else() {
    let temp = tempfile::tempdir().unwrap();
    let (demo, plain, set) = (temp.path().join("demo"), temp.path().join("plain"), temp.path().join("set"));
    ok(&["--json", "demo", "--frames", "4", "--out", text(&demo)]);
    let manifest = temp.path().join("training-set.toml");
    let lines = "name = \"round-1\"\nowner = \"TMF, Containerenheden\"\npurpose = \"containere\"\nexpires = \"2099-01-01T00:00:00Z\"\n";
    std::fs::write(&manifest, lines).unwrap();
    let (drive, policies) = (demo.join("drive"), demo.join("policies"));
    let command = |out| ["--json", "mask", "--source", text(&drive), "--policies", text(&policies), "--out", text(out)];
    let collection = |out| command(out).into_iter().chain(["--set", text(&manifest)]).collect::<Vec<_>>();
    ok(&command(&plain));
    ok(&collection(&set));
    // What a run without a set tells of its pictures: names, latitudes, longitudes and times.
    let account = std::fs::read_to_string(plain.join("frames.csv")).unwrap();
    let mut told = Vec::new();
    for line in account.lines().skip(1) {
        let fields: Vec<&str> = line.split(';').map(|field| field.trim_matches('"')).collect();
        // `note.jpg` is a word of the report too.
        told.extend(fields[1].strip_suffix(".jpg").filter(|stem| stem.contains('-')).map(str::to_owned));
        for field in [6, 7, 9].map(|at| fields[at]).into_iter().filter(|field| !field.is_empty()) {
            told.extend([field.to_owned(), field.replace(',', ".")]);
        }
    }
    assert!(told.len() > 12, "{account}");
    let journal = set.join("journal.jsonl");
    for file in files(&set).into_iter().filter(|file| *file != journal) {
        let bytes = std::fs::read(&file).unwrap();
        for word in &told {
            let holds = bytes.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!holds && !text(&file).contains(word), "{} tells {word}", file.display());
        }
    }
    // Neither kind of run begins among the pictures of the other.
    let (before, refused) = (files(&set).len(), vaern(&command(&set)));
    assert_eq!((refused.status.code(), files(&set).len()), (Some(1), before));
    let (before, refused) = (pictures(&plain.join("pictures")), vaern(&collection(&plain)));
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!((refused.status.code(), pictures(&plain.join("pictures"))), (Some(1), before), "{error}");
    assert_eq!(error["error"]["krav"], "SKJ-09", "{error}");
}

#[test]
fn sep_03n_what_operates_takes_nothing_out_of_a_training_set_and_sep_03p_other_folders_it_does() {
    let temp = tempfile::tempdir().unwrap();
    let demo = temp.path().join("demo");
    ok(&["--json", "demo", "--frames", "4", "--out", text(&demo)]);
    let (release, policies) = (demo.join("release"), demo.join("policies"));
    let folder = temp.path().join("round/1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(demo.join("drive/frame-0001.jpg"), folder.join("a.jpg")).unwrap();
    let run = |source: &Path, out: &Path| {
        vaern(&[
            "--json",
            "run",
            "--source",
            text(source),
            "--release",
            text(&release),
            "--policies",
            text(&policies),
            "--out",
            text(out),
        ])
    };
    let (round, out) = (temp.path().join("round"), temp.path().join("out"));
    assert_eq!(run(&round, &out).status.code(), Some(0));
    std::fs::write(folder.join("training-set.toml"), "name = \"round-1\"\n").unwrap();
    // The set itself, a folder that holds it, one inside it, one that only a link leads to, and results among its pictures.
    let inner = folder.join("pictures");
    std::fs::create_dir(&inner).unwrap();
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(&inner, &link).unwrap();
    let drive = demo.join("drive");
    for (source, out) in
        [(&folder, &out), (&round, &out), (&inner, &out), (&link, &out), (&drive, &folder.join("results"))]
    {
        let refused = run(source, out);
        assert_eq!(refused.status.code(), Some(1), "{}", source.display());
        let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
        assert_eq!(error["error"]["krav"], "SEP-03", "{error}");
    }
    assert!(!folder.join("results").exists());
}

#[test]
fn a_track_that_cannot_be_used_is_refused_with_its_mend() {
    let temp = tempfile::tempdir().unwrap();
    let track = temp.path().join("track.gpx");
    std::fs::write(&track, "<gpx><trk><trkseg><trkpt lat=\"55.6\" lon=\"12.5\"/></trkseg></trk></gpx>").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (source, out, policies) = (temp.path(), temp.path().join("out"), root.join("policies"));
    let output = vaern(&[
        "--json",
        "mask",
        "--source",
        text(source),
        "--out",
        text(&out),
        "--policies",
        text(&policies),
        "--track",
        text(&track),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(error["error"]["what"].as_str().unwrap().contains("without times"), "{error}");
    assert!(error["error"]["mend"].as_str().unwrap().contains("UTC"), "{error}");
    assert_eq!(error["error"]["krav"], "MIN-04");
}
