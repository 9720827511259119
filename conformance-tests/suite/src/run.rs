//! The running of the suite: every test in its order. Times are not the same twice, so they stand beside the result ([`Times`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use serde::Serialize;
use vaern_door::Digest;
use vaern_inference::Backend;
use vaern_policy::PolicySet;
use vaern_sandbox::wall::WallSettings;

use crate::bench::Bench;
use crate::bounds::Bounds;
use crate::candidate::Candidate;
use crate::coco::Corpus;
use crate::deviation::Deviation;
use crate::examples::examples;
use crate::fault::HOST;
use crate::journal::{Journal, JournalError};
use crate::plan::{Plan, Profile};
use crate::registry::{SUITE_VERSION, TESTS, Test, test};
use crate::result::{AuthorityPart, Basis, CorpusPart, FORMAT, HostBuild, Run, Tested, ending};
use crate::sealed::Sealed;
use crate::verdict::{Judged, Outcome, Said, Verdict};

/// Why no run could be made.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A fault of this build.
    #[error("the suite's own bounds cannot be read: {0}")]
    Bounds(#[from] toml::de::Error),
    /// A fault of the policy set.
    #[error("the policy set holds no catalogue to test against")]
    NoCatalogue,
    /// There is no test of this id.
    #[error("there is no test `{0}`")]
    UnknownTest(String),
    /// The profile of the city without what makes it one.
    #[error("the profile `authority` takes a sealed corpus and a seed that was committed to")]
    NoSealedCorpus,
    /// A stopped run cannot go on.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// How long each test took, on this machine and this day. No part of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Milliseconds by test; a test that needs what another looked at first is charged nothing for it.
    pub tests_ms: BTreeMap<&'static str, u64>,
    /// Milliseconds of the whole run.
    pub all_ms: u64,
    /// Frames of the survey, and milliseconds of their slowest and mean look.
    pub looks: u64,
    /// The slowest look.
    pub slowest_look_ms: u64,
    /// The mean look, in microseconds.
    pub mean_look_us: u64,
}

/// How a run is made.
pub struct Settings<'a> {
    /// How thoroughly.
    pub profile: Profile,
    /// From which seed.
    pub seed: u64,
    /// Only these tests; empty for all.
    pub only: Vec<String>,
    /// Threads.
    pub workers: usize,
    /// The host that runs it.
    pub host: HostBuild,
    /// The engine for models.
    pub backend: &'a dyn Backend,
    /// Where what is found out is written down as it goes, so that a stopped run can go on; nowhere if absent.
    pub resume: Option<Resume<'a>>,
    /// Hears how far a part of the run is.
    pub progress: Progress<'a>,
    /// What is given beside the release.
    pub given: Given<'a>,
}

/// What is given beside the release.
#[derive(Debug, Clone, Default)]
pub struct Given<'a> {
    /// Labelled pictures, open.
    pub corpus: Option<&'a Corpus>,
    /// Labelled pictures that nobody outside has seen.
    pub sealed: Option<&'a Sealed>,
    /// What an authority run rests on.
    pub authority: Option<AuthorityPart>,
    /// The wall of a node, for a second host.
    pub wall: Option<&'a WallSettings>,
    /// Deviations in force for this release.
    pub deviations: Vec<Deviation>,
}

impl<'a> Given<'a> {
    pub(crate) fn corpus(&self) -> Option<&'a Corpus> {
        self.sealed.map(|sealed| &sealed.corpus).or(self.corpus)
    }

    fn part(&self) -> Option<CorpusPart> {
        self.corpus().map(|corpus| CorpusPart {
            digest: corpus.digest,
            pictures: u64::try_from(corpus.pictures()).unwrap_or(u64::MAX),
            sealed: self.sealed.is_some(),
        })
    }
}

/// Hears how far a part of a run is: its name, cases done, cases in all. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(&str, usize, usize) + Sync);

/// Where a run writes down what it found out.
#[derive(Debug, Clone, Copy)]
pub struct Resume<'a> {
    /// The directory of the result.
    pub dir: &'a Dir,
    /// Goes on with what a stopped run left there; else it begins anew.
    pub go_on: bool,
}

/// Everything that an answer depends on: a journal about anything else is of another run.
#[derive(Serialize)]
struct About<'r> {
    release: &'r Tested,
    signature: &'r str,
    host: &'r HostBuild,
    basis: &'r Basis,
    profile: Profile,
    seed: u64,
    engine: &'r str,
    corpus: &'r Option<CorpusPart>,
    authority: &'r Option<AuthorityPart>,
    plan: String,
}

