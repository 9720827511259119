//! How a release's component was made, in in-toto's own form (`https://slsa.dev/provenance/v1`): by which compiler, from which source.
//!
//! It is the vendor's word, signed by the vendor: nobody else saw the build. What makes it worth something is that it can be
//! repeated: the same source and compiler give the same component, and its digest stands here (LEV-02).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaern_door::{Digest, guard};

use super::{Predicate, TakenPart};
use crate::json;
use crate::sig_error::{Form, SigError};

/// The kind of build that `vaern plugin build` does.
const BUILD_TYPE: &str = "urn:vaern:plugin-build:v1";

const SOURCE: &str = "source";
const LOCK: &str = "Cargo.lock";
const COMPONENT: &str = "component";
const COMPILER: &str = "compiler";

/// How a component was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Provenance {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: BTreeMap<String, String>,
    resolved_dependencies: Vec<TakenPart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RunDetails {
    builder: Builder,
    byproducts: Vec<TakenPart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Builder {
    id: String,
    version: BTreeMap<String, String>,
}

impl Predicate for Provenance {
    const TYPE: &'static str = "https://slsa.dev/provenance/v1";
}

/// What a build took and made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build<'a> {
    /// The compiler, as it names itself.
    pub compiler: &'a str,
    /// Where it was run, for people: a continuous integration, a desk.
    pub builder: &'a str,
    /// What it was told beyond the source: target and flags.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Digest of the source.
    pub source: Digest,
    /// Digest of the lock file.
    pub lock: Digest,
    /// Digest of the component that came out.
    pub component: Digest,
}

impl Provenance {
    /// The provenance of a build.
    #[must_use]
    pub fn of(build: &Build<'_>) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: build.parameters.iter().map(own).collect(),
                resolved_dependencies: vec![TakenPart::new(SOURCE, build.source), TakenPart::new(LOCK, build.lock)],
            },
            run_details: RunDetails {
                builder: Builder {
                    id: build.builder.to_owned(),
                    version: BTreeMap::from([(COMPILER.to_owned(), build.compiler.to_owned())]),
                },
                byproducts: vec![TakenPart::new(COMPONENT, build.component)],
            },
        }
    }

    /// Reads one from JSON, as a build leaves it.
    ///
    /// # Errors
    /// [`SigError::Malformed`] for any other form.
    pub fn read(bytes: &[u8]) -> Result<Self, SigError> {
        json::parse(bytes).map_err(SigError::json(Form::Predicate))
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// [`SigError::Malformed`] if it cannot be written.
    pub fn write(&self) -> Result<Vec<u8>, SigError> {
        json::write(self).map_err(SigError::json(Form::Predicate))
    }

    /// The compiler, as it named itself.
    #[must_use]
    pub fn compiler(&self) -> Option<&str> {
        let named = self.run_details.builder.version.get(COMPILER).map(String::as_str);
        named.filter(|text| !text.trim().is_empty())
    }

    /// Digest of the source.
    #[must_use]
    pub fn source(&self) -> Option<Digest> {
        only(&self.build_definition.resolved_dependencies, SOURCE)
    }

    /// Checks that it says by what and from what this component was made.
    ///
    /// # Errors
    /// [`SigError::ReleaseMismatch`] names what is missing or of another release.
    pub(crate) fn of_component(&self, component: Digest) -> Result<(), SigError> {
        if !guard::stands("trust.provenance") {
            return Ok(());
        }
        for (holds, field) in [
            (self.build_definition.build_type == BUILD_TYPE, "the kind of build"),
            (self.compiler().is_some(), COMPILER),
            (self.source().is_some(), SOURCE),
            (only(&self.run_details.byproducts, COMPONENT) == Some(component), COMPONENT),
        ] {
            if !holds {
                return Err(SigError::ReleaseMismatch(field));
            }
        }
        Ok(())
    }
}

/// The digest of the one thing with this name.
fn only(parts: &[TakenPart], name: &str) -> Option<Digest> {
    let mut named = parts.iter().filter(|part| part.name == name);
    match (named.next(), named.next()) {
        (Some(part), None) => part.digest(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Provenance {
        Provenance::of(&Build {
            compiler: "rustc 1.95.0",
            builder: "a desk",
            parameters: &[("target", "wasm32-unknown-unknown")],
            source: Digest::of(b"source"),
            lock: Digest::of(b"lock"),
            component: Digest::of(b"component"),
        })
    }

    #[test]
    fn lev_02p_the_form_is_in_totos_and_survives_writing() {
        let value: serde_json::Value = serde_json::from_slice(&made().write().unwrap()).unwrap();
        assert_eq!(
            value["buildDefinition"]["resolvedDependencies"][0]["digest"]["sha256"],
            Digest::of(b"source").hex()
        );
        assert_eq!(value["runDetails"]["builder"]["version"]["compiler"], "rustc 1.95.0");
        assert_eq!(Provenance::read(&made().write().unwrap()), Ok(made()));
        assert_eq!(made().of_component(Digest::of(b"component")), Ok(()));
    }

    #[test]
    fn lev_02n_a_provenance_without_compiler_source_or_this_component_is_none() {
        let text = String::from_utf8(made().write().unwrap()).unwrap();
        let component = Digest::of(b"component");
        let source = Digest::of(b"source").hex();
        for (from, to, field) in [
            ("rustc 1.95.0", "  ", "compiler"),
            ("\"compiler\"", "\"linker\"", "compiler"),
            ("\"source\"", "\"sauce\"", "source"),
            (source.as_str(), "00", "source"),
            ("\"component\"", "\"other\"", "component"),
            ("urn:vaern:plugin-build:v1", "urn:other", "the kind of build"),
        ] {
            let spoilt = Provenance::read(text.replace(from, to).as_bytes()).unwrap();
            assert_eq!(spoilt.of_component(component), Err(SigError::ReleaseMismatch(field)), "{from}");
        }
        assert_eq!(made().of_component(Digest::of(b"other")), Err(SigError::ReleaseMismatch("component")));
        assert!(Provenance::read(text.replacen('{', "{\"extra\":1,", 1).as_bytes()).is_err());
    }
}
