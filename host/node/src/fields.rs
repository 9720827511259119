//! Every field that leaves a node: what class of data it is, how long it is kept, and the one form that it may have (EXF-16).
//!
//! There is no field of free form: nothing that a plugin, a camera or a sender chooses can stand anywhere but in a number, a word of a
//! closed list, or an id that the host made. A field that is not here does not leave: the test of this table walks whole outputs.

use serde_json::Value;

/// What a field is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// An object in the street: what, where in the picture, how sure.
    Object,
    /// Where and when the camera was; about a vehicle of the city.
    Place,
    /// A random name that the host made.
    Id,
    /// How many, how long.
    Count,
    /// Which rules, releases and keys.
    Governance,
    /// What the city or this program wrote about itself.
    Words,
}

/// How long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// With the results: no personal data, so no day is set; the city's own rules for its records.
    Result,
    /// With the masked picture of the result: `retention.pictures_days` of the profile.
    Picture,
    /// With the evidence: `retention.evidence_days` of the profile, then its key is destroyed.
    Evidence,
    /// For good: the log.
    Log,
}

/// The form that a field may have. Each is closed, or written by the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A number.
    Number,
    /// Numbers, so many.
    Numbers(usize),
    /// True or false.
    Flag,
    /// So many hexadecimal digits.
    Hex(usize),
    /// `sha256:` and 64 hexadecimal digits.
    Digest,
    /// A word of the program or of the city's vocabulary: a to z, 0 to 9, `_`, `-` and `.`, at most 64.
    Word,
    /// A list of such words.
    Words,
    /// An id of a requirement, such as `MIN-04`.
    Krav,
    /// RFC 3339 in UTC.
    Time,
    /// A day, such as `2026-11-23`.
    Day,
    /// A path of the result's own picture.
    Picture,
    /// Text out of the city's signed files or this program.
    City,
    /// The key of the log.
    LogKey,
}

/// One field, by its path in its file: `*` is any key of a map whose keys are words, `[]` any entry of a list.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Where it stands.
    pub path: &'static str,
    /// What it is about.
    pub class: Class,
    /// How long it is kept.
    pub kept: Kept,
    /// What it may look like.
    pub form: Form,
}

const fn field(path: &'static str, class: Class, kept: Kept, form: Form) -> Field {
    Field { path, class, kept, form }
}

use Class::{Count, Governance, Id, Object, Place, Words};
use Kept::Result as R;

/// `detections.geojson`.
pub const DETECTIONS: &[Field] = &[
    field("type", Words, R, Form::City),
    field("features[].type", Words, R, Form::City),
    field("features[].id", Id, R, Form::Hex(32)),
    field("features[].geometry.type", Words, R, Form::City),
    field("features[].geometry.coordinates", Place, R, Form::Numbers(2)),
    field("features[].properties.id", Id, R, Form::Hex(32)),
    field("features[].properties.label", Object, R, Form::Word),
    field("features[].properties.score", Object, R, Form::Number),
    field("features[].properties.review", Words, R, Form::Word),
    field("features[].properties.delvist_maskeret", Object, R, Form::Flag),
    field("features[].properties.position_is", Words, R, Form::Word),
    field("features[].properties.position_error_m", Place, R, Form::Number),
    field("features[].properties.heading", Place, R, Form::Number),
    field("features[].properties.view.hfov_deg", Governance, R, Form::Number),
    field("features[].properties.view.height_m", Governance, R, Form::Number),
    field("features[].properties.view.pitch_deg", Governance, R, Form::Number),
    field("features[].properties.time", Place, R, Form::Time),
    field("features[].properties.frame", Count, R, Form::Number),
    field("features[].properties.frame_id", Id, R, Form::Hex(32)),
    field("features[].properties.picture", Id, Kept::Picture, Form::Picture),
    field("features[].properties.box_px", Object, R, Form::Numbers(4)),
    field("features[].properties.frame_px", Object, R, Form::Numbers(2)),
    field("features[].properties.release", Governance, R, Form::Digest),
    field("features[].properties.policy", Governance, R, Form::Digest),
    field("features[].properties.purpose", Governance, R, Form::Word),
];

/// `coverage.json`: of days that are over, counts for each cell of the map.
pub const COVERAGE: &[Field] = &[
    field("form", Count, R, Form::Number),
    field("cell_deg", Governance, R, Form::Numbers(2)),
    field("least_frames", Governance, R, Form::Number),
    field("cells[].day", Place, R, Form::Day),
    field("cells[].cell", Place, R, Form::Numbers(2)),
    field("cells[].frames_at_least", Count, R, Form::Number),
];

