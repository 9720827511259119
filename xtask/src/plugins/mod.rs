//! The reference plugins, from source to components that import nothing but `tmf:vision`.
//!
//! The components are committed, so that nobody needs a wasm toolchain to run or test the host. Two things keep them
//! honest: a digest of the sources that made each of them, checked by an ordinary test, and a rebuild that must give the
//! same bytes wherever the same compiler is at hand.

mod build;
mod component;
mod record;
mod sources;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use toolchain::Kind;

use record::{Entry, Record};

/// The plugins of the repository, in the order of their names.
const PLUGINS: &[&str] = &["container-classic", "container-model", "detector-yolo"];

/// Why the plugins could not be built or do not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "no compiler for wasm32-unknown-unknown here, and this task downloads none.\n\
         Either:  rustup target add wasm32-unknown-unknown\n\
         or:      apt-get install rustc-web cargo-web rust-web-src   (the compiler of the committed components)"
    )]
    NoCompiler,
    #[error("the compiler {0} was asked for and is not here")]
    NotHere(&'static str),
    #[error("{0} said: {1}")]
    Tool(PathBuf, String),
    #[error("building the plugins failed; the compiler's own words stand above")]
    Build,
    #[error("{name}: {why}")]
    Component { name: String, why: String },
    #[error(
        "{0}: the committed component is not what its sources give with the very compiler that is recorded for it. \
         Run `cargo xtask plugins` and commit plugins/prebuilt/"
    )]
    Differs(String),
    #[error(
        "{0}: sources have changed since the component was built. Run `cargo xtask plugins` and commit plugins/prebuilt/"
    )]
    Stale(String),
    #[error("plugins/prebuilt/prebuilt.toml: {0}")]
    Record(String),
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
}

impl Error {
    pub(crate) const fn status(&self) -> u8 {
        match self {
            Self::NoCompiler | Self::NotHere(_) => 2,
            Self::Build | Self::Component { .. } | Self::Differs(_) | Self::Stale(_) => 1,
            Self::Tool(..) | Self::Record(_) | Self::Io(..) => 3,
        }
    }
}

/// Adds the path to an I/O error.
fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |error| Error::Io(path.to_owned(), error)
}

/// A plugin as it came out of the compiler.
struct Built {
    entry: Entry,
    component: Vec<u8>,
}

/// Builds every plugin; with `check`, changes nothing in the repository.
pub(crate) fn run(root: &Path, check: bool, wanted: Option<Kind>) -> Result<(), Error> {
    let prebuilt = root.join("plugins/prebuilt");
    let recorded = Record::read(&prebuilt)?;
    if check {
        stale(root, &recorded)?;
    }
    let compiler = toolchain::find(root, wanted, recorded.compiler())?;
    println!("compiler: {}", compiler.version);
    let modules = build::modules(root, &compiler)?;
    let mut built = Vec::new();
    for (name, module) in PLUGINS.iter().zip(modules) {
        let component = component::encode(name, &module)?;
        let imports = component::imports(name, &component)?;
        component::has_no_paths(name, &component, &compiler.private_paths(root))?;
        let entry = Entry {
            name: (*name).to_owned(),
            component: record::sha256(&component),
            sources: sources::digest(root, name)?,
            compiler: compiler.version.clone(),
            imports,
        };
        println!("{name}: {} bytes, sha256 {}", component.len(), entry.component);
        for import in &entry.imports {
            println!("    imports {import}");
        }
        built.push(Built { entry, component });
    }
    if check { compare(root, &recorded, &built) } else { write(&prebuilt, built) }
}

/// Compares with what is committed, where the compiler is the recorded one; else leaves the components to be tested.
fn compare(root: &Path, recorded: &Record, built: &[Built]) -> Result<(), Error> {
    let folder = root.join("target/guests/components");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let mut other_compiler = false;
    for Built { entry, component } in built {
        let path = folder.join(format!("{}.wasm", entry.name));
        fs::write(&path, component).map_err(at(&path))?;
        let committed = recorded.entry(&entry.name).ok_or_else(|| Error::Stale(entry.name.clone()))?;
        if committed.compiler != entry.compiler {
            other_compiler = true;
        } else if committed.component != entry.component {
            return Err(Error::Differs(entry.name.clone()));
        } else {
            println!("{}: the same bytes as committed", entry.name);
        }
    }
    if other_compiler {
        println!(
            "The committed components come from another compiler, so their bytes cannot be compared. The rebuilt ones must \
             pass the same tests:\n    VAERN_PREBUILT_DIR={} cargo test",
            folder.display()
        );
    }
    Ok(())
}

fn write(prebuilt: &Path, built: Vec<Built>) -> Result<(), Error> {
    fs::create_dir_all(prebuilt).map_err(at(prebuilt))?;
    let mut entries = Vec::new();
    for Built { entry, component } in built {
        let path = prebuilt.join(format!("{}.wasm", entry.name));
        fs::write(&path, component).map_err(at(&path))?;
        entries.push(entry);
    }
    Record { component: entries }.write(prebuilt)
}

/// Refuses where a committed component is missing, altered, or older than its sources.
fn stale(root: &Path, recorded: &Record) -> Result<(), Error> {
    for name in PLUGINS {
        let entry = recorded.entry(name).ok_or_else(|| Error::Stale((*name).to_owned()))?;
        if entry.sources != sources::digest(root, name)? {
            return Err(Error::Stale((*name).to_owned()));
        }
        let path = root.join("plugins/prebuilt").join(format!("{name}.wasm"));
        if record::sha256(&fs::read(&path).map_err(at(&path))?) != entry.component {
            return Err(Error::Differs((*name).to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    #[test]
    fn prebuilt_components_are_not_stale() {
        let root = repository();
        let recorded = Record::read(&root.join("plugins/prebuilt")).unwrap();
        stale(&root, &recorded).unwrap();
        let names: Vec<&str> = recorded.component.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, PLUGINS, "every plugin is recorded, and nothing else is");
    }

    #[test]
    fn prebuilt_components_import_only_the_door() {
        let root = repository();
        for name in PLUGINS {
            let component = fs::read(root.join(format!("plugins/prebuilt/{name}.wasm"))).unwrap();
            let imports = component::imports(name, &component).unwrap();
            assert_eq!(imports, Record::read(&root.join("plugins/prebuilt")).unwrap().entry(name).unwrap().imports);
            component::has_no_paths(name, &component, &[root.display().to_string()]).unwrap();
        }
    }

    #[test]
    fn the_pixel_blind_plugin_imports_no_function_that_hands_out_pixels() {
        let root = repository();
        let component = fs::read(root.join("plugins/prebuilt/container-model.wasm")).unwrap();
        let imports = component::imports("container-model", &component).unwrap();
        assert_eq!(
            imports,
            [
                "tmf:vision/frames@0.1.0 [method]frame.size",
                "tmf:vision/models@0.1.0 [method]model.infer-frame",
                "tmf:vision/models@0.1.0 open",
            ]
        );
    }

    #[test]
    fn a_change_of_one_source_makes_its_component_stale() {
        let root = repository();
        let mut recorded = Record::read(&root.join("plugins/prebuilt")).unwrap();
        recorded.component[1].sources.replace_range(0..1, "x");
        assert!(matches!(stale(&root, &recorded), Err(Error::Stale(name)) if name == PLUGINS[1]));
        recorded.component.remove(0);
        assert!(matches!(stale(&root, &recorded), Err(Error::Stale(name)) if name == PLUGINS[0]));
    }
}
