//! The requirements catalogue: every krav, complete, well formed, and linked to what enforces and shows it.

mod html;
mod krav;
mod oscal;
mod trace;

pub use html::html;
pub use krav::{Change, Document, Kind, KravEntry, Origin, Party, Planned, References, Source};
pub use oscal::{Oscal, oscal};
pub use trace::{SourceTests, Traced, Untraced, trace, unguarded};

use std::collections::BTreeMap;

use vaern_door::{Krav, Version, guard};

use crate::PolicyError;
use crate::place::Place;
use crate::place::line_of;

/// Every krav that the program knows, in the order in which a reader meets them. Nothing is dropped and nothing is
/// renumbered: a catalogue without one of them is refused.
pub const KRAV: [&str; 72] = [
    "MIN-01", "MIN-02", "MIN-03", "MIN-04", "MIN-05", "MIN-06", "MIN-07", "MIN-08", "MIN-09", "MIN-10", "MIN-11",
    "MIN-12", "SEP-01", "SEP-02", "SEP-03", "SEP-04", "SKJ-01", "SKJ-02", "SKJ-03", "SKJ-04", "SKJ-05", "SKJ-06",
    "SKJ-07", "SKJ-08", "SKJ-09", "STD-01", "STD-02", "STD-03", "STD-04", "STD-05", "STD-06", "GOV-01", "GOV-02",
    "GOV-03", "GOV-04", "GOV-05", "GOV-06", "GOV-07", "GOV-08", "GOV-09", "GOV-10", "GOV-11", "GOV-12", "GOV-13",
    "GOV-14", "LEV-01", "LEV-02", "LEV-03", "LEV-04", "LEV-05", "LEV-06", "LEV-07", "LEV-08", "LEV-09", "ANS-01",
    "ANS-02", "RET-01", "RET-02", "RET-03", "LIG-01", "LIG-02", "LIG-03", "GEN-01", "GEN-02", "CYB-01", "CYB-02",
    "MAL-01", "MAL-02", "MAL-03", "MAL-04", "MAL-05", "MAL-06",
];

/// The chapters: prefix, Danish heading, English heading.
pub const CHAPTERS: [(&str, &str, &str); 12] = [
    ("MIN", "Minimér og begræns", "Minimise and bound"),
    ("SEP", "Separér", "Separate"),
    ("SKJ", "Skjul og beskyt", "Hide and protect"),
    ("STD", "Databeskyttelse gennem standardindstillinger", "Data protection by default"),
    ("GOV", "Styring af pilotprojektet", "Governance of the pilot"),
    ("LEV", "Krav til leverandørerne", "Requirements to vendors"),
    ("ANS", "Ansvarlighed", "Accountability"),
    ("RET", "Borgernes retssikkerhed", "The citizens' legal rights"),
    ("LIG", "Lighed og retfærdighed", "Equality and fairness"),
    ("GEN", "Gennemsigtighed", "Transparency"),
    ("CYB", "Cybersikkerhed", "Cyber security"),
    ("MAL", "Kodeksets mål", "The goals of the codex"),
];

/// Beginnings that a Danish requirement may have: who, then what.
const SUBJECTS: [&str; 4] = ["Værten ", "Et plugin ", "Leverandøren ", "Forvaltningen "];
const VERBS: [&str; 3] = ["SKAL ", "MÅ KUN ", "MÅ IKKE "];

/// Words that measure masking by the strength of something that can be undone (POL-09).
const REVERSIBLE: [&str; 9] =
    ["sløringsgrad", "sløringsradius", "pixelering", "pikselering", "mosaik", "blur ", "gaussian", "sigma", "mosaic"];

/// The catalogue of a policy set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    entries: BTreeMap<String, KravEntry>,
}

impl Catalogue {
    /// Reads the files, given by path and text. No file at all gives an empty catalogue, under which no rule holds.
    ///
    /// # Errors
    /// [`PolicyError`] for a file that is not well formed, and for a krav that has no file.
    pub(crate) fn read<'f>(files: impl Iterator<Item = (&'f str, &'f str)>) -> Result<Self, PolicyError> {
        let mut entries = BTreeMap::new();
        for (path, text) in files {
            let entry: KravEntry = crate::set::parse(path, text)?;
            check(path, text, &entry)?;
            entries.insert(entry.id.clone(), entry);
        }
        if !entries.is_empty()
            && let Some(missing) = KRAV.iter().find(|id| !entries.contains_key(**id))
        {
            return Err(PolicyError::MissingKrav(missing));
        }
        Ok(Self { entries })
    }

    /// The krav of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&KravEntry> {
        self.entries.get(id)
    }

    /// Every krav, in the order of the catalogue; those that the program does not know come last.
    pub fn entries(&self) -> impl Iterator<Item = &KravEntry> {
        let foreign = self.entries.values().filter(|entry| !KRAV.contains(&entry.id.as_str()));
        KRAV.iter().filter_map(|id| self.entries.get(*id)).chain(foreign)
    }

    /// Whether it holds no krav.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The catalogue's version: that of the latest change in it.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.entries.values().map(KravEntry::version).max_by_key(|version| ordinal(version))
    }
}

