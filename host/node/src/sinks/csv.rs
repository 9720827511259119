//! `frames.csv`: every file of the source and what became of it, for a Danish spreadsheet.
//!
//! Danish spreadsheets write decimals with a comma and so separate fields with `;`, and take a file without byte order mark
//! for the local code page. A file name is foreign text: one that begins like a formula must stay text.

use std::borrow::Cow;

use crate::outcome::{FrameOutcome, FrameResult, Run};
use crate::report::words;

const COLUMNS: [&str; 18] = [
    "nummer",
    "fil",
    "udfald",
    "årsag",
    "krav",
    "ansvar",
    "breddegrad",
    "længdegrad",
    "usikkerhed_m",
    "tidspunkt",
    "maskeret_andel",
    "ansigter",
    "personer",
    "plader",
    "objekter",
    "frame_id",
    "billede",
    "sekunder_i_klar",
];

/// One line per file of the source, in its order.
#[must_use]
pub fn frames_csv(run: &Run) -> String {
    let mut text = String::from('\u{feff}');
    line(&mut text, &COLUMNS.map(quoted));
    for frame in &run.frames {
        line(&mut text, &fields(frame, run.release.is_some()));
    }
    text
}

fn line(text: &mut String, fields: &[String; COLUMNS.len()]) {
    text.push_str(&fields.join(";"));
    text.push_str("\r\n");
}

fn fields(frame: &FrameOutcome, plugin: bool) -> [String; COLUMNS.len()] {
    let number = frame.number.to_string();
    let file = quoted(&frame.file);
    match &frame.result {
        FrameResult::Refused(refusal) => {
            let mut fields: [String; COLUMNS.len()] = Default::default();
            let known = [
                number,
                file,
                quoted("afvist"),
                quoted(refusal.reason),
                quoted(refusal.krav.0),
                quoted(words::turn(refusal.blame).da),
            ];
            for (field, value) in fields.iter_mut().zip(known) {
                *field = value;
            }
            fields
        }
        FrameResult::Seen(seen) => {
            let place = seen.position.filter(words::on_earth);
            let boxes = |class: &str| seen.masked_boxes.get(class).copied().unwrap_or_default().to_string();
            [
                number,
                file,
                quoted(if plugin { "set" } else { "maskeret" }),
                String::new(),
                String::new(),
                String::new(),
                place.map(|p| decimal(p.latitude, 7)).unwrap_or_default(),
                place.map(|p| decimal(p.longitude, 7)).unwrap_or_default(),
                place.map(|p| decimal(p.error_m, 1)).unwrap_or_default(),
                place.and_then(|p| p.time_ms).and_then(words::rfc3339).map(|t| quoted(&t)).unwrap_or_default(),
                decimal(seen.masked_share, 4),
                boxes("face"),
                boxes("person"),
                boxes("plate"),
                seen.objects.len().to_string(),
                quoted(&seen.frame_id),
                seen.picture.as_deref().map(quoted).unwrap_or_default(),
                decimal(seen.seconds_in_clear, 3),
            ]
        }
    }
}

fn decimal(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}").replace('.', ",")
}

/// A text field: quoted, one line, and never a formula.
fn quoted(text: &str) -> String {
    format!("\"{}\"", words::one_line(&never_a_formula(text)).replace('"', "\"\""))
}

/// Puts `'` before what a spreadsheet would begin a formula with: at the start, and after anything that a reader which
/// was told another separator would split at.
fn never_a_formula(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut at_start = true;
    for c in text.chars() {
        let begins_formula = matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠');
        if at_start && begins_formula {
            out.push('\'');
            at_start = false;
        }
        out.push(c);
        let splits = matches!(c, ',' | ';' | '\t' | '|' | '\r' | '\n');
        at_start = splits || (at_start && (c.is_whitespace() || matches!(c, '"' | '\u{feff}')));
    }
    if out.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_begins_a_formula() {
        for (text, expected) in [
            ("gade.jpg", "\"gade.jpg\""),
            ("2026-05-01.jpg", "\"2026-05-01.jpg\""),
            ("=cmd()", "\"'=cmd()\""),
            ("+1.jpg", "\"'+1.jpg\""),
            ("-1.jpg", "\"'-1.jpg\""),
            ("@sum", "\"'@sum\""),
            ("\t=a", "\"'\u{fffd}'=a\""),
            ("\r=a", "\"'\u{fffd}'=a\""),
            ("  =a", "\"  '=a\""),
            ("a,=cmd()", "\"a,'=cmd()\""),
            ("a;=cmd()", "\"a;'=cmd()\""),
            ("\"=a", "\"\"\"'=a\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\r\nb", "\"a\u{fffd}\u{fffd}b\""),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }
}
