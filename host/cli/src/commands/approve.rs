//! `vaern approve REL`: the city's decision, shown before it is signed.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use serde::Serialize;
use vaern_door::{Blame, Krav};
use vaern_door::{Digest, Name};
use vaern_trust::{ApprovalDraft, Dpia, KeyOwner, Release, SigningKeyPair, TrustRoot, Verified};

use crate::commands::gate::{Purpose, now, policy_set, trust_root};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release directory.
    release: PathBuf,
    /// The trust root: who may sign in which role.
    #[arg(long)]
    trust: PathBuf,
    /// The approval in TOML: purpose, legal basis, the file of the DPIA record, who answers, the DPO's advice and the reply,
    /// expiry.
    #[arg(long)]
    draft: PathBuf,
    /// Secret key files of those who sign, each in its role.
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    /// What `vaern corpus gate` found, signed: the approval names it, and does not rest on a gate below its floors.
    #[arg(long, value_name = "FILE")]
    gate_result: Option<PathBuf>,
    /// The city's policy directory: what its profile asks of an approval is held against this one before anybody signs.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Sign what is shown. Without this the statement is shown; on a terminal you are asked, else nothing is written.
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Decision {
    release: Digest,
    signed: bool,
    roles: Vec<Name>,
    statement: serde_json::Value,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("release", &args.release)?;
    let trust = trust_root(&args.trust)?;
    let (draft, dpia) = draft(&args.draft)?;
    let release = vaern_trust::Release::open(&dir)?.verify(&trust)?;
    let tests = vendors_tests(&release, &trust, &draft)? + &under_deviations(&release, &trust, &draft)?;
    #[cfg(feature = "compiler")]
    let draft = match &args.gate_result {
        Some(path) => ApprovalDraft { gate: Some(gate_holds(path, &trust)?), ..draft },
        None => draft,
    };
    if let Some(path) = &args.policies {
        let purpose = Purpose { purpose: Some(draft.purpose.clone()) };
        let set = policy_set(path, &purpose)?;
        set.gate_tested(draft.gate.as_ref().map(|named| named.gate))?;
        set.release_tested(draft.host_line.is_some(), release.vendors_result(&draft.catalogue)?.is_some())?;
    }
    let signers = signers(&args.keys)?;
    let signing: Vec<(&Name, &SigningKeyPair)> = signers.iter().map(|(owner, pair)| (&owner.role, pair)).collect();
    let roles: Vec<&Name> = signing.iter().map(|(role, _)| *role).collect();
    let statement = vaern_trust::preview_approval(&dir, &trust, &draft, &dpia, &roles)?;
    let digest = release.digest();
    let signs = args.yes || confirmed(&dir, (&draft, &dpia), &roles, &statement, digest, output)?;
    let release = if signs { vaern_trust::approve(&dir, &trust, &draft, &dpia, &signing, now())? } else { digest };
    let lines = if signs && !args.yes {
        format!("Approved and signed: {release}")
    } else if signs {
        format!("{}{tests}\n{statement}\n\nApproved and signed: {release}", rests_on(&dpia))
    } else {
        format!(
            "{}{tests}\n{statement}\n\nNothing was signed. Run the same command with --yes to sign exactly this.",
            rests_on(&dpia)
        )
    };
    let statement = serde_json::from_str(&statement).map_err(|e| Failure::internal(e.to_string()))?;
    let roles = roles.into_iter().cloned().collect();
    output.result(&Decision { release, signed: signs, roles, statement }, &lines)
}

/// What the vendor itself signed of its tests, and where the city's own run says otherwise (LEV-01).
fn vendors_tests(release: &Release<Verified>, trust: &TrustRoot, draft: &ApprovalDraft) -> Result<String, Failure> {
    let Some(theirs) = release.vendors_result(&draft.catalogue)? else {
        return Ok("the vendor signed no result of its own tests\n".to_owned());
    };
    let mut lines = format!("the vendor signed its own run: {} tests passed\n", theirs.passed_tests.len());
    let Some(ours) = release.borne_by(trust, &draft.catalogue)? else {
        return Ok(lines + "the city signed none: nothing is there to compare it with\n");
    };
    let otherwise = |test: &&String| !ours.passed_tests.contains(*test);
    let lacking: Vec<&str> = theirs.passed_tests.iter().filter(otherwise).map(String::as_str).collect();
    lines += &match lacking.is_empty() {
        true => "the city's run passed each of them, too\n".to_owned(),
        false => format!("the city's run did not pass, or did not ask: {}\n", lacking.join(", ")),
    };
    Ok(lines)
}

/// The deviations that the release's result lets pass, one a line. An approval does not outlast any of them.
fn under_deviations(release: &Release<Verified>, trust: &TrustRoot, draft: &ApprovalDraft) -> Result<String, Failure> {
    let Some(result) = release.borne_by(trust, &draft.catalogue)? else { return Ok(String::new()) };
    let named =
        result.configuration.iter().filter_map(|part| part.name.strip_prefix("deviation-")?.split_once("-until-"));
    let all: Vec<(&str, &str)> = named.collect();
    for (test, until) in &all {
        let last: jiff::civil::Date = until.parse().map_err(|_| Failure::internal("a deviation without an end"))?;
        let ends = draft.expires.map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
        if ends.is_none_or(|ends| ends > last) {
            let what = format!("the approval lasts longer than the deviation from {test}, which ends on {until}");
            return Err(Failure::refused(what, Krav("GOV-04"), Blame::Policy).mend("let the approval expire no later"));
        }
    }
    let lines: String = all.iter().map(|(test, until)| format!("  {test} until {until}\n")).collect();
    Ok(if all.is_empty() { lines } else { format!("{} deviation(s) are let pass:\n{lines}", all.len()) })
}