/// The program's own constant for an id that comes from a signed file, if there is one.
#[must_use]
pub fn known(id: &str) -> Option<Krav> {
    KRAV.iter().find(|known| **known == id).map(|known| Krav(known))
}

/// The three numbers of a version.
pub(crate) fn ordinal(version: &Version) -> Vec<u32> {
    version.as_str().split('.').filter_map(|part| part.parse().ok()).collect()
}

fn check(path: &str, text: &str, entry: &KravEntry) -> Result<(), PolicyError> {
    let fail = |param: &str, problem: String| {
        Err(PolicyError::Invalid { place: Place::new(path, line_of(text, param)), problem })
    };
    let well_formed = entry.id.len() == 6
        && entry.id.bytes().enumerate().all(|(at, byte)| match at {
            0..3 => byte.is_ascii_uppercase(),
            3 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !well_formed {
        return fail(
            "id",
            format!("`{}` is no krav id: three capital letters, `-`, two digits", entry.id.escape_debug()),
        );
    }
    if path != format!("catalogue/{}.toml", entry.id) {
        return fail("id", format!("the krav {} stands in a file of another name", entry.id));
    }
    let verb_first = SUBJECTS.iter().any(|subject| {
        entry.dk.strip_prefix(subject).is_some_and(|rest| VERBS.iter().any(|verb| rest.starts_with(verb)))
    });
    if !verb_first || !entry.dk.ends_with('.') {
        let problem =
            "the Danish sentence must begin as in `Værten SKAL …`, `Et plugin MÅ KUN …`, and end with a full stop";
        return fail("dk", problem.to_owned());
    }
    if entry.en.trim().is_empty() {
        return fail("en", "the English sentence is empty".to_owned());
    }
    for (param, sentence) in [("dk", &entry.dk), ("en", &entry.en)] {
        let lower = sentence.to_lowercase();
        let measured = REVERSIBLE.iter().find(|word| lower.contains(**word));
        if let Some(word) = measured.filter(|_| guard::stands("policy.blur")) {
            let word = word.trim();
            return Err(PolicyError::ReversibleObfuscation { place: Place::new(path, line_of(text, param)), word });
        }
    }
    if entry.kind.is_empty() || entry.responsible.is_empty() || entry.source.is_empty() {
        let param = if entry.kind.is_empty() { "kind" } else { "responsible" };
        return fail(param, "`kind`, `responsible` and `source` must each name something".to_owned());
    }
    if entry.source.iter().any(|source| source.quote.trim().is_empty() || source.place.trim().is_empty()) {
        return fail("source.quote", "a source needs its place and its words".to_owned());
    }
    if entry.kind.contains(&Kind::E) && entry.examined.as_ref().is_none_or(|text| text.trim().is_empty()) {
        return fail("kind", "a krav of kind E must say under `examined` what people examine".to_owned());
    }
    if entry.planned.as_ref().is_some_and(|planned| planned.why.trim().is_empty()) {
        return fail("planned", "`planned` must say what is still to come".to_owned());
    }
    let history = std::iter::once(&entry.since)
        .chain(entry.changed.iter().map(|change| &change.version))
        .chain(entry.retired.as_ref())
        .map(ordinal)
        .collect::<Vec<_>>();
    if !history.windows(2).all(|pair| matches!(pair, [earlier, later] if earlier < later)) {
        return fail("since", "the versions of `since`, `changed` and `retired` must rise".to_owned());
    }
    if entry.changed.iter().any(|change| change.why.trim().is_empty()) {
        return fail("changed.why", "a change must say why".to_owned());
    }
    if entry.retired.is_none() && entry.rules.is_empty() && entry.tests.is_empty() && entry.planned.is_none() {
        return Err(PolicyError::Untraced {
            place: Place::new(path, line_of(text, "rules")),
            what: format!("{} has no rule, no test, and nothing is planned", entry.id),
        });
    }
    Ok(())
}
