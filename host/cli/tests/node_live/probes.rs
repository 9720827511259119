//! Pictures with a known answer among the frames of the street: what a release finds in them, and nothing else, is counted.

use std::path::Path;

use serde_json::Value;
use vaern_door::Digest;
use vaern_scenes::{Class, ContainerKind, Drive};

use crate::nodes::{City, Service, until};
use crate::program::{stderr, text, vaern};
use crate::{files, leaves};

pub(crate) const SIZE: (u16, u16) = (320, 180);

/// A drawn scene with one bin that is large enough to be found: the picture, and the bin's box in pixels.
fn scene() -> (Vec<u8>, [u16; 4]) {
    let frames = Drive::generate(11, 120, SIZE).map(Result::unwrap);
    let bins = frames.flat_map(|frame| {
        let is_bin = |class| class == Class::Container(ContainerKind::Affaldscontainer);
        let boxes = frame
            .truth
            .objects
            .iter()
            .filter(|object| is_bin(object.class) && object.visible > 0.9)
            .map(|object| object.bbox);
        boxes.map(|rect| (frame.jpeg.clone(), rect)).collect::<Vec<_>>()
    });
    bins.max_by_key(|(_, [x0, y0, x1, y1])| u32::from(x1 - x0) * u32::from(y1 - y0)).unwrap()
}

/// Forty frames of one drive, each later and further on than the one before: no rule refuses one.
pub(crate) fn street() -> Vec<Vec<u8>> {
    let drive = Drive::generate(7, 80, SIZE).map(Result::unwrap);
    let inside = drive.filter(|f| f.truth.inside && f.truth.fence_margin_m > 20.0 && f.truth.fix.is_some());
    let street: Vec<Vec<u8>> = inside.map(|frame| frame.jpeg).take(40).collect();
    assert_eq!(street.len(), 40);
    street
}

/// A guest that answers every frame with one box.
fn finds([x0, y0, x1, y1]: [u16; 4]) -> Vec<u8> {
    let store = |at: u16, value: u16| format!("(i32.store16 (i32.const {at}) (i32.const {value}))");
    let answer = [store(130, x0), store(132, y0), store(134, x1 - x0), store(136, y1 - y0)].concat();
    let honest = include_str!("../../../../conformance-tests/hostile/honest.wat");
    let whole = "(i32.store8 (i32.const 138) (i32.const 200))";
    assert!(honest.contains(whole));
    vaern_hostile::component_of(&honest.replace(whole, &format!("{answer} {whole}"))).unwrap()
}

/// The city's folder of one picture, and what the profile says of it.
fn listed(folder: &Path, (picture, rect): &(Vec<u8>, [u16; 4])) -> String {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("1.jpg"), picture).unwrap();
    let [x0, y0, x1, y1] = rect.map(f64::from);
    let (w, h) = (f64::from(SIZE.0), f64::from(SIZE.1));
    let list = format!(
        "[[picture]]\nfile = \"1.jpg\"\nsha256 = \"{}\"\nknown = [{{ label = \"affaldscontainer\", box = [{}, {}, {}, {}] }}]\n",
        Digest::of(picture),
        x0 / w,
        y0 / h,
        x1 / w,
        y1 / h
    );
    std::fs::write(folder.join("probes.toml"), &list).unwrap();
    format!(
        "[probe]\nlist = \"{}\"\nevery_frames = 4\npictures = 3\nfound_percent = 70\nbeside_per_100 = 0\n\n[expected]",
        Digest::of(list.as_bytes())
    )
}

/// A city whose node is to show the picture, and the temporary folder that it lies in.
fn city(scene: &(Vec<u8>, [u16; 4])) -> (City, tempfile::TempDir) {
    let temp = tempfile::tempdir().unwrap();
    let rule = listed(temp.path(), scene);
    let city = City::ruled(
        &format!("[probes]\nfolder = \"{}\"\n", text(temp.path())),
        &[("[expected]", rule.as_str()), ("most_per_100 = 600", "most_per_100 = 100"), ("frames = 500", "frames = 10")],
    );
    (steady(city), temp)
}

/// One thread and room for all: each frame is seen, in its order, and gets the masks that the one before it hands on.
pub(crate) fn steady(city: City) -> City {
    city.configure("workers = 2", "workers = 1");
    city.configure("folder = \"inbox\"", "folder = \"inbox\"\nwaiting = 64");
    city
}

