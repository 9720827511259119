//! `node.toml`: everything that a node must be told. A field that it does not know is refused, and so is a number out of bounds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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

impl NodeConfig {
    /// Reads the text of `file`, which is named in errors, and takes its paths as relative to `base`.
    ///
    /// # Errors
    /// [`ConfigError`] with the line.
    pub fn parse(file: &str, text: &str, base: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            ConfigError { place: Place::new(file, line), what: error.message().to_owned() }
        })?;
        config.check(file, text)?;
        config.resolve(base);
        Ok(config)
    }

    fn check(&self, file: &str, text: &str) -> Result<(), ConfigError> {
        let error = |field: &str, what: String| {
            let at = text.lines().position(|line| line.trim_start().starts_with(field));
            Err(ConfigError { place: Place::new(file, at.map_or(1, |at| at + 1)), what: format!("`{field}` {what}") })
        };
        let (window, swap) = (&self.window, &self.swap);
        let agreement = swap.agreement.unwrap_or_default();
        let slower = swap.slower.unwrap_or(1.0);
        let within = [
            ("workers", u32::from(self.node.workers), 0, 256),
            ("waiting", u32::from(self.source.waiting), 1, 1_024),
            ("frames", window.frames.unwrap_or(1), 1, 100_000),
            ("delay_ms", u32::from(self.source.delay_ms), 0, 2_000),
            ("every_ms", self.metrics.map_or(60_000, |metrics| metrics.every_ms), 50, 3_600_000),
            ("minutes", window.minutes, 1, 1_440),
            ("shadow_frames", swap.shadow_frames.unwrap_or(1), 1, 100_000),
            ("failures", swap.failures.unwrap_or(0), 0, 1_000),
            ("watch_frames", swap.watch_frames.unwrap_or(1), 1, 100_000),
        ];
        for (field, value, least, most) in within {
            if !(least..=most).contains(&value) {
                return error(field, format!("is {value}; from {least} to {most} is possible"));
            }
        }
        if (self.releases.kind == ChannelKind::Tuf) != self.releases.root.is_some() {
            return error(
                "kind",
                "and `root` belong together: a TUF repository needs the root that this node pinned".to_owned(),
            );
        }
        if !(0.0..=1.0).contains(&agreement) {
            return error("agreement", format!("is {agreement}; from 0 to 1 is possible"));
        }
        if !(1.0..=100.0).contains(&slower) {
            return error("slower", format!("is {slower}; from 1 to 100 is possible"));
        }
        let source = &self.source;
        match (&source.folder, &source.stream) {
            (Some(_), Some(_)) => return error("stream", "and `folder`: a node has one source".to_owned()),
            (None, None) => return error("[source]", "names neither `folder` nor `stream`".to_owned()),
            (None, Some(_)) if source.when_full == WhenFull::Wait => {
                return error("when_full", "is `wait`: a camera does not wait".to_owned());
            }
            _ => {}
        }
        let position = &self.position;
        if position.track.is_some() && position.gpsd.is_some() {
            return error("gpsd", "and `track`: positions come from one of them".to_owned());
        }
        if !(-86_400.0..=86_400.0).contains(&position.clock_offset) {
            return error("clock_offset", format!("is {}; from -86400 to 86400 is possible", position.clock_offset));
        }
        if let Some(gpsd) = position.gpsd
            && !gpsd.ip().is_loopback()
        {
            return error("gpsd", format!("is {gpsd}: a position that comes over a network is anybody's"));
        }
        if let Some(metrics) = &self.metrics
            && !metrics.listen.ip().is_loopback()
            && guard::stands("node.loopback")
        {
            return error("listen", format!("is {}: nothing is told unencrypted beyond this machine", metrics.listen));
        }
        Ok(())
    }

    fn resolve(&mut self, base: &Path) {
        let paths = [
            &mut self.node.state,
            &mut self.node.out,
            &mut self.rules.policies,
            &mut self.releases.folder,
            &mut self.releases.channel,
            &mut self.log.folder,
            &mut self.log.key,
        ];
        let evidence = self.evidence.iter_mut().flat_map(|part| [&mut part.folder, &mut part.key]);
        let paths = paths.into_iter().chain(&mut self.source.folder).chain(&mut self.position.track).chain(evidence);
        for path in paths.chain(&mut self.rules.trust).chain(&mut self.releases.root).chain(&mut self.engine.models) {
            *path = base.join(&*path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[node]
state = "state"
out = "/srv/out"
[rules]
policies = "policies"
[releases]
folder = "releases"
channel = "channel"
[log]
folder = "log"
key = "keys/log.secret.toml"
[source]
folder = "inbox"
"#;

    fn refused(text: &str) -> String {
        NodeConfig::parse("node.toml", text, Path::new("/etc/vaern")).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_is_the_careful_choice_and_paths_stand_beside_the_file() {
        let config = NodeConfig::parse("node.toml", GOOD, Path::new("/etc/vaern")).unwrap();
        assert_eq!(config.node.state, Path::new("/etc/vaern/state"));
        assert_eq!(config.node.out, Path::new("/srv/out"));
        assert!(config.metrics.is_none());
        assert!(!config.engine.weaker_wall);
        assert_eq!(config.source.when_full, WhenFull::DropOldest);
    }

    #[test]
    fn pol_08n_a_field_that_nobody_knows_is_refused_with_its_line() {
        assert!(refused(&GOOD.replace("folder = \"inbox\"", "foldr = \"inbox\"")).starts_with("node.toml:14: "));
        assert!(refused(&format!("{GOOD}[swap]\nshadow = 3\n")).starts_with("node.toml:16: "));
        assert!(refused("[node]\nstate = 3\n").starts_with("node.toml:2: "));
        assert!(refused("").starts_with("node.toml:1: "));
    }

    #[test]
    fn pol_05n_numbers_out_of_bounds_are_refused_with_their_line() {
        for wrong in [
            "[window]\nframes = 0",
            "[window]\nminutes = 100000",
            "[swap]\nagreement = 1.5",
            "[swap]\nagreement = nan",
            "[swap]\nslower = 0.5",
            "[swap]\nwatch_frames = 0",
            "waiting = 0",
        ] {
            let said = refused(&format!("{GOOD}{wrong}\n"));
            let line = 14 + wrong.lines().count();
            assert!(said.starts_with(&format!("node.toml:{line}: ")), "{wrong}: {said}");
        }
    }

    #[test]
    fn upd_17_a_channel_is_plain_files_or_a_repository_with_a_pinned_root_and_never_both() {
        let with = |lines: &str| GOOD.replace("channel = \"channel\"\n", &format!("channel = \"channel\"\n{lines}"));
        let plain = NodeConfig::parse("node.toml", GOOD, Path::new("/etc/vaern")).unwrap();
        assert_eq!((plain.releases.kind, plain.releases.root), (ChannelKind::Files, None));
        let text = with("kind = \"tuf\"\nroot = \"1.root.json\"\nnode = \"vogn-7\"\n");
        let tuf = NodeConfig::parse("node.toml", &text, Path::new("/etc/vaern")).unwrap();
        assert_eq!(tuf.releases.root.as_deref(), Some(Path::new("/etc/vaern/1.root.json")));
        for wrong in ["kind = \"tuf\"\n", "root = \"1.root.json\"\n", "kind = \"files\"\nroot = \"1.root.json\"\n"] {
            assert!(refused(&with(wrong)).contains("belong together"), "{wrong}");
        }
        assert!(refused(&with("kind = \"both\"\n")).contains("both"));
    }

    #[test]
    fn skj_02n_a_stream_from_beyond_this_machine_and_a_second_source_are_refused() {
        let with = |source: &str| GOOD.replace("folder = \"inbox\"", source);
        for wrong in [
            "stream = \"http://192.168.1.9:80/video\"",
            "stream = \"http://camera.local/video\"",
            "stream = \"https://127.0.0.1:80/video\"",
            "stream = \"http://127.0.0.1:80/a b\"",
            "stream = \"http://127.0.0.1:80/a\\r\\nX: y\"",
            "stream = \"http://127.0.0.1:80/v\"\nfolder = \"inbox\"",
            "stream = \"http://127.0.0.1:80/v\"\nwhen_full = \"wait\"",
            "camera = \"kamera-1\"",
            "folder = \"inbox\"\n[position]\ngpsd = \"10.0.0.1:2947\"",
            "folder = \"inbox\"\n[position]\ngpsd = \"127.0.0.1:2947\"\ntrack = \"a.gpx\"",
            "folder = \"inbox\"\n[position]\nclock_offset = nan",
        ] {
            let said = refused(&with(wrong));
            assert!(said.starts_with("node.toml:"), "{wrong}: {said}");
        }
        let text = with("stream = \"http://127.0.0.1:8081/v?x=1\"\n[position]\ntrack = \"a.gpx\"");
        let config = NodeConfig::parse("node.toml", &text, Path::new("/etc/vaern")).unwrap();
        let stream = config.source.stream.unwrap();
        assert_eq!((stream.address.port(), stream.path.as_str()), (8081, "/v?x=1"));
        assert_eq!(config.position.track.as_deref(), Some(Path::new("/etc/vaern/a.gpx")));
    }

    #[test]
    fn skj_02n_metrics_beyond_this_machine_are_refused() {
        for open in ["0.0.0.0:9188", "192.168.1.4:9188", "[::]:9188"] {
            let said = refused(&format!("{GOOD}[metrics]\nlisten = \"{open}\"\n"));
            assert!(said.contains("unencrypted"), "{said}");
        }
        for local in ["127.0.0.1:9188", "[::1]:9188"] {
            let text = format!("{GOOD}[metrics]\nlisten = \"{local}\"\n");
            assert!(NodeConfig::parse("node.toml", &text, Path::new("")).is_ok());
        }
    }
}
