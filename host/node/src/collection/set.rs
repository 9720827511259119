//! The manifest of a training set: whose it is, what for, until when (SEP-02).

use std::sync::Arc;

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde::Deserialize;
use vaern_door::{Digest, Name};
use vaern_privacy::{CollectionLimits, Memory, Quota};

use super::CollectionError;
use crate::quota::{DurableQuota, QuotaError};

/// `training-set.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSet {
    /// Name of the set.
    pub name: Name,
    /// Unit and person that answer for it.
    pub owner: String,
    /// Purpose that it is collected for: the policy's purpose, and no other.
    pub purpose: Name,
    /// When it must be gone, in UTC.
    pub expires: Timestamp,
    /// How many pictures the set needs at most (MIN-11); no bound where absent.
    #[serde(default)]
    pub max_pictures: Option<u64>,
    /// Shortest distance between two pictures of one camera that look the same way, in metres (MIN-07).
    #[serde(default)]
    pub min_distance_m: Option<f64>,
    /// Shortest time between two pictures of one camera, in seconds (MIN-07).
    #[serde(default)]
    pub min_interval_s: Option<f64>,
}

impl TrainingSet {
    /// The limits for the gate, with the count of the set kept in `out`.
    ///
    /// # Errors
    /// [`QuotaError`] where the count in `out` cannot be relied on.
    pub fn limits(&self, out: &Dir) -> Result<CollectionLimits, QuotaError> {
        let durable = |limit| DurableQuota::open(out.try_clone()?, self.purpose.clone(), limit);
        let quota = self.max_pictures.map(durable).transpose()?;
        Ok(CollectionLimits {
            min_interval_s: self.min_interval_s,
            min_distance_m: self.min_distance_m,
            memory: Memory::All,
            quota: quota.map(|quota| Arc::new(quota) as Arc<dyn Quota>),
        })
    }
}

/// A manifest that holds now, with the bytes it was read from.
#[derive(Debug, Clone)]
pub struct HeldSet {
    /// What it says.
    pub set: TrainingSet,
    /// The file as it was read.
    pub text: String,
}

impl HeldSet {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`CollectionError`] for another form, no owner, another purpose, or an expiry that is past.
    pub fn parse(text: &str, purpose: &Name, now: Timestamp) -> Result<Self, CollectionError> {
        let set: TrainingSet = toml::from_str(text).map_err(|e| CollectionError::SetForm(e.to_string()))?;
        if set.owner.trim().is_empty() {
            return Err(CollectionError::SetForm("`owner` is empty".to_owned()));
        }
        let range = |name, value: Option<f64>, most| match value {
            Some(value) if !(0.1..=most).contains(&value) => {
                Err(CollectionError::SetForm(format!("`{name}` must lie between 0.1 and {most}")))
            }
            _ => Ok(()),
        };
        range("min_distance_m", set.min_distance_m, 1000.0)?;
        range("min_interval_s", set.min_interval_s, 86_400.0)?;
        if set.purpose != *purpose {
            return Err(CollectionError::WrongPurpose { set: set.purpose, policy: purpose.clone() });
        }
        if set.expires <= now {
            return Err(CollectionError::SetExpired(set.name));
        }
        Ok(Self { set, text: text.to_owned() })
    }

    /// Digest of the manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}
