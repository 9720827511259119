//! A flipped bit anywhere in a release directory is refused, and so is a file cut short, made longer or taken away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;

use common::*;
use vaern_trust::ReleaseError;

/// Every file of the directory.
fn files(dir: &cap_std::fs::Dir) -> Vec<std::path::PathBuf> {
    let blobs = dir.read_dir("blobs/sha256").unwrap();
    let blobs = blobs.map(|e| std::path::Path::new("blobs/sha256").join(e.unwrap().file_name()));
    blobs.chain(["index.json".into(), "oci-layout".into()]).collect()
}

/// A release with everything that can lie in it: how it was made, compiled code, and the statements about both.
fn with_code() -> cap_tempfile::TempDir {
    let dir = approved();
    let made = vaern_trust::Provenance::of(&vaern_trust::Build {
        compiler: "rustc",
        builder: "a desk",
        parameters: &[],
        source: vaern_door::Digest::of(b"source"),
        lock: vaern_door::Digest::of(b"lock"),
        component: vaern_door::Digest::of(&tiny()),
    });
    vaern_trust::sign_provenance(&dir, &made, &vendor()).unwrap();
    vaern_trust::sign_compiled(&dir, &trust(), engine(), b"stands for machine code", &[&jura(), &drift()]).unwrap();
    dir
}

/// All that a node reads before it runs anything.
fn verify_all(dir: &cap_std::fs::Dir) -> Result<(vaern_door::Digest, vaern_trust::CompiledCode), ReleaseError> {
    let release = vaern_trust::verify(dir, &trust(), now(), &name("containere"))?;
    Ok((release.digest(), release.compiled(&trust(), &engine())?))
}

#[test]
fn sig_02n_pkg_01n_any_flipped_bit_is_refused() {
    // One bit of each byte, another one in each.
    assert!(flips(|at, bit| bit == at % 8) > 5_000);
}

#[test]
#[ignore = "deep: every bit of every file"]
fn sig_02n_pkg_01n_every_single_bit_is_refused() {
    println!("DEEP {} flipped bits refused", flips(|_, _| true));
}

/// Flips the bits that `wanted` says, one at a time, in every file of a release: each is refused. Counts them.
fn flips(wanted: impl Fn(usize, usize) -> bool) -> u32 {
    let dir = with_code();
    let honest = verify_all(&dir).unwrap();
    let mut flips = 0_u32;
    for path in files(&dir) {
        let bytes = dir.read(&path).unwrap();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            if !wanted(at, bit) {
                continue;
            }
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            dir.write(&path, &flipped).unwrap();
            assert!(verify_all(&dir).is_err(), "{path:?}: byte {at}, bit {bit}");
            flips += 1;
        }
        dir.write(&path, &bytes).unwrap();
    }
    assert_eq!(verify_all(&dir), Ok(honest));
    flips
}

#[test]
fn pkg_02n_any_file_of_another_length_is_refused() {
    let dir = with_code();
    for path in files(&dir) {
        let bytes = dir.read(&path).unwrap();
        for other in
            [&bytes[..0], &bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat(), &[&bytes[..], &bytes].concat()]
        {
            dir.write(&path, other).unwrap();
            assert!(verify_all(&dir).is_err(), "{path:?}: {} bytes", other.len());
        }
        dir.remove_file(&path).unwrap();
        assert!(verify_all(&dir).is_err(), "{path:?}: gone");
        dir.write(&path, &bytes).unwrap();
    }
    assert!(verify_all(&dir).is_ok());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    /// Whatever lies in `index.json`, the answer is an error, and it comes.
    #[test]
    fn pkg_05n_any_index_is_refused_or_honest(text in "[ -~]{0,200}", cut in 0_usize..1200) {
        let dir = APPROVED.with(|dir| dir.try_clone().unwrap());
        let honest = HONEST.with(Vec::clone);
        let at = cut.min(honest.len());
        let spoiled = [&honest[..at], text.as_bytes(), &honest[at..]].concat();
        dir.write("index.json", &spoiled).unwrap();
        let blank = text.bytes().all(|b| b == b' ');
        proptest::prop_assert!(blank || verify(&dir).is_err());
        dir.write("index.json", &honest).unwrap();
    }
}

thread_local! {
    static APPROVED: cap_tempfile::TempDir = approved();
    static HONEST: Vec<u8> = APPROVED.with(|dir| dir.read("index.json").unwrap());
}
