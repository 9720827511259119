//! What the city's and the operator's files say in words: Danish first, English beside it. Also the one place where foreign text is made harmless.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vaern_door::Blame;

use crate::outcome::Place;

/// The same said in Danish and in English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) da: &'static str,
    pub(crate) en: &'static str,
}

const fn words(da: &'static str, en: &'static str) -> Words {
    Words { da, en }
}

/// Who has to act.
pub(crate) const fn turn(blame: Blame) -> Words {
    match blame {
        Blame::Vendor => words("leverandøren", "the vendor"),
        Blame::Policy => words("byens regler", "the city's policy"),
        Blame::Operator => words("driften", "the operator"),
        Blame::Host => words("vaern selv", "vaern itself"),
    }
}

/// What the gate masks: one, and many.
pub(crate) fn masked_class(class: &str) -> Option<(Words, Words)> {
    Some(match class {
        "face" => (words("ansigt", "face"), words("ansigter", "faces")),
        "person" => (words("person", "person"), words("personer", "persons")),
        "plate" => (words("nummerplade", "licence plate"), words("nummerplader", "licence plates")),
        "vehicle" => (words("køretøj", "vehicle"), words("køretøjer", "vehicles")),
        _ => return None,
    })
}

/// The stages of a frame, in their order.
pub(crate) const STAGES: [(&str, Words); 10] = [
    ("read", words("Læse filen", "Read the file")),
    ("locate", words("Finde positionen", "Find the position")),
    ("fence", words("Prøve hegnet", "Test the fence")),
    ("decode", words("Afkode billedet", "Decode the picture")),
    ("detect", words("Finde mennesker og nummerplader", "Find people and plates")),
    ("mask", words("Maskere", "Mask")),
    ("scale", words("Skalere", "Scale")),
    ("plugin", words("Plugin'et ser", "The plugin looks")),
    ("admit", words("Prøve plugin'ets svar", "Test the plugin's answer")),
    ("write", words("Skrive", "Write")),
];

