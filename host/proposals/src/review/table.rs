//! The reviewer's list as a table that goes through a Danish spreadsheet and back.
//!
//! `;` between fields, a comma in numbers and a byte order mark, as Danish spreadsheets read and write it. A text that begins like a
//! formula gets an apostrophe before it, which is taken off again on the way back. What a spreadsheet may do to a table on its own is
//! borne: other line ends, other quotes, days written the Danish way, zeros left off. Every other change is one that somebody made.

use std::collections::BTreeMap;

use vaern_door::guard;

use super::{Decision, Saying};
use crate::book::{Book, Proposal, Status};
use crate::coarse::Block;
use crate::error::ProposalError;

const COLUMNS: [&str; 16] = [
    "mappe",
    "id",
    "etiket",
    "score",
    "breddegrad",
    "længdegrad",
    "usikkerhed_m",
    "position",
    "først_set",
    "sidst_set",
    "antal_set",
    "billede",
    "status",
    "afgørelse",
    "sagsbehandler",
    "begrundelse",
];
/// After the columns above.
const SHOWN: &str = "billede_vist";
/// Columns that are given out to be read only.
const FIXED: usize = 13;
const ALL: usize = 17;

const YES: &str = "ja";
const NO: &str = "nej";

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

pub(super) fn write(book: &Book) -> String {
    let mut text = String::from('\u{feff}');
    line(&mut text, COLUMNS.iter().map(|column| (*column).to_owned()).chain([SHOWN.to_owned()]));
    for proposal in book.proposals().iter().filter(|proposal| !proposal.seen.is_empty()) {
        let standing = book.standing(&proposal.id);
        let stands = match proposal.status {
            // A verdict that lapsed is not filled in again by the program.
            Status::Waiting => None,
            _ => standing,
        };
        let shown = stands.map_or("", |verdict| if verdict.picture_shown { YES } else { NO });
        let said = [
            stands.map(|verdict| verdict.decision.as_str().to_owned()),
            stands.map(|verdict| verdict.reviewer.clone()),
            stands.map(|verdict| verdict.reason.clone()),
            Some(shown.to_owned()),
        ];
        line(&mut text, fixed(book, proposal).into_iter().chain(said.map(Option::unwrap_or_default)));
    }
    text
}

/// The columns that nobody is to change.
fn fixed(book: &Book, proposal: &Proposal) -> [String; FIXED] {
    // What a reviewer decides on is the picture; where exactly is for those who go there (SKJ-05).
    let kind = proposal.place.as_ref().map(|place| place.kind.danish());
    let place = proposal.place.as_ref().map(Block::of);
    let number = |value: Option<f64>, decimals: usize| {
        value.map(|value| format!("{value:.decimals$}").replace('.', ",")).unwrap_or_default()
    };
    let (first, last) = proposal.days.clone().unwrap_or_default();
    let status = match (proposal.status, proposal.cause) {
        (Status::Withdrawn, Some(_)) => Decision::Rejected.as_str(),
        (status, _) => status.as_str(),
    };
    [
        book.id().to_owned(),
        proposal.id.clone(),
        proposal.label.as_ref().map(ToString::to_string).unwrap_or_default(),
        number(Some(proposal.score), 3),
        number(place.map(|p| p.latitude), 6),
        number(place.map(|p| p.longitude), 6),
        number(place.map(|p| p.error_m), 1),
        kind.map(|kind| format!("gadeblok omkring {kind}")).unwrap_or_else(|| "ukendt".to_owned()),
        first,
        last,
        proposal.seen.len().to_string(),
        proposal.picture().and_then(|seen| seen.picture.clone()).unwrap_or_else(|| "slettet".to_owned()),
        status.to_owned(),
    ]
}

fn line(text: &mut String, fields: impl Iterator<Item = String>) {
    let quoted: Vec<String> = fields.map(|field| quoted(&field)).collect();
    text.push_str(&quoted.join(";"));
    text.push_str("\r\n");
}

