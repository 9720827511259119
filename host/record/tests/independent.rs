//! The log before a judge that shares no code with it: Go's own library for transparency logs, which others wrote for
//! another log (`conformance-tests/peers/log-verifier`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests state what they expect")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vaern_door::Digest;
use vaern_record::log::{
    Event, KeyName, Leaf, Log, LogKey, Proof, Quorum, ReleaseRef, VerifierKey, Witness, WitnessKey,
};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance-tests/peers/log-verifier/main.go");
const GOPATH: &str = "/usr/share/gocode";

/// Builds the judge. `None`, said aloud, where the machine has no Go or not that library.
fn judge(room: &TempDir) -> Option<PathBuf> {
    let there = Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog").is_dir();
    if !there || Command::new("go").arg("version").output().is_err() {
        use std::io::Write as _;
        // Past the test runner's capture: a skip that nobody sees is a pass that did not happen.
        let why = "SKIP no golang-go with golang-golang-x-mod-dev: the log is checked by our own program only";
        let _ = writeln!(std::io::stderr(), "{why}");
        return None;
    }
    let program = room.path().join("log-verifier");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([&program, Path::new(SOURCE)])
        .env("GO111MODULE", "off")
        .env("GOPATH", GOPATH)
        .env("GOCACHE", room.path().join("go-cache"))
        .env("GOFLAGS", "")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(program)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log_key() -> LogKey {
    let name = KeyName::new("vaern.test/node-1").unwrap();
    let verifier = VerifierKey::new(name, key(7).verifying_key().as_bytes()).unwrap();
    LogKey::new(verifier, |message| key(7).sign(message).to_bytes()).unwrap()
}

fn log(path: &Path, leaves: u64) -> Log {
    std::fs::create_dir_all(path).unwrap();
    let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    let mut log = Log::open(dir, log_key(), None).unwrap();
    let event = |n: u64| Event::ReleaseActivated { release: ReleaseRef::of(Digest::of(&n.to_be_bytes())) };
    let leaves: Vec<Leaf> = (0..leaves).map(|n| Leaf::seal(event(n), n).unwrap()).collect();
    for batch in leaves.chunks(90) {
        log.append(batch).unwrap();
    }
    log
}

fn ask(program: &Path, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

fn holds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn fails(output: &Output, with: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains(with), "{told} does not tell of `{with}`");
}

#[test]
fn aud_01p_another_program_verifies_the_log_the_proof_the_floor_and_the_witness() {
    let room = TempDir::new().unwrap();
    let Some(program) = judge(&room) else { return };
    let verifier = log_key().verifier().to_string();
    for size in [0, 1, 256, 700] {
        let path = room.path().join(format!("log-{size}"));
        let mut log = log(&path, size);
        let floor = room.path().join("floor");
        std::fs::write(&floor, log.floor().to_text()).unwrap();
        let witness_key =
            WitnessKey::new(KeyName::new("witness-1").unwrap(), key(8).verifying_key().as_bytes()).unwrap();
        let sign = |message: &[u8]| key(8).sign(message).to_bytes();
        let mut witness = Witness::new(witness_key.clone(), sign, log_key().verifier().clone(), None).unwrap();
        let line = witness.cosign(&std::fs::read(path.join("checkpoint")).unwrap(), &[], 1_700_000_000).unwrap();
        let quorum = Quorum::new(vec![witness_key.clone()], 1, 60).unwrap();
        log.add_cosignature(&line, &quorum).unwrap();
        let path = path.to_str().unwrap();
        let witness_key = witness_key.to_string();
        let with = ["-log", path, "-key", &verifier, "-witness", &witness_key, "-floor", floor.to_str().unwrap()];
        holds(&ask(&program, &with));
        for index in [0, 255, 699].into_iter().filter(|index| *index < size) {
            let proof = room.path().join("proof");
            std::fs::write(&proof, Proof::of(&log.reader().unwrap(), index).unwrap().to_text()).unwrap();
            let output = ask(&program, &["-proof", proof.to_str().unwrap(), "-key", &verifier]);
            holds(&output);
            assert!(String::from_utf8_lossy(&output.stdout).contains("release_activated"));
        }
    }
}

#[test]
fn aud_01n_another_program_refuses_what_was_altered_at_its_index() {
    let room = TempDir::new().unwrap();
    let Some(program) = judge(&room) else { return };
    let verifier = log_key().verifier().to_string();
    let path = room.path().join("log");
    drop(log(&path, 300));
    let floor = room.path().join("floor");
    std::fs::write(&floor, log(&room.path().join("longer"), 301).floor().to_text()).unwrap();
    let text = path.to_str().unwrap();
    let args = ["-log", text, "-key", &verifier];
    holds(&ask(&program, &args));
    fails(&ask(&program, &["-log", text, "-key", &verifier, "-floor", floor.to_str().unwrap()]), "301 leaves was seen");
    let spoil = |file: &str, at: usize, with: &str| {
        let file = path.join(file);
        let honest = std::fs::read(&file).unwrap();
        let mut bytes = honest.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        fails(&ask(&program, &args), with);
        std::fs::write(&file, honest).unwrap();
    };
    spoil("tile/entries/000", 34 * 77 + 9, "leaf 77 ");
    spoil("tile/entries/001.p/44", 34 * 3 + 9, "leaf 259 ");
    spoil("tile/0/000", 32 * 77, "tile 0/000 ");
    spoil("tile/0/001.p/44", 32 * 3, "tile 0/001 ");
    spoil("tile/1/000.p/1", 0, "tile 1/000 ");
    spoil("checkpoint", 25, "checkpoint");
    holds(&ask(&program, &args));
    // A leaf that was changed together with its hash in the tile is not in the signed root.
    let (bundle, tile) = (path.join("tile/entries/000"), path.join("tile/0/000"));
    let mut entries = std::fs::read(&bundle).unwrap();
    entries[34 * 77 + 9] ^= 1;
    let mut hashes = std::fs::read(&tile).unwrap();
    let hash = Sha256::new().chain_update([0]).chain_update(&entries[34 * 77 + 2..34 * 78]).finalize();
    hashes[32 * 77..32 * 78].copy_from_slice(&hash);
    std::fs::write(&bundle, entries).unwrap();
    std::fs::write(&tile, hashes).unwrap();
    fails(&ask(&program, &args), "the signed root");
}
