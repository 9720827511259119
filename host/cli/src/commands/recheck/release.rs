//! One release: the vendor's word, the city's, the papers that it rests on, the test of it, the host, and that nobody revoked it.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_conformance::{GateResult, Run, catalogue_digest, test_result};
use vaern_door::{Digest, Name};
use vaern_node::admission;
use vaern_trust::{Approval, Approved, Authority, Dpia, Offered, Release, Verified, is_listed, open_file};

use super::{Basis, Checked, Doubt, Findings, needs, there};
use crate::commands::conform::this_host;
use crate::commands::gate::now;
use crate::files;

/// A release whose package, signature and approval hold.
pub(super) struct Rechecked {
    dir: Dir,
    pub(super) digest: Digest,
}

impl Rechecked {
    /// The approval in force at a time, by the digest of its statement: nothing is believed from the first look.
    pub(super) fn approval_at(&self, at: Timestamp, on: &Basis<'_>) -> Result<Digest, Doubt> {
        let (trust, set) = (needs(on.trust, "trust root")?, needs(on.set, "policy set")?);
        Ok(admission::admit(&self.dir, trust, set, at)?.approval_digest())
    }
}

pub(super) fn check(path: &Path, on: &Basis<'_>, findings: &mut Findings) -> Option<Rechecked> {
    let named = |part: &str| format!("{part} of {}", path.display());
    let verified = findings.enter(named("package and vendor's signature"), "SKJ-03", vendors(path, on));
    let (dir, verified) = verified.unzip();
    let approved = findings.enter(named("approval"), "GOV-01", approved(dir.as_ref(), verified.as_ref(), on));
    let approval = approved.as_ref().map(Release::approval);
    findings.enter(named("DPIA record"), "GOV-01", assessment(approval, on));
    findings.enter(named("officer's advice"), "GOV-06", advice(approval, on));
    if approval.is_some_and(|approval| approval.gate.is_some()) {
        findings.enter(named("test of the gate"), "MIN-01", gate(approval, on));
    }
    if let Some(came_to) = vendors_own(verified.as_ref(), approval, on) {
        findings.enter(named("vendor's own test result"), "LEV-01", came_to);
    }
    let run = findings.enter(named("signed test result"), "LEV-04", tested(verified.as_ref(), approval, on));
    findings.enter(named("host"), "LEV-04", host(approved.as_ref(), run, on));
    findings.enter(named("revocation"), "GOV-03", revoked(verified.as_ref(), on));
    let digest = approved.map(|release| release.digest())?;
    Some(Rechecked { dir: dir?, digest })
}

fn vendors(path: &Path, on: &Basis<'_>) -> Checked<(Dir, Release<Verified>)> {
    let (trust, path) = (needs(on.trust, "trust root")?, there(Some(path), "--release")?);
    let dir = files::open_dir("release", path)?;
    let release = Release::open(&dir)?.verify(trust)?;
    let says = format!("{} of {}, {}", release.name(), release.manifest().vendor, release.digest());
    Ok(((dir, release), says))
}

/// Judged as of its newest run in the log: an approval that ran out since was in force then.
fn approved(dir: Option<&Dir>, verified: Option<&Release<Verified>>, on: &Basis<'_>) -> Checked<Release<Approved>> {
    let (dir, verified) = (needs(dir, "package")?, needs(verified, "package")?);
    let (trust, set) = (needs(on.trust, "trust root")?, needs(on.set, "policy set")?);
    let at = on.logged.and_then(|logged| logged.newest_of(verified.digest())).unwrap_or_else(now);
    let release = admission::admit(dir, trust, set, at)?;
    let approval = release.approval();
    let roles: Vec<&str> = approval.roles.iter().map(Name::as_str).collect();
    let says = format!("by {} from {} to {}", roles.join(", "), approval.not_before, approval.expires);
    Ok((release, says))
}

/// The paper with this digest among those that were given.
fn paper(named: Digest, on: &Basis<'_>) -> Result<(PathBuf, Vec<u8>), Doubt> {
    for path in &on.args.papers {
        let bytes = files::read("paper", there(Some(path), "--paper")?, 1 << 20)?;
        if Digest::of(&bytes) == named {
            return Ok((path.clone(), bytes));
        }
    }
    Err(Doubt::NotThere(format!("the approval names {named}; no --paper is that file")))
}

fn assessment(approval: Option<&Approval>, on: &Basis<'_>) -> Checked<()> {
    let approval = needs(approval, "approval")?;
    let (path, bytes) = paper(approval.dpia.digest, on)?;
    if *Dpia::read(&bytes)?.record() != approval.dpia {
        return Err(Doubt::refused("the record says another date or risk than the approval", "GOV-01"));
    }
    let risk = approval.dpia.residual_risk.as_str();
    Ok(((), format!("{} of {}, residual risk {risk}", path.display(), approval.dpia.date)))
}

fn advice(approval: Option<&Approval>, on: &Basis<'_>) -> Checked<()> {
    let approval = needs(approval, "approval")?;
    let (path, _) = paper(approval.dpo_advice.digest, on)?;
    Ok(((), format!("{} of {}", path.display(), approval.dpo_advice.date)))
}

