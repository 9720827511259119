//! From runs to proposals, verdicts, exports and a citizen's page, as people use them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod program;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use program::{copy, fresh_demo, json, stderr, text, vaern};
use serde_json::Value;

/// One demo for all tests of this file; each works on a copy of what it changes.
fn demo() -> &'static (PathBuf, String) {
    static DEMO: OnceLock<(tempfile::TempDir, (PathBuf, String))> = OnceLock::new();
    &DEMO
        .get_or_init(|| {
            let ((temp, out), told) = fresh_demo("14");
            (temp, (out, told["log"]["key"].as_str().unwrap().to_owned()))
        })
        .1
}

/// A copy of the demo's run and log, and a folder for proposals.
struct Desk {
    _temp: tempfile::TempDir,
    result: PathBuf,
    log: PathBuf,
    log_key: PathBuf,
    proposals: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        for part in ["result", "log", "keys"] {
            copy(&demo().0.join(part), &path(part));
        }
        Self {
            result: path("result"),
            log: path("log"),
            log_key: path("keys/demo-node.secret.toml"),
            proposals: path("proposals"),
            _temp: temp,
        }
    }

    /// With the log.
    fn ok(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        all.extend(["--log", text(&self.log), "--log-key", text(&self.log_key)]);
        ok(&all)
    }

    fn merge(&self) -> Value {
        self.ok(&["proposals", text(&self.result), "--out", text(&self.proposals)])
    }

    fn file(&self, name: &str) -> PathBuf {
        self.proposals.join(name)
    }

    /// What the log holds, by kind.
    fn kinds(&self) -> Value {
        ok(&["--json", "audit", "verify", text(&self.log), "--key", &demo().1])["kinds"].clone()
    }

    fn insight(&self, id: &str, page: &Path) -> Value {
        let (release, policies) = (demo().0.join("release"), demo().0.join("policies"));
        let args = ["--json", "insight", id, "--proposals", text(&self.proposals), "--result", text(&self.result)];
        let args = [&args[..], &["--release", text(&release), "--policies", text(&policies)]].concat();
        ok(&[&args[..], &["--log", text(&self.log), "--key", &demo().1, "--out", text(page)]].concat())
    }
}

