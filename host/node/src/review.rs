//! A person's verdict on a proposal: automation proposes, a person decides, with a reason and a record (RET-03).
//!
//! Verdicts lie beside the result that they are about, in `verdicts.jsonl`, oldest first: a later one stands, the earlier ones
//! stay readable. Whoever confirms or rejects must have been shown the picture, so where it is deleted nobody can do either:
//! the only verdict left is `kan ikke vurderes`.

mod table;

use std::io;

use cap_std::fs::{Dir, File, OpenOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaern_door::{Blame, Krav, guard};

use crate::sinks::{self, SinkError};

/// Name of the file with the verdicts.
pub const VERDICTS: &str = "verdicts.jsonl";

const LOCK: &str = "verdicts.lock";

/// The largest file of results that is read.
const MAX_BYTES: u64 = 256 << 20;

/// The longest reason, in characters.
const MAX_REASON: usize = 1_000;

/// The longest name of a reviewer, in characters.
const MAX_REVIEWER: usize = 120;

/// What a person can say about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// It is what the proposal says.
    #[serde(rename = "bekræftet")]
    Confirmed,
    /// It is not.
    #[serde(rename = "afvist")]
    Rejected,
    /// It cannot be said.
    #[serde(rename = "kan ikke vurderes")]
    Undecidable,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Rejected, Self::Undecidable];

    /// The Danish word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "bekræftet",
            Self::Rejected => "afvist",
            Self::Undecidable => "kan ikke vurderes",
        }
    }
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Id of the proposal.
    pub id: String,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub reviewer: String,
    /// Why.
    pub reason: String,
    /// The reviewer was shown the picture.
    pub picture_shown: bool,
    /// When, in seconds since 1970, UTC.
    pub time: i64,
}

/// A proposal, as far as a reviewer's list needs it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// Its id.
    pub id: String,
    /// What it says is there.
    pub label: String,
    /// How sure, 0 to 1.
    pub score: f64,
    /// When the picture was taken, RFC 3339, if known.
    pub time: Option<String>,
    /// The masked picture, if it is still there: path inside the result.
    pub picture: Option<String>,
}

