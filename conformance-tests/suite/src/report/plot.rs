//! Shares with their intervals, as a drawing that is also readable as text.

use std::fmt::Write as _;

/// One row: a name, a share, the ends of its interval, and of how many. All shares in ten-thousandths.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) at: i64,
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) of: u64,
}

const LEFT: i64 = 210;
const WIDE: i64 = 360;
const STEP: i64 = 26;

/// The drawing. `from` and `to` are the ends of the axis.
pub(crate) fn intervals(title: &str, rows: &[Row], (from, to): (i64, i64), mark: char) -> String {
    let height = i64::try_from(rows.len()).unwrap_or(0) * STEP + 40;
    let x = |value: i64| LEFT + (value.clamp(from, to) - from) * WIDE / (to - from).max(1);
    let mut svg =
        format!("<svg class=\"plot\" viewBox=\"0 0 740 {height}\" role=\"img\" aria-label=\"{}\">\n", escaped(title));
    for tick in 0..=4 {
        let value = from + (to - from) * tick / 4;
        let at = x(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{at}\" x2=\"{at}\" y1=\"6\" y2=\"{}\"/><text class=\"tick\" x=\"{at}\" y=\"{}\">{} %</text>",
            height - 26,
            height - 8,
            value / 100
        );
    }
    for (row, number) in rows.iter().zip(0_i64..) {
        let y = 20 + number * STEP;
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{}\" y=\"{}\">{}</text><line class=\"whisker\" x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
<circle class=\"point\" cx=\"{}\" cy=\"{y}\" r=\"5\"/><text class=\"value\" x=\"{}\" y=\"{}\">{} (n = {})</text>",
            LEFT - 12,
            y + 5,
            escaped(&row.name),
            x(row.low),
            x(row.high),
            x(row.at),
            LEFT + WIDE + 14,
            y + 5,
            share(row.at, mark),
            row.of
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Ten-thousandths in percent, rounded to a tenth, with the reader's decimal mark.
pub(crate) fn share(e4: i64, mark: char) -> String {
    let sign = if e4 < 0 { "−" } else { "" };
    let tenths = (e4.abs() + 5) / 10;
    format!("{sign}{}{mark}{} %", tenths / 10, tenths % 10)
}

/// Text made harmless.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