/// `revoked.json`.
pub const REVOKED: &[Field] =
    &[field("form", Count, R, Form::Number), field("releases[]", Governance, R, Form::Digest)];

/// `summary.json`.
pub const SUMMARY: &[Field] = &[
    field("started", Count, R, Form::Time),
    field("release.name", Governance, R, Form::Word),
    field("release.version", Governance, R, Form::Word),
    field("release.vendor", Governance, R, Form::Word),
    field("release.digest", Governance, R, Form::Digest),
    field("release.interfaces", Governance, R, Form::Words),
    field("release.responsible", Words, R, Form::City),
    field("release.approved_until", Governance, R, Form::Time),
    field("policy.purpose", Governance, R, Form::Word),
    field("policy.dk", Words, R, Form::City),
    field("policy.en", Words, R, Form::City),
    field("policy.legal_basis", Words, R, Form::City),
    field("policy.masking", Governance, R, Form::Word),
    field("policy.digest", Governance, R, Form::Digest),
    field("policy.detectors[][0]", Governance, R, Form::Word),
    field("policy.detectors[][1]", Governance, R, Form::Digest),
    field("policy.backend", Words, R, Form::City),
    field("policy.fence[][]", Governance, R, Form::Numbers(2)),
    field("cautions[].da", Words, R, Form::City),
    field("cautions[].en", Words, R, Form::City),
    field("frames_in", Count, R, Form::Number),
    field("frames_seen", Count, R, Form::Number),
    field("frames_refused", Count, R, Form::Number),
    field("frames_with_objects", Count, R, Form::Number),
    field("refused_by_reason.*", Count, R, Form::Number),
    field("failed_by_reason.*", Count, R, Form::Number),
    field("frames_masked", Count, R, Form::Number),
    field("detections", Count, R, Form::Number),
    field("detections_by_label.*", Count, R, Form::Number),
    field("dropped_answers.*", Count, R, Form::Number),
    field("zoom_pixels", Count, R, Form::Number),
    field("stages_ms.*.frames", Count, R, Form::Number),
    field("stages_ms.*.p50", Count, R, Form::Number),
    field("stages_ms.*.p95", Count, R, Form::Number),
    field("longest_seconds_in_clear", Count, R, Form::Number),
    field("sandbox.walled", Governance, R, Form::Flag),
    field("sandbox.in_force", Governance, R, Form::Words),
    field("sandbox.missing", Governance, R, Form::Words),
    field("sandbox.incidents.*", Count, R, Form::Number),
    field("sandbox.quarantined", Governance, R, Form::Flag),
    field("sandbox.bits_charged", Count, R, Form::Number),
    field("wall_ms", Count, R, Form::Number),
];

/// `log.json`.
pub const LINK: &[Field] = &[
    field("key", Governance, Kept::Log, Form::LogKey),
    field("run", Id, Kept::Log, Form::Hex(32)),
    field("begun", Count, Kept::Log, Form::Number),
    field("ended", Count, Kept::Log, Form::Number),
];

/// The record beside a crop of evidence.
pub const EVIDENCE: &[Field] = &[
    field("form", Count, Kept::Evidence, Form::Number),
    field("object.id", Id, Kept::Evidence, Form::Hex(32)),
    field("object.label", Object, Kept::Evidence, Form::Word),
    field("object.score", Object, Kept::Evidence, Form::Number),
    field("object.rect", Object, Kept::Evidence, Form::Numbers(4)),
    field("object.delvist_maskeret", Object, Kept::Evidence, Form::Flag),
    field("crop", Object, Kept::Evidence, Form::Numbers(4)),
    field("frame_id", Id, Kept::Evidence, Form::Hex(32)),
    field("frame", Object, Kept::Evidence, Form::Numbers(2)),
    field("position.latitude", Place, Kept::Evidence, Form::Number),
    field("position.longitude", Place, Kept::Evidence, Form::Number),
    field("position.error_m", Place, Kept::Evidence, Form::Number),
    field("position.heading", Place, Kept::Evidence, Form::Number),
    field("position.time_ms", Place, Kept::Evidence, Form::Number),
    field("position.view.hfov_deg", Governance, Kept::Evidence, Form::Number),
    field("position.view.height_m", Governance, Kept::Evidence, Form::Number),
    field("position.view.pitch_deg", Governance, Kept::Evidence, Form::Number),
];

