//! What people say about proposals: one by one, through a spreadsheet, and back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod folders;
mod streets;

use folders::{Room, saying, takes};
use vaern_proposals::{Book, Decision, ProposalError, Saying, Status};
use vaern_record::log::Event;

fn ids(book: &Book) -> Vec<String> {
    book.proposals().into_iter().map(|proposal| proposal.id).collect()
}

#[test]
fn ret_03p_a_verdict_is_a_leaf_first_and_every_one_stays_readable() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let (ids, mut log) = (ids(&book), Vec::new());
    assert!(book.proposals().iter().all(|proposal| proposal.status == Status::Waiting));
    let both = vec![saying(&ids[0], Decision::Rejected), saying(&ids[1], Decision::Confirmed)];
    let taken = book.decide(both, 5, &mut takes(&mut log)).unwrap();
    book.decide(vec![saying(&ids[0], Decision::Confirmed)], 6, &mut takes(&mut log)).unwrap();
    assert_eq!(log.len(), 3);
    let Event::Reviewed { verdict, decision, picture_shown: true } = &log[0] else { panic!("{:?}", log[0]) };
    assert_eq!((*verdict, *decision), (taken[0].reference(), vaern_record::log::Decision::Rejected));
    assert!(matches!(Book::open(room.dir.try_clone().unwrap()), Err(ProposalError::Busy)));
    drop(book);
    let book = Book::open(room.dir.try_clone().unwrap()).unwrap();
    assert_eq!(book.standing(&ids[0]).unwrap().decision, Decision::Confirmed);
    let kept = folders::read_json(&room.dir, "verdicts.json");
    assert_eq!(kept.as_array().unwrap().len(), 3, "the earlier verdict stays readable");
}

#[test]
fn ret_03n_without_a_picture_nobody_confirms_or_rejects() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let (ids, mut log) = (ids(&book), Vec::new());
    let unseen = |decision| Saying { picture_shown: false, ..saying(&ids[0], decision) };
    for decision in [Decision::Confirmed, Decision::Rejected] {
        let refused = book.decide(vec![unseen(decision)], 1, &mut takes(&mut log));
        assert!(matches!(refused, Err(ProposalError::NotShown(_))));
    }
    room.runs[0].remove_dir_all("pictures").unwrap();
    for decision in [Decision::Confirmed, Decision::Rejected] {
        let refused = book.decide(vec![saying(&ids[0], decision)], 1, &mut takes(&mut log));
        assert!(matches!(refused, Err(ProposalError::NoPicture(_))));
    }
    for (field, value) in [("reason", String::new()), ("reason", "x".repeat(1_001)), ("reviewer", "  ".to_owned())] {
        let mut bad = unseen(Decision::Undecidable);
        *(if field == "reason" { &mut bad.reason } else { &mut bad.reviewer }) = value;
        let both = vec![unseen(Decision::Undecidable), bad];
        let refused = book.decide(both, 1, &mut takes(&mut log));
        assert!(matches!(refused, Err(ProposalError::Missing { what, .. }) if what == field));
    }
    let unknown = book.decide(vec![saying("p0", Decision::Undecidable)], 1, &mut takes(&mut log));
    assert!(matches!(unknown, Err(ProposalError::NoProposal(_))));
    assert!(log.is_empty() && book.standing(&ids[0]).is_none(), "all of a call or none, in the log as well");
    book.decide(vec![unseen(Decision::Undecidable)], 1, &mut takes(&mut log)).unwrap();
    assert_eq!(book.proposals()[0].status, Status::Undecidable);
}

#[test]
fn ret_03n_a_verdict_that_the_log_does_not_take_does_not_stand() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let id = ids(&book)[0].clone();
    let refused = book.decide(vec![saying(&id, Decision::Confirmed)], 1, &mut |_| Err("full".to_owned()));
    assert!(matches!(refused, Err(ProposalError::Log(_))));
    assert!(book.standing(&id).is_none() && !room.dir.exists("verdicts.json"));
}

