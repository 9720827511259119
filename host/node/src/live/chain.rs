//! Where a running node's releases come from: the city's channel, the floor, and the folder that releases arrive in.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use cap_std::fs::Dir;
use jiff::{SignedDuration, Timestamp};
use vaern_door::{Digest, Manifest, Name};
use vaern_policy::PolicySet;
use vaern_sandbox::wall::WallSettings;
use vaern_trust::{
    Approved, Current, DEFAULT_MAX_STALE, Mark, Offered, Release, Role, State, Steps, TrustRoot, UpdateError, is_listed,
};

use super::seat::Live;
use crate::admission::{self, AdmitError};
use crate::code::CodeFrom;

/// Releases that are looked at; a folder with more is somebody's mistake.
const MOST: usize = 256;

/// Reads the digest of the running program, where an approval asks which build this is.
pub type Build = Box<dyn Fn() -> io::Result<Digest> + Send + Sync>;

/// Reads what a channel offers at a time, whatever its form.
pub type Source = Box<dyn Fn(&TrustRoot, Timestamp) -> Result<Offered, UpdateError> + Send + Sync>;

/// What a chain is made of.
pub struct ChainParts {
    /// Whom to believe.
    pub trust: TrustRoot,
    /// The rules in force, and their number.
    pub set: PolicySet,
    /// The number of the rules.
    pub mark: Option<Mark>,
    /// The node's state, as `vaern channel enrol` made it.
    pub state: Dir,
    /// The folder of the channel.
    pub channel: Dir,
    /// The files in it that change with what the channel offers.
    pub watched: Vec<String>,
    /// Reads the channel, at a time.
    pub source: Source,
    /// The folder of releases.
    pub releases: Dir,
    /// Where machine code comes from.
    pub code: CodeFrom,
    /// How workers are started.
    pub wall: WallSettings,
    /// The digest of this program.
    pub build: Build,
}

/// What does not change while a node runs.
pub(crate) struct Rules {
    pub(crate) trust: TrustRoot,
    pub(crate) set: PolicySet,
    pub(crate) releases: Dir,
    code: CodeFrom,
    wall: WallSettings,
    build: Build,
}

/// The channel as this node took it, and the floor.
pub struct Chain {
    rules: Arc<Rules>,
    state: State,
    channel: Dir,
    watched: Vec<String>,
    source: Source,
    current: Option<Current>,
    known: BTreeMap<String, Known>,
    /// Releases whose folders are new or were changed, and the folders.
    changed: BTreeMap<Digest, String>,
}

/// A folder of a release, looked at once for each state that it had.
#[derive(Clone)]
struct Known {
    print: super::control::Print,
    found: Option<(Digest, Manifest)>,
}

/// Why the channel was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// What is offered does not hold, or is of no time: nothing is known of it.
    Offer(UpdateError),
    /// It holds. It is older than what is known, or it is the newest and its time is over.
    Newest(UpdateError),
}

