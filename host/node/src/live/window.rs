//! A window of the service: opened as a run in the log, closed with its files, its end in the log, and the journal's rows, in this order.

use std::sync::atomic::Ordering;

use vaern_door::{Size, guard};

use super::clerk::{Clerk, day};
use super::journal::{JournalError, OpenWindow, WindowRelease};
use super::logbook::ClerkError;
use crate::book::{LINK, Link};
use crate::outcome::{FrameResult, ReleaseInfo, Run, SandboxInfo};
use crate::{folder, sinks};

impl Clerk<'_> {
    /// Opens a window: a run begins in the log.
    pub(super) fn begin(&mut self) -> Result<(), ClerkError> {
        let Some(seat) = self.seat.clone() else { return Ok(()) };
        let now = self.desk.control.now();
        let (policy, sandbox) = (self.desk.rules.set.digest(), seat.live.sandbox());
        let (run, begun) =
            self.log.with(|book| book.begin_after(seat.live.release(), policy, &sandbox, seat.cause, now))?;
        let window = OpenWindow { run, begun, since: now.as_second(), release: seat.live.named() };
        self.journal()?.open_window(&window)?;
        self.open = Some((window, 0));
        Ok(())
    }

    /// Closes the open window: its files, its end in the log, and only then its rows. Done again, it changes nothing.
    pub(super) fn close(&mut self) -> Result<(), ClerkError> {
        let Some(window) = self.journal()?.window()? else {
            self.open = None;
            return Ok(());
        };
        let run = window.run;
        let account = self.account(&window)?;
        let name = run.to_string();
        self.desk.out.create_dir_all(&name).map_err(ClerkError::Out)?;
        let dir = self.desk.out.open_dir(&name).map_err(ClerkError::Out)?;
        sinks::write_file(&dir, sinks::DETECTIONS, sinks::detections_geojson(&account)?.as_bytes())?;
        sinks::write_file(&dir, sinks::SUMMARY, sinks::summary_json(&account)?.as_bytes())?;
        let now = self.desk.control.now();
        let today = day(self.desk.control.time());
        let coverage = self.journal()?.coverage(&today)?;
        sinks::write_file(&dir, sinks::COVERAGE, coverage.json()?.as_bytes())?;
        let revoked = self.desk.control.revoked();
        if !revoked.is_empty() && guard::stands("node.revoked") {
            // Whoever makes proposals of this window learns what of earlier ones is taken back (STD-05).
            sinks::write_file(&dir, sinks::REVOKED, sinks::revoked_json(&revoked)?.as_bytes())?;
        }
        if self.beyond > 0 {
            let release = window.release.digest;
            self.log.with(|book| book.beyond_quota(run, release, now))?;
            self.beyond = 0;
        }
        let known = if self.doubt { self.log.with(|book| book.find(run))?.1 } else { None };
        let summary = account.summary();
        let (ended, key) = self.log.with(|book| {
            let ended = known.map_or_else(|| book.end(run, &summary, now), Ok)?;
            Ok((ended, book.verifier().to_string()))
        })?;
        let link = Link { key, run, begun: window.begun, ended };
        let text = serde_json::to_vec_pretty(&link).map_err(|e| JournalError::Storage(e.to_string()))?;
        sinks::write_file(&dir, LINK, &text)?;
        self.journal()?.close_window(&today)?;
        self.open = None;
        self.doubt = false;
        self.desk.status.figures.windows.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The window as a run: from the journal and from nothing else, whether or not there was a crash.
    fn account(&mut self, window: &OpenWindow) -> Result<Run, ClerkError> {
        let rows = self.journal()?.rows()?;
        let size = Size::new(1, 1).map_err(|_| ClerkError::Row)?;
        let outcomes = rows.into_iter().enumerate().map(|(at, row)| row.outcome(at + 1, size).ok_or(ClerkError::Row));
        let mut frames = outcomes.collect::<Result<Vec<_>, _>>()?;
        for frame in &mut frames {
            if let FrameResult::Seen(seen) = &mut frame.result {
                // How long a frame was in clear hangs on what else the machine does, and that is a plugin's to choose: told in steps.
                seen.seconds_in_clear = (((seen.seconds_in_clear * 1e6) as u64).next_power_of_two() as f64) / 1e6;
            }
        }
        let (set, built) = (&self.desk.rules.set, self.desk.built);
        let sandbox: Option<SandboxInfo> = self.seat.as_ref().map(|seat| seat.live.sandbox());
        let since = jiff::Timestamp::from_second(window.since).unwrap_or_default();
        let lasted = self.desk.control.now().duration_since(since);
        let WindowRelease { name, version, vendor, digest, interfaces, responsible, approved_until } =
            window.release.clone();
        Ok(Run {
            cautions: folder::cautions(set, built, sandbox.as_ref()),
            release: Some(ReleaseInfo { name, version, vendor, digest, interfaces, responsible, approved_until }),
            sandbox,
            policy: folder::policy_info(set, built),
            frames,
            started: since.to_string(),
            // Windows begin and end with whole seconds for whoever reads.
            wall_ms: lasted.as_secs() as f64 * 1e3,
        })
    }
}
