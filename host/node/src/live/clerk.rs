//! Writes down what became of each frame, in the order in which they were taken, and closes the windows.
//!
//! The only thread that writes journal, log and results. What cannot be written is tried again until it can; meanwhile the node
//! takes no frame, and nothing that has no outcome on disk is removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use cap_std::fs::Dir;
use vaern_door::{Blame, Digest, Size};
use vaern_record::AuditError;
use vaern_record::log::{Floor as LogFloor, StopCause, SwapCause};

use super::chain::Rules;
use super::config::WindowPart;
use super::control::Control;
use super::inbox::{Shelf, Taken};
use super::journal::{Journal, JournalError, OpenWindow, Risk, Stop, WindowRelease};
use super::metrics::Status;
use super::row::Row;
use super::seat::Seat;
use crate::bits::{DurableLedger, LedgerError};
use crate::book::{Book, LINK, Link};
use crate::gate::Built;
use crate::outcome::{FrameResult, ReleaseInfo, Run, SandboxInfo};
use crate::service;
use crate::sinks::{self, SinkError};
use crate::withhold;

/// How long the clerk waits for news before it looks at the clock.
const LOOK: Duration = Duration::from_millis(200);

/// How long it waits before it tries again what could not be written.
const AGAIN: Duration = Duration::from_millis(500);

/// Outcomes in one transaction at most.
const BATCH: usize = 256;

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

    fn with<T>(&mut self, work: impl FnOnce(&mut Book) -> Result<T, AuditError>) -> Result<T, ClerkError> {
        let mut book = match self.book.take() {
            Some(book) => book,
            None => (self.open)().map_err(ClerkError::Open)?,
        };
        // A log that failed is dropped, and opened anew the next time: that shows what of it is there.
        let done = work(&mut book)?;
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
            Self::Out(_) => vaern_door::Krav("SKJ-09"),
            Self::Row | Self::Open(_) => vaern_door::Krav("GOV-05"),
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Journal(error) => error.blame(),
            Self::Log(error) => error.blame(),
            _ => Blame::Operator,
        }
    }
}

/// What a frame came to.
pub(crate) struct Settled {
    /// Its place in the order of outcomes: 0, 1, 2 and so on, none left out.
    pub(crate) ticket: u64,
    pub(crate) taken: Taken,
    /// Who saw it. None where nobody did.
    pub(crate) seat: Option<Arc<Seat>>,
    pub(crate) result: FrameResult,
}

/// What the clerk is told.
pub(crate) enum Told {
    /// A frame has its outcome.
    Settled(Box<Settled>),
    /// A release took its seat.
    Seated(Arc<Seat>),
    /// Frames stopped. Where nothing is on its way any more, the window ends with it.
    Stopped(StopCause),
    /// Frames go on.
    Resumed,
    /// What the control remembers changed.
    Remember(Option<Stop>, Option<Risk>),
    /// A release was turned down. For good, where it was tried on frames.
    TurnedDown { release: Digest, reason: &'static str, for_good: bool },
    /// Somebody asked to try it again.
    Forgiven(Digest),
}

/// What the clerk works with.
pub(crate) struct Desk<'a> {
    pub(crate) state: &'a Dir,
    pub(crate) out: &'a Dir,
    pub(crate) shelf: Shelf,
    pub(crate) rules: &'a Rules,
    pub(crate) built: &'a Built,
    pub(crate) control: &'a Control,
    pub(crate) status: &'a Status,
    pub(crate) window: WindowPart,
    /// Captures taken that have no outcome on disk yet.
    pub(crate) outstanding: &'a AtomicUsize,
    /// The node ends: what cannot be written now is left for the next start.
    pub(crate) over: &'a AtomicBool,
}

pub(crate) struct Clerk<'a> {
    desk: Desk<'a>,
    log: LogBook,
    journal: Option<Journal>,
    ledger: DurableLedger,
    capture_ms: i64,
    seat: Option<Arc<Seat>>,
    open: Option<(OpenWindow, u32)>,
    pending: BTreeMap<u64, Settled>,
    next: u64,
    /// Whether the log may hold more of the open window than the journal knows: after a start and after a fault.
    doubt: bool,
    /// Writing was given up because the node ends.
    given_up: bool,
}

impl<'a> Clerk<'a> {
    /// A clerk over an open journal. The window that a crash left open is closed now, with every frame that has an outcome.
    pub(crate) fn new(desk: Desk<'a>, log: LogBook, journal: Journal) -> Result<Self, ClerkError> {
        // What the vendors said before the restart is not forgotten, and a ledger that cannot be read is no empty one.
        let state = desk.state.try_clone().map_err(LedgerError::Io)?;
        let ledger = DurableLedger::open(state, &desk.rules.set.profile.output)?;
        let mut clerk = Self {
            desk,
            log,
            journal: Some(journal),
            ledger,
            capture_ms: 0,
            seat: None,
            open: None,
            pending: BTreeMap::new(),
            next: 0,
            doubt: true,
            given_up: false,
        };
        clerk.close()?;
        Ok(clerk)
    }

