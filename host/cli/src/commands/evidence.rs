//! `vaern evidence new-key|list|show|hold|purge|delete`: what is kept, for those who may look at it. Each look is in the log first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use vaern_door::Name;
use vaern_record::evidence::{Bounds, Certificate, Day, Evidence, HoldOrder, HoldRule, Kind, Listed, RecordId, Secret};
use vaern_record::log::{Access, Deletion, Duty, Log};
use vaern_trust::TrustRoot;

use crate::commands::book::LogArgs;
use crate::commands::gate;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a store key. It seals the epoch keys; keep it off the disk that the store lies on.
    NewKey {
        /// File for the key; nothing is overwritten.
        file: PathBuf,
    },
    /// List what is kept, without opening any of it.
    List {
        #[command(flatten)]
        store: Store,
    },
    /// Open one piece of evidence: `picture` and `record.json` are written into a folder.
    Show {
        /// Id of the detection.
        id: RecordId,
        /// The purpose that you look for; evidence is opened for its own only.
        #[arg(long)]
        purpose: Name,
        /// Folder for the two files. Whoever opens evidence answers for these copies.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        store: Store,
    },
    /// Hold one piece of evidence for a case past its time, or lift the hold. Two persons of the trust root sign.
    Hold {
        /// Id of the detection.
        id: RecordId,
        /// Lift the hold instead of setting it.
        #[arg(long)]
        lift: bool,
        /// A reference to the case that says nothing of it.
        #[arg(long)]
        case: Name,
        /// Secret key file of a person; twice.
        #[arg(long, required = true, value_name = "FILE")]
        key: Vec<PathBuf>,
        /// The trust root, which knows the persons' roles.
        #[arg(long, value_name = "FILE")]
        trust: PathBuf,
        #[command(flatten)]
        store: Store,
    },
    /// Delete everything whose time is over, by destroying its keys.
    Purge {
        #[command(flatten)]
        store: Store,
        #[command(flatten)]
        certificates: Certificates,
    },
    /// Delete records before their time, by destroying their keys.
    Delete {
        /// Ids of the detections.
        #[arg(required = true)]
        ids: Vec<RecordId>,
        /// Why.
        #[arg(long, value_enum, default_value_t = Cause::Asked)]
        cause: Cause,
        #[command(flatten)]
        store: Store,
        #[command(flatten)]
        certificates: Certificates,
    },
}

#[derive(clap::Args)]
pub(crate) struct Store {
    /// Directory of the store.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Key of the store (`vaern evidence new-key`).
    #[arg(long, value_name = "FILE")]
    store_key: PathBuf,
    /// In which duty you look.
    #[arg(long, value_enum)]
    duty: DutyChoice,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(clap::Args)]
pub(crate) struct Certificates {
    /// Folder for the deletion certificates; they stay in the store as well.
    #[arg(long, value_name = "DIR")]
    certificates: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum DutyChoice {
    CaseWorker,
    PrivacyOfficer,
    Auditor,
    Operator,
}

impl From<DutyChoice> for Duty {
    fn from(choice: DutyChoice) -> Self {
        match choice {
            DutyChoice::CaseWorker => Self::CaseWorker,
            DutyChoice::PrivacyOfficer => Self::PrivacyOfficer,
            DutyChoice::Auditor => Self::Auditor,
            DutyChoice::Operator => Self::Operator,
        }
    }
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Cause {
    /// Somebody asked for it.
    Asked,
    /// A person found nothing in it.
    Rejected,
    /// The class of data may no longer be kept.
    PolicyChanged,
}

impl From<Cause> for Deletion {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Asked => Self::Asked,
            Cause::Rejected => Self::Rejected,
            Cause::PolicyChanged => Self::PolicyChanged,
        }
    }
}

/// These commands keep nothing; the bounds are those of whoever does.
const BOUNDS: Bounds = Bounds { per_release_zone_day: 0, picture_bytes: 0 };

#[derive(Serialize)]
struct Shown {
    id: String,
    label: vaern_record::evidence::Label,
    kept: u64,
    picture: PathBuf,
    record: PathBuf,
}

