//! A node that follows a channel: what it takes, what it refuses, and what it remembers.

use cap_std::fs::Dir;
use jiff::{SignedDuration, Timestamp};
use vaern_door::{Digest, Manifest, Name, guard};

use super::Offered;
use super::assignment::Assigned;
use super::error::UpdateError;
use super::files::{ChannelFile, Revocations, is_listed};
use super::store::{self, Steps};
use crate::city::Signed;
use crate::floor::{Doubt, Floor, Mark, Role, Rows};
use crate::printable::printable;
use crate::release::{Answered, Approved, Release, ReleaseError};
use crate::root::SignedRoot;
use crate::sig_error::SigError;
use crate::trust_root::TrustRoot;

/// The longest time without a newer channel, where the node's profile says nothing: fourteen days.
pub const DEFAULT_MAX_STALE: SignedDuration = SignedDuration::from_hours(24 * 14);

/// A node's state directory: the floor, and the releases that it keeps.
#[derive(Debug)]
pub struct State {
    dir: Dir,
    floor: Floor,
}

/// A channel that this node took, at the time that counts. Only [`State::take`] makes one.
#[derive(Debug, Clone)]
pub struct Current {
    channel: ChannelFile,
    revocations: Option<Revocations>,
    assigned: Option<Assigned>,
    node: Option<Name>,
    time: Timestamp,
    doubt: Option<Doubt>,
    until: Timestamp,
}

impl Current {
    /// The channel.
    #[must_use]
    pub const fn channel(&self) -> &ChannelFile {
        &self.channel
    }

    /// What was assigned to this node.
    #[must_use]
    pub const fn assigned(&self) -> Option<&Assigned> {
        self.assigned.as_ref()
    }

    /// Says whether this node may run a listed release: where the channel asks for assignments, only one that was assigned to
    /// it, in a ring whose turn it is.
    ///
    /// # Errors
    /// [`UpdateError::NotAssigned`] and [`UpdateError::RingViolation`].
    pub fn assigns(&self, release: Digest) -> Result<(), UpdateError> {
        if !self.channel.assigned || !guard::stands("trust.assigned") {
            return Ok(());
        }
        match &self.assigned {
            Some(assigned) => assigned.judge(release),
            None => Err(UpdateError::NotAssigned { node: self.node.clone(), release }),
        }
    }

    /// The time that trust decisions use: never before the floor.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Set where the machine's clock was not taken at its word. For the log and the operator.
    #[must_use]
    pub const fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// First moment at which the node stops unless a newer channel comes.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whole days left until then. An alarm belongs on a small number.
    #[must_use]
    pub fn days_left(&self) -> i64 {
        self.until.duration_since(self.time).as_hours() / 24
    }
}

impl State {
    /// Enrols a node: begins its floor with the channel that is offered, and pins a signed root. Where there is a floor, readable or not,
    /// nothing is begun.
    ///
    /// # Errors
    /// [`crate::FloorError::Exists`], or that the floor could not be written, or that the files do not belong together.
    pub fn enrol(dir: &Dir, trust: &TrustRoot, offered: &Offered) -> Result<Self, UpdateError> {
        let mut rows = raised(&Rows::at(offered.channel.file().issued), offered)?;
        if let Some(digest) = trust.link() {
            rows.marks.insert(Role::Root, Mark { version: trust.version(), digest });
        }
        let floor = Floor::begin(dir, rows)?;
        Ok(Self { dir: clone(dir)?, floor })
    }

    /// Opens the state of a node.
    ///
    /// # Errors
    /// [`crate::FloorError`]: a floor that is missing or unreadable is never begun anew here.
    pub fn open(dir: &Dir) -> Result<Self, UpdateError> {
        Ok(Self { floor: Floor::open(dir)?, dir: clone(dir)? })
    }

    /// The time that trust decisions use at `wall`: for whoever must judge by a time before there is anything to take.
    #[must_use]
    pub fn time(&self, wall: Timestamp, max_stale: SignedDuration) -> Timestamp {
        self.floor.rows().clock.tell(wall, max_stale).time
    }

    /// The rows of the floor, for showing.
    #[must_use]
    pub const fn rows(&self) -> &Rows {
        self.floor.rows()
    }