/// What of an output is not in its table, or has another form than the table says: the path, and nothing of what stands there.
#[must_use]
pub fn astray(table: &[Field], output: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(table, output, "", &mut found);
    found.dedup();
    found
}

fn walk(table: &[Field], value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(field) = table.iter().find(|field| field.path == path) {
        // What is not known is left empty.
        if !value.is_null() && !holds(field.form, value) {
            found.push(format!("{path}: not {:?}", field.form));
        }
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let plain = join(path, key);
                let begins = |path: &str| table.iter().any(|f| f.path == path || is_below(f.path, path));
                if begins(&plain) {
                    walk(table, value, &plain, found);
                } else if begins(&join(path, "*")) && is_word(key) {
                    walk(table, value, &join(path, "*"), found);
                } else {
                    found.push(format!("{plain}: no such field"));
                }
            }
        }
        Value::Array(all) => {
            for (at, value) in all.iter().enumerate() {
                let by_place = format!("{path}[{at}]");
                let known = table.iter().any(|f| f.path == by_place);
                walk(table, value, &if known { by_place } else { format!("{path}[]") }, found);
            }
        }
        // A part that is not there, such as the release of a run without one.
        Value::Null if table.iter().any(|f| is_below(f.path, path)) => {}
        _ => found.push(format!("{path}: no such field")),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn is_below(field: &str, path: &str) -> bool {
    field.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn holds(form: Form, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    match form {
        Form::Number => value.is_number(),
        Form::Numbers(many) => numbers(value).is_some_and(|found| found == many),
        Form::Flag => value.is_boolean(),
        Form::Hex(digits) => hex(text, digits),
        Form::Digest => text.strip_prefix("sha256:").is_some_and(|text| hex(text, 64)),
        Form::Word => is_word(text),
        Form::Words => value.as_array().is_some_and(|all| all.iter().all(|v| v.as_str().is_some_and(is_word))),
        Form::Krav => {
            let parts = text.split_once('-');
            parts.is_some_and(|(area, number)| area.len() == 3 && number.len() == 2 && number.parse::<u8>().is_ok())
        }
        Form::Time => text.len() <= 40 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
        Form::Day => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        Form::Picture => {
            let id = text.strip_prefix("pictures/").and_then(|file| file.strip_suffix(".jpg"));
            id.is_some_and(|id| hex(id, 32))
        }
        Form::City => value.is_string(),
        Form::LogKey => text.len() <= 200 && text.bytes().all(|b| b.is_ascii_graphic()),
    }
}

/// Numbers of a list, of a list of lists, or of a map of numbers.
fn numbers(value: &Value) -> Option<usize> {
    match value {
        Value::Number(_) => Some(1),
        Value::Array(all) => all.iter().map(numbers).sum(),
        Value::Object(map) => map.values().map(numbers).sum(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn exf_16n_a_field_that_nobody_listed_or_of_a_free_form_is_found() {
        let good = json!({"key": "node-1+1234abcd+AbCd", "run": "0".repeat(32), "begun": 3, "ended": 4});
        assert!(astray(LINK, &good).is_empty());
        for (path, value) in [
            ("note", json!("Anna Jensen")),
            ("run", json!("Anna Jensen")),
            ("begun", json!("3")),
            ("begun", json!({"deep": "text"})),
            ("key", json!("two words")),
        ] {
            let mut wrong = good.clone();
            wrong[path] = value;
            let found = astray(LINK, &wrong);
            assert!(found.len() == 1 && found[0].starts_with(path), "{path}: {found:?}");
            assert!(!found[0].contains("Anna"), "what stands there is not told on");
        }
        let summary = json!({"refused_by_reason": {"outside_fence": 2, "Nørrebrogade 4": 1}});
        assert_eq!(astray(SUMMARY, &summary).len(), 1);
    }

    #[test]
    fn exf_16p_every_field_has_its_class_its_retention_and_one_place() {
        for table in [DETECTIONS, SUMMARY, LINK, EVIDENCE] {
            let mut paths: Vec<&str> = table.iter().map(|field| field.path).collect();
            let all = paths.len();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), all);
            // Texts that are written by people are the city's, and about no object and no place.
            for field in table.iter().filter(|field| field.form == Form::City) {
                assert_eq!(field.class, Class::Words, "{}", field.path);
            }
        }
    }
}
