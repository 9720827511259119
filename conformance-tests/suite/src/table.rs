//! The table of plugins that misbehave: which tests each fails. The suite's own tests hold it, and so does every host (`host`).

use std::collections::BTreeSet;

use serde::Deserialize;

const TEXT: &str = include_str!("../table.toml");

/// `table.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// Those of `conformance-tests/hostile`.
    pub(crate) guest: Vec<Row>,
    /// Those that tests make up.
    #[cfg_attr(not(test), allow(dead_code, reason = "made up in tests"))]
    pub(crate) rogue: Vec<Row>,
}

/// One plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    #[allow(dead_code, reason = "for the reader of the table")]
    pub(crate) why: String,
    pub(crate) fails: BTreeSet<String>,
}

impl Table {
    /// The table of this build.
    ///
    /// # Errors
    /// What is wrong with the file: a fault of the build.
    pub(crate) fn of_this_build() -> Result<Self, toml::de::Error> {
        toml::from_str(TEXT)
    }
}

impl Row {
    /// The test of the host's that stops the plugin, if the host must stop it: limits and door, but not what the city's rules give.
    pub(crate) fn stopped_by(&self) -> Option<&str> {
        let hosts = |id: &&str| (id.starts_with("KT-LIM-") || id.starts_with("KT-DOR-")) && *id != "KT-DOR-005N";
        self.fails.iter().map(String::as_str).find(hosts)
    }
}
