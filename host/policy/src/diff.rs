//! What a changed policy set gives beyond the one before it (POL-03).
//!
//! Widening is a decision of the city, so it must be seen: it is refused unless the krav that it touches says so with a new
//! version. What cannot be compared (a redrawn fence, another masking policy) counts as wider: any doubt means no.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use vaern_door::guard;

use crate::catalogue::ordinal;
use crate::place::{Place, line_of};
use crate::rules::{Case, small_world};
use crate::{CitySet, InterferenceRule, PolicyError, ProbeRule, Profile, Purpose};

/// One thing that the new set gives and the old one did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Widening {
    /// The krav that bounded it.
    pub krav: String,
    /// What became wider: a quantity, or a case that the rules now let through.
    pub witness: String,
    /// Where the new set says so.
    pub place: Place,
}

impl fmt::Display for Widening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.krav, self.witness, self.place)
    }
}

/// Which way a quantity grows wider.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wider {
    Up,
    Down,
}

/// Name in the file, the krav that bounds it, which way is wider, and its value.
type Quantity = (&'static str, &'static str, Wider, fn(&Profile) -> u64);

const QUANTITIES: [Quantity; 34] = [
    ("frame.width", "MIN-05", Wider::Up, |p| p.frame.width().into()),
    ("frame.height", "MIN-05", Wider::Up, |p| p.frame.height().into()),
    ("limits.memory_bytes", "CYB-01", Wider::Up, |p| p.limits.memory_bytes),
    ("limits.table_elements", "CYB-01", Wider::Up, |p| p.limits.table_elements.into()),
    ("limits.instances", "CYB-01", Wider::Up, |p| p.limits.instances.into()),
    ("limits.deadline_ms", "CYB-01", Wider::Up, |p| p.limits.deadline_ms.into()),
    ("limits.fuel_per_frame", "CYB-01", Wider::Up, |p| p.fuel_per_frame),
    ("limits.hostcall_bytes", "CYB-01", Wider::Up, |p| p.limits.hostcall_bytes.into()),
    ("limits.handles", "CYB-01", Wider::Up, |p| p.limits.handles.into()),
    ("limits.stack_bytes", "CYB-01", Wider::Up, |p| p.limits.stack_bytes.into()),
    ("limits.log_bytes", "SEP-04", Wider::Up, |p| p.limits.log_bytes.into()),
    ("limits.zoom_pixels", "MIN-05", Wider::Up, |p| p.limits.zoom_pixels.into()),
    ("limits.component_bytes", "CYB-01", Wider::Up, |p| p.limits.component_bytes),
    ("limits.model_bytes", "CYB-01", Wider::Up, |p| p.limits.model_bytes),
    ("output.grid", "SEP-04", Wider::Down, |p| p.output.grid.into()),
    ("output.score_steps", "SEP-04", Wider::Up, |p| p.output.score_steps.into()),
    ("output.min_score", "SEP-04", Wider::Down, |p| p.output.min_score.into()),
    ("output.max_detections", "SEP-04", Wider::Up, |p| p.output.max_detections.into()),
    ("output.bits_per_frame", "SEP-04", Wider::Up, |p| p.output.bits_per_frame.into()),
    ("output.bits_per_hour", "SEP-04", Wider::Up, |p| p.output.bits_per_hour.into()),
    ("retention.evidence_days", "SKJ-06", Wider::Up, |p| p.retention.evidence_days.into()),
    ("retention.replay_days", "GEN-02", Wider::Up, |p| p.retention.replay_days.into()),
    ("retention.training_days", "SEP-02", Wider::Up, |p| p.retention.training_days.into()),
    ("retention.pictures_days", "SKJ-07", Wider::Up, |p| p.retention.pictures_days.into()),
    ("rates.frames_per_second", "MIN-07", Wider::Up, |p| p.rates.frames_per_second.into()),
    ("rates.min_distance_m", "MIN-07", Wider::Down, |p| p.rates.min_distance_m.into()),
    ("rates.pictures", "MIN-11", Wider::Up, |p| p.rates.pictures.into()),
    ("staleness.max_hours", "GOV-03", Wider::Up, |p| p.max_stale_hours.into()),
    ("memory.may_reach_disk", "SKJ-08", Wider::Up, |p| p.memory_may_reach_disk.into()),
    ("swap.shadow_frames", "CYB-01", Wider::Down, |p| p.swap.shadow_frames.into()),
    ("swap.agreement_percent", "CYB-01", Wider::Down, |p| p.swap.agreement_percent.into()),
    ("swap.failures", "CYB-01", Wider::Up, |p| p.swap.failures.into()),
    ("swap.slower_percent", "CYB-01", Wider::Up, |p| p.swap.slower_percent.into()),
    ("swap.watch_frames", "CYB-01", Wider::Down, |p| p.swap.watch_frames.into()),
];

