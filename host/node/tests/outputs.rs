//! What the output files say, and what foreign text in a run cannot make them say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::made_up_run;
use vaern_door::Label;
use vaern_node::outcome::{FrameResult, Run};
use vaern_node::{report, sinks};

const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xd9];

fn pictures(run: &Run) -> BTreeMap<usize, Vec<u8>> {
    run.frames.iter().filter(|f| matches!(f.result, FrameResult::Seen(_))).map(|f| (f.number, JPEG.to_vec())).collect()
}

fn page(run: &Run) -> String {
    report::html(run, &pictures(run), 12)
}

/// The fields of each line of a CSV file, by a reader that knows only RFC 4180 with `;`.
fn records(csv: &str) -> Vec<Vec<String>> {
    let body = csv.strip_prefix('\u{feff}').expect("byte order mark");
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => field.push(chars.next().unwrap()),
            ('"', _) => quoted = !quoted,
            (';', false) => record.push(std::mem::take(&mut field)),
            ('\r', false) => {
                assert_eq!(chars.next(), Some('\n'), "lines end with CR LF");
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            (c, _) => field.push(c),
        }
    }
    assert!(field.is_empty() && record.is_empty() && !quoted, "the last line is whole");
    records
}

/// Every text of the run that the city's program does not write itself.
fn put_into_every_text(run: &mut Run, text: &str) {
    for caution in &mut run.cautions {
        *caution = (text.to_owned(), text.to_owned());
    }
    run.started = text.to_owned();
    let release = run.release.as_mut().unwrap();
    for field in [
        &mut release.name,
        &mut release.version,
        &mut release.vendor,
        &mut release.responsible,
        &mut release.approved_until,
    ] {
        *field = text.to_owned();
    }
    release.interfaces.push(text.to_owned());
    let policy = &mut run.policy;
    for field in [
        &mut policy.purpose,
        &mut policy.dk,
        &mut policy.en,
        &mut policy.legal_basis,
        &mut policy.masking,
        &mut policy.backend,
        &mut policy.detectors[0].0,
    ] {
        *field = text.to_owned();
    }
    for frame in &mut run.frames {
        frame.file = text.to_owned();
        match &mut frame.result {
            FrameResult::Refused(refusal) => refusal.detail = text.to_owned(),
            FrameResult::Seen(seen) => {
                seen.frame_id = text.to_owned();
                seen.picture = Some(text.to_owned());
                for object in &mut seen.objects {
                    object.id = text.to_owned();
                }
            }
        }
    }
}

