//! What several commands share: opening policies, trust, models and the gate.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vaern_door::Name;
use vaern_inference::Backend;
use vaern_memory::Protection;
use vaern_node::gate::Built;
use vaern_node::policies::SealError;
use vaern_node::store::ModelStore;
use vaern_policy::PolicySet;
use vaern_sandbox::wall::{Launch, WallSettings};
use vaern_trust::{Mark, TrustRoot};

use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// Which purpose of a policy directory is run.
#[derive(clap::Args)]
pub(crate) struct Purpose {
    /// Name of the purpose, where the policy directory has several.
    #[arg(long)]
    pub(crate) purpose: Option<Name>,
}

/// Which engine runs models, and where installed models are.
#[derive(clap::Args)]
pub(crate) struct Engine {
    /// Engine for models: `tract` is part of the program; `onnxruntime` is faster and must be installed
    /// (`vaern models fetch onnxruntime`, or the path of its library in ORT_DYLIB_PATH).
    #[arg(long, value_enum, default_value_t = BackendChoice::Tract)]
    pub(crate) backend: BackendChoice,
    /// Directory of installed models.
    #[arg(long, env = "VAERN_MODELS", value_name = "DIR")]
    pub(crate) models: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BackendChoice {
    Tract,
    Onnxruntime,
}

impl Engine {
    /// The directory of installed models: as named, else in the user's data directory.
    pub(crate) fn store_path(&self) -> Option<PathBuf> {
        let data = || {
            let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
            std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home)
        };
        self.models.clone().or_else(|| data().map(|data| data.join("vaern/models")))
    }

    /// The store. A directory that is named must exist; the user's own may be absent.
    pub(crate) fn store(&self) -> Result<ModelStore, Failure> {
        match (&self.models, self.store_path()) {
            (Some(named), _) => Ok(ModelStore::new(Some(files::open_dir("model", named)?))),
            (None, Some(path)) if path.is_dir() => Ok(ModelStore::new(Some(files::open_dir("model", &path)?))),
            _ => Ok(ModelStore::new(None)),
        }
    }

    /// The engine.
    pub(crate) fn open(&self) -> Result<Box<dyn Backend>, Failure> {
        match self.library()? {
            None => Ok(Box::new(vaern_inference::tract())),
            Some(library) => Ok(Box::new(vaern_inference::onnx_runtime(&library)?)),
        }
    }

    /// The engine and its version, as a replay is held to: for a library, what it is to the byte.
    pub(crate) fn identity(&self) -> Result<String, Failure> {
        match self.library()? {
            None => Ok(vaern_node::replay::TRACT.to_owned()),
            Some(library) => {
                let bytes = files::read("library", &library, 1 << 30)?;
                Ok(format!("onnxruntime {}", vaern_door::Digest::of(&bytes)))
            }
        }
    }

    /// The library of ONNX Runtime, where that is the engine.
    fn library(&self) -> Result<Option<PathBuf>, Failure> {
        if self.backend == BackendChoice::Tract {
            return Ok(None);
        }
        let named = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
        let fetched = || self.store_path().map(|path| path.join(super::models::RUNTIME_FILE));
        let library = named.or_else(fetched).filter(|path| path.is_file()).ok_or_else(|| {
            Failure::usage("ONNX Runtime is not installed")
                .mend("run `vaern models fetch onnxruntime`, or set ORT_DYLIB_PATH to its library")
        })?;
        // A worker starts in another folder.
        std::path::absolute(&library).map(Some).map_err(|e| Failure::file("cannot find", &library, &e))
    }
}

/// What the operator decides about the wall around vendor code.
#[derive(clap::Args)]
pub(crate) struct Wall {
    /// Go on where the kernel lacks a part of the wall around vendor code. The report names what is missing.
    #[arg(long)]
    pub(crate) weaker_wall: bool,
}

impl Wall {
    /// Workers are this program, executed anew.
    pub(crate) fn settings(&self, engine: &Engine) -> Result<WallSettings, Failure> {
        let launch = Launch::this_program(super::worker::NAME, engine.library()?);
        Ok(WallSettings { accept_weaker: self.weaker_wall, ..WallSettings::strict(launch) })
    }
}

/// Whether a policy set must be signed, and how new it must be.
#[derive(clap::Args)]
pub(crate) struct Standing {
    /// Take a policy directory that nobody signed. For evaluation: refused under an operating purpose.
    #[arg(long)]
    pub(crate) unsigned_policies: bool,
    /// Refuse a policy set with a lower number: the newest that ran on this node.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) policy_floor: u64,
}

/// Loads a policy directory as its roles signed it; an unsigned one only for evaluation, and only where asked for.
pub(crate) fn policy_set_in_force(
    path: &Path,
    purpose: &Purpose,
    trust: impl FnOnce() -> Result<TrustRoot, Failure>,
    standing: &Standing,
) -> Result<(PolicySet, Option<Mark>), Failure> {
    if standing.unsigned_policies {
        let set = policy_set(path, purpose)?;
        if set.purpose.operating {
            let what = "an unsigned policy set is refused under an operating purpose";
            return Err(Failure::refused(what, vaern_door::Krav("SKJ-03"), vaern_door::Blame::Operator)
                .mend("let the city's roles sign it with `vaern policy sign`, and leave out --unsigned-policies"));
        }
        return Ok((set, None));
    }
    let dir = files::open_dir("policy", path)?;
    let (set, mark) = vaern_node::policies::open(&dir, purpose.purpose.as_ref(), &trust()?, None)?;
    if mark.version < standing.policy_floor {
        return Err(SealError::Older { ran: standing.policy_floor, offered: mark.version }.into());
    }
    Ok((set, Some(mark)))
}

/// Loads a policy directory.
pub(crate) fn policy_set(path: &Path, purpose: &Purpose) -> Result<PolicySet, Failure> {
    let dir = files::open_dir("policy", path)?;
    Ok(PolicySet::load(&dir, purpose.purpose.as_ref())?)
}

/// Loads a trust root: a `trust.toml` that stands alone, or a signed root (`vaern keys root`).
pub(crate) fn trust_root(path: &Path) -> Result<TrustRoot, Failure> {
    let mend = "make one with the keys of your vendors and roles; `vaern demo` writes an example";
    let bytes = files::read("trust root", path, 1 << 20).map_err(|failure| failure.mend(mend))?;
    if bytes.first() == Some(&b'{') {
        return Ok(vaern_trust::SignedRoot::pin(&bytes)?.into_trust());
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("the trust root is not UTF-8"))?;
    Ok(TrustRoot::from_toml(&text)?)
}

/// The gate of a policy set, with what a reader must know of it said aloud.
pub(crate) fn gate(set: &PolicySet, engine: &Engine, backend: &dyn Backend, output: &Output) -> Result<Built, Failure> {
    let built = vaern_node::gate::build(set, &engine.store()?, backend)?;
    if built.drawn_streets_only {
        output.say("vaern: the gate runs on the embedded models, which know DRAWN streets only: not for photographs");
    }
    let protection = Protection::probe(LARGE_FRAME);
    if !protection.locked {
        output.say(
            "vaern: raw frames may reach the swap: the system lets this program lock less than a 12-megapixel frame \
             (raise the limit on locked memory, `LimitMEMLOCK=` or `ulimit -l`, or run without swap)",
        );
    }
    if !protection.undumpable {
        output.say("vaern: the system cannot keep raw frames out of core files; switch core files off");
    }
    Ok(built)
}

/// Bytes of a 12-megapixel frame.
const LARGE_FRAME: usize = 36_000_000;

/// The present. The only clock of the program.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
