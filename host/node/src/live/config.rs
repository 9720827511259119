//! `node.toml`: everything that a node must be told. A field that it does not know is refused, and so is a number out of bounds.

mod check;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use vaern_door::{Blame, Krav, Name, guard};
use vaern_policy::Place;

use crate::code::CodeFrom;

/// Why a configuration is refused: the file, the line, and what is wrong there.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    place: Place,
    what: String,
}

impl ConfigError {
    /// The requirement behind it: what is not said clearly is not guessed.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav("STD-01")
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// The whole file. Paths are relative to the folder that it lies in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The node's own folders.
    pub node: NodePart,
    /// The city's rules.
    pub rules: RulesPart,
    /// Where releases come from.
    pub releases: ReleasesPart,
    /// The transparency log: a service without one does not run.
    pub log: LogPart,
    /// Where captures come from.
    pub source: SourcePart,
    /// Where positions come from, if not from the pictures themselves.
    #[serde(default)]
    pub position: PositionPart,
    /// Evidence of what is found. Left out, none is kept.
    pub evidence: Option<EvidencePart>,
    /// Pictures with a known answer, where the signed profile asks for them.
    pub probes: Option<ProbesPart>,
    /// Which engine runs models.
    #[serde(default)]
    pub engine: EnginePart,
    /// How much of the stream is one run in the log and one folder of results.
    #[serde(default)]
    pub window: WindowPart,
    /// What a new release has to show before and after it takes over.
    #[serde(default)]
    pub swap: SwapPart,
    /// Health and metrics. Left out, nothing listens.
    pub metrics: Option<MetricsPart>,
}

/// `[node]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePart {
    /// The state that `vaern channel enrol` made: floor, kept release, journal, orders.
    pub state: PathBuf,
    /// Where results go.
    pub out: PathBuf,
    /// Threads that work on pixels. 0 takes one for each core.
    #[serde(default)]
    pub workers: u16,
}

/// `[rules]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesPart {
    /// The signed policy directory.
    pub policies: PathBuf,
    /// The purpose, where the directory has several.
    pub purpose: Option<Name>,
    /// The trust root, if it is not `trust.toml` beside the policies.
    pub trust: Option<PathBuf>,
}

/// `[releases]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasesPart {
    /// A folder with one folder for each release.
    pub folder: PathBuf,
    /// The city's channel: a folder, or its channel file.
    pub channel: PathBuf,
    /// What the channel is.
    #[serde(default)]
    pub kind: ChannelKind,
    /// Of a TUF repository, the root that this node pinned.
    pub root: Option<PathBuf>,
    /// The name that the city knows this node by: it runs what is assigned to that name.
    pub node: Option<Name>,
    /// Where machine code comes from.
    #[serde(default)]
    pub code: CodeFrom,
}

/// What a channel is: one or the other, never both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// Plain signed files.
    #[default]
    Files,
    /// A TUF repository around them.
    Tuf,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPart {
    /// Directory of the log.
    pub folder: PathBuf,
    /// Secret key that signs it.
    pub key: PathBuf,
}

/// `[source]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePart {
    /// The watched folder. A capture appears in it by a rename from a name that begins with a dot, or from beside the folder.
    pub folder: Option<PathBuf>,
    /// Or a camera's MJPEG stream.
    pub stream: Option<StreamAt>,
    /// Milliseconds that the camera and the way from it may take, for a stream.
    #[serde(default = "delay")]
    pub delay_ms: u16,
    /// The camera, where the captures do not say it.
    pub camera: Option<Name>,
    /// Captures that wait for a free thread at most.
    #[serde(default = "waiting")]
    pub waiting: u16,
    /// What happens when more come than fit.
    #[serde(default)]
    pub when_full: WhenFull,
}

/// Where a camera's stream is: `http://127.0.0.1:PORT/PATH`. Originals cross no network unencrypted, so the address is one of this
/// machine; a camera elsewhere comes through a tunnel that ends here (SKJ-02).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StreamAt {
    /// The only address that is spoken to.
    pub address: SocketAddr,
    /// What is asked for there.
    pub path: String,
}

