//! `vaern compile REL`: the city compiles a release's component and vouches for the code; and where a run takes its code from.

use std::path::PathBuf;

use serde::Serialize;
use vaern_door::Digest;
use vaern_node::code;
use vaern_sandbox::wall::{self, WallError};
use vaern_trust::{Approved, CompiledCode, EngineId, Release, ReleaseError, SigningKeyPair, TrustRoot};

use crate::commands::approve::signers;
use crate::commands::gate::{self, Engine, Purpose, Wall};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release directory; the code and the statement about it are filed there.
    release: PathBuf,
    /// The policy directory: its limits hold for compiling too.
    #[arg(long)]
    policies: PathBuf,
    /// The trust root, if it is not POLICIES/trust.toml.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// Secret key files of those who vouch for the code.
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    wall: Wall,
}

#[derive(Serialize)]
struct Made {
    release: Digest,
    code: Digest,
    bytes: usize,
    engine: EngineId,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("release", &args.release)?;
    let trust = gate::trust_root(&args.trust.clone().unwrap_or_else(|| args.policies.join("trust.toml")))?;
    let set = gate::policy_set(&args.policies, &args.purpose)?;
    let release = Release::open(&dir)?.verify(&trust)?;
    let limits = set.grants(release.manifest())?.limits;
    let settings = args.wall.settings(&args.engine)?;
    let code = wall::compile(&settings, release.component(), &limits).map_err(|error| match error {
        WallError::Sandbox(error) => Failure::refused(error.to_string(), error.krav(), error.blame()),
        WallError::Model { .. } => Failure::internal(error.to_string()),
    })?;
    let engine = wall::engine();
    let keys = signers(&args.keys)?;
    let pairs: Vec<&SigningKeyPair> = keys.iter().map(|(_, pair)| pair).collect();
    let digest = vaern_trust::sign_compiled(&dir, &trust, engine.clone(), &code, &pairs)?;
    let lines = format!(
        "Compiled {}\n  release  {}\n  code     {digest}, {} bytes\n  engine   {}, settings {}\n  target   {}\n  uses     {}\n\nIt runs on machines with all of these features, under this program's engine and no other.",
        release.name(),
        release.digest(),
        code.len(),
        engine.version,
        engine.settings.short(),
        engine.target,
        engine.cpu.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
    );
    output.result(&Made { release: release.digest(), code: digest, bytes: code.len(), engine }, &lines)
}

/// Where a run takes a release's machine code from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CodeFrom {
    /// Compile the component in each worker, whatever came with the release.
    Compile,
    /// The code that the city vouches for, where there is some for this engine; else compile.
    Prefer,
    /// The code that the city vouches for and nothing else.
    Vouched,
}

#[derive(clap::Args)]
pub(crate) struct Code {
    /// Where machine code comes from. Code that was tampered with is refused whatever stands here.
    #[arg(long, value_enum, default_value_t = if cfg!(feature = "compiler") { CodeFrom::Prefer } else { CodeFrom::Vouched })]
    code: CodeFrom,
}

impl Code {
    /// The code of a release that was approved, or none: then workers compile.
    pub(crate) fn of(
        &self,
        release: &Release<Approved>,
        trust: &TrustRoot,
        output: &Output,
    ) -> Result<Option<CompiledCode>, Failure> {
        let from = match self.code {
            CodeFrom::Compile => code::CodeFrom::Compile,
            CodeFrom::Prefer => code::CodeFrom::Prefer,
            CodeFrom::Vouched => code::CodeFrom::Vouched,
        };
        let passed_over = |error: &ReleaseError| output.say(&format!("vaern: {error}; compiling here instead"));
        Ok(from.of(release, trust, passed_over)?)
    }
}
