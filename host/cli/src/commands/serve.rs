//! `vaern run --config node.toml`: the node as a service. Opens what the file names, and hands it over.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use vaern_door::{Blame, Digest, Krav};
use vaern_node::gate::Built;
use vaern_node::keeper::BOUNDS;
use vaern_node::live::config::{Backend, NodeConfig};
use vaern_node::live::{
    Captures, Chain, ChainParts, Condition, EvidenceBook, LogBook, MemoryReport, Parts, Positions, Served, serve,
};
use vaern_node::probes::ProbeSet;
use vaern_policy::PolicySet;
use vaern_record::evidence::{Evidence, Kind};

use crate::commands::apart;
use crate::commands::book::LogArgs;
use crate::commands::evidence::store_key;
use crate::commands::gate::{self, BackendChoice, Engine, Purpose, Standing, Wall};
use crate::commands::run::workers;
use crate::commands::source::Source;
use crate::commands::track;
use crate::failure::Failure;
use crate::files;
use crate::memory;
use crate::output::Output;

/// No configuration is longer.
const MAX_CONFIG: u64 = 1 << 20;

/// Reads a configuration; its paths stand beside the file.
pub(crate) fn config(path: &Path) -> Result<NodeConfig, Failure> {
    let bytes = files::read("configuration", path, MAX_CONFIG)?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("the configuration is not UTF-8"))?;
    let path = std::path::absolute(path).map_err(|e| Failure::file("cannot find", path, &e))?;
    let base = path.parent().unwrap_or_else(|| Path::new("/"));
    NodeConfig::parse(&path.display().to_string(), &text, base)
        .map_err(|error| Failure::from(error).mend("docs/node.md says what each field is for"))
}

/// Runs until SIGTERM or SIGINT; a second one ends the program at once.
pub(crate) fn run(path: &Path, output: &Output) -> Result<(), Failure> {
    if !vaern_sandbox::bounded_heap() {
        eprintln!(
            "vaern: the heap of this process cannot be bounded: it may hold on to memory that it no longer needs"
        );
    }
    let over = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let listen = signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&over))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&over)));
        listen.map_err(|e| Failure::internal(format!("cannot listen for signals: {e}")))?;
    }
    // Before a key is read or a thread is begun.
    let memory = memory::keep_from_disk();
    let parts = parts(&config(path)?, memory, over, output)?;
    let served = serve(parts)?;
    output.result(&served, &lines(&served))
}

fn parts(config: &NodeConfig, memory: MemoryReport, over: Arc<AtomicBool>, output: &Output) -> Result<Parts, Failure> {
    let evidence_folder = config.evidence.as_ref().map(|part| part.folder.as_path());
    let own = [&config.node.state, &config.node.out, &config.log.folder, &config.releases.folder].map(PathBuf::as_path);
    apart::from_training(own.into_iter().chain(config.source.folder.as_deref()).chain(evidence_folder))?;
    let rules = &config.rules;
    let trust = gate::trust_root(&rules.trust.clone().unwrap_or_else(|| rules.policies.join("trust.toml")))?;
    let purpose = Purpose { purpose: rules.purpose.clone() };
    let standing = Standing { unsigned_policies: false, policy_floor: 0 };
    let (set, mark) = gate::policy_set_in_force(&rules.policies, &purpose, || Ok(trust.clone()), &standing)?;
    let memory = memory.judge(&set.profile).map_err(|error| {
        Failure::refused(error.to_string(), error.krav(), error.blame())
            .mend("docs/node.md says what the machine must grant; the city may let it pass (`[memory]` of the profile)")
    })?;
    let backend = match config.engine.backend {
        Backend::Tract => BackendChoice::Tract,
        Backend::Onnxruntime => BackendChoice::Onnxruntime,
    };
    let engine = Engine { backend, models: config.engine.models.clone() };
    let wall = Wall { weaker_wall: config.engine.weaker_wall }.settings(&engine)?;
    let opened = engine.open()?;
    let state = files::open_dir("state", &config.node.state)
        .map_err(|failure| failure.mend("`vaern channel enrol` makes the state of a node"))?;
    let source = Source::open(&config.releases.channel, config.releases.node.clone(), config.releases.root.as_deref())?;
    let (channel, watched) = source.watched()?;
    let releases = files::open_dir("release", &config.releases.folder)?;
    let again = |dir: &cap_std::fs::Dir| dir.try_clone().map_err(|e| Failure::internal(e.to_string()));
    let build = Box::new(|| {
        let program = std::env::current_exe()?;
        files::read("program", &program, 1 << 30)
            .map(|bytes| Digest::of(&bytes))
            .map_err(|failure| std::io::Error::other(failure.what))
    });
    // The floor first: without it nothing is worth loading.
    let chain = Chain::open(ChainParts {
        trust,
        set: set.clone(),
        mark,
        state: again(&state)?,
        channel,
        watched,
        source: Box::new(move |trust, time| source.offered(trust, time)),
        releases,
        code: config.releases.code,
        wall,
        build,
    })?;
    let probes = config.probes.as_ref().map(|part| files::open_dir("picture", &part.folder)).transpose()?;
    let probes = ProbeSet::open(probes.as_ref(), &set)?;
    let built = gate::gate(&set, &engine, opened.as_ref(), output)?;
    let listener = config.metrics.map(|metrics| {
        TcpListener::bind(metrics.listen)
            .map(|listener| (listener, metrics.every_ms))
            .map_err(|e| Failure::usage(format!("cannot listen on {}: {e}", metrics.listen)))
    });
    let json = output.json;
    Ok(Parts {
        chain,
        captures: captures(config)?,
        positions: positions(config, output)?,
        evidence: evidence(config, &set, &built)?,
        probes,
        built,
        memory,
        state,
        out: files::make_dir("output", &config.node.out)?,
        workers: if config.node.workers == 0 { workers() } else { config.node.workers.into() },
        source: config.source.clone(),
        window: config.window,
        swap: config.swap,
        log: log(config)?,
        listener: listener.transpose()?,
        clock: Arc::new(gate::now),
        over,
        say: Box::new(move |line| Output { json }.say(&format!("vaern: {line}"))),
    })
}