/// Why a frame was refused. An unknown name stands for itself.
pub(crate) fn reason(name: &str) -> Option<Words> {
    Some(match name {
        "not_a_picture" => {
            words("Filen er ikke et billede, som porten kender.", "The file is no picture that the gate knows.")
        }
        "type_mismatch" => {
            words("Filens indhold passer ikke til dens navn.", "The content of the file does not match its name.")
        }
        "truncated" => words("Billedet er afbrudt: slutningen mangler.", "The picture is cut off: its end is missing."),
        "too_large" => {
            words("Billedet er større, end reglerne tillader.", "The picture is larger than the rules allow.")
        }
        "unsupported_variant" => {
            words("Billedformatets variant er ikke tilladt.", "This variant of the picture format is not allowed.")
        }
        "decode_failed" => {
            words("Billedet kunne ikke afkodes uden fejl.", "The picture could not be decoded without error.")
        }
        "animated" => words("Filen rummer flere billeder end ét.", "The file holds more than one picture."),
        "scan_limit" => {
            words("Billedet er bygget til at koste uforholdsmæssig tid.", "The picture is built to cost undue time.")
        }
        "no_fix" => words(
            "Billedet har ingen position. Uden position intet blik.",
            "The picture has no position. No position, no look.",
        ),
        "bad_position" => words(
            "Positionen er ikke troværdig eller ikke i grader (WGS 84).",
            "The position is not credible or not in degrees (WGS 84).",
        ),
        "outside_fence" => words(
            "Billedet er ikke med sikkerhed taget inden for hegnet.",
            "The picture was not with certainty taken inside the fence.",
        ),
        "unknown_camera" => words("Kameraet står ikke i reglerne.", "The camera is not in the policy."),
        "too_old" => words("Billedet er ældre, end reglerne tillader.", "The picture is older than the rules allow."),
        "replayed" => words("Billedet er behandlet før.", "The picture was handled before."),
        "masking_unavailable" => words(
            "Maskeringen kunne ikke udføres. Uden maskering intet blik.",
            "The picture could not be masked. No masking, no look.",
        ),
        "too_long_in_clear" => words(
            "Det umaskerede billede fandtes længere, end reglerne tillader.",
            "The unmasked picture existed for longer than the rules allow.",
        ),
        "malformed" => words("Filens opbygning er ugyldig.", "The structure of the file is invalid."),
        "expansion_limit" => words(
            "Filen folder sig ud til mere, end reglerne tillader.",
            "The file unfolds to more than the rules allow.",
        ),
        "decode_warning" => words(
            "Afkodningen meldte om tvivl, og tvivl giver et nej.",
            "The decoder reported a doubt, and any doubt means no.",
        ),
        "unlocated_not_allowed" => words(
            "Billeder uden position er kun tilladt under en regel for afprøvning.",
            "Pictures without a position are allowed under an evaluation policy only.",
        ),
        "unreadable" => words("Filen kunne ikke læses.", "The file could not be read."),
        "output_failed" => words(
            "Resultatet kunne ikke skrives helt og blev derfor kasseret.",
            "The result could not be written whole and was therefore discarded.",
        ),
        "host_fault" => {
            words("vaern selv fejlede; billedet blev kasseret.", "vaern itself failed; the picture was discarded.")
        }
        "plugin_deadline" => {
            words("Plugin'et brugte for lang tid og blev stoppet.", "The plugin took too long and was stopped.")
        }
        "plugin_trap" => words("Plugin'et gik ned.", "The plugin crashed."),
        "plugin_memory" => {
            words("Plugin'et krævede mere hukommelse, end det har.", "The plugin asked for more memory than it has.")
        }
        "plugin_invalid_answer" => words(
            "Plugin'ets svar var ugyldigt og blev kasseret.",
            "The plugin's answer was invalid and was discarded.",
        ),
        "plugin_failed" => words("Plugin'et meldte selv fejl.", "The plugin itself reported a failure."),
        "plugin_model" => words("Leverandørens model kunne ikke køre.", "The vendor's model could not run."),
        "plugin_worker_lost" => {
            words("Plugin'ets proces gik ned to gange på billedet.", "The plugin's process died twice of the picture.")
        }
        "plugin_quarantined" => words(
            "Plugin'et er i karantæne, fordi det fejlede for ofte i træk.",
            "The plugin is in quarantine, because it failed too often in a row.",
        ),
        "plugin_withheld" => words(
            "Svaret er holdt tilbage: leverandørens svar har brugt det, de må rumme på en time.",
            "The answer is withheld: the vendor's answers have used up what they may carry in an hour.",
        ),
        "plugin_refused" => words("Plugin'et passer ikke til sandkassen.", "The plugin does not fit the sandbox."),
        _ => return None,
    })
}

/// Why the output rules dropped an answer.
pub(crate) fn dropped_answer(name: &str) -> Option<Words> {
    Some(match name {
        "unknown_label" => words("Betegnelsen er ikke tilladt.", "The label is not granted."),
        "low_score" => words("For usikkert til at blive foreslået.", "Too uncertain to be proposed."),
        "inside_mask" => words("Mere end halvdelen lå under en maske.", "More than half lay under a mask."),
        "outside_frame" => words("Uden for billedet.", "Outside the picture."),
        "duplicate" => words("Samme sted en gang til.", "The same place once more."),
        "over_cap" => words("Flere svar, end et billede må give.", "More answers than one picture may give."),
        "over_budget" => words("Mere, end svaret må rumme.", "More than an answer may carry."),
        _ => return None,
    })
}

/// A place that can be put on a map.
pub(crate) fn on_earth(place: &Place) -> bool {
    place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0
}

/// Unix milliseconds as RFC 3339 in UTC. `None` outside the years 0 to 9999.
pub(crate) fn rfc3339(time_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(time_ms)
        .ok()
        .filter(|t| (0..=9999).contains(&t.to_zoned(TimeZone::UTC).year()))
        .map(|t| t.to_string())
}

