//! What a service is made of, and its threads: begun together, ended in order.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use cap_std::fs::Dir;
use vaern_door::{Blame, Krav};

use super::chain::Chain;
use super::clerk::{Clerk, ClerkError, Desk, LogBook};
use super::config::{SourcePart, SwapPart, WindowPart};
use super::control::{Clock, Control};
use super::dispatch::Dispatcher;
use super::http;
use super::inbox::Inbox;
use super::journal::{Journal, JournalError};
use super::metrics::{Condition, Health, Status};
use super::orders::{self, OrderError};
use super::service::{Phase, Service};
use super::swap::Trials;
use super::worker::{self, Floor};
use crate::gate::Built;

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
