//! What `vaern run` needs to follow a channel: the channel's files, and the node's own floor.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use vaern_door::{Blame, Digest, Krav, Name, guard};
use vaern_trust::{Approved, Current, DEFAULT_MAX_STALE, Mark, Release, Role, State, TrustRoot};

use crate::commands::gate::now;
use crate::commands::source::{Source, TufRoot};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Fewer days than this, and the operator is told each time.
const ALARM_DAYS: i64 = 4;

#[derive(clap::Args)]
pub(crate) struct Follow {
    /// The city's channel (a folder, or its channel file): a release that it does not list, or that was revoked, is
    /// refused.
    #[arg(long, requires = "state")]
    channel: Option<PathBuf>,
    /// The node's state directory, with the floor below which nothing runs again (`vaern channel enrol` makes it).
    #[arg(long, requires = "channel")]
    state: Option<PathBuf>,
    /// The name that the city knows this node by: it runs what is assigned to that name.
    #[arg(long, requires = "channel")]
    node: Option<Name>,
    #[command(flatten)]
    tuf: TufRoot,
    /// Days without a newer channel after which the node stops.
    #[arg(long, default_value_t = DEFAULT_MAX_STALE.as_hours() / 24, value_parser = clap::value_parser!(i64).range(1..=366))]
    max_stale: i64,
}

/// A channel that was taken, and the floor that remembers it.
pub(crate) struct Followed {
    state: State,
    current: Current,
}

impl Follow {
    /// The node's state directory, if it is named.
    pub(crate) fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// Takes the channel, if one is named.
    pub(crate) fn take(&self, trust: &TrustRoot, output: &Output) -> Result<Option<Followed>, Failure> {
        let (Some(channel), Some(state)) = (&self.channel, &self.state) else { return Ok(None) };
        let source = Source::open(channel, self.node.clone(), self.tuf.tuf_root.as_deref())?;
        // The floor first: without it nothing is worth reading.
        let mut state = State::open(&files::open_dir("state", state)?)?;
        state.check_root(trust)?;
        let (wall, max_stale) = (now(), SignedDuration::from_hours(24 * self.max_stale));
        let offered = source.offered(trust, state.time(wall, max_stale))?;
        let current = state.take(&offered, wall, max_stale)?;
        if let Some(doubt) = current.doubt() {
            output.say(&format!("vaern: ALARM {doubt}; trust decisions go by {}", current.time()));
        }
        if current.days_left() < ALARM_DAYS {
            output.say(&format!(
                "vaern: ALARM {} day(s) until this node stops for want of a newer channel",
                current.days_left()
            ));
        }
        Ok(Some(Followed { state, current }))
    }
}

/// Where no channel is followed nobody says which builds are of a host line: what was approved for one does not run (LEV-04).
pub(crate) fn followed_by_none(release: &Release<Approved>) -> Result<(), Failure> {
    match &release.approval().host_line {
        Some(line) if guard::stands("cli.host-line") => {
            let what =
                format!("the approval is for the host line `{line}`, and no channel says which programs are of it");
            Err(Failure::refused(what, Krav("LEV-04"), Blame::Operator)
                .mend("follow the city's channel: --channel and --state"))
        }
        _ => Ok(()),
    }
}

impl Followed {
    /// Raises the floor of the policy set: an older one, and another of the same number, are refused from now on.
    pub(crate) fn policy_set(&mut self, name: &Name, mark: Mark) -> Result<(), Failure> {
        Ok(self.state.raise(Role::Policy(name.clone()), mark)?)
    }

    /// The time that trust decisions go by.
    pub(crate) fn time(&self) -> Timestamp {
        self.current.time()
    }

    /// Judges a release under the channel, and raises the floor.
    pub(crate) fn admit(&mut self, release: &Release<Approved>, trust: &TrustRoot) -> Result<(), Failure> {
        // Read only where an approval asks for it: the program is large.
        if release.approval().host_line.is_some() {
            let path = std::env::current_exe().map_err(|e| Failure::internal(e.to_string()))?;
            let build = Digest::of(&files::read("program", &path, 1 << 30)?);
            State::judge_host(release, trust, &self.current, build)?;
        }
        Ok(self.state.admit(release, &self.current)?)
    }
}
