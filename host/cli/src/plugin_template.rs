//! What `vaern plugin new` writes: a project that builds and passes anywhere, with the SDK and the door inside it.

use std::io::{Error, ErrorKind, Result, Write as _};

use cap_std::fs::{Dir, OpenOptions};
use vaern_door::Name;

/// Path in the new project, and content. `{{name}}` and `{{crate}}` are filled in.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../sdk/template/Cargo.toml.in")),
    ("Cargo.lock", include_str!("../../../sdk/template/Cargo.lock.in")),
    ("README.md", include_str!("../../../sdk/template/README.md.in")),
    (".gitignore", "/target\n"),
    ("vaern.toml", include_str!("../../../sdk/template/vaern.toml.in")),
    ("src/lib.rs", include_str!("../../../sdk/template/src/lib.rs")),
    ("tests/detects.rs", include_str!("../../../sdk/template/tests/detects.rs.in")),
    ("vendor/vaern-sdk/Cargo.toml", include_str!("../../../sdk/template/sdk-Cargo.toml")),
    ("vendor/vaern-sdk/src/boxes.rs", include_str!("../../../sdk/src/boxes.rs")),
    ("vendor/vaern-sdk/src/frame.rs", include_str!("../../../sdk/src/frame.rs")),
    ("vendor/vaern-sdk/src/guest.rs", include_str!("../../../sdk/src/guest.rs")),
    ("vendor/vaern-sdk/src/lib.rs", include_str!("../../../sdk/src/lib.rs")),
    ("vendor/vaern-sdk/src/picture.rs", include_str!("../../../sdk/src/picture.rs")),
    ("vendor/vaern-sdk/src/testing.rs", include_str!("../../../sdk/src/testing.rs")),
    ("vendor/vaern-sdk/src/types.rs", include_str!("../../../sdk/src/types.rs")),
    ("vendor/wit/vision.wit", include_str!("../../../wit/vision.wit")),
];

/// Makes the folder `name` inside `parent` and fills it. The folder appears whole or not at all.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] where something of this name is there; else what the file system says.
pub(crate) fn write(parent: &Dir, name: &Name) -> Result<()> {
    if parent.symlink_metadata(name.as_str()).is_ok() {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("{name} exists already")));
    }
    let unfinished = format!(".{name}.unfinished");
    parent.create_dir(&unfinished)?;
    let written = parent.open_dir(&unfinished).and_then(|dir| fill(&dir, name));
    let done = written.and_then(|()| parent.rename(&unfinished, parent, name.as_str()));
    if done.is_err() {
        // The first fault is the one to report; a leftover with a dot in front of its name does no harm.
        let _ = parent.remove_dir_all(&unfinished);
    }
    done
}

fn fill(dir: &Dir, name: &Name) -> Result<()> {
    let library = name.as_str().replace('-', "_");
    for (path, content) in FILES {
        if let Some((folder, _)) = path.rsplit_once('/') {
            dir.create_dir_all(folder)?;
        }
        let text = content.replace("{{name}}", name.as_str()).replace("{{crate}}", &library);
        let mut file = dir.open_with(path, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use std::path::Path;
    use std::process::Command;

    fn repository() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[test]
    fn every_source_of_the_sdk_and_the_door_is_handed_out() {
        let handed = |path: &str| FILES.iter().any(|(file, _)| *file == path);
        for (from, to) in [("sdk/src", "vendor/vaern-sdk/src"), ("wit", "vendor/wit")] {
            for entry in std::fs::read_dir(repository().join(from)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(handed(&format!("{to}/{name}")), "{from}/{name} is missing in FILES");
            }
        }
    }

    #[test]
    fn a_new_project_builds_and_passes_its_tests() {
        let parent = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(parent.path(), ambient_authority()).unwrap();
        let name = Name::new("my-first-plugin").unwrap();
        write(&dir, &name).unwrap();
        assert_eq!(write(&dir, &name).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let project = parent.path().join("my-first-plugin");
        assert!(!std::fs::read_to_string(project.join("Cargo.toml")).unwrap().contains("{{"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // Offline: natively the project needs nothing but itself.
        let output = Command::new(cargo)
            .args(["test", "--offline"])
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", project.join("target"))
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}");
        assert!(said.contains("4 passed"), "{said}");
        assert!(!said.contains("warning"), "{said}");
    }

    #[test]
    fn what_is_there_stays_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(parent.path(), ambient_authority()).unwrap();
        dir.write("taken", b"mine").unwrap();
        let name = Name::new("taken").unwrap();
        assert_eq!(write(&dir, &name).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(dir.read("taken").unwrap(), b"mine");
        assert_eq!(dir.entries().unwrap().count(), 1);
    }
}