/// A gate that does not reach its floors bears no approval (MIN-01).
#[cfg(feature = "compiler")]
fn gate_holds(path: &Path, trust: &vaern_trust::TrustRoot) -> Result<vaern_trust::GateNamed, Failure> {
    use vaern_trust::{Authority, open_file};
    let bytes = files::read("gate result", path, 1 << 20)?;
    let signed = open_file::<vaern_conformance::GateResult>(&bytes, trust, Authority::TestResult)?;
    if signed.file().holds {
        return Ok(vaern_trust::GateNamed { result: signed.digest(), gate: signed.file().gate });
    }
    Err(Failure::refused("the gate does not reach its floors on the corpus of people", Krav("MIN-01"), Blame::Policy)
        .mend("`vaern corpus gate` says where; mend the masking policy or its models"))
}

/// Reads the draft, and the DPIA record that it names: a file beside it. Without the record itself nothing is approved.
pub(crate) fn draft(path: &Path) -> Result<(ApprovalDraft, Dpia), Failure> {
    let text = files::read("approval draft", path, 1 << 20)?;
    let text = String::from_utf8(text).map_err(|_| Failure::usage("the approval draft is not UTF-8"))?;
    let invalid = |e: toml::de::Error| Failure::usage(format!("the approval draft is not valid: {e}"));
    let mut table: toml::Table = toml::from_str(&text).map_err(invalid)?;
    let Some(toml::Value::String(record)) = table.remove("dpia") else {
        let what = "the approval draft names no file of a DPIA record";
        return Err(Failure::refused(what, Krav("GOV-01"), Blame::Policy)
            .mend("write `dpia = \"dpia.toml\"`, and in that file date, residual_risk, description, necessity, risks and measures"));
    };
    if table.contains_key("gate") {
        let what = "the test of the gate is named by its signed result, not by the draft";
        return Err(Failure::refused(what, Krav("MIN-01"), Blame::Policy).mend("give the file with --gate-result"));
    }
    let draft = table.try_into().map_err(invalid)?;
    let record = path.parent().unwrap_or_else(|| Path::new("")).join(record);
    Ok((draft, Dpia::read(&files::read("DPIA record", &record, 1 << 20)?)?))
}

/// The record that an approval rests on, part by part, as far as fits on a page.
fn rests_on(dpia: &Dpia) -> String {
    let record = dpia.record();
    let mut text =
        format!("It rests on the DPIA record of {}, residual risk {}:\n", record.date, record.residual_risk.as_str());
    for (part, said) in dpia.parts() {
        let words: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = words.chars().take(240).filter(|c| !c.is_control()).collect();
        let more = if words.chars().count() > 240 { " …" } else { "" };
        text += &format!("  {:<12} {short}{more}\n", part.to_string());
    }
    text
}

/// On a terminal: shows what is about to be signed, and asks. A person confirms by the release's own digits, which no
/// habit types.
fn confirmed(
    dir: &Dir,
    (draft, dpia): (&ApprovalDraft, &Dpia),
    roles: &[&Name],
    statement: &str,
    digest: Digest,
    output: &Output,
) -> Result<bool, Failure> {
    if output.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    let (_, contents) = vaern_trust::inspect(dir)?;
    let manifest = &contents.manifest;
    let labels = manifest.labels.iter().map(vaern_door::Label::as_str).collect::<Vec<_>>().join(", ");
    let sees = if manifest.capabilities.contains(&vaern_door::Interface::Pixels) {
        "reads the masked pixels"
    } else {
        "pixel-blind"
    };
    output.say(&format!(
        "{} {} (counter {}) by {}\n  finds    {labels}\n  sees     {sees}\n  purpose  {}, on {}\n  until    {}\n  roles    {}\n\n{}\nThe statement that is signed:\n\n{statement}\n",
        manifest.name,
        manifest.version,
        manifest.counter,
        manifest.vendor,
        draft.purpose,
        draft.legal_basis.as_deref().unwrap_or("no legal basis"),
        draft.expires.map_or("no end".to_owned(), |end| end.to_string()),
        roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", "),
        rests_on(dpia),
    ));
    let wanted: String = digest.hex().chars().take(8).collect();
    output.say(&format!(
        "To sign exactly this, type the first 8 digits of the release, {wanted}. Anything else signs nothing."
    ));
    let mut answer = String::new();
    std::io::stdin().lock().take(64).read_line(&mut answer).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(answer.trim() == wanted)
}

/// Reads secret keys with their owners.
pub(crate) fn signers(paths: &[PathBuf]) -> Result<Vec<(KeyOwner, SigningKeyPair)>, Failure> {
    let read = |path: &PathBuf| {
        let (dir, name) = files::split("secret key", path)?;
        Ok(vaern_trust::read_secret(&dir, &name)?)
    };
    paths.iter().map(read).collect()
}
