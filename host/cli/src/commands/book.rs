//! The log of a run: where it lies, whose key signs it, and what was seen of it before.

use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use vaern_door::{Blame, Krav};
use vaern_node::admission::Seer;
use vaern_node::book::Book;
pub(crate) use vaern_node::book::{LINK, Link};
use vaern_node::gate::Built;
use vaern_node::keeper::{BOUNDS, Keeper};
use vaern_node::outcome::Summary;
use vaern_node::replay::Conditions;
use vaern_policy::PolicySet;
use vaern_record::evidence::{Evidence, Kind};
use vaern_record::log::{Event, Floor, Leaf, Log};
use vaern_trust::{Approved, Release};

use crate::commands::evidence::store_key;
use crate::commands::gate;
use crate::failure::Failure;
use crate::files;

/// The transparency log, where one is kept.
#[derive(Clone, clap::Args)]
pub(crate) struct LogArgs {
    /// Directory of the transparency log; begun where there is none.
    #[arg(long, value_name = "DIR", requires = "log_key")]
    log: Option<PathBuf>,
    /// Secret key file that signs the log (`vaern keys new --role log`). Beside it the node keeps the newest checkpoint that
    /// it signed, so that a log that was cut is noticed.
    #[arg(long, value_name = "FILE", requires = "log")]
    log_key: Option<PathBuf>,
}

/// A log that is open, and where its floor is kept.
pub(crate) struct OpenBook {
    book: Book,
    beside: Dir,
    floor: String,
}

impl LogArgs {
    /// As if both were given on the command line.
    pub(crate) fn of(log: PathBuf, log_key: PathBuf) -> Self {
        Self { log: Some(log), log_key: Some(log_key) }
    }

    /// Opens the log. `None` where none is kept.
    pub(crate) fn open(&self) -> Result<Option<OpenBook>, Failure> {
        let (Some(log), Some(key)) = (&self.log, &self.log_key) else { return Ok(None) };
        let (beside, file) = files::split("log key", key)?;
        let (owner, pair) = vaern_trust::read_secret(&beside, &file)?;
        let floor = format!("{}.log-floor", owner.name);
        let seen = match beside.exists(&floor) {
            // A floor that cannot be read is never taken for none.
            true => {
                let path = key.with_file_name(&floor);
                let text = String::from_utf8(files::read("log floor", &path, 1024)?).unwrap_or_default();
                Some(Floor::parse(&text)?)
            }
            false => None,
        };
        let book = Book::open(files::make_dir("log", log)?, owner.name.as_str(), pair, seen.as_ref())?;
        Ok(Some(OpenBook { book, beside, floor }))
    }
}

impl OpenBook {
    /// The log, for entries about kept evidence.
    pub(crate) fn log(&mut self) -> &mut Log {
        self.book.log()
    }

    /// Enters events that happen now, all or none of them.
    pub(crate) fn enter(&mut self, events: Vec<Event>) -> Result<(), Failure> {
        let time = u64::try_from(gate::now().as_second()).unwrap_or_default();
        let leaves = events.into_iter().map(|event| Leaf::seal(event, time)).collect::<Result<Vec<_>, _>>()?;
        // One call takes so many; what a crash leaves of several says of something that was not done.
        for some in leaves.chunks(256) {
            self.book.log().append(some)?;
        }
        self.keep_floor()
    }

    /// The log, and where its floor is kept: for a service that opens it anew after each fault.
    pub(crate) fn into_parts(self) -> (Book, Dir, String) {
        (self.book, self.beside, self.floor)
    }

    pub(crate) fn keep_floor(&self) -> Result<(), Failure> {
        vaern_node::sinks::write_file(&self.beside, &self.floor, self.book.floor().to_text().as_bytes())?;
        Ok(())
    }
}

/// Evidence of what a run finds, where it is kept.
#[derive(clap::Args)]
pub(crate) struct EvidenceArgs {
    /// Directory of the evidence store; begun where there is none. The policy must give days for it.
    #[arg(long, value_name = "DIR", requires = "store_key", requires = "log")]
    evidence: Option<PathBuf>,
    /// Key of the store (`vaern evidence new-key`).
    #[arg(long, value_name = "FILE", requires = "evidence")]
    store_key: Option<PathBuf>,
}

impl EvidenceArgs {
    /// Lets `seer` keep evidence, where that was asked for. What is over its time is purged first.
    pub(crate) fn keeping(
        &self,
        seer: Seer,
        book: Option<&mut OpenBook>,
        release: &Release<Approved>,
        set: &PolicySet,
        built: &Built,
        engine: &gate::Engine,
    ) -> Result<Seer, Failure> {
        let (Some(path), Some(key), Some(open)) = (&self.evidence, &self.store_key, book) else { return Ok(seer) };
        let days = set.profile.retention.evidence_days;
        if days == 0 {
            let what = "the policy keeps no evidence: `retention.evidence_days` is 0";
            return Err(Failure::refused(what, Krav("SKJ-06"), Blame::Policy).mend("leave out --evidence"));
        }
        let now = gate::now();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let dir = files::make_dir("evidence", path)?;
        let mut store = Evidence::open(dir, store_key(key)?, Kind::Evidence, BOUNDS, open.book.log())?;
        store.expire(seconds, open.book.log())?;
        open.keep_floor()?;
        let fence = built.gate.fences().fences().first();
        let zone =
            fence.map(|fence| fence.name().clone()).ok_or_else(|| Failure::internal("a gate without a fence"))?;
        let mut keeper = Keeper::new(store, set.purpose.name.clone(), zone, release.digest(), days);
        let days = set.profile.retention.replay_days;
        if days > 0 {
            let conditions = Conditions {
                grants: Arc::clone(seer.grants()),
                backend: engine.identity()?,
                engine: vaern_sandbox::wall::engine(),
            };
            if conditions.replayable() {
                keeper = keeper.replaying(conditions, days);
            }
        }
        Ok(seer.keeping(keeper))
    }
}

/// Does a run with its beginning and its end in the log, and writes into `out` where they are. A run whose beginning cannot be
/// entered does not begin.
pub(crate) fn kept(
    book: Option<OpenBook>,
    release: &Release<Approved>,
    set: &PolicySet,
    seer: &Seer,
    out: &Dir,
    work: impl FnOnce() -> Result<Summary, Failure>,
) -> Result<Summary, Failure> {
    let Some(mut open) = book else { return work() };
    let (run, begun) = open.book.begin(release, set.digest(), &seer.standing(), gate::now())?;
    open.keep_floor()?;
    let summary = work()?;
    if seer.kept().is_some_and(|kept| kept.beyond > 0) {
        open.book.beyond_quota(run, release.digest(), gate::now())?;
    }
    let ended = open.book.end(run, &summary, gate::now())?;
    open.keep_floor()?;
    let link = Link { key: open.book.verifier().to_string(), run, begun, ended };
    let text = serde_json::to_vec_pretty(&link).map_err(|e| Failure::internal(e.to_string()))?;
    vaern_node::sinks::write_file(out, LINK, &text)?;
    Ok(summary)
}