/// The approval names the digest of what was signed, not of the file: each paper is opened.
fn gate(approval: Option<&Approval>, on: &Basis<'_>) -> Checked<()> {
    let trust = needs(on.trust, "trust root")?;
    let named = needs(approval.and_then(|approval| approval.gate.as_ref()), "approval")?;
    for path in &on.args.papers {
        let bytes = files::read("paper", there(Some(path), "--paper")?, 1 << 20)?;
        let Ok(signed) = open_file::<GateResult>(&bytes, trust, Authority::TestResult) else { continue };
        if signed.digest() != named.result {
            continue;
        }
        if !signed.file().holds || signed.file().gate != named.gate {
            return Err(Doubt::refused("the test is of another gate, or does not hold", "MIN-01"));
        }
        return Ok(((), format!("{} of {}", path.display(), signed.file().at)));
    }
    Err(Doubt::NotThere(format!("the approval names the result {}; no --paper is that file", named.result)))
}

/// What the vendor signed of its own tests, where it did, or where the city asks for it.
fn vendors_own(
    verified: Option<&Release<Verified>>,
    approval: Option<&Approval>,
    on: &Basis<'_>,
) -> Option<Checked<()>> {
    let asked = on.set.is_some_and(|set| set.profile.approval.vendor_result);
    match verified?.vendors_result(&approval?.catalogue) {
        Ok(Some(own)) => Some(Ok(((), format!("{} tests passed", own.passed_tests.len())))),
        Ok(None) => asked.then(|| Err(Doubt::NotThere("the vendor signed none".to_owned()))),
        Err(error) => Some(Err(error.into())),
    }
}

/// The run on disk says, test for test, what a role of the city signed in the release, under the rules and the catalogue that are here.
fn tested<'r>(verified: Option<&Release<Verified>>, approval: Option<&Approval>, on: &Basis<'r>) -> Checked<&'r Run> {
    let (verified, approval) = (needs(verified, "package")?, needs(approval, "approval")?);
    let (trust, set) = (needs(on.trust, "trust root")?, needs(on.set, "policy set")?);
    let signed = verified.bearing(trust, &approval.catalogue)?;
    if signed.is_empty() {
        return Err(Doubt::NotThere("the release carries no signed result of the suite".to_owned()));
    }
    let mut runs = on.runs.iter().filter(|run| run.release.digest == verified.digest()).peekable();
    if runs.peek().is_none() {
        return Err(Doubt::NotThere("no --conformance is a run of this release".to_owned()));
    }
    let said = runs.find(|run| test_result(run).is_some_and(|said| signed.contains(&said)));
    let run = said.ok_or_else(|| Doubt::refused("the run on disk is not the one whose result was signed", "GOV-05"))?;
    if run.basis.catalogue_digest != catalogue_digest(set) {
        return Err(Doubt::refused("the result was reached under other words of the catalogue", "MAL-05"));
    }
    if run.basis.policy != set.digest() {
        return Err(Doubt::refused("the result was reached under other rules", "STD-03"));
    }
    let ending = run.ending.map_or("of some tests only", vaern_conformance::Ending::as_str);
    let says = format!("{ending} under {}, catalogue {}, seed {}", run.profile, run.basis.catalogue, run.seed);
    Ok((run, says))
}

/// The program that ran the suite is one of the host line that the approval names; where it names none, this very program.
fn host(approved: Option<&Release<Approved>>, run: Option<&Run>, on: &Basis<'_>) -> Checked<()> {
    let (release, run) = (needs(approved, "approval")?, needs(run, "signed test result")?);
    let Some(wanted) = &release.approval().host_line else {
        let here = this_host()?.digest;
        if run.host.digest == here {
            return Ok(((), "tested on this very program; the approval names no host line".to_owned()));
        }
        let says =
            format!("tested on {}, this program is {here}, and the approval names no host line", run.host.digest);
        return Err(Doubt::NotThere(says));
    };
    let file = needs(on.channel, "channel")?.channel.file();
    let line = file.hosts.iter().find(|line| line.line == *wanted);
    let line = line.ok_or_else(|| Doubt::refused(format!("the channel has no host line `{wanted}`"), "LEV-04"))?;
    release.tested(needs(on.trust, "trust root")?, &line.tests, &line.builds)?;
    if !line.builds.contains(&run.host.digest) {
        return Err(Doubt::refused(format!("the run on disk is of no build of the host line `{wanted}`"), "LEV-04"));
    }
    Ok(((), format!("tested on the line `{wanted}`: {}", run.host.digest)))
}

fn revoked(verified: Option<&Release<Verified>>, on: &Basis<'_>) -> Checked<()> {
    let verified = needs(verified, "package")?;
    let Offered { channel, revocations, .. } = needs(on.channel, "channel")?;
    let mut stopped = revocations.iter().flat_map(|list| &list.file().revoked);
    if let Some(one) = stopped.find(|one| one.release == verified.digest()) {
        return Err(Doubt::refused(format!("it was revoked on {}", one.since), "GOV-03"));
    }
    if !is_listed(channel.file(), verified.digest(), verified.manifest()) {
        return Err(Doubt::refused("the channel does not list it", "GOV-03"));
    }
    Ok(((), format!("listed and not revoked as of {}", channel.file().issued)))
}
