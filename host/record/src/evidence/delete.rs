//! Deletion: by destroying an epoch key, never by removing bytes.
//!
//! ```text
//! survivors get a new epoch key ──► one transaction: survivors re-wrapped, rows gone, epoch marked ──► key destroyed
//!     ──► one transaction: mark gone, certificate, leaf in the outbox ──► leaf logged
//! ```
//!
//! A crash at any arrow leaves the mark, and opening the store goes on from there: a certificate is made only after both
//! copies of the key are overwritten (AUD-07).

use serde::{Deserialize, Serialize};

use super::certificate::{self, Certificate};
use super::error::EvidenceError;
use super::label::{Day, RecordId};
use super::store::{CERTIFICATES, Evidence, PENDING, ROWS, Row, SEALED, WRAPPED, db, decode, encode, put, remove};
use crate::log::{CertificateRef, Deletion, Event, Leaf, Log, RetentionClass};

/// What is left to do for an epoch whose records are gone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pending {
    pub(super) records: Vec<String>,
    pub(super) class: RetentionClass,
    pub(super) day: Day,
    pub(super) cause: Deletion,
    pub(super) time: u64,
}

impl Evidence {
    /// Deletes records for good. Answers with one certificate for each epoch key that was destroyed.
    ///
    /// # Errors
    /// [`EvidenceError::Gone`] or [`EvidenceError::Held`], and then nothing was deleted.
    pub fn delete(
        &mut self,
        ids: &[RecordId],
        cause: Deletion,
        now: u64,
        log: &mut Log,
    ) -> Result<Vec<Certificate>, EvidenceError> {
        let wrapped = self.wrapped()?;
        let mut epochs = Vec::new();
        for id in ids {
            let epoch = wrapped.iter().find(|(other, _)| other == id).ok_or(EvidenceError::Gone)?.1;
            if self.is_held(id)? {
                return Err(EvidenceError::Held);
            }
            if !epochs.contains(&epoch) {
                epochs.push(epoch);
            }
        }
        for epoch in epochs {
            self.cut(epoch, ids, cause, now)?;
        }
        self.settle(log)
    }

    /// Deletes everything whose time is over and that no hold stands on.
    ///
    /// # Errors
    /// [`EvidenceError`] where store or log fail; what was begun is finished when the store is opened again.
    pub fn expire(&mut self, now: u64, log: &mut Log) -> Result<Vec<Certificate>, EvidenceError> {
        let today = Day::of(now);
        let over: Vec<u64> = self.epochs.all.iter().filter(|e| e.day < today).map(|e| e.number).collect();
        let wrapped = self.wrapped()?;
        // Keys that seal nothing: a crash came between making the key and using it.
        let used = |number: u64| wrapped.iter().any(|(_, epoch)| *epoch == number);
        let unused: Vec<u64> = over.iter().copied().filter(|number| !used(*number)).collect();
        if !unused.is_empty() {
            self.epochs.destroy(&unused)?;
        }
        for epoch in over {
            let mut ids = Vec::new();
            for (id, _) in wrapped.iter().filter(|(_, of)| *of == epoch) {
                if !self.is_held(id)? {
                    ids.push(*id);
                }
            }
            if !ids.is_empty() {
                self.cut(epoch, &ids, Deletion::Expired, now)?;
            }
        }
        self.settle(log)
    }

    /// Takes those of `ids` that epoch `number` seals out of the store, and marks its key for destruction.
    fn cut(&mut self, number: u64, ids: &[RecordId], cause: Deletion, now: u64) -> Result<(), EvidenceError> {
        let of_epoch: Vec<RecordId> =
            self.wrapped()?.into_iter().filter(|(_, epoch)| *epoch == number).map(|(id, _)| id).collect();
        let (gone, survivors): (Vec<RecordId>, Vec<RecordId>) = of_epoch.into_iter().partition(|id| ids.contains(id));
        let old = self.epochs.get(number).ok_or(EvidenceError::Gone)?;
        let (class, day) = (old.class, old.day);
        let mut moved = Vec::new();
        if !survivors.is_empty() {
            let new = self.epochs.add(class, day)?;
            for id in &survivors {
                moved.push((*id, self.wrap(id, new, &self.unwrap_key(id)?)?));
            }
        }
        let pending = Pending { records: gone.iter().map(ToString::to_string).collect(), class, day, cause, time: now };
        let txn = self.db.begin_write().map_err(db)?;
        for (id, wrapped) in &moved {
            put(&txn, WRAPPED, id.bytes(), wrapped)?;
        }
        for id in &gone {
            for table in [ROWS, SEALED, WRAPPED] {
                remove(&txn, table, id.bytes())?;
            }
        }
        put(&txn, PENDING, &number.to_be_bytes(), &encode(&pending)?)?;
        Self::note_epochs(&txn, self.epochs.next())?;
        txn.commit().map_err(db)
    }

    /// Destroys what is marked, certifies it, and logs what waits to be logged.
    pub(super) fn settle(&mut self, log: &mut Log) -> Result<Vec<Certificate>, EvidenceError> {
        let mut certificates = Vec::new();
        for (number, pending) in self.all::<Pending>(PENDING)? {
            let epoch = number.as_slice().try_into().map(u64::from_be_bytes).map_err(db)?;
            self.epochs.destroy(&[epoch])?;
            let txn = self.db.begin_write().map_err(db)?;
            let serial = Self::next_certificate(&txn)?;
            let certificate = certificate::issue(serial, epoch, &pending, log);
            let reference = CertificateRef::of(certificate.digest());
            let event = Event::Deleted { certificate: reference, cause: pending.cause, class: pending.class };
            put(&txn, CERTIFICATES, &serial.to_be_bytes(), certificate.text().as_bytes())?;
            Self::post(&txn, &Leaf::seal(event, pending.time)?)?;
            remove(&txn, PENDING, &number)?;
            txn.commit().map_err(db)?;
            certificates.push(certificate);
        }
        self.send(log)?;
        Ok(certificates)
    }

    /// All certificates, oldest first.
    ///
    /// # Errors
    /// [`EvidenceError::Database`].
    pub fn certificates(&self) -> Result<Vec<Certificate>, EvidenceError> {
        use redb::{ReadableDatabase as _, ReadableTable as _};
        let txn = self.db.begin_read().map_err(db)?;
        let table = txn.open_table(CERTIFICATES).map_err(db)?;
        let mut all = Vec::new();
        for row in table.iter().map_err(db)? {
            let (_, text) = row.map_err(db)?;
            all.push(Certificate::of_text(&String::from_utf8_lossy(text.value())));
        }
        Ok(all)
    }

    /// The label of a record.
    pub(super) fn row(&self, id: &RecordId) -> Result<Row, EvidenceError> {
        decode(&self.value(ROWS, id.bytes())?.ok_or(EvidenceError::Gone)?)
    }
}
