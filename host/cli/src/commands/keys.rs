//! `vaern keys new|show|root`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use vaern_door::Name;
use vaern_trust::{KeyOwner, SignedRoot, SigningKeyPair};

use crate::commands::approve::signers;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key pair: NAME.secret.toml (for the owner only) and NAME.public.toml (to hand out).
    New {
        /// Whose key: a vendor's name, or a desk in the city.
        #[arg(long)]
        name: Name,
        /// `vendor`, or the municipal role that signs with it, such as `jura`.
        #[arg(long)]
        role: Name,
        /// Directory for the two files.
        #[arg(long)]
        out: PathBuf,
    },
    /// Sign a trust root as the next link of the chain of roots (its `version` and `[root]` part must be there).
    Root {
        /// The trust root to sign.
        trust: PathBuf,
        /// The signed root before it; left out for the first.
        #[arg(long)]
        previous: Option<PathBuf>,
        /// Secret key files of the root's keys: of the root before, and of this one.
        #[arg(long = "key", required = true)]
        keys: Vec<PathBuf>,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Show a public key file.
    Show {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct Shown {
    name: Name,
    role: Name,
    key: String,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    let (shown, more) = match command {
        Command::Root { trust, previous, keys, out } => return root(trust, previous.as_deref(), keys, out, output),
        Command::New { name, role, out } => {
            let dir = files::make_dir("key", out)?;
            let pair = SigningKeyPair::generate()?;
            let owner = KeyOwner { name: name.clone(), role: role.clone() };
            let written = vaern_trust::write_pair(&dir, &owner, &pair)?;
            let place = |file: &str| out.join(file).display().to_string();
            let more = format!(
                "\n  secret  {} (keep it to yourself)\n  public  {} (hand it out)",
                place(&written.secret),
                place(&written.public)
            );
            (Shown { name: name.clone(), role: role.clone(), key: pair.public().to_string() }, more)
        }
        Command::Show { file } => {
            let (dir, name) = files::split("public key", file)?;
            let (owner, key) = vaern_trust::read_public(&dir, &name)?;
            (Shown { name: owner.name, role: owner.role, key: key.to_string() }, String::new())
        }
    };
    let lines = format!("{} ({})\n  key     {}{more}", shown.name, shown.role, shown.key);
    output.result(&shown, &lines)
}

fn root(trust: &Path, previous: Option<&Path>, keys: &[PathBuf], out: &Path, output: &Output) -> Result<(), Failure> {
    let text = String::from_utf8(files::read("trust root", trust, 1 << 20)?)
        .map_err(|_| Failure::usage("the trust root is not UTF-8"))?;
    // Checked first as what it is; the file form alone would accept less than it shows.
    vaern_trust::TrustRoot::from_toml(&text)?;
    let file: vaern_trust::TrustRootFile = toml::from_str(&text).map_err(|e| Failure::internal(e.to_string()))?;
    let pairs = signers(keys)?;
    let bytes = SignedRoot::sign(&file, &pairs.iter().map(|(_, pair)| pair).collect::<Vec<_>>())?;
    let root = match previous {
        None => SignedRoot::pin(&bytes)?,
        Some(path) => SignedRoot::pin(&files::read("root", path, 1 << 20)?)?.next(&bytes)?,
    };
    let (dir, name) = files::split("root", out)?;
    vaern_node::sinks::write_file(&dir, &name, &bytes)?;
    let version = root.trust().version();
    let lines = format!("Signed root {version}\n  digest   {}\n  file     {}", root.digest(), out.display());
    output.result(&serde_json::json!({ "root": version, "digest": root.digest() }), &lines)
}
