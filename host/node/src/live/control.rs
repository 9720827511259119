//! Whether frames may be seen at this moment, and if not, why.
//!
//! Each frame asks three times: before it is decoded, before it is shown, and before what was found is written. The answer costs a
//! few looks at file times: where nothing changed and no time ran out, the last judgement stands. Where something did, whoever
//! notices it first judges anew, and the frame waits for that. So no frame is seen under a word that has been taken back, and a
//! stop holds from the frame that is in work when it is given (GOV-03).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::{Dir, MetadataExt as _};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use vaern_door::{Blame, Digest, Krav, guard};
use vaern_record::log::{KeyRef, StopCause};
use vaern_trust::{Current, ResidualRisk, UpdateError};

use super::chain::{Chain, NotTaken};
use super::journal::{Risk, Stop};
use super::metrics::Status;
use super::orders::{self, START_FILE, STOP_FILE};
use super::seat::Live;
use crate::outcome::Refusal;

/// A frame that came while no frame may be seen.
pub(crate) const STOPPED: &str = "node_stopped";

/// The channel is taken anew at least so often, so that the time floor follows.
const ANEW: SignedDuration = SignedDuration::from_secs(60);

/// The present, in the way of the program that has a clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why no frame is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// In the log's words.
    pub cause: StopCause,
    /// The requirement behind it.
    pub krav: Krav,
    /// Who has to act.
    pub blame: Blame,
    /// What happened.
    pub what: String,
    /// What to do next.
    pub mend: &'static str,
}

impl Why {
    fn new(cause: StopCause, what: impl Into<String>) -> Self {
        let (krav, blame, mend) = match cause {
            StopCause::Asked => ("GOV-03", Blame::Operator, "the city's roles let it go on with `vaern node start`"),
            StopCause::RiskRaised => ("GOV-02", Blame::Policy, "bring the risk down, and sign a new notice of it"),
            StopCause::Stale | StopCause::WitnessesSilent => {
                ("GOV-03", Blame::Operator, "bring the newest channel to the node")
            }
            StopCause::Revoked => ("GOV-03", Blame::Policy, "list a release in the channel that may run"),
            StopCause::ApprovalExpired => ("GOV-04", Blame::Policy, "approve the release anew, on a risk of today"),
            StopCause::LogUnwritable => {
                ("GOV-05", Blame::Operator, "make room on the disk; the node goes on by itself")
            }
        };
        Self { cause, krav: Krav(krav), blame, what: what.into(), mend }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        Refusal { reason: STOPPED, krav: self.krav, blame: self.blame, detail: self.what.clone() }
    }
}

/// When some files were last changed, without reading them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Print(Vec<Option<[i64; 4]>>);

impl Print {
    pub(crate) fn of(dir: &Dir, files: &[&str]) -> Self {
        Self(files.iter().map(|file| one(dir, file)).collect())
    }

    fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

fn one(dir: &Dir, file: &str) -> Option<[i64; 4]> {
    let data = dir.symlink_metadata(file).ok()?;
    let whole = |n: u64| i64::from_ne_bytes(n.to_ne_bytes());
    Some([data.ctime(), data.ctime_nsec(), whole(data.ino()), whole(data.size())])
}

/// What only a judgement changes.
struct Judged {
    chain: Chain,
    taken: Option<Timestamp>,
    stop: Option<Stop>,
    risk: Option<Risk>,
    /// Whose keys ended the stop before.
    let_go_by: Vec<KeyRef>,
    seated: Option<Arc<Live>>,
}

/// Whether frames may be seen.
pub(crate) struct Control {
    clock: Clock,
    channel: Dir,
    /// The files in it that the judgement depends on.
    channel_files: Vec<String>,
    control: Dir,
    status: Arc<Status>,
    open: AtomicBool,
    /// First moment, in milliseconds, at which the judgement no longer holds.
    until: AtomicI64,
    /// The time floor, in milliseconds.
    floor: AtomicI64,
    /// The log or the journal cannot be written.
    unwritable: AtomicBool,
    print: Mutex<Print>,
    why: Mutex<Option<Why>>,
    judged: Mutex<Judged>,
}

impl Control {
    /// A control that knows what the journal remembers. Nothing is permitted before a release has its seat.
    pub(crate) fn new(
        chain: Chain,
        control: Dir,
        (stop, risk): (Option<Stop>, Option<Risk>),
        clock: Clock,
        status: Arc<Status>,
    ) -> std::io::Result<Self> {
        let (channel, mut channel_files) = chain.channel();
        channel_files.push(orders::risk_file(chain.purpose()));
        Ok(Self {
            channel: channel.try_clone()?,
            channel_files,
            control,
            clock,
            status,
            open: AtomicBool::new(false),
            until: AtomicI64::new(i64::MIN),
            floor: AtomicI64::new(i64::MIN),
            unwritable: AtomicBool::new(false),
            print: Mutex::default(),
            why: Mutex::default(),
            judged: Mutex::new(Judged { chain, taken: None, stop, risk, let_go_by: Vec::new(), seated: None }),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The time that decides: the clock's, and never before what the floor has seen. A clock that is set back keeps nothing longer.
    pub(crate) fn time(&self) -> Timestamp {
        not_before(self.floor.load(Ordering::Acquire), self.now())
    }

    /// Whether a frame may be seen now.
    pub(crate) fn permit(&self) -> Result<(), Refusal> {
        if !guard::stands("node.control") {
            return Ok(());
        }
        let timely = self.now().as_millisecond() < self.until.load(Ordering::Acquire);
        if self.open.load(Ordering::Acquire) && (!timely || self.changed()) {
            self.judge();
        }
        if self.open.load(Ordering::Acquire) { Ok(()) } else { Err(self.refusal()) }
    }

    /// Why no frame is seen, if so.
    pub(crate) fn why(&self) -> Option<Why> {
        lock(&self.why).clone()
    }

    /// Whether frames are seen.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn refusal(&self) -> Refusal {
        self.why().unwrap_or_else(|| Why::new(StopCause::Asked, "no release is seated")).refusal()
    }

    /// Says whether log and journal can be written.
    pub(crate) fn writable(&self, writable: bool) {
        if self.unwritable.swap(!writable, Ordering::AcqRel) == writable {
            self.judge();
        }
    }

    /// Seats a release for the judgements that follow.
    pub(crate) fn seat(&self, live: Option<Arc<Live>>) {
        lock(&self.judged).seated = live;
        self.judge();
    }

    /// The chain, for whoever looks for releases.
    pub(crate) fn with_chain<T>(&self, work: impl FnOnce(&mut Chain) -> T) -> T {
        work(&mut lock(&self.judged).chain)
    }

    /// The releases that this node knows to be revoked.
    pub(crate) fn revoked(&self) -> BTreeSet<Digest> {
        lock(&self.judged).chain.revoked().clone()
    }

    /// What the journal is to remember: the stop in force and the newest notice of the risk.
    pub(crate) fn remembered(&self) -> (Option<Stop>, Option<Risk>) {
        let judged = lock(&self.judged);
        (judged.stop.clone(), judged.risk)
    }

    /// Whose keys ended the newest stop that somebody asked for.
    pub(crate) fn let_go_by(&self) -> Vec<KeyRef> {
        lock(&self.judged).let_go_by.clone()
    }

    /// Looks whether anything changed or time ran out, and judges anew if so.
    pub(crate) fn look(&self) {
        let now = self.now();
        let due = lock(&self.judged).taken.is_none_or(|taken| now.duration_since(taken).abs() >= ANEW);
        let timely = now.as_millisecond() < self.until.load(Ordering::Acquire);
        if due || !timely || self.changed() {
            self.judge();
        }
    }

    fn changed(&self) -> bool {
        self.print() != *lock(&self.print)
    }

    fn print(&self) -> Print {
        let here = Print::of(&self.control, &[STOP_FILE, START_FILE]);
        let files: Vec<&str> = self.channel_files.iter().map(String::as_str).collect();
        here.and(Print::of(&self.channel, &files))
    }

    /// Judges everything anew.
    fn judge(&self) {
        let mut judged = lock(&self.judged);
        // Taken before anything is read: what changes meanwhile is noticed by the next frame.
        let print = self.print();
        let why = self.reasons(&mut judged);
        let until = judged.chain.current().map(Current::until);
        let until = until.into_iter().chain(judged.seated.as_ref().map(|live| live.until())).min();
        let until_ms = until.map_or(i64::MIN, Timestamp::as_millisecond);
        let left = until.map_or(0, |until| until.duration_since(self.now()).as_secs());
        self.status.figures.seconds_left.store(u64::try_from(left).unwrap_or(0), Ordering::Relaxed);
        self.until.store(until_ms, Ordering::Release);
        self.open.store(why.is_none() && judged.seated.is_some(), Ordering::Release);
        *lock(&self.why) = why;
        *lock(&self.print) = print;
    }

    fn reasons(&self, judged: &mut Judged) -> Option<Why> {
        // The channel first, whatever else is wrong: what it revokes is remembered even by a node that stands still.
        let stale = self.follow(judged);
        if let Some(why) = self.asked(judged).or_else(|| self.risk(judged)).or(stale) {
            return Some(why);
        }
        let live = judged.seated.as_ref()?;
        if let Err(error) = judged.chain.judge(live.release()) {
            return Some(Why::new(StopCause::Revoked, error.to_string()));
        }
        if guard::stands("node.approval-ends") && self.time() >= live.until() {
            let what = format!("the approval of the release ended {}", live.until());
            return Some(Why::new(StopCause::ApprovalExpired, what));
        }
        self.unwritable.load(Ordering::Acquire).then(|| {
            Why::new(
                StopCause::LogUnwritable,
                "log, journal or results cannot be written: what cannot be told is not done",
            )
        })
    }

    fn follow(&self, judged: &mut Judged) -> Option<Why> {
        let now = self.now();
        judged.taken = Some(now);
        let mut ended = None;
        match judged.chain.refresh(now) {
            Ok(()) => {}
            Err(NotTaken::Newest(error @ (UpdateError::Expired(_) | UpdateError::Frozen { .. }))) => {
                return Some(Why::new(StopCause::Stale, error.to_string()));
            }
            // Whoever can disturb a channel can delay it and no more: what was known holds until its own end (UPD-17). An old repository
            // whose time is over is such a disturbance, and no end of what is known.
            Err(NotTaken::Offer(error) | NotTaken::Newest(error)) => {
                self.status.alarm(format!("the channel is not taken: {error}"));
                self.status.figures.refusals.fetch_add(1, Ordering::Relaxed);
                ended = matches!(error, UpdateError::Expired(_)).then(|| error.to_string());
            }
        }
        if let Some(current) = judged.chain.current() {
            self.floor.store(current.time().as_millisecond(), Ordering::Release);
        }
        match judged.chain.current() {
            None => Some(Why::new(StopCause::Stale, ended.unwrap_or_else(|| "no channel was taken yet".to_owned()))),
            Some(current) if self.time() >= current.until() => {
                Some(Why::new(StopCause::Stale, format!("the newest channel held until {}", current.until())))
            }
            Some(_) => None,
        }
    }

    /// A stop that somebody ordered, until the city lets the node go on after this one. Its file is never taken away here: a newer
    /// one could lie there by then.
    fn asked(&self, judged: &mut Judged) -> Option<Why> {
        match orders::stopped(&self.control) {
            Ok(Some(id)) if judged.stop.as_ref().is_none_or(|known| known.id != id) => {
                judged.stop = Some(Stop { id, over: false });
            }
            Ok(_) => {}
            // A file that cannot be opened may be a stop.
            Err(error) => return Some(Why::new(StopCause::Asked, error.to_string())),
        }
        let stop = judged.stop.as_mut().filter(|stop| !stop.over)?;
        match orders::may_start(&self.control, &judged.chain.rules().trust, &stop.id) {
            Ok(Some(keys)) => {
                stop.over = true;
                judged.let_go_by = keys.into_iter().map(KeyRef::of).collect();
                return None;
            }
            Ok(None) => {}
            Err(error) => self.status.alarm(format!("an order to start is not taken: {error}")),
        }
        Some(Why::new(StopCause::Asked, "somebody stopped this node"))
    }

    fn risk(&self, judged: &mut Judged) -> Option<Why> {
        match orders::risk(&self.channel, &judged.chain.rules().trust, judged.chain.purpose()) {
            Ok(Some(notice)) => {
                if judged.risk.is_none_or(|known| notice.sequence > known.sequence) {
                    let high = notice.residual_risk == ResidualRisk::Hoej;
                    judged.risk = Some(Risk { sequence: notice.sequence, high });
                }
            }
            Ok(None) => {}
            Err(error) => self.status.alarm(format!("a notice of the risk is not taken: {error}")),
        }
        let high = judged.risk.is_some_and(|risk| risk.high);
        high.then(|| Why::new(StopCause::RiskRaised, "the city raised the residual risk of this purpose to `høj`"))
    }
}

/// What the clock tells, and never before the floor. A floor that is no moment is not there yet.
fn not_before(floor_ms: i64, told: Timestamp) -> Timestamp {
    let floor = Timestamp::from_millisecond(floor_ms).ok().filter(|_| guard::stands("node.time-floor"));
    floor.map_or(told, |floor| floor.max(told))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clk_01n_a_clock_that_is_set_back_gives_no_earlier_day_and_clk_01p_one_that_goes_on_counts() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let floor = at("2026-06-01T00:00:01Z").as_millisecond();
        assert_eq!(not_before(floor, at("2025-06-01T12:00:00Z")), at("2026-06-01T00:00:01Z"));
        assert_eq!(not_before(floor, at("2026-06-01T12:00:00Z")), at("2026-06-01T12:00:00Z"));
        // Before the first channel was taken there is no floor.
        assert_eq!(not_before(i64::MIN, at("2025-06-01T12:00:00Z")), at("2025-06-01T12:00:00Z"));
    }
}
