//! Which release runs here, and what it then runs in: judged, given its grants, and walled in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use jiff::Timestamp;
use vaern_door::{Blame, Grants, Krav, Name};
use vaern_inference::{Backend, InferenceError, Model, ModelLimits};
use vaern_policy::{ActivationFacts, PolicyError, PolicySet};
use vaern_sandbox::wall::{Protection, Vendor, Wall, WallError, WallSettings};
use vaern_sandbox::{Compiled, Engine, InProcess, Ledger, Runner, SandboxError};
use vaern_trust::{Approved, CompiledCode, Release, ReleaseError, TrustRoot};

use crate::bits::{DurableLedger, LedgerError};
use crate::facts;
use crate::keeper::{Keeper, KeptCount};
use crate::outcome::{FrameOutcome, ReleaseInfo, SandboxInfo};
use crate::withhold::withhold;

/// Why a release does not run here.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// Package, vendor signature or approval does not hold.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// It asks for more than the policy gives.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// It is approved under another policy set.
    #[error("the approval is for the policy set `{approved}`, this node runs `{node}`")]
    OtherPolicySet {
        /// Named in the approval.
        approved: Name,
        /// In force here.
        node: Name,
    },
    /// It is approved against another version of the requirements catalogue.
    #[error("the approval is for version {approved} of the catalogue, this node runs {node}")]
    CatalogueMismatch {
        /// Named in the approval.
        approved: String,
        /// In force here.
        node: String,
    },
    /// A model of the release does not load.
    #[error("the model `{name}` of the release: {source}")]
    Model {
        /// Name in the manifest.
        name: Name,
        /// What the engine said.
        source: InferenceError,
    },
    /// The component does not fit the sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl AdmitError {
    /// The requirement behind it.
    #[must_use]
    pub fn krav(&self) -> Krav {
        match self {
            Self::Release(error) => error.krav(),
            Self::Policy(error) => error.krav(),
            Self::OtherPolicySet { .. } => Krav("STD-03"),
            Self::CatalogueMismatch { .. } => Krav("MAL-05"),
            Self::Model { source, .. } => source.krav(),
            Self::Sandbox(error) => error.krav(),
        }
    }

    /// Who has to act.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Release(error) => error.blame(),
            Self::Policy(error) => error.blame(),
            Self::OtherPolicySet { .. } | Self::CatalogueMismatch { .. } => Blame::Policy,
            Self::Model { .. } => Blame::Vendor,
            Self::Sandbox(error) => error.blame(),
        }
    }

    /// What to do next, where the program knows it.
    #[must_use]
    pub fn mend(&self) -> Option<&'static str> {
        match self {
            Self::Release(error) => Some(error.mend()),
            Self::Policy(error) => Some(error.mend()),
            Self::OtherPolicySet { .. } | Self::CatalogueMismatch { .. } => {
                Some("approve the release anew for what is in force here")
            }
            Self::Sandbox(SandboxError::NoCompiler | SandboxError::BadCode) => {
                Some("have the city compile it with `vaern compile` of this very program")
            }
            Self::Sandbox(SandboxError::WallIncomplete(_)) => Some(
                "run on a kernel with Landlock and seccomp (Linux 5.13 or later), or go on without with --weaker-wall",
            ),
            _ => None,
        }
    }
}

impl From<WallError> for AdmitError {
    fn from(error: WallError) -> Self {
        match error {
            WallError::Sandbox(error) => Self::Sandbox(error),
            WallError::Model { name, source } => Self::Model { name, source },
        }
    }
}

/// A release that is compiled and has its models loaded: ready to make runners.
pub struct Seer {
    grants: Arc<Grants>,
    place: Place,
    pub(crate) keeper: Option<Keeper>,
    ledger: Option<Mutex<DurableLedger>>,
}

