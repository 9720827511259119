//! `vaern conform REL`: the conformance suite on a release, with the city's own rules, and the result as a file.
//! `vaern conform --host`: the hostile plugins against this program on this machine.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use vaern_conformance::{
    Candidate, Corpus, Deviation, Deviations, Ending, Given, HostBuild, HostError, JOURNAL, JournalError, Language,
    Outcome, Profile, Resume, Run, Settings, SinceError, Stopped, SuiteError, Test, Times, Touched, Verdict, merged,
    needless, touched,
};
use vaern_door::{Blame, Digest, Krav};
use vaern_policy::Catalogue;
use vaern_trust::{Authority, ReleaseError, SigningKeyPair, TrustRoot, open_file};

use crate::commands::approve::signers;
use crate::commands::corpus::AuthorityArgs;
use crate::commands::demo::MODEL;
use crate::commands::gate::{self, Engine, Purpose, Wall, trust_root};
use crate::commands::run::workers;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release directory.
    #[arg(required_unless_present = "host")]
    release: Option<PathBuf>,
    /// Test this program instead: every hostile plugin against it, on this machine.
    #[arg(long, conflicts_with_all = ["release", "policies", "only", "trust", "key"])]
    host: bool,
    /// The city's policy directory: the same rules and limits as on a node.
    #[arg(long, required_unless_present = "host")]
    policies: Option<PathBuf>,
    /// How thorough: `dev` in seconds while a plugin is being written, `vendor` in minutes: what is submitted, `authority` for the
    /// city: the same on a seed that was committed to, and on the sealed corpus.
    #[arg(long, default_value = "dev")]
    profile: Profile,
    /// The seed that streets are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this test; may be given several times. Its outcome is the same as in the whole run.
    #[arg(long = "only", value_name = "TEST")]
    only: Vec<String>,
    /// The trust root: the vendor's signature is held against it. Beyond `dev` the suite asks for it.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// Directory for the result and its reports; made where it is absent. Without it the result is only told.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on with a run that was stopped, from what it left in --out. The result is the same, byte for byte.
    #[arg(long, requires = "out", conflicts_with = "host")]
    resume: bool,
    /// Sign what the run says as a role of the city, and file the statement in the release.
    #[arg(long, value_name = "FILE", requires = "trust")]
    key: Option<PathBuf>,
    /// Sign what the run says as the vendor of the release, and file the statement in it: it travels with the release.
    #[arg(long, value_name = "FILE", requires = "trust", conflicts_with_all = ["key", "host"])]
    vendor_key: Option<PathBuf>,
    /// Labelled pictures in COCO form (`corpus.json`), masked: absolute floors apply to them.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["host", "sealed"])]
    corpus: Option<PathBuf>,
    /// Deviations, signed by a role of the city: failures that are let pass for a time.
    #[arg(long, value_name = "FILE", requires = "trust")]
    deviations: Option<PathBuf>,
    /// Go on from the `run.json` of an older catalogue: what a new or changed krav touches is run again, the rest is taken from there.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "resume", "host", "sealed"])]
    since: Option<PathBuf>,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    wall: Wall,
}

