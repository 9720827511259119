//! What a component is and asks for, read from the binary itself: what a vendor declares is compared with it.

use std::collections::BTreeSet;

use vaern_door::Interface;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use super::error::PkgError;
use super::sbom;
use crate::printable::printable;

const DOOR: &str = "tmf:vision/";
const VERSION: &str = "@0.1.0";
const PLUGIN: &str = "tmf:vision/plugin@0.1.0";

/// Where `cargo auditable` leaves the list of packages.
const DEPENDENCIES: &str = ".dep-v0";

/// Modules and components inside one another, in sum. A component made by the usual tools has about five.
const MAX_PARTS: usize = 64;
const MAX_DEPTH: usize = 8;
/// Debug information is custom sections; a hundred is plenty, a million is an attack.
const MAX_CUSTOM: usize = 1024;
/// 1 GiB: more than any grant gives, far less than what a 32-bit memory may declare.
const MAX_MEMORY_PAGES: u64 = 16_384;

/// What a component takes and gives, by function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// Imported functions, as `tmf:vision/frames@0.1.0#[method]frame.pixels`; an interface of which only types are
    /// used stands with its name alone.
    pub imports: BTreeSet<String>,
    /// Names of the exports.
    pub exports: BTreeSet<String>,
    /// The capabilities that the imports need.
    pub needs: BTreeSet<Interface>,
    /// The packages that the component is built from, by name and version, where its build left a list inside
    /// (`cargo auditable`).
    pub packages: Option<BTreeSet<(String, String)>>,
}

/// Examines a component in bounded time and memory, before anything is compiled.
///
/// # Errors
/// [`PkgError::NotAComponent`], [`PkgError::TooComplex`], [`PkgError::ImportNotGranted`], [`PkgError::WorldVersion`] or
/// [`PkgError::NoPlugin`].
pub fn examine(bytes: &[u8]) -> Result<Ports, PkgError> {
    preamble(bytes)?;
    let Walked { imports: import_names, exports, packages } = walk(bytes)?;
    let types = Validator::new_with_features(features())
        .validate_all(bytes)
        .map_err(|e| PkgError::NotAComponent(printable(e.message())))?;
    let types = types.as_ref();
    let mut ports = Ports { imports: BTreeSet::new(), exports, needs: BTreeSet::new(), packages };
    for name in import_names {
        let refused = || PkgError::ImportNotGranted { name: printable(&name) };
        let item = types.component_item_for_import(&name).ok_or_else(refused)?;
        let ComponentEntityType::Instance(instance) = item.ty else { return Err(refused()) };
        let interface = interface(&name)?;
        let mut functions = 0;
        let instance = types.get(instance).ok_or_else(refused)?;
        for (export, item) in &instance.exports {
            let full = format!("{name}#{export}");
            match item.ty {
                ComponentEntityType::Type { .. } => {}
                ComponentEntityType::Func(_) => {
                    functions += 1;
                    if let Some(need) =
                        need(interface, export).ok_or_else(|| PkgError::ImportNotGranted { name: printable(&full) })?
                    {
                        ports.needs.insert(need);
                    }
                    ports.imports.insert(full);
                }
                _ => return Err(PkgError::ImportNotGranted { name: printable(&full) }),
            }
        }
        if functions == 0 {
            ports.imports.insert(name);
        }
    }
    match types.component_item_for_export(PLUGIN).map(|item| &item.ty) {
        Some(ComponentEntityType::Instance(_)) => Ok(ports),
        _ => Err(PkgError::NoPlugin),
    }
}

fn preamble(bytes: &[u8]) -> Result<(), PkgError> {
    let found = if bytes.starts_with(b"\0asm\x0d\0\x01\0") {
        return Ok(());
    } else if bytes.starts_with(b"\x7fELF") {
        "compiled code (ELF, as in .cwasm)"
    } else if bytes.starts_with(b"\0asm\x01\0\0\0") {
        "a core module"
    } else if bytes.starts_with(b"\0asm") {
        "a WebAssembly file of another kind or version"
    } else {
        "no WebAssembly at all"
    };
    Err(PkgError::NotAComponent(found.to_owned()))
}

/// What the sandbox's engine is built for. No threads, no 64-bit memories, no relaxed SIMD (results would differ).
fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}

struct Walked {
    imports: Vec<String>,
    exports: BTreeSet<String>,
    packages: Option<BTreeSet<(String, String)>>,
}

/// Counts what is inside and lists the outer component's imports and exports.
fn walk(bytes: &[u8]) -> Result<Walked, PkgError> {
    let bad = |e: wasmparser::BinaryReaderError| PkgError::NotAComponent(printable(e.message()));
    let (mut imports, mut exports) = (Vec::new(), BTreeSet::new());
    let mut packages: Option<BTreeSet<(String, String)>> = None;
    let (mut depth, mut parts, mut custom) = (0_usize, 0_usize, 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(bad)? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                parts += 1;
                if parts == 1 && encoding != Encoding::Component {
                    return Err(PkgError::NotAComponent("a core module".to_owned()));
                }
                if parts > MAX_PARTS || depth > MAX_DEPTH {
                    return Err(PkgError::TooComplex { what: "modules inside the component" });
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) => {
                if section.name() == DEPENDENCIES {
                    packages.get_or_insert_default().extend(sbom::embedded(section.data())?);
                }
                custom += 1;
                if custom > MAX_CUSTOM {
                    return Err(PkgError::TooComplex { what: "custom sections" });
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    if memory.map_err(bad)?.initial > MAX_MEMORY_PAGES {
                        return Err(PkgError::TooComplex { what: "initial memory" });
                    }
                }
            }
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let name = import.map_err(bad)?.name;
                    // A name beside the name could say one thing to us and another to the linker.
                    if name.full_name() != name.name || name.implements.is_some() || name.external_id.is_some() {
                        return Err(PkgError::ImportNotGranted { name: printable(&name.full_name()) });
                    }
                    imports.push(name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.insert(export.map_err(bad)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(Walked { imports, exports, packages })
}

/// The interface of `tmf:vision` that a full import name stands for.
fn interface(name: &str) -> Result<&str, PkgError> {
    let refused = || PkgError::ImportNotGranted { name: printable(name) };
    let inner = name.strip_prefix(DOOR).ok_or_else(refused)?;
    let Some(interface) = inner.strip_suffix(VERSION) else {
        return Err(PkgError::WorldVersion { found: printable(name), supported: "tmf:vision@0.1.0" });
    };
    match interface {
        "types" | "frames" | "models" | "diagnostics" => Ok(interface),
        _ => Err(refused()),
    }
}

/// The capability behind a function: `None` if there is no such function, `Some(None)` if it needs none.
fn need(interface: &str, function: &str) -> Option<Option<Interface>> {
    Some(match (interface, function) {
        ("frames", "[method]frame.size") => None,
        ("frames", "[method]frame.pixels" | "[method]frame.rows" | "[method]frame.tensor") => Some(Interface::Pixels),
        ("frames", "[method]frame.zoom") => Some(Interface::Zoom),
        ("models", "open" | "[method]model.infer" | "[method]model.infer-frame") => Some(Interface::Models),
        ("diagnostics", "log") => Some(Interface::Diagnostics),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "component_tests.rs"]
mod tests;
