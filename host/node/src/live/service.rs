//! The service's own thread: takes captures, and follows the control.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::Digest;
use vaern_record::log::{StopCause, SwapCause};

use super::chain::{LoadError, Rules};
use super::clerk::{Settled, Told};
use super::config::WhenFull;
use super::inbox::{Held, Taken};
use super::journal::{Risk, Stop};
use super::metrics::{Condition, Status};
use super::orders::{self, Order};
use super::seat::{Live, Seat};
use super::source::{QUEUE, Source};
use super::swap::Bounds;
use super::worker::{self, Floor, Intake, Waiting};
use crate::outcome::Refusal;

/// Captures that are taken at once.
const AT_ONCE: usize = 64;

/// Captures without an outcome beyond those that wait: in work, or waiting for the disk.
const ON_THE_WAY: usize = 256;

/// The same where they lie in memory only: what a kill may lose is kept small.
const FLEETING: usize = 32;

/// Captures that may be in memory, without an outcome on disk, at any moment: those taken, those in the stream's queue, and the one
/// that is being read (decision 0052).
pub(super) const fn afloat(waiting: u16) -> u32 {
    waiting as u32 + (FLEETING + QUEUE) as u32 + 1
}

/// How long the service rests where there is nothing to take.
const REST: Duration = Duration::from_millis(10);

/// Where a release is on its way to the seat.
pub(super) enum Phase {
    /// None is.
    Idle,
    /// It is verified, compiled and warmed in a thread of its own.
    Preparing { name: Option<String>, digest: Digest, cause: SwapCause, ready: Receiver<Result<Live, LoadError>> },
    /// It sees frames beside the one that runs.
    Shadow { name: String, live: Arc<Live>, cause: SwapCause },
    /// It has the seat, and the one before is still ready.
    Watch { name: String, before: Arc<Live> },
}

/// The service, running.
pub(super) struct Service<'a> {
    pub(super) floor: &'a Floor<'a>,
    pub(super) orders: &'a Dir,
    pub(super) status: &'a Status,
    pub(super) rules: &'a Arc<Rules>,
    pub(super) intake: Intake,
    pub(super) source: Box<dyn Source>,
    /// Captures that wait until their position can be known, in their order, and since when.
    pub(super) berth: VecDeque<(Timestamp, Taken)>,
    pub(super) waiting: usize,
    pub(super) when_full: WhenFull,
    pub(super) bounds: Bounds,
    pub(super) runners: usize,
    pub(super) tell: Sender<Told>,
    pub(super) ticket: u64,
    pub(super) outstanding: &'a AtomicUsize,
    pub(super) over: &'a AtomicBool,
    pub(super) say: &'a (dyn Fn(&str) + Send + Sync),
    pub(super) seat: Option<Arc<Seat>>,
    pub(super) phase: Phase,
    pub(super) rejected: BTreeSet<Digest>,
    /// Those of them that may be tried again once their folders change.
    pub(super) unready: BTreeSet<Digest>,
    pub(super) booted: bool,
    /// Somebody asked for a swap: to this release, or to any.
    pub(super) asked: Option<Option<Digest>>,
    pub(super) halted: Option<StopCause>,
    pub(super) remembered: (Option<Stop>, Option<Risk>),
    pub(super) scanned: Option<Instant>,
}

