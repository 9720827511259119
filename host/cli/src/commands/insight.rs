//! `vaern insight ID`: everything behind one proposal, for a citizen's request (RET-02): on one page, or as JSON.
//!
//! Nothing is taken on trust: the release and its approval are judged again as of the time of the run, and the run's leaves are
//! proved in the log. Where something is not there any more, or was never kept, the page says so.

mod merged;
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vaern_door::{Blame, Digest, Krav};
use vaern_node::{admission, facts};
use vaern_policy::PolicySet;
use vaern_record::evidence::{EvidenceError, RecordId};
use vaern_record::log::{Access, Event, Proof, Reader, Record, VerifierKey};
use vaern_trust::{Approved, Release};

use self::merged::Merged;
use crate::commands::book::{LINK, Link, LogArgs};
use crate::commands::evidence::Beside;
use crate::commands::gate::{self, Purpose};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of the proposal, as in `proposals.geojson`, or of one find, as in `detections.geojson`.
    id: String,
    /// Folder that `vaern proposals` wrote: what else was seen of the same object, and what was decided.
    #[arg(long, value_name = "DIR")]
    proposals: Option<PathBuf>,
    /// Folder that `vaern run` wrote.
    #[arg(long)]
    result: PathBuf,
    /// The release directory.
    #[arg(long)]
    release: PathBuf,
    /// The policy directory.
    #[arg(long)]
    policies: PathBuf,
    /// The trust root, if it is not POLICIES/trust.toml.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// Directory of the log, where the run kept one.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Key of the log, from somebody else than the log: the key itself.
    #[arg(long, requires = "log")]
    key: Option<String>,
    /// Secret key of the log, to enter that sealed evidence was looked at.
    #[arg(long, value_name = "FILE", requires = "log", requires = "store")]
    log_key: Option<PathBuf>,
    #[command(flatten)]
    beside: Beside,
    /// File for the page; without it a summary is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    purpose: Purpose,
}

/// The largest file of results that is read.
const MAX_RESULT: u64 = 256 << 20;

/// The largest picture that goes onto a page.
const MAX_PICTURE: u64 = 16 << 20;

