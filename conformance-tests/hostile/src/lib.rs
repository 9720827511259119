//! Hostile guests, readable: each is one `.wat` file beside this crate, and this crate makes a component of it.
//!
//! They are core modules with the names of the canonical ABI, so that each file shows what it does to the host and
//! nothing else. `honest` is the nearest guest that does nothing wrong: every test of a refusal has it as its neighbour.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Why a guest could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no guest of this name.
    #[error("there is no hostile guest `{0}`")]
    Unknown(String),
    /// The text does not assemble.
    #[error("{0}: {1}")]
    Text(String, wat::Error),
    /// The module does not fit the world.
    #[error("{0}: {1}")]
    World(String, String),
}

macro_rules! guests {
    ($($name:literal),+ $(,)?) => {
        /// Names of all guests.
        pub const ALL: &[&str] = &[$($name),+];

        fn text(name: &str) -> Option<&'static str> {
            match name {
                $($name => Some(include_str!(concat!("../", $name, ".wat"))),)+
                _ => None,
            }
        }
    };
}

guests![
    "honest",
    "pixels",
    "bad-discriminant",
    "bad-error",
    "bad-list-pointer",
    "bad-realloc",
    "bad-result-pointer",
    "bad-utf8",
    "big-table",
    "blind",
    "describe-loop",
    "empty-box",
    "forged-handle",
    "giant-label",
    "giant-result",
    "handle-flood",
    "kept-borrow",
    "leaks-pixels",
    "list-length-overflow",
    "log-flood",
    "loop",
    "memory",
    "multi-memory",
    "outside-frame",
    "recursion",
    "reenter",
    "relaxed-simd",
    "remembers",
    "start-loop",
    "start-memory",
    "too-many",
    "trap",
    "unaligned-list",
    "unknown-label",
    "used-after-drop",
    "wasi",
    "wrapping-box",
    "zoom-flood",
];

const DOOR: &str = include_str!("../../../wit/vision.wit");

/// Just enough of a package outside the door that a component can import from it.
const WASI: &str = "package wasi:filesystem@0.2.0; interface preopens { get-directories: func() -> list<u32>; }";

/// A world that holds the door and more. The names come from the guest `wasi`.
const WIDER: &str = "package vaern:hostile;
world wider {
    include tmf:vision/vision-plugin@0.1.0;
    import wasi:filesystem/preopens@0.2.0;
}";

/// The core module of a guest, as it is written.
///
/// # Errors
/// [`Error::Unknown`] and [`Error::Text`].
pub fn module(name: &str) -> Result<Vec<u8>, Error> {
    let text = text(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
    wat::parse_str(text).map_err(|error| Error::Text(name.to_owned(), error))
}

/// The component of a guest.
///
/// # Errors
/// [`Error`] where the name is unknown or the guest does not fit the world.
pub fn component(name: &str) -> Result<Vec<u8>, Error> {
    from_module(name, module(name)?)
}

/// A component out of core text of your own, with the exports of the world `vision-plugin`.
///
/// # Errors
/// [`Error`] where the text does not assemble or does not fit the world.
pub fn component_of(text: &str) -> Result<Vec<u8>, Error> {
    let module = wat::parse_str(text).map_err(|error| Error::Text("text".to_owned(), error))?;
    from_module("text", module)
}

fn from_module(name: &str, mut module: Vec<u8>) -> Result<Vec<u8>, Error> {
    let fault = |why: String| Error::World(name.to_owned(), why);
    let mut resolve = Resolve::default();
    let mut package = resolve.push_str("vision.wit", DOOR).map_err(|e| fault(format!("{e:#}")))?;
    let mut world = "vision-plugin";
    if name == "wasi" {
        resolve.push_str("wasi.wit", WASI).map_err(|e| fault(format!("{e:#}")))?;
        package = resolve.push_str("wider.wit", WIDER).map_err(|e| fault(format!("{e:#}")))?;
        world = "wider";
    }
    let world = resolve.select_world(&[package], Some(world)).map_err(|e| fault(format!("{e:#}")))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .map_err(|e| fault(format!("{e:#}")))?;
    // Not validated here: some guests are valid only for a host that allows more than ours does.
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| fault(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    #[test]
    fn every_guest_is_a_valid_component_somewhere() {
        for name in ALL {
            let component = component(name).unwrap_or_else(|error| panic!("{error}"));
            Validator::new_with_features(WasmFeatures::all())
                .validate_all(&component)
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            let narrow = Validator::new_with_features(WasmFeatures::WASM2 | WasmFeatures::COMPONENT_MODEL);
            let narrow = { narrow }.validate_all(&component).is_ok();
            assert_eq!(narrow, !["multi-memory", "relaxed-simd"].contains(name), "{name}");
        }
    }

    #[test]
    fn every_file_is_a_guest() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".wat")?.to_owned()))
            .collect();
        let mut names: Vec<String> = ALL.iter().map(|name| (*name).to_owned()).collect();
        files.sort_unstable();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn an_unknown_guest_is_an_error() {
        assert!(matches!(component("none"), Err(Error::Unknown(_))));
        assert!(matches!(component_of("(module"), Err(Error::Text(..))));
        assert!(matches!(component_of("(module)"), Err(Error::World(..))));
    }
}
