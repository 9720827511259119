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
use vaern_door::{Digest, Name, OutputRules};
use vaern_record::log::{KeyRef, StopCause, SwapCause};

use super::chain::Rules;
use super::config::WindowPart;
use super::control::Control;
use super::drift::Drift;
use super::evidence::EvidenceBook;
use super::inbox::{Shelf, Taken};
use super::journal::{Journal, JournalError, Looked, OpenWindow, Pace, Risk, Stop};
use super::logbook::{ClerkError, LogBook};
use super::metrics::Status;
use super::probe::{Answer, Tally};
use super::row::Row;
use super::schedule::Schedule;
use super::seat::Seat;
use super::signs::Signs;
use crate::bits::{DurableLedger, LedgerError};
use crate::coverage::Spot;
use crate::gate::Built;
use crate::keeper::Crops;
use crate::outcome::{FrameResult, Refusal, SeenFrame};
use crate::withhold;

/// How long the clerk waits for news before it looks at the clock.
const LOOK: Duration = Duration::from_millis(200);

/// How long it waits before it tries again what could not be written.
const AGAIN: Duration = Duration::from_millis(500);

/// Outcomes in one transaction at most.
const BATCH: usize = 256;

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
    /// What it looked at.
    spot: Option<Spot>,
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
    /// The seated release was shown a picture with a known answer, or could not be.
    Probed(Arc<Seat>, Result<Answer, Refusal>),
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
    pub(super) desk: Desk<'a>,
    pub(super) log: LogBook,
    journal: Option<Journal>,
    evidence: Option<EvidenceBook>,
    /// Objects of the open window that are beyond the release's share of evidence.
    pub(super) beyond: u64,
    pace: Pace,
    pub(super) drift: Option<Drift>,
    pub(super) tally: Option<Tally>,
    pub(super) signs: Option<Signs>,
    ledger: DurableLedger,
    capture_ms: i64,
    pub(super) seat: Option<Arc<Seat>>,
    pub(super) open: Option<(OpenWindow, u32)>,
    pending: BTreeMap<u64, Settled>,
    next: u64,
    /// Whether the log may hold more of the open window than the journal knows: after a start and after a fault.
    pub(super) doubt: bool,
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
        let profile = &desk.rules.set.profile;
        let (drift, tally) = (profile.expected.map(Drift::new), profile.probe.map(Tally::new));
        let signs = profile.interference.map(Signs::new);
        let mut clerk = Self {
            desk,
            log,
            journal: Some(journal),
            evidence,
            beyond: 0,
            pace,
            drift,
            tally,
            signs,
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
            Told::Probed(seat, answer) => self.probed(&seat, answer),
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
        self.watch_for_signs(&result);
        if let FrameResult::Seen(seen) = &result {
            self.watch_for_drift(seen.objects.len() as u64);
        }
        let row = Row::of(&result);
        let spot = match &result {
            FrameResult::Seen(seen) => seen.position.as_ref().and_then(Spot::of),
            FrameResult::Refused(_) => None,
        };
        let evidence = match (seat, result) {
            (Some(seat), FrameResult::Seen(seen)) if self.evidence.is_some() && !seen.objects.is_empty() => {
                Some((seat.live.digest(), seen, crops))
            }
            _ => None,
        };
        Written { taken, row, spot, evidence }
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
        let spots: Vec<Spot> = batch.iter().filter_map(|written| written.spot.clone()).collect();
        let (pace, today) = (self.pace.clone(), day(self.desk.control.time()));
        let looked = Looked { spots: &spots, today: &today };
        if self.try_until(|clerk| Ok(clerk.journal()?.commit(&rows, &looked, &pace)?)).is_none() {
            return;
        }
        for Written { taken, row, evidence, .. } in batch.drain(..) {
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

    pub(super) fn journal(&mut self) -> Result<&Journal, JournalError> {
        if self.journal.is_none() {
            self.journal = Some(Journal::open(self.desk.state)?);
        }
        self.journal.as_ref().ok_or(JournalError::Form("journal"))
    }

    /// Tries until it is written, or the node ends.
    pub(super) fn try_until<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, ClerkError>) -> Option<T> {
        while !self.given_up {
            match work(self) {
                Ok(done) => {
                    self.desk.control.writable(true);
                    return Some(done);
                }
                Err(error) => {
                    // After a fault, what is on disk is the truth: both are opened anew.
                    self.journal = None;
                    self.log.drop_book();
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

/// The day of a moment, UTC.
pub(super) fn day(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
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
