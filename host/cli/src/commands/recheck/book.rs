//! The log, and the results of runs held against it: every frame that the log counts is in a result, and no result says more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use vaern_door::Digest;
use vaern_node::sinks::{DETECTIONS, FRAMES, SUMMARY};
use vaern_record::log::{self, Account, Counts, Event, Expect, Floor, Proof, Reader, RunRef, VerifierKey};

use super::release::Rechecked;
use super::{Args, Basis, Checked, Doubt, Findings, needs, there};
use crate::commands::audit::{given_key, line, when};
use crate::commands::book::{LINK, Link};
use crate::files;

/// The largest file of results that is read.
const MAX_RESULT: u64 = 256 << 20;

/// Leaves that are read at once.
const SOME: u64 = 4096;

/// A log that holds.
pub(super) struct Logged {
    reader: Reader,
    key: VerifierKey,
    /// Every run that began, with what looked and when.
    runs: BTreeMap<RunRef, (Option<Digest>, Timestamp)>,
}

impl Logged {
    /// When the newest run began.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.runs.values().map(|(_, at)| *at).max()
    }

    /// When the newest run of a release began.
    pub(super) fn newest_of(&self, release: Digest) -> Option<Timestamp> {
        self.runs.values().filter(|(by, _)| *by == Some(release)).map(|(_, at)| *at).max()
    }
}

/// The log itself, that it was not cut off, that nothing of it is closed to us, and that every run has its end.
pub(super) fn check(args: &Args, findings: &mut Findings) -> Option<Logged> {
    let seen = findings.enter("floor of the log", "GOV-05", floor(args));
    let held = findings.enter("log", "GOV-05", held(args, seen.as_ref()));
    let (logged, account) = held.unzip();
    let account = account.as_ref();
    findings.enter("records of the log", "GOV-05", records(account));
    findings.enter("ends of the runs", "GOV-05", ends(account));
    logged
}

fn floor(args: &Args) -> Checked<Floor> {
    let path =
        there(args.floor.as_deref(), "--floor: a log that was cut off looks whole to whoever never saw it longer");
    let floor = Floor::parse(&line("log floor", path?)?)?;
    let says = format!("{} leaves were seen before", floor.size);
    Ok((floor, says))
}

fn held(args: &Args, floor: Option<&Floor>) -> Checked<(Logged, Account)> {
    let path = there(args.log.as_deref(), "--log")?;
    let key = args.key.as_deref();
    let key = key.ok_or_else(|| Doubt::NotThere("no --key says whose log it is".to_owned()))?;
    let key = given_key(key)?;
    let account = log::verify(files::open_dir("log", path)?, &Expect { key: &key, floor, quorum: None })?;
    let reader = Reader::open(files::open_dir("log", path)?, &key)?;
    let size = account.checkpoint.size;
    let mut runs = BTreeMap::new();
    let mut from = 0;
    while from < size {
        for leaf in reader.each(from..size.min(from + SOME))? {
            let Some(record) = leaf.record else { continue };
            if let Event::RunBegun { run, release, .. } = record.event {
                runs.insert(run, (release.map(|release| release.digest()), time(record.time)?));
            }
        }
        from += SOME;
    }
    let says = format!("{size} leaves of `{}`, root {}", account.checkpoint.origin, root(&account));
    Ok(((Logged { reader, key, runs }, account), says))
}

fn root(account: &Account) -> String {
    Digest::from_bytes(account.checkpoint.root).hex()
}

fn time(seconds: u64) -> Result<Timestamp, Doubt> {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.ok_or_else(|| Doubt::refused(format!("a leaf is of no time: {}", when(seconds)), "GOV-05"))
}

fn records(account: Option<&Account>) -> Checked<()> {
    let account = needs(account, "log")?;
    if account.sealed > 0 {
        return Err(Doubt::NotThere(format!(
            "{} records were taken away, or are not part of this copy",
            account.sealed
        )));
    }
    Ok(((), format!("{}, each the one that its leaf commits to", account.opened)))
}

