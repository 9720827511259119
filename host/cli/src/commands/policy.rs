//! `vaern policy`: check a policy directory, explain a decision, show what a change gives, sign.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use vaern_door::{Digest, Interface, Manifest, Name};
use vaern_node::facts::establish;
use vaern_node::policies;
use vaern_policy::rules::{ACTIONS, Question, ReleaseView};
use vaern_policy::{ActivationFacts, CitySet, Decision, PolicySet, Widening, widenings};
use vaern_trust::SigningKeyPair;

use crate::commands::approve::signers;
use crate::commands::gate::{self, Purpose};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Hold every file of a policy directory to everything that a node does, and say what it is.
    Check {
        /// The policy directory.
        dir: PathBuf,
        #[command(flatten)]
        purpose: Purpose,
    },
    /// Which rules decide about a release, in the city's own words.
    Explain {
        /// The release directory.
        release: PathBuf,
        /// The policy directory.
        #[arg(long)]
        policies: PathBuf,
        /// The trust root, if it is not POLICIES/trust.toml.
        #[arg(long)]
        trust: Option<PathBuf>,
        /// One action only.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(ACTIONS))]
        action: Option<String>,
        #[command(flatten)]
        purpose: Purpose,
    },
    /// Sign a policy directory with the city's roles, shown before it is signed. A set that gives more than the one before
    /// it is refused, unless each krav that it touches has a new version.
    Sign {
        /// The policy directory.
        dir: PathBuf,
        /// The trust root: who may sign in which role.
        #[arg(long)]
        trust: PathBuf,
        /// Secret key files of those who sign, each in its role.
        #[arg(long = "key", required = true)]
        keys: Vec<PathBuf>,
        /// The signed directory in force, which this one follows.
        #[arg(long, value_name = "DIR", required_unless_present = "first")]
        after: Option<PathBuf>,
        /// There is none before it.
        #[arg(long, conflicts_with = "after")]
        first: bool,
        /// Sign what is shown. Without this nothing is written.
        #[arg(long)]
        yes: bool,
    },
    /// What a changed policy directory gives beyond the one before it.
    Diff {
        /// The directory in force.
        old: PathBuf,
        /// The changed one.
        new: PathBuf,
    },
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Check { dir, purpose } => check(dir, purpose, output),
        Command::Explain { release, policies, trust, action, purpose } => {
            let trust = gate::trust_root(&trust.clone().unwrap_or_else(|| policies.join("trust.toml")))?;
            let set = gate::policy_set(policies, purpose)?;
            let dir = files::open_dir("release", release)?;
            let established = establish(&dir, &trust, &set.purpose.name, gate::now())?;
            let questions = questions(&set, &established.manifest, &established.facts, action.as_deref());
            explain(&set, &questions, established.refused.map(|e| e.to_string()), output)
        }
        Command::Sign { dir, trust, keys, after, first: _, yes } => {
            sign(dir, trust, keys, after.as_deref(), *yes, output)
        }
        Command::Diff { old, new } => diff(&city(old)?, &city(new)?, output),
    }
}

fn city(path: &Path) -> Result<CitySet, Failure> {
    Ok(CitySet::load(&files::open_dir("policy", path)?)?)
}

#[derive(Serialize)]
struct Checked {
    purpose: Name,
    legal_basis: String,
    operating: bool,
    vocabulary: Vec<String>,
    masking: String,
    cameras: Vec<String>,
    fence_area_km2: f64,
    krav: usize,
    rules: usize,
    digest: Digest,
}

fn check(dir: &Path, purpose: &Purpose, output: &Output) -> Result<(), Failure> {
    let city = city(dir)?;
    let gates = vaern_node::gate::check(&city)?;
    let mut all = Vec::new();
    let mut lines = "The policy directory holds.\n".to_owned();
    for (name, rules) in &gates {
        if purpose.purpose.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let set = city.choose(Some(name))?;
        let checked = Checked {
            purpose: name.clone(),
            legal_basis: set.purpose.legal_basis.clone(),
            operating: set.purpose.operating,
            vocabulary: set.purpose.vocabulary.iter().map(ToString::to_string).collect(),
            masking: rules.masking_name().to_owned(),
            cameras: rules.camera_ids(),
            fence_area_km2: rules.fence_area_km2(),
            krav: city.catalogue().entries().count(),
            rules: city.rules().rules().count(),
            digest: set.digest(),
        };
        let _ = write!(
            lines,
            "  purpose     {}\n  basis       {}\n  operating   {}\n  vocabulary  {}\n  masking     {}\n  cameras     {}\n  fence       {:.2} km²\n",
            checked.purpose,
            checked.legal_basis,
            checked.operating,
            checked.vocabulary.join(", "),
            checked.masking,
            checked.cameras.join(", "),
            checked.fence_area_km2,
        );
        all.push(checked);
    }
    if all.is_empty() {
        // Says which purposes there are.
        city.choose(purpose.purpose.as_ref())?;
    }
    let _ = write!(
        lines,
        "  catalogue   {} krav\n  rules       {}\n  digest      {}\n",
        city.catalogue().entries().count(),
        city.rules().rules().count(),
        city.digest()
    );
    if city.rules().is_empty() {
        lines += "  note        no rules: nothing is granted under this set\n";
    }
    match all.as_slice() {
        [one] => output.result(one, &lines),
        _ => output.result(&all, &lines),
    }
}

