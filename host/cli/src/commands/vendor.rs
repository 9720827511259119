//! `vaern vendor admit|rotate`: whose signature the city accepts, and on what record.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::civil::Date;
use serde::Serialize;
use vaern_door::{Digest, Name};
use vaern_trust::{RetiredKey, RiskRecord, TrustRoot, TrustRootFile, VendorEntry};

use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Take a vendor's key into the trust root, with the city's own dated risk record (LEV-03).
    Admit {
        /// The vendor's public key file.
        public: PathBuf,
        /// The trust root to write to.
        #[arg(long)]
        trust: PathBuf,
        /// The risk record: its digest is kept.
        #[arg(long)]
        risk_record: PathBuf,
        /// Date of the risk record.
        #[arg(long)]
        dated: Date,
    },
    /// Put a vendor's new key in the place of its old one, which then counts only for releases up to a counter.
    Rotate {
        /// The vendor's new public key file.
        public: PathBuf,
        /// The trust root to write to.
        #[arg(long)]
        trust: PathBuf,
        /// The last release counter that the old key counts for.
        #[arg(long)]
        last_counter: u64,
    },
}

#[derive(Serialize)]
struct Admitted {
    vendor: Name,
    key: String,
    risk_record: Option<RiskRecord>,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Admit { public, trust, risk_record, dated } => {
            let (name, key) = public_key(public)?;
            let record = files::read("risk record", risk_record, 16 << 20)?;
            if record.trim_ascii().is_empty() {
                return Err(Failure::refused(
                    "the risk record is empty",
                    vaern_door::Krav("LEV-03"),
                    vaern_door::Blame::Policy,
                )
                .mend("assess the vendor, write down what was found, and name that file"));
            }
            let record = RiskRecord { date: *dated, digest: Digest::of(&record) };
            let entry = VendorEntry {
                name: name.clone(),
                key: key.clone(),
                risk_record: Some(record.clone()),
                retired: Vec::new(),
            };
            change(trust, |file| {
                file.vendors.push(entry);
                Ok(())
            })?;
            let lines = format!(
                "Admitted {name}\n  key      {key}\n  record   {} of {}\n  in       {}",
                record.digest,
                record.date,
                trust.display()
            );
            output.result(&Admitted { vendor: name, key, risk_record: Some(record) }, &lines)
        }
        Command::Rotate { public, trust, last_counter } => {
            let (name, key) = public_key(public)?;
            change(trust, |file| {
                let vendor = file.vendors.iter_mut().find(|vendor| vendor.name == name);
                let vendor = vendor.ok_or_else(|| {
                    Failure::usage(format!("the trust root has no vendor `{name}`")).mend("use `vaern vendor admit`")
                })?;
                let old = std::mem::replace(&mut vendor.key, key.clone());
                vendor.retired.push(RetiredKey { key: old, last_counter: *last_counter });
                Ok(())
            })?;
            let lines = format!(
                "{name} signs with a new key\n  key      {key}\n  before   the old key counts for releases up to counter {last_counter}"
            );
            output.result(&Admitted { vendor: name, key, risk_record: None }, &lines)
        }
    }
}

fn public_key(path: &Path) -> Result<(Name, String), Failure> {
    let (dir, file) = files::split("public key", path)?;
    let (owner, key) = vaern_trust::read_public(&dir, &file)?;
    if owner.role.as_str() != "vendor" {
        let what = format!("`{}` is the key of a `{}`, not of a vendor", path.display(), owner.role);
        return Err(Failure::usage(what).mend("make a vendor's key with `vaern keys new --role vendor`"));
    }
    Ok((owner.name, key.to_string()))
}

/// Changes a trust root, checks it, and only then writes it. Comments in the file do not survive: it is a list of keys.
fn change(path: &Path, edit: impl FnOnce(&mut TrustRootFile) -> Result<(), Failure>) -> Result<(), Failure> {
    let bytes = files::read("trust root", path, 1 << 20)?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("the trust root is not UTF-8"))?;
    TrustRoot::from_toml(&text)?;
    let mut file: TrustRootFile = toml::from_str(&text).map_err(|e| Failure::internal(e.to_string()))?;
    edit(&mut file)?;
    let text = toml::to_string(&file).map_err(|e| Failure::internal(e.to_string()))?;
    TrustRoot::from_toml(&text)?;
    let (dir, name) = files::split("trust root", path)?;
    vaern_node::sinks::write_file(&dir, &name, text.as_bytes())?;
    Ok(())
}
