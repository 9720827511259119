//! From a core module to a component, and what is refused of it.

use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

use super::Error;

/// The only package that a plugin may import from.
const DOOR: &str = "tmf:vision/";

fn fault(name: &str, why: impl ToString) -> Error {
    Error::Component { name: name.to_owned(), why: why.to_string() }
}

/// Makes a component of a core module. The bindings left their types in a custom section of it.
pub(super) fn encode(name: &str, module: &[u8]) -> Result<Vec<u8>, Error> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| fault(name, format!("{error:#}")))
}

/// The functions that a component imports, sorted, each as `interface function`. Anything outside the door is refused,
/// and so is a component that offers no plugin.
pub(super) fn imports(name: &str, component: &[u8]) -> Result<Vec<String>, Error> {
    Validator::new_with_features(WasmFeatures::WASM2 | WasmFeatures::COMPONENT_MODEL)
        .validate_all(component)
        .map_err(|error| fault(name, error))?;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| fault(name, error))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| fault(name, error))?.name.name.to_owned();
                    if !import.starts_with(DOOR) {
                        return Err(fault(name, format!("imports `{import}`, which is not part of {DOOR}")));
                    }
                }
            }
            _ => {}
        }
    }
    functions(name, component)
}

fn functions(name: &str, component: &[u8]) -> Result<Vec<String>, Error> {
    let decoded = wit_component::decode(component).map_err(|error| fault(name, format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(fault(name, "not a component"));
    };
    let world = resolve.worlds.get(world).ok_or_else(|| fault(name, "has no world"))?;
    if !world.exports.keys().any(|key| resolve.name_world_key(key) == "tmf:vision/plugin@0.1.0") {
        return Err(fault(name, "does not export tmf:vision/plugin@0.1.0"));
    }
    let mut found = Vec::new();
    for (key, item) in &world.imports {
        let interface = resolve.name_world_key(key);
        let WorldItem::Interface { id, .. } = item else {
            return Err(fault(name, format!("imports `{interface}`, which is no interface")));
        };
        let functions = resolve.interfaces.get(*id).map(|interface| interface.functions.keys());
        found.extend(functions.into_iter().flatten().map(|function| format!("{interface} {function}")));
    }
    found.sort_unstable();
    Ok(found)
}

/// A component that names a folder of the machine it was built on is not reproducible.
pub(super) fn has_no_paths(name: &str, component: &[u8], paths: &[String]) -> Result<(), Error> {
    for path in paths {
        if component.windows(path.len()).any(|window| window == path.as_bytes()) {
            return Err(fault(name, format!("holds the path {path} of this machine")));
        }
    }
    Ok(())
}
