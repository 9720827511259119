//! Both directions between the catalogue and the tests of the source: a krav names tests that exist, and a test whose name
//! carries a krav id belongs to a krav that exists (POL-10).
//!
//! The source is read as text: what counts is that a test of that name is there. That it can fail is shown by
//! `cargo xtask guards`, which switches each guard off.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use cap_std::fs::Dir;
use serde::Serialize;

use super::{CHAPTERS, Catalogue, Kind};

/// No source file of the repository has reason to be larger.
const MAX_SOURCE_BYTES: u64 = 1 << 20;

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 8;

/// The tests of a source tree, by `package::target`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceTests {
    tests: BTreeMap<String, BTreeSet<String>>,
}

/// A krav, a rule or a test that nothing answers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Untraced {
    /// The krav.
    pub id: String,
    /// What is missing.
    pub what: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Traced {
    /// Krav of which everything that is named exists and nothing is planned.
    pub whole: Vec<String>,
    /// Krav that are enforced or shown in part; the rest is planned.
    pub partly: Vec<String>,
    /// Krav of which nothing exists yet.
    pub planned: Vec<String>,
    /// Krav that no longer apply.
    pub retired: Vec<String>,
    /// Tests that the catalogue names or that name a krav.
    pub tests: usize,
    /// Everything that is not linked: any entry is a failure.
    pub untraced: Vec<Untraced>,
}

impl SourceTests {
    /// Reads every package of a source tree: `Cargo.toml` beside `src/` or `tests/`.
    ///
    /// # Errors
    /// What the file system said.
    pub fn read(root: &Dir) -> std::io::Result<Self> {
        let mut found = Self::default();
        found.walk(root, 0)?;
        Ok(found)
    }

    fn walk(&mut self, dir: &Dir, depth: usize) -> std::io::Result<()> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        if let Some(package) = package_name(dir) {
            if let Ok(source) = dir.open_dir("src") {
                let target = if source.exists("lib.rs") { "lib" } else { "bin" };
                self.take(&source, &format!("{package}::{target}"), 0)?;
            }
            if let Ok(tests) = dir.open_dir("tests") {
                for entry in tests.entries()? {
                    let entry = entry?;
                    let name = entry.file_name();
                    // A test of several files lies in a folder with its `main.rs`; other folders are parts that tests share.
                    if let Some(target) = name.to_str()
                        && entry.file_type()?.is_dir()
                    {
                        let folder = tests.open_dir(target)?;
                        if folder.exists("main.rs") {
                            self.take(&folder, &format!("{package}::{target}"), 0)?;
                        }
                    } else if let Some(target) = name.to_str().and_then(|name| name.strip_suffix(".rs")) {
                        let names = tests_of(&text(&tests, &format!("{target}.rs"))?);
                        self.tests.entry(format!("{package}::{target}")).or_default().extend(names);
                    }
                }
            }
        }
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let skip =
                |name: &str| name.starts_with('.') || matches!(name, "target" | "src" | "tests" | "node_modules");
            if entry.file_type()?.is_dir() && !name.to_str().is_none_or(skip) {
                self.walk(&dir.open_dir(&name)?, depth + 1)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, dir: &Dir, target: &str, depth: usize) -> std::io::Result<()> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if entry.file_type()?.is_dir() {
                self.take(&dir.open_dir(name)?, target, depth + 1)?;
            } else if name.ends_with(".rs") {
                let names = tests_of(&text(dir, name)?);
                self.tests.entry(target.to_owned()).or_default().extend(names);
            }
        }
        Ok(())
    }

    /// Whether the test `package::target::…::name` is there; modules between target and name are for the eye.
    #[must_use]
    pub fn has(&self, test: &str) -> bool {
        let mut parts = test.split("::");
        let (Some(package), Some(target), Some(name)) = (parts.next(), parts.next(), parts.last()) else {
            return false;
        };
        self.tests.get(&format!("{package}::{target}")).is_some_and(|names| names.contains(name))
    }

    /// Every test with the krav ids in its name, as `package::target::name`.
    fn named_after_krav(&self) -> impl Iterator<Item = (String, String)> {
        let all = self.tests.iter().flat_map(|(target, names)| names.iter().map(move |name| (target, name)));
        all.flat_map(|(target, name)| krav_in(name).into_iter().map(move |id| (format!("{target}::{name}"), id)))
    }

    /// Number of tests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tests.values().map(BTreeSet::len).sum()
    }

    /// Whether no test was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Holds the catalogue against the tests of a source tree. Without one, only what the catalogue says of itself is judged;
