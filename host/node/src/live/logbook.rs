//! The log of a service, and whatever can keep its clerk from writing.

use vaern_door::Blame;
use vaern_record::AuditError;
use vaern_record::evidence::EvidenceError;
use vaern_record::log::Floor as LogFloor;

use super::journal::JournalError;
use crate::bits::LedgerError;
use crate::book::Book;
use crate::sinks::SinkError;

type OpenLog = Box<dyn FnMut() -> Result<Book, String> + Send>;
type KeepFloor = Box<dyn FnMut(&LogFloor) -> Result<(), SinkError> + Send>;

/// The log of a service: opened anew after each fault of the disk, its newest checkpoint kept outside of it.
pub struct LogBook {
    open: OpenLog,
    keep: KeepFloor,
    book: Option<Book>,
}

impl LogBook {
    /// `open` opens the log, and `keep` keeps its newest checkpoint where the log cannot reach it.
    #[must_use]
    pub fn new(
        open: impl FnMut() -> Result<Book, String> + Send + 'static,
        keep: impl FnMut(&LogFloor) -> Result<(), SinkError> + Send + 'static,
    ) -> Self {
        Self { open: Box::new(open), keep: Box::new(keep), book: None }
    }

    pub(super) fn with<T>(&mut self, work: impl FnOnce(&mut Book) -> Result<T, AuditError>) -> Result<T, ClerkError> {
        self.with_other(work)
    }

    /// After a fault what is on disk is the truth.
    pub(super) fn drop_book(&mut self) {
        self.book = None;
    }

    /// The same for whatever else writes into the log.
    pub(super) fn with_other<T, E: Into<ClerkError>>(
        &mut self,
        work: impl FnOnce(&mut Book) -> Result<T, E>,
    ) -> Result<T, ClerkError> {
        let mut book = match self.book.take() {
            Some(book) => book,
            None => (self.open)().map_err(ClerkError::Open)?,
        };
        // A log that failed is dropped, and opened anew the next time: that shows what of it is there.
        let done = work(&mut book).map_err(Into::into)?;
        (self.keep)(&book.floor())?;
        self.book = Some(book);
        Ok(done)
    }
}

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClerkError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The log.
    #[error(transparent)]
    Log(#[from] AuditError),
    /// The log cannot be opened.
    #[error("{0}")]
    Open(String),
    /// A file of the results.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The folder of the results.
    #[error("the folder for results: {0}")]
    Out(std::io::Error),
    /// The vendors' bit ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The evidence.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The journal holds a box that is none.
    #[error("the journal holds a box that is none")]
    Row,
}

impl ClerkError {
    pub(crate) fn krav(&self) -> vaern_door::Krav {
        match self {
            Self::Journal(error) => error.krav(),
            Self::Log(error) => error.krav(),
            Self::Sink(error) => error.krav(),
            Self::Ledger(error) => error.krav(),
            Self::Evidence(error) => error.krav(),
            Self::Out(_) => vaern_door::Krav("SKJ-09"),
            Self::Row | Self::Open(_) => vaern_door::Krav("GOV-05"),
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Journal(error) => error.blame(),
            Self::Log(error) => error.blame(),
            Self::Evidence(error) => error.blame(),
            _ => Blame::Operator,
        }
    }
}