    /// Works until nobody tells it anything any more; then the window is closed.
    pub(crate) fn run(mut self, receive: &Receiver<Told>) {
        loop {
            match receive.recv_timeout(LOOK) {
                Ok(told) => self.hear(told),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for told in receive.try_iter().take(BATCH) {
                self.hear(told);
            }
            self.settle();
            if self.open.as_ref().is_some_and(|(window, frames)| *frames > 0 && self.is_over(window)) {
                self.try_until(Self::close);
            }
        }
        self.settle();
        self.try_until(Self::close);
    }

    fn is_over(&self, window: &OpenWindow) -> bool {
        let since = self.desk.control.now().as_second().saturating_sub(window.since);
        since < 0 || since >= i64::from(self.desk.window.minutes) * 60
    }

    fn hear(&mut self, told: Told) {
        if let Told::Settled(settled) = told {
            self.pending.insert(settled.ticket, *settled);
            return;
        }
        // Whatever else is told comes after the frames that were told before it.
        self.settle();
        let now = self.desk.control.now();
        match told {
            Told::Settled(_) => {}
            Told::Seated(seat) => {
                self.seat.get_or_insert(seat);
            }
            Told::Stopped(cause) => {
                if self.desk.outstanding.load(Ordering::Acquire) == 0 {
                    self.try_until(Self::close);
                }
                self.try_until(|clerk| clerk.log.with(|book| book.stopped(cause, now)));
                self.desk.status.figures.stops.fetch_add(1, Ordering::Relaxed);
            }
            Told::Resumed => {
                self.try_until(|clerk| clerk.log.with(|book| book.resumed(now)));
            }
            Told::Remember(stop, risk) => {
                self.try_until(|clerk| {
                    let journal = clerk.journal()?;
                    stop.as_ref().map_or(Ok(()), |stop| journal.set_stop(stop))?;
                    Ok(risk.map_or(Ok(()), |risk| journal.set_risk(risk))?)
                });
            }
            Told::TurnedDown { release, reason, for_good } => {
                self.desk.status.figures.rejected.fetch_add(1, Ordering::Relaxed);
                self.try_until(|clerk| {
                    if for_good {
                        clerk.journal()?.reject(release)?;
                    }
                    clerk.log.with(|book| book.turned_down(release, reason, now))
                });
            }
            Told::Forgiven(release) => {
                self.try_until(|clerk| Ok(clerk.journal()?.forgive(release)?));
            }
        }
    }

    /// Writes the outcomes that are next in order.
    fn settle(&mut self) {
        let mut batch: Vec<(Taken, Row)> = Vec::new();
        while !self.given_up
            && let Some(settled) = self.pending.remove(&self.next)
        {
            self.next += 1;
            if let Some(seat) = &settled.seat
                && self.seat.as_ref().is_none_or(|known| known.generation != seat.generation)
            {
                // The frames of one release are one window: a swap ends it.
                self.write(&mut batch);
                self.try_until(Self::close);
                self.seat = Some(Arc::clone(seat));
            }
            if self.open.is_none() {
                self.try_until(Self::begin);
            }
            let row = self.row(settled.result);
            batch.push((settled.taken, row));
            let full = self.open.as_mut().is_some_and(|(_, frames)| {
                *frames += 1;
                *frames >= self.desk.window.frames
            });
            if full || batch.len() >= BATCH {
                self.write(&mut batch);
            }
            if full {
                self.try_until(Self::close);
            }
        }
        self.write(&mut batch);
    }

    /// What may be kept of a result: nothing that was found while the node was stopped, and nothing beyond the vendor's budget.
    fn row(&mut self, mut result: FrameResult) -> Row {
        if let FrameResult::Seen(_) = result
            && let Err(stopped) = self.desk.control.permit()
        {
            result = FrameResult::Refused(stopped);
        }
        if let Some(seat) = &self.seat {
            let live = &seat.live;
            withhold::charge(self.ledger.ledger(), &mut self.capture_ms, live.vendor(), live.grants(), &mut result);
        }
        Row::of(&result)
    }

    fn write(&mut self, batch: &mut Vec<(Taken, Row)>) {
        if batch.is_empty() {
            return;
        }
        // What they cost is on disk before they are.
        if self.try_until(|clerk| Ok(clerk.ledger.save()?)).is_none() {
            return;
        }
        let rows: Vec<(u64, Row)> = batch.iter().map(|(taken, row)| (taken.seq, row.clone())).collect();
        if self.try_until(|clerk| Ok(clerk.journal()?.commit(&rows)?)).is_none() {
            return;
        }
        for (taken, row) in batch.drain(..) {
            self.desk.status.count(&row);
            if let Row::Found { frame, .. } = &row {
                self.desk.status.figures.objects.fetch_add(frame.count(), Ordering::Relaxed);
            }
            // One that stays is removed at the next start: its number is below what is done.
            if let Err(error) = self.desk.shelf.remove(&taken) {
                self.desk.status.alarm(format!("a capture that is done could not be removed: {error}"));
            }
            self.desk.outstanding.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Opens a window: a run begins in the log.
    fn begin(&mut self) -> Result<(), ClerkError> {
        let Some(seat) = self.seat.clone() else { return Ok(()) };
        let now = self.desk.control.now();
        let (policy, sandbox) = (self.desk.rules.set.digest(), seat.live.sandbox());
        let (run, begun) =
            self.log.with(|book| book.begin_after(seat.live.release(), policy, &sandbox, seat.cause, now))?;
        let window = OpenWindow { run, begun, since: now.as_second(), release: seat.live.named() };
        self.journal()?.open_window(&window)?;
        self.open = Some((window, 0));
        Ok(())
    }

    /// Closes the open window: its files, its end in the log, and only then its rows. Done again, it changes nothing.
    fn close(&mut self) -> Result<(), ClerkError> {
        let Some(window) = self.journal()?.window()? else {
            self.open = None;
            return Ok(());
        };
        let run = window.run;
        let account = self.account(&window)?;
        let name = run.to_string();
        self.desk.out.create_dir_all(&name).map_err(ClerkError::Out)?;
        let dir = self.desk.out.open_dir(&name).map_err(ClerkError::Out)?;
        sinks::write_file(&dir, sinks::DETECTIONS, sinks::detections_geojson(&account)?.as_bytes())?;
        sinks::write_file(&dir, sinks::SUMMARY, sinks::summary_json(&account)?.as_bytes())?;
        let now = self.desk.control.now();
        let known = if self.doubt { self.log.with(|book| book.find(run))?.1 } else { None };
        let summary = account.summary();
        let (ended, key) = self.log.with(|book| {
            let ended = known.map_or_else(|| book.end(run, &summary, now), Ok)?;
            Ok((ended, book.verifier().to_string()))
        })?;
        let link = Link { key, run, begun: window.begun, ended };
        let text = serde_json::to_vec_pretty(&link).map_err(|e| JournalError::Storage(e.to_string()))?;
        sinks::write_file(&dir, LINK, &text)?;
        self.journal()?.close_window()?;
        self.open = None;
        self.doubt = false;
        self.desk.status.figures.windows.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The window as a run: from the journal and from nothing else, whether or not there was a crash.
    fn account(&mut self, window: &OpenWindow) -> Result<Run, ClerkError> {
        let rows = self.journal()?.rows()?;
        let size = Size::new(1, 1).map_err(|_| ClerkError::Row)?;
        let outcomes = rows.into_iter().enumerate().map(|(at, row)| row.outcome(at + 1, size).ok_or(ClerkError::Row));
        let frames = outcomes.collect::<Result<Vec<_>, _>>()?;
        let (set, built) = (&self.desk.rules.set, self.desk.built);
        let sandbox: Option<SandboxInfo> = self.seat.as_ref().map(|seat| seat.live.sandbox());
        let since = jiff::Timestamp::from_second(window.since).unwrap_or_default();
        let lasted = self.desk.control.now().duration_since(since);
        let WindowRelease { name, version, vendor, digest, interfaces, responsible, approved_until } =
            window.release.clone();
        Ok(Run {
            cautions: service::cautions(set, built, sandbox.as_ref()),
            release: Some(ReleaseInfo { name, version, vendor, digest, interfaces, responsible, approved_until }),
            sandbox,
            policy: service::policy_info(set, built),
            frames,
            started: since.to_string(),
            wall_ms: lasted.as_secs_f64() * 1e3,
        })
    }

    fn journal(&mut self) -> Result<&Journal, JournalError> {
        if self.journal.is_none() {
            self.journal = Some(Journal::open(self.desk.state)?);
        }
        self.journal.as_ref().ok_or(JournalError::Form("journal"))
    }

    /// Tries until it is written, or the node ends.
    fn try_until<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, ClerkError>) -> Option<T> {
        while !self.given_up {
            match work(self) {
                Ok(done) => {
                    self.desk.control.writable(true);
                    return Some(done);
                }
                Err(error) => {
                    // After a fault, what is on disk is the truth: both are opened anew.
                    self.journal = None;
                    self.log.book = None;
                    self.doubt = true;
                    self.desk.status.figures.write_failures.fetch_add(1, Ordering::Relaxed);
                    self.desk.status.alarm(error.to_string());
                    self.desk.control.writable(false);
                    if self.desk.over.load(Ordering::Acquire) {
                        self.given_up = true;
                    } else {
                        std::thread::sleep(AGAIN);
                    }
                }
            }
        }
        None
    }
}

/// The cause of a swap, for the figures.
pub(crate) fn count_swap(status: &Status, cause: SwapCause) {
    let figures = &status.figures;
    let counter = match cause {
        SwapCause::Newer => &figures.swaps,
        SwapCause::Asked => &figures.asked,
        SwapCause::Rollback => &figures.rollbacks,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}