/// A field in quotes that no spreadsheet takes for a formula.
pub(crate) fn quoted(field: &str) -> String {
    let guard = if field.starts_with(FORMULA) && guard::stands("proposals.formula") { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

pub(super) fn read(book: &Book, bytes: &[u8]) -> Result<Vec<Saying>, ProposalError> {
    let wrong = |line, why: &str| ProposalError::Table { line, why: why.to_owned() };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| wrong(1, "it is not UTF-8: save it as `CSV UTF-8`"))?
        .trim_start_matches('\u{feff}');
    let mut rows = rows(text)?.into_iter();
    let header = rows.next().map(|(_, header)| header).unwrap_or_default();
    if !header.iter().map(String::as_str).eq(COLUMNS.into_iter().chain([SHOWN])) {
        return Err(wrong(1, "its columns are not those that were given out"));
    }
    let proposals = book.proposals();
    let known: BTreeMap<&str, &Proposal> = proposals.iter().map(|p| (p.id.as_str(), p)).collect();
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut sayings = Vec::new();
    for (at, fields) in rows {
        // Spreadsheets end a table with rows of nothing.
        if fields.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let Some((given, [decision, reviewer, reason, shown])) = parts(&fields) else {
            return Err(wrong(at, "it has not as many fields as there are columns"));
        };
        let (folder, id) = (given.first().map_or("", String::as_str), given.get(1).map_or("", String::as_str));
        if folder != book.id() && guard::stands("proposals.table_folder") {
            return Err(wrong(at, "it is of another folder of proposals"));
        }
        let Some(proposal) = known.get(id) else { return Err(wrong(at, "its id is none of this folder")) };
        if let Some(before) = taken.insert(id.to_owned(), at) {
            return Err(wrong(at, &format!("its id stands on line {before} already")));
        }
        for ((is, was), column) in given.iter().zip(fixed(book, proposal)).zip(COLUMNS) {
            if !same(column, is, &was) && guard::stands("proposals.table_fixed") {
                let why = format!("`{column}` is not what was given out, or more was decided or seen since");
                return Err(wrong(at, &why));
            }
        }
        // What nobody filled in stays undecided: no verdict is ever the program's own.
        if decision.trim().is_empty() && guard::stands("proposals.review_undecided") {
            if !reason.trim().is_empty() || !shown.trim().is_empty() {
                return Err(wrong(at, "it has a reason or a picture shown, and no verdict"));
            }
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
        let saying = Saying { id: id.to_owned(), decision, reviewer, reason, picture_shown };
        let stands = proposal.status != Status::Waiting && book.standing(id).is_some_and(|old| old.says(&saying));
        if stands {
            continue;
        }
        super::check(proposal, &saying).map_err(|error| wrong(at, &error.to_string()))?;
        sayings.push(saying);
    }
    Ok(sayings)
}

/// What was given out, and what was filled in.
fn parts(fields: &[String]) -> Option<(&[String], [&String; 4])> {
    let (given, [decision, reviewer, reason, shown]) = fields.split_at_checked(FIXED)? else { return None };
    (fields.len() == ALL).then_some((given, [decision, reviewer, reason, shown]))
}

/// Whether a field says what was given out, whatever a spreadsheet made of its form.
fn same(column: &str, is: &str, was: &str) -> bool {
    let (is, was) = (is.trim(), was.trim());
    if is == was {
        return true;
    }
    match column {
        "score" | "breddegrad" | "længdegrad" | "usikkerhed_m" | "antal_set" => {
            let number = |text: &str| text.replace(',', ".").parse::<f64>().ok().filter(|n| n.is_finite());
            number(is).zip(number(was)).is_some_and(|(is, was)| (is - was).abs() < 1e-9)
        }
        "først_set" | "sidst_set" => {
            // Danish: day, month, year.
            let mut parts = is.split(['-', '.', '/']);
            let (day, month, year) = (parts.next(), parts.next(), parts.next());
            let padded = |text: Option<&str>| text.map(|text| format!("{text:0>2}")).unwrap_or_default();
            parts.next().is_none() && format!("{}-{}-{}", year.unwrap_or_default(), padded(month), padded(day)) == was
        }
        _ => false,
    }
}

/// Rows with the line that each begins on. Empty lines are passed over.
fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>, ProposalError> {
    let wrong = |line, why: &str| ProposalError::Table { line, why: why.to_owned() };
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut at, mut begun, mut inside, mut closed) = (1, 1, false, false);
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
            ('"', true) => (inside, closed) = (false, true),
            ('"', false) if field.is_empty() && !closed => inside = true,
            ('"', false) => return Err(wrong(at, "a quotation mark inside a field that is not quoted")),
            (';', false) => {
                row.push(unguarded(std::mem::take(&mut field)));
                closed = false;
            }
            ('\r', false) => {}
            ('\n', false) => {
                end(&mut row, &mut field, begun);
                (begun, closed) = (at, false);
            }
            (_, false) if closed => return Err(wrong(at, "something stands after the end of a quoted field")),
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
