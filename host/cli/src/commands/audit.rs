//! `vaern audit verify|show|prove`: the transparency log, checked offline with nothing but its public key.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use vaern_record::log::{self, Account, Expect, Floor, Opened, Proof, Reader, Record, VerifierKey};

use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check a whole log, or the proof of one leaf: signature, every leaf, every tile, what was seen before, and the account.
    Verify {
        /// Directory of the log, or a file that `prove` wrote.
        path: PathBuf,
        #[command(flatten)]
        key: Key,
        /// File in which you keep the newest checkpoint that you saw. A log that does not contain it is refused; if it does,
        /// the file is brought up to date. Keep it where whoever runs the node cannot reach it.
        #[arg(long, value_name = "FILE")]
        floor: Option<PathBuf>,
    },
    /// Show what the leaves say.
    Show {
        /// Directory of the log.
        dir: PathBuf,
        #[command(flatten)]
        key: Key,
        /// First leaf, from 0.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Leaves at most.
        #[arg(long, default_value_t = 100)]
        count: u64,
    },
    /// Prove that one leaf is in the log, to somebody who has nothing but the log's key.
    Prove {
        /// Directory of the log.
        dir: PathBuf,
        /// Index of the leaf, from 0.
        index: u64,
        #[command(flatten)]
        key: Key,
        /// File for the proof; without it the proof goes to standard output.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Key {
    /// Key of the log: the key itself (`name+id+…`) or a file that holds it. Without it the key that lies in the log is
    /// taken, which shows that the log is whole, but not whose it is.
    #[arg(long)]
    key: Option<String>,
}

/// Name of the file in a log that holds its public key.
const KEY_FILE: &str = "key";

/// A key and a floor are one line.
const MAX_LINE: u64 = 1024;

/// A proof holds one record and at most 64 hashes.
const MAX_PROOF: u64 = 256 << 10;

/// Whose a log is.
struct Held {
    key: VerifierKey,
    pinned: bool,
}

impl Key {
    fn find(&self, dir: Option<&Path>) -> Result<Held, Failure> {
        let key = match (&self.key, dir) {
            (Some(given), _) => given_key(given)?,
            (None, Some(dir)) => line("log key", &dir.join(KEY_FILE))?.trim().parse()?,
            (None, None) => {
                return Err(Failure::usage("a proof is checked against the key of its log").mend("name it with --key"));
            }
        };
        Ok(Held { key, pinned: self.key.is_some() })
    }
}

/// A log's key as somebody gives it: the key itself, or a file that holds it.
pub(crate) fn given_key(given: &str) -> Result<VerifierKey, Failure> {
    let text = match given.contains('+') && !Path::new(given).exists() {
        true => given.to_owned(),
        false => line("log key", Path::new(given))?,
    };
    Ok(text.trim().parse()?)
}

/// A file of one line.
pub(crate) fn line(what: &str, path: &Path) -> Result<String, Failure> {
    let bytes = files::read(what, path, MAX_LINE)?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("the {what} `{}` is not text", path.display())))
}

#[derive(Serialize)]
struct Checked {
    log: String,
    key: String,
    /// The key came from whoever asks, not from the log itself.
    key_pinned: bool,
    leaves: u64,
    root: String,
    opened: u64,
    sealed: u64,
    kinds: std::collections::BTreeMap<&'static str, u64>,
    frames: Frames,
    unfinished_runs: Vec<String>,
    floor: Option<u64>,
}

#[derive(Serialize)]
struct Frames {
    frames_in: u64,
    with_objects: u64,
    empty: u64,
    refused: u64,
    failed: u64,
}

#[derive(Serialize)]
struct Shown {
    index: u64,
    commitment: String,
    record: Option<Record>,
}

#[derive(Serialize)]
struct Proved {
    index: u64,
    leaves: u64,
    log: String,
    key_pinned: bool,
    record: Record,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Verify { path, key, floor: None } if path.is_file() => verify_proof(path, &key.find(None)?, output),
        Command::Verify { path, key, floor } => verify(path, &key.find(Some(path))?, floor.as_deref(), output),
        Command::Show { dir, key, from, count } => show(dir, &key.find(Some(dir))?, *from, *count, output),
        Command::Prove { dir, index, key, out } => prove(dir, *index, &key.find(Some(dir))?, out.as_deref(), output),
    }
}

/// Checks a log against its own key: for the demo, which made both.
pub(crate) fn account(dir: Dir, key: &VerifierKey) -> Result<Account, Failure> {
    Ok(log::verify(dir, &Expect { key, floor: None, quorum: None })?)
}

fn verify(path: &Path, held: &Held, floor: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let dir = files::open_dir("log", path)?;
    // A floor file that is there and cannot be read is never taken for none.
    let seen = match floor {
        Some(file) if file.exists() => Some(Floor::parse(&line("log floor", file)?)?),
        _ => None,
    };
    let account = log::verify(dir, &Expect { key: &held.key, floor: seen.as_ref(), quorum: None })?;
    if let Some(file) = floor {
        let (folder, name) = files::split("log floor", file)?;
        vaern_node::sinks::write_file(&folder, &name, Floor::from(&account.checkpoint).to_text().as_bytes())?;
    }
    let checked = checked(&account, held, seen.as_ref());
    output.result(&checked, &lines(&checked))
}

