//! `vaern review list|decide|take|export`: a person's verdict on proposals, one by one or through a spreadsheet.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use vaern_node::review::{Decision, Proposal, Reviews, Verdict};

use crate::commands::gate;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the proposals of a result and what stands on each.
    List {
        #[command(flatten)]
        result: Of,
        /// Write the list as a table for a Danish spreadsheet, to be filled in and taken back.
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
    /// Decide on one proposal.
    Decide {
        /// Id of the proposal.
        id: String,
        #[command(flatten)]
        result: Of,
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
    },
    /// Take the verdicts of a table that came back, all or none.
    Take {
        /// The table.
        file: PathBuf,
        #[command(flatten)]
        result: Of,
    },
    /// Write the proposals as they stand after review: rejected ones are withdrawn.
    Export {
        #[command(flatten)]
        result: Of,
        /// GeoJSON file.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Of {
    /// Folder that `vaern run` wrote.
    #[arg(long, value_name = "DIR")]
    result: PathBuf,
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

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    proposal: &'a Proposal,
    review: &'static str,
    verdict: Option<&'a Verdict>,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { result, csv } => {
            let reviews = result.open()?;
            if let Some(file) = csv {
                write(file, &reviews.table())?;
            }
            let rows: Vec<Row<'_>> = reviews
                .proposals()
                .iter()
                .map(|proposal| {
                    let verdict = reviews.standing(&proposal.id);
                    Row { proposal, review: verdict.map_or("afventer", |v| v.decision.as_str()), verdict }
                })
                .collect();
            let mut lines: String = rows.iter().map(line).collect();
            lines += &format!("{} proposals\n", rows.len());
            output.result(&rows, &lines)
        }
        Command::Decide { id, result, verdict, reviewer, reason, picture_shown } => {
            let verdict = Verdict {
                id: id.clone(),
                decision: (*verdict).into(),
                reviewer: reviewer.clone(),
                reason: reason.clone(),
                picture_shown: *picture_shown,
                time: gate::now().as_second(),
            };
            result.open()?.decide(vec![verdict.clone()])?;
            output.result(&verdict, &format!("{id}: {}", verdict.decision.as_str()))
        }
        Command::Take { file, result } => {
            let bytes = files::read("table", file, MAX_TABLE)?;
            let taken = result.open()?.take_table(&bytes, gate::now().as_second())?;
            output.result(&serde_json::json!({ "taken": taken }), &format!("{taken} verdicts taken"))
        }
        Command::Export { result, out } => {
            write(out, &result.open()?.geojson()?)?;
            output.result(&serde_json::json!({ "file": out }), &out.display().to_string())
        }
    }
}

impl Of {
    fn open(&self) -> Result<Reviews, Failure> {
        Ok(Reviews::open(files::open_dir("result", &self.result)?)?)
    }
}

fn line(row: &Row<'_>) -> String {
    let Proposal { id, label, score, picture, .. } = row.proposal;
    format!("{id}  {label} {score:.2}  {}  {}\n", picture.as_deref().unwrap_or("(picture deleted)"), row.review)
}

fn write(file: &std::path::Path, text: &str) -> Result<(), Failure> {
    let (folder, name) = files::split("output", file)?;
    vaern_node::sinks::write_file(&folder, &name, text.as_bytes())?;
    Ok(())
}
