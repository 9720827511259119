//! Holds: evidence that a case needs stays past its time. Setting and lifting one takes two persons (AUD-12).

use std::collections::BTreeSet;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use vaern_door::Digest;

use super::error::EvidenceError;
use super::label::RecordId;
use super::store::{Evidence, HOLDS, db, encode, put, remove};
use crate::log::{Event, KeyRef, Leaf, Log};

/// Persons that a hold takes.
const NEED: usize = 2;

/// Whose signature counts for holds.
#[derive(Debug, Clone, Default)]
pub struct HoldRule(Vec<VerifyingKey>);

impl HoldRule {
    /// These keys, one for each person.
    ///
    /// # Errors
    /// [`EvidenceError::Label`] for a weak or doubly spelled key, or one that stands there twice.
    pub fn new(keys: &[[u8; 32]]) -> Result<Self, EvidenceError> {
        let mut all = Vec::new();
        for bytes in keys {
            let key = VerifyingKey::from_bytes(bytes).map_err(|_| EvidenceError::Label("key"))?;
            let spelled = key.to_edwards().compress();
            if key.is_weak() || spelled.as_bytes() != bytes || all.contains(&key) {
                return Err(EvidenceError::Label("key"));
            }
            all.push(key);
        }
        Ok(Self(all))
    }
}

/// An order to set a hold on a record or to lift it, for the persons to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldOrder {
    /// Set, not lift.
    pub set: bool,
    /// On which record: 32 hexadecimal digits.
    pub record: String,
    /// For which case: a reference that says nothing of it, because the order is kept beside the evidence.
    pub case: String,
    /// When, in seconds since 1970.
    pub time: u64,
}

impl HoldOrder {
    /// The bytes that each person signs.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let what = if self.set { "set" } else { "lift" };
        format!("vaern hold 1\n{what}\nrecord {}\ncase {}\ntime {}\n", self.record, self.case, self.time).into_bytes()
    }

    /// The distinct persons of the rule who signed.
    fn signers(&self, rule: &HoldRule, signatures: &[[u8; 64]]) -> Result<Vec<KeyRef>, EvidenceError> {
        let message = self.message();
        let mut signed = BTreeSet::new();
        for signature in signatures {
            let signature = Signature::from_bytes(signature);
            let by = rule.0.iter().find(|key| key.verify_strict(&message, &signature).is_ok());
            signed.extend(by.map(|key| *key.as_bytes()));
        }
        let (have, need) = (signed.len(), NEED);
        if vaern_door::guard::stands("record.two_persons") && have < need {
            return Err(EvidenceError::ThresholdNotMet { have, need });
        }
        Ok(signed.iter().map(|key| KeyRef::of(Digest::of(key))).collect())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldRow {
    order: HoldOrder,
}

impl Evidence {
    /// Sets or lifts a hold. The signers are in the log, in one leaf.
    ///
    /// # Errors
    /// [`EvidenceError::ThresholdNotMet`] unless two distinct persons of the rule signed exactly this order.
    pub fn hold(
        &mut self,
        order: &HoldOrder,
        rule: &HoldRule,
        signatures: &[[u8; 64]],
        log: &mut Log,
    ) -> Result<(), EvidenceError> {
        let id: RecordId = order.record.parse()?;
        let signers = order.signers(rule, signatures)?;
        self.row(&id)?;
        let held = self.is_held(&id)?;
        let event = match (order.set, held) {
            (true, false) => Event::HoldSet { signers },
            (false, true) => Event::HoldLifted { signers },
            (true, true) => return Err(EvidenceError::Held),
            (false, false) => return Err(EvidenceError::NotHeld),
        };
        let txn = self.db.begin_write().map_err(db)?;
        if order.set {
            put(&txn, HOLDS, id.bytes(), &encode(&HoldRow { order: order.clone() })?)?;
        } else {
            remove(&txn, HOLDS, id.bytes())?;
        }
        Self::post(&txn, &Leaf::seal(event, order.time)?)?;
        txn.commit().map_err(db)?;
        self.send(log)
    }

    pub(super) fn is_held(&self, id: &RecordId) -> Result<bool, EvidenceError> {
        Ok(self.value(HOLDS, id.bytes())?.is_some())
    }
}
