//! The guards as they stand in the source, and whether the tests that the list names are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Error;
use super::list::Guard;

/// Folders whose crates may hold guards: what the workspace ships and the suite, never the tasks themselves.
const ROOMS: [&str; 3] = ["host", "conformance-tests", "sdk"];

/// How a guard is called, everywhere.
const CALL: &str = "guard::stands(";

/// A crate of the workspace: its name, and where it lies.
fn packages(root: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    let mut add = |folder: PathBuf| -> Result<(), Error> {
        let manifest = folder.join("Cargo.toml");
        if manifest.is_file() {
            found.insert(package_name(&manifest)?, folder);
        }
        Ok(())
    };
    for room in ROOMS {
        let room = root.join(room);
        add(room.clone())?;
        let Ok(entries) = std::fs::read_dir(&room) else { continue };
        for entry in entries {
            add(entry.map_err(|e| Error::Io(room.clone(), e))?.path())?;
        }
    }
    add(root.join("xtask"))?;
    Ok(found)
}

/// The name in a manifest.
pub(crate) fn package_name(manifest: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(manifest).map_err(|e| Error::Io(manifest.to_owned(), e))?;
    let table: toml::Table = text.parse().map_err(|e| Error::List(format!("{}: {e}", manifest.display())))?;
    let name = table.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).ok_or_else(|| Error::List(format!("{}: no package name", manifest.display())))
}

/// Every Rust file under a folder.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.map_err(|e| Error::Io(folder.clone(), e))?.path();
            if path.is_dir() && path.file_name().is_none_or(|n| n != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|e| Error::Io(path.to_owned(), e))
}

/// The names inside `guard::stands("…")` of a source text, comments left out. A call without a plain text inside is an error, and
/// so is an import of the function alone: what cannot be read here cannot be listed.
fn stands_in(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut rest = code.as_str();
    if code.contains("guard::stands;") || code.contains("guard::{stands") {
        return Err("call it as `guard::stands`, so that the call can be found".to_owned());
    }
    while let Some(at) = rest.find(CALL) {
        rest = rest.get(at + CALL.len()..).unwrap_or_default();
        let name = rest.trim_start().strip_prefix('"').and_then(|r| r.split_once('"')).map(|(name, _)| name);
        names.push(name.ok_or("a guard must be named by a plain text: `stands(\"room.what\")`")?.to_owned());
    }
    Ok(names)
}

/// What is wrong between the list and the source, a line for each thing.
pub(crate) fn disagreements(root: &Path, guards: &[Guard]) -> Result<Vec<String>, Error> {
    let packages = packages(root)?;
    let mut wrong = Vec::new();
    let mut standing: BTreeSet<String> = BTreeSet::new();
    for folder in packages.values().filter(|folder| !folder.ends_with("xtask")) {
        for file in rust_files(&folder.join("src"))? {
            match stands_in(&read(&file)?) {
                Ok(names) => standing.extend(names),
                Err(why) => wrong.push(format!("{}: {why}", file.display())),
            }
        }
    }
    let listed: BTreeSet<String> = guards.iter().map(|g| g.name.clone()).collect();
    wrong.extend(standing.difference(&listed).map(|n| format!("`{n}` stands in the source and is not listed")));
    wrong.extend(listed.difference(&standing).map(|n| format!("`{n}` is listed and stands nowhere in the source")));
    for guard in guards {
        let Some(folder) = packages.get(&guard.test.package) else {
            wrong.push(format!("`{}`: there is no package `{}`", guard.name, guard.test.package));
            continue;
        };
        let test = guard.test.test.rsplit("::").next().unwrap_or_default();
        let places = match guard.test.target.as_str() {
            "lib" | "bin" => rust_files(&folder.join("src"))?,
            file => {
                let alone = folder.join("tests").join(format!("{file}.rs"));
                let mut places = rust_files(&folder.join("tests").join(file))?;
                places.extend(alone.is_file().then_some(alone));
                places
            }
        };
        let needle = format!("fn {test}(");
        let mut there = false;
        for place in places {
            there |= read(&place)?.contains(&needle);
        }
        if !there {
            wrong.push(format!("`{}`: no test `{}` in the source", guard.name, guard.test));
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_and_comments_and_other_names_are_not() {
        let text = "if guard::stands(\"a.b\") && x {}\n// stands(\"c.d\")\nlet understands(\"e.f\");\n\
                    guard::stands(\n  \"g.h\",\n); pub fn stands(name: &str) {} log.stands(5);";
        assert_eq!(stands_in(text).unwrap(), ["a.b", "g.h"]);
        assert!(stands_in("guard::stands(NAME)").is_err());
        assert!(stands_in("use vaern_door::guard::stands;").is_err());
    }

    #[test]
    fn list_and_source_agree_in_this_repository() {
        let root = crate::repository();
        let guards = super::super::list::read(&root).unwrap();
        let wrong = disagreements(&root, &guards).unwrap();
        assert!(wrong.is_empty(), "conformance-tests/guards.toml:\n{}", wrong.join("\n"));
        assert!(!guards.is_empty(), "a house without guards");
    }

    #[test]
    fn a_line_too_many_and_a_missing_test_are_seen() {
        let root = crate::repository();
        let mut guards = super::super::list::read(&root).unwrap();
        let mut strange = guards[0].clone();
        strange.name = "nobody.knows-this".to_owned();
        strange.test.test = "no_such_test_anywhere".to_owned();
        guards.push(strange);
        let gone = guards.remove(0);
        let wrong = disagreements(&root, &guards).unwrap().join("\n");
        assert!(wrong.contains("`nobody.knows-this` is listed and stands nowhere"), "{wrong}");
        assert!(wrong.contains("no_such_test_anywhere` in the source"), "{wrong}");
        assert!(wrong.contains(&format!("`{}` stands in the source and is not listed", gone.name)), "{wrong}");
    }
}