#[derive(Serialize)]
struct Told<'r> {
    run: &'r Run,
    times: &'r Times,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (Some(release), Some(policies)) = (&args.release, &args.policies) else { return host(args, output) };
    let signs = args.key.is_some() || args.vendor_key.is_some();
    if signs && !args.only.is_empty() && args.authority.sealed.is_none() {
        return Err(
            Failure::usage("a run of some tests only is not signed").mend("leave out --key or --vendor-key, or --only")
        );
    }
    let dir = files::open_dir("release", release)?;
    let trust = args.trust.as_deref().map(trust_root).transpose()?;
    let set = gate::policy_set(policies, &args.purpose)?;
    let candidate = Candidate::open(&dir, trust.as_ref())?;
    let backend = args.engine.open()?;
    let host = this_host()?;
    let corpus = args.corpus.as_deref().map(|dir| Corpus::open(files::open_dir("corpus", dir)?).map_err(Failure::from));
    let corpus = corpus.transpose()?;
    let deviations = deviations(args, trust.as_ref(), candidate.digest())?;
    let vendor = &candidate.manifest().vendor;
    let opened =
        args.authority.open(args.profile, vendor, candidate.digest(), args.trust.as_deref(), args.key.as_ref())?;
    let wall = opened.is_some().then(|| args.wall.settings(&args.engine)).transpose()?;
    let given = Given {
        corpus: corpus.as_ref(),
        sealed: opened.as_ref().map(|opened| &opened.sealed),
        authority: opened.as_ref().map(|opened| opened.part.clone()),
        wall: wall.as_ref(),
        deviations,
    };
    let seed = opened.as_ref().map_or(args.seed, |opened| opened.seed);
    let old = args.since.as_deref().map(read_run).transpose()?;
    let result = args.out.as_deref().map(|out| files::make_dir("result", out)).transpose()?;
    let watch = Watch::new(output);
    let progress = |part: &str, done: usize, of: usize| watch.at(part, done, of);
    let settings = |only: Vec<String>| Settings {
        profile: args.profile,
        seed,
        // Some tests again are seconds, and must not take the place of a run that was stopped.
        resume: result.as_ref().filter(|_| only.is_empty()).map(|dir| Resume { dir, go_on: args.resume }),
        only,
        workers: workers(),
        host: host.clone(),
        backend: backend.as_ref(),
        progress: &progress,
        given: given.clone(),
    };
    let mut told = |test: &Test, outcome: &Outcome| watch.say(output, &line(test, outcome));
    let (run, times) = match &old {
        None => vaern_conformance::run(&candidate, &set, settings(args.only.clone()), &mut told)?,
        Some(old) => {
            let now = vaern_conformance::unasked(&candidate, &set, settings(Vec::new()))?;
            let touched = touched(old, &now)?;
            watch.say(output, &since_lines(&touched));
            let asked: Vec<String> = touched.tests.iter().map(|id| (*id).to_owned()).collect();
            if asked.is_empty() {
                (merged(old, now), Times::default())
            } else {
                let (again, times) = vaern_conformance::run(&candidate, &set, settings(asked), &mut told)?;
                (merged(old, again), times)
            }
        }
    };
    drop(watch);
    let whole = args.only.is_empty() && old.is_none();
    if let Some(dir) = &result {
        write(dir, &run, &times, set.city().catalogue())?;
        if whole {
            // The result is whole: there is nothing to go on with.
            dir.remove_file(JOURNAL).map_err(|e| Failure::file("progress", Path::new(JOURNAL), &e))?;
        }
    }
    if let (Some(trust), true) = (&trust, args.only.is_empty()) {
        if let Some(key) = &args.key {
            sign(&dir, trust, &run, key, vaern_trust::sign_test_result)?;
        }
        // A vendor submits no failure: it mends, and runs again.
        if let (Some(key), Ok(())) = (&args.vendor_key, failed(&run)) {
            sign(&dir, trust, &run, key, vaern_trust::sign_vendor_result)?;
        }
    }
    output.result(&Told { run: &run, times: &times }, &lines(&run, &times, args.out.as_deref()))?;
    failed(&run)
}

/// The deviations in force for a release today, as a role of the city signed them.
fn deviations(args: &Args, trust: Option<&TrustRoot>, release: Digest) -> Result<Vec<Deviation>, Failure> {
    let (Some(path), Some(trust)) = (&args.deviations, trust) else { return Ok(Vec::new()) };
    let signed = open_file::<Deviations>(&files::read("deviations", path, 1 << 20)?, trust, Authority::TestResult)?;
    let today = gate::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    signed.file().in_force(release, today).map_err(|error| {
        Failure::refused(error.to_string(), Krav("MAL-05"), Blame::Policy).mend("sign a list without it")
    })
}

fn read_run(path: &Path) -> Result<Run, Failure> {
    Run::from_json(&files::read("result", path, 64 << 20)?).map_err(|error| {
        Failure::refused(error.to_string(), Krav("GOV-05"), Blame::Operator).mend("run the whole suite")
    })
}

fn since_lines(touched: &Touched) -> String {
    let list = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    format!(
        "  krav new or changed  {}\n  krav gone            {}\n  tests run again      {}",
        list(&touched.changed),
        list(&touched.gone),
        if touched.tests.is_empty() { "none".to_owned() } else { touched.tests.join(", ") },
    )
}