#[derive(Serialize)]
struct Deleted {
    certificates: Vec<String>,
    records: Vec<String>,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::NewKey { file } => new_key(file, output),
        Command::List { store } => store.with(|evidence, log, now| {
            let listed = evidence.list(store.duty.into(), None, now, log)?;
            output.result(&listed, &list_lines(&listed, now))
        }),
        Command::Show { id, purpose, out, store } => store.with(|evidence, log, now| {
            let access = (Access::Show, Duty::from(store.duty), None);
            let kept = evidence.show(id, purpose, access, now, log)?;
            let dir = files::make_dir("output", out)?;
            vaern_node::sinks::write_file(&dir, "picture", &kept.picture)?;
            vaern_node::sinks::write_file(&dir, "record.json", &kept.record)?;
            let shown = Shown {
                id: id.to_string(),
                label: kept.label.clone(),
                kept: kept.kept,
                picture: out.join("picture"),
                record: out.join("record.json"),
            };
            let lines = format!(
                "{} and {}: opened copies, in the clear; delete them when you are done",
                shown.picture.display(),
                shown.record.display()
            );
            output.result(&shown, &lines)
        }),
        Command::Hold { id, lift, case, key, trust, store } => {
            let trust = gate::trust_root(trust)?;
            let order = HoldOrder {
                set: !lift,
                record: id.to_string(),
                case: case.to_string(),
                time: u64::try_from(gate::now().as_second()).unwrap_or_default(),
            };
            let (rule, signatures) = signed(&order, key, &trust)?;
            store.with(|evidence, log, _| {
                evidence.hold(&order, &rule, &signatures, log)?;
                output.result(&order, &format!("{id}: {}", if *lift { "the hold is lifted" } else { "held" }))
            })
        }
        Command::Purge { store, certificates } => store.with(|evidence, log, now| {
            let done = evidence.expire(now, log)?;
            certificates.give_out(&done, output)
        }),
        Command::Delete { ids, cause, store, certificates } => store.with(|evidence, log, now| {
            let done = evidence.delete(ids, (*cause).into(), now, log)?;
            certificates.give_out(&done, output)
        }),
    }
}

impl Store {
    /// In which duty somebody looks.
    pub(crate) fn duty(&self) -> Duty {
        self.duty.into()
    }

    /// Opens store and log, and keeps the log's floor afterwards, whatever happened: what was logged is logged.
    pub(crate) fn with(
        &self,
        work: impl FnOnce(&mut Evidence, &mut Log, u64) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(mut book) = self.log.open()? else {
            return Err(Failure::usage("evidence is looked at and deleted with a log only")
                .mend("name the node's log with --log and --log-key"));
        };
        let now = u64::try_from(gate::now().as_second()).unwrap_or_default();
        let dir = files::open_dir("evidence", &self.store)?;
        let result = match Evidence::open(dir, store_key(&self.store_key)?, Kind::Evidence, BOUNDS, book.log()) {
            Ok(mut evidence) => work(&mut evidence, book.log(), now),
            Err(error) => Err(error.into()),
        };
        book.keep_floor()?;
        result
    }
}

/// A store that is looked into beside something else, where one is named.
#[derive(clap::Args)]
pub(crate) struct Beside {
    /// Directory of the evidence store, for pictures that are nowhere else.
    #[arg(long, value_name = "DIR", requires = "store_key", requires = "duty", requires = "log_key")]
    store: Option<PathBuf>,
    /// Key of the store (`vaern evidence new-key`).
    #[arg(long, value_name = "FILE", requires = "store")]
    store_key: Option<PathBuf>,
    /// In which duty you look.
    #[arg(long, value_enum, requires = "store")]
    duty: Option<DutyChoice>,
}

impl Beside {
    /// Looks into the store, with the log that the look is entered into. `None` where no store is named.
    pub(crate) fn with<T>(
        &self,
        log: &LogArgs,
        work: impl FnOnce(&mut Evidence, &mut Log, Duty, u64) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let (Some(store), Some(store_key), Some(duty)) = (&self.store, &self.store_key, self.duty) else {
            return Ok(None);
        };
        let store = Store { store: store.clone(), store_key: store_key.clone(), duty, log: log.clone() };
        let mut found = None;
        store.with(|evidence, log, now| {
            found = Some(work(evidence, log, duty.into(), now)?);
            Ok(())
        })?;
        Ok(found)
    }
}

