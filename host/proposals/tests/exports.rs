//! What is handed on, and what is taken back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod folders;
mod streets;

use std::process::Command;

use folders::{OTHER, RELEASE, Room, read_json, run_folder, saying, takes, takes_one, world};
use vaern_proposals::{Book, Cause, Decision, ProposalError, Run, Status, Target};
use vaern_record::log::Event;

fn withdraw(book: &mut Book, target: Target, cause: Cause, log: &mut Vec<Event>) -> Vec<vaern_proposals::Recalled> {
    book.withdraw((target, cause), ("DPO", "borgeren gjorde indsigelse"), 9, &mut takes_one(log)).unwrap()
}

#[test]
fn ret_03p_an_export_says_what_each_proposal_is_and_that_it_waits() {
    let room = Room::of(2);
    let mut book = room.book(2);
    let mut log = Vec::new();
    let export = book.export(7, &mut takes_one(&mut log)).unwrap();
    assert!(matches!(log[..], [Event::Exported { .. }]));
    let text = room.dir.read_to_string("proposals.geojson").unwrap();
    let geojson::GeoJson::FeatureCollection(collection) = text.parse::<geojson::GeoJson>().unwrap() else { panic!() };
    assert_eq!((collection.features.len(), export.waiting), (export.proposals, export.proposals));
    for feature in &collection.features {
        let property = |name: &str| feature.property(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(property("review"), "afventer");
        assert_eq!(property("position_is"), "object");
        assert!(property("position_error_m").as_f64().unwrap() < 12.0, "{}", property("position_error_m"));
        assert!((0.0..=360.0).contains(&property("bearing").as_f64().unwrap()));
        assert!(property("observations").as_u64().unwrap() >= 1 && property("krav")[0] == "RET-03");
        assert_eq!(property("releases"), &serde_json::json!([RELEASE]));
        // A day, and no time of it.
        assert_eq!(property("first_seen").as_str().unwrap().len(), 10);
    }
    assert!(!text.contains("T0") && !text.contains("frame"), "no time of day, no frame, no order");
    let coverage = room.dir.read_to_string("coverage.geojson").unwrap();
    let covered: geojson::FeatureCollection = coverage.parse::<geojson::GeoJson>().unwrap().try_into().unwrap();
    assert_eq!((covered.features.len(), export.covered), (1, 1));
    assert_eq!(covered.foreign_members.as_ref().unwrap()["runs_without_coverage"], 0);
    assert_eq!(covered.features[0].property("frames_at_least").unwrap(), 40, "two runs of 20 at least");
    let coco = read_json(&room.dir, "coco.json");
    let finds: u64 = book.proposals().iter().map(|p| p.seen.len() as u64).sum();
    assert_eq!(coco["annotations"].as_array().unwrap().len() as u64, finds);
    assert!(
        coco["images"].as_array().unwrap().iter().all(|image| image["file_name"].as_str().unwrap().ends_with(".jpg"))
    );
    drop(book);
    // What is kept says no more than what is handed on: a day, and where the object is, not where the camera was.
    let kept = room.dir.read_to_string("book.json").unwrap();
    assert!(!kept.contains("heading") && !kept.contains("time_ms") && !kept.contains("T0"));
}

#[test]
fn std_05p_a_rejected_proposal_is_withdrawn_from_what_is_handed_on() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let mut log = Vec::new();
    book.export(1, &mut takes_one(&mut log)).unwrap();
    let id = book.proposals()[0].id.clone();
    book.decide(vec![saying(&id, Decision::Rejected)], 2, &mut takes(&mut log)).unwrap();
    let export = book.export(3, &mut takes_one(&mut log)).unwrap();
    assert_eq!(export.withdrawn.len(), 1);
    assert_eq!((export.withdrawn[0].cause, &export.withdrawn[0].exports[..]), (Some(Cause::Rejected), &[(1, 1)][..]));
    let text = room.dir.read_to_string("proposals.geojson").unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["withdrawn"], serde_json::json!([id]));
    assert!(value["features"].as_array().unwrap().iter().all(|feature| feature["id"] != id.as_str()));
    for file in ["proposals.csv", "coco.json"] {
        assert!(!room.dir.read_to_string(file).unwrap().contains(&id), "{file}");
    }
    assert!(!text.contains("Åkjær"), "who decided is not handed on");
    // A person may think better of it.
    book.decide(vec![saying(&id, Decision::Confirmed)], 4, &mut takes(&mut log)).unwrap();
    assert!(book.export(5, &mut takes_one(&mut log)).unwrap().withdrawn.is_empty());
}

