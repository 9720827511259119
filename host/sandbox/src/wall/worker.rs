//! The worker's side of the wall. One thread, one socket, one release.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use vaern_door::{Digest, Grants, Limits, Name};
use vaern_inference::{Backend, ModelLimits};

use super::protocol::{Channel, Kind, Reader, encode_answer, encode_error, put_part, put_size};
use super::raw::Seen;
use super::{Probe, Protection, errors, lockdown};
use crate::frame::NativeView;
use crate::host::Models;
use crate::native::Vouched;
use crate::{Engine, InProcess, ReceivedFrame, Runner as _, SandboxError};

/// What a worker is told on its command line: by the city, before any vendor's byte exists in it.
#[derive(Debug, Clone)]
pub struct WorkerSetup {
    /// ONNX Runtime's library. Without it, models run in tract.
    pub runtime: Option<PathBuf>,
    /// Bound of the process's data, in bytes.
    pub memory_bytes: u64,
    /// Lock down, try this one forbidden act, and end.
    pub probe: Option<Probe>,
}

/// Status of a worker whose probe worked: a hole in the wall.
const HOLE: u8 = 99;

/// Status of a worker that was started by something else than a node.
const NO_NODE: u8 = 2;

/// The whole life of a worker process. Its socket is its standard input.
#[must_use]
pub fn worker(setup: &WorkerSetup) -> ExitCode {
    let held = lockdown::arrive();
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let backend: Option<Box<dyn Backend>> = match &setup.runtime {
        None => Some(Box::new(vaern_inference::tract())),
        // Opened while files can still be opened. It is the city's own library, and no model has been seen yet.
        Some(library) => vaern_inference::onnx_runtime(library).ok().map(|runtime| Box::new(runtime) as _),
    };
    // Installs the handlers that turn a guest's faults into traps.
    let engine = Engine::walled();
    let held = lockdown::lock_down(setup.memory_bytes, held);
    if let Some(probe) = setup.probe {
        let tight = lockdown::tighten();
        let hole = probe.succeeds();
        return if tight && hole { ExitCode::from(HOLE) } else { ExitCode::SUCCESS };
    }
    let (Ok(socket), Some(backend), Ok(engine)) = (socket, backend, engine) else { return ExitCode::from(NO_NODE) };
    let mut channel = Channel::new(UnixStream::from(socket));
    if channel.send(Kind::Ready, &[&Protection::bits(&held).to_le_bytes()]).is_err() {
        return ExitCode::from(NO_NODE);
    }
    let fewer_calls = held.contains(&Protection::FewSyscalls);
    serve(&mut channel, &engine, backend.as_ref(), fewer_calls);
    ExitCode::SUCCESS
}

/// Answers requests until the node is gone or says something that is no request.
fn serve(channel: &mut Channel, engine: &Engine, backend: &dyn Backend, fewer_calls: bool) -> Option<()> {
    let message = channel.request()?;
    match message.kind {
        Kind::Load => {}
        Kind::Compile => return compile(channel, engine, &message.body),
        _ => return None,
    }
    let (mut runner, grants) = load(channel, engine, backend, fewer_calls, &message.body)?;
    drop(message);
    let mut slot: Option<Bytes> = None;
    loop {
        let message = channel.request()?;
        match message.kind {
            Kind::Slot => {
                let mut reader = Reader::new(&message.body);
                let length = usize::try_from(reader.u64()?).ok()?;
                reader.end()?;
                // The old slot goes first: a worker holds one.
                drop(slot.take());
                slot = Some(Bytes::from_owner(Seen::new(&message.file?, length).ok()?));
            }
            Kind::Look => {
                alarm_for(&grants);
                let answer = received(&message.body, slot.as_ref()?).and_then(|frame| runner.detect(&frame));
                super::raw::alarm(0);
                match answer {
                    Ok(answer) => channel.send(Kind::Answer, &[&encode_answer(&answer)]).ok()?,
                    Err(error) => channel.send(Kind::Refused, &[&encode_error(&error)]).ok()?,
                }
            }
            _ => return None,
        }
    }
}

/// The node's timer ends a call in time. Should the node be gone, this one ends it late.
fn alarm_for(grants: &Grants) {
    super::raw::alarm(grants.limits.deadline_ms.div_ceil(1000).saturating_add(10));
}