pub(crate) fn figure(service: &Service, name: &str) -> u64 {
    let told = service.get("/metrics").unwrap().1;
    let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

/// All that a node tells of the street: what became of the frames, and where each object was.
fn told(city: &City) -> ([u64; 4], Vec<String>) {
    let mut boxes = Vec::new();
    for window in std::fs::read_dir(city.at("out")).unwrap() {
        let found = std::fs::read(window.unwrap().path().join("detections.geojson")).unwrap();
        let found: Value = serde_json::from_slice(&found).unwrap();
        let of = |feature: &Value| format!("{} {}", feature["geometry"], feature["properties"]["label"]);
        boxes.extend(found["features"].as_array().unwrap().iter().map(of));
    }
    boxes.sort();
    (city.account(), boxes)
}

#[test]
fn ans_02n_a_release_that_finds_nothing_of_what_is_known_to_be_there_raises_an_alarm() {
    let scene = scene();
    // One that is blind, and one that answers every frame with a box: by what it finds in the street it does as expected.
    for guest in ["blind", "honest"] {
        let (city, _pictures) = city(&scene);
        let release = city.release(guest, 1, None);
        city.bring(&files(&street(), 0));
        let mut service = city.start();
        let health = service.is("the alarm", |health| health["alarms"].to_string().contains("quality: "));
        assert_eq!(health["condition"], "running", "a person must look; nothing stops");
        let health = service.saw(40);
        assert_eq!(health["alarms"].to_string().contains("drift: "), guest == "blind", "{health}");
        until("the figures are told", || figure(&service, "vaern_probe_fails") == 1);
        assert_eq!(figure(&service, "vaern_probe_found_percent"), 0);
        assert_eq!(figure(&service, "vaern_probe_beside_per_100"), if guest == "blind" { 0 } else { 100 });
        service.end();
        assert_eq!(city.account()[0], 40);
        let incidents = leaves(&city, "incident");
        assert_eq!(incidents.len(), 1, "said once: {incidents:?}");
        assert_eq!(incidents[0]["kind"], "quality_failed");
        let confirmed = leaves(&city, "release_activated");
        assert_eq!(incidents[0]["release"], confirmed[0]["release"], "{release}");
    }
}

#[test]
fn ans_02p_a_release_that_finds_what_is_known_raises_none_and_the_account_is_the_same_with_pictures_and_without() {
    let scene = scene();
    let component = finds(scene.1);
    let run = |city: &City| {
        city.release_of("finds", &component, 1, None);
        city.bring(&files(&street(), 0));
        let mut service = city.start();
        service.saw(40);
        service
    };
    let (with, _pictures) = city(&scene);
    let mut service = run(&with);
    // Each third picture is an account; a picture comes after six frames at the latest.
    until("pictures were shown", || figure(&service, "vaern_probes_total") >= 3);
    until("an account was made", || figure(&service, "vaern_probe_found_percent") == 100);
    assert_eq!((figure(&service, "vaern_probe_beside_per_100"), figure(&service, "vaern_probe_fails")), (0, 0));
    let health = service.saw(40);
    assert!(!health["alarms"].to_string().contains("ANS-02"), "{health}");
    assert_eq!(health["frames"], 40, "a picture is no frame");
    // This guest finds one object in each frame in which it finds any.
    let found = "vaern_frames_total{outcome=\"found\"}";
    until("all is told", || figure(&service, "vaern_objects_total") == figure(&service, found));
    let objects = figure(&service, "vaern_objects_total");
    service.end();
    let without = steady(City::new(""));
    run(&without).end();
    let (told, plain) = (told(&with), told(&without));
    assert_eq!(told, plain);
    assert_eq!((told.0[0], told.1.len() as u64), (40, objects));
    assert!(objects > 20 && told.0[3] == 0, "{told:?}");
    assert!(leaves(&with, "incident").is_empty());
}

#[test]
fn ans_02n_a_node_without_the_pictures_that_the_profile_asks_for_does_not_run() {
    let scene = scene();
    let refused = |city: &City, what: &str| {
        let run = vaern(&["run", "--config", text(&city.at("node.toml"))]);
        assert_eq!(run.status.code(), Some(1));
        let said = stderr(&run);
        assert!(said.contains("ANS-02") && said.contains(what), "{said}");
    };
    let (city, pictures) = city(&scene);
    city.release("honest", 1, None);
    // An easier list, an easier picture, none.
    let list = pictures.path().join("probes.toml");
    let whole = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, format!("{whole}\n")).unwrap();
    refused(&city, "the signed profile names");
    std::fs::write(&list, whole).unwrap();
    std::fs::write(pictures.path().join("1.jpg"), &street()[0]).unwrap();
    refused(&city, "is not the picture");
    city.configure("[probes]\n", "");
    city.configure(&format!("folder = \"{}\"\n", text(pictures.path())), "");
    refused(&city, "names no folder");
    let other = City::new(&format!("[probes]\nfolder = \"{}\"\n", text(pictures.path())));
    other.release("honest", 1, None);
    refused(&other, "asks for none");
}
