//! `vaern demo`: the whole road on a generated drive, every step the one that the other commands take.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use vaern_door::{Digest, Name};
use vaern_node::admission::{self, AdmitError};
use vaern_node::folder::{self, Setup};
use vaern_node::outcome::Summary;
use vaern_node::policies;
use vaern_policy::catalogue::{Kind, KravEntry};
use vaern_policy::{CitySet, PolicySet};
use vaern_record::log::{Account, KeyName, VerifierKey};
use vaern_scenes::Drive;
use vaern_trust::{KeyOwner, ReleaseError, SigningKeyPair, TrustRoot};

use crate::commands::book::{self, LogArgs};
use crate::commands::demo_files::POLICIES;
use crate::commands::gate::{self, Engine, Wall};
use crate::commands::run::{with_progress, workers};
use crate::commands::{approve, audit, plugin, run};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder for everything; made anew if an earlier demo made it.
    #[arg(long, default_value = "vaern-demo")]
    out: PathBuf,
    /// Seed of the drive.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// Frames of the drive.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(4..=2000))]
    frames: u16,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    wall: Wall,
}

const COMPONENT: &[u8] = include_bytes!("../../../../plugins/prebuilt/container-model.wasm");
const MANIFEST: &str = include_str!("../../../../plugins/container-model/vaern.toml");
const LOCK: &[u8] = include_bytes!("../../../../plugins/Cargo.lock");
/// The model of the reference plugin.
pub(crate) const MODEL: &[u8] = include_bytes!("../../../../models/container.onnx");
const MODEL_CARD: &str = include_str!("../../../../models/container.md");

/// Marks a folder as one that a demo made, and may make anew.
const MARK: &str = ".vaern-demo";

/// Who signs in the demo: a desk and its role. Real roles keep their keys apart, on paper and on hardware.
const DESKS: [&str; 3] = ["jura", "it-sikkerhed", "systemejer"];

#[derive(Serialize)]
struct Told {
    out: PathBuf,
    release: Digest,
    refused_before_approval: String,
    summary: Summary,
    log: Logged,
}

#[derive(Serialize)]
struct Logged {
    leaves: u64,
    key: String,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let out = fresh(&args.out)?;
    let now = gate::now();

    output.say("1  a drive through a drawn Copenhagen");
    drive(&out, args)?;

    output.say("2  keys: a vendor, three desks of the city");
    let vendor = key(&out, "vaern-reference", "vendor")?;
    let desks = DESKS.map(|desk| key(&out, desk, desk));
    let desks: Vec<_> = desks.into_iter().collect::<Result<_, _>>()?;

    output.say("3  the city's policies, its trust in exactly these keys, and two desks that sign the policies");
    let trust_text = trust_toml(&vendor, &desks);
    for (path, text) in POLICIES.iter().copied().chain([("trust.toml", trust_text.as_str())]) {
        put(&out, &format!("policies/{path}"), text.as_bytes())?;
    }
    let trust = TrustRoot::from_toml(&trust_text)?;
    let policies_dir =
        out.open_dir("policies").map_err(|e| Failure::file("cannot open", &args.out.join("policies"), &e))?;
    let city = CitySet::load(&policies_dir)?;
    let draft = policies::draft(&city, None)?;
    let deciding: Vec<&SigningKeyPair> =
        desks.iter().filter(|(owner, _)| owner.role.as_str() != "it-sikkerhed").map(|(_, pair)| pair).collect();
    policies::sign(&policies_dir, &draft, &trust, &deciding)?;
    let (set, _) = policies::open(&policies_dir, None, &trust, None)?;

    output.say("4  the vendor packs and signs a plugin");
    let release_path = args.out.join("release");
    let mut inputs = plugin::inputs(COMPONENT.to_vec(), MANIFEST.as_bytes(), |file| {
        match file.extension().and_then(|e| e.to_str()) {
            Some("onnx") => Ok(MODEL.to_vec()),
            Some("md") => Ok(MODEL_CARD.as_bytes().to_vec()),
            _ => Err(Failure::internal(format!("the demo has no file {}", file.display()))),
        }
    })?;
    inputs.sbom = Some(plugin::sbom_of(LOCK, &inputs.manifest.name)?);
    let digest = plugin::pack(&inputs, &release_path)?;
    let release_dir = files::open_dir("release", &release_path)?;
    vaern_trust::sign_vendor(&release_dir, &vendor.1)?;

