//! The service itself: takes captures, follows the control, brings releases into the seat, and ends in order.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use vaern_door::{Blame, Digest, Krav, Name};
use vaern_record::log::{StopCause, SwapCause};
use vaern_trust::UpdateError;

use super::chain::{Chain, LoadError, Rules};
use super::clerk::{Clerk, ClerkError, Desk, LogBook, Settled, Told, count_swap};
use super::config::{SourcePart, SwapPart, WhenFull, WindowPart};
use super::control::{Clock, Control};
use super::dispatch::Dispatcher;
use super::http;
use super::inbox::{Inbox, Shelf, Taken};
use super::journal::{Journal, JournalError, Risk, Stop};
use super::metrics::{Condition, Health, Status};
use super::orders::{self, Order, OrderError};
use super::seat::{Live, Seat};
use super::swap::{Trials, Verdict, Watch};
use super::worker::{self, Floor, Waiting};
use crate::gate::Built;
use crate::outcome::{FrameResult, Refusal};

/// Captures that are taken at once.
const AT_ONCE: usize = 64;

/// Captures without an outcome beyond those that wait: in work, or waiting for the disk.
const ON_THE_WAY: usize = 256;

/// How long the service rests where there is nothing to take.
const REST: Duration = Duration::from_millis(10);

/// How often it looks for releases.
const SCAN: Duration = Duration::from_millis(500);

/// What a service is made of.
pub struct Parts {
    /// Channel, floor, releases and rules.
    pub chain: Chain,
    /// The gate.
    pub built: Built,
    /// The watched folder.
    pub inbox: Dir,
    /// The node's state.
    pub state: Dir,
    /// Where results go.
    pub out: Dir,
    /// Threads for pixels.
    pub workers: usize,
    /// How captures are taken.
    pub source: SourcePart,
    /// How long a window is.
    pub window: WindowPart,
    /// What a new release has to show.
    pub swap: SwapPart,
    /// The log.
    pub log: LogBook,
    /// Where health and metrics are told.
    pub listener: Option<TcpListener>,
    /// The present.
    pub clock: Clock,
    /// Set from outside to end the service.
    pub over: Arc<AtomicBool>,
    /// Told what happens, in a line each.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
}

/// Why a service does not begin.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Journal, log or results.
    #[error("{what}")]
    Write {
        /// What happened.
        what: String,
        /// The requirement.
        krav: Krav,
        /// Whose turn it is.
        blame: Blame,
    },
    /// The watched folder.
    #[error("the watched folder: {0}")]
    Inbox(std::io::Error),
    /// A folder of the state.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A thread cannot be started, or a folder not be opened twice.
    #[error("the system gives no more: {0}")]
    System(std::io::Error),
}

impl LiveError {
    /// The requirement behind it.
    #[must_use]
    pub fn krav(&self) -> Krav {
        match self {
            Self::Write { krav, .. } => *krav,
            Self::Order(error) => error.krav(),
            _ => Krav("STD-02"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Write { blame, .. } => *blame,
            Self::Order(error) => error.blame(),
            _ => Blame::Operator,
        }
    }
}

impl From<JournalError> for LiveError {
    fn from(error: JournalError) -> Self {
        Self::Write { what: error.to_string(), krav: error.krav(), blame: error.blame() }
    }
}

impl From<ClerkError> for LiveError {
    fn from(error: ClerkError) -> Self {
        Self::Write { what: error.to_string(), krav: error.krav(), blame: error.blame() }
    }
}

/// How a service ended.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Served {
    /// As it was at the end.
    pub health: Health,
}

