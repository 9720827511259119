//! `vaern recheck`: what shows that the rules were kept, checked again from what lies on disk, offline (GOV-05).
//!
//! Nothing is believed but the trust root and the log's key, which whoever asks brings along. Each thing has a line of its own: it holds,
//! it is refused, or it is not there. What is not there was not shown, and never counts as holding.

mod book;
mod release;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vaern_conformance::Run;
use vaern_door::{Blame, Digest, Krav};
use vaern_policy::PolicySet;
use vaern_trust::{Offered, TrustRoot, UpdateError};

use self::book::Logged;
use self::release::Rechecked;
use crate::commands::gate::{self, Purpose, Standing, now, trust_root};
use crate::commands::source::{Source, TufRoot};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The trust root, from somebody whom you believe.
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// The city's policy directory, signed.
    #[arg(long, value_name = "DIR")]
    policies: PathBuf,
    /// A release directory; may be given several times.
    #[arg(long = "release", value_name = "DIR")]
    releases: Vec<PathBuf>,
    /// Folder that `vaern conform` wrote of a release's signed run; one for each release.
    #[arg(long = "conformance", value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// A paper that an approval names: the DPIA record, the officer's advice, the test of the gate. May be given several times.
    #[arg(long = "paper", value_name = "FILE")]
    papers: Vec<PathBuf>,
    /// The city's channel: what is listed, and what was revoked.
    #[arg(long, value_name = "DIR")]
    channel: Option<PathBuf>,
    #[command(flatten)]
    tuf: TufRoot,
    /// Directory of the node's log.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Key of the log, from the city and not from the log: the key itself (`name+id+…`) or a file that holds it.
    #[arg(long)]
    key: Option<String>,
    /// The newest checkpoint that you saw, as `vaern audit verify --floor` keeps it. It is read, not brought up to date.
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
    /// Folder that `vaern run` or a service wrote of one run; may be given several times.
    #[arg(long = "result", value_name = "DIR")]
    results: Vec<PathBuf>,
    #[command(flatten)]
    purpose: Purpose,
}

/// How it is with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It was checked and holds.
    Holds,
    /// It is there and does not hold.
    Refused,
    /// It is not there, or what it rests on does not hold: nothing was shown.
    NotThere,
}

/// One line.
#[derive(Serialize)]
struct Finding {
    what: String,
    krav: Krav,
    state: State,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// Why a thing does not hold.
enum Doubt {
    NotThere(String),
    Refused(Failure),
}

impl<E: Into<Failure>> From<E> for Doubt {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl Doubt {
    fn refused(what: impl Into<String>, krav: &'static str) -> Self {
        Self::Refused(Failure::refused(what, Krav(krav), Blame::Operator))
    }
}

/// What a check came to: what later ones rest on, and what to say of it.
type Checked<T> = Result<(T, String), Doubt>;

#[derive(Default, Serialize)]
struct Findings {
    holds: bool,
    checked: Vec<Finding>,
}

impl Findings {
    fn enter<T>(&mut self, what: impl Into<String>, krav: &'static str, came_to: Checked<T>) -> Option<T> {
        let what = what.into();
        let (given, finding) = match came_to {
            Ok((given, says)) => {
                (Some(given), Finding { what, krav: Krav(krav), state: State::Holds, says, mend: None })
            }
            Err(Doubt::NotThere(says)) => {
                (None, Finding { what, krav: Krav(krav), state: State::NotThere, says, mend: None })
            }
            Err(Doubt::Refused(failure)) => {
                let Failure { what: says, krav: named, mend, .. } = failure;
                (None, Finding { what, krav: named.unwrap_or(Krav(krav)), state: State::Refused, says, mend })
            }
        };
        self.checked.push(finding);
        given
    }
}

/// What the parts rest on, as far as it holds.
struct Basis<'a> {
    args: &'a Args,
    trust: Option<&'a TrustRoot>,
    set: Option<&'a PolicySet>,
    channel: Option<&'a Offered>,
    logged: Option<&'a Logged>,
    runs: &'a [Run],
}

/// Something earlier, which must hold first.
fn needs<'a, T: ?Sized>(earlier: Option<&'a T>, name: &str) -> Result<&'a T, Doubt> {
    earlier.ok_or_else(|| Doubt::NotThere(format!("nothing was shown: it rests on the {name}")))
}

