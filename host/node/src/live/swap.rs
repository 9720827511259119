//! What a new release has to show: beside the one that runs, on the same frames, and then in its place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vaern_door::{Interface, Label, Rect, guard};
use vaern_privacy::ClearFrame;

use vaern_policy::SwapRule;

use super::config::SwapPart;
use super::seat::{Live, Seat};
use crate::outcome::{FrameResult, SeenFrame};

/// Boxes that overlap by this much are about one object.
const SAME: f64 = 0.5;

/// What a new release has to show on this node: what the signed profile asks, and what the node asks beyond it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) shadow_frames: u32,
    pub(crate) agreement: f64,
    pub(crate) failures: u32,
    pub(crate) slower: f64,
    pub(crate) watch_frames: u32,
}

impl Bounds {
    /// The profile's, made stricter by the node's. The name of a number that asks for less than the profile is the error: who runs a
    /// node does not loosen what the city signed.
    pub(crate) fn of(rule: &SwapRule, node: &SwapPart) -> Result<Self, &'static str> {
        let policy = Self {
            shadow_frames: rule.shadow_frames,
            agreement: f64::from(rule.agreement_percent) / 100.0,
            failures: rule.failures,
            slower: f64::from(rule.slower_percent) / 100.0,
            watch_frames: rule.watch_frames,
        };
        let own = Self {
            shadow_frames: node.shadow_frames.unwrap_or(policy.shadow_frames),
            agreement: node.agreement.unwrap_or(policy.agreement),
            failures: node.failures.unwrap_or(policy.failures),
            slower: node.slower.unwrap_or(policy.slower),
            watch_frames: node.watch_frames.unwrap_or(policy.watch_frames),
        };
        let looser = [
            ("shadow_frames", own.shadow_frames < policy.shadow_frames),
            ("agreement", own.agreement < policy.agreement),
            ("failures", own.failures > policy.failures),
            ("slower", own.slower > policy.slower),
            ("watch_frames", own.watch_frames < policy.watch_frames),
        ];
        match looser.into_iter().find(|(_, looser)| *looser && guard::stands("node.swap-bounds")) {
            Some((name, _)) => Err(name),
            None => Ok(own),
        }
    }
}

/// What a release found in a frame, and how long it took.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    found: Vec<(Label, [f64; 4])>,
    took: Duration,
}

impl Looked {
    /// From an outcome. Boxes are shares of the frame: two releases may see it in two sizes.
    pub(crate) fn of(seen: &SeenFrame, took: Duration) -> Self {
        let (w, h) = (f64::from(seen.size.width()), f64::from(seen.size.height()));
        let share =
            |r: Rect| [f64::from(r.x0()) / w, f64::from(r.y0()) / h, f64::from(r.x1()) / w, f64::from(r.y1()) / h];
        let found = seen.objects.iter().map(|object| (object.label.clone(), share(object.rect)));
        Self { found: found.collect(), took }
    }

    /// What is known to be in a picture.
    pub(crate) const fn known(found: Vec<(Label, [f64; 4])>) -> Self {
        Self { found, took: Duration::ZERO }
    }

    /// Objects in it.
    pub(crate) const fn count(&self) -> u32 {
        self.found.len() as u32
    }
}

/// How far two answers to one frame agree, from 0 to 1: objects of the same class whose boxes overlap, as a share of all.
pub(crate) fn agreement(one: &Looked, other: &Looked) -> f64 {
    let most = one.found.len().max(other.found.len());
    if most == 0 { 1.0 } else { f64::from(partners(one, other)) / most as f64 }
}

/// Objects of the one that have a partner of their own in the other: of the same class, with a box that overlaps.
pub(crate) fn partners(one: &Looked, other: &Looked) -> u32 {
    let mut free: Vec<&(Label, [f64; 4])> = other.found.iter().collect();
    let mut same = 0_u32;
    for (label, rect) in &one.found {
        let fits = |(at, (l, r)): (usize, &&(Label, [f64; 4]))| (l == label).then(|| (at, overlap(rect, r)));
        let best = free.iter().enumerate().filter_map(fits).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((at, share)) = best
            && share >= SAME
        {
            free.swap_remove(at);
            same += 1;
        }
    }
    same
}

/// Intersection over union.
fn overlap([ax0, ay0, ax1, ay1]: &[f64; 4], [bx0, by0, bx1, by1]: &[f64; 4]) -> f64 {
    let side = |a0: f64, a1: f64, b0: f64, b1: f64| (a1.min(b1) - a0.max(b0)).max(0.0);
    let both = side(*ax0, *ax1, *bx0, *bx1) * side(*ay0, *ay1, *by0, *by1);
    let all = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - both;
    if all > 0.0 { both / all } else { 0.0 }
}

