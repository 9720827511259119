//! How a release comes into the seat: made ready, tried beside, seated, watched, confirmed; or turned down, or back again.

use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use vaern_door::Digest;
use vaern_record::log::{StopCause, SwapCause};
use vaern_trust::{Approved, Release};

use super::chain::{Chain, LoadError, Rules};
use super::clerk::{Told, count_swap};
use super::seat::{Live, Seat};
use super::service::{Phase, Service};
use super::swap::{Verdict, Watch};

/// How often it looks for releases.
const SCAN: Duration = Duration::from_millis(500);

impl Service<'_> {
    /// Brings releases on their way, one step at a time.
    pub(super) fn advance(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => self.look_for_release(),
            Phase::Preparing { name, digest, cause, ready } => match ready.try_recv() {
                Err(TryRecvError::Empty) => self.phase = Phase::Preparing { name, digest, cause, ready },
                Ok(Ok(live)) => self.prepared(name, Arc::new(live), cause),
                Ok(Err(error)) => {
                    self.status.alarm(format!("the release {digest} is not made ready: {error}"));
                    self.turn_down(digest, "not_ready", false);
                }
                Err(TryRecvError::Disconnected) => self.turn_down(digest, "not_ready", false),
            },
            Phase::Shadow { name, live, cause } => self.shadowed(name, live, cause),
            Phase::Watch { name, before } => match self.floor.trials.watch_verdict() {
                None if self.seat_is_void() => {
                    self.phase = Phase::Watch { name, before };
                    self.roll_back("not_permitted");
                }
                None => self.phase = Phase::Watch { name, before },
                Some(Verdict::Good) => {
                    self.floor.trials.end_watch();
                    self.confirm(&name, Some(before));
                }
                Some(Verdict::Bad(reason)) => {
                    self.phase = Phase::Watch { name, before };
                    self.roll_back(reason);
                }
            },
        }
        let trial = match &self.phase {
            Phase::Preparing { digest, .. } => Some(*digest),
            Phase::Shadow { live, .. } => Some(live.digest()),
            _ => None,
        };
        self.status.change(|health| health.trial = trial);
    }

    fn look_for_release(&mut self) {
        if self.scanned.is_some_and(|at| at.elapsed() < SCAN) {
            return;
        }
        self.scanned = Some(Instant::now());
        let control = self.floor.control;
        let now = control.now();
        if !self.booted {
            if control.with_chain(|chain| chain.current().is_none()) {
                return;
            }
            self.booted = true;
            // A node comes back with the release that was good last, whatever lies in the folder (SBX-27).
            match control.with_chain(|chain| chain.active(now)) {
                Ok(Some(release)) => {
                    let digest = release.digest();
                    return self.prepare(None, digest, SwapCause::Newer, move |_| Ok(release));
                }
                Ok(None) => {}
                Err(error) => self.status.alarm(format!("the release that ran here last does not run: {error}")),
            }
        }
        if self.look_again(now) {
            return;
        }
        let seated = self.seat.as_ref().map(|seat| (seat.live.digest(), seat.live.counter()));
        // Where the seated one may run no more, any other that the floor lets run will do.
        let stands =
            self.seat.as_ref().is_some_and(|seat| control.with_chain(|c| c.judge(seat.live.release())).is_ok());
        let above = seated.filter(|_| stands).map(|(_, counter)| counter);
        let wanted = |digest: Digest| {
            !self.rejected.contains(&digest)
                && seated.is_none_or(|(seated, _)| seated != digest)
                && self.asked.flatten().is_none_or(|asked| asked == digest)
        };
        let found = control.with_chain(|chain| chain.newest(above, wanted));
        if let Some((name, digest)) = found {
            let cause = if self.asked.take().is_some() { SwapCause::Asked } else { SwapCause::Newer };
            let folder = name.clone();
            self.prepare(Some(name), digest, cause, move |rules| rules.load(&folder, now));
        } else if self.asked.take().is_some() {
            self.status.alarm("no other listed release is here to swap to".to_owned());
        }
    }

    /// Folders that changed: what was turned down may have what it lacked now, and what is seated may have a later approval. True where
    /// the seated release is made ready anew.
    fn look_again(&mut self, now: Timestamp) -> bool {
        for (digest, name) in self.floor.control.with_chain(Chain::changed) {
            if self.unready.remove(&digest) {
                self.rejected.remove(&digest);
            }
            let Some(seat) = self.seat.as_ref().filter(|seat| seat.live.digest() == digest) else { continue };
            match self.rules.load(&name, now) {
                Ok(release) if release.approval().expires > seat.live.release().approval().expires => {
                    self.prepare(Some(name), digest, SwapCause::Newer, move |_| Ok(release));
                    return true;
                }
                Ok(_) => {
                    if let Err(error) = self.floor.control.with_chain(|chain| chain.supplement(&name, digest)) {
                        self.status.alarm(format!("nothing is added to the copy of the release {digest}: {error}"));
                    }
                }
                // What runs was verified; a folder that was spoiled since is of no account.
                Err(error) => self.status.alarm(format!("the folder of the release {digest} is not taken: {error}")),
            }
        }
        false
    }

    /// Makes a release ready in a thread of its own: nothing waits for it.
    fn prepare(
        &mut self,
        name: Option<String>,
        digest: Digest,
        cause: SwapCause,
        load: impl FnOnce(&Rules) -> Result<Release<Approved>, LoadError> + Send + 'static,
    ) {
        let (send, ready) = channel();
        // One more than there are threads: the trial has a runner of its own.
        let (rules, runners) = (Arc::clone(self.rules), self.runners + 1);
        let work = move || {
            let _ = send.send(load(&rules).and_then(|release| rules.ready(release, runners)));
        };
        match std::thread::Builder::new().name("vaern-prepare".to_owned()).spawn(work) {
            Ok(_) => self.phase = Phase::Preparing { name, digest, cause, ready },
            Err(error) => self.status.alarm(format!("no thread to make a release ready: {error}")),
        }
    }

    fn prepared(&mut self, name: Option<String>, live: Arc<Live>, cause: SwapCause) {
        let control = self.floor.control;
        let judged = control.with_chain(|chain| {
            chain.judge_host(live.release())?;
            chain.judge(live.release()).map_err(LoadError::from)
        });
        if let Err(error) = judged {
            self.status.alarm(format!("the release {} does not run: {error}", live.digest()));
            return self.turn_down(live.digest(), "not_permitted", false);
        }
        if let Some(name) = &name
            && self.seat.as_ref().is_some_and(|seat| seat.live.digest() == live.digest())
        {
            // The same bytes under a later approval: nothing is to be tried, and it is no swap.
            self.take_seat(live, None);
            return self.confirm(name, None);
        }
        match name {
            Some(name) if self.seat.is_some() && !self.seat_is_void() => {
                match self.floor.trials.begin(&live, self.bounds) {
                    Ok(()) => self.phase = Phase::Shadow { name, live, cause },
                    Err(error) => self.status.alarm(format!("no thread for a trial: {error}")),
                }
            }
            name => {
                let cause = self.seat.is_some().then_some(cause);
                self.take_seat(live, cause);
                if let Some(name) = name {
                    self.confirm(&name, None);
                }
            }
        }
    }

    /// Whether the seated release may run no more, whatever else is the matter.
    fn seat_is_void(&self) -> bool {
        let cause = self.floor.control.why().map(|why| why.cause);
        matches!(cause, Some(StopCause::Revoked | StopCause::ApprovalExpired))
    }

    fn shadowed(&mut self, name: String, live: Arc<Live>, cause: SwapCause) {
        let control = self.floor.control;
        if let Err(error) = control.with_chain(|chain| chain.judge(live.release())) {
            self.floor.trials.end_shadow();
            self.status.alarm(format!("the release {} on trial does not run: {error}", live.digest()));
            return;
        }
        let Some(seat) = self.seat.clone() else { return };
        match self.floor.trials.shadow_verdict() {
            // The one that ran may run no more: there is nothing to be compared with, and nothing to lose.
            None if self.seat_is_void() => {
                self.floor.trials.end_shadow();
                self.take_seat(live, Some(cause));
                self.confirm(&name, None);
            }
            None => self.phase = Phase::Shadow { name, live, cause },
            Some(Verdict::Bad(reason)) => {
                self.floor.trials.end_shadow();
                self.turn_down(live.digest(), reason, true);
            }
            Some(Verdict::Good) => {
                self.floor.trials.end_shadow();
                let generation = seat.generation + 1;
                self.floor.trials.begin_watch(Watch::new(generation, &self.bounds));
                self.take_seat(live, Some(cause));
                self.phase = Phase::Watch { name, before: Arc::clone(&seat.live) };
            }
        }
    }

    /// Seats a release: the next frame is its first.
    fn take_seat(&mut self, live: Arc<Live>, cause: Option<SwapCause>) {
        let generation = self.seat.as_ref().map_or(0, |seat| seat.generation + 1);
        let digest = live.digest();
        let seat = Arc::new(Seat { generation, live: Arc::clone(&live), cause });
        self.seat = Some(Arc::clone(&seat));
        self.told(Told::Seated(Arc::clone(&seat)));
        if self.halted.is_none() && self.floor.dispatcher.seated().is_some() {
            self.floor.dispatcher.seat(Some(seat));
        }
        // After the seat: a frame of the one before is judged by the one before until it is done with.
        self.floor.control.seat(Some(live));
        if let Some(cause) = cause {
            count_swap(self.status, cause);
        }
        self.status.change(|health| health.release = Some(digest));
        (self.say)(&format!("the release {digest} has the seat"));
    }

    /// The seated release is good: the node comes back with it, and the floor rises. Where that cannot be written, it does not stay.
    fn confirm(&mut self, name: &str, before: Option<Arc<Live>>) {
        let Some(seat) = &self.seat else { return };
        let confirmed = self.floor.control.with_chain(|chain| chain.confirm(name, &seat.live));
        if let Err(error) = confirmed {
            self.status.alarm(format!("the release {} cannot be kept: {error}", seat.live.digest()));
            if let Some(before) = before {
                self.phase = Phase::Watch { name: name.to_owned(), before };
                self.roll_back("floor_unwritable");
            }
        }
    }

    /// Gives the seat back to the release before.
    pub(super) fn roll_back(&mut self, reason: &'static str) {
        if let Phase::Watch { before, .. } = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.floor.trials.end_watch();
            if let Some(seat) = &self.seat {
                self.turn_down(seat.live.digest(), reason, true);
            }
            self.take_seat(before, Some(SwapCause::Rollback));
        }
    }

    fn turn_down(&mut self, release: Digest, reason: &'static str, for_good: bool) {
        (self.say)(&format!("the release {release} is turned down: {reason}"));
        self.rejected.insert(release);
        if !for_good {
            self.unready.insert(release);
        }
        self.told(Told::TurnedDown { release, reason, for_good });
    }
}
