//! What a service is made of, and its threads: begun together, ended in order.

use std::collections::{BTreeSet, VecDeque};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use cap_std::fs::Dir;
use jiff::{SignedDuration, Timestamp};
use vaern_door::{Blame, Krav, guard};
use vaern_policy::Profile;
use vaern_privacy::Position;

use super::chain::Chain;
use super::clerk::{Clerk, Desk};
use super::config::{SourcePart, StreamAt, SwapPart, WindowPart};
use super::control::{Clock, Control};
use super::dispatch::Dispatcher;
use super::evidence::EvidenceBook;
use super::http;
use super::inbox::{Inbox, Shelf};
use super::journal::{Journal, JournalError};
use super::logbook::{ClerkError, LogBook};
use super::memory::JudgedMemory;
use super::metrics::{Condition, Health, Status};
use super::orders::{self, OrderError};
use super::probe::Rota;
use super::schedule::{self, Schedule};
use super::service::{Phase, Service, afloat};
use super::source::{Camera, Located, Patience, Positions, Source};
use super::swap::{Bounds, Trials};
use super::worker::{self, Floor, Intake};
use crate::coverage;
use crate::gate::Built;
use crate::outcome::Place;
use crate::probes::ProbeSet;

/// What a service is made of.
pub struct Parts {
    /// Channel, floor, releases and rules.
    pub chain: Chain,
    /// The gate.
    pub built: Built,
    /// What keeps the memory from a disk, as the policy lets it pass.
    pub memory: JudgedMemory,
    /// Where captures come from.
    pub captures: Captures,
    /// Where positions come from.
    pub positions: Positions,
    /// Evidence of what is found, where it is kept.
    pub evidence: Option<EvidenceBook>,
    /// Pictures with a known answer, where the signed profile asks for them.
    pub probes: Option<ProbeSet>,
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
    /// Where health and metrics are told, and how often figures are taken down, in milliseconds.
    pub listener: Option<(TcpListener, u32)>,
    /// The present.
    pub clock: Clock,
    /// Set from outside to end the service.
    pub over: Arc<AtomicBool>,
    /// Told what happens, in a line each.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
}