/// Where a release runs.
enum Place {
    /// In workers behind the wall: the way of a node.
    Walled(Wall),
    /// In this process: for measuring, where nothing raw is at stake.
    Here { engine: Engine, compiled: Box<Compiled>, models: BTreeMap<Name, Arc<dyn Model>> },
}

impl Seer {
    pub(crate) fn runner(&self) -> Result<Box<dyn Runner>, SandboxError> {
        match &self.place {
            Place::Walled(wall) => Ok(Box::new(wall.runner()?)),
            Place::Here { engine, compiled, models } => {
                Ok(Box::new(InProcess::new(engine, compiled, Arc::clone(&self.grants), models.clone())?))
            }
        }
    }

    /// Keeps evidence of what it finds.
    #[must_use]
    pub fn keeping(mut self, keeper: Keeper) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// What the release is given.
    #[must_use]
    pub fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// Charges a ledger that outlives the run. Without one, the budget is counted for each run alone.
    #[must_use]
    pub fn charging(mut self, ledger: DurableLedger) -> Self {
        self.ledger = Some(Mutex::new(ledger));
        self
    }

    /// Withholds what is beyond the vendor's budget; what is left is on the durable ledger when this returns. Answers with the
    /// bits charged.
    pub(crate) fn withhold(&self, frames: &mut [FrameOutcome], vendor: &Name, out: &Dir) -> Result<u64, LedgerError> {
        let Some(durable) = &self.ledger else {
            return Ok(withhold(&mut Ledger::new(&self.grants.output), frames, vendor, &self.grants, out));
        };
        let mut durable = durable.lock().unwrap_or_else(PoisonError::into_inner);
        let before = durable.ledger().bits();
        let bits = withhold(durable.ledger(), frames, vendor, &self.grants, out);
        durable.save()?;
        Ok(bits - before)
    }

    /// What became of the evidence of the last run. `None` where none is kept.
    #[must_use]
    pub fn kept(&self) -> Option<KeptCount> {
        self.keeper.as_ref().map(Keeper::count)
    }

    /// What stands between the release and this process, before any frame.
    #[must_use]
    pub fn standing(&self) -> SandboxInfo {
        self.sandbox(None)
    }

    pub(crate) fn sandbox(&self, bits_charged: Option<u64>) -> SandboxInfo {
        let bits_charged = bits_charged.unwrap_or_default();
        match &self.place {
            Place::Walled(wall) => {
                let report = wall.report();
                let names = |parts: &[Protection]| parts.iter().map(|part| part.as_str()).collect();
                SandboxInfo {
                    walled: true,
                    in_force: names(&report.in_force),
                    missing: names(&report.missing),
                    incidents: report.incidents,
                    quarantined: report.quarantined,
                    bits_charged,
                }
            }
            Place::Here { .. } => SandboxInfo { bits_charged, ..SandboxInfo::default() },
        }
    }
}

/// Judges a release: package, vendor signature, approval, and that the approval was given for these rules.
///
/// # Errors
/// [`AdmitError`] names the stage that does not hold.
pub fn admit(dir: &Dir, trust: &TrustRoot, set: &PolicySet, now: Timestamp) -> Result<Release<Approved>, AdmitError> {
    admitted(vaern_trust::verify(dir, trust, now, &set.purpose.name)?, set, now)
}

