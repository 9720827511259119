//! Output files. Each is derived from one `Run`, and is on disk whole or not at all.

mod csv;
mod geojson;

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use cap_std::fs::{Dir, File};
use cap_tempfile::TempFile;
use serde::Serialize;
use vaern_door::{Blame, Digest, Krav};

pub use csv::frames_csv;
pub use geojson::detections_geojson;

use crate::outcome::{PolicyInfo, ReleaseInfo, Run, Summary};

/// Name of the file that [`detections_geojson`] is for.
pub const DETECTIONS: &str = "detections.geojson";
/// Name of the file that [`Coverage::json`](crate::coverage::Coverage::json) is for.
pub const COVERAGE: &str = "coverage.json";
/// Name of the file that [`revoked_json`] is for.
pub const REVOKED: &str = "revoked.json";
/// Name of the file that [`frames_csv`] is for.
pub const FRAMES: &str = "frames.csv";
/// Name of the file that [`summary_json`] is for.
pub const SUMMARY: &str = "summary.json";
/// Name of the file that [`html`](crate::report::html) is for.
pub const REPORT: &str = "report.html";
/// Name of the folder for the masked pictures.
pub const PICTURES: &str = "pictures";

/// An output file could not be written. Nothing of it is left on disk.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {file}: {source}. Nothing of it is left. Check the space and the rights of the output folder, then run again"
)]
pub struct SinkError {
    /// Name of the file.
    pub file: String,
    /// What the disk said.
    pub source: io::Error,
}

impl SinkError {
    pub(crate) fn new(file: &str, source: impl Into<io::Error>) -> Self {
        Self { file: file.to_owned(), source: source.into() }
    }

    /// Whoever runs the node owns its disk.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Operator
    }

    /// Protection against accidental loss.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("SKJ-09")
    }
}

/// Writes `bytes` to the file `name` of `dir`, replacing what was there: all of it, on disk when this returns, or nothing.
///
/// # Errors
/// [`SinkError`] for a full disk, missing rights, or a name that is no plain file name. An earlier file of that name then
/// stands untouched, unless the very last step failed (the folder itself could not be flushed), which removes it.
pub fn write_file(dir: &Dir, name: &str, bytes: &[u8]) -> Result<(), SinkError> {
    write_with(dir, name, |file| file.write_all(bytes))
}

fn write_with(dir: &Dir, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), SinkError> {
    put(dir, name, fill).map_err(|source| SinkError::new(name, source))
}

fn put(dir: &Dir, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name"));
    }
    // The temporary file removes itself when it is dropped on any of the early returns.
    let mut file = TempFile::new(dir)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.replace(name)?;
    flush(dir).inspect_err(|_| {
        // Without the folder's own flush a power cut may bring back anything: better no file than a doubtful one.
        let _ = dir.remove_file(name);
    })
}

/// Flushes the folder's list of names. A filesystem that knows no such thing says `EINVAL`: there is nothing to flush then.
pub(crate) fn flush(dir: &Dir) -> io::Result<()> {
    match dir.open(".")?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[derive(Serialize)]
struct SummaryFile<'a> {
    started: &'a str,
    release: Option<&'a ReleaseInfo>,
    policy: &'a PolicyInfo,
    cautions: Vec<Caution<'a>>,
    #[serde(flatten)]
    figures: Summary,
}

#[derive(Serialize)]
struct Caution<'a> {
    da: &'a str,
    en: &'a str,
}

/// The releases that the city revoked, as the node knew them: what they found, in this window or any other, is taken back.
///
/// # Errors
/// [`SinkError`] if it cannot be written as JSON.
pub fn revoked_json(releases: &BTreeSet<Digest>) -> Result<String, SinkError> {
    #[derive(Serialize)]
    struct Revoked<'a> {
        form: u8,
        releases: &'a BTreeSet<Digest>,
    }
    let text = serde_json::to_string_pretty(&Revoked { form: 1, releases });
    text.map(|text| text + "\n").map_err(|error| SinkError::new(REVOKED, error))
}

/// The figures of the run with the release and the rules that they hold for, as indented JSON.
///
/// # Errors
/// [`SinkError`] if the figures cannot be written as JSON.
pub fn summary_json(run: &Run) -> Result<String, SinkError> {
    let file = SummaryFile {
        started: &run.started,
        release: run.release.as_ref(),
        policy: &run.policy,
        cautions: run.cautions.iter().map(|(da, en)| Caution { da, en }).collect(),
        figures: run.summary(),
    };
    let mut text = serde_json::to_string_pretty(&file).map_err(|error| SinkError::new(SUMMARY, error))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Dir) -> Vec<String> {
        let mut names: Vec<_> = dir.entries().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A disk that fills up in the middle of a file.
    fn half_then_full(file: &mut File) -> io::Result<()> {
        file.write_all(b"{\"half\":")?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    #[test]
    fn skj_09n_a_disk_that_fills_up_leaves_no_new_file() {
        let dir = cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap();
        let error = write_with(&dir, SUMMARY, half_then_full).unwrap_err();
        assert_eq!((error.file.as_str(), error.source.kind()), (SUMMARY, io::ErrorKind::StorageFull));
        assert_eq!((error.blame(), error.krav()), (Blame::Operator, Krav("SKJ-09")));
        assert!(names(&dir).is_empty(), "{:?}", names(&dir));
    }

    #[test]
    fn skj_09n_a_disk_that_fills_up_leaves_the_earlier_file_as_it_was() {
        let dir = cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap();
        write_file(&dir, SUMMARY, b"earlier").unwrap();
        write_with(&dir, SUMMARY, half_then_full).unwrap_err();
        assert_eq!(dir.read(SUMMARY).unwrap(), b"earlier");
        assert_eq!(names(&dir), [SUMMARY]);
    }

    #[test]
    fn skj_09p_a_file_is_written_and_replaced_whole() {
        let dir = cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap();
        write_file(&dir, FRAMES, b"first and longer").unwrap();
        write_file(&dir, FRAMES, b"second").unwrap();
        assert_eq!(dir.read(FRAMES).unwrap(), b"second");
        assert_eq!(names(&dir), [FRAMES]);
    }

    #[test]
    fn skj_09n_a_name_that_is_a_folder_is_refused_and_leaves_nothing() {
        let dir = cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap();
        dir.create_dir(REPORT).unwrap();
        assert_eq!(write_file(&dir, REPORT, b"x").unwrap_err().file, REPORT);
        assert_eq!(names(&dir), [REPORT]);
        assert!(dir.metadata(REPORT).unwrap().is_dir());
    }

    #[test]
    fn skj_09n_a_name_that_leads_elsewhere_is_refused() {
        let dir = cap_tempfile::tempdir(cap_std::ambient_authority()).unwrap();
        dir.create_dir("inner").unwrap();
        for name in ["", ".", "..", "inner/x", "../x", "/x", "a\\b", "a\0b"] {
            let error = write_file(&dir, name, b"x").unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
        assert_eq!(names(&dir), ["inner"]);
    }

    /// Even an administrator cannot make files there, unlike in a folder without write permission.
    #[cfg(target_os = "linux")]
    #[test]
    fn skj_09n_a_folder_that_takes_no_files_is_refused() {
        let dir = Dir::open_ambient_dir("/proc/self", cap_std::ambient_authority()).unwrap();
        let error = write_file(&dir, "vaern-test", b"x").unwrap_err();
        assert_eq!(error.file, "vaern-test");
        assert!(!dir.exists("vaern-test"));
    }
}