/// What a trial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go on.
    Good,
    /// It is turned down, for this reason.
    Bad(&'static str),
}

/// A release beside the one that runs. It sees what that one saw, and nothing that it says leaves.
#[derive(Debug)]
pub(crate) struct Trial {
    bounds: Bounds,
    shown: u32,
    failures: u32,
    agreed: f64,
    compared: u32,
    took: Vec<(Duration, Duration)>,
}

impl Trial {
    pub(crate) const fn new(bounds: Bounds) -> Self {
        Self { bounds, shown: 0, failures: 0, agreed: 0.0, compared: 0, took: Vec::new() }
    }

    /// Notes one frame: what the one that runs found, and what the new one did, if it did not fail.
    pub(crate) fn note(&mut self, incumbent: &Looked, new: Option<&Looked>) {
        self.shown = self.shown.saturating_add(1);
        match new {
            None => self.failures += 1,
            Some(new) => {
                self.agreed += agreement(incumbent, new);
                self.compared += 1;
                self.took.push((incumbent.took, new.took));
            }
        }
    }

    /// What it came to, as soon as that is certain.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        if self.failures > self.bounds.failures {
            return Some(Verdict::Bad("shadow_failed"));
        }
        if self.shown < self.bounds.shadow_frames {
            return None;
        }
        if self.compared == 0 || self.agreed / f64::from(self.compared) < self.bounds.agreement {
            return Some(Verdict::Bad("shadow_disagrees"));
        }
        let median = |of: fn(&(Duration, Duration)) -> Duration| {
            let mut all: Vec<Duration> = self.took.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).map_or(0.0, Duration::as_secs_f64)
        };
        // Below a millisecond a factor says nothing.
        if median(|t| t.1) > (median(|t| t.0) * self.bounds.slower).max(0.001) {
            return Some(Verdict::Bad("shadow_too_slow"));
        }
        Some(Verdict::Good)
    }
}

/// A release in the seat, with the one before it still ready.
#[derive(Debug)]
pub(crate) struct Watch {
    generation: u64,
    left: u32,
    failures: u32,
    bound: u32,
}

impl Watch {
    pub(crate) const fn new(generation: u64, bounds: &Bounds) -> Self {
        Self { generation, left: bounds.watch_frames, failures: 0, bound: bounds.failures }
    }

    /// Notes one frame of the seat `generation`: whether the release itself failed at it. What the gate refused says nothing.
    pub(crate) fn note(&mut self, generation: u64, result: &FrameResult) {
        if generation != self.generation {
            return;
        }
        match result {
            FrameResult::Seen(_) => self.left = self.left.saturating_sub(1),
            FrameResult::Refused(refusal) if refusal.blame == vaern_door::Blame::Vendor => self.failures += 1,
            FrameResult::Refused(_) => {}
        }
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        if self.failures > self.bound {
            return Some(Verdict::Bad("watch_failed"));
        }
        (self.left == 0).then_some(Verdict::Good)
    }
}

/// A frame for a release on trial.
struct Shown {
    clear: ClearFrame,
    looked: Looked,
}

/// A release on trial, and its one thread.
struct Shadow {
    trial: Arc<Mutex<Trial>>,
    send: SyncSender<Shown>,
    over: Arc<AtomicBool>,
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

/// What is being tried. Workers tell it what they saw; the service asks it for verdicts.
#[derive(Default)]
pub(crate) struct Trials {
    shadow: Mutex<Option<Shadow>>,
    watch: Mutex<Option<Watch>>,
}

impl Trials {
    /// Begins to show frames to `live` beside the one that runs.
    pub(crate) fn begin(&self, live: &Arc<Live>, bounds: Bounds) -> std::io::Result<()> {
        let trial = Arc::new(Mutex::new(Trial::new(bounds)));
        let over = Arc::new(AtomicBool::new(false));
        // One frame waits at most: where the new one is slower, it sees fewer, and the one that runs never waits for it.
        let (send, receive) = sync_channel(1);
        let (theirs, ended, live) = (Arc::clone(&trial), Arc::clone(&over), Arc::clone(live));
        let thread = std::thread::Builder::new().name("vaern-shadow".to_owned());
        thread.spawn(move || shadow(&live, &receive, &theirs, &ended))?;
        *lock(&self.shadow) = Some(Shadow { trial, send, over });
        Ok(())
    }

