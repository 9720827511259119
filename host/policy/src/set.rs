//! Loading a policy directory: every file is read once, bounded, checked, and counted toward one digest.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use cap_std::fs::Dir;
use serde::de::DeserializeOwned;
use vaern_door::{Digest, Name};

use crate::place::{Place, line_at, line_of};
use crate::{Catalogue, ModelList, PolicyError, Profile, Purpose, RuleBook};

/// No policy file has reason to be larger; a fence of a whole city is well below.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// No folder has reason to hold more files.
const MAX_FILES: usize = 512;

/// The folders of a policy directory, and what a file of each ends with. Anything else in them is no part of the set.
const FOLDERS: [(&str, &str); 7] = [
    ("purposes", ".toml"),
    ("profiles", ".toml"),
    ("geofences", ".geojson"),
    ("masking", ".toml"),
    ("cameras", ".toml"),
    ("catalogue", ".toml"),
    ("capabilities", ".cedar"),
];

/// The one file of the set that stands beside the folders.
const MODELS: &str = "models.toml";

/// What the rules speak of.
const SCHEMA: &str = "capabilities/vaern.cedarschema";

/// A whole policy directory: checked, frozen, and named by its digest.
#[derive(Debug, Clone)]
pub struct CitySet {
    purposes: BTreeMap<String, Purpose>,
    profiles: BTreeMap<String, Profile>,
    models: ModelList,
    catalogue: Catalogue,
    rules: RuleBook,
    files: BTreeMap<String, Vec<u8>>,
}

impl CitySet {
    /// Reads the directory. One bad file anywhere and there is no set.
    ///
    /// # Errors
    /// [`PolicyError`] naming the file, the line and what is wrong.
    pub fn load(dir: &Dir) -> Result<Self, PolicyError> {
        let mut files = BTreeMap::new();
        for (folder, suffix) in FOLDERS {
            for path in list(dir, folder, suffix)? {
                let bytes = read(dir, &path)?;
                files.insert(path, bytes);
            }
        }
        files.insert(MODELS.to_owned(), read(dir, MODELS)?);
        if files.keys().any(|path| path.starts_with("capabilities/")) {
            files.insert(SCHEMA.to_owned(), read(dir, SCHEMA)?);
        }
        Self::of(files)
    }

    /// The set of these files, by path inside the directory.
    ///
    /// # Errors
    /// As [`CitySet::load`].
    pub fn of(files: BTreeMap<String, Vec<u8>>) -> Result<Self, PolicyError> {
        let mut texts = BTreeMap::new();
        for (path, bytes) in &files {
            texts.insert(path.as_str(), text(path, bytes)?);
        }
        let folder = |name: &'static str| {
            texts.iter().filter(move |(path, _)| path.starts_with(name)).map(|(path, text)| (*path, *text))
        };
        let catalogue = Catalogue::read(folder("catalogue/"))?;
        let mut profiles = BTreeMap::new();
        for (path, text) in folder("profiles/") {
            profiles.insert(path.to_owned(), Profile::read(path, text)?);
        }
        let models_text = texts.get(MODELS).copied().unwrap_or_default();
        let models: ModelList = parse(MODELS, models_text)?;
        models.check(MODELS, models_text)?;
        let mut purposes = BTreeMap::new();
        for (path, text) in folder("purposes/") {
            let purpose: Purpose = parse(path, text)?;
            purpose.check(path, text)?;
            refer(path, text, &purpose, &files, &catalogue)?;
            purposes.insert(path.to_owned(), purpose);
        }
        let schema = texts.get(SCHEMA).copied().unwrap_or_default();
        let sources = folder("capabilities/").filter(|(path, _)| *path != SCHEMA);
        // Last, because it costs most.
        let rules = RuleBook::read((SCHEMA, schema), sources, &catalogue)?;
        rules.hold_the_catalogue(&catalogue)?;
        rules.let_nothing_unsafe_through()?;
        Ok(Self { purposes, profiles, models, catalogue, rules, files })
    }

    /// The set under the purpose of this name; with `None` there must be exactly one purpose.
    ///
    /// # Errors
    /// [`PolicyError::WhichPurpose`].
    pub fn choose(&self, purpose: Option<&Name>) -> Result<PolicySet, PolicyError> {
        let which = |text: &str| Err(PolicyError::WhichPurpose(text.to_owned()));
        let mut found = self.purposes.values().filter(|candidate| purpose.is_none_or(|name| candidate.name == *name));
        match (found.next(), found.next()) {
            (Some(purpose), None) => self.under(purpose),
            (None, _) if purpose.is_some() => which("the policy directory holds no purpose of that name"),
            (None, _) => which("the policy directory holds no file in `purposes/`"),
            (Some(_), Some(_)) => which("the policy directory holds several purposes: choose with --purpose"),
        }
    }

    fn under(&self, purpose: &Purpose) -> Result<PolicySet, PolicyError> {
        let which = || PolicyError::WhichPurpose(format!("the profile of `{}` is not in the set", purpose.name));
        let profile = self.profiles.get(&purpose.profile).ok_or_else(which)?.clone();
        Ok(PolicySet {
            purpose: purpose.clone(),
            profile,
            models: self.models.clone(),
            city: Arc::new(self.clone()),
            sequence: None,
        })
    }

    /// The purposes, each with its file.
    pub fn purposes(&self) -> impl Iterator<Item = (&str, &Purpose)> {
        self.purposes.iter().map(|(path, purpose)| (path.as_str(), purpose))
    }

    /// The profiles, each with its file.
    pub fn profiles(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.profiles.iter().map(|(path, profile)| (path.as_str(), profile))
    }

    /// The detectors that the gate may use.
    #[must_use]
    pub const fn models(&self) -> &ModelList {
        &self.models
    }

    /// The requirements.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &RuleBook {
        &self.rules
    }

    /// The files of the set, by path.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// Digest of each file, by path: what a signature over the set binds.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, Digest> {
        self.files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect()
    }

    /// Names this set: a changed byte in any of its files changes the digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let lines: String = self.digests().iter().map(|(path, digest)| format!("{digest} {path}\n")).collect();
        Digest::of(lines.as_bytes())
    }

    fn file(&self, path: &str) -> &[u8] {
        // Every path of a purpose was looked for in `of`, so an absent one cannot occur; empty bytes parse as nothing.
        self.files.get(path).map_or(&[], Vec::as_slice)
    }
}

