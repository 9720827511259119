//! A release that is compiled, has its models loaded, and has a warm runner for each thread.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use vaern_door::{Digest, Grants, Name};
use vaern_record::log::SwapCause;
use vaern_sandbox::{Runner, SandboxError};
use vaern_trust::{Approved, Release};

use super::journal::WindowRelease;
use crate::admission::{Seer, release_info};
use crate::outcome::SandboxInfo;

/// A release, ready to see frames.
pub(crate) struct Live {
    release: Release<Approved>,
    seer: Seer,
    grants: Arc<Grants>,
    until: Timestamp,
    warm: Mutex<Vec<Box<dyn Runner>>>,
}

impl Live {
    /// Warms `runners` runners, so that none is started when the release takes over. `max_age` is the profile's bound on the age
    /// of an approval.
    pub(crate) fn warm(
        release: Release<Approved>,
        seer: Seer,
        grants: Arc<Grants>,
        max_age: SignedDuration,
        runners: usize,
    ) -> Result<Self, SandboxError> {
        let approval = release.approval();
        let aged = approval.not_before.checked_add(max_age).unwrap_or(approval.not_before);
        let until = approval.expires.min(aged);
        let warm = (0..runners).map(|_| seer.runner()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { release, seer, grants, until, warm: Mutex::new(warm) })
    }

    /// The release as the chain judged it.
    pub(crate) const fn release(&self) -> &Release<Approved> {
        &self.release
    }

    pub(crate) fn digest(&self) -> Digest {
        self.release.digest()
    }

    pub(crate) fn vendor(&self) -> &Name {
        &self.release.manifest().vendor
    }

    pub(crate) fn counter(&self) -> u64 {
        self.release.manifest().counter
    }

    pub(crate) const fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// First moment at which its approval holds no more (GOV-04).
    pub(crate) const fn until(&self) -> Timestamp {
        self.until
    }

    /// A warm runner, or a new one.
    pub(crate) fn runner(&self) -> Result<Box<dyn Runner>, SandboxError> {
        let warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner).pop();
        warm.map_or_else(|| self.seer.runner(), Ok)
    }

    /// A runner that is not needed at present: whoever comes next finds it warm.
    pub(crate) fn put_back(&self, runner: Box<dyn Runner>) {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).push(runner);
    }

    /// What stands around it.
    pub(crate) fn sandbox(&self) -> SandboxInfo {
        self.seer.standing()
    }

    /// As the files of a window name it.
    pub(crate) fn named(&self) -> WindowRelease {
        let info = release_info(&self.release, &self.grants);
        WindowRelease {
            name: info.name,
            version: info.version,
            vendor: info.vendor,
            digest: info.digest,
            interfaces: info.interfaces,
            responsible: info.responsible,
            approved_until: info.approved_until,
        }
    }
}

/// A release in its seat: what frames are handed out with.
pub(crate) struct Seat {
    /// Counts up with each swap.
    pub(crate) generation: u64,
    /// The release.
    pub(crate) live: Arc<Live>,
    /// Why it took another's place. None for the first.
    pub(crate) cause: Option<SwapCause>,
}