fn captures(config: &NodeConfig) -> Result<Captures, Failure> {
    match (&config.source.folder, &config.source.stream) {
        (Some(folder), _) => Ok(Captures::Folder(files::make_dir("watched", folder)?)),
        (None, Some(stream)) => Ok(Captures::Stream(stream.clone())),
        (None, None) => Err(Failure::usage("the configuration names no source")),
    }
}

fn positions(config: &NodeConfig, output: &Output) -> Result<Positions, Failure> {
    match (&config.position.track, config.position.gpsd) {
        (Some(file), _) => Ok(Positions::Track(track::read(file, config.position.clock_offset, output)?)),
        (None, Some(gpsd)) => Ok(Positions::Gpsd(gpsd)),
        (None, None) => Ok(Positions::Exif),
    }
}

/// The evidence store, where one is named and the policy gives days for it. Its key is read now: a wrong one ends the program before
/// a frame is taken.
fn evidence(config: &NodeConfig, set: &PolicySet, built: &Built) -> Result<Option<EvidenceBook>, Failure> {
    let Some(part) = config.evidence.clone() else { return Ok(None) };
    let days = set.profile.retention.evidence_days;
    if days == 0 {
        let what = "the policy keeps no evidence: `retention.evidence_days` is 0";
        return Err(Failure::refused(what, Krav("SKJ-06"), Blame::Policy).mend("leave the `[evidence]` part out"));
    }
    let zone = built.gate.fences().fences().first().map(|fence| fence.name().clone());
    let zone = zone.ok_or_else(|| Failure::internal("a gate without a fence"))?;
    drop(store_key(&part.key)?);
    let open = move |log: &mut vaern_record::log::Log| {
        let failed = |failure: Failure| vaern_record::evidence::EvidenceError::Database(failure.what);
        let dir = files::make_dir("evidence", &part.folder).map_err(failed)?;
        Evidence::open(dir, store_key(&part.key).map_err(failed)?, Kind::Evidence, BOUNDS, log)
    };
    Ok(Some(EvidenceBook::new(set.purpose.name.clone(), zone, days, open)))
}

/// The log, opened once now so that one that does not hold ends the program before a frame is taken.
fn log(config: &NodeConfig) -> Result<LogBook, Failure> {
    let arguments = move |config: &NodeConfig| LogArgs::of(config.log.folder.clone(), config.log.key.clone());
    let missing = || Failure::internal("a log that was named and not opened");
    let (book, beside, floor) = arguments(config).open()?.ok_or_else(missing)?.into_parts();
    let mut first = Some(book);
    let config = config.clone();
    let open = move || match first.take() {
        Some(book) => Ok(book),
        None => match arguments(&config).open() {
            Ok(Some(open)) => Ok(open.into_parts().0),
            Ok(None) => Err(missing().what),
            Err(failure) => Err(failure.what),
        },
    };
    let keep = move |newest: &vaern_record::log::Floor| {
        vaern_node::sinks::write_file(&beside, &floor, newest.to_text().as_bytes())
    };
    Ok(LogBook::new(open, keep))
}

fn lines(served: &Served) -> String {
    let health = &served.health;
    let mut text = format!("ended in order after {} frames", health.frames);
    if health.condition != Condition::Ending
        && let Some(why) = &health.why
    {
        text += &format!("; it was stopped: {}", why.what);
    }
    text
}
