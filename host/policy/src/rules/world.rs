//! A small world: every question that differs in what matters, few enough to ask all of them each time a set is loaded.
//!
//! It is exhaustive over frames, interfaces and labels, and over admissions in which at most two facts are bad. The cases
//! know what no policy may permit; two sets are compared by their answers to the same cases. A proof over all worlds
//! (`cedar-policy-symcc`) can take the place of [`small_world`] without a change elsewhere.

use std::collections::BTreeSet;

use vaern_door::{Interface, Label};

use super::question::{FrameFacts, NodeView, Question, ReleaseView};
use crate::{ActivationFacts, AdmissionFacts};

/// One question of the small world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What sets it apart, for a witness.
    pub what: String,
    /// Whether a policy may permit it at all.
    pub safe: bool,
    /// The question.
    pub question: Question,
}

const INTERFACES: [Interface; 4] = [Interface::Pixels, Interface::Zoom, Interface::Models, Interface::Diagnostics];

/// All cases, always the same and in the same order.
#[must_use]
pub fn small_world() -> Vec<Case> {
    let mut cases = frames();
    cases.extend(interfaces());
    cases.extend(labels());
    cases.extend(admissions());
    cases.extend(activations());
    cases
}

fn labels_of(words: &[&str]) -> BTreeSet<Label> {
    words.iter().filter_map(|word| Label::new(*word).ok()).collect()
}

fn release(capabilities: BTreeSet<Interface>, labels: BTreeSet<Label>) -> ReleaseView {
    ReleaseView {
        name: "small-world".to_owned(),
        vendor: "vendor".to_owned(),
        purpose: "purpose".to_owned(),
        labels,
        capabilities,
        licences_named: true,
    }
}

fn modest() -> ReleaseView {
    release(BTreeSet::from([Interface::Models]), labels_of(&["thing"]))
}

fn node(operating: bool) -> NodeView {
    NodeView {
        purpose: "purpose".to_owned(),
        policy_set: "set".to_owned(),
        catalogue: "1.0.0".to_owned(),
        operating,
        vocabulary: labels_of(&["thing", "other"]),
    }
}

/// Names of the bits that are off, for a witness.
fn off<const N: usize>(names: [&str; N], bits: u32) -> String {
    let missing: Vec<&str> =
        names.iter().enumerate().filter(|(at, _)| bits & (1 << at) == 0).map(|(_, name)| *name).collect();
    if missing.is_empty() { "everything in order".to_owned() } else { format!("not {}", missing.join(", not ")) }
}

/// Every kind of frame. Only the clear one may be handed over.
fn frames() -> Vec<Case> {
    let names =
        ["masked", "irreversible", "inside the fence", "of a known camera", "without metadata", "within its size"];
    (0..64_u32)
        .map(|bits| {
            let bit = |at: u32| bits & (1 << at) != 0;
            let frame = FrameFacts {
                masked: bit(0),
                irreversible: bit(1),
                inside_fence: bit(2),
                known_camera: bit(3),
                without_metadata: bit(4),
                within_size: bit(5),
            };
            let question = Question::HandOver { release: modest(), frame };
            Case { what: format!("a frame, {}", off(names, bits)), safe: frame == FrameFacts::CLEAR, question }
        })
        .collect()
}

/// Every interface, asked for or not, under the ceiling or not, operating or not, with and without a zoom budget.
fn interfaces() -> Vec<Case> {
    let mut cases = Vec::new();
    for interface in INTERFACES {
        for bits in 0..16_u32 {
            let bit = |at: u32| bits & (1 << at) != 0;
            let (asked, given, operating, budget) = (bit(0), bit(1), bit(2), bit(3));
            let one = |there: bool| if there { BTreeSet::from([interface]) } else { BTreeSet::new() };
            let question = Question::Grant {
                release: release(one(asked), labels_of(&["thing"])),
                interface,
                ceiling: one(given),
                operating,
                zoom_pixels: if budget { 65_536 } else { 0 },
            };
            let open = match interface {
                Interface::Diagnostics => !operating,
                Interface::Zoom => budget,
                Interface::Pixels | Interface::Models => true,
            };
            let names = ["asked for", "given by the profile", "operating", "with a zoom budget"];
            let what = format!("{}, {}", interface.as_str(), off(names, bits));
            cases.push(Case { what, safe: asked && given && open, question });
        }
    }
    cases
}

