//! The node's side of the wall: workers, their slots, and what becomes of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use vaern_door::{Limits, Name, Rect, Size, guard};
use vaern_inference::InferenceError;
use vaern_trust::{CompiledCode, EngineId};

use super::breaker::Breaker;
use super::process::{self, Launch, Process, Vendor};
use super::protocol::Lost;
use super::raw::Slot;
use super::{Protection, worker};
use crate::frame::NativeView;
use crate::native::Vouched;
use crate::runner::within;
use crate::{Answer, Description, ReceivedFrame, Runner, SandboxError};

/// Why a release cannot run behind the wall.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// The wall does not stand, or the component is refused.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A model is refused.
    #[error("the model `{name}`: {source}")]
    Model {
        /// Name in the manifest.
        name: Name,
        /// Why.
        source: InferenceError,
    },
}

/// What the operator decides about the wall.
#[derive(Debug, Clone)]
pub struct WallSettings {
    /// How workers are started.
    pub launch: Launch,
    /// Go on where the kernel lacks a part of the wall. The report names what is missing.
    pub accept_weaker: bool,
    /// Frames without an answer in a row, or deaths, after which a release is shown no more frames.
    pub breaker: u32,
    /// Time for compiling the component and parsing its models.
    pub compile: Duration,
}

impl WallSettings {
    /// A whole wall or none, ten failures, half a minute to compile.
    #[must_use]
    pub const fn strict(launch: Launch) -> Self {
        Self { launch, accept_weaker: false, breaker: 10, compile: Duration::from_secs(30) }
    }
}

/// What can happen to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Incident {
    /// It did not answer in time and was ended.
    Overran,
    /// It died.
    Died,
    /// It made a system call that it may not, and was ended for it.
    ForbiddenCall,
    /// What it said was no answer, and it was ended.
    Garbled,
}

impl Incident {
    /// The name used in reports: a closed set.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overran => "worker_overran",
            Self::Died => "worker_died",
            Self::ForbiddenCall => "worker_forbidden_call",
            Self::Garbled => "worker_garbled",
        }
    }
}

/// What the wall consists of, and what it has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Protections in force.
    pub in_force: Vec<Protection>,
    /// Protections that this machine does not give.
    pub missing: Vec<Protection>,
    /// Workers started.
    pub workers: u64,
    /// Incidents by name.
    pub incidents: BTreeMap<&'static str, u64>,
    /// The release is shown no more frames.
    pub quarantined: bool,
}

/// The wall around one release: makes runners, keeps one warm worker in reserve, counts incidents.
#[derive(Clone)]
pub struct Wall(Arc<Shared>);

struct Shared {
    settings: WallSettings,
    vendor: Vendor,
    /// What every worker is sent to load.
    body: Vec<u8>,
    description: Description,
    in_force: Vec<Protection>,
    spare: Mutex<Option<Process>>,
    filling: AtomicBool,
    breaker: Mutex<Breaker>,
    incidents: Mutex<BTreeMap<Incident, u64>>,
    workers: AtomicU64,
}

impl Wall {
    /// Starts the first worker: shows at once whether the wall stands here, and whether the release can run behind it.
    ///
    /// # Errors
    /// [`SandboxError::WallIncomplete`] where the kernel lacks a part and the settings do not accept that; otherwise what is
    /// wrong with component or models.
    pub fn build(settings: WallSettings, vendor: Vendor) -> Result<Self, WallError> {
        Self::around(settings, vendor, None)
    }

    /// As [`Wall::build`], with code that the city compiled and vouches for: no worker compiles. What was verified is sent from
    /// this process's memory to each worker, so no file that changes later is ever run (PKG-17).
    ///
    /// # Errors
    /// As [`Wall::build`]; [`SandboxError::BadCode`] where the code does not load.
    pub fn with_code(settings: WallSettings, vendor: Vendor, code: &CompiledCode) -> Result<Self, WallError> {
        Self::around(settings, vendor, Some(Vouched::of(code)))
    }

    fn around(settings: WallSettings, vendor: Vendor, code: Option<Vouched<'_>>) -> Result<Self, WallError> {
        let body = worker::load_body(&vendor.grants, &vendor.component, code, &vendor.models);
        let body = body.ok_or(SandboxError::Setup("worker"))?;
        let first = start(&settings, &vendor, &body)?;
        // The worker has compared what the plugin says with the grants; its word for the rest is the frame size.
        let description = Description { labels: vendor.grants.labels.clone(), frame: first.frame() };
        let in_force = first.held().to_vec();
        let shared = Shared {
            breaker: Mutex::new(Breaker::new(settings.breaker)),
            settings,
            vendor,
            body,
            description,
            in_force,
            spare: Mutex::new(Some(first)),
            filling: AtomicBool::new(false),
            incidents: Mutex::default(),
            workers: AtomicU64::new(1),
        };
        Ok(Self(Arc::new(shared)))
    }