/// Why a verdict was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A file of the result cannot be read.
    #[error("cannot read `{file}` of the result: {source}")]
    Unreadable {
        /// Name of the file.
        file: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the result is not one that vaern wrote.
    #[error("`{file}` of the result is not one that vaern wrote, from line {line}")]
    Form {
        /// Name of the file.
        file: &'static str,
        /// First line that is wrong.
        line: usize,
    },
    /// Another reviewer's program writes at this moment.
    #[error("another program writes verdicts on this result at this moment")]
    Busy,
    /// There is no such proposal in this result.
    #[error("there is no proposal of the id `{0}` in this result")]
    NoProposal(String),
    /// Nobody can confirm or reject what nobody can see.
    #[error("the picture of `{0}` is not there any more: the only verdict left is `kan ikke vurderes`")]
    NoPicture(String),
    /// The reviewer does not say that the picture was shown.
    #[error("`{0}` can be confirmed or rejected only by somebody who was shown its picture")]
    NotShown(String),
    /// A verdict without a reason, or without a name.
    #[error("the verdict on `{id}` has no {what} of 1 to {most} characters")]
    Missing {
        /// The proposal.
        id: String,
        /// `reason` or `reviewer`.
        what: &'static str,
        /// Characters at most.
        most: usize,
    },
    /// The table that came back is not the one that was given out.
    #[error("line {line} of the table: {why}")]
    Table {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The verdicts cannot be written.
    #[error(transparent)]
    Write(#[from] SinkError),
}

impl ReviewError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Write(error) => error.krav(),
            _ => Krav("RET-03"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// The proposals of a result with their verdicts, open for more. One program at a time.
pub struct Reviews {
    dir: Dir,
    collection: Value,
    proposals: Vec<Proposal>,
    verdicts: Vec<Verdict>,
    // Held, never read: the lock goes with it.
    _lock: File,
}

impl Reviews {
    /// Opens a result.
    ///
    /// # Errors
    /// [`ReviewError`] where it is none, or another program writes verdicts on it.
    pub fn open(dir: Dir) -> Result<Self, ReviewError> {
        let lock = lock(&dir)?;
        let bytes = read(&dir, sinks::DETECTIONS)?;
        let form = |line| ReviewError::Form { file: sinks::DETECTIONS, line };
        let collection: Value = serde_json::from_slice(&bytes).map_err(|e| form(e.line()))?;
        let features = collection.get("features").and_then(Value::as_array).ok_or_else(|| form(1))?;
        let mut proposals = Vec::with_capacity(features.len());
        for (feature, line) in features.iter().zip(2..) {
            proposals.push(proposal(&dir, feature).ok_or_else(|| form(line))?);
        }
        let verdicts = match dir.exists(VERDICTS) {
            false => Vec::new(),
            true => verdicts(&read(&dir, VERDICTS)?)?,
        };
        Ok(Self { dir, collection, proposals, verdicts, _lock: lock })
    }

    /// The proposals, in the order of the result.
    #[must_use]
    pub fn proposals(&self) -> &[Proposal] {
        &self.proposals
    }

    /// The verdict that stands on a proposal. `None` while it waits for a person.
    #[must_use]
    pub fn standing(&self, id: &str) -> Option<&Verdict> {
        self.verdicts.iter().rfind(|verdict| verdict.id == id)
    }

    /// Takes verdicts, all or none of them.
    ///
    /// # Errors
    /// [`ReviewError`] names the first that may not be taken.
    pub fn decide(&mut self, verdicts: Vec<Verdict>) -> Result<(), ReviewError> {
        for verdict in &verdicts {
            self.check(verdict)?;
        }
        let mut text = String::new();
        for verdict in self.verdicts.iter().chain(&verdicts) {
            text += &serde_json::to_string(verdict).map_err(|_| ReviewError::Form { file: VERDICTS, line: 0 })?;
            text.push('\n');
        }
        sinks::write_file(&self.dir, VERDICTS, text.as_bytes())?;
        self.verdicts.extend(verdicts);
        Ok(())
    }

    fn check(&self, verdict: &Verdict) -> Result<(), ReviewError> {
        let Verdict { id, decision, reviewer, reason, picture_shown, .. } = verdict;
        let proposal = self.proposals.iter().find(|proposal| proposal.id == *id);
        let proposal = proposal.ok_or_else(|| ReviewError::NoProposal(printable(id)))?;
        let stated = |text: &str, most| {
            let trimmed = text.trim();
            !trimmed.is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
        };
        for (text, what, most) in [(reviewer, "reviewer", MAX_REVIEWER), (reason, "reason", MAX_REASON)] {
            if !stated(text, most) {
                return Err(ReviewError::Missing { id: id.clone(), what, most });
            }
        }
        if *decision == Decision::Undecidable {
            return Ok(());
        }
        if vaern_door::guard::stands("node.review_picture") && proposal.picture.is_none() {
            return Err(ReviewError::NoPicture(id.clone()));
        }
        if vaern_door::guard::stands("node.review_shown") && !picture_shown {
            return Err(ReviewError::NotShown(id.clone()));
        }
        Ok(())
    }

    /// The list as a table for a Danish spreadsheet, to be filled in and read back with [`table`](Self::take_table).
    #[must_use]
    pub fn table(&self) -> String {
        table::write(self)
    }

    /// Takes the verdicts of a table that came back, all or none. Lines without a verdict and lines that say what stands
    /// already are passed over. Answers with the number of new verdicts.
    ///
    /// # Errors
    /// [`ReviewError::Table`] names the line.
    pub fn take_table(&mut self, bytes: &[u8], time: i64) -> Result<usize, ReviewError> {
        let fresh = table::read(self, bytes, time)?;
        let count = fresh.len();
        self.decide(fresh)?;
        Ok(count)
    }

    /// The result as it stands after review: each proposal says what was decided, and rejected ones are withdrawn.
    ///
    /// # Errors
    /// [`ReviewError::Form`] if it cannot be written as JSON.
    pub fn geojson(&self) -> Result<String, ReviewError> {
        let mut collection = self.collection.clone();
        let mut withdrawn = Vec::new();
        if let Some(features) = collection.get_mut("features").and_then(Value::as_array_mut) {
            features.retain_mut(|feature| {
                let id = feature.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                let standing = self.standing(&id).map(|verdict| verdict.decision);
                if standing == Some(Decision::Rejected) && guard::stands("node.withdrawn") {
                    withdrawn.push(Value::from(id));
                    return false;
                }
                if let (Some(decision), Some(review)) =
                    (standing, feature.get_mut("properties").and_then(|p| p.get_mut("review")))
                {
                    *review = decision.as_str().into();
                }
                true
            });
        }
        if let Some(members) = collection.as_object_mut() {
            members.insert("withdrawn".to_owned(), Value::Array(withdrawn));
        }
        let text = serde_json::to_string_pretty(&collection);
        text.map(|text| text + "\n").map_err(|e| ReviewError::Form { file: sinks::DETECTIONS, line: e.line() })
    }
}

fn proposal(dir: &Dir, feature: &Value) -> Option<Proposal> {
    let properties = feature.get("properties")?;
    let text = |field: &str| properties.get(field).and_then(Value::as_str).map(str::to_owned);
    Some(Proposal {
        id: feature.get("id")?.as_str()?.to_owned(),
        label: text("label")?,
        score: properties.get("score")?.as_f64()?,
        time: text("time"),
        // The folder is a capability: a name that leads out of it is not there.
        picture: text("picture").filter(|file| dir.is_file(file)),
    })
}

fn verdicts(bytes: &[u8]) -> Result<Vec<Verdict>, ReviewError> {
    let form = |line| ReviewError::Form { file: VERDICTS, line };
    let text = std::str::from_utf8(bytes).map_err(|_| form(1))?;
    text.lines().zip(1..).map(|(line, n)| serde_json::from_str(line).map_err(|_| form(n))).collect()
}

fn read(dir: &Dir, file: &'static str) -> Result<Vec<u8>, ReviewError> {
    use std::io::Read as _;
    let fail = |source| ReviewError::Unreadable { file, source };
    let mut bytes = Vec::new();
    dir.open(file).map_err(fail)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(io::Error::other("larger than a result is")));
    }
    Ok(bytes)
}

fn lock(dir: &Dir) -> Result<File, ReviewError> {
    let fail = |source| ReviewError::Unreadable { file: LOCK, source };
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    let file = dir.open_with(LOCK, &options).map_err(fail)?;
    match file.try_clone().map_err(fail)?.into_std().try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ReviewError::Busy),
        Err(std::fs::TryLockError::Error(source)) => Err(fail(source)),
    }
}

