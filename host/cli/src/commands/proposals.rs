//! `vaern proposals RUN… --out DIR`: one container, one proposal, over one or several runs; and the files that are handed on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vaern_door::{Blame, Digest, Krav};
use vaern_proposals::{Book, COVERAGE, CSV, Export, GEOJSON, Run};
use vaern_record::log::Event;

use crate::commands::book::{LogArgs, OpenBook};
use crate::commands::gate;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders that `vaern run` wrote. Without any, the proposals are written anew as they stand after review.
    runs: Vec<PathBuf>,
    /// Folder of the proposals; begun where there is none, added to where there is.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Serialize)]
struct Told {
    folder: PathBuf,
    runs_taken: usize,
    runs: usize,
    #[serde(flatten)]
    export: Export,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let mut book = Book::open_or_begin(files::make_dir("proposals", &args.out)?)?;
    let mut runs = Vec::new();
    for path in &args.runs {
        let folder = files::open_dir("run", path)?;
        let run = Run::read(&folder, &path.display().to_string())?;
        book.attach(run.key(), folder);
        runs.push((run, whole(path)?));
    }
    attach(&mut book);
    let mut log = Logged::open(&args.log, book.logged() || runs.iter().any(|(run, _)| run.is_logged()))?;
    let revoked: BTreeSet<Digest> = runs.iter().flat_map(|(run, _)| run.revoked().iter().copied()).collect();
    let runs_taken = book.take(runs)?;
    let time = gate::now().as_second();
    book.withdraw_revoked(revoked, time, &mut |event| log.enter(vec![event]))?;
    let export = book.export(time, &mut |event| log.enter(vec![event]))?;
    let told = Told { folder: args.out.clone(), runs_taken, runs: book.runs().len(), export };
    output.result(&told, &lines(&told))
}

fn lines(told: &Told) -> String {
    let Told { folder, runs_taken, runs, export } = told;
    let mut text = format!(
        "{runs_taken} runs taken, {runs} in all\n{} proposals, {} wait for a person; {} withdrawn in all\n\
         cameras looked at {} cells and days; where they did not look, nothing is known\n",
        export.proposals,
        export.waiting,
        export.withdrawn.len(),
        export.covered,
    );
    if export.runs_without_coverage > 0 {
        text += &format!("{} runs do not say where they looked\n", export.runs_without_coverage);
    }
    for file in [GEOJSON, CSV, COVERAGE] {
        text += &format!("look at {}\n", folder.join(file).display());
    }
    text
}

/// Where a run's folder is, wherever one stands.
fn whole(path: &Path) -> Result<String, Failure> {
    let whole = std::fs::canonicalize(path).map_err(|e| Failure::file("cannot find the run", path, &e))?;
    let text = whole.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(format!("the name of `{}` is not UTF-8", path.display())))
}

/// Opens the folders of the runs that are still there: their pictures can be shown.
pub(crate) fn attach(book: &mut Book) {
    let runs: Vec<(String, String)> = book.runs().iter().map(|run| (run.key.clone(), run.folder.clone())).collect();
    for (key, folder) in runs {
        // What lies there now may be another run: then there is no picture of this one.
        let Ok(dir) = files::open_dir("run", Path::new(&folder)) else { continue };
        if book.folder(&key).is_none() && Run::read(&dir, &folder).is_ok_and(|run| run.key() == key) {
            book.attach(&key, dir);
        }
    }
}

/// The log that proposals, verdicts and withdrawals are entered into. Where a run kept one, nothing is done without.
pub(crate) struct Logged(Option<OpenBook>);

impl Logged {
    pub(crate) fn open(args: &LogArgs, needed: bool) -> Result<Self, Failure> {
        let open = args.open()?;
        if open.is_none() && needed && vaern_door::guard::stands("cli.proposals_logged") {
            let what = "these runs kept a log, and what is done with their proposals is to be in one";
            return Err(Failure::refused(what, Krav("GOV-05"), Blame::Operator).mend("name --log and --log-key"));
        }
        Ok(Self(open))
    }

    /// Enters events, all or none of them.
    pub(crate) fn enter(&mut self, events: Vec<Event>) -> Result<(), String> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        open.enter(events).map_err(|failure| failure.what)
    }
}