    /// Holds a trust root against the one that this node was enrolled with, or moved to since.
    ///
    /// # Errors
    /// [`UpdateError::Rollback`], [`UpdateError::Equivocation`], or [`UpdateError::Root`] for one that is newer and was
    /// not taken by [`State::next_root`]. A node that was enrolled with a file that stands alone follows that file.
    pub fn check_root(&self, trust: &TrustRoot) -> Result<(), UpdateError> {
        let Some(have) = self.rows().marks.get(&Role::Root) else { return Ok(()) };
        let mark = Mark { version: trust.version(), digest: trust.link().unwrap_or(Digest::from_bytes([0; 32])) };
        newer(self.rows(), &Role::Root, mark)?;
        if guard::stands("trust.root-pinned") && mark != *have {
            return Err(UpdateError::Root(SigError::BadRootChain("this node has not taken it yet")));
        }
        Ok(())
    }

    /// Moves the node from the root in force to the next of the chain.
    ///
    /// # Errors
    /// As [`State::check_root`] for `from`, and [`UpdateError::Root`] if `next` does not follow from it.
    pub fn next_root(&mut self, from: &SignedRoot, next: &[u8]) -> Result<SignedRoot, UpdateError> {
        self.check_root(from.trust())?;
        let next = from.next(next).map_err(UpdateError::Root)?;
        self.raise(Role::Root, Mark { version: next.trust().version(), digest: next.digest() })?;
        Ok(next)
    }

    /// Raises one row, for a signed file that has its own sequence, such as a policy set. Taking the same again
    /// changes nothing.
    ///
    /// # Errors
    /// [`UpdateError::Rollback`] for an older one, [`UpdateError::Equivocation`] for another with the same number.
    pub fn raise(&mut self, role: Role, mark: Mark) -> Result<(), UpdateError> {
        let mut rows = self.floor.rows().clone();
        raise(&mut rows, role, mark)?;
        Ok(self.floor.commit(rows)?)
    }

    /// Takes what a source offers, remembers it, and says whether the node may go on at `wall`.
    ///
    /// # Errors
    /// [`UpdateError`]: older than what this node has seen, files of different times, expired, or frozen. What is
    /// newer was remembered even where the time then refuses.
    pub fn take(
        &mut self,
        offered: &Offered,
        wall: Timestamp,
        max_stale: SignedDuration,
    ) -> Result<Current, UpdateError> {
        let mut rows = raised(self.floor.rows(), offered)?;
        let moment = rows.clock.tell(wall, max_stale);
        rows.clock = rows.clock.with_seen(&moment);
        self.floor.commit(rows)?;
        let channel = offered.channel.file();
        // An assignment ages as its channel does: whoever holds one of them back holds the node up no longer (UPD-17).
        let assigned = offered.assigned.as_ref().filter(|_| channel.assigned).map(Assigned::file);
        let dated = [(channel.issued, channel.expires)].into_iter().chain(assigned.map(|a| (a.issued, a.expires)));
        let mut until = offered.ends.unwrap_or(Timestamp::MAX);
        if guard::stands("trust.metadata-expiry") && moment.time >= until {
            return Err(UpdateError::Expired(until));
        }
        for (issued, expires) in dated {
            if guard::stands("trust.channel-expiry") && moment.time >= expires {
                return Err(UpdateError::Expired(expires));
            }
            let stale = issued.checked_add(max_stale).unwrap_or(issued);
            if guard::stands("trust.max-stale") && moment.time >= stale {
                return Err(UpdateError::Frozen { issued, days: max_stale.as_hours() / 24 });
            }
            until = until.min(expires).min(stale);
        }
        Ok(Current {
            channel: channel.clone(),
            revocations: offered.revocations.as_ref().map(|signed| signed.file().clone()),
            assigned: offered.assigned.clone(),
            node: offered.node.clone(),
            time: moment.time,
            doubt: moment.doubt,
            until,
        })
    }

    /// Says whether a release may run under the channel. Signatures and approval are for [`crate::verify`] to judge, at
    /// the channel's time.
    ///
    /// # Errors
    /// [`UpdateError`]: revoked, not listed, below the security minimum, or older than what ran before.
    pub fn judge<S: Answered>(&self, release: &Release<S>, current: &Current) -> Result<(), UpdateError> {
        self.judged(release.digest(), release.manifest(), current).map(|_| ())
    }