fn ok(args: &[&str]) -> Value {
    let output = vaern(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    json(&output.stdout)
}

fn refused(args: &[&str]) -> String {
    let output = vaern(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    json(&output.stderr)["error"]["what"].as_str().unwrap().to_owned()
}

#[test]
fn ret_03p_from_a_run_to_a_verdict_through_a_spreadsheet_and_to_a_citizens_page() {
    let desk = Desk::new();
    let told = desk.merge();
    let finds = json(&std::fs::read(desk.result.join("detections.geojson")).unwrap());
    let finds = finds["features"].as_array().unwrap().len() as u64;
    let proposals = told["proposals"].as_u64().unwrap();
    assert!(proposals > 1 && proposals < finds, "{finds} finds became {proposals} proposals");
    assert_eq!(told["waiting"], proposals);
    assert!(told["covered"].as_u64().unwrap() > 0, "a drive looks at something");
    assert_eq!(desk.kinds()["Exported"], 1);

    let list =
        desk.ok(&["review", "list", "--proposals", text(&desk.proposals), "--csv", text(&desk.file("liste.csv"))]);
    let list = list.as_array().unwrap();
    assert_eq!(list.len() as u64, proposals);
    let id = list[0]["id"].as_str().unwrap();
    let table = std::fs::read_to_string(desk.file("liste.csv")).unwrap();
    let row = table.lines().find(|line| line.contains(id)).unwrap();
    let kept: Vec<&str> = row.split(';').take(13).collect();
    let filled = table.replace(row, &format!("{};bekræftet;A. Åkjær;det er en container;ja", kept.join(";")));
    std::fs::write(desk.file("liste.csv"), &filled).unwrap();
    let taken = desk.ok(&["review", "take", text(&desk.file("liste.csv")), "--proposals", text(&desk.proposals)]);
    assert_eq!(taken["taken"], 1);
    assert_eq!(desk.kinds()["Reviewed"], 1);
    // Changed in another column: refused with its line, and nothing is recorded.
    std::fs::write(desk.file("liste.csv"), filled.replacen("beregnet", "målt", 1)).unwrap();
    let told = refused(&[
        "--json",
        "review",
        "take",
        text(&desk.file("liste.csv")),
        "--proposals",
        text(&desk.proposals),
        "--log",
        text(&desk.log),
        "--log-key",
        text(&desk.log_key),
    ]);
    assert!(told.starts_with("line 2 of the table"), "{told}");
    assert_eq!(desk.kinds()["Reviewed"], 1);

    let page = desk.file("side.html");
    let insight = desk.insight(id, &page);
    assert_eq!((&insight["review"], &insight["picture"]["state"]), (&"bekræftet".into(), &"kept".into()));
    assert_eq!(insight["merged"]["verdict"]["reviewer"], "A. Åkjær");
    assert_eq!(insight["merged"]["seen"].as_array().unwrap().len(), list[0]["seen"].as_array().unwrap().len());
    assert!(!insight["rules"]["rules"].as_array().unwrap().is_empty());
    let html = std::fs::read_to_string(&page).unwrap();
    for told in [
        "A. Åkjær",
        "det er en container",
        "i én udgivelse",
        "Hvornår genstanden ellers er set",
        "Regler, der lod programmet",
    ] {
        assert!(html.contains(told), "{told}");
    }
    // Where the picture is gone, nobody can confirm or reject any more.
    std::fs::remove_dir_all(desk.result.join("pictures")).unwrap();
    let second = list[1]["id"].as_str().unwrap();
    let decide = |verdict: &'static str| {
        let args = ["--json", "review", "decide", second, "--proposals", text(&desk.proposals), "--verdict", verdict];
        let who = ["--reviewer", "B", "--reason", "grund", "--picture-shown", "--log", text(&desk.log)];
        vaern(&[&args[..], &who[..], &["--log-key", text(&desk.log_key)]].concat())
    };
    assert_eq!(decide("bekraeftet").status.code(), Some(1));
    assert_eq!(decide("kan-ikke-vurderes").status.code(), Some(0));
    assert_eq!(desk.insight(second, &page)["picture"]["state"], "deleted");
}

#[test]
fn skj_05n_crops_are_for_those_who_review_and_each_look_is_in_the_log() {
    let desk = Desk::new();
    desk.merge();
    let page = desk.file("gennemsyn.html");
    let of = ["--json", "review", "page", "--proposals", text(&desk.proposals), "--out", text(&page)];
    let log = ["--log", text(&desk.log), "--log-key", text(&desk.log_key)];
    for duty in ["operator", "auditor", "privacy-officer"] {
        let told = vaern(&[&of[..], &["--as", duty], &log].concat());
        assert_eq!(told.status.code(), Some(1), "{duty}");
        assert!(stderr(&told).contains("SKJ-05"), "{}", stderr(&told));
    }
    // Where the runs kept a log, nobody looks without.
    assert_eq!(vaern(&[&of[..], &["--as", "case-worker"]].concat()).status.code(), Some(1));
    assert!(!page.exists() && desk.kinds()["Accessed"].is_null());
    let told = ok(&[&of[..], &["--as", "case-worker"], &log].concat());
    let html = std::fs::read_to_string(&page).unwrap();
    let shown = html.matches("data:image/png;base64,").count() as u64;
    assert!(shown > 0 && told["proposals"] == shown, "SKJ-05P {told}");
    assert_eq!(desk.kinds()["Accessed"], 1);
    // Elsewhere there is no picture at all, and no place in the reviewer's table finer than a block.
    let list = desk.ok(&["review", "list", "--proposals", text(&desk.proposals), "--csv", text(&desk.file("l.csv"))]);
    assert!(!list.to_string().contains("latitude") && !list.to_string().contains("base64"));
    let exact = json(&std::fs::read(desk.file("proposals.geojson")).unwrap());
    let table = std::fs::read_to_string(desk.file("l.csv")).unwrap();
    for feature in exact["features"].as_array().unwrap() {
        let longitude = format!("{:.5}", feature["geometry"]["coordinates"][0].as_f64().unwrap()).replace('.', ",");
        assert!(!table.contains(&longitude), "{longitude}");
    }
    let figures = ok(&["--json", "review", "figures", "--proposals", text(&desk.proposals)]);
    assert_eq!(figures["releases"].as_object().unwrap().len(), 1, "MAL-06P {figures}");
    assert!(vaern(&["review", "guide", "--out", text(&desk.file("vejledning.html"))]).status.success());
}

#[test]
fn std_05p_an_objection_is_followed_into_exports_and_into_insight() {
    let desk = Desk::new();
    desk.merge();
    let proposals = json(&std::fs::read(desk.file("proposals.geojson")).unwrap());
    let id = proposals["features"][0]["id"].as_str().unwrap().to_owned();
    let recalled = desk.ok(&[
        "review",
        "withdraw",
        "--proposals",
        text(&desk.proposals),
        "--proposal",
        &id,
        "--reviewer",
        "DPO",
        "--reason",
        "borgeren gjorde indsigelse",
    ]);
    assert_eq!((&recalled[0]["id"], recalled[0]["exports"].as_array().unwrap().len()), (&id.as_str().into(), 1));
    assert_eq!(desk.kinds()["Withdrawn"], 1);
    // Once more, with the run named again: it does not come back.
    let told = desk.merge();
    assert_eq!((&told["runs_taken"], &told["withdrawn"][0]["id"]), (&0.into(), &id.as_str().into()));
    let after = std::fs::read_to_string(desk.file("proposals.geojson")).unwrap();
    assert_eq!(json(after.as_bytes())["withdrawn"], serde_json::json!([id]));
    let (release, policies) = (demo().0.join("release"), demo().0.join("policies"));
    let told = refused(&[
        "--json",
        "insight",
        &id,
        "--proposals",
        text(&desk.proposals),
        "--result",
        text(&desk.result),
        "--release",
        text(&release),
        "--policies",
        text(&policies),
    ]);
    assert!(told.contains("erased"), "{told}");
    // A certificate that nobody signed withdraws nothing.
    let certificate = desk.file("certificate.txt");
    std::fs::write(&certificate, "vaern deletion certificate 1\ncause asked\nrecord 00\n").unwrap();
    refused(&[
        "--json",
        "review",
        "withdraw",
        "--proposals",
        text(&desk.proposals),
        "--certificate",
        text(&certificate),
        "--key",
        &demo().1,
        "--reviewer",
        "DPO",
        "--reason",
        "slettet",
        "--log",
        text(&desk.log),
        "--log-key",
        text(&desk.log_key),
    ]);
    assert_eq!(desk.kinds()["Withdrawn"], 1);
}

#[test]
fn gov_05n_where_a_run_kept_a_log_nothing_is_done_with_its_proposals_without_one() {
    let desk = Desk::new();
    let told = refused(&["--json", "proposals", text(&desk.result), "--out", text(&desk.proposals)]);
    assert!(told.contains("log"), "{told}");
    assert!(!desk.file("proposals.geojson").exists());
    desk.merge();
    let list = ok(&["--json", "review", "list", "--proposals", text(&desk.proposals)]);
    let id = list[0]["id"].as_str().unwrap();
    let args = ["--json", "review", "decide", id, "--proposals", text(&desk.proposals), "--verdict", "bekraeftet"];
    refused(&[&args[..], &["--reviewer", "B", "--reason", "grund", "--picture-shown"]].concat());
    assert_eq!(ok(&["--json", "review", "list", "--proposals", text(&desk.proposals)])[0]["review"], "afventer");
    assert!(desk.kinds()["Reviewed"].is_null());
}

#[test]
fn ret_02p_where_the_picture_is_gone_its_evidence_is_shown_and_its_deletion_withdraws_the_find() {
    let mut desk = Desk::new();
    let out = &demo().0;
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name);
    let (store, store_key, page, certificates) = (path("store"), path("store-key"), path("side.html"), path("deleted"));
    assert!(vaern(&["evidence", "new-key", text(&store_key)]).status.success());
    // A run of its own, that keeps evidence.
    desk.result = path("result");
    let (drive, release, policies) = (out.join("drive"), out.join("release"), out.join("policies"));
    desk.ok(&[
        "run",
        "--source",
        text(&drive),
        "--release",
        text(&release),
        "--policies",
        text(&policies),
        "--out",
        text(&desk.result),
        "--evidence",
        text(&store),
        "--store-key",
        text(&store_key),
    ]);
    std::fs::remove_dir_all(desk.result.join("pictures")).unwrap();
    desk.merge();
    let beside = ["--store", text(&store), "--store-key", text(&store_key), "--duty", "case-worker"];
    let list = desk.ok(&[&["review", "list", "--proposals", text(&desk.proposals)], &beside[..]].concat());
    let (id, find) = (list[0]["id"].as_str().unwrap(), list[0]["seen"][0]["id"].as_str().unwrap());
    assert_eq!(list[0]["seen"][0]["picture"], format!("bevis {find}"));
    let decide = ["review", "decide", id, "--proposals", text(&desk.proposals), "--verdict", "bekraeftet"];
    let decide = [&decide[..], &["--reviewer", "B", "--reason", "grund", "--picture-shown"], &beside[..]].concat();
    assert_eq!(desk.ok(&decide)["decision"], "bekræftet");
    let looked = desk.kinds()["Accessed"].as_u64().unwrap();
    let insight = ["--json", "insight", id, "--proposals", text(&desk.proposals), "--result", text(&desk.result)];
    let insight =
        [&insight[..], &["--release", text(&release), "--policies", text(&policies), "--out", text(&page)]].concat();
    let insight = [&insight[..], &["--log", text(&desk.log), "--key", &demo().1], &beside[..]].concat();
    let insight = [&insight[..], &["--log-key", text(&desk.log_key)]].concat();
    assert_eq!(ok(&insight)["picture"]["state"], "sealed");
    assert!(std::fs::read_to_string(&page).unwrap().contains("data:image/png;base64,"));
    assert_eq!(desk.kinds()["Accessed"].as_u64().unwrap(), looked + 1, "the look is in the log");

    let delete = ["evidence", "delete", find, "--cause", "asked", "--certificates", text(&certificates)];
    desk.ok(&[&delete[..], &["--store", text(&store), "--store-key", text(&store_key), "--duty", "privacy-officer"]]
        .concat());
    let certificate = std::fs::read_dir(&certificates).unwrap().next().unwrap().unwrap().path();
    let withdraw = ["review", "withdraw", "--proposals", text(&desk.proposals), "--certificate", text(&certificate)];
    let who = ["--key", demo().1.as_str(), "--reviewer", "DPO", "--reason", "borgeren bad om det"];
    let recalled = desk.ok(&[&withdraw[..], &who[..]].concat());
    assert_eq!((&recalled[0]["id"], recalled[0]["exports"].as_array().unwrap().len()), (&id.into(), 1));
    desk.merge();
    let book = std::fs::read_to_string(desk.file("book.json")).unwrap();
    assert_eq!(json(book.as_bytes())["erased"][find], id);
    assert!(!std::fs::read_to_string(desk.file("coco.json")).unwrap().contains(find));
}