/// that its rules exist was settled when the set was loaded.
#[must_use]
pub fn trace(catalogue: &Catalogue, source: Option<&SourceTests>) -> Traced {
    let mut traced = Traced::default();
    let mut counted = BTreeSet::new();
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    for (test, id) in source.into_iter().flat_map(SourceTests::named_after_krav) {
        if catalogue.get(&id).is_none() {
            let what = format!("the test `{test}` names a krav that the catalogue does not hold");
            traced.untraced.push(Untraced { id: id.clone(), what });
        }
        *by_name.entry(id).or_default() += 1;
        counted.insert(test);
    }
    for entry in catalogue.entries() {
        let mut lacks = |what: String| traced.untraced.push(Untraced { id: entry.id.clone(), what });
        for test in &entry.tests {
            if source.is_some_and(|source| !source.has(test)) {
                lacks(format!("the catalogue names the test `{test}`, which does not exist"));
            }
            counted.insert(test.clone());
        }
        if entry.retired.is_some() {
            traced.retired.push(entry.id.clone());
            continue;
        }
        let shown = !entry.tests.is_empty() || by_name.contains_key(&entry.id);
        let tested = entry.kind.contains(&Kind::T);
        if tested && !shown && entry.planned.is_none() {
            lacks("no test shows it, and nothing is planned".to_owned());
        }
        if !tested && entry.rules.is_empty() {
            lacks("no rule demands the record of its examination".to_owned());
        }
        let list = match (&entry.planned, shown || !entry.rules.is_empty()) {
            (None, _) => &mut traced.whole,
            (Some(_), true) => &mut traced.partly,
            (Some(_), false) => &mut traced.planned,
        };
        list.push(entry.id.clone());
    }
    traced.tests = counted.len();
    traced
}

/// Krav of kind T that something enforces today, but that no guard of `guards.toml` is named for: nobody has seen a test
/// of theirs turn red.
///
/// # Errors
/// What is wrong with the file.
pub fn unguarded(catalogue: &Catalogue, guards: &str) -> Result<Vec<String>, String> {
    let file: toml::Table = toml::from_str(guards).map_err(|e| e.message().to_owned())?;
    let entries = file.get("guard").and_then(toml::Value::as_array).into_iter().flatten();
    let krav = entries.filter_map(|guard| guard.get("krav").and_then(toml::Value::as_array)).flatten();
    let guarded: BTreeSet<&str> = krav.filter_map(toml::Value::as_str).collect();
    let open = |entry: &&super::KravEntry| {
        entry.kind.contains(&Kind::T)
            && entry.retired.is_none()
            && !entry.tests.is_empty()
            && !guarded.contains(entry.id.as_str())
    };
    Ok(catalogue.entries().filter(open).map(|entry| entry.id.clone()).collect())
}

fn package_name(dir: &Dir) -> Option<String> {
    let manifest: toml::Table = toml::from_str(&text(dir, "Cargo.toml").ok()?).ok()?;
    manifest.get("package")?.get("name")?.as_str().map(str::to_owned)
}

fn text(dir: &Dir, name: &str) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    dir.open(name)?.take(MAX_SOURCE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Names of the functions under `#[test]`, those inside `proptest!` among them.
fn tests_of(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| marked) {
            names.push(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
            marked = false;
        }
    }
    names
}

/// The krav ids in a test's name: `min_04n_…` and `…_and_lig_02n_…` carry MIN-04 and LIG-02.
fn krav_in(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split('_').collect();
    let pairs = parts.windows(2).filter_map(|pair| match pair {
        [prefix, number] => Some((*prefix, *number)),
        _ => None,
    });
    pairs
        .filter_map(|(prefix, number)| {
            let prefix = prefix.to_ascii_uppercase();
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            let ending = number.get(digits.len()..).unwrap_or("?");
            let fits = CHAPTERS.iter().any(|(chapter, _, _)| *chapter == prefix)
                && digits.len() == 2
                && matches!(ending, "" | "n" | "p");
            fits.then(|| format!("{prefix}-{digits}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn krav_ids_are_read_from_names_of_tests_and_nothing_else_is() {
        assert_eq!(krav_in("min_04n_and_lig_02p_hold"), ["MIN-04", "LIG-02"]);
        for other in ["frm_04n_x", "min_4n", "min_044", "the_min_of_04", "std_04x_y"] {
            assert!(krav_in(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn tests_are_found_with_attributes_between_and_helpers_are_not() {
        let text = "fn helper() {}\n#[test]\n#[ignore = \"deep\"]\nfn one() {}\nfn two() {}\nproptest! {\n  #[test]\n  fn three(x in 0..1) {}\n}";
        assert_eq!(tests_of(text), ["one", "three"]);
    }
}