impl Service<'_> {
    pub(super) fn run(&mut self, again: Vec<Taken>) {
        let mut again = Some(again);
        while !self.over.load(Ordering::Acquire) {
            self.floor.control.look();
            self.remember();
            self.take_order();
            self.advance();
            let mut rest = REST;
            if self.floor.control.is_open() {
                self.resume();
                match again.take() {
                    // What was taken before a kill comes first, in its old order.
                    Some(taken) => taken.into_iter().for_each(|taken| self.arrive(taken)),
                    None => {
                        if self.intake() {
                            rest = Duration::ZERO;
                        }
                    }
                }
                self.bring_ready();
            } else {
                self.halt();
            }
            let waiting = self.floor.dispatcher.depth() + self.berth.len();
            self.status.figures.waiting.store(waiting as u64, Ordering::Relaxed);
            for trouble in [self.source.trouble(), self.intake.positions.trouble()].into_iter().flatten() {
                self.status.alarm(trouble);
            }
            if !rest.is_zero() {
                std::thread::sleep(rest);
            }
        }
        self.finish();
    }

    /// What lies in memory only ends with the node, each capture under its name. What lies in the folder is there at the next start.
    fn finish(&mut self) {
        for taken in self.source.close() {
            self.arrive(taken);
        }
        if self.source.is_fleeting() {
            for waiting in self.floor.dispatcher.drain() {
                self.refused(waiting.ticket, waiting.taken, worker::ended());
            }
            for (_, taken) in std::mem::take(&mut self.berth) {
                let ticket = self.number();
                self.refused(ticket, taken, worker::ended());
            }
        }
    }

    /// Takes captures, as many as there is room for. False where there was nothing to take.
    fn intake(&mut self) -> bool {
        let bound = self.waiting + if self.source.is_fleeting() { FLEETING } else { ON_THE_WAY };
        let mut limit = bound.saturating_sub(self.outstanding.load(Ordering::Acquire)).min(AT_ONCE);
        if self.when_full == WhenFull::Wait {
            limit = limit.min(self.floor.dispatcher.room().saturating_sub(self.berth.len()));
        }
        if limit == 0 {
            return false;
        }
        match self.source.take(limit) {
            Ok(taken) => {
                let any = !taken.is_empty();
                taken.into_iter().for_each(|taken| self.arrive(taken));
                any
            }
            Err(error) => {
                self.status.alarm(format!("the watched folder cannot be read: {error}"));
                false
            }
        }
    }

    /// A capture was taken: it waits until its position can be known. Where too many wait, the one that waited longest is dropped.
    fn arrive(&mut self, taken: Taken) {
        self.outstanding.fetch_add(1, Ordering::AcqRel);
        let at = match &taken.held {
            Held::Memory(arrived) => arrived.at,
            _ => self.floor.control.now(),
        };
        self.berth.push_back((at, taken));
        if self.berth.len() > self.waiting
            && self.when_full == WhenFull::DropOldest
            && let Some((at, oldest)) = self.berth.pop_front()
        {
            if self.intake.positions.is_ready(at, self.floor.control.now()) {
                return self.bring(oldest);
            }
            let ticket = self.number();
            self.refused(ticket, oldest, worker::overload());
        }
    }

    /// Brings on their way the captures whose position can be known, in their order.
    fn bring_ready(&mut self) {
        let now = self.floor.control.now();
        while self.berth.front().is_some_and(|(at, _)| self.intake.positions.is_ready(*at, now))
            && let Some((_, taken)) = self.berth.pop_front()
        {
            self.bring(taken);
        }
    }

    const fn number(&mut self) -> u64 {
        let ticket = self.ticket;
        self.ticket += 1;
        ticket
    }

    /// Brings one capture on its way.
    fn bring(&mut self, mut taken: Taken) {
        let ticket = self.number();
        let control = self.floor.control;
        let fenced =
            control.permit().and_then(|()| worker::locate(self.floor.gate, &self.intake, &mut taken, control.time()));
        match fenced {
            Ok(fenced) => {
                if let Some(oldest) = self.floor.dispatcher.push(Waiting { ticket, taken, fenced }) {
                    self.refused(oldest.ticket, oldest.taken, worker::overload());
                }
            }
            Err(refusal) => self.refused(ticket, taken, refusal),
        }
    }

    fn refused(&self, ticket: u64, mut taken: Taken, refusal: Refusal) {
        // What is in memory goes now, and not when the disk has its name.
        if matches!(taken.held, Held::Memory(_)) {
            taken.held = Held::Gone;
        }
        self.told(Told::Settled(Box::new(Settled::refused(ticket, taken, refusal))));
    }

    pub(super) fn told(&self, told: Told) {
        // The clerk outlives whoever tells it something.
        let _ = self.tell.send(told);
    }

    /// Stops: nobody gets a frame, what waits is dropped by name, what is in work is waited for.
    fn halt(&mut self) {
        let Some(why) = self.floor.control.why() else { return };
        self.status.change(|health| {
            health.condition = Condition::Stopped;
            health.why = Some(why.clone());
        });
        // A node that sees nothing asks for nothing. What had come by then is dropped by name, unless the disk is the reason.
        self.source.wanted(false);
        if why.cause != StopCause::LogUnwritable {
            if self.source.is_fleeting()
                && let Ok(late) = self.source.take(QUEUE)
            {
                late.into_iter().for_each(|taken| self.arrive(taken));
            }
            for (_, taken) in std::mem::take(&mut self.berth) {
                let ticket = self.number();
                self.refused(ticket, taken, why.refusal());
            }
        }
        if self.halted.is_some() {
            return;
        }
        self.floor.dispatcher.seat(None);
        (self.say)(&format!("stopped: {} (krav {}); {}", why.what, why.krav, why.mend));
        // What cannot be written down is not dropped either: it waits until it can.
        if why.cause != StopCause::LogUnwritable {
            for waiting in self.floor.dispatcher.drain() {
                let refused = self.floor.control.permit().err();
                self.refused(waiting.ticket, waiting.taken, refused.unwrap_or_else(worker::overload));
            }
            while self.outstanding.load(Ordering::Acquire) > 0 && !self.over.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        self.halted = Some(why.cause);
        self.told(Told::Stopped(why.cause));
    }

    fn resume(&mut self) {
        self.source.wanted(true);
        if let Some(cause) = self.halted.take() {
            let by = if cause == StopCause::Asked { self.floor.control.let_go_by() } else { Vec::new() };
            self.told(Told::Resumed(by));
            (self.say)("frames go on");
        }
        let seated = self.floor.dispatcher.seated().map(|seat| seat.generation);
        if seated != self.seat.as_ref().map(|seat| seat.generation) {
            self.floor.dispatcher.seat(self.seat.clone());
        }
        self.status.change(|health| {
            health.condition = Condition::Running;
            health.why = None;
        });
    }

    /// Has the clerk keep what the control has learnt.
    fn remember(&mut self) {
        let now = self.floor.control.remembered();
        if now != self.remembered {
            self.told(Told::Remember(now.0.clone(), now.1));
            self.remembered = now;
        }
    }

    fn take_order(&mut self) {
        match orders::take(self.orders) {
            Ok(None) => {}
            Ok(Some(Order::Swap { release })) => {
                let again: Vec<Digest> =
                    self.rejected.iter().copied().filter(|d| release.is_none_or(|wanted| wanted == *d)).collect();
                for digest in again {
                    self.rejected.remove(&digest);
                    self.told(Told::Forgiven(digest));
                }
                (self.asked, self.scanned) = (Some(release), None);
            }
            Ok(Some(Order::Rollback)) => match &self.phase {
                Phase::Watch { .. } => self.roll_back("asked_for"),
                _ => self.status.alarm(
                    "nothing to go back to: the release before is not kept ready once the new one has stood its watch, and the \
                     floor lets nothing older run; the city publishes what it wants to run under a higher counter"
                        .to_owned(),
                ),
            },
            Err(error) => self.status.alarm(format!("an order is not taken: {error}")),
        }
    }
}
