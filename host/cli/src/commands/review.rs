//! `vaern review list|decide|take|withdraw|withdrawn`: a person's verdict on proposals, one by one or through a spreadsheet, and what
//! is taken back.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use vaern_door::{Blame, Digest, Krav};
use vaern_proposals::{Book, Cause, Decision, Proposal, Recalled, Saying, Target, Verdict};
use vaern_record::evidence::Certificate;
use vaern_record::log::{Access, Deletion, Duty, Event, VerifierKey};

use crate::commands::book::LogArgs;
use crate::commands::evidence::{Beside, DutyChoice};
use crate::commands::gate;
use crate::commands::proposals::{Logged, attach};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the proposals and what stands on each.
    List {
        #[command(flatten)]
        of: Of,
        /// Write the list as a table for a Danish spreadsheet, to be filled in and taken back.
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
        #[command(flatten)]
        beside: Beside,
        #[command(flatten)]
        log: LogArgs,
    },
    /// The page for a reviewer: masked crops of the proposals that wait, and how to answer. Each time it is made is in the log first.
    Page {
        #[command(flatten)]
        of: Of,
        /// File for the page.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// In which duty you look: crops are for those who review.
        #[arg(long = "as", value_enum)]
        duty: DutyChoice,
        #[command(flatten)]
        beside: Beside,
        #[command(flatten)]
        log: LogArgs,
    },
    /// The guidance for those who review, as a page.
    Guide {
        /// File for the page.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// What reviewers said, as figures for the vendor: counts by release, label and reason. No picture, place, day or name.
    Figures {
        #[command(flatten)]
        of: Of,
        /// File for the figures.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Decide on one proposal.
    Decide {
        /// Id of the proposal.
        id: String,
        #[command(flatten)]
        of: Of,
        /// What you decide.
        #[arg(long, value_enum)]
        verdict: Word,
        /// Your name.
        #[arg(long)]
        reviewer: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// You were shown the picture. Without it the only verdict is `kan-ikke-vurderes`.
        #[arg(long)]
        picture_shown: bool,
        #[command(flatten)]
        beside: Beside,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Take the verdicts of a table that came back, all or none.
    Take {
        /// The table.
        file: PathBuf,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        beside: Beside,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Withdraw what was found: it is erased here, left out of every later export, and you are told which exports held it.
    Withdraw {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        what: What,
        /// Key of the log that signed the certificate.
        #[arg(long, requires = "certificate")]
        key: Option<String>,
        /// Your name.
        #[arg(long)]
        reviewer: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        log: LogArgs,
    },
    /// List what is withdrawn, and which exports held it.
    Withdrawn {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(clap::Args)]
pub(crate) struct Of {
    /// Folder that `vaern proposals` wrote.
    #[arg(long, value_name = "DIR")]
    proposals: PathBuf,
}

/// What is withdrawn.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct What {
    /// A proposal, because somebody whom it concerns objected.
    #[arg(long, value_name = "ID")]
    proposal: Option<String>,
    /// Everything that a release found, and will have found, because the release is withdrawn.
    #[arg(long, value_name = "DIGEST")]
    release: Option<Digest>,
    /// The finds of a deletion certificate, because their evidence was deleted before its time.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Word {
    Bekraeftet,
    Afvist,
    KanIkkeVurderes,
}

impl From<Word> for Decision {
    fn from(word: Word) -> Self {
        match word {
            Word::Bekraeftet => Self::Confirmed,
            Word::Afvist => Self::Rejected,
            Word::KanIkkeVurderes => Self::Undecidable,
        }
    }
}

/// The largest table that is taken.
const MAX_TABLE: u64 = 64 << 20;

/// The largest certificate that is read.
const MAX_CERTIFICATE: u64 = 16 << 20;

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    proposal: &'a Proposal,
    review: &'static str,
    verdict: Option<&'a Verdict>,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { of, csv, beside, log } => list(&of.beside(beside, log)?, csv.as_deref(), output),
        Command::Page { of, out, duty, beside, log } => page(of, out, *duty, (beside, log), output),
        Command::Guide { out } => {
            write(out, vaern_proposals::guide().as_bytes())?;
            output.result(&serde_json::json!({ "page": out }), &format!("look at {}", out.display()))
        }
        Command::Figures { of, out } => {
            let figures = of.open()?.figures();
            let text = serde_json::to_string_pretty(&figures).map_err(|e| Failure::internal(e.to_string()))? + "\n";
            if let Some(out) = out {
                write(out, text.as_bytes())?;
            }
            output.result(&figures, &text)
        }
        Command::Decide { id, of, verdict, reviewer, reason, picture_shown, beside, log } => {
            let saying = Saying {
                id: id.clone(),
                decision: (*verdict).into(),
                reviewer: reviewer.clone(),
                reason: reason.clone(),
                picture_shown: *picture_shown,
            };
            let taken = decide(&mut of.beside(beside, log)?, vec![saying], log)?;
            let told = format!("{id}: {}", Decision::from(*verdict).as_str());
            output.result(&taken.first(), &told)
        }
        Command::Take { file, of, beside, log } => {
            let bytes = files::read("table", file, MAX_TABLE)?;
            let mut book = of.beside(beside, log)?;
            let sayings = book.sayings(&bytes)?;
            let taken = decide(&mut book, sayings, log)?.len();
            output.result(&serde_json::json!({ "taken": taken }), &format!("{taken} verdicts taken"))
        }
        Command::Withdraw { of, what, key, reviewer, reason, log } => {
            let mut book = of.open()?;
            let target = what.target(key.as_deref())?;
            let mut log = Logged::open(log, book.logged())?;
            let now = gate::now().as_second();
            let recalled = book.withdraw(target, (reviewer, reason), now, &mut |event| log.enter(vec![event]))?;
            output.result(&recalled, &recalled_lines(&recalled))
        }
        Command::Withdrawn { of } => {
            let recalled = of.open()?.recalled();
            output.result(&recalled, &recalled_lines(&recalled))
        }
    }
}

/// Crops are for whoever reviews, and that they were looked at is in the log before any of them is (SKJ-05, SKJ-04).
fn page(
    of: &Of,
    out: &Path,
    duty: DutyChoice,
    (beside, log): (&Beside, &LogArgs),
    output: &Output,
) -> Result<(), Failure> {
    if Duty::from(duty) != Duty::CaseWorker && vaern_door::guard::stands("cli.review_duty") {
        let what = "the crops of proposals are shown to those who review them, and to nobody else";
        return Err(Failure::refused(what, Krav("SKJ-05"), Blame::Operator)
            .mend("let a case worker make the page; `vaern review list` and the exports show none"));
    }
    let book = of.beside(beside, log)?;
    let look = Event::Accessed { what: Access::Show, duty: Duty::CaseWorker, by: None };
    Logged::open(log, book.logged())?.enter(vec![look]).map_err(Failure::internal)?;
    let mut sealed = std::collections::BTreeMap::new();
    let wanted: Vec<(String, String)> = book
        .proposals()
        .iter()
        .filter_map(|proposal| proposal.picture())
        // The others lie in their run's folder.
        .filter(|seen| seen.picture.as_deref().is_some_and(|picture| picture.starts_with("bevis ")))
        .map(|seen| (seen.id.clone(), seen.purpose.clone()))
        .collect();
    beside.with(log, |evidence, log, duty, now| {
        for (id, purpose) in &wanted {
            let (Ok(record), Ok(purpose)) = (id.parse(), vaern_door::Name::new(purpose.as_str())) else { continue };
            if let Ok(kept) = evidence.show(&record, &purpose, (Access::Show, duty, None), now, log) {
                sealed.insert(id.clone(), kept.picture.to_vec());
            }
        }
        Ok(())
    })?;
    let (page, shown) = book.page(&mut |id| sealed.remove(id));
    write(out, page.as_bytes())?;
    let lines = format!("{shown} proposals on the page; delete it when you are done\nlook at {}", out.display());
    output.result(&serde_json::json!({ "page": out, "proposals": shown }), &lines)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let (folder, name) = files::split("output", path)?;
    Ok(vaern_node::sinks::write_file(&folder, &name, bytes)?)
}

fn decide(book: &mut Book, sayings: Vec<Saying>, log: &LogArgs) -> Result<Vec<Verdict>, Failure> {
    let mut log = Logged::open(log, book.logged())?;
    Ok(book.decide(sayings, gate::now().as_second(), &mut |events| log.enter(events))?)
}

fn list(book: &Book, csv: Option<&Path>, output: &Output) -> Result<(), Failure> {
    if let Some(file) = csv {
        let (folder, name) = files::split("output", file)?;
        vaern_node::sinks::write_file(&folder, &name, book.table().as_bytes())?;
    }
    let proposals = book.proposals();
    let row = |proposal| Row { proposal, review: proposal.status.as_str(), verdict: book.standing(&proposal.id) };
    let rows: Vec<Row<'_>> = proposals.iter().map(row).collect();
    let mut lines: String = rows.iter().map(line).collect();
    lines += &format!("{} proposals\n", rows.len());
    output.result(&rows, &lines)
}

fn line(row: &Row<'_>) -> String {
    let Proposal { id, label, score, seen, .. } = row.proposal;
    let label = label.as_ref().map(ToString::to_string).unwrap_or_default();
    let picture = row.proposal.picture().and_then(|seen| seen.picture.as_deref()).unwrap_or("(no picture left)");
    format!("{id}  {label} {score:.2}  seen {}  {picture}  {}\n", seen.len(), row.review)
}

impl Of {
    fn open(&self) -> Result<Book, Failure> {
        let mut book = Book::open(files::open_dir("proposals", &self.proposals)?)?;
        attach(&mut book);
        Ok(book)
    }

    /// With the pictures that are kept as evidence.
    fn beside(&self, beside: &Beside, log: &LogArgs) -> Result<Book, Failure> {
        let mut book = self.open()?;
        let kept = beside.with(log, |evidence, log, duty, now| Ok(evidence.list(duty, None, now, log)?))?;
        book.keep(kept.into_iter().flatten().map(|listed| listed.id.to_string()));
        Ok(book)
    }
}

impl What {
    fn target(&self, key: Option<&str>) -> Result<(Target, Cause), Failure> {
        if let Some(id) = &self.proposal {
            return Ok((Target::Proposal(id.clone()), Cause::Objection));
        }
        if let Some(release) = self.release {
            return Ok((Target::Release(release), Cause::Release));
        }
        let (Some(file), Some(key)) = (&self.certificate, key) else {
            return Err(Failure::usage("what is withdrawn is not said"));
        };
        let bytes = files::read("certificate", file, MAX_CERTIFICATE)?;
        let key: VerifierKey = key.trim().parse()?;
        let certificate = Certificate::signed(&String::from_utf8_lossy(&bytes), &key)?;
        if certificate.cause() == Some(Deletion::Expired) {
            let what = "this certificate is of evidence whose time was over: what was found in it stands";
            return Err(Failure::refused(what, Krav("STD-05"), Blame::Operator).mend("there is nothing to withdraw"));
        }
        let finds = certificate.records().into_iter().map(str::to_owned).collect();
        Ok((Target::Finds(finds), Cause::EvidenceDeleted))
    }
}

fn recalled_lines(recalled: &[Recalled]) -> String {
    let mut text = format!("{} proposals are withdrawn, whole or in part\n", recalled.len());
    for Recalled { id, cause, exports } in recalled {
        let numbers: Vec<String> = exports.iter().map(|(number, _)| number.to_string()).collect();
        let held =
            if numbers.is_empty() { "in no export".to_owned() } else { format!("in exports {}", numbers.join(", ")) };
        text += &format!("{id}  {}  {held}\n", cause.map_or("in part", Cause::danish));
    }
    text
}
