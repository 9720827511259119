//! `--track FILE`: positions from a receiver's log instead of from the pictures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use vaern_door::{Blame, Krav};
use vaern_node::pipeline::Track;
use vaern_privacy::TrackLog;

use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Largest track file in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

#[derive(clap::Args)]
pub(crate) struct TrackFile {
    /// Take positions from this GPX or NMEA log, by the time at which each picture says it was taken.
    #[arg(long = "track", value_name = "FILE", conflicts_with = "unlocated")]
    file: Option<PathBuf>,
    /// Seconds to add to the cameras' clock to make it right, -86400 to 86400; decimals are taken.
    #[arg(long, value_name = "SECONDS", requires = "file", allow_negative_numbers = true, default_value_t = 0.0)]
    clock_offset: f64,
}

impl TrackFile {
    /// Reads the log, and says how much of it can be used.
    pub(crate) fn open(&self, output: &Output) -> Result<Option<Track>, Failure> {
        let Some(path) = &self.file else { return Ok(None) };
        read(path, self.clock_offset, output).map(Some)
    }
}

/// Reads a log of fixes, and says how much of it can be used. `clock_offset` is in seconds.
pub(crate) fn read(path: &Path, clock_offset: f64, output: &Output) -> Result<Track, Failure> {
    if !(-86_400.0..=86_400.0).contains(&clock_offset) {
        return Err(Failure::usage("--clock-offset must lie between -86400 and 86400 seconds"));
    }
    let bytes = files::read("track", path, MAX_BYTES)?;
    let log = TrackLog::parse(&bytes).map_err(|error| {
        let what = format!("the track `{}` cannot be used: {error}", path.display());
        Failure::refused(what, Krav("MIN-04"), Blame::Operator)
            .mend("export the log as GPX 1.1 with times in UTC, or hand over the receiver's NMEA lines as they are")
    })?;
    let account = log.account();
    output.say(&format!(
        "vaern: track: {} fixes in {} stretches; left out: {} without fix, {} without a time in UTC, {} bad, {} with a \
             wrong checksum",
        account.fixes, account.segments, account.void, account.untimed, account.bad, account.checksum
    ));
    Ok(Track { log: Arc::new(log), clock_offset: SignedDuration::from_secs_f64(clock_offset) })
}
