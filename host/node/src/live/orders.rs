//! What people tell a running node: stop, go on, try a release, go back; and the city's word on the risk.
//!
//! Orders are files in the node's own `control` folder. Whoever may write there may stop the node; only roles of the city, by
//! signature, let it go on.

use std::io;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use vaern_door::{Blame, Digest, Krav, Name};
use vaern_trust::{Authority, CityFile, ResidualRisk, SigError, SigningKeyPair, TrustRoot, open_file, sign_file};

use crate::sinks::{self, SinkError};

/// The folder for orders inside the state.
pub const CONTROL: &str = "control";
/// Stops the node.
pub const STOP_FILE: &str = "stop.json";
/// Lets it go on.
pub const START_FILE: &str = "start.json";
/// Swap and rollback.
pub const ORDER_FILE: &str = "order.json";
/// The city's word on the risk of a purpose, in errors.
const RISK_FILE: &str = "risk-PURPOSE.json";

/// The file, beside the channel, with the city's word on the risk of a purpose.
#[must_use]
pub fn risk_file(purpose: &Name) -> String {
    format!("risk-{purpose}.json")
}

/// No order is longer.
const MAX_BYTES: u64 = 64 << 10;

/// Why an order is not given or not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The file.
    #[error("`{file}`: {source}")]
    Io {
        /// Which.
        file: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] SinkError),
    /// It is not signed by whom it must be.
    #[error("`{file}`: {source}")]
    Signature {
        /// Which.
        file: &'static str,
        /// Why not.
        source: SigError,
    },
    /// It has another form.
    #[error("`{0}` is no such order")]
    Form(&'static str),
    /// The node is not stopped.
    #[error("nobody stopped this node, so there is nothing to start")]
    NotStopped,
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

impl OrderError {
    /// The requirement behind it.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::Signature { source, .. } => source.krav(),
            _ => Krav("GOV-03"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Signature { source, .. } => source.blame(Blame::Policy),
            _ => Blame::Operator,
        }
    }
}

/// A local stop. No signature: any doubt of anybody on the spot is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopFile {
    stop: String,
}

/// The city lets a stopped node go on: for this one stop and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartOrder {
    stop: String,
}

impl CityFile for StartOrder {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.start.v1+json";
}

/// The residual risk of a purpose, as it stands from here on (GOV-02).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskNotice {
    /// The purpose.
    pub purpose: Name,
    /// Counts up with each notice for the purpose.
    pub sequence: u64,
    /// The risk.
    pub residual_risk: ResidualRisk,
}

impl CityFile for RiskNotice {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.risk.v1+json";
}

/// What an operator asks for on the spot. Neither makes anything run that the city did not approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Try this release, or the newest listed one, even if it was turned down before.
    Swap {
        /// Which.
        release: Option<Digest>,
    },
    /// Give the seat back to the release before, while it is still ready.
    Rollback,
}

/// Stops the node and answers with the name of the stop. One that is stopped stays so, under the new name.
///
/// # Errors
/// [`OrderError`] where the order cannot be written: then the node is not stopped.
pub fn stop(state: &Dir) -> Result<String, OrderError> {
    let control = control(state)?;
    // Always a new one: an order to go on that lies there already is not for it.
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| OrderError::Random)?;
    let stop: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let text = serde_json::to_vec(&StopFile { stop: stop.clone() }).map_err(|_| OrderError::Form(STOP_FILE))?;
    sinks::write_file(&control, STOP_FILE, &text)?;
    Ok(stop)
}

/// Lets a stopped node go on. `pairs` are keys of the roles that say what is current.
///
/// # Errors
/// [`OrderError::NotStopped`], or [`OrderError::Signature`] for too few or the wrong keys.
pub fn start(state: &Dir, trust: &TrustRoot, pairs: &[&SigningKeyPair]) -> Result<(), OrderError> {
    let control = control(state)?;
    let stop = stopped(&control)?.ok_or(OrderError::NotStopped)?;
    let bytes = sign_file(&StartOrder { stop }, trust, Authority::Channel, pairs)
        .map_err(|source| OrderError::Signature { file: START_FILE, source })?;
    Ok(sinks::write_file(&control, START_FILE, &bytes)?)
}