/// Why a release is not made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The folder.
    #[error("the folder `{name}` cannot be read: {source}")]
    Io {
        /// Which.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The release, its approval, or the rules.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// The channel or the floor.
    #[error(transparent)]
    Update(#[from] UpdateError),
}

impl Chain {
    /// Opens the node's floor and holds root and rules to it.
    ///
    /// # Errors
    /// [`UpdateError`] where there is no floor, or it is above what is offered.
    pub fn open(parts: ChainParts) -> Result<Self, UpdateError> {
        let ChainParts { trust, set, mark, state, channel, watched, source, releases, code, wall, build } = parts;
        let mut state = State::open(&state)?;
        state.check_root(&trust)?;
        if let Some(mark) = mark {
            state.raise(Role::Policy(set.purpose.policy_set.clone()), mark)?;
        }
        let rules = Arc::new(Rules { trust, set, releases, code, wall, build });
        Ok(Self {
            rules,
            state,
            channel,
            watched,
            source,
            current: None,
            known: BTreeMap::new(),
            changed: BTreeMap::new(),
        })
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    /// The channel's folder, and the files in it that the judgement depends on.
    pub(crate) fn channel(&self) -> (&Dir, Vec<String>) {
        (&self.channel, self.watched.clone())
    }

    pub(crate) fn purpose(&self) -> &Name {
        &self.rules.set.purpose.name
    }

    pub(crate) const fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// The releases that were ever revoked, as the floor remembers them.
    pub(crate) const fn revoked(&self) -> &BTreeSet<Digest> {
        &self.state.rows().revoked
    }

    /// Takes what the channel offers. Where it offers something worse than what is known, what is known stays.
    pub(crate) fn refresh(&mut self, now: Timestamp) -> Result<(), NotTaken> {
        let hours = i64::from(self.rules.set.profile.max_stale_hours);
        let bound = SignedDuration::from_hours(hours).min(DEFAULT_MAX_STALE);
        let offered = (self.source)(&self.rules.trust, self.state.time(now, bound)).map_err(NotTaken::Offer)?;
        self.current = Some(self.state.take(&offered, now, bound).map_err(NotTaken::Newest)?);
        Ok(())
    }

    /// Whether a release may run under the channel as it is.
    pub(crate) fn judge(&self, release: &Release<Approved>) -> Result<(), UpdateError> {
        self.current.as_ref().map_or(Ok(()), |current| self.state.judge(release, current))
    }

    /// The release that was good here last, from the node's own copy.
    pub(crate) fn active(&mut self, now: Timestamp) -> Result<Option<Release<Approved>>, LoadError> {
        // What came into the folder while the node was off may be what the copy lacks. A folder that does not hold stops no copy that does.
        if let Some(active) = self.state.active_digest(self.purpose())
            && let Some(name) = self.changed().remove(&active)
        {
            let _ = self.supplement(&name, active);
        }
        let Some(current) = &self.current else { return Ok(None) };
        let Some(release) = self.state.active(self.purpose(), &self.rules.trust, current)? else { return Ok(None) };
        Ok(Some(admission::admitted(release, &self.rules.set, now)?))
    }

    /// The listed release with the highest counter above `above` that the folder holds and `wanted` lets through: the folder's
    /// name and its digest.
    pub(crate) fn newest(&mut self, above: Option<u64>, wanted: impl Fn(Digest) -> bool) -> Option<(String, Digest)> {
        self.look();
        let current = self.current.as_ref()?;
        let channel = current.channel();
        let mut best: Option<(u64, String, Digest)> = None;
        for (name, known) in &self.known {
            let Some((digest, manifest)) = &known.found else { continue };
            let newer = above.is_none_or(|above| manifest.counter > above);
            let best_yet = best.as_ref().is_none_or(|(counter, ..)| manifest.counter > *counter);
            let may = || is_listed(channel, *digest, manifest) && current.assigns(*digest).is_ok();
            if newer && best_yet && may() && wanted(*digest) {
                best = Some((manifest.counter, name.clone(), *digest));
            }
        }
        best.map(|(_, name, digest)| (name, digest))
    }

    /// Looks at folders that are new or changed.
    fn look(&mut self) {
        let mut known = BTreeMap::new();
        let Ok(entries) = self.rules.releases.entries() else { return };
        for entry in entries.flatten().take(MOST) {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let Ok(dir) = self.rules.releases.open_dir(&name) else { continue };
            let print = super::control::Print::of(&dir, &["index.json"]);
            let before = self.known.remove(&name).filter(|before| before.print == print);
            let seen = before.unwrap_or_else(|| {
                let opened = Release::open(&dir).and_then(|release| release.verify(&self.rules.trust));
                let found = opened.ok().map(|r| (r.digest(), r.manifest().clone()));
                self.changed.extend(found.as_ref().map(|(digest, _)| (*digest, name.clone())));
                Known { print, found }
            });
            known.insert(name, seen);
        }
        self.known = known;
    }

    /// Releases whose folders are new or were changed since this was asked last, and the folders.
    pub(crate) fn changed(&mut self) -> BTreeMap<Digest, String> {
        self.look();
        std::mem::take(&mut self.changed)
    }

    /// Adds to the node's own copy of a release what its folder has of statements and code besides.
    pub(crate) fn supplement(&self, name: &str, release: Digest) -> Result<(), LoadError> {
        let io = |source| LoadError::Io { name: name.to_owned(), source };
        let from = self.rules.releases.open_dir(name).map_err(io)?;
        Ok(self.state.supplement(&from, release, Steps::unwatched())?)
    }

    /// Makes a release the one that the node comes back with, and raises the floor above everything before it.
    pub(crate) fn confirm(&mut self, name: &str, live: &Live) -> Result<(), LoadError> {
        let io = |source| LoadError::Io { name: name.to_owned(), source };
        let Some(current) = &self.current else { return Ok(()) };
        let from = self.rules.releases.open_dir(name).map_err(io)?;
        Ok(self.state.activate(&from, live.release(), current, Steps::unwatched())?)
    }

    /// Whether this program is a build that the release was examined on.
    pub(crate) fn judge_host(&self, release: &Release<Approved>) -> Result<(), LoadError> {
        let (Some(current), Some(_)) = (&self.current, &release.approval().host_line) else { return Ok(()) };
        let build = (self.rules.build)().map_err(|source| LoadError::Io { name: "the program".to_owned(), source })?;
        Ok(State::judge_host(release, &self.rules.trust, current, build)?)
    }
}

impl Rules {
    /// Verifies the release in a folder, at `now`.
    pub(crate) fn load(&self, name: &str, now: Timestamp) -> Result<Release<Approved>, LoadError> {
        let dir = self.releases.open_dir(name).map_err(|source| LoadError::Io { name: name.to_owned(), source })?;
        Ok(admission::admit(&dir, &self.trust, &self.set, now)?)
    }

    /// Takes its code or compiles it, loads its models, and warms a runner for each of `runners` threads.
    pub(crate) fn ready(&self, release: Release<Approved>, runners: usize) -> Result<Live, LoadError> {
        let code = self.code.of(&release, &self.trust, |_| ()).map_err(AdmitError::from)?;
        let seer = admission::prepare_with(&release, code.as_ref(), &self.set, self.wall.clone())?;
        drop(code);
        let grants = Arc::new(self.set.grants(release.manifest()).map_err(AdmitError::from)?);
        let max_age = SignedDuration::from_hours(24 * i64::from(self.set.profile.approval.max_age_days));
        Ok(Live::warm(release, seer, grants, max_age, runners).map_err(AdmitError::from)?)
    }
}