/// A plain word, words for people and for faces; in the vocabulary or not, in the manifest or not, half masked or not.
fn labels() -> Vec<Case> {
    let mut cases = Vec::new();
    for (word, about_people) in [
        ("thing", false),
        ("person", true),
        ("ansigt", true),
        ("face", true),
        ("nummerplade", true),
        ("barn_paa_cykel", true),
    ] {
        let Ok(label) = Label::new(word) else { continue };
        for bits in 0..8_u32 {
            let bit = |at: u32| bits & (1 << at) != 0;
            let (listed, declared, clear) = (bit(0), bit(1), bit(2));
            let with = |there: bool| if there { labels_of(&[word, "other"]) } else { labels_of(&["other"]) };
            let question = Question::Accept {
                release: release(BTreeSet::new(), with(declared)),
                label: label.clone(),
                vocabulary: with(listed),
                over_half_masked: !clear,
            };
            let names = ["in the vocabulary", "in the manifest", "in the clear by half"];
            let what = format!("the label `{word}`, {}", off(names, bits));
            cases.push(Case { what, safe: listed && declared && clear && !about_people, question });
        }
    }
    cases
}

/// Admissions in which no, one or two facts are bad; of the examinations one at a time.
fn admissions() -> Vec<Case> {
    let spoilers = AdmissionFacts::spoilers();
    let mut cases = vec![admission("everything in order", true, |_| {})];
    for id in crate::catalogue::KRAV {
        cases.push(admission(&format!("{id} not examined"), false, |facts| {
            facts.examined.remove(id);
        }));
    }
    for (first, (name, spoil)) in spoilers.iter().enumerate() {
        cases.push(admission(name, false, spoil));
        for (other, spoil_too) in spoilers.iter().skip(first + 1) {
            cases.push(admission(&format!("{name}, {other}"), false, |facts| {
                spoil(facts);
                spoil_too(facts);
            }));
        }
    }
    let mut unlicensed = admission("licences not named", false, |_| {});
    if let Question::Admit { release, .. } = &mut unlicensed.question {
        release.licences_named = false;
    }
    let mut elsewhere = admission("another purpose", false, |_| {});
    if let Question::Admit { release, .. } = &mut elsewhere.question {
        "elsewhere".clone_into(&mut release.purpose);
    }
    let mut foreign = admission("a label outside the vocabulary", false, |_| {});
    if let Question::Admit { release, .. } = &mut foreign.question {
        release.labels = labels_of(&["thing", "strange"]);
    }
    cases.extend([unlicensed, elsewhere, foreign]);
    cases
}

/// What no policy may admit is only what the guarantees forbid: unsigned, unapproved, or with a high residual risk. The
/// other facts are the city's to decide; a set that drops one of them is seen by the comparison with the set before.
fn admission(what: &str, in_order: bool, spoil: impl Fn(&mut AdmissionFacts)) -> Case {
    let mut facts = AdmissionFacts::in_order();
    spoil(&mut facts);
    let never = !facts.vendor_signed || !facts.approved || facts.residual_risk == "høj";
    let question = Question::Admit { release: modest(), node: node(true), facts };
    Case { what: what.to_owned(), safe: in_order || !never, question }
}

/// Revoked or not, out of touch or not, operating or not, under a signed policy or not, for this purpose or another.
fn activations() -> Vec<Case> {
    (0..32_u32)
        .map(|bits| {
            let bit = |at: u32| bits & (1 << at) != 0;
            let facts = ActivationFacts {
                revoked: !bit(0),
                policy_signed: bit(3),
                stale_hours: if bit(1) { 1 } else { 1_000 },
                max_stale_hours: 168,
            };
            let mut view = modest();
            if !bit(4) {
                "elsewhere".clone_into(&mut view.purpose);
            }
            let operating = bit(2);
            let names = ["free of a revocation", "in touch", "operating", "under a signed policy", "for this purpose"];
            let safe = bit(0) && bit(4) && (bit(3) || !operating);
            let question = Question::Activate { release: view, node: node(operating), facts };
            Case { what: off(names, bits), safe, question }
        })
        .collect()
}
