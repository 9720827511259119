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
use vaern_door::{Blame, Digest, Name, OutputRules, Size};
use vaern_record::AuditError;
use vaern_record::evidence::EvidenceError;
use vaern_record::log::{Floor as LogFloor, KeyRef, StopCause, SwapCause};

use super::chain::Rules;
use super::config::WindowPart;
use super::control::Control;
use super::drift::Drift;
use super::evidence::EvidenceBook;
use super::inbox::{Shelf, Taken};
use super::journal::{Journal, JournalError, OpenWindow, Pace, Risk, Stop, WindowRelease};
use super::metrics::Status;
use super::row::Row;
use super::schedule::Schedule;
use super::seat::Seat;
use crate::bits::{DurableLedger, LedgerError};
use crate::book::{Book, LINK, Link};
use crate::gate::Built;
use crate::keeper::Crops;
use crate::outcome::{FrameResult, Refusal, ReleaseInfo, Run, SandboxInfo, SeenFrame};
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
        self.with_other(work)
    }

    /// The same for whatever else writes into the log.
    fn with_other<T, E: Into<ClerkError>>(
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

/// What a frame came to.
pub(crate) struct Settled {
    /// Its place in the order of outcomes: 0, 1, 2 and so on, none left out.
    pub(crate) ticket: u64,
    pub(crate) taken: Taken,
    /// Who saw it. None where nobody did.
    pub(crate) seat: Option<Arc<Seat>>,
    pub(crate) result: FrameResult,
    /// The camera, where the frame came through the gate.
    pub(crate) camera: Option<Name>,
    /// What may become evidence.
    pub(crate) crops: Crops,
}

impl Settled {
    /// A capture that nobody saw.
    pub(crate) fn refused(ticket: u64, taken: Taken, refusal: Refusal) -> Self {
        let (result, crops) = (FrameResult::Refused(refusal), Crops::default());
        Self { ticket, taken, seat: None, result, camera: None, crops }
    }
}

/// An outcome on its way to the disk.
struct Written {
    taken: Taken,
    row: Row,
    /// What evidence is made of: what was found, and its crops.
    evidence: Option<(Digest, Box<SeenFrame>, Crops)>,
}

/// What the clerk is told.
pub(crate) enum Told {
    /// A frame has its outcome.
    Settled(Box<Settled>),
    /// A release took its seat.
    Seated(Arc<Seat>),
    /// Frames stopped. Where nothing is on its way any more, the window ends with it.
    Stopped(StopCause),
    /// Frames go on. Where somebody let them: the keys that signed it.
    Resumed(Vec<KeyRef>),
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
    /// How many captures may be in memory only, where they come over a stream.
    pub(crate) afloat: Option<u32>,
    /// The bits of an hour that the vendor's answers may carry, after what its time can.
    pub(crate) bits_per_hour: u32,
    /// Captures taken that have no outcome on disk yet.
    pub(crate) outstanding: &'a AtomicUsize,
    /// The node ends: what cannot be written now is left for the next start.
    pub(crate) over: &'a AtomicBool,
}

pub(crate) struct Clerk<'a> {
    desk: Desk<'a>,
    log: LogBook,
    journal: Option<Journal>,
    evidence: Option<EvidenceBook>,
    /// Objects of the open window that are beyond the release's share of evidence.
    beyond: u64,
    pace: Pace,
    drift: Option<Drift>,
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
    pub(crate) fn new(
        desk: Desk<'a>,
        log: LogBook,
        journal: Journal,
        evidence: Option<EvidenceBook>,
    ) -> Result<Self, ClerkError> {
        let output = OutputRules { bits_per_hour: desk.bits_per_hour, ..desk.rules.set.profile.output };
        // What the vendors said before the restart is not forgotten, and a ledger that cannot be read is no empty one.
        let state = desk.state.try_clone().map_err(LedgerError::Io)?;
        let (ledger, pace) = (DurableLedger::open(state, &output)?, journal.pace()?);
        let drift = desk.rules.set.profile.expected.map(Drift::new);
        let mut clerk = Self {
            desk,
            log,
            journal: Some(journal),
            evidence,
            beyond: 0,
            pace,
            drift,
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
        clerk.count_the_lost()?;
        clerk.purge()?;
        Ok(clerk)
    }

    /// A start that was cut off while captures lay in memory only: how many they were nobody knows, and that is said (decision 0052).
    fn count_the_lost(&mut self) -> Result<(), ClerkError> {
        if let Some(at_most) = self.journal()?.afloat()? {
            let now = self.desk.control.now();
            self.log.with(|book| book.frames_unknown(at_most, now))?;
            self.desk.status.figures.unknown.fetch_add(u64::from(at_most), Ordering::Relaxed);
            self.desk.status.alarm(format!(
                "the node was cut off while captures of the stream lay in memory: up to {at_most} of them have no outcome"
            ));
        }
        let afloat = self.desk.afloat;
        Ok(self.journal()?.set_afloat(afloat)?)
    }

    /// Deletes the evidence whose time is over, once a day and at the start.
    fn purge(&mut self) -> Result<(), ClerkError> {
        let now = self.desk.control.time();
        let Some(evidence) = self.evidence.as_mut().filter(|evidence| evidence.is_due(now)) else { return Ok(()) };
        let deleted = self.log.with_other(|book| evidence.purge(now, book.log()))?;
        self.desk.status.figures.deletions.fetch_add(deleted as u64, Ordering::Relaxed);
        Ok(())
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
            if self.evidence.as_ref().is_some_and(|evidence| evidence.is_due(self.desk.control.time())) {
                self.try_until(Self::purge);
            }
        }
        self.settle();
        self.try_until(Self::close);
        if self.desk.afloat.is_some() && self.pending.is_empty() && !self.given_up {
            // Everything has its outcome: nothing is unknown.
            self.try_until(|clerk| Ok(clerk.journal()?.set_afloat(None)?));
        }
    }

    fn schedule(&self) -> Schedule {
        Schedule::every_ms(u64::from(self.desk.window.minutes) * 60_000)
    }

    /// Windows end by the clock, whenever their frames did (EXF-08).
    fn is_over(&self, window: &OpenWindow) -> bool {
        let since = jiff::Timestamp::from_second(window.since).unwrap_or_default();
        self.schedule().is_due(since, self.desk.control.now())
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
            Told::Resumed(by) => {
                self.try_until(|clerk| clerk.log.with(|book| book.resumed(by.clone(), now)));
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
        let mut batch: Vec<Written> = Vec::new();
        while !self.given_up
            && let Some(settled) = self.pending.remove(&self.next)
        {
            if self.open.as_ref().is_some_and(|(window, frames)| *frames > 0 && self.is_over(window)) {
                self.write(&mut batch);
                self.try_until(Self::close);
            }
            self.next += 1;
            if let Some(seat) = &settled.seat
                && self.seat.as_ref().is_none_or(|known| known.generation != seat.generation)
            {
                // The frames of one release are one window: a swap ends it.
                self.write(&mut batch);
                self.try_until(Self::close);
                self.seat = Some(Arc::clone(seat));
                if let Some(drift) = &mut self.drift {
                    drift.again();
                }
            }
            if self.open.is_none() {
                self.try_until(Self::begin);
            }
            let written = self.written(settled);
            batch.push(written);
            let most = self.desk.window.frames;
            let full = self.open.as_mut().is_some_and(|(_, frames)| {
                *frames += 1;
                most.is_some_and(|most| *frames >= most)
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

    fn written(&mut self, settled: Settled) -> Written {
        let Settled { taken, seat, result, camera, crops, .. } = settled;
        if let (Some(camera), FrameResult::Seen(seen)) = (camera, &result)
            && let Some(place) = seen.position
        {
            self.pace.insert(camera, place);
        }
        let result = self.released(result);
        if let FrameResult::Seen(seen) = &result {
            self.watch_for_drift(seen.objects.len() as u64);
        }
        let row = Row::of(&result);
        let evidence = match (seat, result) {
            (Some(seat), FrameResult::Seen(seen)) if self.evidence.is_some() && !seen.objects.is_empty() => {
                Some((seat.live.digest(), seen, crops))
            }
            _ => None,
        };
        Written { taken, row, evidence }
    }

    fn watch_for_drift(&mut self, objects: u64) {
        let Some(drift) = &mut self.drift else { return };
        let Some(judged) = drift.note(objects) else { return };
        let (figures, expected) = (&self.desk.status.figures, drift.expected());
        figures.objects_per_100.store(judged.per_100, Ordering::Relaxed);
        figures.drifts.store(u64::from(judged.drifts), Ordering::Relaxed);
        if judged.drifts {
            self.desk.status.alarm(format!(
                "drift: {} objects for each hundred of the last {} frames seen; {} to {} are expected (ANS-02)",
                judged.per_100, expected.frames, expected.least_per_100, expected.most_per_100
            ));
        }
    }

    /// What may be kept of a result: nothing that was found while the node was stopped, and nothing beyond the vendor's budget.
    fn released(&mut self, mut result: FrameResult) -> FrameResult {
        if let FrameResult::Seen(_) = result
            && let Err(stopped) = self.desk.control.permit()
        {
            result = FrameResult::Refused(stopped);
        }
        if let Some(seat) = &self.seat {
            let live = &seat.live;
            withhold::charge(self.ledger.ledger(), &mut self.capture_ms, live.vendor(), live.grants(), &mut result);
        }
        result
    }

    fn write(&mut self, batch: &mut Vec<Written>) {
        if batch.is_empty() {
            return;
        }
        // What they cost is on disk before they are.
        if self.try_until(|clerk| Ok(clerk.ledger.save()?)).is_none() {
            return;
        }
        let rows: Vec<(u64, Row)> = batch.iter().map(|written| (written.taken.seq, written.row.clone())).collect();
        let pace = self.pace.clone();
        if self.try_until(|clerk| Ok(clerk.journal()?.commit(&rows, &pace)?)).is_none() {
            return;
        }
        for Written { taken, row, evidence } in batch.drain(..) {
            if let Some((release, seen, mut crops)) = evidence {
                let _ = self.try_until(|clerk| clerk.keep(release, &seen, &mut crops));
            }
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

    /// Seals the evidence of one frame.
    fn keep(&mut self, release: Digest, seen: &SeenFrame, crops: &mut Crops) -> Result<(), ClerkError> {
        let now = self.desk.control.time();
        let Some(evidence) = self.evidence.as_mut() else { return Ok(()) };
        let count = self.log.with_other(|book| evidence.keep(release, seen, crops, now, book.log()))?;
        self.beyond += count.beyond;
        if count.over > 0 {
            let what = "evidence whose days were over before it could be sealed is not kept: objects";
            self.desk.status.alarm(format!("{what} {}", count.over));
        }
        self.desk.status.figures.evidence.fetch_add(count.kept, Ordering::Relaxed);
        Ok(())
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
        if self.beyond > 0 {
            let release = window.release.digest;
            self.log.with(|book| book.beyond_quota(run, release, now))?;
            self.beyond = 0;
        }
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
        let mut frames = outcomes.collect::<Result<Vec<_>, _>>()?;
        for frame in &mut frames {
            if let FrameResult::Seen(seen) = &mut frame.result {
                // How long a frame was in clear hangs on what else the machine does, and that is a plugin's to choose: told in steps.
                seen.seconds_in_clear = (((seen.seconds_in_clear * 1e6) as u64).next_power_of_two() as f64) / 1e6;
            }
        }
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
            // Windows begin and end with whole seconds for whoever reads.
            wall_ms: lasted.as_secs() as f64 * 1e3,
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
                    if let Some(evidence) = &mut self.evidence {
                        evidence.drop_store();
                    }
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
