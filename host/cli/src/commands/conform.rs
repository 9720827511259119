//! `vaern conform REL`: the conformance suite on a release, with the city's own rules, and the result as a file.
//! `vaern conform --host`: the hostile plugins against this program on this machine.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use vaern_conformance::{
    Candidate, Ending, HostBuild, HostError, JOURNAL, JournalError, Language, Outcome, Profile, Resume, Run, Settings,
    Stopped, SuiteError, Test, Times, Verdict,
};
use vaern_door::{Blame, Digest, Krav};
use vaern_policy::Catalogue;
use vaern_trust::TrustRoot;

use crate::commands::approve::signers;
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
    /// How thorough: `dev` in seconds while a plugin is being written, `vendor` in minutes: what is submitted.
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
    #[arg(long, value_name = "FILE", requires = "trust", conflicts_with = "only")]
    key: Option<PathBuf>,
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
    let dir = files::open_dir("release", release)?;
    let trust = args.trust.as_deref().map(trust_root).transpose()?;
    let set = gate::policy_set(policies, &args.purpose)?;
    let candidate = Candidate::open(&dir, trust.as_ref())?;
    let backend = args.engine.open()?;
    let host = this_host()?;
    let result = args.out.as_deref().map(|out| files::make_dir("result", out)).transpose()?;
    let watch = Watch::new(output);
    let progress = |part: &str, done: usize, of: usize| watch.at(part, done, of);
    let settings = Settings {
        profile: args.profile,
        seed: args.seed,
        only: args.only.clone(),
        workers: workers(),
        host,
        backend: backend.as_ref(),
        // Some tests again are seconds, and must not take the place of a run that was stopped.
        resume: result.as_ref().filter(|_| args.only.is_empty()).map(|dir| Resume { dir, go_on: args.resume }),
        progress: &progress,
    };
    let mut told = |test: &Test, outcome: &Outcome| watch.say(output, &line(test, outcome));
    let (run, times) = vaern_conformance::run(&candidate, &set, settings, &mut told)?;
    drop(watch);
    if let Some(dir) = &result {
        write(dir, &run, &times, set.city().catalogue())?;
        if args.only.is_empty() {
            // The result is whole: there is nothing to go on with.
            dir.remove_file(JOURNAL).map_err(|e| Failure::file("progress", Path::new(JOURNAL), &e))?;
        }
    }
    if let (Some(key), Some(trust)) = (&args.key, &trust) {
        sign(&dir, trust, &run, key)?;
    }
    output.result(&Told { run: &run, times: &times }, &lines(&run, &times, args.out.as_deref()))?;
    failed(&run)
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

/// Files the run's statement in the release. One that failed is signed too: a failure is evidence as well.
fn sign(dir: &Dir, trust: &TrustRoot, run: &Run, key: &PathBuf) -> Result<(), Failure> {
    let Some(said) = vaern_conformance::test_result(run) else {
        return Err(Failure::usage("a run of some tests only is not signed"));
    };
    let pairs = signers(std::slice::from_ref(key))?;
    let Some((_, pair)) = pairs.first() else { return Err(Failure::usage("no key was given")) };
    vaern_trust::sign_test_result(dir, trust, &said, pair)?;
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
    let whole = run.ending.unwrap_or_else(|| vaern_conformance::ending(&run.outcomes));
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

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Wall(_) => Self::refused(error.to_string(), Krav("CYB-01"), Blame::Operator)
                .mend("run it where the kernel gives Landlock and seccomp; --weaker-wall tells what is missing"),
            _ => Self::internal(error.to_string()),
        }
    }
}