/// Where captures come from.
pub enum Captures {
    /// The watched folder.
    Folder(Dir),
    /// A camera's stream.
    Stream(StreamAt),
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
    /// What a plugin could tell by its time is more than the policy allows it to say (EXF-08).
    #[error(
        "by its time alone a plugin could tell {bits} bits in an hour, and the policy allows {allowed} in all: raise `every_ms` of \
         `[metrics]` or `minutes` of `[window]`, or leave `frames` out"
    )]
    Timing {
        /// What it could tell.
        bits: u32,
        /// What the policy allows.
        allowed: u32,
    },
    /// The node's own bounds of a swap ask for less than the signed profile.
    #[error("`{0}` of `[swap]` asks a new release for less than the signed profile does: a node may ask for more only")]
    Looser(&'static str),
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
            Self::Timing { .. } => Krav("SEP-04"),
            Self::Looser(_) => Krav("CYB-01"),
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
    let Parts {
        chain,
        built,
        memory,
        captures,
        positions,
        evidence,
        probes,
        state,
        out,
        workers,
        source,
        window,
        swap,
        log,
        listener,
        clock,
        over,
        say,
    } = parts;
    let journal = Journal::open(&state)?;
    let (done, stop, risk, rejected) = (journal.done()?, journal.stop()?, journal.risk()?, journal.rejected()?);
    let (figures, listener) = listener.map(|(l, every)| (Schedule::every_ms(every.into()), l)).unzip();
    let status = Arc::new(figures.map_or_else(Status::default, Status::on));
    status.set_memory(memory.report());
    let rules = chain.rules();
    let profile = &rules.set.profile;
    let outlines: Vec<_> = built.gate.fences().fences().iter().flat_map(vaern_privacy::Fence::outlines).collect();
    let bits_per_hour = left_of_the_budget(profile, window, figures, source.waiting, &outlines)?;
    let mut built = built.in_operation(&rules.set);
    built.gate = built.gate.knowing(probes.as_ref().map(ProbeSet::digests).unwrap_or_default());
    let rota = probes.zip(profile.probe).map(|(set, rule)| Rota::new(set, &rule));
    for (camera, place) in journal.pace()?.into_iter().filter(|_| guard::stands("node.pace")) {
        // A place that cannot be one was not written by this program; the limits begin anew.
        if let Some(position) = position(&place) {
            built.gate.resume(camera, position);
        }
    }
    let bounds = Bounds::of(&profile.swap, &swap).map_err(LiveError::Looser)?;
    let max_bytes = built.gate.policy().max_bytes();
    let (source_of, again, shelf, desk_shelf): (Box<dyn Source>, _, _, _) = match captures {
        Captures::Folder(folder) => {
            let (inbox, again) = Inbox::open(folder, done).map_err(LiveError::Inbox)?;
            let shelf = || inbox.shelf().map_err(LiveError::Inbox);
            let (one, other) = (shelf()?, shelf()?);
            (Box::new(inbox), again, one, other)
        }
        Captures::Stream(at) => {
            let camera = Camera::open(at, max_bytes, done, Patience::default(), Arc::clone(&clock));
            (Box::new(camera.map_err(LiveError::System)?), Vec::new(), Shelf(None), Shelf(None))
        }
    };
    let afloat = source_of.is_fleeting().then(|| afloat(source.waiting));
    let folder = orders::control(&state)?;
    let orders = folder.try_clone().map_err(LiveError::System)?;
    let remembered = (stop, risk);
    let positions = Located::begin(positions, &clock).map_err(LiveError::System)?;
    let listening = Arc::clone(&clock);
    let control =
        Control::new(chain, folder, remembered.clone(), clock, Arc::clone(&status)).map_err(LiveError::System)?;
    let dispatcher = Dispatcher::new(source.waiting.into());
    let (outstanding, trials) = (AtomicUsize::new(0), Trials::default());
    let keeps = evidence.is_some();
    let desk = Desk {
        state: &state,
        out: &out,
        shelf: desk_shelf,
        rules: &rules,
        built: &built,
        control: &control,
        status: &status,
        window,
        afloat,
        bits_per_hour,
        outstanding: &outstanding,
        over: &over,
    };
    let clerk = Clerk::new(desk, log, journal, evidence)?;
    let (tell, told) = channel();
    let floor = Floor {
        gate: &built.gate,
        control: &control,
        dispatcher: &dispatcher,
        trials: &trials,
        probes: rota.as_ref(),
        evidence: keeps,
    };
    let ended = AtomicBool::new(false);
    let delay = SignedDuration::from_millis(source.delay_ms.into());
    let mut service = Service {
        floor: &floor,
        orders: &orders,
        status: &status,
        rules: &rules,
        intake: Intake { shelf, positions, camera: source.camera.clone(), delay },
        source: source_of,
        berth: VecDeque::new(),
        waiting: source.waiting.into(),
        when_full: source.when_full,
        bounds,
        runners: workers.max(1),
        tell: tell.clone(),
        ticket: 0,
        outstanding: &outstanding,
        over: &over,
        say: &say,
        seat: None,
        phase: Phase::Idle,
        rejected: rejected.into_iter().collect(),
        unready: BTreeSet::new(),
        booted: false,
        asked: None,
        halted: None,
        remembered,
        scanned: None,
    };
    std::thread::scope(|scope| {
        if let Some(listener) = listener {
            scope.spawn(|| http::serve(listener, &status, &listening, &ended));
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

/// What the vendor's answers may carry in an hour, after what a plugin can tell by its time (EXF-08): the policy's number bounds both.
fn left_of_the_budget(
    profile: &Profile,
    window: WindowPart,
    figures: Option<Schedule>,
    waiting: u16,
    outlines: &[Vec<(f64, f64)>],
) -> Result<u32, LiveError> {
    let allowed = profile.output.bits_per_hour;
    let windows = Schedule::every_ms(u64::from(window.minutes) * 60_000);
    // The pictures come half as far apart as the profile says, at the nearest.
    let probes = profile.probe.map_or(0.0, |rule| 1.0 / (f64::from(rule.every_frames / 2) * f64::from(rule.pictures)));
    let accounts = probes + profile.interference.map_or(0.0, |rule| 1.0 / f64::from(rule.frames));
    let rate = profile.rates.frames_per_second;
    let told = schedule::Told { windows, frames: window.frames, figures, rate, waiting, accounts };
    let bits = (schedule::timing_bits(told) + coverage::bits_per_day(outlines) / 24.0).ceil() as u32;
    match allowed.checked_sub(bits) {
        Some(left) if left > 0 => Ok(left),
        _ if guard::stands("node.timing-budget") => Err(LiveError::Timing { bits, allowed }),
        _ => Ok(allowed),
    }
}

fn position(place: &Place) -> Option<Position> {
    let position = Position::new(place.latitude, place.longitude, place.error_m).ok()?;
    let position = place.heading.map_or(position, |heading| position.with_heading(heading));
    let time = place.time_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    Some(time.map_or(position, |time| position.with_time(time)))
}