/// What the rules are asked about a release: all of it, or one action.
fn questions(
    set: &PolicySet,
    manifest: &Manifest,
    facts: &vaern_policy::AdmissionFacts,
    action: Option<&str>,
) -> Vec<Question> {
    let now = ActivationFacts { revoked: false, policy_signed: true, stale_hours: 0, max_stale_hours: 0 };
    let release = ReleaseView::of(manifest);
    let node = set.node();
    let mut questions = vec![set.admission(manifest, facts), set.activation(manifest, now)];
    for interface in [Interface::Pixels, Interface::Zoom, Interface::Models, Interface::Diagnostics] {
        if release.capabilities.contains(&interface) || set.profile.interfaces.contains(&interface) {
            questions.push(Question::Grant {
                release: release.clone(),
                interface,
                ceiling: set.profile.interfaces.clone(),
                operating: node.operating,
                zoom_pixels: set.profile.limits.zoom_pixels,
            });
        }
    }
    questions.push(Question::HandOver { release: release.clone(), frame: vaern_policy::rules::FrameFacts::CLEAR });
    for label in &manifest.labels {
        questions.push(Question::Accept {
            release: release.clone(),
            label: label.clone(),
            vocabulary: node.vocabulary.clone(),
            over_half_masked: false,
        });
    }
    questions.retain(|question| action.is_none_or(|action| question.action() == action));
    questions
}

#[derive(Serialize)]
struct Explained {
    /// The reason of the release chain, where it refuses before any rule is asked.
    chain: Option<String>,
    decisions: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    decision: Decision,
    /// For each rule, the krav's sentence and the words of the source.
    krav: Vec<Grounds>,
}

#[derive(Serialize)]
struct Grounds {
    id: String,
    dk: String,
    quotes: Vec<String>,
}

fn explain(set: &PolicySet, questions: &[Question], chain: Option<String>, output: &Output) -> Result<(), Failure> {
    let mut lines = String::new();
    let mut decisions = Vec::new();
    if let Some(chain) = &chain {
        let _ = writeln!(lines, "The release chain refuses it: {chain}\n");
    }
    for question in questions {
        let decision = set.city().rules().decide(question);
        let _ = writeln!(lines, "{}: {}", decision.about, if decision.allowed() { "ja" } else { "nej" });
        for error in &decision.errors {
            let _ = writeln!(lines, "  en regel kan ikke afgøres: {error}");
        }
        if decision.rules.is_empty() && decision.errors.is_empty() {
            let _ = writeln!(lines, "  ingen regel tillader det (STD-01)");
        }
        let mut krav: Vec<Grounds> = Vec::new();
        for rule in &decision.rules {
            let _ = writeln!(lines, "  {}  {}  [{}, {}]", rule.krav, rule.dk, rule.id, rule.place);
            let Some(entry) = set.city().catalogue().get(&rule.krav) else { continue };
            let quotes: Vec<String> = entry.source.iter().map(ToString::to_string).collect();
            if !krav.iter().any(|told| told.id == entry.id) {
                let _ = writeln!(lines, "          {}", entry.dk);
                for quote in &quotes {
                    let _ = writeln!(lines, "          {quote}");
                }
                krav.push(Grounds { id: entry.id.clone(), dk: entry.dk.clone(), quotes });
            }
        }
        decisions.push(Told { decision, krav });
    }
    output.result(&Explained { chain, decisions }, &lines)
}

#[derive(Serialize)]
struct Signing {
    draft: policies::Draft,
    signed: bool,
}

fn sign(
    dir: &Path,
    trust: &Path,
    keys: &[PathBuf],
    after: Option<&Path>,
    yes: bool,
    output: &Output,
) -> Result<(), Failure> {
    let trust = gate::trust_root(trust)?;
    let place = files::open_dir("policy", dir)?;
    let before = match after {
        Some(path) => Some(policies::Predecessor::open(&files::open_dir("policy", path)?, &trust)?),
        None => None,
    };
    let draft = policies::draft(&CitySet::load(&place)?, before.as_ref())?;
    let seal = &draft.seal;
    let mut lines = format!(
        "policy set  {}\nnumber      {}\ncatalogue   {}\nfiles       {}\ndigest      {}\n",
        seal.policy_set,
        seal.sequence,
        seal.catalogue,
        seal.files.len(),
        seal.digest
    );
    for widening in &draft.wider {
        let _ = writeln!(lines, "wider       {widening}");
    }
    if yes {
        let signers = signers(keys)?;
        let pairs: Vec<&SigningKeyPair> = signers.iter().map(|(_, pair)| pair).collect();
        policies::sign(&place, &draft, &trust, &pairs)?;
        lines += "\nSigned.\n";
    } else {
        lines += "\nNothing was signed. Run the same command with --yes to sign exactly this.\n";
    }
    output.result(&Signing { draft, signed: yes }, &lines)
}

#[derive(Serialize)]
struct Compared {
    wider: Vec<Widening>,
    /// Whether the new set could be signed as the follower of the old one.
    may_follow: bool,
    reason: Option<String>,
}

fn diff(old: &CitySet, new: &CitySet, output: &Output) -> Result<(), Failure> {
    let wider = widenings(old, new);
    let follows = new.may_follow(old);
    let mut lines = String::new();
    if wider.is_empty() {
        lines += "Nothing got wider.\n";
    } else {
        let _ = writeln!(lines, "Wider than before:");
        for widening in &wider {
            let _ = writeln!(lines, "  {widening}");
        }
    }
    let reason = follows.as_ref().err().map(ToString::to_string);
    match &follows {
        Ok(_) => lines += "The new set may be signed.\n",
        Err(error) => {
            let _ = writeln!(lines, "The new set will not be signed: {}", error.mend());
        }
    }
    output.result(&Compared { wider, may_follow: follows.is_ok(), reason }, &lines)
}