/// Compiles and parses, tells the node, takes away what that needed, and only then runs the plugin's first instruction.
fn load(
    channel: &mut Channel,
    engine: &Engine,
    backend: &dyn Backend,
    fewer_calls: bool,
    body: &[u8],
) -> Option<(InProcess, Arc<Grants>)> {
    let mut reader = Reader::new(body);
    let grants: Grants = serde_json::from_slice(reader.part()?).ok()?;
    let component = reader.part()?;
    let code = match reader.u8()? {
        0 => None,
        1 => Some((reader.array().map(Digest::from_bytes)?, reader.part()?)),
        _ => return None,
    };
    let mut models = Models::new();
    let limits = ModelLimits { bytes: grants.limits.model_bytes, ..ModelLimits::default() };
    for number in 0..reader.u32()? {
        let name = Name::new(std::str::from_utf8(reader.part()?).ok()?).ok()?;
        match vaern_inference::load_vendors(backend, reader.part()?, &limits) {
            Ok(model) => models.insert(name, model),
            Err(error) => {
                let mut body = number.to_le_bytes().to_vec();
                body.push(errors::model_code(&error, backend.name()));
                channel.send(Kind::ModelRefused, &[&body]).ok()?;
                return None;
            }
        };
    }
    reader.end()?;
    let grants = Arc::new(grants);
    let refused = |channel: &mut Channel, error: &SandboxError| {
        // The node hears why, and ends this process.
        let _ = channel.send(Kind::Refused, &[&encode_error(error)]);
    };
    let compiled = match code {
        None => engine.compile(component, &grants.limits),
        Some((digest, code)) => {
            Vouched::sent_by_node(code, digest).and_then(|code| engine.take(component, code, &grants.limits))
        }
    };
    let compiled = compiled
        .and_then(|compiled| compiled.make_images().map(|()| compiled))
        .inspect_err(|error| refused(channel, error))
        .ok()?;
    if fewer_calls && !lockdown::tighten() {
        refused(channel, &SandboxError::Setup("worker"));
        return None;
    }
    channel.send(Kind::Compiled, &[]).ok()?;
    alarm_for(&grants);
    let runner = InProcess::new(engine, &compiled, grants.clone(), models);
    super::raw::alarm(0);
    let runner = runner.inspect_err(|error| refused(channel, error)).ok()?;
    let mut body = vec![];
    put_size(&mut body, runner.describe().frame);
    channel.send(Kind::Loaded, &[&body]).ok()?;
    Some((runner, grants))
}

/// The frame that lies in the slot. The masks are the node's own knowledge and do not come along.
fn received(body: &[u8], slot: &Bytes) -> Result<ReceivedFrame, SandboxError> {
    let bad = || SandboxError::Setup("slot");
    let mut reader = Reader::new(body);
    let size = reader.size().ok_or_else(bad)?;
    let native = if reader.u8().ok_or_else(bad)? == 1 { Some(reader.size().ok_or_else(bad)?) } else { None };
    reader.end().ok_or_else(bad)?;
    let length = size.rgb_bytes();
    let whole = length.checked_add(native.map_or(0, |native| native.rgb_bytes())).ok_or_else(bad)?;
    if whole > slot.len() {
        return Err(bad());
    }
    let native = native.map(|size| NativeView::of(size, slot.slice(length..whole))).transpose()?;
    ReceivedFrame::of(size, slot.slice(..length), Arc::new([]), native)
}

/// The whole life of a worker that compiles for the city: one component in, its code out.
fn compile(channel: &mut Channel, engine: &Engine, body: &[u8]) -> Option<()> {
    let mut reader = Reader::new(body);
    let limits: Limits = serde_json::from_slice(reader.part()?).ok()?;
    let component = reader.part()?;
    reader.end()?;
    match engine.precompile(component, &limits) {
        Ok(code) => channel.send(Kind::Code, &[&code]).ok(),
        Err(error) => channel.send(Kind::Refused, &[&encode_error(&error)]).ok(),
    }
}

/// The body of a request to compile: limits, component.
pub(super) fn compile_body(limits: &Limits, component: &[u8]) -> Option<Vec<u8>> {
    let mut body = vec![];
    put_part(&mut body, &serde_json::to_vec(limits).ok()?);
    put_part(&mut body, component);
    Some(body)
}

/// The body of a load: grants, component, its code where there is some, models.
pub(super) fn load_body(
    grants: &Grants,
    component: &[u8],
    code: Option<Vouched<'_>>,
    models: &BTreeMap<Name, Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut body = vec![];
    put_part(&mut body, &serde_json::to_vec(grants).ok()?);
    put_part(&mut body, component);
    body.push(u8::from(code.is_some()));
    if let Some(code) = code {
        body.extend_from_slice(code.digest().as_bytes());
        put_part(&mut body, code.code());
    }
    body.extend_from_slice(&u32::try_from(models.len()).ok()?.to_le_bytes());
    for (name, bytes) in models {
        put_part(&mut body, name.as_str().as_bytes());
        put_part(&mut body, bytes);
    }
    Some(body)
}
