//! Loading a policy directory: every file is read once, bounded, checked, and counted toward one digest.

use std::collections::BTreeMap;
use std::io::Read as _;

use cap_std::fs::Dir;
use serde::de::DeserializeOwned;
use vaern_door::{Digest, Name};

use crate::{ModelList, PolicyError, Profile, Purpose};

/// No policy file has reason to be larger; a fence of a whole city is well below.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A policy directory under one purpose: checked, frozen, and named by its digest.
#[derive(Debug, Clone)]
pub struct PolicySet {
    /// The purpose that is run.
    pub purpose: Purpose,
    /// The quantities.
    pub profile: Profile,
    /// The detectors that the gate may use.
    pub models: ModelList,
    files: BTreeMap<String, Vec<u8>>,
}

impl PolicySet {
    /// Reads the directory under the purpose of this name; with `None` there must be exactly one purpose.
    ///
    /// # Errors
    /// [`PolicyError`] naming the file and what is wrong with it. A set with one bad file is no set.
    pub fn load(dir: &Dir, purpose: Option<&Name>) -> Result<Self, PolicyError> {
        let mut files = BTreeMap::new();
        let (path, chosen) = choose_purpose(dir, purpose)?;
        let purpose: Purpose = parse(&path, &chosen)?;
        purpose.check(&path)?;
        files.insert(path, chosen);

        let profile_bytes = read(dir, &purpose.profile)?;
        let profile: Profile = parse(&purpose.profile, &profile_bytes)?;
        profile.check(&purpose.profile)?;
        files.insert(purpose.profile.clone(), profile_bytes);

        let models_path = "models.toml".to_owned();
        let models_bytes = read(dir, &models_path)?;
        let models: ModelList = parse(&models_path, &models_bytes)?;
        models.check(&models_path)?;
        files.insert(models_path, models_bytes);

        for path in [&purpose.geofence, &purpose.masking] {
            files.insert(path.clone(), read(dir, path)?);
        }
        for path in list(dir, "cameras", ".toml")? {
            let bytes = read(dir, &path)?;
            files.insert(path, bytes);
        }
        Ok(Self { purpose, profile, models, files })
    }

    /// The bytes of the fence (GeoJSON).
    #[must_use]
    pub fn geofence(&self) -> &[u8] {
        self.file(&self.purpose.geofence)
    }

    /// The bytes of the masking policy (TOML).
    #[must_use]
    pub fn masking(&self) -> &[u8] {
        self.file(&self.purpose.masking)
    }

    /// Path and bytes of every camera profile (TOML).
    pub fn cameras(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let cameras = self.files.iter().filter(|(path, _)| path.starts_with("cameras/"));
        cameras.map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Names this set: a changed byte in any file that it uses changes the digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let lines: String = self.files.iter().map(|(path, bytes)| format!("{} {path}\n", Digest::of(bytes))).collect();
        Digest::of(lines.as_bytes())
    }

    fn file(&self, path: &str) -> &[u8] {
        // Every path of the purpose was read in `load`, so an absent one cannot occur; empty bytes parse as nothing.
        self.files.get(path).map_or(&[], Vec::as_slice)
    }
}

fn choose_purpose(dir: &Dir, wanted: Option<&Name>) -> Result<(String, Vec<u8>), PolicyError> {
    if let Some(name) = wanted {
        let path = format!("purposes/{name}.toml");
        let bytes = read(dir, &path)?;
        return Ok((path, bytes));
    }
    let mut found = list(dir, "purposes", ".toml")?;
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => {
            let bytes = read(dir, &path)?;
            Ok((path, bytes))
        }
        (None, _) => Err(PolicyError::WhichPurpose("the policy directory holds no file in `purposes/`".to_owned())),
        (Some(_), false) => Err(PolicyError::WhichPurpose(
            "the policy directory holds several purposes: choose with --purpose".to_owned(),
        )),
    }
}

fn list(dir: &Dir, sub: &str, suffix: &str) -> Result<Vec<String>, PolicyError> {
    let unreadable = |source| PolicyError::Unreadable { file: format!("{sub}/"), source };
    let mut paths = Vec::new();
    for entry in dir.read_dir(sub).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(suffix)) {
            paths.push(format!("{sub}/{name}"));
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(dir: &Dir, path: &str) -> Result<Vec<u8>, PolicyError> {
    let unreadable = |source| PolicyError::Unreadable { file: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = dir.open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(PolicyError::TooLarge { file: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, PolicyError> {
    let invalid = |problem: String| PolicyError::Invalid { file: path.to_owned(), problem };
    let text = std::str::from_utf8(bytes).map_err(|e| invalid(format!("not UTF-8 at byte {}", e.valid_up_to())))?;
    toml::from_str(text).map_err(|e| invalid(e.to_string()))
}