/// Everything that `new` gives beyond `old`, purpose by purpose, then by the rules.
#[must_use]
pub fn widenings(old: &CitySet, new: &CitySet) -> Vec<Widening> {
    let mut found = Vec::new();
    for (path, purpose) in new.purposes() {
        match old.purposes().find(|(_, before)| before.name == purpose.name) {
            None => found.push(Widening {
                krav: "STD-03".to_owned(),
                witness: format!("a new purpose, `{}`", purpose.name),
                place: Place::new(path, 1),
            }),
            Some((_, before)) => purpose_widens((old, before), (new, purpose, path), &mut found),
        }
    }
    cameras_and_models_widen(old, new, &mut found);
    rules_widen(old, new, &mut found);
    found.dedup();
    found
}

impl CitySet {
    /// Whether this set may take the place of `old`: gives the widenings that were decided by a new version of their krav.
    ///
    /// # Errors
    /// [`PolicyError::Widened`] names those that were not; [`PolicyError::SilentChange`] a krav whose words changed under
    /// an unchanged version.
    pub fn may_follow(&self, old: &Self) -> Result<Vec<Widening>, PolicyError> {
        for entry in self.catalogue().entries() {
            let Some(before) = old.catalogue().get(&entry.id) else { continue };
            let same = entry.dk == before.dk && entry.en == before.en && entry.kind == before.kind;
            if !same && ordinal(entry.version()) <= ordinal(before.version()) {
                let place = self.line(&format!("catalogue/{}.toml", entry.id), "dk");
                return Err(PolicyError::SilentChange { place, krav: entry.id.clone() });
            }
        }
        let all = widenings(old, self);
        let decided = |widening: &Widening| {
            let version = |set: &Self| set.catalogue().get(&widening.krav).map(|entry| ordinal(entry.version()));
            match (version(old), version(self)) {
                (Some(before), Some(after)) => after > before,
                _ => false,
            }
        };
        let undecided: Vec<Widening> = all.iter().filter(|widening| !decided(widening)).cloned().collect();
        if guard::stands("policy.widening") && !undecided.is_empty() {
            return Err(PolicyError::Widened(undecided));
        }
        Ok(all)
    }

    fn line(&self, path: &str, param: &str) -> Place {
        let text = self.files().get(path).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        Place::new(path, line_of(text, param))
    }
}

fn purpose_widens(
    (old, before): (&CitySet, &Purpose),
    (new, after, path): (&CitySet, &Purpose, &str),
    found: &mut Vec<Widening>,
) {
    let name = &after.name;
    let mut add = |krav: &str, place: Place, witness: String| {
        found.push(Widening { krav: krav.to_owned(), witness, place });
    };
    for label in after.vocabulary.iter().filter(|label| !before.vocabulary.contains(label)) {
        add("LIG-02", new.line(path, "vocabulary"), format!("the label `{label}` may leave for `{name}`"));
    }
    if after.max_area_km2 > before.max_area_km2 {
        let (from, to) = (before.max_area_km2, after.max_area_km2);
        add("MIN-04", new.line(path, "max_area_km2"), format!("max_area_km2 of `{name}`: {from} → {to}"));
    }
    if after.legal_basis != before.legal_basis {
        add("GOV-07", new.line(path, "legal_basis"), format!("another legal basis of `{name}`"));
    }
    if before.operating && !after.operating {
        add(
            "STD-01",
            new.line(path, "operating"),
            format!("`{name}` no longer operates, so weaker modes are open to it"),
        );
    }
    for (krav, what, param, was, is) in [
        ("MIN-04", "the fence", "geofence", old.files().get(&before.geofence), new.files().get(&after.geofence)),
        ("MIN-02", "the masking policy", "masking", old.files().get(&before.masking), new.files().get(&after.masking)),
    ] {
        if !same_content(was, is) {
            add(
                krav,
                new.line(path, param),
                format!("{what} of `{name}` is another; it cannot be shown to be narrower"),
            );
        }
    }
    let profile_of = |set: &CitySet, purpose: &Purpose| {
        set.profiles().find(|(path, _)| *path == purpose.profile).map(|(_, profile)| profile.clone())
    };
    let (Some(was), Some(is)) = (profile_of(old, before), profile_of(new, after)) else { return };
    let file = after.profile.as_str();
    for (param, krav, wider, value) in QUANTITIES {
        let (from, to) = (value(&was), value(&is));
        if (wider == Wider::Up && to > from) || (wider == Wider::Down && to < from) {
            add(krav, new.line(file, param), format!("{param}: {from} → {to}"));
        }
    }
    for interface in is.interfaces.difference(&was.interfaces) {
        let krav = if interface.as_str() == "zoom" { "MIN-05" } else { "LEV-06" };
        add(krav, new.line(file, "interfaces"), format!("the interface `{}` may be given", interface.as_str()));
    }
    if is.approval.threshold < was.approval.threshold {
        let (from, to) = (was.approval.threshold, is.approval.threshold);
        add("SKJ-04", new.line(file, "approval.threshold"), format!("approval.threshold: {from} → {to}"));
    }
    for role in was.approval.roles.difference(&is.approval.roles) {
        add("SKJ-04", new.line(file, "approval.roles"), format!("the role `{role}` need no longer sign"));
    }
    if was.approval.gate_result && !is.approval.gate_result {
        let witness = "an approval need no longer name a test of the gate".to_owned();
        add("MIN-01", new.line(file, "approval.gate_result"), witness);
    }
    if let Some(witness) = supervised_less(was.probe, is.probe) {
        add("ANS-02", new.line(file, "probe"), witness);
    }
    for (krav, param, was, is, witness) in [
        ("LEV-04", "approval.host_line", was.approval.host_line, is.approval.host_line, "name a host line"),
        (
            "LEV-01",
            "approval.vendor_result",
            was.approval.vendor_result,
            is.approval.vendor_result,
            "rest on the vendor's own test",
        ),
    ] {
        if was && !is {
            add(krav, new.line(file, param), format!("an approval need no longer {witness}"));
        }
    }
    if let Some(witness) = more_goes_unsaid(was.interference, is.interference) {
        add("CYB-02", new.line(file, "interference"), witness);
    }
    if is.approval.max_age_days > was.approval.max_age_days {
        let (from, to) = (was.approval.max_age_days, is.approval.max_age_days);
        add("GOV-04", new.line(file, "approval.max_age_days"), format!("approval.max_age_days: {from} → {to}"));
    }
}

