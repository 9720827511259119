//! What reviewers said, as figures for the vendor (MAL-04, MAL-06): counts by release, label and reason. No picture, no place, no day,
//! no id and nobody's name or words.

use std::collections::BTreeMap;

use serde::Serialize;
use vaern_door::Digest;

use super::Decision;
use crate::book::{Book, Status};

/// Reasons that are counted: the word that a reviewer writes, as in the guidance. The first that stands in a reason counts.
pub(crate) const REASONS: [&str; 7] =
    ["skygge", "spejling", "anden genstand", "for langt væk", "dækket", "dublet", "privat grund"];

/// Where no such word stands.
const OTHER: &str = "andet";

/// What was said of one label of one release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Proposals that a person confirmed.
    pub confirmed: u64,
    /// Proposals that a person rejected.
    pub rejected: u64,
    /// Proposals of which a person said that it cannot be said.
    pub undecidable: u64,
    /// Proposals that wait.
    pub waiting: u64,
    /// Reasons of rejections, by their word.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// The figures: by release, then by label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// 1.
    pub form: u8,
    /// By release.
    pub releases: BTreeMap<Digest, BTreeMap<String, Said>>,
}

fn reason(words: &str) -> &'static str {
    let words = words.to_lowercase();
    REASONS.into_iter().find(|reason| words.contains(reason)).unwrap_or(OTHER)
}

impl Book {
    /// What was said of each release's proposals. One that several releases saw counts for each of them.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut releases: BTreeMap<Digest, BTreeMap<String, Said>> = BTreeMap::new();
        for proposal in self.proposals() {
            let Some(label) = &proposal.label else { continue };
            let by: std::collections::BTreeSet<Digest> = proposal.seen.iter().filter_map(|seen| seen.release).collect();
            let verdict = self.standing(&proposal.id).filter(|_| proposal.status != Status::Waiting);
            for release in by {
                let said = releases.entry(release).or_default().entry(label.to_string()).or_default();
                match verdict.map(|verdict| (verdict.decision, verdict)) {
                    None => said.waiting += 1,
                    Some((Decision::Confirmed, _)) => said.confirmed += 1,
                    Some((Decision::Undecidable, _)) => said.undecidable += 1,
                    Some((Decision::Rejected, verdict)) => {
                        said.rejected += 1;
                        *said.reasons.entry(reason(&verdict.reason)).or_default() += 1;
                    }
                }
            }
        }
        Figures { form: 1, releases }
    }
}
