//! A configuration is read whole or refused with the line: what is out of bounds, contradicts itself, or reaches beyond this machine.

use std::path::Path;

use vaern_door::guard;
use vaern_policy::Place;

use super::{ChannelKind, ConfigError, NodeConfig, WhenFull};

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
        let evidence = evidence.chain(self.probes.iter_mut().map(|part| &mut part.folder));
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