    output.say("5  it is refused, because nobody approved it:");
    let refused = match admission::admit(&release_dir, &trust, &set, now) {
        Err(AdmitError::Release(error @ ReleaseError::Approval(_))) => error.to_string(),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(Failure::internal("an unapproved release was admitted")),
    };
    output.say(&format!("     {refused}"));

    output.say("6  two desks of the city approve it, for half a year");
    put(&out, "city/approval.toml", approval_toml(&set, now).as_bytes())?;
    put(&out, "city/dpia.toml", DPIA.as_bytes())?;
    put(&out, "city/dpo-advice.txt", ADVICE.as_bytes())?;
    let (draft, dpia) = approve::draft(&args.out.join("city/approval.toml"))?;
    let signers: Vec<(&Name, &SigningKeyPair)> = desks
        .iter()
        .filter(|(owner, _)| owner.role.as_str() != "it-sikkerhed")
        .map(|(owner, pair)| (&owner.role, pair))
        .collect();
    vaern_trust::approve(&release_dir, &trust, &draft, &dpia, &signers, now)?;
    let release = admission::admit(&release_dir, &trust, &set, now)?;

    output.say("7  the drive: fence, mask, plugin");
    let backend = args.engine.open()?;
    let built = gate::gate(&set, &args.engine, backend.as_ref(), output)?.in_operation(&set);
    let seer = admission::prepare(&release, &set, args.wall.settings(&args.engine)?)?;
    let source = files::open_dir("source", &args.out.join("drive"))?;
    let result_path = args.out.join("result");
    let result = files::make_dir("output", &result_path)?;
    let setup = Setup {
        set: &set,
        built: &built,
        source: &source,
        out: &result,
        camera: None,
        track: None,
        unlocated: false,
        now,
        workers: workers(),
    };
    let log_path = args.out.join("log");
    let (_, pair) = key(&out, "demo-node", "log")?;
    let log = LogArgs::of(log_path.clone(), args.out.join("keys/demo-node.secret.toml"));
    let verifier = VerifierKey::new(KeyName::new("demo-node")?, pair.public().as_bytes())?;
    let summary = book::kept(log.open()?, &release, &set, &seer, &result, || {
        with_progress(output, |progress| folder::look(&setup, &release, &seer, progress))
    })?;

    output.say("8  the log of the drive, verified");
    let account = audit::account(files::open_dir("log", &log_path)?, &verifier)?;
    let lines = run::lines(&summary, &result_path) + &log_lines(&account, &verifier, &log_path);
    let told = Told {
        log: Logged { leaves: account.checkpoint.size, key: verifier.to_string() },
        out: args.out.clone(),
        release: digest,
        refused_before_approval: refused,
        summary,
    };
    output.result(&told, &lines)
}

fn log_lines(account: &Account, key: &VerifierKey, path: &Path) -> String {
    format!(
        "the log holds: {} leaves, all {} frames accounted for; check it yourself:\n  vaern audit verify {} --key {key}\n",
        account.checkpoint.size,
        account.frames_in,
        path.display(),
    )
}

/// An empty folder of our own. What somebody else made is never removed.
fn fresh(path: &Path) -> Result<Dir, Failure> {
    let dir = files::make_dir("demo", path)?;
    let fail = |e: std::io::Error| Failure::file("cannot empty the demo folder", path, &e);
    let empty = dir.entries().map_err(fail)?.next().is_none();
    if !empty && !dir.exists(MARK) {
        let what = format!("`{}` is not empty, and no demo made it", path.display());
        return Err(Failure::usage(what).mend("choose another folder with --out"));
    }
    for part in ["drive", "keys", "policies", "release", "city", "result", "log"] {
        if dir.exists(part) {
            dir.remove_dir_all(part).map_err(fail)?;
        }
    }
    put(&dir, MARK, b"made by vaern demo\n")?;
    Ok(dir)
}

/// Writes a file, with the folders that it needs.
fn put(out: &Dir, path: &str, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |e: std::io::Error| Failure::file("cannot make the folder of", Path::new(path), &e);
    match path.rsplit_once('/') {
        None => vaern_node::sinks::write_file(out, path, bytes)?,
        Some((folder, name)) => {
            out.create_dir_all(folder).map_err(fail)?;
            vaern_node::sinks::write_file(&out.open_dir(folder).map_err(fail)?, name, bytes)?;
        }
    }
    Ok(())
}