fn ends(account: Option<&Account>) -> Checked<()> {
    let account = needs(account, "log")?;
    if !account.unfinished.is_empty() {
        let runs: Vec<String> = account.unfinished.iter().map(ToString::to_string).collect();
        return Err(Doubt::NotThere(format!("these runs go on, or the node crashed in them: {}", runs.join(", "))));
    }
    let Account { frames_in, with_objects, empty, refused, failed, .. } = account;
    let says = format!(
        "{frames_in} frames = {with_objects} with objects + {empty} empty + {refused} refused + {failed} failed"
    );
    Ok(((), says))
}

/// Every result that was given, and that every run of the log has one.
pub(super) fn results(on: &Basis<'_>, releases: &[Rechecked], findings: &mut Findings) {
    let mut shown = BTreeSet::new();
    for path in &on.args.results {
        shown.extend(findings.enter(format!("result {}", path.display()), "GOV-05", result(path, on, releases)));
    }
    findings.enter("result of every run", "GOV-05", every(on, &shown));
}

fn every(on: &Basis<'_>, shown: &BTreeSet<RunRef>) -> Checked<()> {
    let logged = needs(on.logged, "log")?;
    let lacking: Vec<String> = logged.runs.keys().filter(|run| !shown.contains(run)).map(ToString::to_string).collect();
    if !lacking.is_empty() {
        return Err(Doubt::NotThere(format!("no --result that holds is of these runs: {}", lacking.join(", "))));
    }
    if logged.runs.is_empty() {
        return Err(Doubt::NotThere("the log knows of no run".to_owned()));
    }
    Ok(((), format!("{} runs, each with its result", logged.runs.len())))
}

/// What is taken of a run's summary.
#[derive(Deserialize)]
struct Figures {
    release: Named,
    policy: Named,
    frames_in: u64,
    frames_seen: u64,
    frames_with_objects: u64,
    refused_by_reason: BTreeMap<String, u64>,
    failed_by_reason: BTreeMap<String, u64>,
    detections: u64,
}

#[derive(Deserialize)]
struct Named {
    digest: Digest,
}

/// What is taken of its detections.
#[derive(Deserialize)]
struct Found {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    frame: u64,
    release: Option<Digest>,
    policy: Digest,
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, Doubt> {
    let file = folder.join(name);
    let bytes = files::read("result", there(Some(&file), "--result")?, MAX_RESULT)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Doubt::refused(format!("`{name}` is not one that vaern wrote: {error}"), "GOV-05"))
}

fn result(path: &Path, on: &Basis<'_>, releases: &[Rechecked]) -> Checked<RunRef> {
    let (logged, set) = (needs(on.logged, "log")?, needs(on.set, "policy set")?);
    let link: Link = read(there(Some(path), "--result")?, LINK)?;
    let other = |what: &str| Doubt::refused(format!("{what} is of another run than this result"), "GOV-05");
    let record = |leaf: u64| -> Result<_, Doubt> { Ok(Proof::of(&logged.reader, leaf)?.check(&logged.key)?.1) };
    let (begun, ended) = (record(link.begun)?, record(link.ended)?);
    let (Event::RunBegun { run, release, approval, policy, .. }, Event::RunEnded { run: over, counts }) =
        (begun.event, ended.event)
    else {
        return Err(other("a leaf that it names"));
    };
    if run != link.run || over != link.run {
        return Err(other("a leaf that it names"));
    }
    let by = release.map(|release| release.digest()).ok_or_else(|| Doubt::refused("no release looked", "GOV-05"))?;
    if policy.digest() != set.digest() {
        let says = format!("it was run under the rules {}, here lie {}", policy.digest(), set.digest());
        return Err(Doubt::refused(says, "STD-03"));
    }
    let release = releases.iter().find(|release| release.digest == by);
    let release = release.ok_or_else(|| Doubt::NotThere(format!("the release {by} that it was run with")))?;
    // An approval that was renewed in between is another one, for the time since.
    let then = release.approval_at(time(begun.time)?, on)?;
    if approval.map(|approval| approval.digest()) != Some(then) {
        return Err(Doubt::refused("it was run under another approval than the one that lies here", "GOV-05"));
    }
    account(path, &counts, (by, policy.digest()))?;
    Ok((run, format!("{} frames, {} objects, as the log counts them", counts.frames_in(), counts.objects())))
}

