//! Names of figures, days and numbers, as a reader of either language writes them. In `run.json` all names are English.

use jiff::civil::Date;

use super::page::Language;

const WORDS: [(&str, &str); 39] = [
    ("all", "alle"),
    ("recall", "fundet"),
    ("precision", "rigtigt"),
    ("kind affaldscontainer", "affaldscontainer"),
    ("kind glascontainer", "glascontainer"),
    ("kind nedgravet", "nedgravet"),
    ("kind byggecontainer", "byggecontainer"),
    ("kind lukketcontainer", "lukket byggecontainer"),
    ("size small", "små"),
    ("size medium", "mellemstore"),
    ("size large", "store"),
    ("light day", "dagslys"),
    ("light low", "lav sol"),
    ("light dusk", "skumring"),
    ("light night", "nat"),
    ("weather clear", "klart vejr"),
    ("weather overcast", "overskyet"),
    ("weather rain", "regn"),
    ("weather snow", "sne"),
    ("weather fog", "tåge"),
    ("visible half", "halvt skjult"),
    ("visible whole", "frit synlig"),
    ("nobody beside", "ingen ved siden af"),
    ("somebody beside", "nogen ved siden af"),
    ("skin light", "lys hud"),
    ("skin medium", "mellem hud"),
    ("skin dark", "mørk hud"),
    ("child", "barn"),
    ("adult", "voksen"),
    ("with an aid", "med hjælpemiddel"),
    ("without an aid", "uden hjælpemiddel"),
    ("lost", "mistet"),
    ("gained", "vundet"),
    ("moved", "flyttet"),
    ("mostly_masked", "mest under masker"),
    ("net_loss", "færre fund"),
    ("public", "offentlige gader"),
    ("fresh", "nye gader"),
    ("gap", "forskel"),
];

/// The name of a figure.
pub(super) fn figure(name: &str, language: Language) -> String {
    let word = WORDS.iter().find(|(en, _)| *en == name).filter(|_| language == Language::Da);
    word.map_or(name, |(_, da)| da).to_owned()
}

/// What a test of robustness does to a picture.
pub(super) fn disturbance(id: &str, language: Language) -> &str {
    let (da, en) = match id {
        "KT-ROB-001P" => ("støj", "noise"),
        "KT-ROB-002P" => ("uskarphed", "blur"),
        "KT-ROB-003P" => ("JPEG", "JPEG"),
        "KT-ROB-004P" => ("andet udsnit", "another crop"),
        "KT-ROB-005P" => ("lysere, mørkere", "brighter, darker"),
        "KT-ROB-006N" => ("mærke på gaden", "sticker on the street"),
        "KT-ROB-007N" => ("mærke på containeren", "sticker on the container"),
        other => (other, other),
    };
    language.pick(da, en)
}

const MONTHS: [(&str, &str); 12] = [
    ("januar", "January"),
    ("februar", "February"),
    ("marts", "March"),
    ("april", "April"),
    ("maj", "May"),
    ("juni", "June"),
    ("juli", "July"),
    ("august", "August"),
    ("september", "September"),
    ("oktober", "October"),
    ("november", "November"),
    ("december", "December"),
];

/// A day: `1. marts 2026`, `1 March 2026`.
pub(super) fn day(date: Date, language: Language) -> String {
    let month = usize::try_from(date.month() - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or_default();
    let dot = language.pick(".", "");
    format!("{}{dot} {} {}", date.day(), language.pick(month.0, month.1), date.year())
}

/// Digits in groups of three.
pub(crate) fn grouped(count: u64, mark: char) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}
