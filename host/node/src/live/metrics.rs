//! What a node tells of itself: its state and why, and figures in Prometheus's form.
//!
//! The names and labels are fixed (EXF-10): nothing that a plugin, a camera or a sender chooses becomes a name or adds a series.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use vaern_door::{Blame, Digest, guard};

use super::control::Why;
use super::memory::MemoryReport;
use super::row::Row;
use super::schedule::Schedule;

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It has no release yet.
    Starting,
    /// Frames are seen.
    Running,
    /// No frame is seen. The reason stands beside.
    Stopped,
    /// It finishes what it has and ends.
    Ending,
}

/// What `/healthz` says.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// How it is.
    pub condition: Condition,
    /// Why no frame is seen, where that is so.
    pub why: Option<Why>,
    /// The release that sees frames.
    pub release: Option<Digest>,
    /// A release that is being tried.
    pub trial: Option<Digest>,
    /// What went wrong lately without stopping anything.
    pub alarms: Vec<String>,
    /// Captures that wait.
    pub waiting: usize,
    /// Frames with an outcome since the start.
    pub frames: u64,
    /// What keeps the node's memory from a disk.
    pub memory: Option<MemoryReport>,
}

macro_rules! figures {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:literal $name:literal),+ $(,)?) => {
        /// The figures.
        #[derive(Debug, Default)]
        pub(crate) struct Figures {
            $($(#[doc = $help])+ pub(crate) $field: AtomicU64),+
        }

        impl Figures {
            fn text(&self) -> String {
                let mut text = String::new();
                let mut last = "";
                $(
                    let family = $name.split('{').next().unwrap_or($name);
                    if family != last {
                        let help = concat!($($help),+).trim();
                        let _ = writeln!(text, "# HELP {family} {help}\n# TYPE {family} {}", $kind);
                        last = family;
                    }
                    let _ = writeln!(text, "{} {}", $name, self.$field.load(Ordering::Relaxed));
                )+
                let _ = last;
                text
            }
        }
    };
}

figures! {
    /// Frames with an outcome.
    found: "counter" "vaern_frames_total{outcome=\"found\"}",
    /// Frames with an outcome.
    empty: "counter" "vaern_frames_total{outcome=\"empty\"}",
    /// Frames with an outcome.
    refused: "counter" "vaern_frames_total{outcome=\"refused\"}",
    /// Frames with an outcome.
    failed: "counter" "vaern_frames_total{outcome=\"failed\"}",
    /// Frames with an outcome.
    overload: "counter" "vaern_frames_total{outcome=\"overload\"}",
    /// Frames with an outcome.
    stopped: "counter" "vaern_frames_total{outcome=\"stopped\"}",
    /// Objects found.
    objects: "counter" "vaern_objects_total",
    /// Objects for each hundred frames, over the last stretch that was judged.
    objects_per_100: "gauge" "vaern_objects_per_100_frames",
    /// 1 while that is outside of what the city expects.
    drifts: "gauge" "vaern_drift",
    /// 1 while there are more signs of interference from outside than the city bears.
    replayed: "gauge" "vaern_interference{sign=\"replayed\"}",
    /// 1 while there are more signs of interference from outside than the city bears.
    unplaced: "gauge" "vaern_interference{sign=\"unplaced\"}",
    /// 1 while there are more signs of interference from outside than the city bears.
    crowded: "gauge" "vaern_interference{sign=\"crowded\"}",
    /// 1 while there are more signs of interference from outside than the city bears.
    covered: "gauge" "vaern_interference{sign=\"covered\"}",
    /// Pictures with a known answer that the release was shown.
    probes: "counter" "vaern_probes_total",
    /// What the release found of what is known to be in them, in percent, over the last that were judged.
    probe_found: "gauge" "vaern_probe_found_percent",
    /// What it found beside it, for each hundred of them.
    probe_beside: "gauge" "vaern_probe_beside_per_100",
    /// 1 while that is worse than the city approved.
    probe_fails: "gauge" "vaern_probe_fails",
    /// Captures that wait for a thread.
    waiting: "gauge" "vaern_waiting_captures",
    /// Windows closed: each a run in the log.
    windows: "counter" "vaern_windows_total",
    /// Releases that took another's place.
    swaps: "counter" "vaern_swaps_total{cause=\"newer\"}",
    /// Releases that took another's place.
    asked: "counter" "vaern_swaps_total{cause=\"asked\"}",
    /// Releases that took another's place.
    rollbacks: "counter" "vaern_swaps_total{cause=\"rollback\"}",
    /// Releases that were tried and turned down.
    rejected: "counter" "vaern_releases_rejected_total",
    /// Times that frames stopped.
    stops: "counter" "vaern_stops_total",
    /// 1 while frames are seen.
    running: "gauge" "vaern_running",
    /// Seconds until the node stops for want of a newer channel or approval.
    seconds_left: "gauge" "vaern_seconds_left",
    /// Channels, releases or orders that were refused.
    refusals: "counter" "vaern_updates_refused_total",
    /// Writes that failed and are tried again.
    write_failures: "counter" "vaern_write_failures_total",
    /// Captures without an outcome at most, because the node was cut off while they lay in memory.
    unknown: "counter" "vaern_frames_unknown_at_most_total",
    /// Records of evidence that were sealed.
    evidence: "counter" "vaern_evidence_kept_total",
    /// Deletions of evidence whose time was over.
    deletions: "counter" "vaern_evidence_deletions_total",
    /// Ways by which the node's memory could reach a disk.
    memory_gaps: "gauge" "vaern_memory_gaps",
    /// Longest time that a raw frame existed, in microseconds, rounded up to a power of two.
    longest_clear_us: "gauge" "vaern_raw_frame_longest_microseconds",
}

/// Alarms that are remembered.
const ALARMS: usize = 16;

/// The state that is told, shared by everybody who changes it and by whoever asks.
#[derive(Debug)]
pub struct Status {
    health: Mutex<Health>,
    pub(crate) figures: Figures,
    schedule: Option<Schedule>,
    told: Mutex<Snapshot>,
}

/// What was told at the last moment of the schedule: until the next one nobody learns more (EXF-08).
#[derive(Debug, Default)]
struct Snapshot {
    period: Option<i64>,
    text: String,
    frames: u64,
    waiting: usize,
}

impl Default for Status {
    fn default() -> Self {
        let health = Health {
            condition: Condition::Starting,
            why: None,
            release: None,
            trial: None,
            alarms: Vec::new(),
            waiting: 0,
            frames: 0,
            memory: None,
        };
        Self { health: Mutex::new(health), figures: Figures::default(), schedule: None, told: Mutex::default() }
    }
}

impl Status {
    /// Figures are told by a schedule only.
    pub(crate) fn on(schedule: Schedule) -> Self {
        Self { schedule: Some(schedule), ..Self::default() }
    }

    /// What keeps the memory from a disk; where something is missing that the policy lets pass, it is an alarm.
    pub(crate) fn set_memory(&self, memory: MemoryReport) {
        let gaps = memory.gaps();
        self.figures.memory_gaps.store(gaps.len() as u64, Ordering::Relaxed);
        self.change(|health| health.memory = Some(memory));
        if !gaps.is_empty() {
            self.alarm(format!("the memory of this node could reach a disk: {}", gaps.join("; ")));
        }
    }

    /// Takes down the figures, where a new period of the schedule began.
    pub(crate) fn publish(&self, now: Timestamp) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let period = self.schedule.map(|schedule| schedule.period(now));
        if told.period.is_some() && told.period == period && guard::stands("node.schedule") {
            return;
        }
        let health = self.health();
        *told = Snapshot { period, text: self.metrics(), frames: health.frames, waiting: health.waiting };
    }

    /// The figures as they were at the last moment of the schedule, in Prometheus's text form.
    pub(crate) fn told_metrics(&self) -> String {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }

    /// How it is now, with the figures as they were at the last moment of the schedule.
    pub(crate) fn told_health(&self) -> Health {
        let mut health = self.health();
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        (health.frames, health.waiting) = (told.frames, told.waiting);
        health
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Health)) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut health);
        let running = u64::from(health.condition == Condition::Running);
        self.figures.running.store(running, Ordering::Relaxed);
    }

    /// Something went wrong that stops nothing. The newest are told.
    pub(crate) fn alarm(&self, what: String) {
        self.change(|health| {
            if health.alarms.last() != Some(&what) {
                health.alarms.push(what);
            }
            if health.alarms.len() > ALARMS {
                health.alarms.remove(0);
            }
        });
    }

    /// What is told now.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let figures = &self.figures;
        let outcomes =
            [&figures.found, &figures.empty, &figures.refused, &figures.failed, &figures.overload, &figures.stopped];
        health.frames = outcomes.into_iter().map(|count| count.load(Ordering::Relaxed)).sum();
        health.waiting = usize::try_from(figures.waiting.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        health
    }

    /// The figures in Prometheus's text form.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.figures.text()
    }

    /// Counts the outcome of a frame.
    pub(crate) fn count(&self, row: &Row) {
        let figures = &self.figures;
        let clear = |seconds: f64| {
            figures.longest_clear_us.fetch_max(((seconds * 1e6) as u64).next_power_of_two(), Ordering::Relaxed);
        };
        let counter = match row {
            Row::Refused { reason, .. } if reason.0 == super::worker::OVERLOAD => &figures.overload,
            Row::Refused { reason, .. } if reason.0 == super::control::STOPPED => &figures.stopped,
            Row::Refused { blame: Blame::Vendor | Blame::Host, .. } => &figures.failed,
            Row::Refused { .. } => &figures.refused,
            Row::Empty { seconds_in_clear, .. } => {
                clear(*seconds_in_clear);
                &figures.empty
            }
            Row::Found { seconds_in_clear, .. } => {
                clear(*seconds_in_clear);
                &figures.found
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::row::Word;

    #[test]
    fn exf_10n_whatever_happens_the_series_are_the_same() {
        let status = Status::default();
        let names = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
        };
        let series = |text: &str| names(text).into_iter().filter(|name| !name.starts_with('#')).collect::<Vec<_>>();
        let before = series(&status.metrics());
        for n in 0..200 {
            let reason = Word(Box::leak(format!("reason_{n}").into_boxed_str()));
            status.count(&Row::Refused { reason, krav: Word("CYB-01"), blame: Blame::Vendor });
            status.alarm(format!("alarm {n}"));
        }
        status.count(&Row::Empty { masked: true, seconds_in_clear: 0.25 });
        let after = status.metrics();
        assert_eq!(series(&after), before);
        assert!(after.contains("vaern_frames_total{outcome=\"failed\"} 200\n"), "{after}");
        assert!(after.contains("vaern_raw_frame_longest_microseconds 262144\n"), "{after}");
        assert_eq!(status.health().frames, 201);
        assert_eq!(status.health().alarms.len(), ALARMS);
    }

    #[test]
    fn exf_08n_figures_are_those_of_the_last_moment_of_the_schedule_whenever_somebody_asks() {
        let status = Status::on(Schedule::every_ms(60_000));
        let at = |ms: i64| Timestamp::from_millisecond(1_780_000_020_000 + ms).unwrap();
        status.publish(at(1));
        let first = status.told_metrics();
        for ms in (1..60_000).step_by(7) {
            status.count(&Row::Empty { masked: true, seconds_in_clear: 0.25 });
            status.publish(at(ms - 1));
            assert_eq!((status.told_metrics(), status.told_health().frames), (first.clone(), 0), "{ms}");
        }
        status.publish(at(60_000));
        assert_eq!(status.told_health().frames, 8_572);
        assert!(status.told_metrics().contains("vaern_frames_total{outcome=\"empty\"} 8572\n"));
    }

    #[test]
    fn exf_10p_the_text_is_prometheus_s() {
        let text = Status::default().metrics();
        for line in text.lines() {
            assert!(
                line.starts_with("# HELP ") || line.starts_with("# TYPE ") || line.split(' ').count() == 2,
                "{line}"
            );
        }
        assert_eq!(text.matches("# TYPE vaern_frames_total counter").count(), 1);
    }
}