/// A file or folder that was named and is there.
fn there<'a>(path: Option<&'a Path>, option: &str) -> Result<&'a Path, Doubt> {
    let path = path.ok_or_else(|| Doubt::NotThere(format!("nothing was named with {option}")))?;
    if path.exists() { Ok(path) } else { Err(Doubt::NotThere(format!("there is no `{}`", path.display()))) }
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let mut findings = Findings::default();
    check(args, &mut findings);
    let doubts: Vec<&Finding> = findings.checked.iter().filter(|one| one.state != State::Holds).collect();
    let failure = doubts.first().map(|first| {
        let what = format!("{} of {} things were not shown to hold", doubts.len(), findings.checked.len());
        Failure::refused(what, first.krav, Blame::Operator).mend("the lines name each, and what it lacks")
    });
    findings.holds = failure.is_none();
    output.result(&findings, &lines(&findings))?;
    failure.map_or(Ok(()), Err)
}

fn check(args: &Args, findings: &mut Findings) {
    let trust = findings.enter("trust root", "SKJ-04", trusted(args));
    let set = findings.enter("policy set", "SKJ-03", policies(args, trust.as_ref()));
    let logged = book::check(args, findings);
    let newest = logged.as_ref().and_then(Logged::newest);
    let channel = findings.enter("channel", "GOV-03", channel(args, trust.as_ref(), newest));
    let mut runs = Vec::new();
    for path in &args.runs {
        runs.extend(findings.enter(format!("run of the suite in {}", path.display()), "GOV-05", suite(path)));
    }
    let basis = Basis {
        args,
        trust: trust.as_ref(),
        set: set.as_ref(),
        channel: channel.as_ref(),
        logged: logged.as_ref(),
        runs: &runs,
    };
    if args.releases.is_empty() {
        findings.enter::<()>("release", "LEV-04", Err(Doubt::NotThere("nothing was named with --release".to_owned())));
    }
    let releases: Vec<Rechecked> =
        args.releases.iter().filter_map(|path| release::check(path, &basis, findings)).collect();
    book::results(&basis, &releases, findings);
}

fn trusted(args: &Args) -> Checked<TrustRoot> {
    let path = there(Some(&args.trust), "--trust")?;
    Ok((trust_root(path)?, "as you gave it: whose keys count is what you believe".to_owned()))
}

fn policies(args: &Args, trust: Option<&TrustRoot>) -> Checked<PolicySet> {
    let (trust, path) = (needs(trust, "trust root")?, there(Some(&args.policies), "--policies")?);
    // An evaluation may run under a folder that nobody signed; nothing can be shown of one.
    let standing = Standing { unsigned_policies: false, policy_floor: 0 };
    let (set, mark) = gate::policy_set_in_force(path, &args.purpose, || Ok(trust.clone()), &standing)?;
    let number = mark.map_or(0, |mark| mark.version);
    let says = format!("number {number}, catalogue {}, {}", set.purpose.catalogue, set.digest());
    Ok((set, says))
}

/// The channel's files belong together, and say something of the time of the newest run.
fn channel(args: &Args, trust: Option<&TrustRoot>, newest: Option<jiff::Timestamp>) -> Checked<Offered> {
    let (trust, path) = (needs(trust, "trust root")?, there(args.channel.as_deref(), "--channel")?);
    let at = newest.unwrap_or_else(now);
    let offered = Source::open(path, None, args.tuf.tuf_root.as_deref())?.offered(trust, at)?;
    let file = offered.channel.file();
    let have = offered.revocations.as_ref().map_or(0, |list| list.file().sequence);
    if have < file.revocations {
        return Err(UpdateError::MixAndMatch { have, need: file.revocations }.into());
    }
    if at >= file.expires {
        return Err(UpdateError::Expired(file.expires).into());
    }
    let revoked = offered.revocations.as_ref().map_or(0, |list| list.file().revoked.len());
    let says = format!("issue {} of {}: {} listed, {revoked} revoked", file.sequence, file.issued, file.releases.len());
    Ok((offered, says))
}

/// A run of the suite, byte for byte as the suite writes it.
fn suite(path: &Path) -> Checked<Run> {
    let file = path.join("run.json");
    let bytes = files::read("result", there(Some(&file), "--conformance")?, 64 << 20)?;
    let run = Run::from_json(&bytes).map_err(|error| Doubt::refused(error.to_string(), "GOV-05"))?;
    let says = format!("{} under {}, {}", run.release.name, run.profile, Digest::of(&bytes));
    Ok((run, says))
}

fn lines(findings: &Findings) -> String {
    let mut text = String::new();
    for one in &findings.checked {
        let state = match one.state {
            State::Holds => "ok",
            State::Refused => "REFUSED",
            State::NotThere => "NOT THERE",
        };
        let _ = writeln!(text, "{state:<9}  {:<6}  {}: {}", one.krav, one.what, one.says);
        if let Some(mend) = &one.mend {
            let _ = writeln!(text, "                    {mend}");
        }
    }
    text += if findings.holds {
        "all of it holds: what is on this disk belongs together and is as it was signed\n"
    } else {
        "not all of it was shown to hold\n"
    };
    text
}
