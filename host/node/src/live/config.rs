//! `node.toml`: everything that a node must be told. A field that it does not know is refused, and so is a number out of bounds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vaern_door::{Blame, Krav, Name, guard};
use vaern_policy::Place;

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
    pub folder: PathBuf,
    /// The camera, where the captures do not say it.
    pub camera: Option<Name>,
    /// Captures that wait for a free thread at most.
    #[serde(default = "waiting")]
    pub waiting: u16,
    /// What happens when more come than fit.
    #[serde(default)]
    pub when_full: WhenFull,
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
    /// Captures in one window at most.
    pub frames: u32,
    /// Minutes that one window is open at most.
    pub minutes: u32,
}

impl Default for WindowPart {
    fn default() -> Self {
        Self { frames: 1_000, minutes: 60 }
    }
}

/// `[swap]`
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwapPart {
    /// Frames that a new release sees beside the one that runs, before it takes over.
    pub shadow_frames: u32,
    /// Least mean agreement with the one that runs, from 0 (none) to 1: same class, boxes that overlap by half.
    pub agreement: f64,
    /// Frames of the shadow and of the watch that it may fail at.
    pub failures: u32,
    /// How much slower than the one that runs it may be, as a factor of the median.
    pub slower: f64,
    /// Frames after the switch during which the one before stays ready to come back.
    pub watch_frames: u32,
}

impl Default for SwapPart {
    fn default() -> Self {
        Self { shadow_frames: 50, agreement: 0.5, failures: 0, slower: 3.0, watch_frames: 100 }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsPart {
    /// Where health and metrics are told: a loopback address.
    pub listen: SocketAddr,
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
        let within = [
            ("workers", u32::from(self.node.workers), 0, 256),
            ("waiting", u32::from(self.source.waiting), 1, 1_024),
            ("frames", window.frames, 1, 100_000),
            ("minutes", window.minutes, 1, 1_440),
            ("shadow_frames", swap.shadow_frames, 1, 100_000),
            ("failures", swap.failures, 0, 1_000),
            ("watch_frames", swap.watch_frames, 1, 100_000),
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
        if !(0.0..=1.0).contains(&swap.agreement) {
            return error("agreement", format!("is {}; from 0 to 1 is possible", swap.agreement));
        }
        if !(1.0..=100.0).contains(&swap.slower) {
            return error("slower", format!("is {}; from 1 to 100 is possible", swap.slower));
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
            &mut self.source.folder,
        ];
        for path in
            paths.into_iter().chain(&mut self.rules.trust).chain(&mut self.releases.root).chain(&mut self.engine.models)
        {
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
