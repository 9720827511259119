//! `vaern approve REL`: the city's decision, shown before it is signed.

use std::path::PathBuf;

use serde::Serialize;
use vaern_door::{Digest, Name};
use vaern_trust::{ApprovalDraft, KeyOwner, SigningKeyPair};

use crate::commands::gate::{now, trust_root};
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
    /// The approval in TOML: purpose, legal basis, DPIA, who answers, the DPO's advice and the reply, expiry.
    #[arg(long)]
    draft: PathBuf,
    /// Secret key files of those who sign, each in its role.
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    /// Sign what is shown. Without this the statement is shown and nothing is written.
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
    let text = files::read("approval draft", &args.draft, 1 << 20)?;
    let text = String::from_utf8(text).map_err(|_| Failure::usage("the approval draft is not UTF-8"))?;
    let draft: ApprovalDraft =
        toml::from_str(&text).map_err(|e| Failure::usage(format!("the approval draft is not valid: {e}")))?;
    let signers = signers(&args.keys)?;
    let signing: Vec<(&Name, &SigningKeyPair)> = signers.iter().map(|(owner, pair)| (&owner.role, pair)).collect();
    let roles: Vec<&Name> = signing.iter().map(|(role, _)| *role).collect();
    let statement = vaern_trust::preview_approval(&dir, &trust, &draft, &roles)?;
    let release = if args.yes {
        vaern_trust::approve(&dir, &trust, &draft, &signing, now())?
    } else {
        vaern_trust::Release::open(&dir)?.digest()
    };
    let lines = if args.yes {
        format!("{statement}\n\nApproved and signed: {release}")
    } else {
        format!("{statement}\n\nNothing was signed. Run the same command with --yes to sign exactly this.")
    };
    let statement = serde_json::from_str(&statement).map_err(|e| Failure::internal(e.to_string()))?;
    let roles = roles.into_iter().cloned().collect();
    output.result(&Decision { release, signed: args.yes, roles, statement }, &lines)
}

/// Reads secret keys with their owners.
pub(crate) fn signers(paths: &[PathBuf]) -> Result<Vec<(KeyOwner, SigningKeyPair)>, Failure> {
    let read = |path: &PathBuf| {
        let (dir, name) = files::split("secret key", path)?;
        Ok(vaern_trust::read_secret(&dir, &name)?)
    };
    paths.iter().map(read).collect()
}