/// Runs until it is told to end. What is in work is finished; what waits is still in the folder at the next start.
///
/// # Errors
/// [`LiveError`] where it cannot begin. Once it runs, nothing ends it but the word from outside.
pub fn serve(parts: Parts) -> Result<Served, LiveError> {
    let Parts { chain, built, inbox, state, out, workers, source, window, swap, log, listener, clock, over, say } =
        parts;
    let journal = Journal::open(&state)?;
    let (done, stop, risk, rejected) = (journal.done()?, journal.stop()?, journal.risk()?, journal.rejected()?);
    let (inbox, again) = Inbox::open(inbox, done).map_err(LiveError::Inbox)?;
    let (status, rules) = (Arc::new(Status::default()), chain.rules());
    let folder = orders::control(&state)?;
    let orders = folder.try_clone().map_err(LiveError::System)?;
    let remembered = (stop, risk);
    let control =
        Control::new(chain, folder, remembered.clone(), clock, Arc::clone(&status)).map_err(LiveError::System)?;
    let dispatcher = Dispatcher::new(source.waiting.into());
    let (outstanding, trials) = (AtomicUsize::new(0), Trials::default());
    let shelf = || inbox.shelf().map_err(LiveError::Inbox);
    let desk = Desk {
        state: &state,
        out: &out,
        shelf: shelf()?,
        rules: &rules,
        built: &built,
        control: &control,
        status: &status,
        window,
        outstanding: &outstanding,
        over: &over,
    };
    let clerk = Clerk::new(desk, log, journal)?;
    let (tell, told) = channel();
    let floor = Floor { gate: &built.gate, control: &control, dispatcher: &dispatcher, trials: &trials };
    let ended = AtomicBool::new(false);
    let mut service = Service {
        floor: &floor,
        orders: &orders,
        status: &status,
        rules: &rules,
        shelf: shelf()?,
        inbox,
        camera: source.camera.clone(),
        waiting: source.waiting.into(),
        when_full: source.when_full,
        bounds: swap,
        runners: workers.max(1),
        tell: tell.clone(),
        ticket: 0,
        outstanding: &outstanding,
        over: &over,
        say: &say,
        seat: None,
        phase: Phase::Idle,
        rejected: rejected.into_iter().collect(),
        booted: false,
        asked: None,
        halted: None,
        remembered,
        scanned: None,
    };
    std::thread::scope(|scope| {
        if let Some(listener) = listener {
            scope.spawn(|| http::serve(listener, &status, &ended));
        }
        let clerk = scope.spawn(move || clerk.run(&told));
        let hands: Vec<_> = (0..workers.max(1))
            .map(|_| {
                let (floor, tell) = (&floor, tell.clone());
                scope.spawn(move || worker::work(floor, &tell))
            })
            .collect();
        drop(tell);
        service.run(again);
        status.change(|health| health.condition = Condition::Ending);
        dispatcher.close();
        for hand in hands {
            // A thread that panicked has told so by the frame that it left without an outcome.
            let _ = hand.join();
        }
        drop(service);
        let _ = clerk.join();
        ended.store(true, Ordering::Release);
    });
    Ok(Served { health: status.health() })
}

/// Where a release is on its way to the seat.
enum Phase {
    /// None is.
    Idle,
    /// It is verified, compiled and warmed in a thread of its own.
    Preparing { name: Option<String>, digest: Digest, cause: SwapCause, ready: Receiver<Result<Live, LoadError>> },
    /// It sees frames beside the one that runs.
    Shadow { name: String, live: Arc<Live>, cause: SwapCause },
    /// It has the seat, and the one before is still ready.
    Watch { name: String, before: Arc<Live> },
}

struct Service<'a> {
    floor: &'a Floor<'a>,
    orders: &'a Dir,
    status: &'a Status,
    rules: &'a Arc<Rules>,
    shelf: Shelf,
    inbox: Inbox,
    camera: Option<Name>,
    waiting: usize,
    when_full: WhenFull,
    bounds: SwapPart,
    runners: usize,
    tell: Sender<Told>,
    ticket: u64,
    outstanding: &'a AtomicUsize,
    over: &'a AtomicBool,
    say: &'a (dyn Fn(&str) + Send + Sync),
    seat: Option<Arc<Seat>>,
    phase: Phase,
    rejected: BTreeSet<Digest>,
    booted: bool,
    /// Somebody asked for a swap: to this release, or to any.
    asked: Option<Option<Digest>>,
    halted: Option<StopCause>,
    remembered: (Option<Stop>, Option<Risk>),
    scanned: Option<Instant>,
}

