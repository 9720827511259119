//! Deletion records: each deletion is signed for once, and a record that is there is ours.

use std::io;

use vaern_trust::{DeletedOriginal, DeletionRecord};

use super::journal::{Journal, Line};
use super::state::State;
use super::{CollectionError, Collector, DELETIONS, RECORD_SIZE, Step};
use crate::sinks;

impl Collector<'_> {
    /// Signs for every deletion that no record holds yet.
    pub(super) fn record(&self, journal: &mut Journal, state: &mut State) -> Result<(), CollectionError> {
        let Some(pair) = &self.plan.delete else { return Ok(()) };
        let due = state.unrecorded();
        for numbers in due.chunks(RECORD_SIZE) {
            let originals = numbers.iter().filter_map(|n| state.masked.get(n)).map(|m| DeletedOriginal {
                number: m.number,
                commitment: m.commitment,
                masked: m.digest,
            });
            let record = DeletionRecord {
                set: self.plan.set.set.name.clone(),
                purpose: self.plan.set.set.purpose.clone(),
                record: state.records + 1,
                previous: state.last_record,
                at: self.plan.now,
                originals: originals.collect(),
            };
            let bytes = record.sign(self.plan.set.digest(), pair)?;
            let dir = self.plan.out.open_dir(DELETIONS)?;
            sinks::write_file(&dir, &record_name(record.record), &bytes)?;
            (self.plan.reached)(Step::RecordWritten);
            journal.write(&Line::Recorded { record: record.record, numbers: numbers.to_vec() })?;
            state.recorded(record.record, numbers);
            state.last_record = Some(vaern_door::Digest::of(&bytes));
            (self.plan.reached)(Step::Recorded);
        }
        Ok(())
    }

    /// Reads the records that are there: each must be ours, and one that the journal does not know yet is taken in.
    pub(super) fn find_records(&self, journal: &mut Journal, state: &mut State) -> Result<(), CollectionError> {
        let dir = self.plan.out.open_dir(DELETIONS)?;
        let known = state.records;
        for number in 1.. {
            let bytes = match dir.read(record_name(number)) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::NotFound && number > known => break,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(CollectionError::Record(number)),
                Err(e) => return Err(e.into()),
            };
            // Without the key nothing is deleted in this run, and the records wait for one that has it.
            let Some(pair) = &self.plan.delete else { break };
            let (set, keys) = (&self.plan.set.set.name, [pair.public()]);
            let record = DeletionRecord::read(&bytes, set, self.plan.set.digest(), &keys);
            let record = record.ok().filter(|r| r.record == number && r.previous == state.last_record);
            let record = record.ok_or(CollectionError::Record(number))?;
            if number > known {
                let numbers: Vec<u64> = record.originals.iter().map(|o| o.number).collect();
                // The line of a deletion is on disk before its record: a journal without it is an older copy.
                if !numbers.iter().all(|n| state.gone.contains(n)) {
                    return Err(CollectionError::JournalBehind(format!("{DELETIONS}/{}", record_name(number))));
                }
                journal.write(&Line::Recorded { record: number, numbers: numbers.clone() })?;
                state.recorded(number, &numbers);
            }
            state.last_record = Some(vaern_door::Digest::of(&bytes));
        }
        Ok(())
    }
}

pub(super) fn record_name(number: u64) -> String {
    format!("{number:06}.dsse.json")
}
