//! The city's files, and copies of them with something changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use vaern_door::{Interface, Label, Licences, Manifest, Name, Size, Version};
use vaern_policy::{CitySet, PolicyError, PolicySet};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The city's files, by path.
pub(crate) fn files() -> BTreeMap<String, Vec<u8>> {
    let policies = root().join("policies");
    let mut files = BTreeMap::new();
    for folder in ["purposes", "profiles", "geofences", "masking", "cameras", "catalogue", "capabilities"] {
        for entry in std::fs::read_dir(policies.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
    files.insert("models.toml".to_owned(), std::fs::read(policies.join("models.toml")).unwrap());
    files
}

/// The city's files in which one piece of text of one file is another.
pub(crate) fn with(
    mut files: BTreeMap<String, Vec<u8>>,
    file: &str,
    from: &str,
    to: &str,
) -> BTreeMap<String, Vec<u8>> {
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(from), "{file} does not contain {from}");
    files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    files
}

/// Why the city's files are refused with this change.
#[allow(dead_code, reason = "not every test file asks")]
pub(crate) fn refusal(file: &str, from: &str, to: &str) -> PolicyError {
    CitySet::of(with(files(), file, from, to)).unwrap_err()
}

/// The city's set.
pub(crate) fn city() -> &'static CitySet {
    static CITY: OnceLock<CitySet> = OnceLock::new();
    CITY.get_or_init(|| CitySet::of(files()).unwrap())
}

/// The city's set under its purpose.
#[allow(dead_code, reason = "not every test file asks")]
pub(crate) fn set() -> PolicySet {
    city().choose(None).unwrap()
}

/// A release that asks for little.
#[allow(dead_code, reason = "not every test file asks")]
pub(crate) fn manifest() -> Manifest {
    Manifest {
        name: Name::new("container-model").unwrap(),
        version: Version::new("0.1.0").unwrap(),
        counter: 1,
        vendor: Name::new("vaern").unwrap(),
        purpose: Name::new("containere").unwrap(),
        intended_use: "finds containers".to_owned(),
        labels: vec![Label::new("affaldscontainer").unwrap()],
        capabilities: vec![Interface::Models],
        tensors: vec![],
        frame: Size::new(4000, 300).unwrap(),
        models: vec![],
        licences: Licences { plugin: "a".into(), model: "b".into(), training_data: "c".into() },
    }
}
