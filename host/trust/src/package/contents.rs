//! The parts of a release, read and held against one another.

use std::collections::{BTreeMap, BTreeSet};

use cap_std::fs::Dir;
use vaern_door::{Digest, Manifest, Name, guard};

use super::component::{Ports, examine};
use super::error::PkgError;
use super::layout::{Layout, Shelf};
use super::oci::{self, Descriptor, ImageIndex, ImageManifest, WasmComponent, WasmConfig};
use super::sbom;
use crate::json;

const MAX_COMPONENT: u64 = 64 << 20;
const MAX_MODEL: u64 = 512 << 20;
const MAX_CARD: u64 = 1 << 20;
const MAX_MODELS: usize = 16;

/// The parts of one release, in memory: the bytes that were checked are the bytes that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What the vendor declares.
    pub manifest: Manifest,
    /// The component.
    pub component: Vec<u8>,
    /// What the component takes and gives.
    pub ports: Ports,
    /// The models by the name that the plugin opens them with.
    pub models: BTreeMap<Name, Vec<u8>>,
    /// The model card, in Markdown.
    pub model_card: Option<String>,
    /// The SBOM: CycloneDX JSON, held against the list inside the component where there is one.
    pub sbom: Option<Vec<u8>>,
}

/// The name of a release for people: plugin and version.
pub(super) fn release_name(manifest: &Manifest) -> String {
    format!("{}-{}", manifest.name, manifest.version)
}

/// Reads a release for showing, packing or signing. Nothing is said of who signed it.
///
/// # Errors
/// [`PkgError`] for the first thing that does not hold.
pub fn inspect(dir: &Dir) -> Result<(Digest, Contents), PkgError> {
    let layout = Layout::open(dir)?;
    let shelf = layout.shelf()?;
    let contents = read_contents(&layout, &shelf)?;
    Ok((shelf.release.digest()?, contents))
}

/// Holds the parts against one another. Packing and reading ask the same.
pub(super) fn agree(
    manifest: &Manifest,
    component: &[u8],
    models: &BTreeMap<Name, Vec<u8>>,
    sbom: Option<&[u8]>,
) -> Result<Ports, PkgError> {
    let ports = examine(component)?;
    if let Some(bytes) = sbom {
        let listed = sbom::read(bytes)?;
        if let Some(inside) = &ports.packages
            && guard::stands("trust.sbom")
        {
            sbom::agree(&listed, inside)?;
        }
    }
    let asked: BTreeSet<_> = manifest.capabilities.iter().copied().collect();
    let needed: BTreeSet<_> = ports.needs.difference(&asked).collect();
    if guard::stands("trust.declared-capabilities") && !needed.is_empty() {
        return Err(PkgError::ImportMismatch {
            declared: asked.iter().map(|i| i.as_str().to_owned()).collect(),
            actual: needed.iter().map(|i| i.as_str().to_owned()).collect(),
        });
    }
    if models.len() > MAX_MODELS {
        return Err(PkgError::TooComplex { what: "models" });
    }
    let mut named = BTreeSet::new();
    for model in &manifest.models {
        let bytes = models.get(&model.name).ok_or_else(|| PkgError::ModelMismatch(model.name.clone()))?;
        if Digest::of(bytes) != model.digest || !named.insert(&model.name) {
            return Err(PkgError::ModelMismatch(model.name.clone()));
        }
    }
    match models.keys().find(|name| !named.contains(name)) {
        Some(name) => Err(PkgError::ModelMismatch(name.clone())),
        None => Ok(ports),
    }
}