/// The files count what the log counts, frame for frame as far as they tell them apart.
fn account(path: &Path, counts: &Counts, (release, policy): (Digest, Digest)) -> Result<(), Doubt> {
    let figures: Figures = read(path, SUMMARY)?;
    let differs = |what: &str, log: u64, here: u64| -> Result<(), Doubt> {
        if log == here {
            return Ok(());
        }
        Err(Doubt::refused(format!("{what}: the log counts {log}, the result {here}"), "GOV-05"))
    };
    if (figures.release.digest, figures.policy.digest) != (release, policy) {
        return Err(Doubt::refused(format!("`{SUMMARY}` names another release or other rules than the log"), "GOV-05"));
    }
    differs("frames in", counts.frames_in(), figures.frames_in)?;
    differs("frames with objects", counts.with_objects(), figures.frames_with_objects)?;
    differs("empty frames", counts.empty(), figures.frames_seen.saturating_sub(figures.frames_with_objects))?;
    differs("objects", counts.objects(), figures.detections)?;
    // The summary counts among the refused also those that nobody refused: plugin or host failed at them.
    let failed = |reason: &str| figures.failed_by_reason.get(reason).copied().unwrap_or_default();
    let refused = figures.refused_by_reason.iter();
    let refused = refused.map(|(reason, all)| (reason.clone(), all.saturating_sub(failed(reason))));
    let here: BTreeMap<String, u64> = refused.filter(|(_, count)| *count > 0).collect();
    same("frames refused", counts.refused(), &here, differs)?;
    same("frames failed", counts.failed(), &figures.failed_by_reason, differs)?;
    let found: Found = read(path, DETECTIONS)?;
    differs("finds", counts.objects(), found.features.len() as u64)?;
    let frames: BTreeSet<u64> = found.features.iter().map(|feature| feature.properties.frame).collect();
    differs("frames with finds", counts.with_objects(), frames.len() as u64)?;
    let strange = |one: &Properties| one.release != Some(release) || one.policy != policy;
    if found.features.iter().any(|feature| strange(&feature.properties)) {
        return Err(Doubt::refused("a find is of another release or other rules than the run", "GOV-05"));
    }
    // A service writes none: what a camera sees lies in no file.
    let frames = path.join(FRAMES);
    if frames.exists() {
        let text = String::from_utf8_lossy(&files::read("result", &frames, MAX_RESULT)?).into_owned();
        differs("lines of frames", counts.frames_in(), (text.lines().count() as u64).saturating_sub(1))?;
    }
    Ok(())
}

/// The same reasons, each as often.
fn same(
    what: &str,
    log: &BTreeMap<log::Reason, u64>,
    here: &BTreeMap<String, u64>,
    differs: impl Fn(&str, u64, u64) -> Result<(), Doubt>,
) -> Result<(), Doubt> {
    let of = |reason: &str| log.iter().find(|(word, _)| word.as_str() == reason).map_or(0, |(_, count)| *count);
    let reasons: BTreeSet<&str> = log.keys().map(log::Reason::as_str).chain(here.keys().map(String::as_str)).collect();
    for reason in reasons {
        differs(&format!("{what} as `{reason}`"), of(reason), here.get(reason).copied().unwrap_or_default())?;
    }
    Ok(())
}
