//! Attempts on the sealed corpus: counted for each vendor, equal for all, and each signed by a role of the city before the corpus is opened.
//!
//! One line for each attempt, each naming the one before it. The same release under the same seed again is the same attempt: it can only
//! come to the same result. A line that a power cut tore was never entered, and nothing was opened for it.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use cap_std::fs::{Dir, OpenOptions};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, guard};
use vaern_trust::{Authority, CityFile, SigError, SigningKeyPair, TrustRoot, open_file, sign_file};

/// Name of the file.
pub const ATTEMPTS: &str = "attempts.jsonl";
/// A ledger longer than this was not written here.
const LARGEST: u64 = 64 << 20;

/// Why an attempt is not entered.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The directory does not give or take it.
    #[error("the ledger of attempts cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// A line is not signed, or not by a role that decides.
    #[error("line {0} of the ledger of attempts does not hold: {1}")]
    Signature(u64, #[source] SigError),
    /// A line is missing or was put in.
    #[error("line {0} of the ledger of attempts does not follow the one before it")]
    Chain(u64),
    /// No attempt is left.
    #[error("{vendor} has used its {of} attempts on this corpus: every vendor has as many")]
    Spent {
        /// Whose.
        vendor: Name,
        /// How many each has.
        of: u32,
    },
    /// The seed was shown to this vendor with another release.
    #[error("this seed was revealed to {0} with an earlier release: a new one must be committed to")]
    SeedKnown(Name),
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Number of the line, from 1.
    pub number: u64,
    /// Digest of the line before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Whose attempt.
    pub vendor: Name,
    /// With which release.
    pub release: Digest,
    /// On which corpus.
    pub corpus: Digest,
    /// Under which commitment to a seed.
    pub commitment: Digest,
    /// When.
    pub at: Timestamp,
}

impl CityFile for Attempt {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.attempt.v1+json";
}

impl Attempt {
    fn about(&self) -> About {
        let (release, corpus, commitment) = (self.release, self.corpus, self.commitment);
        About { vendor: self.vendor.clone(), release, corpus, commitment }
    }
}

/// What an attempt is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Whose attempt.
    pub vendor: Name,
    /// With which release.
    pub release: Digest,
    /// On which corpus.
    pub corpus: Digest,
    /// Under which commitment to a seed.
    pub commitment: Digest,
}

/// An attempt that is in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// Which of the vendor's attempts it is, from 1.
    pub attempt: u32,
    /// How many each vendor has.
    pub of: u32,
    /// Digest of the ledger's line.
    pub line: Digest,
}

/// An attempt that was entered before.
struct Known {
    /// Which of its vendor's on this corpus.
    attempt: u32,
    /// Its line, from 0.
    at: usize,
}

/// Whether an attempt is one that is known, or else how many its vendor used on this corpus, if one is left.
fn judged(known: &[About], about: &About, of: u32) -> Result<Result<Known, u32>, AttemptError> {
    let mine = |one: &About| one.vendor == about.vendor && one.corpus == about.corpus;
    let mut used = 0_u32;
    for (at, one) in known.iter().enumerate().filter(|(_, one)| mine(one)) {
        used = used.saturating_add(1);
        if one == about {
            return Ok(Ok(Known { attempt: used, at }));
        }
    }
    // A seed is told in a result, whatever corpus it was on.
    let told = |one: &About| (&one.vendor, one.commitment) == (&about.vendor, about.commitment);
    if known.iter().any(|one| told(one) && one.release != about.release) {
        return Err(AttemptError::SeedKnown(about.vendor.clone()));
    }
    if used >= of && guard::stands("conformance.attempts") {
        return Err(AttemptError::Spent { vendor: about.vendor.clone(), of });
    }
    Ok(Err(used))
}

/// A ledger that was read and holds.
#[derive(Debug)]
pub struct Attempts {
    lines: Vec<(Attempt, Digest)>,
    /// Bytes of the whole lines.
    end: u64,
}