/// Judges a release whose signatures and approval hold: that the approval was given for these rules, and that they give it what
/// it asks for.
///
/// # Errors
/// As [`admit`].
pub fn admitted(release: Release<Approved>, set: &PolicySet, now: Timestamp) -> Result<Release<Approved>, AdmitError> {
    let approval = release.approval();
    if approval.policy != set.purpose.policy_set {
        let (approved, node) = (approval.policy.clone(), set.purpose.policy_set.clone());
        return Err(AdmitError::OtherPolicySet { approved, node });
    }
    if approval.catalogue != set.purpose.catalogue {
        let (approved, node) = (approval.catalogue.to_string(), set.purpose.catalogue.to_string());
        return Err(AdmitError::CatalogueMismatch { approved, node });
    }
    set.admit(release.manifest(), &facts::approved(&release, now))?;
    // The release chain refuses a revoked release and a node out of touch before it comes here.
    let moment =
        ActivationFacts { revoked: false, policy_signed: set.sequence().is_some(), stale_hours: 0, max_stale_hours: 0 };
    set.activate(release.manifest(), moment)?;
    set.grants(release.manifest())?;
    for (name, bytes) in release.models() {
        let classes = vaern_inference::named_classes(bytes)
            .map_err(|reason| AdmitError::Model { name: name.clone(), source: reason.into() })?;
        set.classes(name, &classes)?;
    }
    Ok(release)
}

/// Builds the wall around a release: its component and models are read in a worker process and nowhere else.
///
/// # Errors
/// [`AdmitError`] where the component or a model is refused, or the wall does not stand here.
pub fn prepare(release: &Release<Approved>, set: &PolicySet, settings: WallSettings) -> Result<Seer, AdmitError> {
    prepare_with(release, None, set, settings)
}

/// As [`prepare`], with the code of the release's component that the city compiled and vouches for: no worker compiles.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_with(
    release: &Release<Approved>,
    code: Option<&CompiledCode>,
    set: &PolicySet,
    settings: WallSettings,
) -> Result<Seer, AdmitError> {
    let grants = Arc::new(set.grants(release.manifest())?);
    let models = release.manifest().models.iter().map(|entry| {
        let bytes = release.model(&entry.name).unwrap_or_default().to_vec();
        (entry.name.clone(), bytes)
    });
    let vendor =
        Vendor { component: release.component().to_vec(), models: models.collect(), grants: Arc::clone(&grants) };
    let wall = match code {
        None => Wall::build(settings, vendor)?,
        Some(code) => Wall::with_code(settings, vendor, code)?,
    };
    Ok(Seer { grants, place: Place::Walled(wall), keeper: None, ledger: None })
}

/// Compiles the component and loads the models in this process, under the limits of the grants. Not for a node: vendor code
/// would run where raw frames are.
///
/// # Errors
/// [`AdmitError`] where the component or a model is refused.
pub fn prepare_here(release: &Release<Approved>, set: &PolicySet, backend: &dyn Backend) -> Result<Seer, AdmitError> {
    let grants = set.grants(release.manifest())?;
    let limits = ModelLimits { bytes: grants.limits.model_bytes, ..ModelLimits::default() };
    let mut models = BTreeMap::new();
    for entry in &release.manifest().models {
        let bytes = release.model(&entry.name).unwrap_or_default();
        let fail = |source| AdmitError::Model { name: entry.name.clone(), source };
        models.insert(entry.name.clone(), vaern_inference::load_vendors(backend, bytes, &limits).map_err(fail)?);
    }
    let engine = Engine::new()?;
    let compiled = engine.compile(release.component(), &grants.limits)?;
    let place = Place::Here { engine, compiled: Box::new(compiled), models };
    let seer = Seer { grants: Arc::new(grants), place, keeper: None, ledger: None };
    // A plugin that describes itself otherwise than its manifest is refused now, not at the first frame.
    drop(seer.runner()?);
    Ok(seer)
}

/// A release, as the files of a run name it.
pub(crate) fn release_info(release: &Release<Approved>, grants: &Grants) -> ReleaseInfo {
    let (approval, manifest) = (release.approval(), release.manifest());
    ReleaseInfo {
        name: manifest.name.to_string(),
        version: manifest.version.to_string(),
        vendor: manifest.vendor.to_string(),
        digest: release.digest(),
        interfaces: grants.interfaces.iter().map(|i| i.as_str().to_owned()).collect(),
        responsible: format!("{}, {}", approval.responsible.unit, approval.responsible.manager),
        approved_until: approval.expires.to_string(),
    }
}