    /// Whether a frame of this seat is of use to a release on trial.
    pub(crate) fn wants(&self, _seat: &Seat) -> bool {
        lock(&self.shadow).is_some()
    }

    /// Shows a frame that the one that runs has seen. Where the last one is still being looked at, it is let go.
    pub(crate) fn show(&self, clear: ClearFrame, looked: Looked) {
        if let Some(shadow) = lock(&self.shadow).as_ref() {
            // Full or over: this frame is not compared.
            let _ = shadow.send.try_send(Shown { clear, looked });
        }
    }

    /// Watches what the seated release does.
    pub(crate) fn saw(&self, seat: &Seat, result: &FrameResult) {
        if let Some(watch) = lock(&self.watch).as_mut() {
            watch.note(seat.generation, result);
        }
    }

    /// What the trial beside came to.
    pub(crate) fn shadow_verdict(&self) -> Option<Verdict> {
        lock(&self.shadow).as_ref().and_then(|shadow| lock(&shadow.trial).verdict())
    }

    /// Ends the trial beside.
    pub(crate) fn end_shadow(&self) {
        lock(&self.shadow).take();
    }

    /// Begins to watch the seat.
    pub(crate) fn begin_watch(&self, watch: Watch) {
        *lock(&self.watch) = Some(watch);
    }

    /// What the watch came to.
    pub(crate) fn watch_verdict(&self) -> Option<Verdict> {
        lock(&self.watch).as_ref().and_then(Watch::verdict)
    }

