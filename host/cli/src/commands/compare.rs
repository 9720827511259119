//! `vaern compare REL REL…`: releases side by side on the same streets, under the same rules, on this host.

use std::fmt::Write as _;
use std::path::PathBuf;

use vaern_conformance::{Candidate, CompareError, Comparison, Profile, Settings};
use vaern_door::{Blame, Krav};

use crate::commands::conform::this_host;
use crate::commands::gate::{self, Engine, Purpose, trust_root};
use crate::commands::run::workers;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release directories, two or more.
    #[arg(required = true, num_args = 2..)]
    releases: Vec<PathBuf>,
    /// The city's policy directory.
    #[arg(long)]
    policies: PathBuf,
    /// How thorough.
    #[arg(long, default_value = "dev")]
    profile: Profile,
    /// The seed that streets are drawn from: the same for all.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The trust root: the vendors' signatures are held against it. Beyond `dev` the suite asks for it.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// Directory for `comparison.json`, `comparison.html` and each release's run; made where it is absent.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    engine: Engine,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let trust = args.trust.as_deref().map(trust_root).transpose()?;
    let set = gate::policy_set(&args.policies, &args.purpose)?;
    let backend = args.engine.open()?;
    let host = this_host()?;
    let mut runs = Vec::new();
    for path in &args.releases {
        let candidate = Candidate::open(&files::open_dir("release", path)?, trust.as_ref())?;
        output.say(&format!("{} …", path.display()));
        let settings = Settings {
            profile: args.profile,
            seed: args.seed,
            only: Vec::new(),
            workers: workers(),
            host: host.clone(),
            backend: backend.as_ref(),
            resume: None,
            progress: &|_, _, _| {},
            given: vaern_conformance::Given::default(),
        };
        let (run, _) = vaern_conformance::run(&candidate, &set, settings, &mut |_, _| {})?;
        runs.push((run, candidate.manifest().capabilities.iter().copied().collect()));
    }
    let comparison = vaern_conformance::compare(&runs)?;
    if let Some(out) = &args.out {
        let dir = files::make_dir("result", out)?;
        let fault = |e: serde_json::Error| Failure::internal(e.to_string());
        let put = |name: &str, bytes: &[u8]| vaern_node::sinks::write_file(&dir, name, bytes);
        put("comparison.json", &serde_json::to_vec_pretty(&comparison).map_err(fault)?)?;
        put("comparison.html", vaern_conformance::comparison_html(&comparison).as_bytes())?;
        for (number, (run, _)) in (1..).zip(&runs) {
            put(&format!("run-{number}.json"), &run.to_json().map_err(fault)?)?;
        }
    }
    output.result(&comparison, &lines(&comparison))
}

fn lines(comparison: &Comparison) -> String {
    let mut text = String::new();
    for one in &comparison.releases {
        let list = if one.not_passed.is_empty() { "none".to_owned() } else { one.not_passed.join(", ") };
        let _ = writeln!(
            text,
            "{} of {}: {}\n  not passed  {list}",
            one.release.name,
            one.release.vendor,
            one.ending.as_str()
        );
    }
    text += "nobody is ranked: the page beside tells each figure with its interval\n";
    text
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::TooFew | CompareError::Twice(_) => Self::usage(error.to_string()),
            CompareError::Unlike(..) | CompareError::Partial(_) => {
                Self::refused(error.to_string(), Krav("GOV-08"), Blame::Operator)
            }
        }
    }
}