pub(crate) fn read_contents(layout: &Layout, shelf: &Shelf) -> Result<Contents, PkgError> {
    let index: ImageIndex = layout.json(&shelf.release, "release index")?;
    let entries = index.expect(Some(oci::RELEASE))?;
    if entries.len() > MAX_MODELS + 4 {
        return Err(PkgError::TooComplex { what: "parts" });
    }
    let (mut component, mut manifest, mut model_card, mut sbom) = (None, None, None, None);
    let mut models = BTreeMap::new();
    for entry in &entries {
        if entry.media_type == oci::INDEX {
            return Err(PkgError::NestingTooDeep);
        }
        let part = match entry.artifact_type.as_deref() {
            None => component.replace(read_component(layout, entry)?).map(|_| "component"),
            Some(oci::MANIFEST_JSON) => {
                let bytes = read_part(layout, entry, oci::MANIFEST_JSON, None, json::MAX_BYTES as u64)?.1;
                let read: Manifest = json::parse(&bytes).map_err(PkgError::json("manifest"))?;
                manifest.replace(read).map(|_| "manifest")
            }
            Some(oci::MODEL) => {
                let (name, bytes) = read_part(layout, entry, oci::MODEL, Some(oci::TITLE), MAX_MODEL)?;
                let name = Name::new(name).map_err(|_| PkgError::PartCount("well-formed name for each model"))?;
                models.insert(name, bytes).map(|_| "model of each name")
            }
            Some(oci::MODEL_CARD) => {
                let bytes = read_part(layout, entry, oci::MODEL_CARD, None, MAX_CARD)?.1;
                let text = String::from_utf8(bytes)
                    .map_err(|_| PkgError::MediaType("a model card that is not UTF-8".into()))?;
                model_card.replace(text).map(|_| "model card")
            }
            Some(oci::SBOM) => {
                let bytes = read_part(layout, entry, oci::SBOM, None, json::MAX_BYTES as u64)?.1;
                sbom.replace(bytes).map(|_| "SBOM")
            }
            Some(other) => return Err(PkgError::MediaType(crate::printable::printable(other))),
        };
        if let Some(twice) = part {
            return Err(PkgError::PartCount(twice));
        }
    }
    let (component, config) = component.ok_or(PkgError::PartCount("component"))?;
    let manifest = manifest.ok_or(PkgError::PartCount("manifest"))?;
    if release_name(&manifest) != shelf.name {
        return Err(PkgError::RefMismatch);
    }
    let ports = agree(&manifest, &component, &models, sbom.as_deref())?;
    declared(&config, &component, &ports)?;
    Ok(Contents { manifest, component, ports, models, model_card, sbom })
}

/// One blob with an empty config, and the annotation `note` of its entry.
fn read_part(
    layout: &Layout,
    entry: &Descriptor,
    kind: &str,
    note: Option<&str>,
    limit: u64,
) -> Result<(String, Vec<u8>), PkgError> {
    let name = entry.expect(oci::MANIFEST, Some(kind), note)?.to_owned();
    let manifest: ImageManifest = layout.json(entry, "artifact manifest")?;
    let layer = manifest.layer(Some(kind), oci::EMPTY, kind)?;
    no_subject(&manifest)?;
    layout.empty_config(&manifest)?;
    Ok((name, layout.blob(layer, limit)?))
}

fn read_component(layout: &Layout, entry: &Descriptor) -> Result<(Vec<u8>, WasmConfig), PkgError> {
    entry.expect(oci::MANIFEST, None, None)?;
    let manifest: ImageManifest = layout.json(entry, "component manifest")?;
    let layer = manifest.layer(None, oci::WASM_CONFIG, oci::WASM)?;
    no_subject(&manifest)?;
    let config: WasmConfig = layout.json(&manifest.config, "component config")?;
    Ok((layout.blob(layer, MAX_COMPONENT)?, config))
}

fn no_subject(manifest: &ImageManifest) -> Result<(), PkgError> {
    if manifest.subject.is_some() { Err(PkgError::UnknownField { name: "subject".into() }) } else { Ok(()) }
}

/// The config of a component whose ports are known.
pub(super) fn config_of(component: &[u8], ports: &Ports) -> WasmConfig {
    let list = |set: &BTreeSet<String>| set.iter().cloned().collect();
    WasmConfig::new(
        Digest::of(component),
        WasmComponent { exports: list(&ports.exports), imports: list(&ports.imports) },
    )
}

/// The declared imports must be those of the binary; the rest of the config follows from it too.
fn declared(config: &WasmConfig, component: &[u8], ports: &Ports) -> Result<(), PkgError> {
    let real = config_of(component, ports);
    if *config == real || !guard::stands("trust.declared-imports") {
        return Ok(());
    }
    let only = |a: &[String], b: &[String]| {
        a.iter().filter(|x| !b.contains(x)).map(|x| crate::printable::printable(x)).collect()
    };
    let (said, is) = (&config.component, &real.component);
    if said != is {
        return Err(PkgError::ImportMismatch {
            declared: only(
                &[said.imports.as_slice(), &said.exports].concat(),
                &[is.imports.as_slice(), &is.exports].concat(),
            ),
            actual: only(
                &[is.imports.as_slice(), &is.exports].concat(),
                &[said.imports.as_slice(), &said.exports].concat(),
            ),
        });
    }
    Err(PkgError::MediaType("a component config of another making".into()))
}