/// Runs the suite. `told` hears each outcome when it is known.
///
/// # Errors
/// [`SuiteError`] where nothing can be said at all; everything about the release is an outcome.
pub fn run(
    candidate: &Candidate,
    set: &PolicySet,
    settings: Settings<'_>,
    told: &mut dyn FnMut(&Test, &Outcome),
) -> Result<(Run, Times), SuiteError> {
    run_with(candidate, set, settings, Variant::default(), told)
}

/// What tests change about a run: the number of cases, and a plugin that they made up.
#[cfg(test)]
pub(crate) type Variant = (Option<Plan>, MadeUp);
#[cfg(not(test))]
type Variant = (Option<Plan>, ());

/// A plugin that a test made up, and a clock.
#[cfg(test)]
pub(crate) type MadeUp = (Option<crate::bench::Rogue>, Option<fn() -> Duration>);

/// As [`run`], with another number of cases.
pub(crate) fn run_with(
    candidate: &Candidate,
    set: &PolicySet,
    settings: Settings<'_>,
    (plan, made_up): Variant,
    told: &mut dyn FnMut(&Test, &Outcome),
) -> Result<(Run, Times), SuiteError> {
    let (mut run, plan, bounds, rest) = begun_with(candidate, set, settings, plan)?;
    let Rest { only, workers, backend, resume, progress, given } = rest;
    let (profile, seed) = (run.profile, run.seed);
    let journal = resume.map_or_else(|| Ok(Journal::none()), |resume| journal(resume, &run, candidate, plan))?;
    let bench = Bench::new((candidate, set), backend, plan, bounds, (seed, workers), (&journal, progress), given);
    let bench = variant(bench, made_up);
    let begun = Instant::now();
    let mut times = Times::default();
    for test in TESTS.iter().filter(|test| test.retired.is_none() && test.asked(profile, run.corpus.is_some())) {
        if !only.is_empty() && !only.iter().any(|id| id == test.id) {
            continue;
        }
        let at = Instant::now();
        let outcome = known_or_new(test, &bench);
        times.tests_ms.insert(test.id, millis(at.elapsed()));
        told(test, &outcome);
        run.outcomes.push(outcome);
    }
    times.all_ms = millis(begun.elapsed());
    time_looks(&bench, &mut times);
    // A run that went on from its last test has looked at nothing: the survey is asked for once more, from what is known.
    if only.is_empty()
        && run.outcomes.iter().any(|outcome| outcome.verdict == Verdict::Pass && outcome.test == "KT-LIM-010N")
    {
        let _ = bench.survey();
        run.examples = examples(&bench);
    }
    run.ending = only.is_empty().then(|| ending(&run.outcomes, &run.deviations));
    Ok((run, times))
}

/// What of the settings is not in the run.
struct Rest<'a> {
    only: Vec<String>,
    workers: usize,
    backend: &'a dyn Backend,
    resume: Option<Resume<'a>>,
    progress: Progress<'a>,
    given: Given<'a>,
}

/// The run before anything is asked, with what it is made of.
fn begun_with<'a>(
    candidate: &Candidate,
    set: &PolicySet,
    settings: Settings<'a>,
    plan: Option<Plan>,
) -> Result<(Run, Plan, Bounds, Rest<'a>), SuiteError> {
    let Settings { profile, seed, only, workers, host, backend, resume, progress, given } = settings;
    if let Some(unknown) = only.iter().find(|id| test(id).is_none()) {
        return Err(SuiteError::UnknownTest(unknown.clone()));
    }
    if (profile == Profile::Authority) != (given.sealed.is_some() && given.authority.is_some()) {
        return Err(SuiteError::NoSealedCorpus);
    }
    let catalogue = set.city().catalogue();
    let version = catalogue.version().ok_or(SuiteError::NoCatalogue)?.clone();
    let (bounds, bounds_digest) = Bounds::of_this_build()?;
    let plan = plan.unwrap_or_else(|| profile.plan());
    let run = Run {
        format: FORMAT.to_owned(),
        release: Tested {
            name: candidate.name.clone(),
            digest: candidate.digest,
            vendor: candidate.manifest.vendor.clone(),
        },
        host,
        basis: Basis {
            catalogue: version,
            catalogue_digest: catalogue_digest(set),
            krav: krav_digests(set),
            policy: set.digest(),
            rules: rules_digest(set),
            suite: SUITE_VERSION.to_owned(),
            bounds: bounds_digest,
        },
        profile,
        seed,
        engine: backend.name().as_str().to_owned(),
        corpus: given.part(),
        authority: given.authority.clone(),
        deviations: given.deviations.clone(),
        ending: None,
        outcomes: Vec::new(),
        examples: Vec::new(),
    };
    Ok((run, plan, bounds, Rest { only, workers, backend, resume, progress, given }))
}

