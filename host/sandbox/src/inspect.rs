//! What a component says of itself, read before it is compiled: is it valid, which features does it use, what does it import.

use vaern_door::{Interface, Limits, guard};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::{ComponentImport, Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::{Feature, SandboxError};

/// The interface that a plugin exports.
const PLUGIN: &str = "tmf:vision/plugin@0.1.0";

/// Functions in one component, and bytes of one function's body, that compile in bounded time.
const MAX_FUNCTIONS: u32 = 50_000;
const MAX_BODY: usize = 512 << 10;

/// What a component imports, function by function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inspected {
    imports: Vec<Import>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Import {
    name: String,
    needs: Need,
}

/// What an import takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Grant(Interface),
    /// Nothing behind the door has this name.
    Unknown,
}

/// Features that are switched on: WebAssembly 2.0 and components.
fn allowed() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::COMPONENT_MODEL
}

/// Features that get a name of their own when they are the reason for a refusal.
const NAMED: [(WasmFeatures, Feature); 8] = [
    (WasmFeatures::THREADS, Feature::Threads),
    (WasmFeatures::RELAXED_SIMD, Feature::RelaxedSimd),
    (WasmFeatures::MEMORY64, Feature::Memory64),
    (WasmFeatures::MULTI_MEMORY, Feature::MultiMemory),
    (WasmFeatures::EXCEPTIONS, Feature::Exceptions),
    (WasmFeatures::TAIL_CALL, Feature::TailCall),
    (WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES), Feature::Gc),
    (WasmFeatures::CM_ASYNC, Feature::Async),
];

/// Reads a component without compiling it.
pub(crate) fn inspect(component: &[u8], limits: &Limits) -> Result<Inspected, SandboxError> {
    if u64::try_from(component.len()).map_or(true, |n| n > limits.component_bytes) {
        return Err(SandboxError::TooComplex("bytes"));
    }
    let names = walk(component, limits)?;
    let types = match Validator::new_with_features(allowed()).validate_all(component) {
        Ok(types) => types,
        Err(_) => return Err(refusal(component)),
    };
    let types = types.as_ref();
    if types.component_item_for_export(PLUGIN).is_none() {
        return Err(SandboxError::WorldMismatch);
    }
    let mut imports = vec![];
    for name in names {
        let item = types.component_item_for_import(&name).ok_or(SandboxError::NotAComponent)?;
        let ComponentEntityType::Instance(instance) = item.ty else {
            imports.push(Import { name, needs: Need::Unknown });
            continue;
        };
        if !matches!(
            name.as_str(),
            "tmf:vision/types@0.1.0"
                | "tmf:vision/frames@0.1.0"
                | "tmf:vision/models@0.1.0"
                | "tmf:vision/diagnostics@0.1.0"
        ) {
            imports.push(Import { name, needs: Need::Unknown });
            continue;
        }
        let instance = types.get(instance).ok_or(SandboxError::NotAComponent)?;
        for (function, item) in &instance.exports {
            if matches!(item.ty, ComponentEntityType::Type { .. }) {
                continue;
            }
            let needs = need(&name, function);
            imports.push(Import { name: format!("{name}#{function}"), needs });
        }
    }
    Ok(Inspected { imports })
}

/// What a function behind the door takes.
fn need(interface: &str, function: &str) -> Need {
    match (interface, function) {
        ("tmf:vision/frames@0.1.0", "[method]frame.size") => Need::Nothing,
        ("tmf:vision/frames@0.1.0", "[method]frame.pixels" | "[method]frame.rows" | "[method]frame.tensor") => {
            Need::Grant(Interface::Pixels)
        }
        ("tmf:vision/frames@0.1.0", "[method]frame.zoom") => Need::Grant(Interface::Zoom),
        ("tmf:vision/models@0.1.0", "open" | "[method]model.infer" | "[method]model.infer-frame") => {
            Need::Grant(Interface::Models)
        }
        // The same component logs at home and is silent in operation: without the grant, lines go nowhere.
        ("tmf:vision/diagnostics@0.1.0", "log") => Need::Nothing,
        _ => Need::Unknown,
    }
}

impl Inspected {
    /// Refuses the first import that is not among the grants.
    pub(crate) fn admit(&self, granted: impl Fn(Interface) -> bool) -> Result<(), SandboxError> {
        match self.imports.iter().find(|import| match import.needs {
            Need::Nothing => false,
            Need::Grant(interface) => !granted(interface),
            Need::Unknown => guard::stands("sandbox.imports"),
        }) {
            None => Ok(()),
            Some(import) => Err(SandboxError::ImportNotGranted { name: printable(&import.name) }),
        }
    }

    /// Whether any function of this interface is imported.
    pub(crate) fn uses(&self, interface: Interface) -> bool {
        self.imports.iter().any(|import| import.needs == Need::Grant(interface))
    }
}

/// Names of the component's own imports; counts what it is made of on the way.
fn walk(component: &[u8], limits: &Limits) -> Result<Vec<String>, SandboxError> {
    let mut names = vec![];
    let mut depth = 0_u32;
    let (mut functions, mut modules) = (0_u32, 0_u32);
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|_| SandboxError::NotAComponent)? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                match encoding {
                    Encoding::Module if depth == 1 => return Err(SandboxError::NotAComponent),
                    Encoding::Module => modules += 1,
                    Encoding::Component => {}
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let ComponentImport { name, .. } = import.map_err(|_| SandboxError::NotAComponent)?;
                    names.push(name.name.to_owned());
                }
            }
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                if usize::try_from(body.range().end - body.range().start).map_or(true, |n| n > MAX_BODY) {
                    return Err(SandboxError::TooComplex("a function is too long"));
                }
            }
            _ => {}
        }
        if functions > MAX_FUNCTIONS {
            return Err(SandboxError::TooComplex("functions"));
        }
        if modules > limits.instances || depth > 8 {
            return Err(SandboxError::TooComplex("parts"));
        }
    }
    Ok(names)
}

/// Why a component is not valid with the features that are switched on.
fn refusal(component: &[u8]) -> SandboxError {
    let valid = |features| Validator::new_with_features(features).validate_all(component).is_ok();
    if !valid(WasmFeatures::all()) {
        return SandboxError::NotAComponent;
    }
    let one = NAMED.iter().find(|(feature, _)| valid(allowed() | *feature));
    SandboxError::FeatureNotAllowed(one.map_or(Feature::Other, |(_, name)| *name))
}

fn printable(text: &str) -> String {
    text.chars().take(120).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
