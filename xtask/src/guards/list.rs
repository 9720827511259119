//! `conformance-tests/guards.toml`: which guards there are, and which test turns red without each.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::Error;

/// Where the list lies, from the root of the repository.
pub(crate) const PLACE: &str = "conformance-tests/guards.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    guard: Vec<Guard>,
}

/// One guard and what holds it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guard {
    /// As in the source: `guard::stands("room.what")`.
    pub(crate) name: String,
    /// What relies on it.
    pub(crate) krav: Vec<String>,
    /// Attack cases that rely on it.
    #[serde(default)]
    pub(crate) cases: Vec<String>,
    /// The test that turns red without it.
    pub(crate) test: TestName,
    /// Others that must: an attack from outside beside the test of the room itself.
    #[serde(default)]
    pub(crate) also: Vec<TestName>,
}

/// `package::target::test`, where the target is `lib`, `bin`, or the name of a file under `tests/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TestName {
    pub(crate) package: String,
    pub(crate) target: String,
    pub(crate) test: String,
}

impl TryFrom<String> for TestName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = text.splitn(3, "::").map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(package), Some(target), Some(test))
                if [&package, &target, &test].iter().all(|part| !part.is_empty()) =>
            {
                Ok(Self { package, target, test })
            }
            _ => Err(format!("`{text}` is not `package::target::test`")),
        }
    }
}

impl Guard {
    /// Every test that turns red without it.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &TestName> {
        std::iter::once(&self.test).chain(&self.also)
    }
}

impl std::fmt::Display for TestName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}::{}", self.package, self.target, self.test)
    }
}

/// Reads the list.
pub(crate) fn read(root: &Path) -> Result<Vec<Guard>, Error> {
    let text = std::fs::read_to_string(root.join(PLACE)).map_err(|e| Error::List(e.to_string()))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Guard>, Error> {
    let file: File = toml::from_str(text).map_err(|e| Error::List(e.to_string()))?;
    let mut seen = BTreeSet::new();
    for guard in &file.guard {
        let formed = guard.name.split_once('.').is_some_and(|(room, what)| {
            let word = |w: &str| {
                !w.is_empty()
                    && w.chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_' || c == '.')
            };
            word(room) && word(what)
        });
        if !formed {
            return Err(Error::List(format!("`{}` is not of the form `room.what`", guard.name)));
        }
        if guard.krav.is_empty() && guard.cases.is_empty() {
            return Err(Error::List(format!("`{}` says neither a krav nor a case that relies on it", guard.name)));
        }
        if !seen.insert(&guard.name) {
            return Err(Error::List(format!("`{}` stands twice", guard.name)));
        }
    }
    Ok(file.guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "[[guard]]\nname = \"privacy.fence\"\nkrav = [\"MIN-04\"]\ntest = \"vaern-privacy::lib::fence::tests::x\"\n";

    #[test]
    fn a_line_is_read_and_the_test_may_lie_in_a_module() {
        let guards = parse(ONE).unwrap();
        let [guard] = guards.as_slice() else { panic!("one guard") };
        assert_eq!((guard.test.package.as_str(), guard.test.target.as_str()), ("vaern-privacy", "lib"));
        assert_eq!(guard.test.test, "fence::tests::x");
    }

    #[test]
    fn what_is_malformed_or_doubled_is_refused() {
        for text in [
            format!("{ONE}{ONE}"),
            ONE.replace("privacy.fence", "fence"),
            ONE.replace("privacy.fence", "Privacy.Fence"),
            ONE.replace("[\"MIN-04\"]", "[]"),
            ONE.replace("::lib::fence::tests::x", "::lib"),
            format!("{ONE}note = \"x\"\n"),
        ] {
            assert!(parse(&text).is_err(), "{text}");
        }
    }
}