/// A moment as people in Copenhagen write it: (Danish, English). Text that is no moment stands for itself.
pub(crate) fn moment(text: &str) -> (String, String) {
    const MONTHS: [Words; 12] = [
        words("januar", "January"),
        words("februar", "February"),
        words("marts", "March"),
        words("april", "April"),
        words("maj", "May"),
        words("juni", "June"),
        words("juli", "July"),
        words("august", "August"),
        words("september", "September"),
        words("oktober", "October"),
        words("november", "November"),
        words("december", "December"),
    ];
    let local = text.parse::<Timestamp>().ok().and_then(|t| Some(t.to_zoned(TimeZone::get("Europe/Copenhagen").ok()?)));
    let named = local.and_then(|t| Some((MONTHS.get(usize::try_from(t.month()).ok()?.checked_sub(1)?)?, t)));
    let Some((month, t)) = named else { return (text.to_owned(), text.to_owned()) };
    let (day, year, hour, minute) = (t.day(), t.year(), t.hour(), t.minute());
    (
        format!("{day}. {} {year} kl. {hour:02}.{minute:02} dansk tid", month.da),
        format!("{day} {} {year} at {hour:02}:{minute:02} Danish time", month.en),
    )
}

/// Foreign text on one line: no control characters, none that turn the direction of writing or take no room.
pub(crate) fn one_line(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// Foreign text for HTML, inside an element or a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Both languages, marked as such; the reader picks one. Takes text, not HTML.
pub(crate) fn both(da: &str, en: &str) -> String {
    both_html(&escaped(da), &escaped(en))
}

/// As [`both`], for what is HTML already.
pub(crate) fn both_html(da: &str, en: &str) -> String {
    if da == en { da.to_owned() } else { format!("<span lang=\"da\">{da}</span><span lang=\"en\">{en}</span>") }
}

impl Words {
    pub(crate) fn html(self) -> String {
        both(self.da, self.en)
    }
}

/// A count with its noun in both languages: `(Danish, English)`.
pub(crate) fn counted(n: usize, one: Words, many: Words) -> (String, String) {
    let noun = if n == 1 { one } else { many };
    let (da, en) = number_pair(n as f64, 0);
    (format!("{da} {}", noun.da), format!("{en} {}", noun.en))
}

/// A number as Danish and as English write it.
pub(crate) fn number_pair(value: f64, decimals: usize) -> (String, String) {
    if !value.is_finite() {
        return ("–".to_owned(), "–".to_owned());
    }
    let plain = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let mut en = String::from(if value < 0.0 { "−" } else { "" });
    en.push_str(&grouped);
    if decimals > 0 {
        let _ = write!(en, ".{fraction}");
    }
    let da = en.chars().map(|c| match c {
        ',' => '.',
        '.' => ',',
        c => c,
    });
    (da.collect(), en)
}

/// A number as HTML in both languages.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let (da, en) = number_pair(value, decimals);
    both(&da, &en)
}

/// A duration in milliseconds with as many digits as mean something.
pub(crate) fn milliseconds(ms: f64) -> String {
    number(
        ms,
        if ms < 10.0 {
            2
        } else if ms < 100.0 {
            1
        } else {
            0
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_the_way_each_language_does() {
        assert_eq!(number_pair(1_234_567.891, 2), ("1.234.567,89".to_owned(), "1,234,567.89".to_owned()));
        assert_eq!(number_pair(999.0, 0), ("999".to_owned(), "999".to_owned()));
        assert_eq!(number_pair(-1000.5, 1), ("−1.000,5".to_owned(), "−1,000.5".to_owned()));
        assert_eq!(number_pair(f64::NAN, 1).0, "–");
    }

    #[test]
    fn moments_are_danish_local_time() {
        let (da, en) = moment("2026-06-01T08:05:00Z");
        assert_eq!(da, "1. juni 2026 kl. 10.05 dansk tid");
        assert_eq!(en, "1 June 2026 at 10:05 Danish time");
        assert_eq!(moment("<no time>").0, "<no time>");
        assert_eq!(rfc3339(1_780_300_000_123).as_deref(), Some("2026-06-01T07:46:40.123Z"));
        assert_eq!(rfc3339(i64::MAX), None);
    }

    #[test]
    fn foreign_text_is_harmless() {
        assert_eq!(
            escaped("<b a='1' c=\"2\">&\n\u{202e}gpj"),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd}gpj"
        );
        assert_eq!(escaped("blåbærgrød.jpg"), "blåbærgrød.jpg");
    }
}