/// Everything behind one proposal.
#[derive(Serialize)]
pub(crate) struct Insight {
    id: String,
    /// What was found, as the run wrote it.
    proposal: Value,
    /// What stands: `afventer` until a person decided.
    review: &'static str,
    /// The proposal that this find is of, where the proposals were looked into.
    merged: Option<Merged>,
    picture: Picture,
    release: Seen,
    approval: Answer,
    rules: Rules,
    log: Option<Logged>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
enum Picture {
    /// The masked picture is still there.
    Kept {
        file: String,
        #[serde(skip)]
        jpeg: Vec<u8>,
    },
    /// A crop of it is kept as evidence.
    Sealed {
        #[serde(skip)]
        png: Vec<u8>,
    },
    /// It was there, and is deleted.
    Deleted,
    /// None was kept.
    NeverKept,
}

#[derive(Serialize)]
struct Seen {
    name: String,
    version: String,
    vendor: String,
    digest: Digest,
    models: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    digest: Digest,
    roles: Vec<String>,
    signers: Vec<String>,
    unit: String,
    manager: String,
    not_before: String,
    expires: String,
    dpia: String,
    residual_risk: String,
    dpo_advice: String,
    dpo_reply: String,
}

#[derive(Serialize)]
struct Rules {
    purpose: String,
    dk: String,
    legal_basis: String,
    catalogue: String,
    policy: Digest,
    /// The rules that let the release see frames.
    rules: Vec<Told>,
    /// Requirements that the approval says are met, with their Danish text where the policy directory has it.
    krav: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Told {
    id: String,
    krav: String,
    dk: String,
}

#[derive(Serialize)]
struct Logged {
    log: String,
    key: String,
    key_pinned: bool,
    run: String,
    begun: Step,
    ended: Step,
}

#[derive(Serialize)]
struct Step {
    leaf: u64,
    record: Record,
    proof: String,
}

#[derive(Deserialize)]
struct Features {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    id: String,
    geometry: Option<Value>,
    properties: serde_json::Map<String, Value>,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let result = files::open_dir("result", &args.result)?;
    let (id, merged) = merged::find(args.proposals.as_deref(), &args.id, &result)?;
    let feature = find(&args.result, &id)?;
    let trust = gate::trust_root(&args.trust.clone().unwrap_or_else(|| args.policies.join("trust.toml")))?;
    // An evaluation may have run under a folder that nobody signed; an operation cannot have.
    let operating = gate::policy_set(&args.policies, &args.purpose)?.purpose.operating;
    let standing = gate::Standing { unsigned_policies: !operating, policy_floor: 0 };
    let (set, _) = gate::policy_set_in_force(&args.policies, &args.purpose, || Ok(trust.clone()), &standing)?;
    let (release_digest, policy) = (digest(&feature, "release")?, digest(&feature, "policy")?);
    same("policy set", policy, set.digest())?;
    let (log, then) = match &args.log {
        Some(log) => {
            let (logged, then) = logged(args, log, release_digest, policy)?;
            (Some(logged), then)
        }
        None => (None, started(&args.result)?),
    };
    // Judged as of the run: an approval that ran out since was in force then.
    let release = admission::admit(&files::open_dir("release", &args.release)?, &trust, &set, then)?;
    same("release", release_digest, release.digest())?;
    let picture = match picture(&result, &feature) {
        Picture::Kept { file, jpeg } => Picture::Kept { file, jpeg },
        gone => sealed(args, &set, &feature)?.unwrap_or(gone),
    };
    let insight = Insight {
        id: feature.id.clone(),
        review: merged.as_ref().map_or("afventer", |merged| merged.status),
        merged,
        picture,
        release: seen(&release),
        approval: answer(&release),
        rules: rules(&set, &release, then)?,
        log,
        proposal: serde_json::json!({ "geometry": feature.geometry, "properties": feature.properties }),
    };
    if let Some(file) = &args.out {
        let (folder, name) = files::split("page", file)?;
        vaern_node::sinks::write_file(&folder, &name, page::html(&insight).as_bytes())?;
    }
    output.result(&insight, &page::lines(&insight, args.out.as_deref()))
}

fn find(result: &Path, id: &str) -> Result<Feature, Failure> {
    let bytes = files::read("detections", &result.join(vaern_node::sinks::DETECTIONS), MAX_RESULT)?;
    let all: Features = serde_json::from_slice(&bytes)
        .map_err(|e| Failure::usage(format!("`detections.geojson` is not one that vaern wrote: {e}")))?;
    all.features.into_iter().find(|feature| feature.id == id).ok_or_else(|| {
        Failure::refused("there is no proposal of this id in this result", Krav("RET-02"), Blame::Operator)
            .mend("take the id from `detections.geojson`, and the folder of the run that wrote it")
    })
}

/// What the result names must be what lies there now: a page that mixes two of them would be false.
fn same(what: &str, named: Digest, found: Digest) -> Result<(), Failure> {
    if named == found {
        return Ok(());
    }
    let told = format!("the proposal names the {what} {named}, here lies {found}");
    Err(Failure::refused(told, Krav("RET-02"), Blame::Operator).mend("name the directories that the run was made with"))
}

fn text<'a>(feature: &'a Feature, field: &str) -> Option<&'a str> {
    feature.properties.get(field).and_then(Value::as_str)
}

fn digest(feature: &Feature, field: &str) -> Result<Digest, Failure> {
    let named = text(feature, field).and_then(|text| text.parse().ok());
    named.ok_or_else(|| Failure::usage(format!("the proposal does not name its {field}")))
}

fn picture(result: &Dir, feature: &Feature) -> Picture {
    use std::io::Read as _;
    let Some(file) = text(feature, "picture") else { return Picture::NeverKept };
    let mut jpeg = Vec::new();
    // The folder is a capability: a name that leads out of it opens nothing.
    let read = result.open(file).and_then(|opened| opened.take(MAX_PICTURE).read_to_end(&mut jpeg));
    if read.is_ok() { Picture::Kept { file: file.to_owned(), jpeg } } else { Picture::Deleted }
}

fn seen(release: &Release<Approved>) -> Seen {
    let manifest = release.manifest();
    Seen {
        name: manifest.name.to_string(),
        version: manifest.version.to_string(),
        vendor: manifest.vendor.to_string(),
        digest: release.digest(),
        models: release.models().map(|(name, bytes)| format!("{name} {}", Digest::of(bytes))).collect(),
    }
}

fn answer(release: &Release<Approved>) -> Answer {
    let approval = release.approval();
    Answer {
        digest: release.approval_digest(),
        roles: approval.roles.iter().map(ToString::to_string).collect(),
        signers: release.approvers().iter().map(|key| key.id().to_string()).collect(),
        unit: approval.responsible.unit.clone(),
        manager: approval.responsible.manager.clone(),
        not_before: approval.not_before.to_string(),
        expires: approval.expires.to_string(),
        dpia: format!("{}, {}", approval.dpia.date, approval.dpia.digest),
        residual_risk: approval.dpia.residual_risk.as_str().to_owned(),
        dpo_advice: format!("{}, {}", approval.dpo_advice.date, approval.dpo_advice.digest),
        dpo_reply: approval.dpo_advice.reply.clone(),
    }
}