/// Cuts foreign text down to what an error message can carry.
fn printable(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn result(pictures: &[&str]) -> (cap_tempfile::TempDir, Reviews) {
        let room = cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap();
        room.create_dir("pictures").unwrap();
        for id in pictures {
            room.write(format!("pictures/{id}.jpg"), b"masked").unwrap();
        }
        let feature = |id: &str| {
            serde_json::json!({ "type": "Feature", "id": id, "geometry": null, "properties": {
                "id": id, "label": "container", "score": 0.812, "review": "afventer", "time": "2026-11-25T10:00:00Z",
                "picture": format!("pictures/{id}.jpg") } })
        };
        let all = serde_json::json!({ "type": "FeatureCollection", "features": [feature("a1"), feature("b2"), feature("c3")] });
        room.write(sinks::DETECTIONS, all.to_string()).unwrap();
        let reviews = Reviews::open(room.try_clone().unwrap()).unwrap();
        (room, reviews)
    }

    pub(super) fn verdict(id: &str, decision: Decision) -> Verdict {
        let (reviewer, reason) = ("A. Åkjær".to_owned(), "står på fortovet".to_owned());
        Verdict { id: id.to_owned(), decision, reviewer, reason, picture_shown: true, time: 1_700_000_000 }
    }

    #[test]
    fn ret_03p_a_verdict_stands_until_the_next_and_every_one_stays_readable() {
        let (room, mut reviews) = result(&["a1", "b2", "c3"]);
        assert!(reviews.standing("a1").is_none());
        reviews.decide(vec![verdict("a1", Decision::Rejected), verdict("b2", Decision::Confirmed)]).unwrap();
        reviews.decide(vec![verdict("a1", Decision::Confirmed)]).unwrap();
        assert!(matches!(Reviews::open(room.try_clone().unwrap()), Err(ReviewError::Busy)));
        drop(reviews);
        let reviews = Reviews::open(room.try_clone().unwrap()).unwrap();
        assert_eq!(reviews.standing("a1").unwrap().decision, Decision::Confirmed);
        assert_eq!(room.read_to_string(VERDICTS).unwrap().lines().count(), 3);
    }

    #[test]
    fn ret_03n_without_a_picture_nobody_confirms_or_rejects() {
        let (room, mut reviews) = result(&["a1"]);
        for decision in [Decision::Confirmed, Decision::Rejected] {
            assert!(matches!(reviews.decide(vec![verdict("b2", decision)]), Err(ReviewError::NoPicture(_))));
            let unseen = Verdict { picture_shown: false, ..verdict("a1", decision) };
            assert!(matches!(reviews.decide(vec![unseen]), Err(ReviewError::NotShown(_))));
        }
        let undecidable = Verdict { picture_shown: false, ..verdict("b2", Decision::Undecidable) };
        reviews.decide(vec![undecidable]).unwrap();
        for (field, value) in [("reason", String::new()), ("reason", "x".repeat(1_001)), ("reviewer", "  ".to_owned())]
        {
            let mut bad = verdict("a1", Decision::Confirmed);
            *(if field == "reason" { &mut bad.reason } else { &mut bad.reviewer }) = value;
            let both = vec![verdict("a1", Decision::Confirmed), bad];
            assert!(matches!(reviews.decide(both), Err(ReviewError::Missing { what, .. }) if what == field));
        }
        assert!(matches!(reviews.decide(vec![verdict("d4", Decision::Undecidable)]), Err(ReviewError::NoProposal(_))));
        assert!(reviews.standing("a1").is_none(), "all of a call or none");
        assert_eq!(room.read_to_string(VERDICTS).unwrap().lines().count(), 1);
    }

    #[test]
    fn std_05p_a_rejected_proposal_is_withdrawn_from_what_is_handed_on() {
        let (_room, mut reviews) = result(&["a1", "b2", "c3"]);
        reviews.decide(vec![verdict("a1", Decision::Rejected), verdict("b2", Decision::Confirmed)]).unwrap();
        let handed_on: Value = serde_json::from_str(&reviews.geojson().unwrap()).unwrap();
        let of = |n: usize, field: &str| handed_on["features"][n]["properties"][field].clone();
        assert_eq!(handed_on["features"].as_array().unwrap().len(), 2);
        assert_eq!((of(0, "id"), of(0, "review")), ("b2".into(), "bekræftet".into()));
        assert_eq!((of(1, "id"), of(1, "review")), ("c3".into(), "afventer".into()));
        assert_eq!(handed_on["withdrawn"], serde_json::json!(["a1"]));
        assert!(!handed_on.to_string().contains("Åkjær"), "who decided is not handed on");
    }
}