fn host(args: &Args, output: &Output) -> Result<(), Failure> {
    let settings = args.wall.settings(&args.engine)?;
    let backend = args.engine.open()?;
    let mut told = |one: &Stopped| {
        let mark = if one.holds { "holds" } else { "DOES NOT HOLD" };
        output.say(&format!(
            "  {mark}  {:<22} {} (here {}, walled {})",
            one.guest, one.expected, one.in_process, one.walled
        ));
    };
    let run = vaern_conformance::host(this_host()?, &settings, backend.as_ref(), MODEL, &mut told)?;
    if let Some(out) = &args.out {
        let bytes = serde_json::to_vec_pretty(&run).map_err(|e| Failure::internal(e.to_string()))?;
        vaern_node::sinks::write_file(&files::make_dir("result", out)?, "host.json", &bytes)?;
    }
    let open: Vec<&str> = run.guests.iter().filter(|one| !one.holds).map(|one| one.guest.as_str()).collect();
    let missing: Vec<&str> = run.missing.iter().map(String::as_str).collect();
    let lines = format!(
        "vaern {}\n  host     {}\n  guests   {} of {} end as they must, in the process and behind the wall\n  wall     {} parts in force, missing: {}\n",
        run.host.version,
        run.host.digest,
        run.guests.len() - open.len(),
        run.guests.len(),
        run.in_force.len(),
        if missing.is_empty() { "none".to_owned() } else { missing.join(", ") },
    );
    output.result(&run, &lines)?;
    if run.holds {
        return Ok(());
    }
    let (what, blame) = if open.is_empty() {
        (format!("this machine lacks parts of the wall: {}", missing.join(", ")), Blame::Operator)
    } else {
        (format!("this host does not stop: {}", open.join(", ")), Blame::Host)
    };
    Err(Failure::refused(what, Krav("CYB-01"), blame).mend("no release may run on this host before it holds"))
}

/// This program, as the host that an approval may name.
pub(crate) fn this_host() -> Result<HostBuild, Failure> {
    let path = std::env::current_exe().map_err(|e| Failure::internal(e.to_string()))?;
    let digest = Digest::of(&files::read("program", &path, 1 << 30)?);
    Ok(HostBuild { version: env!("CARGO_PKG_VERSION").to_owned(), digest })
}

/// What a person sees while it runs: a bar for the part that is at work, where there is somebody to see it.
struct Watch(Option<ProgressBar>);

impl Watch {
    fn new(output: &Output) -> Self {
        if output.json || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg:14} {bar:40} {pos}/{len}  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(Some(bar))
    }

    fn at(&self, part: &str, done: usize, of: usize) {
        if let Some(bar) = &self.0 {
            bar.set_message(part.to_owned());
            bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        }
    }

    fn say(&self, output: &Output, line: &str) {
        match &self.0 {
            Some(bar) => bar.suspend(|| output.say(line)),
            None => output.say(line),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn write(dir: &Dir, run: &Run, times: &Times, catalogue: &Catalogue) -> Result<(), Failure> {
    let fault = |e: &dyn std::fmt::Display| Failure::internal(e.to_string());
    let put = |name: &str, bytes: &[u8]| vaern_node::sinks::write_file(dir, name, bytes);
    put("run.json", &run.to_json().map_err(|e| fault(&e))?)?;
    put("times.json", &serde_json::to_vec_pretty(times).map_err(|e| fault(&e))?)?;
    put("junit.xml", &vaern_conformance::junit(run).map_err(|e| fault(&e))?)?;
    let at = gate::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let oscal = vaern_conformance::assessment_results(run, &at);
    put("assessment-results.json", &serde_json::to_vec_pretty(&oscal).map_err(|e| fault(&e))?)?;
    for language in [Language::Da, Language::En] {
        put(language.file(), vaern_conformance::html(run, catalogue, language).as_bytes())?;
    }
    Ok(())
}

/// Signs a result in a release, and files it there.
type Signs = fn(&Dir, &TrustRoot, &vaern_trust::TestResult, &SigningKeyPair) -> Result<Digest, ReleaseError>;

/// Files the run's statement in the release. The city signs one that failed too: a failure is evidence as well.
fn sign(dir: &Dir, trust: &TrustRoot, run: &Run, key: &PathBuf, signs: Signs) -> Result<(), Failure> {
    let Some(said) = vaern_conformance::test_result(run) else {
        return Err(Failure::usage("a run of some tests only is not signed"));
    };
    let pairs = signers(std::slice::from_ref(key))?;
    let Some((_, pair)) = pairs.first() else { return Err(Failure::usage("no key was given")) };
    signs(dir, trust, &said, pair)?;
    Ok(())
}

fn line(test: &Test, outcome: &Outcome) -> String {
    let mut text = format!("  {:<14} {}  {}", outcome.verdict.as_str(), test.id, test.en);
    if let Some(why) = outcome.why.as_ref().filter(|_| outcome.verdict != Verdict::Pass) {
        let _ = write!(text, "\n                 {}", why.en);
    }
    text
}

fn lines(run: &Run, times: &Times, out: Option<&Path>) -> String {
    let count = |verdict: Verdict| run.outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let mut text = format!("{} of {}\n  release  {}\n", run.release.name, run.release.vendor, run.release.digest);
    let _ = writeln!(
        text,
        "  tests    {} passed, {} failed, {} unproven, {} not applicable, {} for a person to examine",
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::Unproven),
        count(Verdict::NotApplicable),
        count(Verdict::Examine),
    );
    for (test, outcome) in run.with_tests().filter(|(_, outcome)| outcome.verdict == Verdict::Fail) {
        let why = outcome.why.as_ref().map_or("", |why| why.en.as_str());
        let krav: Vec<&str> = test.krav.iter().map(|krav| krav.0).collect();
        let _ = writeln!(text, "\n  {}  {}\n    krav   {}\n    turn   {}", test.id, why, krav.join(", "), test.blame);
        let _ = writeln!(text, "    mend   {}\n    again  {}", test.mend, run.replay(test.id));
    }
    for one in &run.deviations {
        let _ = writeln!(text, "\n  deviation  {} until {} by {}: {}", one.test, one.expires, one.owner, one.reason);
    }
    for one in needless(&run.outcomes, &run.deviations) {
        let _ = writeln!(text, "\n  {} passed: the deviation is no longer needed, and must be taken away", one.test);
    }
    if let Some(ending) = run.ending {
        let _ = writeln!(text, "\n  {} ({}, seed {})", ending.as_str(), run.profile, run.seed);
    }
    let _ = writeln!(text, "  took {} s", Seconds(times.all_ms));
    if let Some(out) = out {
        let _ = writeln!(text, "  in {}", out.display());
    }
    text
}

/// Milliseconds, told in seconds.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 1000, self.0 % 1000 / 100)
    }
}