impl Service<'_> {
    fn run(&mut self, again: Vec<Taken>) {
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
                    Some(taken) => taken.into_iter().for_each(|taken| self.bring(taken)),
                    None => {
                        if self.intake() {
                            rest = Duration::ZERO;
                        }
                    }
                }
            } else {
                self.halt();
            }
            self.status.figures.waiting.store(self.floor.dispatcher.depth() as u64, Ordering::Relaxed);
            if !rest.is_zero() {
                std::thread::sleep(rest);
            }
        }
    }

    /// Takes captures, as many as there is room for. False where there was nothing to take.
    fn intake(&mut self) -> bool {
        let bound = self.waiting + ON_THE_WAY;
        let mut limit = bound.saturating_sub(self.outstanding.load(Ordering::Acquire)).min(AT_ONCE);
        if self.when_full == WhenFull::Wait {
            limit = limit.min(self.floor.dispatcher.room());
        }
        if limit == 0 {
            return false;
        }
        match self.inbox.take(limit) {
            Ok(taken) => {
                let any = !taken.is_empty();
                taken.into_iter().for_each(|taken| self.bring(taken));
                any
            }
            Err(error) => {
                self.status.alarm(format!("the watched folder cannot be read: {error}"));
                false
            }
        }
    }

    /// Brings one capture on its way.
    fn bring(&mut self, taken: Taken) {
        let ticket = self.ticket;
        self.ticket += 1;
        self.outstanding.fetch_add(1, Ordering::AcqRel);
        let control = self.floor.control;
        let fenced = control
            .permit()
            .and_then(|()| worker::locate(self.floor.gate, &self.shelf, &taken, self.camera.as_ref(), control.now()));
        match fenced {
            Ok(fenced) => {
                if let Some(oldest) = self.floor.dispatcher.push(Waiting { ticket, taken, fenced }) {
                    self.refused(oldest.ticket, oldest.taken, worker::overload());
                }
            }
            Err(refusal) => self.refused(ticket, taken, refusal),
        }
    }

    fn refused(&self, ticket: u64, taken: Taken, refusal: Refusal) {
        let result = FrameResult::Refused(refusal);
        self.told(Told::Settled(Box::new(Settled { ticket, taken, seat: None, result })));
    }

    fn told(&self, told: Told) {
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
        if self.halted.take().is_some() {
            self.told(Told::Resumed);
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

    /// Brings releases on their way, one step at a time.
    fn advance(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => self.look_for_release(),
            Phase::Preparing { name, digest, cause, ready } => match ready.try_recv() {
                Err(TryRecvError::Empty) => self.phase = Phase::Preparing { name, digest, cause, ready },
                Ok(Ok(live)) => self.prepared(name, Arc::new(live), cause),
                Ok(Err(error)) => {
                    self.status.alarm(format!("the release {digest} is not made ready: {error}"));
                    self.turn_down(digest, "not_ready", false);
                }
                Err(TryRecvError::Disconnected) => self.turn_down(digest, "not_ready", false),
            },
            Phase::Shadow { name, live, cause } => self.shadowed(name, live, cause),
            Phase::Watch { name, before } => match self.floor.trials.watch_verdict() {
                None if self.seat_is_void() => {
                    self.phase = Phase::Watch { name, before };
                    self.roll_back("not_permitted");
                }
                None => self.phase = Phase::Watch { name, before },
                Some(Verdict::Good) => {
                    self.floor.trials.end_watch();
                    self.confirm(&name, Some(before));
                }
                Some(Verdict::Bad(reason)) => {
                    self.phase = Phase::Watch { name, before };
                    self.roll_back(reason);
                }
            },
        }
        let trial = match &self.phase {
            Phase::Preparing { digest, .. } => Some(*digest),
            Phase::Shadow { live, .. } => Some(live.digest()),
            _ => None,
        };
        self.status.change(|health| health.trial = trial);
    }

    fn look_for_release(&mut self) {
        if self.scanned.is_some_and(|at| at.elapsed() < SCAN) {
            return;
        }
        self.scanned = Some(Instant::now());
        let control = self.floor.control;
        let now = control.now();
        if !self.booted {
            if control.with_chain(|chain| chain.current().is_none()) {
                return;
            }
            self.booted = true;
            // A node comes back with the release that was good last, whatever lies in the folder (SBX-27).
            match control.with_chain(|chain| chain.active(now)) {
                Ok(Some(release)) => {
                    let digest = release.digest();
                    return self.prepare(None, digest, SwapCause::Newer, move |_| Ok(release));
                }
                Ok(None) => {}
                Err(error) => self.status.alarm(format!("the release that ran here last does not run: {error}")),
            }
        }
        let seated = self.seat.as_ref().map(|seat| (seat.live.digest(), seat.live.counter()));
        // Where the seated one may run no more, any other that the floor lets run will do.
        let stands =
            self.seat.as_ref().is_some_and(|seat| control.with_chain(|c| c.judge(seat.live.release())).is_ok());
        let above = seated.filter(|_| stands).map(|(_, counter)| counter);
        let wanted = |digest: Digest| {
            !self.rejected.contains(&digest)
                && seated.is_none_or(|(seated, _)| seated != digest)
                && self.asked.flatten().is_none_or(|asked| asked == digest)
        };
        let found = control.with_chain(|chain| chain.newest(above, wanted));
        if let Some((name, digest)) = found {
            let cause = if self.asked.take().is_some() { SwapCause::Asked } else { SwapCause::Newer };
            let folder = name.clone();
            self.prepare(Some(name), digest, cause, move |rules| rules.load(&folder, now));
        } else if self.asked.take().is_some() {
            self.status.alarm("no other listed release is here to swap to".to_owned());
        }
    }

    /// Makes a release ready in a thread of its own: nothing waits for it.
    fn prepare(
        &mut self,
        name: Option<String>,
        digest: Digest,
        cause: SwapCause,
        load: impl FnOnce(&Rules) -> Result<vaern_trust::Release<vaern_trust::Approved>, LoadError> + Send + 'static,
    ) {
        let (send, ready) = channel();
        // One more than there are threads: the trial has a runner of its own.
        let (rules, runners) = (Arc::clone(self.rules), self.runners + 1);
        let work = move || {
            let _ = send.send(load(&rules).and_then(|release| rules.ready(release, runners)));
        };
        match std::thread::Builder::new().name("vaern-prepare".to_owned()).spawn(work) {
            Ok(_) => self.phase = Phase::Preparing { name, digest, cause, ready },
            Err(error) => self.status.alarm(format!("no thread to make a release ready: {error}")),
        }
    }

    fn prepared(&mut self, name: Option<String>, live: Arc<Live>, cause: SwapCause) {
        let control = self.floor.control;
        let judged = control.with_chain(|chain| {
            chain.judge_host(live.release())?;
            chain.judge(live.release()).map_err(LoadError::from)
        });
        if let Err(error) = judged {
            self.status.alarm(format!("the release {} does not run: {error}", live.digest()));
            return self.turn_down(live.digest(), "not_permitted", false);
        }
        match name {
            Some(name) if self.seat.is_some() && !self.seat_is_void() => {
                match self.floor.trials.begin(&live, self.bounds) {
                    Ok(()) => self.phase = Phase::Shadow { name, live, cause },
                    Err(error) => self.status.alarm(format!("no thread for a trial: {error}")),
                }
            }
            name => {
                let cause = self.seat.is_some().then_some(cause);
                self.take_seat(live, cause);
                if let Some(name) = name {
                    self.confirm(&name, None);
                }
            }
        }
    }

    /// Whether the seated release may run no more, whatever else is the matter.
    fn seat_is_void(&self) -> bool {
        let cause = self.floor.control.why().map(|why| why.cause);
        matches!(cause, Some(StopCause::Revoked | StopCause::ApprovalExpired))
    }

    fn shadowed(&mut self, name: String, live: Arc<Live>, cause: SwapCause) {
        let control = self.floor.control;
        if let Err(error) = control.with_chain(|chain| chain.judge(live.release())) {
            self.floor.trials.end_shadow();
            self.status.alarm(format!("the release {} on trial does not run: {error}", live.digest()));
            return;
        }
        let Some(seat) = self.seat.clone() else { return };
        match self.floor.trials.shadow_verdict() {
            // The one that ran may run no more: there is nothing to be compared with, and nothing to lose.
            None if self.seat_is_void() => {
                self.floor.trials.end_shadow();
                self.take_seat(live, Some(cause));
                self.confirm(&name, None);
            }
            None => self.phase = Phase::Shadow { name, live, cause },
            Some(Verdict::Bad(reason)) => {
                self.floor.trials.end_shadow();
                self.turn_down(live.digest(), reason, true);
            }
            Some(Verdict::Good) => {
                self.floor.trials.end_shadow();
                let generation = seat.generation + 1;
                self.floor.trials.begin_watch(Watch::new(generation, &self.bounds));
                self.take_seat(live, Some(cause));
                self.phase = Phase::Watch { name, before: Arc::clone(&seat.live) };
            }
        }
    }

    /// Seats a release: the next frame is its first.
    fn take_seat(&mut self, live: Arc<Live>, cause: Option<SwapCause>) {
        let generation = self.seat.as_ref().map_or(0, |seat| seat.generation + 1);
        let digest = live.digest();
        let seat = Arc::new(Seat { generation, live: Arc::clone(&live), cause });
        self.seat = Some(Arc::clone(&seat));
        self.told(Told::Seated(Arc::clone(&seat)));
        if self.halted.is_none() && self.floor.dispatcher.seated().is_some() {
            self.floor.dispatcher.seat(Some(seat));
        }
        // After the seat: a frame of the one before is judged by the one before until it is done with.
        self.floor.control.seat(Some(live));
        if let Some(cause) = cause {
            count_swap(self.status, cause);
        }
        self.status.change(|health| health.release = Some(digest));
        (self.say)(&format!("the release {digest} has the seat"));
    }

    /// The seated release is good: the node comes back with it, and the floor rises. Where that cannot be written, it does not stay.
    fn confirm(&mut self, name: &str, before: Option<Arc<Live>>) {
        let Some(seat) = &self.seat else { return };
        let confirmed = self.floor.control.with_chain(|chain| chain.confirm(name, &seat.live));
        if let Err(error) = confirmed {
            self.status.alarm(format!("the release {} cannot be kept: {error}", seat.live.digest()));
            if let Some(before) = before {
                self.phase = Phase::Watch { name: name.to_owned(), before };
                self.roll_back("floor_unwritable");
            }
        }
    }

    /// Gives the seat back to the release before.
    fn roll_back(&mut self, reason: &'static str) {
        if let Phase::Watch { before, .. } = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.floor.trials.end_watch();
            if let Some(seat) = &self.seat {
                self.turn_down(seat.live.digest(), reason, true);
            }
            self.take_seat(before, Some(SwapCause::Rollback));
        }
    }

    fn turn_down(&mut self, release: Digest, reason: &'static str, for_good: bool) {
        (self.say)(&format!("the release {release} is turned down: {reason}"));
        self.rejected.insert(release);
        self.told(Told::TurnedDown { release, reason, for_good });
    }
}

impl From<UpdateError> for LiveError {
    fn from(error: UpdateError) -> Self {
        Self::Write { what: error.to_string(), krav: error.krav(), blame: error.blame() }
    }
}