    /// A runner with a worker of its own.
    ///
    /// # Errors
    /// [`SandboxError`] where no worker can be started.
    pub fn runner(&self) -> Result<Walled, SandboxError> {
        let worker = self.worker()?;
        Ok(Walled { wall: self.clone(), worker: Some(worker), slot: None, slots: 0 })
    }

    /// What the wall consists of, and what it has seen.
    #[must_use]
    pub fn report(&self) -> Report {
        let in_force = self.0.in_force.clone();
        Report {
            missing: missing(&in_force),
            in_force,
            workers: self.0.workers.load(Ordering::Relaxed),
            incidents: lock(&self.0.incidents).iter().map(|(kind, count)| (kind.as_str(), *count)).collect(),
            quarantined: lock(&self.0.breaker).is_open(),
        }
    }

    /// The spare worker, or a new one; a new spare is made meanwhile.
    fn worker(&self) -> Result<Process, SandboxError> {
        let spare = lock(&self.0.spare).take();
        let worker = match spare {
            Some(worker) => worker,
            None => self.start()?,
        };
        self.refill();
        Ok(worker)
    }

    fn start(&self) -> Result<Process, SandboxError> {
        self.0.workers.fetch_add(1, Ordering::Relaxed);
        start(&self.0.settings, &self.0.vendor, &self.0.body).map_err(|error| match error {
            WallError::Sandbox(error) => error,
            // It was parsed before; what has changed is the worker.
            WallError::Model { .. } => SandboxError::WorkerLost,
        })
    }

    /// Starts a spare worker in the background, unless one is there or on its way.
    fn refill(&self) {
        if lock(&self.0.spare).is_some() || self.0.filling.swap(true, Ordering::AcqRel) {
            return;
        }
        let weak = Arc::downgrade(&self.0);
        let filling = std::thread::Builder::new().name("vaern-spare".to_owned()).spawn(move || {
            let Some(shared) = weak.upgrade() else { return };
            let wall = Self(shared);
            // Where it fails, whoever needs the next worker starts one and hears why.
            if let Ok(worker) = wall.start() {
                *lock(&wall.0.spare) = Some(worker);
            }
            wall.0.filling.store(false, Ordering::Release);
        });
        if filling.is_err() {
            self.0.filling.store(false, Ordering::Release);
        }
    }
}

fn start(settings: &WallSettings, vendor: &Vendor, body: &[u8]) -> Result<Process, WallError> {
    Process::start(&settings.launch, vendor, body, settings.compile, |held| whole(settings, held))
}

/// A whole wall, or the operator goes on without.
fn whole(settings: &WallSettings, held: &[Protection]) -> Result<(), WallError> {
    match missing(held).first() {
        Some(part) if guard::stands("wall.complete") && !settings.accept_weaker => {
            Err(SandboxError::WallIncomplete(part.as_str()).into())
        }
        _ => Ok(()),
    }
}

/// The engine behind the wall on this machine: what compiled code must fit.
#[must_use]
pub fn engine() -> EngineId {
    crate::deadline::walled_engine()
}

/// Compiles a component for this machine in a process of its own, walled and bounded like one that runs it. For the city, which
/// then signs for the code; a compiler that a component breaks breaks nothing else.
///
/// # Errors
/// [`SandboxError`] where the component is refused, does not compile in time, or takes the compiler down.
pub fn compile(settings: &WallSettings, component: &[u8], limits: &Limits) -> Result<Vec<u8>, WallError> {
    let body = worker::compile_body(limits, component).ok_or(SandboxError::Setup("worker"))?;
    process::compile(&settings.launch, &body, settings.compile, |held| whole(settings, held))
}

fn missing(held: &[Protection]) -> Vec<Protection> {
    Protection::ALL.into_iter().filter(|protection| !held.contains(protection)).collect()
}

/// Nothing that is locked here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a release in a worker process.
pub struct Walled {
    wall: Wall,
    worker: Option<Process>,
    slot: Option<Arc<Slot>>,
    /// Slots made so far: the number of the present one.
    slots: u64,
}

impl Walled {
    /// Process id of the present worker, if there is one.
    #[must_use]
    pub fn worker_id(&self) -> Option<u32> {
        self.worker.as_ref().map(Process::id)
    }

    /// The slot, if it is large enough and nobody reads it; otherwise a new one.
    fn slot(&mut self, length: usize) -> Result<&mut Slot, SandboxError> {
        let usable = self.slot.as_mut().and_then(Arc::get_mut).is_some_and(|slot| slot.bytes().len() >= length);
        if !usable {
            self.slot = Some(Arc::new(Slot::new(length).map_err(|_| SandboxError::Setup("slot"))?));
            self.slots += 1;
        }
        self.slot.as_mut().and_then(Arc::get_mut).ok_or(SandboxError::Setup("slot"))
    }

