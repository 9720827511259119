//! `vaern policy check DIR`.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use vaern_door::{Digest, Name};

use crate::commands::gate::{self, Purpose};
use crate::failure::Failure;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Load every file of a policy directory the way a node does, and say what it is.
    Check {
        /// The policy directory.
        dir: PathBuf,
        #[command(flatten)]
        purpose: Purpose,
    },
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
    digest: Digest,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    let Command::Check { dir, purpose } = command;
    let set = gate::policy_set(dir, purpose)?;
    let rules = vaern_node::gate::rules(&set)?;
    let checked = Checked {
        purpose: set.purpose.name.clone(),
        legal_basis: set.purpose.legal_basis.clone(),
        operating: set.purpose.operating,
        vocabulary: set.purpose.vocabulary.iter().map(ToString::to_string).collect(),
        masking: rules.masking_name().to_owned(),
        cameras: rules.camera_ids(),
        fence_area_km2: rules.fence_area_km2(),
        digest: set.digest(),
    };
    let lines = format!(
        "The policy directory holds.\n  purpose     {}\n  basis       {}\n  operating   {}\n  vocabulary  {}\n  masking     {}\n  cameras     {}\n  fence       {:.2} km²\n  digest      {}",
        checked.purpose,
        checked.legal_basis,
        checked.operating,
        checked.vocabulary.join(", "),
        checked.masking,
        checked.cameras.join(", "),
        checked.fence_area_km2,
        checked.digest
    );
    output.result(&checked, &lines)
}