#[test]
fn std_05p_an_objection_erases_what_was_seen_and_says_which_exports_held_it() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let mut log = Vec::new();
    book.export(100, &mut takes_one(&mut log)).unwrap();
    book.export(200, &mut takes_one(&mut log)).unwrap();
    let proposal = book.proposals()[0].clone();
    let find = proposal.seen[0].clone();
    log.clear();
    let recalled = withdraw(&mut book, Target::Proposal(proposal.id.clone()), Cause::Objection, &mut log);
    assert!(matches!(log[..], [Event::Withdrawn { cause: vaern_record::log::Withdrawal::Objection, .. }]));
    assert_eq!(recalled.len(), 1);
    assert_eq!((&recalled[0].id, &recalled[0].exports[..]), (&proposal.id, &[(1, 100), (2, 200)][..]));
    book.export(300, &mut takes_one(&mut log)).unwrap();
    drop(book);
    // Erased: of the find no more is left than its random id.
    let kept = read_json(&room.dir, "book.json");
    assert!(kept["finds"].as_array().unwrap().iter().all(|stand| stand["find"]["id"] != find.id.as_str()));
    assert_eq!(kept["erased"][&find.id], proposal.id.as_str());
    let frames: Vec<String> =
        kept["finds"].as_array().unwrap().iter().map(|s| s["find"]["frame_id"].to_string()).collect();
    assert_eq!(kept.to_string().matches(&format!("\"{}\"", proposal.id)).count(), proposal.seen.len(), "{frames:?}");
    let value = read_json(&room.dir, "proposals.geojson");
    assert_eq!(value["withdrawn"], serde_json::json!([proposal.id]));
    let list = read_json(&room.dir, "withdrawn.json");
    assert_eq!(list[0]["exports"], serde_json::json!([[1, 100], [2, 200]]));
    // Nobody decides on what is gone, and a run that is named again does not bring it back.
    let mut book = room.book(1);
    assert_eq!(book.proposals().iter().find(|p| p.id == proposal.id).unwrap().status, Status::Withdrawn);
    let refused = book.decide(vec![saying(&proposal.id, Decision::Undecidable)], 1, &mut takes(&mut log));
    assert!(matches!(refused, Err(ProposalError::Withdrawn(_))));
    let again =
        book.withdraw((Target::Proposal(proposal.id), Cause::Objection), ("a", "b"), 1, &mut takes_one(&mut log));
    assert!(matches!(again, Err(ProposalError::Nothing { what: "proposal", .. })));
}

#[test]
fn std_05p_a_release_that_is_withdrawn_takes_its_finds_along_also_those_that_come_later() {
    let world = world();
    let runs = vec![
        run_folder(&world.drive(0), 0, RELEASE),
        run_folder(&world.drive(1), 1, OTHER),
        run_folder(&world.drive(2), 2, OTHER),
    ];
    let room = Room { dir: cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap(), runs };
    let mut book = room.book(2);
    let mut log = Vec::new();
    let before = book.proposals();
    let both = before.iter().find(|p| p.runs == 2).unwrap().clone();
    withdraw(&mut book, Target::Release(OTHER.parse().unwrap()), Cause::Release, &mut log);
    let after = book.proposals().into_iter().find(|p| p.id == both.id).unwrap();
    assert_eq!((after.runs, after.status), (1, Status::Waiting), "what the other release saw stands");
    assert!(after.withdrawn_finds > 0 && after.seen.len() < both.seen.len());
    drop(book);
    let mut book = room.book(3);
    assert!(book.proposals().iter().all(|p| p.seen.iter().all(|seen| seen.release.unwrap().to_string() == RELEASE)));
    let export = book.export(1, &mut takes_one(&mut log)).unwrap();
    assert!(export.withdrawn.iter().any(|recalled| recalled.id == both.id && recalled.cause.is_none()));
    assert!(!room.dir.read_to_string("proposals.geojson").unwrap().contains(OTHER));
}

#[test]
fn std_05p_finds_whose_evidence_was_deleted_are_withdrawn() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let mut log = Vec::new();
    let proposal = book.proposals().into_iter().find(|p| p.seen.len() > 2).unwrap();
    let one = vec![proposal.seen[0].id.clone()];
    withdraw(&mut book, Target::Finds(one.clone()), Cause::EvidenceDeleted, &mut log);
    let after = book.proposals().into_iter().find(|p| p.id == proposal.id).unwrap();
    assert_eq!((after.seen.len(), after.withdrawn_finds), (proposal.seen.len() - 1, 1));
    assert!(after.seen.iter().all(|seen| seen.id != one[0]));
    let unknown = Target::Finds(vec!["0".repeat(32)]);
    let refused = book.withdraw((unknown, Cause::EvidenceDeleted), ("a", "b"), 1, &mut takes_one(&mut log));
    assert!(matches!(refused, Err(ProposalError::Nothing { what: "find", .. })));
    let refused = book.withdraw((Target::Finds(one), Cause::Objection), ("", "b"), 1, &mut takes_one(&mut log));
    assert!(matches!(refused, Err(ProposalError::Missing { what: "reviewer", .. })));
    let id = after.id.clone();
    let full = book.withdraw((Target::Proposal(id), Cause::Objection), ("a", "b"), 1, &mut |_| Err("full".into()));
    assert!(matches!(full, Err(ProposalError::Log(_))));
    assert_eq!(book.proposals().into_iter().find(|p| p.id == after.id).unwrap(), after, "not logged, not done");
}