fn checked(account: &Account, held: &Held, seen: Option<&Floor>) -> Checked {
    Checked {
        log: account.checkpoint.origin.to_string(),
        key: held.key.to_string(),
        key_pinned: held.pinned,
        leaves: account.checkpoint.size,
        root: vaern_door::Digest::from_bytes(account.checkpoint.root).hex(),
        opened: account.opened,
        sealed: account.sealed,
        kinds: account.kinds.clone(),
        frames: Frames {
            frames_in: account.frames_in,
            with_objects: account.with_objects,
            empty: account.empty,
            refused: account.refused,
            failed: account.failed,
        },
        unfinished_runs: account.unfinished.iter().map(ToString::to_string).collect(),
        floor: seen.map(|floor| floor.size),
    }
}

fn lines(checked: &Checked) -> String {
    use std::fmt::Write as _;
    let mut text =
        format!("the log `{}` holds: {} leaves, signature, tiles and root agree\n", checked.log, checked.leaves);
    let _ = writeln!(text, "root    {}", checked.root);
    let _ = writeln!(text, "key     {}", checked.key);
    if !checked.key_pinned {
        text += "        taken from the log itself: this shows that the log is whole, not whose it is (--key)\n";
    }
    match checked.floor {
        Some(size) => {
            let _ = writeln!(text, "floor   the {size} leaves that were seen before are in it, unchanged");
        }
        None => text += "floor   none: a log that was cut off looks whole to whoever never saw it longer (--floor)\n",
    }
    for (kind, count) in &checked.kinds {
        let _ = writeln!(text, "{count:>7} {kind}");
    }
    if checked.sealed > 0 {
        let _ = writeln!(text, "{:>7} leaves whose record was taken away or is not part of this copy", checked.sealed);
    }
    let frames = &checked.frames;
    let _ = writeln!(
        text,
        "{} frames in = {} with objects + {} empty + {} refused + {} failed",
        frames.frames_in, frames.with_objects, frames.empty, frames.refused, frames.failed
    );
    if !checked.unfinished_runs.is_empty() {
        let _ = writeln!(
            text,
            "{} runs have no end: they go on now, or the node crashed in them",
            checked.unfinished_runs.len()
        );
    }
    text
}

fn show(path: &Path, held: &Held, from: u64, count: u64, output: &Output) -> Result<(), Failure> {
    let reader = Reader::open(files::open_dir("log", path)?, &held.key)?;
    let leaves = reader.each(from..from.saturating_add(count))?;
    let mut text = String::new();
    for leaf in &leaves {
        text += &describe(leaf)?;
    }
    let size = reader.checkpoint().size;
    if leaves.is_empty() {
        text = format!("no leaf from {from} on: the log has {size}\n");
    }
    text += "shown, not checked: `vaern audit verify` does that\n";
    let shown: Vec<Shown> = leaves
        .into_iter()
        .map(|leaf| Shown {
            index: leaf.index,
            commitment: vaern_door::Digest::from_bytes(leaf.commitment).hex(),
            record: leaf.record,
        })
        .collect();
    output.result(&shown, &text)
}

fn describe(leaf: &Opened) -> Result<String, Failure> {
    let Some(record) = &leaf.record else {
        return Ok(format!("{:>6}  (the record was taken away, or is not part of this copy)\n", leaf.index));
    };
    let value = serde_json::to_value(&record.event).map_err(|e| Failure::internal(e.to_string()))?;
    let fields = value.get(kind_key(&value)).map(ToString::to_string).unwrap_or_default();
    Ok(format!("{:>6}  {}  {} {fields}\n", leaf.index, when(record.time), record.event.kind()))
}

/// The one key of an event as it is written: its kind.
fn kind_key(value: &serde_json::Value) -> &str {
    value.as_object().and_then(|map| map.keys().next()).map_or("", String::as_str)
}

pub(crate) fn when(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok());
    time.map_or_else(|| format!("second {seconds}"), |time| time.to_string())
}

fn prove(path: &Path, index: u64, held: &Held, out: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let reader = Reader::open(files::open_dir("log", path)?, &held.key)?;
    let proof = Proof::of(&reader, index)?;
    // A proof that does not hold helps nobody.
    let (checkpoint, record) = proof.check(&held.key)?;
    let text = proof.to_text();
    if let Some(file) = out {
        let (folder, name) = files::split("proof", file)?;
        vaern_node::sinks::write_file(&folder, &name, text.as_bytes())?;
    }
    let lines = match out {
        Some(file) => format!(
            "{} proves leaf {index} of {}: check it with `vaern audit verify {} --key …`",
            file.display(),
            checkpoint.size,
            file.display()
        ),
        None => text.clone(),
    };
    #[derive(Serialize)]
    struct Told {
        #[serde(flatten)]
        proved: Proved,
        proof: String,
    }
    let log = checkpoint.origin.to_string();
    let proved = Proved { index, leaves: checkpoint.size, log, key_pinned: held.pinned, record };
    output.result(&Told { proved, proof: text }, &lines)
}

fn verify_proof(path: &Path, held: &Held, output: &Output) -> Result<(), Failure> {
    let text = files::read("proof", path, MAX_PROOF)?;
    let text = String::from_utf8(text).map_err(|_| Failure::usage("the proof is not text"))?;
    let proof = Proof::parse(&text)?;
    let (checkpoint, record) = proof.check(&held.key)?;
    let event = serde_json::to_string(&record.event).map_err(|e| Failure::internal(e.to_string()))?;
    let lines = format!(
        "the proof holds: leaf {} of {} in the log `{}` says, at {}:\n  {event}",
        proof.index(),
        checkpoint.size,
        checkpoint.origin,
        when(record.time)
    );
    let log = checkpoint.origin.to_string();
    output
        .result(&Proved { index: proof.index(), leaves: checkpoint.size, log, key_pinned: held.pinned, record }, &lines)
}
