//! `vaern keys new|show`.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use vaern_door::Name;
use vaern_trust::{KeyOwner, SigningKeyPair};

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