#[test]
fn ret_03p_what_was_rejected_and_is_seen_again_waits_for_a_person_again() {
    let room = Room::of(2);
    let mut book = room.book(1);
    let mut log = Vec::new();
    let all: Vec<Saying> = ids(&book).iter().map(|id| saying(id, Decision::Rejected)).collect();
    book.decide(all, 1, &mut takes(&mut log)).unwrap();
    assert!(book.proposals().iter().all(|proposal| proposal.status == Status::Withdrawn));
    drop(book);
    let book = room.book(2);
    let again: Vec<_> =
        book.proposals().into_iter().filter(|p| p.runs == 2 && book.standing(&p.id).is_some()).collect();
    assert!(!again.is_empty() && again.iter().all(|proposal| proposal.status == Status::Waiting));
}

/// Replaces the cells that a reviewer fills in.
fn filled(table: &str, id: &str, cells: &str) -> String {
    let old = table.lines().find(|line| line.contains(id)).unwrap();
    let kept: Vec<&str> = old.split(';').take(13).collect();
    table.replace(old, &format!("{};{cells}", kept.join(";")))
}

#[test]
fn ret_03p_a_table_goes_out_is_filled_in_and_comes_back() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let (ids, mut log) = (ids(&book), Vec::new());
    let table = book.table();
    assert!(table.starts_with('\u{feff}') && table.contains("\"0,812\"") && table.contains("\r\n"));
    assert_eq!(book.sayings(table.as_bytes()).unwrap(), [], "an empty table decides nothing");
    let table = filled(&table, &ids[0], "Bekræftet;Å. Bo;\"det ses; tydeligt \"\"her\"\"\";ja");
    let table = filled(&table, &ids[2], "kan ikke vurderes;Å. Bo;'-for mørkt;");
    let sayings = book.sayings(table.as_bytes()).unwrap();
    assert_eq!(book.decide(sayings, 6, &mut takes(&mut log)).unwrap().len(), 2);
    assert_eq!(book.standing(&ids[0]).unwrap().reason, "det ses; tydeligt \"her\"");
    assert_eq!(book.standing(&ids[2]).unwrap().reason, "-for mørkt");
    assert!(book.standing(&ids[1]).is_none());
    // Read back as it is given out now, it says nothing new.
    let table = book.table();
    assert!(table.contains("\"'-for mørkt\""), "a spreadsheet must not take it for a formula");
    assert_eq!(book.sayings(table.as_bytes()).unwrap(), []);
    // What a Danish spreadsheet does to a table by itself is not somebody's change.
    let day = book.proposals()[1].days.clone().unwrap().0;
    let parts: Vec<&str> = day.split('-').collect();
    let danish = format!("{}-{}-{}", parts[2], parts[1], parts[0]);
    let plain = table.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace(&day, &danish).replace('"', "");
    let plain = plain.replace("det ses; tydeligt her", "\"det ses; tydeligt \"\"her\"\"\"") + ";;;;;;;;;;;;;;;;\n";
    assert_eq!(book.sayings(plain.as_bytes()).unwrap(), []);
}

