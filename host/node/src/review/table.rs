//! The reviewer's list as a table that goes through a Danish spreadsheet and back.
//!
//! `;` between fields and a byte order mark, as Danish spreadsheets read and write it. A text that begins like a formula gets an
//! apostrophe before it, which is taken off again on the way back.

use vaern_door::guard;

use super::{Decision, Proposal, ReviewError, Reviews, Verdict};

const COLUMNS: [&str; 10] = [
    "id",
    "etiket",
    "score",
    "tidspunkt",
    "billede",
    "status",
    "afgørelse",
    "sagsbehandler",
    "begrundelse",
    "billede_vist",
];

const YES: &str = "ja";
const NO: &str = "nej";

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\''];

pub(super) fn write(reviews: &Reviews) -> String {
    let mut text = String::from('\u{feff}');
    line(&mut text, &COLUMNS.map(str::to_owned));
    for proposal in reviews.proposals() {
        let standing = reviews.standing(&proposal.id);
        let of = |field: fn(&Verdict) -> &str| standing.map(field).unwrap_or_default().to_owned();
        let shown = match standing {
            None => "",
            Some(verdict) if verdict.picture_shown => YES,
            Some(_) => NO,
        };
        line(
            &mut text,
            &[
                proposal.id.clone(),
                proposal.label.clone(),
                format!("{:.3}", proposal.score).replace('.', ","),
                proposal.time.clone().unwrap_or_default(),
                proposal.picture.clone().unwrap_or_else(|| "slettet".to_owned()),
                standing.map_or("afventer", |verdict| verdict.decision.as_str()).to_owned(),
                of(|verdict| verdict.decision.as_str()),
                of(|verdict| &verdict.reviewer),
                of(|verdict| &verdict.reason),
                shown.to_owned(),
            ],
        );
    }
    text
}

fn line(text: &mut String, fields: &[String; COLUMNS.len()]) {
    let quoted = fields.each_ref().map(|field| {
        let guard = if field.starts_with(FORMULA) { "'" } else { "" };
        format!("\"{guard}{}\"", field.replace('"', "\"\""))
    });
    text.push_str(&quoted.join(";"));
    text.push_str("\r\n");
}

pub(super) fn read(reviews: &Reviews, bytes: &[u8], time: i64) -> Result<Vec<Verdict>, ReviewError> {
    let wrong = |line, why| ReviewError::Table { line, why };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| wrong(1, "it is not UTF-8: save it as `CSV UTF-8`"))?
        .trim_start_matches('\u{feff}');
    let mut rows = rows(text)?.into_iter();
    if rows.next().is_none_or(|(_, header)| header != COLUMNS) {
        return Err(wrong(1, "its columns are not those that were given out"));
    }
    let mut fresh = Vec::new();
    for (at, fields) in rows {
        let Ok([id, label, _, _, _, _, decision, reviewer, reason, shown]) =
            <[String; COLUMNS.len()]>::try_from(fields)
        else {
            return Err(wrong(at, "it has not as many fields as there are columns"));
        };
        let known: Option<&Proposal> = reviews.proposals().iter().find(|proposal| proposal.id == id);
        let Some(known) = known else { return Err(wrong(at, "its id is none of this result")) };
        // A row that was sorted apart from its id would put a verdict on something else.
        if known.label != label {
            return Err(wrong(at, "its id and its label do not belong together"));
        }
        // What nobody filled in stays undecided: no verdict is ever the program's own.
        if decision.trim().is_empty() && guard::stands("node.review_undecided") {
            continue;
        }
        let word = decision.trim().to_lowercase();
        let Some(decision) = Decision::ALL.into_iter().find(|known| known.as_str() == word) else {
            return Err(wrong(at, "a verdict is `bekræftet`, `afvist` or `kan ikke vurderes`"));
        };
        let picture_shown = match shown.trim().to_lowercase().as_str() {
            YES => true,
            NO | "" => false,
            _ => return Err(wrong(at, "`billede_vist` is `ja` or `nej`")),
        };
        let (reviewer, reason) = (reviewer.trim().to_owned(), reason.trim().to_owned());
        let verdict = Verdict { id, decision, reviewer, reason, picture_shown, time };
        let stands = reviews.standing(&verdict.id).is_some_and(|old| Verdict { time, ..old.clone() } == verdict);
        if !stands {
            fresh.push(verdict);
        }
    }
    Ok(fresh)
}

