//! One worker process, seen from the node. Whatever happens, dropping it ends it and waits until it is gone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vaern_door::{Grants, Name, Size};

use super::protocol::{Channel, Kind, Lost, Reader, decode_answer, decode_error, longest_answer, put_size};
use super::raw::Slot;
use super::walled::{Incident, WallError};
use super::{Protection, errors};
use crate::{Answer, SandboxError};

/// What the node's timer gives a call beyond its deadline: the way there and back, and a busy machine. The worker judges its own
/// time as well, so this much is only ever used by one that no longer does.
pub(super) const SLACK: Duration = Duration::from_millis(100);

/// A worker that has not locked itself down by then never will.
const START: Duration = Duration::from_secs(20);

/// Data of a worker beyond the guest's memory and its models: the compiler, the engines, the compiled code.
const OVERHEAD: u64 = 512 << 20;

/// The largest code that is taken from a worker.
const MOST_CODE: usize = 256 << 20;

/// Data of a loaded model, as a multiple of its file.
const MODEL_FACTOR: u64 = 8;

/// How workers are started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program. It is called with `arguments`, then `--memory BYTES`, then `--runtime LIBRARY` where there is one, its socket
    /// on standard input, and must hand over to [`super::worker`].
    pub program: PathBuf,
    /// What makes the program a worker.
    pub arguments: Vec<OsString>,
    /// ONNX Runtime's library. Without it, models run in tract.
    pub runtime: Option<PathBuf>,
}

impl Launch {
    /// The program that is running now, executed anew, even if its file was exchanged meanwhile.
    #[must_use]
    pub fn this_program(argument: &str, runtime: Option<PathBuf>) -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), arguments: vec![argument.into()], runtime }
    }
}

/// What a vendor sent, and what it may do.
#[derive(Debug, Clone)]
pub struct Vendor {
    /// The component, as it was approved.
    pub component: Vec<u8>,
    /// The models of the release, by the names of its manifest.
    pub models: BTreeMap<Name, Vec<u8>>,
    /// What it may do.
    pub grants: Arc<Grants>,
}

impl Vendor {
    /// Bound of a worker's data.
    pub(super) fn memory_bytes(&self) -> u64 {
        let models: u64 = self.models.values().map(|model| model.len() as u64).sum();
        OVERHEAD
            .saturating_add(self.grants.limits.memory_bytes.saturating_mul(2))
            .saturating_add(models.saturating_mul(MODEL_FACTOR))
    }
}

/// A worker that is locked down and holds nothing of a vendor yet.
struct Locked {
    child: Child,
    channel: Channel,
    held: Vec<Protection>,
}

/// A worker with a loaded release.
pub(super) struct Process {
    worker: Locked,
    frame: Size,
    slot: Option<u64>,
}