    fn judged(&self, digest: Digest, manifest: &Manifest, current: &Current) -> Result<(Role, Mark), UpdateError> {
        let rows = self.floor.rows();
        if guard::stands("trust.revoked") && rows.revoked.contains(&digest) {
            let listed = current.revocations.iter().flat_map(|list| &list.revoked).find(|r| r.release == digest);
            return Err(UpdateError::Revoked { release: digest, reason: listed.map(|r| printable(&r.reason)) });
        }
        if guard::stands("trust.listed") && !is_listed(&current.channel, digest, manifest) {
            return Err(UpdateError::NotListed { channel: current.channel.channel.clone(), release: digest });
        }
        current.assigns(digest)?;
        let least = current.channel.minimum.iter().filter(|m| m.vendor == manifest.vendor && m.plugin == manifest.name);
        let least = least.map(|m| m.counter).max().unwrap_or(0);
        if guard::stands("trust.security-minimum") && manifest.counter < least {
            return Err(UpdateError::CounterBelowMinimum { counter: manifest.counter, minimum: least });
        }
        let role = Role::Release { vendor: manifest.vendor.clone(), plugin: manifest.name.clone() };
        let mark = Mark { version: manifest.counter, digest };
        newer(rows, &role, mark)?;
        Ok((role, mark))
    }

    /// Says whether this build of the host is one that the release was examined on: where the approval names a host line,
    /// the channel must list `build` in it, and a signed result of the suite on that line must cover the line's tests.
    ///
    /// # Errors
    /// [`UpdateError::Tested`].
    pub fn judge_host(
        release: &Release<Approved>,
        trust: &TrustRoot,
        current: &Current,
        build: Digest,
    ) -> Result<(), UpdateError> {
        let Some(wanted) = &release.approval().host_line else { return Ok(()) };
        let mismatch = || UpdateError::Tested(ReleaseError::TestResult(SigError::HostPairMismatch));
        let line = current.channel.hosts.iter().find(|line| line.line == *wanted).ok_or_else(mismatch)?;
        if guard::stands("trust.host-line") && !line.builds.contains(&build) {
            return Err(mismatch());
        }
        release.tested(trust, &line.tests, &line.builds).map(|_| ()).map_err(UpdateError::Tested)
    }

    /// Judges a release, and remembers that it ran: nothing older of this plugin runs again.
    ///
    /// # Errors
    /// As [`State::judge`], or that the floor could not be written: then the release does not run.
    pub fn admit(&mut self, release: &Release<Approved>, current: &Current) -> Result<(), UpdateError> {
        let (role, mark) = self.judged(release.digest(), release.manifest(), current)?;
        self.raise(role, mark)
    }

    /// Makes a release the active one of its purpose. A copy is kept in the state directory first, whole and synced;
    /// then the floor and the active release change in one transaction. Wherever the power goes, the node comes back
    /// with the release before or with this one.
    ///
    /// # Errors
    /// As [`State::judge`]; or a step that failed: the release before stays active.
    pub fn activate(
        &mut self,
        from: &Dir,
        release: &Release<Approved>,
        current: &Current,
        steps: Steps<'_>,
    ) -> Result<(), UpdateError> {
        let (role, mark) = self.judged(release.digest(), release.manifest(), current)?;
        let mut rows = self.floor.rows().clone();
        raise(&mut rows, role, mark)?;
        store::keep(from, &self.dir, release.digest(), steps)?;
        rows.active.insert(release.manifest().purpose.clone(), release.digest());
        steps.trip(store::Trip::Commit)?;
        self.floor.commit(rows)?;
        steps.trip(store::Trip::Sweep)?;
        let active: Vec<Digest> = self.floor.rows().active.values().copied().collect();
        store::sweep(&self.dir, &active)
    }

    /// Adds to the node's own copy of a release what `from`, a folder of the same release, has of statements and compiled code besides. Nothing
    /// that the copy has is changed, and nothing of it is believed more than before. Without a copy nothing happens.
    ///
    /// # Errors
    /// [`UpdateError::Folder`] where the folder does not hold together or is of another release; the copy is as it was.
    pub fn supplement(&self, from: &Dir, release: Digest, steps: Steps<'_>) -> Result<(), UpdateError> {
        store::supplement(from, &self.dir, release, steps)
    }