/// Metres between two pictures of the demo's drive: more than the profile asks for, so that no spot is shown twice (MIN-07).
const SPACING_M: f64 = 8.0;
/// Frames are as large as a plugin may see them.
const FRAME: (u16, u16) = (1280, 720);

fn drive(out: &Dir, args: &Args) -> Result<(), Failure> {
    let fault = |e: vaern_scenes::DriveError| Failure::internal(e.to_string());
    let drive = Drive::spaced(args.seed, usize::from(args.frames), FRAME, SPACING_M);
    put(out, "drive/track.gpx", drive.gpx().as_bytes())?;
    let mut truth = String::new();
    for (index, frame) in drive.enumerate() {
        let frame = frame.map_err(fault)?;
        put(out, &format!("drive/{}", frame.truth.name), &frame.jpeg)?;
        truth += &serde_json::to_string(&frame.truth).map_err(|e| Failure::internal(e.to_string()))?;
        truth.push('\n');
        if index == 2 {
            // Life on a vehicle: a transfer that broke off.
            put(out, "drive/torn.jpg", frame.jpeg.get(..frame.jpeg.len() / 2).unwrap_or_default())?;
        }
    }
    put(out, "drive/truth.jsonl", truth.as_bytes())?;
    put(out, "drive/note.jpg", b"This is a text file that somebody named .jpg.\n")
}

fn key(out: &Dir, name: &str, role: &str) -> Result<(KeyOwner, SigningKeyPair), Failure> {
    let fail = |e: std::io::Error| Failure::file("cannot make", Path::new("keys"), &e);
    out.create_dir_all("keys").map_err(fail)?;
    let keys = out.open_dir("keys").map_err(fail)?;
    let named = |text: &str| Name::new(text).map_err(|e| Failure::internal(e.to_string()));
    let owner = KeyOwner { name: named(name)?, role: named(role)? };
    let pair = SigningKeyPair::generate()?;
    vaern_trust::write_pair(&keys, &owner, &pair)?;
    Ok((owner, pair))
}

fn trust_toml(vendor: &(KeyOwner, SigningKeyPair), desks: &[(KeyOwner, SigningKeyPair)]) -> String {
    let risk = Digest::of(RISK.as_bytes());
    let mut text = format!(
        "# Who may say what. Made by the demo for keys that it made; a real one is the city's.\n\n[approval]\nthreshold = 2\nroles = [\"jura\"]\n\n[[vendors]]\nname = \"{}\"\nkey = \"{}\"\nrisk_record = {{ date = \"2026-01-15\", digest = \"{risk}\" }}\n",
        vendor.0.name,
        vendor.1.public()
    );
    for (owner, pair) in desks {
        text += &format!(
            "\n[[roles]]\nrole = \"{}\"\nname = \"{}\"\nkey = \"{}\"\n",
            owner.role,
            owner.name,
            pair.public()
        );
    }
    text
}

fn approval_toml(set: &PolicySet, now: Timestamp) -> String {
    let from = now - SignedDuration::from_hours(1);
    let until = now + SignedDuration::from_hours(24 * 182);
    let by_people = |entry: &&KravEntry| entry.kind.contains(&Kind::E);
    let examined: Vec<String> =
        set.city().catalogue().entries().filter(by_people).map(|entry| format!("\"{}\"", entry.id)).collect();
    let second = |t: Timestamp| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    format!(
        "# The demo's approval. A real one rests on real documents; the program demands that they are named and dated.\n\npurpose = \"{}\"\nlegal_basis = \"{}\"\ncatalogue = \"{}\"\npolicy = \"{}\"\nnot_before = \"{}\"\nexpires = \"{}\"\nexamined = [{}]\ndpia = \"dpia.toml\"\n\n[responsible]\nunit = \"Teknik- og Miljøforvaltningen, demo\"\nmanager = \"enhedschef (demo)\"\n\n[dpo_advice]\ndate = \"2026-02-10\"\ndigest = \"{}\"\nreply = \"Rådet er fulgt: kun tegnede gader, ingen personer.\"\n",
        set.purpose.name,
        set.purpose.legal_basis,
        set.purpose.catalogue,
        set.purpose.policy_set,
        second(from),
        second(until),
        examined.join(", "),
        Digest::of(ADVICE.as_bytes()),
    )
}

const RISK: &str = "Demo: the vendor is this repository.\n";
const DPIA: &str = include_str!("demo_dpia.toml");
const ADVICE: &str = "Demo. Brug kun tegnede gader.\n";