    /// Brings a frame into the slot, unless it lies there already.
    fn stage(&mut self, frame: &ReceivedFrame) -> Result<(), SandboxError> {
        let native = frame.native().map(|native| native.parts().1);
        let there = self.slot.as_ref().is_some_and(|slot| {
            let behind = slot.bytes().get(frame.rgb().len()..).map(<[u8]>::as_ptr);
            slot.bytes().as_ptr() == frame.rgb().as_ptr() && native.is_none_or(|n| behind == Some(n.as_ptr()))
        });
        if there {
            return Ok(());
        }
        let length = frame.rgb().len() + native.map_or(0, Bytes::len);
        let slot = self.slot(length)?.bytes_mut();
        let (first, second) = slot.split_at_mut_checked(frame.rgb().len()).ok_or(SandboxError::Setup("slot"))?;
        first.copy_from_slice(frame.rgb());
        if let (Some(native), Some(second)) = (native, second.get_mut(..native.map_or(0, Bytes::len))) {
            second.copy_from_slice(native);
        }
        Ok(())
    }

    /// Shows the staged frame to the present worker.
    fn look(&mut self, frame: &ReceivedFrame) -> Result<Result<Answer, SandboxError>, Lost> {
        let (Some(worker), Some(slot)) = (&mut self.worker, &self.slot) else { return Err(Lost::Gone) };
        let native = frame.native().map(|native| native.parts().0);
        worker.look((self.slots, slot), frame.size(), native, &self.wall.0.vendor.grants)
    }

    /// Ends the present worker, counts it, and waits as long as its release has earned.
    fn bury(&mut self, lost: Lost) {
        let Some(worker) = self.worker.take() else { return };
        let incident = worker.end(lost);
        *lock(&self.wall.0.incidents).entry(incident).or_default() += 1;
        let pause = lock(&self.wall.0.breaker).died();
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }

    fn tried(&mut self, frame: &ReceivedFrame) -> Result<Answer, SandboxError> {
        self.stage(frame)?;
        // A frame that a worker died of is shown once more, and no more: perhaps it died of something else (SBX-15).
        for _ in 0..2 {
            if guard::stands("wall.breaker") && lock(&self.wall.0.breaker).is_open() {
                return Err(SandboxError::Quarantined);
            }
            if self.worker.is_none() {
                self.worker = Some(self.wall.worker()?);
            }
            match self.look(frame) {
                Ok(answer) => return answer,
                Err(lost) => {
                    self.bury(lost);
                    if lost == Lost::Late {
                        return Err(SandboxError::DeadlineExceeded);
                    }
                }
            }
        }
        Err(SandboxError::WorkerLost)
    }
}

impl Runner for Walled {
    fn describe(&self) -> &Description {
        &self.wall.0.description
    }

    fn detect(&mut self, frame: &ReceivedFrame) -> Result<Answer, SandboxError> {
        within(frame.size(), self.wall.0.vendor.grants.frame)?;
        let answer = self.tried(frame);
        let mut breaker = lock(&self.wall.0.breaker);
        match &answer {
            Ok(_) => breaker.good(),
            Err(error) if error.blame() == vaern_door::Blame::Vendor => breaker.failed(),
            Err(_) => {}
        }
        answer
    }

    fn receive(
        &mut self,
        size: Size,
        rgb: &[u8],
        masked: &[Rect],
        native: Option<(Size, &[u8])>,
    ) -> Result<ReceivedFrame, SandboxError> {
        let beside = native.map_or(&[][..], |(_, rgb)| rgb);
        if rgb.len() != size.rgb_bytes() || native.is_some_and(|(size, rgb)| rgb.len() != size.rgb_bytes()) {
            return Err(SandboxError::Setup("frame"));
        }
        let bytes = self.slot(rgb.len() + beside.len())?.bytes_mut();
        let (first, second) = bytes.split_at_mut_checked(rgb.len()).ok_or(SandboxError::Setup("slot"))?;
        first.copy_from_slice(rgb);
        second.get_mut(..beside.len()).ok_or(SandboxError::Setup("slot"))?.copy_from_slice(beside);
        let slot = self.slot.clone().ok_or(SandboxError::Setup("slot"))?;
        let slot = Bytes::from_owner(SharedSlot(slot));
        let native = native.map(|(size, _)| NativeView::of(size, slot.slice(rgb.len()..rgb.len() + beside.len())));
        ReceivedFrame::of(size, slot.slice(..rgb.len()), masked.into(), native.transpose()?)
    }
}

/// A slot as the owner of a frame's pixels: while the frame lives, the slot is not written.
struct SharedSlot(Arc<Slot>);

impl AsRef<[u8]> for SharedSlot {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