#[test]
fn ret_03n_a_table_that_is_not_the_one_given_out_is_refused_whole() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let ids = ids(&book);
    let honest = filled(&book.table(), &ids[0], "bekræftet;B;grund;ja");
    let line_of = |id: &str| honest.lines().position(|line| line.contains(id)).unwrap() + 1;
    let second = honest.lines().nth(2).unwrap().to_owned();
    let cell = |n: usize, text: &str| {
        let mut cells: Vec<&str> = second.split(';').collect();
        cells[n] = text;
        honest.replace(&second, &cells.join(";"))
    };
    let other = Room::of(1);
    let cases = [
        ("a renamed column", honest.replace("begrundelse", "grund"), 1),
        ("another label", cell(2, "skraldespand"), 3),
        ("a higher score", cell(3, "0,9"), 3),
        ("a moved place", cell(4, "55,700000"), 3),
        ("a smaller error", cell(6, "0,1"), 3),
        ("another kind of place", cell(7, "kameraets sted"), 3),
        ("another day", cell(8, "2026-01-01"), 3),
        ("more observations", cell(10, "99"), 3),
        ("another picture", cell(11, "pictures/other.jpg"), 3),
        ("a status by hand", cell(12, "bekræftet"), 3),
        ("an unknown id", honest.replace(&ids[1], &format!("p{}", "0".repeat(32))), line_of(&ids[1])),
        (
            "two ids changed places",
            honest.replace(&ids[1], "X").replace(&ids[2], &ids[1]).replace('X', &ids[2]),
            line_of(&ids[1]),
        ),
        ("a line twice", format!("{honest}{second}\r\n"), honest.lines().count() + 1),
        ("an unknown word", filled(&honest, &ids[2], "måske;B;grund;ja"), line_of(&ids[2])),
        ("an unknown yes", filled(&honest, &ids[2], "afvist;B;grund;tja"), line_of(&ids[2])),
        ("a column too few", filled(&honest, &ids[2], "afvist;B;grund"), line_of(&ids[2])),
        ("a column too many", filled(&honest, &ids[2], "afvist;B;grund;ja;ja"), line_of(&ids[2])),
        ("no reason", filled(&honest, &ids[2], "afvist;B;;ja"), line_of(&ids[2])),
        ("no reviewer", filled(&honest, &ids[2], "afvist;;grund;ja"), line_of(&ids[2])),
        ("a reason without a verdict", filled(&honest, &ids[2], ";B;grund;"), line_of(&ids[2])),
        ("not shown", filled(&honest, &ids[2], "afvist;B;grund;nej"), line_of(&ids[2])),
        ("no end", format!("{honest}\"a1"), honest.lines().count() + 1),
    ];
    for (what, table, at) in cases {
        match book.sayings(table.as_bytes()) {
            Err(ProposalError::Table { line, why }) => {
                assert_eq!(line, at, "{what}: {why}");
                assert!(why.len() > 10, "{what}: {why}");
            }
            taken => panic!("{what}: {taken:?}"),
        }
    }
    // Whoever took the wrong file is told so, and not that one of its ids is unknown.
    match book.sayings(other.book(1).table().as_bytes()) {
        Err(ProposalError::Table { line: 2, why }) => assert!(why.contains("another folder"), "{why}"),
        taken => panic!("another folder's: {taken:?}"),
    }
    assert!(matches!(book.sayings(b"\xe6"), Err(ProposalError::Table { .. })));
    // A table that others overtook is old.
    let mut log = Vec::new();
    book.decide(vec![saying(&ids[1], Decision::Rejected)], 1, &mut takes(&mut log)).unwrap();
    assert!(matches!(book.sayings(honest.as_bytes()), Err(ProposalError::Table { .. })));
    assert!(book.standing(&ids[0]).is_none(), "nothing of a table that is refused is taken");
}

#[test]
fn whatever_a_reason_holds_comes_back() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let id = ids(&book)[0].clone();
    let mut log = Vec::new();
    for reason in ["'", "''x", "=1+1", "'=1", "\"", ";", "a\"b;c", "+45", "@x", "'-", "æøå ×"] {
        let said = Saying { reason: reason.to_owned(), ..saying(&id, Decision::Confirmed) };
        book.decide(vec![said], 1, &mut takes(&mut log)).unwrap();
        assert_eq!(book.sayings(book.table().as_bytes()).unwrap(), [], "{reason}");
    }
}

/// A picture of a street: everything dark, and the box bright.
fn street([width, height]: [u16; 2], [x0, y0, x1, y1]: [u16; 4]) -> Vec<u8> {
    let bright = |x, y| (x0..x1).contains(&x) && (y0..y1).contains(&y);
    let rgb: Vec<u8> =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| [if bright(x, y) { 240 } else { 20 }; 3])).collect();
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 95);
    encoder.encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    jpeg
}