/// How a release in operation is supervised less than before, by pictures with a known answer. Other pictures are no less.
fn supervised_less(was: Option<ProbeRule>, is: Option<ProbeRule>) -> Option<String> {
    let was = was?;
    let Some(is) = is else {
        return Some("a release in operation is shown no pictures with a known answer any more".to_owned());
    };
    let looser = [
        ("every_frames", is.every_frames > was.every_frames),
        ("pictures", is.pictures > was.pictures),
        ("found_percent", is.found_percent < was.found_percent),
        ("beside_per_100", is.beside_per_100 > was.beside_per_100),
    ];
    let (param, _) = looser.into_iter().find(|(_, looser)| *looser)?;
    Some(format!("probe.{param} is looser"))
}

/// How more interference from outside than before goes without an alarm.
fn more_goes_unsaid(was: Option<InterferenceRule>, is: Option<InterferenceRule>) -> Option<String> {
    let was = was?;
    let Some(is) = is else {
        return Some("interference from outside raises no alarm any more".to_owned());
    };
    let looser = [
        ("frames", is.frames > was.frames),
        ("replayed_per_100", is.replayed_per_100 > was.replayed_per_100),
        ("unplaced_per_100", is.unplaced_per_100 > was.unplaced_per_100),
        ("crowded_above", is.crowded_above > was.crowded_above),
        ("crowded_per_100", is.crowded_per_100 > was.crowded_per_100),
        ("covered_above_percent", is.covered_above_percent > was.covered_above_percent),
        ("covered_per_100", is.covered_per_100 > was.covered_per_100),
    ];
    let (param, _) = looser.into_iter().find(|(_, looser)| *looser)?;
    Some(format!("interference.{param} is looser"))
}

fn cameras_and_models_widen(old: &CitySet, new: &CitySet, found: &mut Vec<Widening>) {
    for (path, bytes) in new.files() {
        let krav = match path.as_str() {
            "models.toml" => "MIN-01",
            path if path.starts_with("cameras/") => "MIN-08",
            _ => continue,
        };
        if !same_content(old.files().get(path), Some(bytes)) {
            let witness = "is new or another; it cannot be shown to be narrower".to_owned();
            found.push(Widening { krav: krav.to_owned(), witness, place: Place::new(path, 1) });
        }
    }
}

/// A case that the old rules refused and the new ones permit; the first for each krav, which is the plainest.
fn rules_widen(old: &CitySet, new: &CitySet, found: &mut Vec<Widening>) {
    let mut told = BTreeSet::new();
    for Case { what, question, .. } in small_world() {
        let after = new.rules().decide(&question);
        if !after.allowed() {
            continue;
        }
        let before = old.rules().decide(&question);
        if before.allowed() {
            continue;
        }
        let permit = after.rules.first();
        let krav = before.rules.first().or(permit).map_or("STD-01", |rule| rule.krav.as_str());
        if told.insert(krav.to_owned()) {
            let place = permit.map_or_else(|| Place::new("capabilities/", 1), |rule| rule.place.clone());
            let witness = format!("{} is now permitted: {what}", question.action());
            found.push(Widening { krav: krav.to_owned(), witness, place });
        }
    }
}

/// The same bytes, or the same content once comments and spacing are taken away.
fn same_content(old: Option<&Vec<u8>>, new: Option<&Vec<u8>>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return old == new };
    if old == new {
        return true;
    }
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let toml = |bytes| text(bytes).and_then(|text| toml::from_str::<toml::Table>(text).ok());
    let json = |bytes| text(bytes).and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    match (toml(old), toml(new)) {
        (Some(old), Some(new)) => old == new,
        _ => json(old).is_some_and(|old| json(new).is_some_and(|new| old == new)),
    }
}