impl Locked {
    /// Starts a worker and sees it locked down. `accept` judges the protections.
    fn start(
        launch: &Launch,
        memory_bytes: u64,
        accept: impl FnOnce(&[Protection]) -> Result<(), WallError>,
    ) -> Result<Self, WallError> {
        let failed = |_| WallError::from(SandboxError::Setup("worker"));
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        ours.set_write_timeout(Some(START)).map_err(failed)?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).arg("--memory").arg(memory_bytes.to_string());
        if let Some(library) = &launch.runtime {
            command.arg("--runtime").arg(library);
        }
        let theirs = Stdio::from(OwnedFd::from(theirs));
        command.env_clear().current_dir("/").stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(failed)?;
        // The command holds the worker's end of the socket: with it gone, the worker's death is an end of file here.
        drop(command);
        let mut worker = Self { child, channel: Channel::new(ours), held: vec![] };
        worker.held = worker.ready()?;
        accept(&worker.held)?;
        Ok(worker)
    }

    fn ready(&mut self) -> Result<Vec<Protection>, WallError> {
        let broken = || SandboxError::Setup("worker");
        let (kind, body) = self.channel.reply(4, after(START)).map_err(|_| broken())?;
        let mut reader = Reader::new(&body);
        match (kind, reader.u32()) {
            (Kind::Ready, Some(bits)) => Ok(Protection::of_bits(bits)),
            _ => Err(broken().into()),
        }
    }

    fn kill(&mut self) -> Option<std::process::ExitStatus> {
        // Fails only where it is gone already.
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Has a worker make code of a component. It sees nothing else, and ends with it.
pub(super) fn compile(
    launch: &Launch,
    body: &[u8],
    time: Duration,
    accept: impl FnOnce(&[Protection]) -> Result<(), WallError>,
) -> Result<Vec<u8>, WallError> {
    let mut worker = Locked::start(launch, OVERHEAD, accept)?;
    worker.channel.send(Kind::Compile, &[body]).map_err(|_| SandboxError::WorkerLost)?;
    match worker.channel.reply(MOST_CODE, after(time)) {
        Ok((Kind::Code, code)) => Ok(code),
        Ok((Kind::Refused, body)) => Err(decode_error(&body).unwrap_or(SandboxError::WorkerLost).into()),
        Err(Lost::Late) => Err(SandboxError::CompileBudget.into()),
        Ok(_) | Err(Lost::Gone | Lost::Garbled) => Err(SandboxError::WorkerLost.into()),
    }
}

impl Process {
    /// Starts a worker, sees it locked down, and gives it the release. `accept` judges the protections before that.
    pub(super) fn start(
        launch: &Launch,
        vendor: &Vendor,
        body: &[u8],
        compile: Duration,
        accept: impl FnOnce(&[Protection]) -> Result<(), WallError>,
    ) -> Result<Self, WallError> {
        let worker = Locked::start(launch, vendor.memory_bytes(), accept)?;
        let mut process = Self { worker, frame: vendor.grants.frame, slot: None };
        process.load(vendor, body, compile)?;
        Ok(process)
    }

    fn load(&mut self, vendor: &Vendor, body: &[u8], compile: Duration) -> Result<(), WallError> {
        self.worker.channel.send(Kind::Load, &[body]).map_err(|_| SandboxError::WorkerLost)?;
        match self.loading(vendor, after(compile)) {
            Ok((Kind::Compiled, body)) if body.is_empty() => {}
            Ok(_) => return Err(SandboxError::WorkerLost.into()),
            Err(WallError::Sandbox(SandboxError::DeadlineExceeded)) => return Err(SandboxError::CompileBudget.into()),
            Err(error) => return Err(error),
        }
        let (kind, body) = self.loading(vendor, after(vendor.grants.limits.deadline() + SLACK))?;
        let mut reader = Reader::new(&body);
        match (kind, reader.size(), reader.end()) {
            (Kind::Loaded, Some(frame), Some(())) => self.frame = frame,
            _ => return Err(SandboxError::WorkerLost.into()),
        }
        Ok(())
    }

    /// One reply while a release is loaded.
    fn loading(&mut self, vendor: &Vendor, until: Instant) -> Result<(Kind, Vec<u8>), WallError> {
        let (kind, body) = self.worker.channel.reply(256, until).map_err(|lost| match lost {
            Lost::Late => SandboxError::DeadlineExceeded,
            Lost::Gone | Lost::Garbled => SandboxError::WorkerLost,
        })?;
        match kind {
            Kind::Refused => Err(decode_error(&body).unwrap_or(SandboxError::WorkerLost).into()),
            Kind::ModelRefused => {
                let mut reader = Reader::new(&body);
                let name = reader.u32().and_then(|number| vendor.models.keys().nth(usize::try_from(number).ok()?));
                let source = reader.u8().and_then(errors::model_error);
                match (name, source, reader.end()) {
                    (Some(name), Some(source), Some(())) => Err(WallError::Model { name: name.clone(), source }),
                    _ => Err(SandboxError::WorkerLost.into()),
                }
            }
            kind => Ok((kind, body)),
        }
    }

    /// What the worker says is in force.
    pub(super) fn held(&self) -> &[Protection] {
        &self.worker.held
    }

    /// The frame size that the plugin wants at most.
    pub(super) const fn frame(&self) -> Size {
        self.frame
    }

    pub(super) fn id(&self) -> u32 {
        self.worker.child.id()
    }

    /// Shows the frame that lies in the slot. `Err` means that this worker is of no use any more.
    pub(super) fn look(
        &mut self,
        (number, slot): (u64, &Slot),
        size: Size,
        native: Option<Size>,
        grants: &Grants,
    ) -> Result<Result<Answer, SandboxError>, Lost> {
        let begun = Instant::now();
        if self.slot != Some(number) {
            let length = (slot.bytes().len() as u64).to_le_bytes();
            self.worker.channel.send_file(Kind::Slot, &length, slot.file())?;
            self.slot = Some(number);
        }
        let mut body = Vec::with_capacity(16);
        put_size(&mut body, size);
        body.push(u8::from(native.is_some()));
        if let Some(native) = native {
            put_size(&mut body, native);
        }
        self.worker.channel.send(Kind::Look, &[&body])?;
        let until = begun.checked_add(grants.limits.deadline() + SLACK).unwrap_or(begun);
        let (kind, body) = self.worker.channel.reply(longest_answer(grants), until)?;
        match kind {
            Kind::Answer => decode_answer(&body, grants, begun.elapsed()).map(Ok).ok_or(Lost::Garbled),
            Kind::Refused => decode_error(&body).map(Err).ok_or(Lost::Garbled),
            _ => Err(Lost::Garbled),
        }
    }

    /// Ends it, and says what had happened to it.
    pub(super) fn end(mut self, lost: Lost) -> Incident {
        let status = self.worker.kill();
        match lost {
            Lost::Late => Incident::Overran,
            Lost::Garbled => Incident::Garbled,
            Lost::Gone => match status.and_then(|status| status.signal()) {
                Some(libc::SIGSYS) => Incident::ForbiddenCall,
                _ => Incident::Died,
            },
        }
    }
}

fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now)
}