#[test]
fn skj_05n_a_reviewer_sees_the_masked_crop_and_the_block_and_no_more_of_the_street() {
    use base64::Engine as _;
    let room = Room::of(1);
    let finds = folders::read_json(&room.runs[0], "detections.geojson");
    for find in finds["features"].as_array().unwrap() {
        let told = &find["properties"];
        let numbers = |field: &str| -> Vec<u16> { serde_json::from_value(told[field].clone()).unwrap() };
        let (frame, around) = (numbers("frame_px"), numbers("box_px"));
        let jpeg = street([frame[0], frame[1]], [around[0], around[1], around[2], around[3]]);
        room.runs[0].write(told["picture"].as_str().unwrap(), jpeg).unwrap();
    }
    let book = room.book(1);
    let (page, shown) = book.page(&mut |_| None);
    let proposals = book.proposals();
    assert_eq!(shown, proposals.len());
    let crops: Vec<&str> =
        page.split("data:image/png;base64,").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(crops.len(), shown, "one crop for each, and no other picture");
    assert!(!page.contains("data:image/jpeg") && !page.contains("<script"));
    for crop in crops {
        let png = base64::engine::general_purpose::STANDARD.decode(crop).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        let bright = rgb.iter().filter(|value| **value > 128).count();
        assert!(bright * 5 > rgb.len(), "the crop is of the object, not of the street: {bright} of {}", rgb.len());
    }
    // Neither the page nor the table says where exactly, and neither says a time of day or a frame.
    let (table, mut checked) = (book.table(), 0);
    for proposal in &proposals {
        let place = proposal.place.unwrap();
        for (exact, of) in [(place.latitude, 0.001), (place.longitude, 0.002)] {
            let danish = format!("{exact:.5}").replace('.', ",");
            // One that stands in the very middle of its block is told by the block.
            let middle = ((exact / of).floor() + 0.5) * of;
            if (exact - middle).abs() > 1e-5 {
                assert!(!page.contains(&danish) && !table.contains(&danish), "{danish}");
                checked += 1;
            }
        }
        assert!(page.contains(&proposal.id) && table.contains(&proposal.id), "SKJ-05P");
        assert!(!proposal.seen.is_empty());
    }
    assert!(checked >= proposals.len(), "{checked}");
    for told in finds["features"].as_array().unwrap().iter().map(|find| &find["properties"]) {
        for field in ["time", "frame_id", "picture"] {
            assert!(!page.contains(told[field].as_str().unwrap()), "{field}");
        }
    }
    // A picture that is not the one of the find shows nothing.
    for find in finds["features"].as_array().unwrap() {
        let picture = find["properties"]["picture"].as_str().unwrap();
        room.runs[0].write(picture, street([64, 64], [1, 1, 8, 8])).unwrap();
    }
    assert!(!book.page(&mut |_| None).0.contains("data:image"));
}

#[test]
fn mal_04p_mal_06n_vendors_get_counts_of_verdicts_and_reasons_and_nothing_of_people_or_places() {
    let room = Room::of(1);
    let mut book = room.book(1);
    let (ids, mut log) = (ids(&book), Vec::new());
    let because = |id: &str, decision, reason: &str| Saying {
        reason: reason.to_owned(),
        reviewer: "Åse Bo".to_owned(),
        ..saying(id, decision)
    };
    let sayings = vec![
        because(&ids[0], Decision::Rejected, "det er kun en Skygge ved nr. 7"),
        because(&ids[1], Decision::Rejected, "en bil"),
        because(&ids[2], Decision::Confirmed, "skygge, men den står der"),
        because(&ids[3], Decision::Undecidable, "for mørkt"),
    ];
    book.decide(sayings, 5, &mut takes(&mut log)).unwrap();
    let figures = serde_json::to_value(book.figures()).unwrap();
    let labels = figures["releases"][folders::RELEASE].as_object().unwrap();
    let sum = |field: &str| labels.values().map(|said| said[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("confirmed"), sum("rejected"), sum("undecidable")), (1, 2, 1));
    assert_eq!(sum("waiting"), ids.len() as u64 - 4);
    let reasons: std::collections::BTreeMap<String, u64> = labels
        .values()
        .flat_map(|said| said["reasons"].as_object().unwrap().clone())
        .map(|(reason, count)| (reason, count.as_u64().unwrap()))
        .collect();
    assert_eq!(reasons, [("skygge".to_owned(), 1), ("andet".to_owned(), 1)].into(), "MAL-06P");
    let text = figures.to_string();
    for told in ["Åse", "nr. 7", "bil", "mørkt", "2026", "pictures", "latitude", "55.6"] {
        assert!(!text.contains(told), "{told}: {text}");
    }
    assert!(ids.iter().all(|id| !text.contains(id)));
    let guide = vaern_proposals::guide();
    for word in ["skygge", "spejling", "anden genstand", "for langt væk", "dækket", "dublet", "privat grund"] {
        assert!(guide.contains(&format!("<em>{word}</em>")), "MAL-06: the guidance names what is counted: {word}");
    }
    assert!(guide.contains("Ser du et menneske") && guide.contains("lang=\"da\""));
}