/// Gives an order to a running node.
///
/// # Errors
/// [`OrderError`] where it cannot be written.
pub fn order(state: &Dir, order: &Order) -> Result<(), OrderError> {
    let text = serde_json::to_vec(order).map_err(|_| OrderError::Form(ORDER_FILE))?;
    Ok(sinks::write_file(&control(state)?, ORDER_FILE, &text)?)
}

/// Signs a notice of the risk.
///
/// # Errors
/// [`OrderError::Signature`].
pub fn sign_risk(notice: &RiskNotice, trust: &TrustRoot, pairs: &[&SigningKeyPair]) -> Result<Vec<u8>, OrderError> {
    sign_file(notice, trust, Authority::Revocation, pairs)
        .map_err(|source| OrderError::Signature { file: RISK_FILE, source })
}

/// Reads the notice for a purpose beside a channel, where there is one.
///
/// # Errors
/// [`OrderError`].
pub fn risk(channel: &Dir, trust: &TrustRoot, purpose: &Name) -> Result<Option<RiskNotice>, OrderError> {
    let Some(bytes) = read(channel, &risk_file(purpose), RISK_FILE)? else { return Ok(None) };
    let signed = open_file::<RiskNotice>(&bytes, trust, Authority::Revocation);
    let notice = signed.map_err(|source| OrderError::Signature { file: RISK_FILE, source })?.into_file();
    if notice.purpose == *purpose { Ok(Some(notice)) } else { Err(OrderError::Form(RISK_FILE)) }
}

/// The stop that lies in the folder. One that cannot be read stops all the same, under a name made of its bytes.
pub(super) fn stopped(control: &Dir) -> Result<Option<String>, OrderError> {
    let Some(bytes) = read(control, STOP_FILE, STOP_FILE)? else { return Ok(None) };
    let named = serde_json::from_slice::<StopFile>(&bytes).map(|file| file.stop);
    Ok(Some(named.unwrap_or_else(|_| Digest::of(&bytes).hex())))
}

/// The keys that signed an order to go on after the stop `id`, where there is one, signed as it must be.
pub(super) fn may_start(control: &Dir, trust: &TrustRoot, id: &str) -> Result<Option<Vec<Digest>>, OrderError> {
    let Some(bytes) = read(control, START_FILE, START_FILE)? else { return Ok(None) };
    let signed = open_file::<StartOrder>(&bytes, trust, Authority::Channel)
        .map_err(|source| OrderError::Signature { file: START_FILE, source })?;
    Ok((signed.file().stop == id).then(|| signed.signers().iter().map(|key| key.id()).collect()))
}

/// Takes the order that lies there, if there is one.
pub(super) fn take(control: &Dir) -> Result<Option<Order>, OrderError> {
    let Some(bytes) = read(control, ORDER_FILE, ORDER_FILE)? else { return Ok(None) };
    remove(control, ORDER_FILE)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| OrderError::Form(ORDER_FILE))
}

fn remove(control: &Dir, file: &'static str) -> Result<(), OrderError> {
    match control.remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(OrderError::Io { file, source }),
        _ => Ok(()),
    }
}

/// The folder for orders, made where there is none.
pub(super) fn control(state: &Dir) -> Result<Dir, OrderError> {
    let io = |source| OrderError::Io { file: CONTROL, source };
    state.create_dir_all(CONTROL).map_err(io)?;
    state.open_dir(CONTROL).map_err(io)
}

fn read(dir: &Dir, name: &str, file: &'static str) -> Result<Option<Vec<u8>>, OrderError> {
    use io::Read as _;
    let io = |source| OrderError::Io { file, source };
    let opened = match dir.open(name) {
        Ok(opened) => opened,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io(source)),
    };
    let mut bytes = Vec::new();
    opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES { Err(OrderError::Form(file)) } else { Ok(Some(bytes)) }
}