/// A policy directory under one purpose.
#[derive(Debug, Clone)]
pub struct PolicySet {
    /// The purpose that is run.
    pub purpose: Purpose,
    /// The quantities.
    pub profile: Profile,
    /// The detectors that the gate may use.
    pub models: ModelList,
    pub(crate) city: Arc<CitySet>,
    sequence: Option<u64>,
}

impl PolicySet {
    /// Reads the directory under the purpose of this name; with `None` there must be exactly one purpose.
    ///
    /// # Errors
    /// [`PolicyError`] naming the file, the line and what is wrong. A set with one bad file is no set.
    pub fn load(dir: &Dir, purpose: Option<&Name>) -> Result<Self, PolicyError> {
        CitySet::load(dir)?.choose(purpose)
    }

    /// The set as one that the city's roles signed under this number. For whoever checked the signatures.
    #[must_use]
    pub fn signed_as(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Number under which the city's roles signed it; none for a set that is only a folder.
    #[must_use]
    pub const fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// The whole set.
    #[must_use]
    pub fn city(&self) -> &CitySet {
        &self.city
    }

    /// The bytes of the fence (GeoJSON).
    #[must_use]
    pub fn geofence(&self) -> &[u8] {
        self.city.file(&self.purpose.geofence)
    }

    /// The bytes of the masking policy (TOML).
    #[must_use]
    pub fn masking(&self) -> &[u8] {
        self.city.file(&self.purpose.masking)
    }

    /// Names the gate that this set makes: its masking policy and the list of detectors, byte for byte. What was found of one gate is
    /// said of no other.
    #[must_use]
    pub fn gate_digest(&self) -> Digest {
        let (masking, models) = (Digest::of(self.masking()), Digest::of(self.city.file(MODELS)));
        Digest::of(format!("{masking} masking\n{models} models\n").as_bytes())
    }

    /// Path and bytes of every camera profile (TOML).
    pub fn cameras(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let cameras = self.city.files.iter().filter(|(path, _)| path.starts_with("cameras/"));
        cameras.map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Names this set: a changed byte in any file changes the digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.city.digest()
    }
}

/// What a purpose names must be there, and it must be written for the catalogue of the set.
fn refer(
    file: &str,
    text: &str,
    purpose: &Purpose,
    files: &BTreeMap<String, Vec<u8>>,
    catalogue: &Catalogue,
) -> Result<(), PolicyError> {
    let place = |param| Place::new(file, line_of(text, param));
    if file != format!("purposes/{}.toml", purpose.name) {
        let problem = format!("the purpose `{}` stands in a file of another name", purpose.name);
        return Err(PolicyError::Invalid { place: place("name"), problem });
    }
    for (param, path) in [("geofence", &purpose.geofence), ("masking", &purpose.masking), ("profile", &purpose.profile)]
    {
        if !files.contains_key(path) {
            return Err(PolicyError::Invalid {
                place: place(param),
                problem: format!("the set holds no file `{path}`"),
            });
        }
    }
    match catalogue.version() {
        Some(version) if *version != purpose.catalogue => Err(PolicyError::OtherCatalogue {
            place: place("catalogue"),
            purpose: purpose.catalogue.clone(),
            catalogue: version.clone(),
        }),
        _ => Ok(()),
    }
}

fn list(dir: &Dir, folder: &str, suffix: &str) -> Result<Vec<String>, PolicyError> {
    let unreadable = |source| PolicyError::Unreadable { file: format!("{folder}/"), source };
    let mut paths = Vec::new();
    let entries = match dir.read_dir(folder) {
        Ok(entries) => entries,
        // An absent folder is an empty one: it can only take away what the others give.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(paths),
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(suffix) && !name.starts_with('.')) {
            paths.push(format!("{folder}/{name}"));
        }
        if paths.len() > MAX_FILES {
            return Err(PolicyError::TooMany { folder: folder.to_owned(), limit: MAX_FILES });
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

fn text<'b>(path: &str, bytes: &'b [u8]) -> Result<&'b str, PolicyError> {
    std::str::from_utf8(bytes).map_err(|e| {
        let before = bytes.get(..e.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        PolicyError::Invalid { place: Place::new(path, line), problem: "not UTF-8".to_owned() }
    })
}

pub(crate) fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, PolicyError> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |span| line_at(text, span.start));
        PolicyError::Invalid { place: Place::new(path, line), problem: e.message().to_owned() }
    })
}
