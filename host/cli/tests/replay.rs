//! A kept clear frame again before the release that saw it, on the command line.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

use program::{copy, fresh_demo, json, stderr, text, vaern};
use serde_json::Value;

/// A node of the demo whose policy gives days for replay, with a run behind it.
struct Node {
    _temp: tempfile::TempDir,
    demo: PathBuf,
}

impl Node {
    fn path(&self, name: &str) -> PathBuf {
        self.demo.join(name)
    }

    fn new() -> Self {
        let ((temp, demo), _) = fresh_demo("6");
        let node = Self { _temp: temp, demo };
        let policies = node.path("replaying");
        copy(&node.path("policies"), &policies);
        std::fs::remove_file(policies.join("policy-set.dsse.json")).unwrap();
        let edge = policies.join("profiles/edge.toml");
        let words = std::fs::read_to_string(&edge).unwrap();
        let changed = words.replace("evidence_days = 7", "evidence_days = 7\nreplay_days = 3");
        assert_ne!(words, changed);
        std::fs::write(&edge, changed).unwrap();
        let (trust, jura, owner) = (
            node.path("policies/trust.toml"),
            node.path("keys/jura.secret.toml"),
            node.path("keys/systemejer.secret.toml"),
        );
        let mut sign = vec!["policy", "sign", text(&policies), "--trust", text(&trust), "--first", "--yes"];
        sign.extend(["--key", text(&jura), "--key", text(&owner)]);
        ok(&vaern(&sign));
        ok(&vaern(&["evidence", "new-key", text(&node.path("store-key"))]));
        node.run("replaying", "seen");
        node
    }

    fn run(&self, policies: &str, out: &str) -> Value {
        let paths = ["drive", "release", policies, out, "policies/trust.toml", "log", "store", "store-key"];
        let [source, release, policies, out, trust, log, store, key] = paths.map(|name| self.path(name));
        let log_key = self.path("keys/demo-node.secret.toml");
        let mut args = vec!["--json", "run", "--source", text(&source), "--release", text(&release)];
        args.extend(["--policies", text(&policies), "--trust", text(&trust), "--out", text(&out)]);
        args.extend([
            "--log",
            text(&log),
            "--log-key",
            text(&log_key),
            "--evidence",
            text(&store),
            "--store-key",
            text(&key),
        ]);
        ok(&vaern(&args))
    }

    fn stored(&self, command: &[&str]) -> Output {
        let [log, store, key] = ["log", "store", "store-key"].map(|name| self.path(name));
        let log_key = self.path("keys/demo-node.secret.toml");
        let mut args = vec!["--json"];
        args.extend(command);
        args.extend([
            "--store",
            text(&store),
            "--store-key",
            text(&key),
            "--log",
            text(&log),
            "--log-key",
            text(&log_key),
        ]);
        args.extend(["--duty", "auditor"]);
        vaern(&args)
    }

    fn replay(&self, id: &str, release: &Path, more: &[&str]) -> Output {
        let trust = self.path("policies/trust.toml");
        let mut args =
            vec!["replay", id, "--purpose", "containere", "--release", text(release), "--trust", text(&trust)];
        args.extend(more);
        self.stored(&args)
    }

    /// Ids of what is kept, by class.
    fn kept(&self, class: &str) -> Vec<String> {
        let listed = json(&self.stored(&["evidence", "list"]).stdout);
        let of = |one: &Value| one["label"]["class"].as_str().unwrap().eq_ignore_ascii_case(class);
        let ids =
            listed.as_array().unwrap().iter().filter(|one| of(one)).map(|one| one["id"].as_str().unwrap().to_owned());
        ids.collect()
    }
}

fn ok(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    stderr(output)
}

#[test]
fn gen_02p_a_kept_frame_gives_the_same_bytes_again_and_gen_02n_what_cannot_be_compared_is_not() {
    let node = Node::new();
    let release = node.path("release");
    let (frames, found) = (node.kept("replay"), node.kept("review"));
    assert!(!frames.is_empty() && !found.is_empty(), "{} frames, {} finds", frames.len(), found.len());
    for frame in &frames {
        let first = ok(&node.replay(frame, &release, &[]));
        assert_eq!(first["same"], true);
        assert!(!first["recorded"].as_array().unwrap().is_empty());
        assert_eq!(first["recorded"].to_string(), first["replayed"].to_string());
        // The run looked on as many threads as there are cores, a replay on one; one more finds the same.
        assert_eq!(ok(&node.replay(frame, &release, &[])), first);
    }
    // By a detection: its evidence names the frame.
    let by_find = ok(&node.replay(&found[0], &release, &[]));
    assert!(frames.contains(&by_find["frame"].as_str().unwrap().to_owned()));

    // Another run over the same drive finds the same, under other ids.
    node.run("replaying", "again");
    let answers = |ids: &[String]| {
        let mut all: Vec<String> =
            ids.iter().map(|id| ok(&node.replay(id, &release, &[]))["replayed"].to_string()).collect();
        all.sort();
        all
    };
    let later: Vec<String> = node.kept("replay").into_iter().filter(|id| !frames.contains(id)).collect();
    assert_eq!(answers(&frames), answers(&later));

    // Deleted is said to be deleted.
    ok(&node.stored(&["evidence", "delete", &frames[0], "--cause", "asked"]));
    assert!(refused(&node.replay(&frames[0], &release, &[])).contains("deleted"));
}

#[test]
fn gen_02n_without_days_for_it_no_whole_frame_is_kept() {
    let node = Node::new();
    let before = node.kept("replay").len();
    node.run("policies", "plain");
    assert_eq!(node.kept("replay").len(), before, "the city's own profile names no days for replay");
}