    /// The release that is active for a purpose, by its digest.
    #[must_use]
    pub fn active_digest(&self, purpose: &Name) -> Option<Digest> {
        self.floor.rows().active.get(purpose).copied()
    }

    /// The active release of a purpose, verified anew from the node's own copy: nothing on the disk is believed.
    ///
    /// # Errors
    /// [`UpdateError`] if it no longer holds or may no longer run. `None` where nothing was activated yet.
    pub fn active(
        &self,
        purpose: &Name,
        trust: &TrustRoot,
        current: &Current,
    ) -> Result<Option<Release<Approved>>, UpdateError> {
        let Some(digest) = self.floor.rows().active.get(purpose) else { return Ok(None) };
        let dir = store::kept(&self.dir, *digest)?;
        let verified = || -> Result<Release<Approved>, ReleaseError> {
            Release::open_digest(&dir, *digest)?.verify(trust)?.approve(trust, current.time, purpose)
        };
        let release = verified().map_err(UpdateError::Active)?;
        self.judge(&release, current)?;
        Ok(Some(release))
    }
}

fn clone(dir: &Dir) -> Result<Dir, UpdateError> {
    dir.try_clone().map_err(|e| UpdateError::Io { file: ".".to_owned(), kind: e.kind() })
}

/// The rows after what is offered was taken: numbers only go up.
fn raised(rows: &Rows, offered: &Offered) -> Result<Rows, UpdateError> {
    let mut next = rows.clone();
    let channel = offered.channel.file();
    let mark_of = |sequence, digest| Mark { version: sequence, digest };
    raise(&mut next, Role::Channel, mark_of(channel.sequence, offered.channel.digest()))?;
    let have = offered.revocations.as_ref().map_or(0, |signed: &Signed<Revocations>| signed.file().sequence);
    if guard::stands("trust.mix-and-match") && have < channel.revocations {
        return Err(UpdateError::MixAndMatch { have, need: channel.revocations });
    }
    if let Some(signed) = &offered.revocations {
        raise(&mut next, Role::Revocations, mark_of(have, signed.digest()))?;
        next.revoked.extend(signed.file().revoked.iter().map(|r| r.release));
        next.clock = next.clock.with_signed(signed.file().issued);
    } else if let Some(seen) = next.marks.get(&Role::Revocations) {
        // A list that was seen once and is gone is an older state of the folder.
        return Err(UpdateError::Rollback { role: Role::Revocations, have: seen.version, offered: 0 });
    }
    for (role, mark) in &offered.also {
        raise(&mut next, role.clone(), *mark)?;
    }
    // A node that has seen metadata takes no channel without it: one way to be told at a time.
    let seen = rows.marks.iter().find(|(role, _)| matches!(role, Role::Tuf(_)) && offered.also.is_empty());
    if let Some((role, seen)) = seen {
        return Err(UpdateError::Rollback { role: role.clone(), have: seen.version, offered: 0 });
    }
    next.clock = next.clock.with_signed(channel.issued);
    if let Some(assigned) = &offered.assigned {
        let file = assigned.file();
        if guard::stands("trust.wrong-node") && Some(&file.node) != offered.node.as_ref() {
            return Err(UpdateError::WrongNode { node: offered.node.clone(), named: file.node.clone() });
        }
        raise(&mut next, Role::Assignment, mark_of(file.sequence, assigned.digest()))?;
        next.clock = next.clock.with_signed(file.issued);
    } else if let Some(seen) = next.marks.get(&Role::Assignment).filter(|_| channel.assigned) {
        return Err(UpdateError::Rollback { role: Role::Assignment, have: seen.version, offered: 0 });
    }
    Ok(next)
}

fn newer(rows: &Rows, role: &Role, mark: Mark) -> Result<(), UpdateError> {
    let Some(have) = rows.marks.get(role) else { return Ok(()) };
    if guard::stands("trust.rollback") && mark.version < have.version {
        return Err(UpdateError::Rollback { role: role.clone(), have: have.version, offered: mark.version });
    }
    if guard::stands("trust.equivocation") && mark.version == have.version && mark.digest != have.digest {
        return Err(UpdateError::Equivocation { role: role.clone(), version: mark.version });
    }
    Ok(())
}

fn raise(rows: &mut Rows, role: Role, mark: Mark) -> Result<(), UpdateError> {
    newer(rows, &role, mark)?;
    rows.marks.insert(role, mark);
    Ok(())
}
