//! `vaern compare REL REL…`: releases side by side on the same streets, under the same rules, on this host.

use std::fmt::Write as _;
use std::path::PathBuf;

use vaern_conformance::{Candidate, CompareError, Comparison, Corpus, Given, Profile, Settings};
use vaern_door::{Blame, Krav};

use crate::commands::conform::this_host;
use crate::commands::corpus::AuthorityArgs;
use crate::commands::gate::{self, Engine, Purpose, Wall, trust_root};
use crate::commands::run::workers;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release directories, two or more: beside one another on the same drawn streets, and on the same labelled pictures where some
    /// are given.
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
    /// Labelled pictures in COCO form (`corpus.json`), masked: the same for all.
    #[arg(long, value_name = "DIR", conflicts_with = "sealed")]
    corpus: Option<PathBuf>,
    /// Secret key file of a role of the city: each vendor's attempt on a sealed corpus is entered with it.
    #[arg(long, value_name = "FILE", requires = "trust")]
    key: Option<PathBuf>,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    wall: Wall,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let trust = args.trust.as_deref().map(trust_root).transpose()?;
    let set = gate::policy_set(&args.policies, &args.purpose)?;
    let backend = args.engine.open()?;
    let host = this_host()?;
    let corpus = args.corpus.as_deref().map(|dir| Corpus::open(files::open_dir("corpus", dir)?).map_err(Failure::from));
    let corpus = corpus.transpose()?;
    let open = |path: &PathBuf| Ok(Candidate::open(&files::open_dir("release", path)?, trust.as_ref())?);
    let candidates = args.releases.iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
    // All attempts are entered before the first release sees a picture: who has none left stops the comparison before it begins, and
    // then nobody has spent one. The same again is no new attempt.
    let asked: Vec<_> = candidates.iter().map(|one| (&one.manifest().vendor, one.digest())).collect();
    let opened = args.authority.open_each(args.profile, &asked, args.trust.as_deref(), args.key.as_ref())?;
    let mut runs = Vec::new();
    for ((path, candidate), opened) in args.releases.iter().zip(&candidates).zip(&opened) {
        output.say(&format!("{} …", path.display()));
        let wall = opened.is_some().then(|| args.wall.settings(&args.engine)).transpose()?;
        let given = Given {
            corpus: corpus.as_ref(),
            sealed: opened.as_ref().map(|opened| &opened.sealed),
            authority: opened.as_ref().map(|opened| opened.part.clone()),
            wall: wall.as_ref(),
            deviations: Vec::new(),
        };
        let settings = Settings {
            profile: args.profile,
            seed: opened.as_ref().map_or(args.seed, |opened| opened.seed),
            only: Vec::new(),
            workers: workers(),
            host: host.clone(),
            backend: backend.as_ref(),
            resume: None,
            progress: &|_, _, _| {},
            given,
        };
        let (run, _) = vaern_conformance::run(candidate, &set, settings, &mut |_, _| {})?;
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