fn journal(resume: Resume<'_>, run: &Run, candidate: &Candidate, plan: Plan) -> Result<Journal, SuiteError> {
    let about = About {
        release: &run.release,
        signature: candidate.signature.word(),
        host: &run.host,
        basis: &run.basis,
        profile: run.profile,
        seed: run.seed,
        engine: &run.engine,
        corpus: &run.corpus,
        authority: &run.authority,
        plan: format!("{plan:?}"),
    };
    let about = serde_json::to_string(&about).map_err(|error| JournalError::Io(error.into()))?;
    let open = if resume.go_on { Journal::resume } else { Journal::begin };
    Ok(open(resume.dir, &about)?)
}

#[cfg(test)]
fn variant(mut bench: Bench<'_>, (rogue, clock): MadeUp) -> Bench<'_> {
    bench.rogue = rogue;
    bench.clock = clock;
    bench
}

#[cfg(not(test))]
fn variant(bench: Bench<'_>, (): ()) -> Bench<'_> {
    bench
}

/// Names the catalogue of a policy set: a changed word in any krav changes it.
#[must_use]
pub fn catalogue_digest(set: &PolicySet) -> Digest {
    let files = set.city().digests();
    let lines: String = files
        .iter()
        .filter(|(path, _)| path.starts_with("catalogue/"))
        .map(|(path, digest)| format!("{digest}  {path}\n"))
        .collect();
    Digest::of(lines.as_bytes())
}

/// The name under which outcomes are written down.
const OUTCOME: &str = "outcome";

/// What a stopped run knows already, or what the test says now. What the machine kept from being shown is asked again next time.
fn known_or_new(test: &Test, bench: &Bench<'_>) -> Outcome {
    let part = format!("{OUTCOME} {}", test.id);
    if let Some(known) = bench.journal.known::<Outcome>(&part, 0).filter(|known| known.test == test.id) {
        return known;
    }
    let (outcome, lasts) = outcome(test, bench);
    if lasts {
        bench.journal.note(&part, 0, &outcome);
    }
    outcome
}

fn outcome(test: &Test, bench: &Bench<'_>) -> (Outcome, bool) {
    let mut lasts = true;
    let judged = (test.judge)(bench, test).unwrap_or_else(|fault| {
        lasts = fault.owner != HOST;
        let (da, en) = (&fault.said.da, &fault.said.en);
        Judged {
            verdict: Verdict::Unproven,
            why: Some(Said::new(
                format!("Kunne ikke vises: {da} ({}).", fault.owner),
                format!("Could not be shown: {en} ({}).", fault.owner),
            )),
            case: None,
            figures: BTreeMap::new(),
        }
    });
    let Judged { verdict, why, case, figures } = judged;
    // What is said of a failure has no place beside a pass.
    let why = why.filter(|_| verdict != Verdict::Pass);
    (Outcome { test: test.id.to_owned(), verdict, why, case, figures }, lasts)
}

/// The digest of each krav's file.
fn krav_digests(set: &PolicySet) -> BTreeMap<String, Digest> {
    let files = set.city().digests();
    let id =
        |path: &str| path.strip_prefix("catalogue/").and_then(|name| name.strip_suffix(".toml")).map(str::to_owned);
    files.into_iter().filter_map(|(path, digest)| Some((id(&path)?, digest))).collect()
}

/// The policy set without its catalogue. A purpose names the version of the catalogue that it was written for: that line is the
/// catalogue's too.
fn rules_digest(set: &PolicySet) -> Digest {
    let lines: String = set
        .city()
        .files()
        .iter()
        .filter(|(path, _)| !path.starts_with("catalogue/"))
        .map(|(path, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("catalogue =")).collect();
            format!("{}  {path}\n", Digest::of(kept.join("\n").as_bytes()))
        })
        .collect();
    Digest::of(lines.as_bytes())
}

/// A run under these rules in which nothing was asked yet: what an old result is compared with.
///
/// # Errors
/// [`SuiteError`] as [`run`].
pub fn unasked(candidate: &Candidate, set: &PolicySet, settings: Settings<'_>) -> Result<Run, SuiteError> {
    begun_with(candidate, set, settings, None).map(|(run, ..)| run)
}

fn time_looks(bench: &Bench<'_>, times: &mut Times) {
    let walls = bench.walls();
    times.looks = u64::try_from(walls.len()).unwrap_or(u64::MAX);
    times.slowest_look_ms = walls.iter().max().copied().map_or(0, millis);
    let sum: Duration = walls.iter().sum();
    times.mean_look_us =
        u64::try_from(sum.as_micros()).unwrap_or(u64::MAX).checked_div(times.looks).unwrap_or_default();
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