#[test]
fn std_05p_on_a_drawn_drive_proposals_stand_where_the_containers_are() {
    let desk = Desk::new();
    desk.merge();
    let truth = std::fs::read_to_string(demo().0.join("drive/truth.jsonl")).unwrap();
    let mut things: Vec<(f64, f64)> = Vec::new();
    for frame in truth.lines().map(|line| json(line.as_bytes())) {
        for object in frame["objects"].as_array().unwrap() {
            let place = &object["attributes"]["place"];
            if object["class"].get("container").is_some() && place.is_array() {
                things.push((place[0].as_f64().unwrap(), place[1].as_f64().unwrap()));
            }
        }
    }
    let proposals = json(&std::fs::read(desk.file("proposals.geojson")).unwrap());
    let (mut seen_again, mut near, mut farthest) = (0, 0, 0.0_f64);
    for proposal in proposals["features"].as_array().unwrap() {
        let (at, told) = (&proposal["geometry"]["coordinates"], &proposal["properties"]);
        assert_eq!(told["position_is"], "object");
        let (latitude, longitude) = (at[1].as_f64().unwrap(), at[0].as_f64().unwrap());
        let metres = |thing: &(f64, f64)| {
            let east = (thing.1 - longitude) * 111_320.0 * latitude.to_radians().cos();
            ((thing.0 - latitude) * 111_340.0).hypot(east)
        };
        let nearest = things.iter().map(metres).fold(f64::INFINITY, f64::min);
        // What was seen once may be a find of nothing; what was seen again stands there, as near as the proposal says.
        if told["observations"].as_u64().unwrap() > 1 {
            let radius = told["position_error_m"].as_f64().unwrap();
            seen_again += 1;
            near += usize::from(nearest <= radius);
            farthest = farthest.max(nearest / radius);
        }
    }
    // The radius is to hold 95 of 100: of so few, one may lie a little outside.
    assert!(
        seen_again >= 4 && near + 1 >= seen_again && farthest < 1.5,
        "{near} of {seen_again}, at most {farthest} radii"
    );
}