impl Attempts {
    /// Reads the ledger in `dir`; an absent one is empty.
    ///
    /// # Errors
    /// [`AttemptError`].
    pub fn read(dir: &Dir, trust: &TrustRoot) -> Result<Self, AttemptError> {
        let mut bytes = Vec::new();
        match dir.open(ATTEMPTS) {
            Ok(file) => {
                file.take(LARGEST).read_to_end(&mut bytes)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let mut all = Self { lines: Vec::new(), end: 0 };
        for raw in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = raw.strip_suffix(b"\n") else { break };
            let number = all.next();
            let signed = open_file::<Attempt>(line, trust, Authority::TestResult)
                .map_err(|error| AttemptError::Signature(number, error))?;
            let digest = signed.digest();
            let attempt = signed.into_file();
            if attempt.number != number || attempt.previous != all.head() {
                return Err(AttemptError::Chain(number));
            }
            all.end += u64::try_from(raw.len()).unwrap_or(LARGEST);
            all.lines.push((attempt, digest));
        }
        Ok(all)
    }

    fn next(&self) -> u64 {
        u64::try_from(self.lines.len()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn head(&self) -> Option<Digest> {
        self.lines.last().map(|(_, digest)| *digest)
    }

    /// Every attempt, in its order.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.lines.iter().map(|(attempt, _)| attempt)
    }

    /// Attempts of a vendor on a corpus.
    #[must_use]
    pub fn of(&self, vendor: &Name, corpus: Digest) -> u32 {
        let own = self.attempts().filter(|attempt| attempt.vendor == *vendor && attempt.corpus == corpus);
        u32::try_from(own.count()).unwrap_or(u32::MAX)
    }

    /// Says whether all of these could be entered, one after the other: nobody spends an attempt because another has none left.
    ///
    /// # Errors
    /// [`AttemptError::Spent`], [`AttemptError::SeedKnown`].
    pub fn may(&self, all: &[About], of: u32) -> Result<(), AttemptError> {
        let mut known: Vec<About> = self.attempts().map(Attempt::about).collect();
        for about in all {
            if judged(&known, about, of)?.is_err() {
                known.push(about.clone());
            }
        }
        Ok(())
    }

    /// Enters an attempt, if the vendor has one left: it is on disk before this returns. The same attempt again is not entered twice.
    ///
    /// # Errors
    /// [`AttemptError`].
    pub fn enter(
        mut self,
        dir: &Dir,
        (trust, pair): (&TrustRoot, &SigningKeyPair),
        about: About,
        at: Timestamp,
        of: u32,
    ) -> Result<Entered, AttemptError> {
        let known: Vec<About> = self.attempts().map(Attempt::about).collect();
        let used = match judged(&known, &about, of)? {
            Ok(Known { attempt, at }) => {
                let line = self.lines.get(at).map(|(_, line)| *line).ok_or(AttemptError::Chain(self.next()))?;
                return Ok(Entered { attempt, of, line });
            }
            Err(used) => used,
        };
        let About { vendor, release, corpus, commitment } = about;
        let (number, previous) = (self.next(), self.head());
        let attempt = Attempt { number, previous, vendor, release, corpus, commitment, at };
        let refused = |error| AttemptError::Signature(number, error);
        let mut line = sign_file(&attempt, trust, Authority::TestResult, &[pair]).map_err(refused)?;
        let digest = open_file::<Attempt>(&line, trust, Authority::TestResult).map_err(refused)?.digest();
        line.push(b'\n');
        let mut file = dir.open_with(ATTEMPTS, OpenOptions::new().write(true).create(true))?;
        // What a power cut tore goes.
        file.set_len(self.end)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(&line)?;
        file.sync_all()?;
        self.lines.push((attempt, digest));
        Ok(Entered { attempt: used + 1, of, line: digest })
    }
}
