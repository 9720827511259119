//! Walls around hostile guests, with the real program as worker.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use vaern_door::{Grants, Interface, Label, Limits, Name, TensorSpec};
use vaern_sandbox::wall::{Launch, Vendor, Wall, WallError, WallSettings};
use vaern_sandbox::{Answer, Runner as _, SandboxError};

use crate::common;

/// A shell that says hello like a worker and dies at the first thing it is told.
pub(crate) const DIES_AT_EACH_FRAME: &str = "printf '\\004\\000\\000\\000\\020\\377\\000\\000\\000' >&0; read -r line";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn launch() -> Launch {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_vaern"));
    Launch { program, arguments: vec!["worker".into()], runtime: None }
}

pub(crate) fn settings() -> WallSettings {
    WallSettings::strict(launch())
}

/// A hostile guest with a real model.
pub(crate) fn vendor(guest: &str, grants: Grants) -> Vendor {
    let model = std::fs::read(root().join("models/container.onnx")).unwrap();
    Vendor {
        component: vaern_hostile::component(guest).unwrap(),
        models: BTreeMap::from([(Name::new("container").unwrap(), model)]),
        grants: Arc::new(grants),
    }
}

pub(crate) fn wall(guest: &str, grants: Grants) -> Result<Wall, WallError> {
    Wall::build(settings(), vendor(guest, grants))
}

/// As `common::attack`, behind the wall.
pub(crate) fn walled(guest: &str, grants: Grants) -> Result<Answer, SandboxError> {
    let wall = wall(guest, grants).map_err(|error| match error {
        WallError::Sandbox(error) => error,
        WallError::Model { name, source } => panic!("{name}: {source}"),
    })?;
    wall.runner()?.detect(&common::frame(640, 360))
}

/// What the reference plugin declares.
#[derive(serde::Deserialize)]
struct Declared {
    labels: Vec<Label>,
    tensors: Vec<TensorSpec>,
}

/// Grants for what the manifest of `container-model` asks for.
pub(crate) fn container_model_grants() -> Grants {
    let manifest = std::fs::read_to_string(root().join("plugins/container-model/vaern.toml")).unwrap();
    let Declared { labels, tensors } = toml::from_str(&manifest).unwrap();
    Grants {
        interfaces: [Interface::Models].into(),
        tensors,
        labels,
        limits: Limits { memory_bytes: 64 << 20, stack_bytes: 1 << 20, ..common::LIMITS },
        ..common::grants()
    }
}

pub(crate) fn kill(id: u32, signal: &str) {
    // Gone already is gone.
    let _ = Command::new("kill").args(["-s", signal, &id.to_string()]).output();
}

/// Whether any readable memory of a process holds these bytes. `None` where this process may not look.
pub(crate) fn memory_holds(id: u32, needle: &[u8]) -> Option<bool> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
    let mut memory = std::fs::File::open(format!("/proc/{id}/mem")).ok()?;
    let mut regions = 0;
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with('r'))) {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        // Reserved and never touched: nothing can be in it, and it is gigabytes.
        if to - from > 1 << 30 || line.ends_with("[vvar]") || line.ends_with("[vsyscall]") {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(to - from).ok()?];
        if memory.seek(SeekFrom::Start(from)).is_err() || memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        regions += 1;
        if bytes.windows(needle.len()).any(|window| window == needle) {
            return Some(true);
        }
    }
    (regions > 0).then_some(false)
}

/// Says that a test did not run, past the test runner's capture.
pub(crate) fn skip(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIP {why}");
}