#[test]
fn foreign_text_becomes_no_markup_in_the_report() {
    let with = |text: &str| {
        let mut run = made_up_run(40);
        put_into_every_text(&mut run, text);
        page(&run)
    };
    let shape = |page: &str| ['<', '>', '"'].map(|sign| page.matches(sign).count());
    let calm = with("calm");
    for (hostile, readable) in [
        ("<script>alert(1)</script>.jpg", "&lt;script&gt;alert(1)&lt;/script&gt;.jpg"),
        ("\"><img src=x onerror=alert(1)>", "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("'><svg/onload=alert(1)>", "&#39;&gt;&lt;svg/onload=alert(1)&gt;"),
        ("</style></title><b>", "&lt;/style&gt;&lt;/title&gt;&lt;b&gt;"),
        ("<!--", "&lt;!--"),
        ("&lt;", "&amp;lt;"),
    ] {
        let page = with(hostile);
        assert!(!page.contains(hostile) || hostile == "&lt;", "{hostile}");
        assert_eq!(shape(&page), shape(&calm), "{hostile} changed the markup");
        assert_eq!(
            page.matches(readable).count(),
            calm.matches("calm").count(),
            "{hostile} can still be read everywhere"
        );
    }
}

#[test]
fn file_names_keep_no_control_over_the_direction_of_writing() {
    let mut run = made_up_run(4);
    run.frames[3].file = "foto\u{202e}gpj.exe\u{0}\u{7}".to_owned();
    for text in [page(&run), sinks::frames_csv(&run)] {
        assert!(!text.contains(['\u{202e}', '\u{0}', '\u{7}']));
        assert!(text.contains("foto\u{fffd}gpj.exe"));
    }
}

#[test]
fn the_report_fetches_nothing_and_runs_nothing() {
    let run = made_up_run(40);
    let page = page(&run);
    assert!(page.contains(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
    ));
    for sign in [
        "http:",
        "https:",
        "//",
        "url(",
        "@import",
        "<link",
        "<script",
        "<iframe",
        "<object",
        "<base",
        "srcset",
        "href=",
        "xlink",
        "action=",
        "onload",
        "javascript",
    ] {
        assert!(!page.to_ascii_lowercase().contains(sign), "{sign}");
    }
    let sources: Vec<&str> = page.split(" src=").skip(1).collect();
    assert_eq!(sources.len(), 12, "one picture for each place in the gallery");
    assert!(sources.iter().all(|s| s.starts_with("\"data:image/jpeg;base64,")));
}

#[test]
fn the_report_can_be_read_aloud() {
    let page = page(&made_up_run(40));
    assert!(page.starts_with("<!doctype html>\n<html lang=\"da\">"));
    assert_eq!(page.matches("<h1>").count(), 1);
    assert!(!page.contains("<h3") && !page.contains("<h4"), "no level is skipped");
    assert_eq!(page.matches("<img ").count(), page.matches("<img alt=\"Maskeret gadebillede").count());
    assert_eq!(page.matches("<table").count(), page.matches("<caption>").count());
    assert_eq!(page.matches("<th ").count() + page.matches("<th>").count(), page.matches("<th scope=").count());
    // Whatever is said in one language is said in the other.
    assert_eq!(
        page.matches("lang=\"da\"").count() - 1,
        page.matches("lang=\"en\"").count() - page.matches("class=\"always\"").count()
    );
    let ids: Vec<&str> = page.split(" id=\"").skip(1).map(|s| s.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
    for reference in page.split("aria-labelledby=\"").skip(1).map(|s| s.split('"').next().unwrap()) {
        assert!(ids.contains(&reference), "{reference}");
    }
}

#[test]
fn every_part_of_the_page_is_closed() {
    let mut mask_only = made_up_run(40);
    mask_only.release = None;
    for run in [made_up_run(0), made_up_run(1), made_up_run(40), mask_only] {
        let page = page(&run);
        let mut open: Vec<&str> = Vec::new();
        for tag in page.split('<').skip(1).map(|t| t.split('>').next().unwrap()) {
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            if matches!(name, "!doctype" | "meta" | "img" | "input") || tag.ends_with('/') {
                continue;
            }
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn frames_in_is_seen_and_refused_in_every_output() {
    let run = made_up_run(43);
    let summary = run.summary();
    assert_eq!(summary.frames_in, 43);
    assert_eq!(summary.frames_in, summary.frames_seen + summary.frames_refused);

    let json: serde_json::Value = serde_json::from_str(&sinks::summary_json(&run).unwrap()).unwrap();
    let figure = |name: &str| usize::try_from(json[name].as_u64().unwrap()).unwrap();
    assert_eq!(figure("frames_in"), figure("frames_seen") + figure("frames_refused"));
    assert_eq!((figure("frames_in"), figure("frames_refused")), (summary.frames_in, summary.frames_refused));
    assert_eq!(json["release"]["digest"], run.release.as_ref().unwrap().digest.to_string());
    assert_eq!(json["policy"]["digest"], run.policy.digest.to_string());
    assert_eq!(json["cautions"][0]["da"], run.cautions[0].0);

    let csv = sinks::frames_csv(&run);
    let records = records(&csv);
    let outcomes = |word: &str| records.iter().filter(|r| r[2] == word).count();
    assert_eq!(records.len() - 1, summary.frames_in);
    assert_eq!((outcomes("set"), outcomes("afvist")), (summary.frames_seen, summary.frames_refused));

    let page = page(&run);
    assert!(page.contains(&format!(
        "{} ind = {} set + {} afvist",
        summary.frames_in, summary.frames_seen, summary.frames_refused
    )));
    let listed = page.split("class=\"refused-table\"").nth(1).unwrap().matches("<th scope=\"row\"><bdi>").count();
    assert_eq!(listed, summary.frames_refused);
}

#[test]
fn proposals_are_geojson_and_as_many_as_the_summary_says() {
    let mut run = made_up_run(40);
    let unplaced = run.frames.iter_mut().find_map(|f| match &mut f.result {
        FrameResult::Seen(seen) if seen.objects.len() == 2 => Some(seen),
        _ => None,
    });
    unplaced.unwrap().position = None;

    let text = sinks::detections_geojson(&run).unwrap();
    assert_eq!(text, sinks::detections_geojson(&run).unwrap(), "the same run gives the same bytes");
    let geojson::GeoJson::FeatureCollection(collection) = text.parse::<geojson::GeoJson>().unwrap() else {
        panic!("not a feature collection")
    };
    assert_eq!(collection.features.len(), run.summary().detections);
    assert_eq!(collection.features.iter().filter(|f| f.geometry.is_none()).count(), 2);
    assert!(collection.foreign_members.is_none() && collection.bbox.is_none());
    for feature in &collection.features {
        let property = |name: &str| feature.property(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(property("review"), "afventer", "RET-03: a proposal, never a decision");
        assert_eq!(property("release"), &run.release.as_ref().unwrap().digest.to_string());
        assert_eq!(property("policy"), &run.policy.digest.to_string());
        assert_eq!(property("purpose"), &run.policy.purpose);
        assert!(matches!(property("score").as_f64().unwrap(), 0.839 | 0.514));
        let Some(geometry) = &feature.geometry else {
            assert!(property("position_is").is_null() && property("position_error_m").is_null());
            continue;
        };
        assert_eq!(property("position_is"), "camera");
        assert!(property("time").as_str().unwrap().ends_with('Z'));
        let point = serde_json::to_value(geometry).unwrap();
        let at: Vec<f64> = serde_json::from_value(point["coordinates"].clone()).unwrap();
        assert!((12.0..13.0).contains(&at[0]) && (55.0..56.0).contains(&at[1]), "longitude first: {at:?}");
        for degrees in at {
            assert!(degrees.to_string().split('.').nth(1).is_none_or(|d| d.len() <= 7), "{degrees}");
        }
    }
}

#[test]
fn a_place_that_is_none_never_becomes_a_point() {
    let mut run = made_up_run(1);
    let FrameResult::Seen(seen) = &mut run.frames[0].result else { panic!() };
    for (latitude, longitude) in [(f64::NAN, 12.0), (55.0, f64::INFINITY), (6_175_804.0, 724_352.0)] {
        let place = seen.position.as_mut().unwrap();
        (place.latitude, place.longitude) = (latitude, longitude);
        let mut run = made_up_run(1);
        run.frames[0].result = FrameResult::Seen(seen.clone());
        let collection: geojson::FeatureCollection =
            sinks::detections_geojson(&run).unwrap().parse::<geojson::GeoJson>().unwrap().try_into().unwrap();
        assert!(!collection.features.is_empty() && collection.features.iter().all(|f| f.geometry.is_none()));
        assert_eq!(records(&sinks::frames_csv(&run))[1][6], "");
        assert!(!page(&run).contains("NaN") && !page(&run).contains("inf\""));
    }
}

#[test]
fn the_csv_opens_in_a_danish_spreadsheet() {
    let run = made_up_run(8);
    let csv = sinks::frames_csv(&run);
    assert!(csv.as_bytes().starts_with(&[0xef, 0xbb, 0xbf]));
    assert_eq!(csv.matches('\n').count(), csv.matches("\r\n").count());
    let records = records(&csv);
    assert!(records.iter().all(|r| r.len() == 18));
    assert_eq!(records[0][..4], ["nummer", "fil", "udfald", "årsag"]);
    let first = &records[1];
    assert_eq!((first[0].as_str(), first[2].as_str(), first[14].as_str()), ("1", "set", "2"));
    assert!(first[6].starts_with("55,") && first[7].starts_with("12,"), "{first:?}");
    assert_eq!(first[9], "2026-11-23T06:40:02Z");
    let refused = &records[4];
    assert_eq!(refused[2..6], ["afvist", "no_fix", "MIN-04", "driften"]);
    assert!(refused[6..].iter().all(String::is_empty), "a refused frame leaves no position: {refused:?}");
}

#[test]
fn a_file_name_is_never_a_formula() {
    let mut run = made_up_run(6);
    let names = ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "a,=cmd()"];
    for (frame, name) in run.frames.iter_mut().zip(names) {
        frame.file = name.to_owned();
    }
    let csv = sinks::frames_csv(&run);
    for (record, name) in records(&csv).iter().skip(1).zip(names) {
        // Whichever separator the reader was told.
        for cell in record[1].split([',', ';', '\t']) {
            assert!(!cell.trim_start().starts_with(['=', '+', '-', '@', '\r']), "{name:?} became {cell:?}");
        }
        assert!(record[1].contains('\''), "{name:?} became {:?}", record[1]);
    }
    assert!(csv.contains("\r\n1;\"'=cmd()\";\"set\";"), "all text is quoted: {csv}");
}

#[test]
fn the_gallery_keeps_to_its_limit_and_prefers_finds() {
    let run = made_up_run(40);
    let with_finds =
        run.frames.iter().filter(|f| matches!(&f.result, FrameResult::Seen(s) if !s.objects.is_empty())).count();
    for limit in [0, 1, 5, with_finds] {
        let page = report::html(&run, &pictures(&run), limit);
        assert_eq!(page.matches("<figure>").count(), limit);
        assert_eq!(
            page.matches("<figcaption>").count(),
            page.matches("<ol>").count(),
            "only frames with finds at {limit}"
        );
    }
    let all = report::html(&run, &pictures(&run), 1000);
    assert_eq!(all.matches("<figure>").count(), run.summary().frames_seen);
    assert!(all.contains("Alle gemte billeder er vist."));
    // A caller that reads only what will be shown does not make the report say that nothing else is kept.
    let few: BTreeMap<usize, Vec<u8>> = pictures(&run).into_iter().take(3).collect();
    let kept = run.summary().frames_seen;
    assert!(report::html(&run, &few, 12).contains(&format!("3 af {kept} gemte billeder er vist")));
    assert!(!report::html(&run, &BTreeMap::new(), 12).contains("<figure>"));
}

#[test]
fn only_a_plugin_without_pixels_is_called_blind() {
    let never = "aldrig set en pixel";
    let with = |interfaces: &[&str]| {
        let mut run = made_up_run(4);
        run.release.as_mut().unwrap().interfaces = interfaces.iter().map(ToString::to_string).collect();
        page(&run)
    };
    assert!(with(&["models"]).contains(never));
    assert!(with(&[]).contains(never));
    for interfaces in [&["pixels"][..], &["zoom"], &["models", "pixels"], &["models", "zoom"]] {
        assert!(!with(interfaces).contains(never), "{interfaces:?}");
    }
    let mut mask_only = made_up_run(4);
    mask_only.release = None;
    assert!(!page(&mask_only).contains(never));
    assert!(page(&mask_only).contains("Intet plugin har kørt"));
    assert_eq!(records(&sinks::frames_csv(&mask_only))[1][2], "maskeret");
}

#[test]
fn every_reason_of_the_table_and_a_new_one_can_be_read() {
    let mut run = made_up_run(8);
    let FrameResult::Refused(refusal) = &mut run.frames[3].result else { panic!() };
    refusal.reason = "a_reason_of_tomorrow";
    let page = page(&run);
    assert!(page.contains("a_reason_of_tomorrow <code>a_reason_of_tomorrow</code>"));
    assert!(page.contains("Billedet er afbrudt: slutningen mangler."));
    assert!(page.contains("The picture is cut off: its end is missing."));
}

#[test]
fn labels_are_counted_by_their_own_name() {
    let mut run = made_up_run(1);
    let FrameResult::Seen(seen) = &mut run.frames[0].result else { panic!() };
    seen.objects[0].label = Label::new("skurvogn").unwrap();
    let page = page(&run);
    assert!(page.contains("<td class=\"n\">1</td><th scope=\"row\">skurvogn</th>"));
}

/// The part of the report with the map.
fn map_of(run: &Run) -> String {
    let page = page(run);
    let from = page.find("id=\"h-map\"").expect("a map");
    let to = page[from..].find("</section>").expect("its end");
    page[from..from + to].to_owned()
}

#[test]
fn skj_05n_the_map_of_a_report_tells_a_block_and_neither_place_nor_direction() {
    // Each camera somewhere else in its block, and looking elsewhere.
    let placed = |north: f64, east: f64, heading: f64| {
        let mut run = made_up_run(40);
        for frame in &mut run.frames {
            if let FrameResult::Seen(seen) = &mut frame.result
                && let Some(place) = &mut seen.position
            {
                place.latitude = ((place.latitude / 0.001).floor() + north) * 0.001;
                place.longitude = ((place.longitude / 0.002).floor() + east) * 0.002;
                place.heading = Some(heading);
            }
        }
        map_of(&run)
    };
    let map = placed(0.2, 0.3, 10.0);
    assert!(map.contains("<circle") || map.contains("class=\"found\""), "{map}");
    assert_eq!(map, placed(0.8, 0.9, 200.0));
    let exact = map_of(&made_up_run(40));
    assert_eq!(map.matches("<title>").count(), exact.matches("<title>").count(), "SKJ-05P: the same blocks");
}
