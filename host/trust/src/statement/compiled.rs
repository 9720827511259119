//! Compiled code: which machine code the city made of a release's component, with which engine, for which machines.
//!
//! Machine code is beyond inspection: whoever signs for it can make a worker do anything that the worker's process may. So
//! its rule in the trust root is that of an approval, unless the trust root says otherwise.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, guard};

use super::Predicate;

/// An engine for compiled code, and the machine that it runs on: what code must fit to be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineId {
    /// The engine and its whole version: code of a version with a hole is compiled anew.
    pub version: String,
    /// Digest of every setting that shapes code.
    pub settings: Digest,
    /// Processor, system and its calling convention.
    pub target: String,
    /// Features of the processor, by name: used by code, or there on a machine.
    pub cpu: BTreeSet<String>,
}

/// What differs between the engine that made some code and the one that is to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineField {
    /// Another version of the engine.
    Version,
    /// Other settings.
    Settings,
    /// Another processor or system.
    Target,
    /// A feature that this processor lacks.
    Cpu,
}

impl fmt::Display for EngineField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "version of the engine",
            Self::Settings => "settings of the engine",
            Self::Target => "target",
            Self::Cpu => "features of the processor",
        })
    }
}

impl EngineId {
    /// Whether code that `self` made runs where `here` is; a processor may have more than the code uses.
    ///
    /// # Errors
    /// The first field that does not fit.
    pub fn fits(&self, here: &Self) -> Result<(), EngineField> {
        if !guard::stands("trust.engine") {
            return Ok(());
        }
        for (same, field) in [
            (self.version == here.version, EngineField::Version),
            (self.settings == here.settings, EngineField::Settings),
            (self.target == here.target, EngineField::Target),
            (self.cpu.is_subset(&here.cpu), EngineField::Cpu),
        ] {
            if !same {
                return Err(field);
            }
        }
        Ok(())
    }
}

/// What is said of compiled code. The release that it belongs to is the statement's subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compilation {
    /// Digest of the component that was compiled.
    pub component: Digest,
    /// Digest of the code.
    pub code: Digest,
    /// Bytes of the code.
    pub size: u64,
    /// What compiled it, and what it runs on.
    pub engine: EngineId,
}

impl Predicate for Compilation {
    const TYPE: &'static str = "urn:vaern:compiled:v1";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> EngineId {
        EngineId {
            version: "wasmtime 48.0.8".into(),
            settings: Digest::of(b"settings"),
            target: "x86_64-linux-gnu".into(),
            cpu: ["avx2", "sse4.2"].map(str::to_owned).into(),
        }
    }

    #[test]
    fn pkg_18n_each_field_of_the_engine_is_compared_and_pkg_18p_more_features_do_no_harm() {
        let made = |change: fn(&mut EngineId)| {
            let mut other = here();
            change(&mut other);
            other.fits(&here())
        };
        assert_eq!(made(|_| {}), Ok(()));
        assert_eq!(made(|e| e.cpu = ["sse4.2".to_owned()].into()), Ok(()));
        assert_eq!(made(|e| e.version.push('1')), Err(EngineField::Version));
        assert_eq!(made(|e| e.settings = Digest::of(b"fuel")), Err(EngineField::Settings));
        assert_eq!(made(|e| e.target = "aarch64-linux-gnu".into()), Err(EngineField::Target));
        assert_eq!(made(|e| e.cpu = ["avx2", "avx512f", "sse4.2"].map(str::to_owned).into()), Err(EngineField::Cpu));
    }
}