/// Signs an order with each key that the trust root knows. Whether they are enough is for the store to say.
fn signed(order: &HoldOrder, keys: &[PathBuf], trust: &TrustRoot) -> Result<(HoldRule, Vec<[u8; 64]>), Failure> {
    let mut persons = BTreeSet::new();
    let mut signatures = Vec::new();
    for path in keys {
        let (dir, file) = files::split("secret key", path)?;
        let (owner, pair) = vaern_trust::read_secret(&dir, &file)?;
        if trust.role_of(&pair.public()).is_none() {
            let what = format!("the key of `{}` has no role in the trust root", owner.name);
            return Err(Failure::refused(what, vaern_door::Krav("SKJ-04"), vaern_door::Blame::Operator));
        }
        persons.insert(*pair.public().as_bytes());
        signatures.push(pair.sign(&order.message()));
    }
    let persons: Vec<[u8; 32]> = persons.into_iter().collect();
    Ok((HoldRule::new(&persons)?, signatures))
}

/// Reads a store key: 64 hexadecimal digits, in a file that only its owner may read.
pub(crate) fn store_key(path: &Path) -> Result<Secret, Failure> {
    use zeroize::Zeroizing;
    let (dir, name) = files::split("store key", path)?;
    #[cfg(unix)]
    {
        use cap_std::fs::PermissionsExt as _;
        let mode = dir.metadata(&name).map_err(|e| Failure::file("cannot read", path, &e))?.permissions().mode();
        if mode & 0o077 != 0 {
            let what = format!("`{}` can be read by others", path.display());
            return Err(Failure::refused(what, vaern_door::Krav("SKJ-01"), vaern_door::Blame::Operator)
                .mend("make its mode 0600; make a new store if others may have read it"));
        }
    }
    let text = Zeroizing::new(files::read("store key", path, 128)?);
    let digits = text.strip_suffix(b"\n").unwrap_or(&text);
    let (pairs, rest) = digits.as_chunks::<2>();
    // Each byte is written where the key is to lie, and nowhere else.
    Secret::filled(|bytes| {
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(not_a_key(path));
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|d| u8::try_from(d).ok());
            let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(not_a_key(path)) };
            *byte = high << 4 | low;
        }
        Ok(())
    })
}

fn not_a_key(path: &Path) -> Failure {
    Failure::usage(format!("`{}` is no store key: 64 hexadecimal digits", path.display()))
}

fn new_key(path: &Path, output: &Output) -> Result<(), Failure> {
    use std::fmt::Write as _;
    use std::io::Write as _;

    use cap_std::fs::OpenOptions;
    use zeroize::Zeroizing;
    let (dir, name) = files::split("store key", path)?;
    let secret = Secret::random().map_err(|e| Failure::internal(e.to_string()))?;
    // Sized once: growing would leave a copy of the secret behind.
    let mut text = Zeroizing::new(String::with_capacity(65));
    secret.expose(|bytes| {
        for byte in bytes {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
    });
    text.push('\n');
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let fail = |e: std::io::Error| Failure::file("cannot write the store key", path, &e);
    let mut file = dir.open_with(&name, &options).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    let lines = format!("{}: keep it off the disk that the store lies on", path.display());
    output.result(&serde_json::json!({ "file": path }), &lines)
}

fn list_lines(listed: &[Listed], now: u64) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for one in listed {
        let days = one.label.expires.0.saturating_sub(Day::of(now).0);
        let held = if one.held { ", held for a case" } else { "" };
        let _ = writeln!(
            text,
            "{}  {}  {}  release {}  {days} days left{held}",
            one.id,
            one.label.purpose,
            one.label.zone,
            one.label.release.short()
        );
    }
    let _ = writeln!(text, "{} kept", listed.len());
    text
}

impl Certificates {
    fn give_out(&self, done: &[Certificate], output: &Output) -> Result<(), Failure> {
        if let Some(path) = &self.certificates {
            let dir = files::make_dir("certificate", path)?;
            for certificate in done {
                let name = format!("deletion-{}.txt", certificate.digest().short());
                vaern_node::sinks::write_file(&dir, &name, certificate.text().as_bytes())?;
            }
        }
        let records: Vec<String> = done.iter().flat_map(Certificate::records).map(str::to_owned).collect();
        let lines = format!("{} records deleted, {} certificates\n", records.len(), done.len());
        let told = Deleted { certificates: done.iter().map(|c| c.text().to_owned()).collect(), records };
        output.result(&told, &lines)
    }
}