fn failed(run: &Run) -> Result<(), Failure> {
    let failing: Vec<&'static Test> =
        run.with_tests().filter(|(_, outcome)| outcome.verdict.fails()).map(|(test, _)| test).collect();
    let whole = run.ending.unwrap_or_else(|| vaern_conformance::ending(&run.outcomes, &run.deviations));
    if whole == Ending::Failed
        && let Some(one) = needless(&run.outcomes, &run.deviations).first()
    {
        let what = format!("deviation no longer needed: {} passed", one.test);
        return Err(Failure::refused(what, Krav("MAL-05"), Blame::Policy).mend("sign a list of deviations without it"));
    }
    let (Ending::Failed, Some(first)) = (whole, failing.first()) else { return Ok(()) };
    let krav = first.krav.first().copied().unwrap_or(Krav("LEV-01"));
    Err(Failure::refused(format!("{} test(s) of the suite did not pass", failing.len()), krav, Blame::Vendor)
        .mend("the result names each with its mend and the command that gives it again"))
}

impl From<SuiteError> for Failure {
    fn from(error: SuiteError) -> Self {
        match error {
            SuiteError::Bounds(_) => Self::internal(error.to_string()),
            SuiteError::NoCatalogue => Self::refused(error.to_string(), Krav("GOV-05"), Blame::Policy),
            SuiteError::UnknownTest(_) => Self::usage(error.to_string()).mend("`vaern conform` tells the ids"),
            SuiteError::NoSealedCorpus => Self::usage(error.to_string()).mend(
                "--profile authority goes with --sealed, --corpus-key, --commitment, --seed-file, --attempts and --key",
            ),
            SuiteError::Journal(JournalError::Io(_)) => {
                Self::refused(error.to_string(), Krav("GOV-05"), Blame::Operator)
                    .mend("make room, or name another --out")
            }
            SuiteError::Journal(_) => {
                Self::usage(error.to_string()).mend("leave out --resume, or ask for what was asked then")
            }
        }
    }
}

impl From<SinceError> for Failure {
    fn from(error: SinceError) -> Self {
        Self::refused(error.to_string(), Krav("MAL-05"), Blame::Operator).mend("leave out --since")
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Wall(_) => Self::refused(error.to_string(), Krav("CYB-01"), Blame::Operator)
                .mend("run it where the kernel gives Landlock and seccomp; --weaker-wall tells what is missing"),
            _ => Self::internal(error.to_string()),
        }
    }
}