/// A crop that is kept as evidence. The look is in the log before it is a picture.
fn sealed(args: &Args, set: &PolicySet, feature: &Feature) -> Result<Option<Picture>, Failure> {
    let (Some(log), Some(key)) = (&args.log, &args.log_key) else { return Ok(None) };
    let log = LogArgs::of(log.clone(), key.clone());
    let id: RecordId = feature.id.parse().map_err(|e: EvidenceError| Failure::usage(e.to_string()))?;
    args.beside
        .with(&log, |evidence, log, duty, now| {
            match evidence.show(&id, &set.purpose.name, (Access::Insight, duty, None), now, log) {
                Ok(kept) => Ok(Some(Picture::Sealed { png: kept.picture.to_vec() })),
                // It is not there, or not any more.
                Err(EvidenceError::Gone | EvidenceError::Expired) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .map(Option::flatten)
}

/// The rules that let the release see frames then, and the requirements that its approval says are met, in Danish.
fn rules(set: &PolicySet, release: &Release<Approved>, then: Timestamp) -> Result<Rules, Failure> {
    let decision = set.admit(release.manifest(), &facts::approved(release, then))?;
    let rules = decision.rules.iter();
    let rules = rules.map(|rule| Told { id: rule.id.clone(), krav: rule.krav.clone(), dk: rule.dk.clone() });
    let krav = release.approval().properties.iter().map(|id| {
        let entry = set.city().catalogue().get(id.as_str());
        (id.to_string(), entry.map(|entry| entry.dk.clone()).unwrap_or_default())
    });
    Ok(Rules {
        purpose: set.purpose.name.to_string(),
        dk: set.purpose.dk.clone(),
        legal_basis: set.purpose.legal_basis.clone(),
        catalogue: set.purpose.catalogue.to_string(),
        policy: set.digest(),
        rules: rules.collect(),
        krav: krav.collect(),
    })
}

/// When the run began, by its own summary: without a log there is no better witness.
fn started(result: &Path) -> Result<Timestamp, Failure> {
    let bytes = files::read("summary", &result.join(vaern_node::sinks::SUMMARY), MAX_RESULT)?;
    let summary: Value = serde_json::from_slice(&bytes).map_err(|e| Failure::usage(e.to_string()))?;
    let started = summary.get("started").and_then(Value::as_str).and_then(|text| text.parse().ok());
    // A summary without a time is judged as of now, which refuses what ran out since.
    Ok(started.unwrap_or_else(gate::now))
}

/// Proves the run's two leaves, and that they are of this release and these rules.
fn logged(args: &Args, log: &Path, release: Digest, policy: Digest) -> Result<(Logged, Timestamp), Failure> {
    let bytes = files::read("link to the log", &args.result.join(LINK), 4096)?;
    let link: Link = serde_json::from_slice(&bytes).map_err(|e| Failure::usage(format!("`{LINK}`: {e}")))?;
    let key: VerifierKey = args.key.as_deref().unwrap_or(&link.key).trim().parse()?;
    let reader = Reader::open(files::open_dir("log", log)?, &key)?;
    let step = |leaf: u64| -> Result<Step, Failure> {
        let proof = Proof::of(&reader, leaf)?;
        let (_, record) = proof.check(&key)?;
        Ok(Step { leaf, record, proof: proof.to_text() })
    };
    let (begun, ended) = (step(link.begun)?, step(link.ended)?);
    let other = || {
        Failure::refused("the log's leaves are of another run than this result", Krav("GOV-05"), Blame::Operator)
            .mend("name the log of this run")
    };
    match (&begun.record.event, &ended.record.event) {
        (Event::RunBegun { run, release: Some(by), policy: under, .. }, Event::RunEnded { run: over, .. })
            if run == over && *run == link.run && by.digest() == release && under.digest() == policy => {}
        _ => return Err(other()),
    }
    let then = i64::try_from(begun.record.time).ok().and_then(|s| Timestamp::from_second(s).ok()).ok_or_else(other)?;
    let logged = Logged {
        log: key.name().to_string(),
        key: key.to_string(),
        key_pinned: args.key.is_some(),
        run: link.run.to_string(),
        begun,
        ended,
    };
    Ok((logged, then))
}
