//! Which files make a component, and one digest over them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Error, at, build, record};

/// Path inside the repository, with forward slashes, and bytes. The order of the paths is the order of the digest.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What every plugin is built with: workspace, lock file, SDK, door.
pub(super) fn shared(root: &Path) -> Result<Files, Error> {
    let mut files = Files::new();
    for path in ["plugins/Cargo.toml", "plugins/Cargo.lock", "sdk/template/sdk-Cargo.toml"] {
        add(root, path, &mut files)?;
    }
    for folder in ["sdk/src", "wit"] {
        add_all(root, folder, &mut files)?;
    }
    Ok(files)
}

/// What one plugin adds to that.
pub(super) fn own(root: &Path, name: &str) -> Result<Files, Error> {
    let mut files = Files::new();
    add(root, &format!("plugins/{name}/Cargo.toml"), &mut files)?;
    add_all(root, &format!("plugins/{name}/src"), &mut files)?;
    Ok(files)
}

/// The digest that says whether a component is older than its sources.
pub(super) fn digest(root: &Path, name: &str) -> Result<String, Error> {
    let mut files = shared(root)?;
    files.extend(own(root, name)?);
    files.insert("flags".to_owned(), build::FLAGS.join(" ").into_bytes());
    Ok(record::sha256(&canonical(&files)))
}

fn canonical(files: &Files) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content) in files {
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(content.len().to_string().as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(content);
    }
    bytes
}

fn add(root: &Path, path: &str, files: &mut Files) -> Result<(), Error> {
    let full = root.join(path);
    files.insert(path.to_owned(), fs::read(&full).map_err(at(&full))?);
    Ok(())
}

fn add_all(root: &Path, folder: &str, files: &mut Files) -> Result<(), Error> {
    let full = root.join(folder);
    for entry in fs::read_dir(&full).map_err(at(&full))? {
        let entry = entry.map_err(at(&full))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // An editor's leavings are no source.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let path = format!("{folder}/{name}");
        if entry.file_type().map_err(at(&full))?.is_dir() {
            add_all(root, &path, files)?;
        } else {
            add(root, &path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_files_changes_the_digest() {
        let files = |a: &str, b: &str| {
            Files::from([("a".to_owned(), a.as_bytes().to_vec()), ("b".to_owned(), b.as_bytes().to_vec())])
        };
        assert_ne!(canonical(&files("xy", "z")), canonical(&files("x", "yz")));
        assert_eq!(canonical(&files("xy", "z")), b"a\x002\x00xyb\x001\x00z");
    }

    #[test]
    fn a_plugin_is_made_of_its_code_the_sdk_and_the_door() {
        let root = crate::repository();
        let mut files = shared(&root).unwrap();
        files.extend(own(&root, "container-model").unwrap());
        for path in ["wit/vision.wit", "sdk/src/lib.rs", "plugins/Cargo.lock", "plugins/container-model/src/lib.rs"] {
            assert!(files.contains_key(path), "{path}");
        }
    }
}
