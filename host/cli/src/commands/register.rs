//! `vaern register REL`: what citizens can read of an approved release, made from what was signed and from nothing else.

use std::path::PathBuf;

use serde::Deserialize;
use vaern_conformance::{Language, Register, RegisterError, RegisterSources, Run, notice_html, register_html};
use vaern_door::{Blame, Krav};
use vaern_node::admission;
use vaern_trust::Dpia;

use crate::commands::gate::{self, Purpose, Standing, now};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release directory.
    release: PathBuf,
    /// The policy directory, signed.
    #[arg(long)]
    policies: PathBuf,
    /// The trust root.
    #[arg(long)]
    trust: PathBuf,
    /// The DPIA record that the approval names.
    #[arg(long, value_name = "FILE")]
    dpia: PathBuf,
    /// The text of the data protection officer's advice that the approval names.
    #[arg(long, value_name = "FILE")]
    advice: PathBuf,
    /// Folder of the run that `vaern conform` wrote and signed.
    #[arg(long, value_name = "DIR")]
    result: PathBuf,
    /// Directory for `register.json`, the entry and the notice, each in Danish and in English; made where it is absent.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    purpose: Purpose,
}

/// What is taken of `times.json`.
#[derive(Deserialize)]
struct Looks {
    mean_look_us: u64,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let trust = gate::trust_root(&args.trust)?;
    let standing = Standing { unsigned_policies: false, policy_floor: 0 };
    let (set, _) = gate::policy_set_in_force(&args.policies, &args.purpose, || Ok(trust.clone()), &standing)?;
    let dir = files::open_dir("release", &args.release)?;
    // Only what may run is registered: approved, in force, for these rules.
    let release = admission::admit(&dir, &trust, &set, now())?;
    let borne = vaern_trust::Release::open(&dir)?.verify(&trust)?.borne_by(&trust, &release.approval().catalogue)?;
    let bytes = files::read("result", &args.result.join("run.json"), 64 << 20)?;
    let tested =
        Run::from_json(&bytes).map_err(|error| Failure::refused(error.to_string(), Krav("GOV-05"), Blame::Operator))?;
    let times = files::read("times", &args.result.join("times.json"), 1 << 20)?;
    let looks: Looks = serde_json::from_slice(&times)
        .map_err(|e| Failure::usage(format!("`times.json` is not one that vaern wrote: {e}")))?;
    let register = Register::of(&RegisterSources {
        set: &set,
        release: release.digest(),
        manifest: release.manifest(),
        approval: (release.approval(), release.approval_digest()),
        dpia: &Dpia::read(&files::read("DPIA record", &args.dpia, 1 << 20)?)?,
        advice: &files::read("advice", &args.advice, 1 << 20)?,
        result: borne.as_ref(),
        run: (&tested, &bytes),
        look_us: looks.mean_look_us,
    })?;
    let out = files::make_dir("register", &args.out)?;
    let mut json = serde_json::to_vec_pretty(&register).map_err(|e| Failure::internal(e.to_string()))?;
    json.push(b'\n');
    vaern_node::sinks::write_file(&out, "register.json", &json)?;
    let mut lines = format!("{} of `{}`\n", release.digest(), set.purpose.name);
    for language in [Language::Da, Language::En] {
        for (name, page) in [register_html(&register, language), notice_html(&register, language)] {
            vaern_node::sinks::write_file(&out, name, page.as_bytes())?;
            lines += &format!("look at {}\n", args.out.join(name).display());
        }
    }
    output.result(&register, &lines)
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        Self::refused(error.to_string(), error.krav(), error.blame()).mend(error.mend())
    }
}