#[test]
fn gov_05n_a_run_that_says_other_things_now_and_a_file_that_nobody_wrote_are_refused() {
    let room = Room::of(1);
    drop(room.book(1));
    let mut book = Book::open(room.dir.try_clone().unwrap()).unwrap();
    let folder = &room.runs[0];
    let honest = folder.read_to_string("detections.geojson").unwrap();
    folder.write("detections.geojson", honest.replace("0.812", "0.9")).unwrap();
    let changed = Run::read(folder, "run").unwrap();
    assert!(matches!(book.take(vec![(changed, String::new())]), Err(ProposalError::Changed(_))));
    // The same finds under another run's name.
    folder.write("log.json", r#"{"key":"k","run":"ffffffffffffffffffffffffffffffff","begun":1,"ended":2}"#).unwrap();
    let renamed = Run::read(folder, "run").unwrap();
    assert!(matches!(book.take(vec![(renamed, String::new())]), Err(ProposalError::Changed(_))));
    for (part, other) in [
        ("\"score\":0.812", "\"score\":7.0"),
        ("\"box_px\":[", "\"box_px\":[9000,"),
        ("\"label\":\"", "\"label\":\"Å "),
        ("\"type\":\"FeatureCollection\"", "\"type\":3,,"),
        ("pictures/", "pictures\\n/"),
    ] {
        folder.write("detections.geojson", honest.replacen(part, other, 1)).unwrap();
        assert!(matches!(Run::read(folder, "run"), Err(ProposalError::Form { .. })), "{other}");
    }
    folder.write("detections.geojson", &honest).unwrap();
    folder.write("coverage.json", r#"{"form":1,"cell_deg":[0.001,0.002],"least_frames":1,"cells":[]}"#).unwrap();
    assert!(matches!(Run::read(folder, "run"), Err(ProposalError::Form { .. })), "finer than may be told");
    folder.remove_file("detections.geojson").unwrap();
    assert!(matches!(Run::read(folder, "run"), Err(ProposalError::NoResult(_))));
}

/// Reads the files as others do: no code of ours.
const JUDGE: &str = r#"
import csv, json, sys
folder = sys.argv[1]
text = open(folder + '/proposals.csv', 'rb').read()
assert text.startswith(b'\xef\xbb\xbf') and b'\r\n' in text
rows = list(csv.DictReader(text.decode('utf-8-sig').splitlines(), delimiter=';'))
strict = lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else sys.exit('doubled member')
shapes = json.load(open(folder + '/proposals.geojson'), object_pairs_hook=strict)['features']
assert [row['id'] for row in rows] == [shape['id'] for shape in shapes]
for row, shape in zip(rows, shapes):
    east, north = shape['geometry']['coordinates']
    number = lambda name: float(row[name].replace(',', '.'))
    assert abs(number('breddegrad') - north) < 1e-6 and abs(number('længdegrad') - east) < 1e-6
    assert row['status'] == 'afventer' and int(row['antal_set']) == shape['properties']['observations']
coco = json.load(open(folder + '/coco.json'), object_pairs_hook=strict)
images = {image['id']: image for image in coco['images']}
assert len(images) == len(coco['images'])
for note in coco['annotations']:
    x, y, w, h = note['bbox']
    image = images[note['image_id']]
    assert w > 0 and h > 0 and x + w <= image['width'] and y + h <= image['height'] and note['area'] == w * h
    assert note['category_id'] in {c['id'] for c in coco['categories']}
for shape in json.load(open(folder + '/coverage.geojson'), object_pairs_hook=strict)['features']:
    ring = shape['geometry']['coordinates'][0]
    assert ring[0] == ring[-1] and len(ring) == 5
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:]))
    assert area > 0, 'exterior rings are counterclockwise'
print(len(rows), len(coco['annotations']))
"#;

#[test]
fn gov_08p_others_read_the_exports_as_they_are_meant() {
    let room = Room::of(2);
    let folder = tempfile::tempdir().unwrap();
    let dir = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
    let mut book = Book::open_or_begin(dir).unwrap();
    book.take(room.runs.iter().map(|folder| (Run::read(folder, "run").unwrap(), String::new())).collect()).unwrap();
    book.export(1, &mut takes_one(&mut Vec::new())).unwrap();
    let Ok(told) = Command::new("python3").args(["-c", JUDGE]).arg(folder.path()).output() else {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIP no python3: the exports are read by our own program only");
        return;
    };
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let finds: usize = book.proposals().iter().map(|p| p.seen.len()).sum();
    assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), format!("{} {finds}", book.proposals().len()));
}