/// Rows with the line that each begins on. Empty lines are passed over.
fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>, ReviewError> {
    let wrong = |line, why| ReviewError::Table { line, why };
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut at, mut begun, mut inside) = (1, 1, false);
    let mut end = |row: &mut Vec<String>, field: &mut String, begun: usize| {
        let text = std::mem::take(field);
        if !row.is_empty() || !text.is_empty() {
            row.push(unguarded(text));
            rows.push((begun, std::mem::take(row)));
        }
    };
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        at += usize::from(letter == '\n');
        match (letter, inside) {
            ('"', true) if letters.peek() == Some(&'"') => field.extend(letters.next()),
            ('"', true) => inside = false,
            ('"', false) if field.is_empty() => inside = true,
            ('"', false) => return Err(wrong(at, "a quotation mark inside a field that is not quoted")),
            (';', false) => row.push(unguarded(std::mem::take(&mut field))),
            ('\r', false) => {}
            ('\n', false) => {
                end(&mut row, &mut field, begun);
                begun = at;
            }
            (other, _) => field.push(other),
        }
    }
    if inside {
        return Err(wrong(begun, "a quoted field has no end"));
    }
    end(&mut row, &mut field, begun);
    Ok(rows)
}

fn unguarded(field: String) -> String {
    match field.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) => rest.to_owned(),
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{result, verdict};
    use super::*;

    fn filled(table: &str, id: &str, cells: &str) -> String {
        let old = table.lines().find(|line| line.contains(id)).unwrap();
        let kept: Vec<&str> = old.split(';').take(6).collect();
        table.replace(old, &format!("{};{cells}", kept.join(";")))
    }

    #[test]
    fn ret_03p_a_table_goes_out_is_filled_in_and_comes_back() {
        let (_room, mut reviews) = result(&["a1", "b2", "c3"]);
        let table = reviews.table();
        assert!(table.starts_with('\u{feff}') && table.contains("\"0,812\""));
        assert_eq!(reviews.take_table(table.as_bytes(), 5).unwrap(), 0, "an empty table decides nothing");
        let table = filled(&table, "a1", "Bekræftet;Å. Bo;\"det ses; tydeligt \"\"her\"\"\";ja");
        let table = filled(&table, "c3", "kan ikke vurderes;Å. Bo;'-for mørkt;");
        assert_eq!(reviews.take_table(table.as_bytes(), 6).unwrap(), 2);
        assert_eq!(reviews.standing("a1").unwrap().reason, "det ses; tydeligt \"her\"");
        assert_eq!(reviews.standing("c3").unwrap().reason, "-for mørkt");
        assert!(reviews.standing("b2").is_none());
        // Read back as it was given out, it says nothing new; without the mark and with other line ends, neither.
        let table = reviews.table();
        assert!(table.contains("\"'-for mørkt\""), "a spreadsheet must not take it for a formula");
        assert_eq!(reviews.take_table(table.as_bytes(), 7).unwrap(), 0);
        let plain = table.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        assert_eq!(reviews.take_table(plain.as_bytes(), 7).unwrap(), 0);
    }

    #[test]
    fn ret_03n_a_table_that_is_not_the_one_given_out_is_refused_whole() {
        let (_room, mut reviews) = result(&["a1"]);
        let honest = filled(&reviews.table(), "a1", "bekræftet;B;grund;ja");
        let cases = [
            (honest.replace("begrundelse", "grund"), 1),
            (honest.replace("\"b2\";\"container\"", "\"b2\";\"skraldespand\""), 3),
            (honest.replace("\"b2\"", "\"d4\""), 3),
            (filled(&honest, "c3", "måske;B;grund;ja"), 4),
            (filled(&honest, "c3", "afvist;B;grund;tja"), 4),
            (filled(&honest, "c3", "afvist;B;grund"), 4),
            (format!("{honest}\"a1"), 5),
        ];
        for (table, at) in cases {
            let refused = reviews.take_table(table.as_bytes(), 1);
            assert!(matches!(refused, Err(ReviewError::Table { line, .. }) if line == at), "{refused:?} {at}");
        }
        let unseen = filled(&honest, "c3", "afvist;B;grund;ja");
        assert!(matches!(reviews.take_table(unseen.as_bytes(), 1), Err(ReviewError::NoPicture(_))));
        assert!(reviews.take_table(b"\xe6", 1).is_err());
        assert!(reviews.standing("a1").is_none(), "nothing of a table that is refused is taken");
        assert_eq!(reviews.take_table(honest.as_bytes(), 1).unwrap(), 1);
    }

    #[test]
    fn whatever_a_reason_holds_comes_back() {
        let (_room, mut reviews) = result(&["a1"]);
        for reason in ["'", "''x", "=1+1", "'=1", "\"", ";", "a\"b;c", "+45", "@x", "'-", "æøå ×"] {
            let said = Verdict { reason: reason.to_owned(), ..verdict("a1", Decision::Confirmed) };
            reviews.decide(vec![said]).unwrap();
            let table = reviews.table();
            assert_eq!(reviews.take_table(table.as_bytes(), 9).unwrap(), 0, "{reason}");
        }
    }
}