impl TryFrom<String> for StreamAt {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").ok_or("a stream is named as `http://127.0.0.1:PORT/PATH`")?;
        let (address, path) = rest.split_once('/').map_or((rest, ""), |(address, path)| (address, path));
        let address: SocketAddr = address
            .parse()
            .map_err(|_| "a stream is at an address and a port, `127.0.0.1:8081`; names are not looked up")?;
        if !address.ip().is_loopback() && guard::stands("node.stream-loopback") {
            return Err(format!(
                "{address} is not this machine: originals cross no network unencrypted; end a tunnel here"
            ));
        }
        if !path.bytes().all(|b| (0x21..0x7F).contains(&b)) || path.len() > 512 {
            return Err("the path of a stream is printable and has no spaces".to_owned());
        }
        Ok(Self { address, path: format!("/{path}") })
    }
}

/// `[position]`: one of the two, or neither for EXIF.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionPart {
    /// A log of fixes, GPX or NMEA.
    pub track: Option<PathBuf>,
    /// Seconds that are added to the camera's clock to make it right.
    #[serde(default)]
    pub clock_offset: f64,
    /// Where `gpsd` listens: a loopback address.
    pub gpsd: Option<SocketAddr>,
}

/// `[evidence]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidencePart {
    /// Directory of the store; begun where there is none.
    pub folder: PathBuf,
    /// Key of the store (`vaern evidence new-key`), on another disk.
    pub key: PathBuf,
}

/// `[probes]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbesPart {
    /// The folder that the city made: `probes.toml` and the pictures that it lists.
    pub folder: PathBuf,
}

/// What happens when captures come faster than they are worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// The oldest that waits is dropped before it is decoded, and counted as `overload`.
    #[default]
    DropOldest,
    /// Nothing is taken from the folder until there is room: the folder grows.
    Wait,
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnginePart {
    /// The engine.
    #[serde(default)]
    pub backend: Backend,
    /// Directory of installed models.
    pub models: Option<PathBuf>,
    /// Go on where the kernel lacks a part of the wall.
    #[serde(default)]
    pub weaker_wall: bool,
}

/// Engines for models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Part of the program.
    #[default]
    Tract,
    /// Faster, and must be installed.
    Onnxruntime,
}

/// `[window]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowPart {
    /// Captures at which a window closes before its time. When that happens tells how fast they were worked on, and is counted as such
    /// (EXF-08). Left out, windows close by the clock only.
    pub frames: Option<u32>,
    /// A window closes when the clock is at a whole multiple of so many minutes.
    pub minutes: u32,
}

impl Default for WindowPart {
    fn default() -> Self {
        Self { frames: None, minutes: 60 }
    }
}

/// `[swap]`: what this node asks of a new release beyond what the signed profile asks. What is left out is as the profile says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwapPart {
    /// Frames that a new release sees beside the one that runs, before it takes over.
    pub shadow_frames: Option<u32>,
    /// Least mean agreement with the one that runs, from 0 (none) to 1: same class, boxes that overlap by half.
    pub agreement: Option<f64>,
    /// Frames of the shadow and of the watch that it may fail at.
    pub failures: Option<u32>,
    /// How much slower than the one that runs it may be, as a factor of the median.
    pub slower: Option<f64>,
    /// Frames after the switch during which the one before stays ready to come back.
    pub watch_frames: Option<u32>,
}

/// `[metrics]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsPart {
    /// Where health and metrics are told: a loopback address.
    pub listen: SocketAddr,
    /// Milliseconds from one moment at which figures are taken down to the next: whoever asks in between is told the same.
    #[serde(default = "every")]
    pub every_ms: u32,
}

const fn delay() -> u16 {
    500
}

const fn every() -> u32 {
    60_000
}

const fn waiting() -> u16 {
    32
}