    /// Ends the watch.
    pub(crate) fn end_watch(&self) {
        lock(&self.watch).take();
    }
}

/// The thread of a release on trial. Whatever becomes of it, the one that runs goes on.
fn shadow(live: &Live, receive: &Receiver<Shown>, trial: &Mutex<Trial>, over: &AtomicBool) {
    let Ok(mut runner) = live.runner() else {
        lock(trial).failures = u32::MAX;
        return;
    };
    while let Ok(Shown { clear, looked }) = receive.recv() {
        if over.load(Ordering::Acquire) {
            break;
        }
        let begun = Instant::now();
        let grants = live.grants();
        let new = clear.scaled_to(grants.frame).ok().and_then(|scaled| {
            let zooms = grants.interfaces.contains(&Interface::Zoom) && clear.size() != scaled.size();
            let native = zooms.then(|| (clear.size(), clear.rgb()));
            let received = runner.receive(scaled.size(), scaled.rgb(), scaled.masked(), native).ok()?;
            let answer = runner.detect(&received).ok()?;
            let admitted = vaern_sandbox::admit(
                &answer.detections,
                scaled.size(),
                scaled.masked(),
                &grants.labels,
                &grants.output,
            );
            let (w, h) = (f64::from(scaled.size().width()), f64::from(scaled.size().height()));
            let share =
                |r: Rect| [f64::from(r.x0()) / w, f64::from(r.y0()) / h, f64::from(r.x1()) / w, f64::from(r.y1()) / h];
            let found = admitted.detections.into_iter().map(|d| (d.label, share(d.rect)));
            Some(Looked { found: found.collect(), took: begun.elapsed() })
        });
        lock(trial).note(&looked, new.as_ref());
    }
    live.put_back(runner);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Refusal;
    use proptest::prelude::*;
    use vaern_door::{Blame, Krav};

    const BOUNDS: Bounds = Bounds { shadow_frames: 4, agreement: 0.5, failures: 1, slower: 2.0, watch_frames: 3 };

    fn looked(boxes: &[(&str, [f64; 4])], ms: u64) -> Looked {
        let found = boxes.iter().map(|(label, rect)| (Label::new(*label).unwrap(), *rect)).collect();
        Looked { found, took: Duration::from_millis(ms) }
    }

    fn one(at: f64) -> Looked {
        looked(&[("affaldscontainer", [at, 0.1, at + 0.2, 0.3])], 10)
    }

    fn verdict(frames: &[(&Looked, Option<&Looked>)]) -> Option<Verdict> {
        let mut trial = Trial::new(BOUNDS);
        frames.iter().for_each(|(incumbent, new)| trial.note(incumbent, *new));
        trial.verdict()
    }

    #[test]
    fn agreement_asks_for_the_same_class_in_the_same_place() {
        assert_eq!(agreement(&looked(&[], 1), &looked(&[], 1)), 1.0);
        assert_eq!(agreement(&one(0.1), &one(0.1)), 1.0);
        assert_eq!(agreement(&one(0.1), &one(0.6)), 0.0);
        assert_eq!(agreement(&one(0.1), &looked(&[], 1)), 0.0);
        let other = looked(&[("byggecontainer", [0.1, 0.1, 0.3, 0.3])], 10);
        assert_eq!(agreement(&one(0.1), &other), 0.0);
        let two = looked(&[("affaldscontainer", [0.1, 0.1, 0.3, 0.3]), ("affaldscontainer", [0.6, 0.1, 0.8, 0.3])], 10);
        assert_eq!(agreement(&one(0.1), &two), 0.5, "what only one sees counts against it");
    }

    #[test]
    fn a_release_on_trial_is_turned_down_for_failing_disagreeing_or_being_slow_and_never_before_it_is_certain() {
        let (good, far, slow) = (one(0.1), one(0.6), Looked { took: Duration::from_millis(40), ..one(0.1) });
        assert_eq!(verdict(&[(&good, Some(&good)); 3]), None);
        assert_eq!(verdict(&[(&good, Some(&good)); 4]), Some(Verdict::Good));
        assert_eq!(verdict(&[(&good, None); 2]), Some(Verdict::Bad("shadow_failed")));
        assert_eq!(verdict(&[(&good, Some(&far)); 4]), Some(Verdict::Bad("shadow_disagrees")));
        assert_eq!(verdict(&[(&good, Some(&slow)); 4]), Some(Verdict::Bad("shadow_too_slow")));
        let one_failure = [(&good, None), (&good, Some(&good)), (&good, Some(&good)), (&good, Some(&good))];
        assert_eq!(verdict(&one_failure), Some(Verdict::Good));
    }

    #[test]
    fn sbx_27n_a_watched_release_that_fails_goes_back_and_what_the_gate_refuses_says_nothing() {
        let refused = |reason, blame| {
            FrameResult::Refused(Refusal { reason, krav: Krav("CYB-01"), blame, detail: String::new() })
        };
        let mut watch = Watch::new(7, &BOUNDS);
        for _ in 0..50 {
            watch.note(7, &refused("outside_fence", Blame::Operator));
            watch.note(6, &refused("plugin_trap", Blame::Vendor));
        }
        assert_eq!(watch.verdict(), None);
        watch.note(7, &refused("plugin_trap", Blame::Vendor));
        assert_eq!(watch.verdict(), None, "one failure is allowed here");
        watch.note(7, &refused("plugin_trap", Blame::Vendor));
        assert_eq!(watch.verdict(), Some(Verdict::Bad("watch_failed")));
    }

    #[test]
    fn cyb_01n_a_node_may_ask_a_new_release_for_more_than_the_city_does_and_never_for_less() {
        let rule = SwapRule::default();
        let asks = |node: SwapPart| Bounds::of(&rule, &node);
        let same = asks(SwapPart::default()).unwrap();
        assert_eq!((same.shadow_frames, same.agreement, same.slower, same.watch_frames), (50, 0.5, 3.0, 100));
        let more = SwapPart { shadow_frames: Some(80), agreement: Some(0.9), slower: Some(2.0), ..SwapPart::default() };
        assert_eq!(asks(more).unwrap(), Bounds { shadow_frames: 80, agreement: 0.9, slower: 2.0, ..same });
        for (less, name) in [
            (SwapPart { shadow_frames: Some(49), ..SwapPart::default() }, "shadow_frames"),
            (SwapPart { agreement: Some(0.4), ..SwapPart::default() }, "agreement"),
            (SwapPart { failures: Some(1), ..SwapPart::default() }, "failures"),
            (SwapPart { slower: Some(3.5), ..SwapPart::default() }, "slower"),
            (SwapPart { watch_frames: Some(3), ..SwapPart::default() }, "watch_frames"),
        ] {
            assert_eq!(asks(less), Err(name));
        }
    }

    fn boxes() -> impl Strategy<Value = Looked> {
        let side = || (0.0..0.9_f64, 0.01..0.1_f64);
        let label = prop_oneof![Just("affaldscontainer"), Just("byggecontainer")];
        let one = (label, side(), side())
            .prop_map(|(label, (x, w), (y, h))| (Label::new(label).unwrap(), [x, y, x + w, y + h]));
        proptest::collection::vec(one, 0..8).prop_map(|found| Looked { found, took: Duration::ZERO })
    }

    proptest! {
        #[test]
        fn agreement_is_a_share_and_whole_only_with_as_many(a in boxes(), b in boxes()) {
            let share = agreement(&a, &b);
            prop_assert!((0.0..=1.0).contains(&share));
            prop_assert_eq!(agreement(&a, &a), 1.0);
            if share == 1.0 {
                prop_assert_eq!(a.found.len(), b.found.len());
            }
        }
    }
}
