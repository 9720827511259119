//! A repository between vaern and a TUF implementation that is not ours, both ways.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod city;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use cap_std::fs::Dir;
use city::*;
use vaern_trust::{CHANNEL_FILE, ChannelSource as _, Digest};
use vaern_tuf::{Ends, RootSpec, TufFiles, publish, refresh, write_root};

/// python-tuf judges by the machine's clock, so that what it reads must hold for long.
const LONG: i64 = 20_000;

/// The interpreter that has python-tuf, where there is one.
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python");
    let has = Command::new(&python).args(["-c", "import tuf.ngclient"]).output().is_ok_and(|out| out.status.success());
    if has {
        return Some(python);
    }
    use std::io::Write as _;
    let _ = writeln!(
        std::io::stderr(),
        "SKIP: no python-tuf here: python3 -m venv target/peers && target/peers/bin/pip install 'securesystemslib[crypto]' tuf"
    );
    None
}

fn told(python: &Path, what: &str, folder: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance-tests/peers/repository.py");
    let told = Command::new(python).arg(script).arg(what).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success(), "{said}{}", String::from_utf8_lossy(&told.stderr));
    said
}

fn put(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (file, bytes) in files {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn long(root: &[u8], others: [u8; 3]) -> RootSpec {
    RootSpec { expires: days(LONG), ..spec(root, others) }
}

#[test]
fn upd_04_upd_08_upd_19p_another_implementation_reads_what_we_write_and_refuses_what_is_spoiled() {
    let Some(python) = python() else { return };
    let repository = room();
    let ends = Ends { targets: days(LONG), snapshot: days(LONG), timestamp: days(LONG) };
    let issue = |sequence, keys: [u8; 3]| {
        let pairs = keys.map(key);
        publish(&repository, &files(sequence), ends, &pairs.iter().collect::<Vec<_>>(), now()).unwrap()
    };
    write_root(&repository, &long(&[1, 2, 3], [4, 5, 6]), &[&key(1), &key(2)]).unwrap();
    issue(7, [4, 5, 6]);
    let pinned = repository.read("metadata/1.root.json").unwrap();
    write_root(&repository, &long(&[2, 3, 9], [14, 15, 16]), &[&key(9), &key(3), &key(2)]).unwrap();
    issue(8, [14, 15, 16]);
    refresh(&repository, days(LONG), &[&key(16)], now()).unwrap();
    let city = City { repository, state: room(), pinned };
    let good = city.copy();

    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("good"), &good);
    std::fs::write(folder.path().join("root.json"), &city.pinned).unwrap();
    let channel = Digest::of(&files(8)[CHANNEL_FILE]).hex();
    let current = |file: &&String| !file.contains("1.root") && !file.contains("/1.");
    let listed = good.keys().filter(|file| file.starts_with("metadata")).filter(current);
    let mut spoiled = 0;
    for file in listed.chain(good.keys().filter(|file| file.contains(&channel))) {
        // Another letter in the middle; a file of the issue before; none.
        let mut altered = good.clone();
        let bytes = altered.get_mut(file).unwrap();
        let middle = bytes.len() / 2;
        let at = middle + bytes[middle..].iter().position(u8::is_ascii_alphanumeric).unwrap();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        let name = file.replace('/', "-");
        put(&folder.path().join(format!("bad/altered-{name}")), &altered);
        spoiled += 1;
        if let Some(older) = file.strip_prefix("metadata/2.").map(|rest| format!("metadata/1.{rest}")) {
            let mut mixed = good.clone();
            mixed.insert(file.clone(), good[&older].clone());
            put(&folder.path().join(format!("bad/older-{name}")), &mixed);
            spoiled += 1;
        }
    }
    let said = told(&python, "read", folder.path());
    assert!(said.contains("root 2, targets 2, snapshot 2, timestamp 3"), "{said}");
    assert!(said.contains(&format!("channel.json {channel}")), "{said}");
    assert!(spoiled >= 8 && said.contains(&format!("{spoiled} spoiled repositories are refused")), "{said}");
}

#[test]
fn upd_08p_we_read_what_another_implementation_writes_through_its_rotation_of_keys() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("files"), &files(7));
    told(&python, "write", folder.path());
    let dir = Dir::open_ambient_dir(folder.path().join("written"), cap_std::ambient_authority()).unwrap();
    let root = std::fs::read(folder.path().join("written.root.json")).unwrap();
    // Its ends are counted from today.
    let today = jiff::Timestamp::now();
    let offered = TufFiles::new(&dir, root, today).offered(&trust()).unwrap();
    assert_eq!(offered.channel.file().sequence, 7);
    let numbers: Vec<u64> = offered.also.iter().map(|(_, mark)| mark.version).collect();
    assert_eq!(numbers, [2, 1, 1, 1]);
}
