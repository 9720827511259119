//! A copy that a node keeps, and what is said of its release later: added, never instead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;
mod follow;

use std::cell::Cell;
use std::collections::BTreeMap;

use cap_std::fs::{Dir, MetadataExt as _};
use common::*;
use follow::{Node, channel};
use vaern_door::{Digest, Name};
use vaern_trust::{
    Approved, Current, DEFAULT_MAX_STALE, PkgError, Release, ReleaseError, SigError, State, Steps, Trip, UpdateError,
};

const CODE: &[u8] = b"\x7fELF: stands for machine code; nothing here runs it";

/// A node that runs the release in `dir`, from a copy of its own.
struct Runs {
    node: Node,
    state: State,
    current: Current,
}

impl Runs {
    fn of(dir: &Dir) -> Self {
        let node = Node::enrolled(&channel(7, &[4]));
        let mut state = node.open();
        let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
        state.activate(dir, &open(dir), &current, Steps::unwatched()).unwrap();
        Self { node, state, current }
    }

    fn again(&mut self, dir: &Dir) -> Result<(), UpdateError> {
        self.state.activate(dir, &open(dir), &self.current, Steps::unwatched())
    }

    fn kept(&self) -> Result<Release<Approved>, UpdateError> {
        self.state.active(&name("containere"), &trust(), &self.current).map(Option::unwrap)
    }

    fn copy(&self) -> Dir {
        self.node.state.open_dir(format!("releases/{}", follow::digest(4).hex())).unwrap()
    }

    fn code(&self) -> Result<Vec<u8>, ReleaseError> {
        self.kept().unwrap().compiled(&trust(), &engine()).map(|code| code.bytes().to_vec())
    }
}

fn open(dir: &Dir) -> Release<Approved> {
    vaern_trust::verify(dir, &trust(), now(), &name("containere")).unwrap()
}

fn vouch(dir: &Dir) {
    vaern_trust::sign_compiled(dir, &trust(), engine(), CODE, &[&jura(), &drift()]).unwrap();
}

fn approve_until(dir: &Dir, expires: &str) {
    let signers: [(&Name, _); 2] = [(&name("jura"), &jura()), (&name("it-sikkerhed"), &sikkerhed())];
    let draft = vaern_trust::ApprovalDraft { expires: Some(time(expires)), ..draft() };
    vaern_trust::approve(dir, &trust(), &draft, &dpia(), &signers, now()).unwrap();
}

/// Each file of a copy: which one it is on the disk, and what is in it.
fn files(copy: &Dir) -> BTreeMap<String, (u64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in copy.read_dir("blobs/sha256").unwrap() {
        let name = format!("blobs/sha256/{}", entry.unwrap().file_name().into_string().unwrap());
        all.insert(name.clone(), (copy.metadata(&name).unwrap().ino(), copy.read(&name).unwrap()));
    }
    all.insert("index.json".to_owned(), (0, copy.read("index.json").unwrap()));
    all
}

#[test]
fn pkg_16p_code_and_an_approval_that_come_later_are_added_and_what_was_there_is_not_touched() {
    let dir = approved();
    let mut node = Runs::of(&dir);
    let before = files(&node.copy());
    assert_eq!(node.code(), Err(ReleaseError::Compiled(SigError::Unsigned)));
    vouch(&dir);
    approve_until(&dir, "2027-10-01T00:00:00Z");
    node.again(&dir).unwrap();
    assert_eq!(node.code().unwrap(), CODE);
    assert_eq!(node.kept().unwrap().approval().expires, time("2027-10-01T00:00:00Z"));
    let after = files(&node.copy());
    for (name, file) in before.iter().filter(|(name, _)| *name != "index.json") {
        assert_eq!(after.get(name), Some(file), "{name}: the very file that was verified");
    }
    // The code, its statement, the approval, and a manifest for each.
    assert_eq!(after.len(), before.len() + 6);
    // The same once more writes nothing at all.
    let written = Cell::new(0);
    let count = |_: Trip| {
        written.set(written.get() + 1);
        Ok(())
    };
    node.state.supplement(&dir, follow::digest(4), Steps::watched(&count)).unwrap();
    assert_eq!((written.get(), files(&node.copy())), (0, after));
}

#[test]
fn upd_14n_a_crash_while_code_is_added_leaves_the_copy_without_it_or_with_it() {
    let (bare, vouched) = (approved(), approved());
    vouch(&vouched);
    for steps in 0.. {
        let node = Runs::of(&bare);
        let left = Cell::new(steps);
        let stop = |_: Trip| {
            left.set(left.get() - 1);
            if left.get() < 0 { Err(std::io::Error::other("the power is gone")) } else { Ok(()) }
        };
        let done = node.state.supplement(&vouched, follow::digest(4), Steps::watched(&stop));
        match node.code() {
            Ok(code) => assert_eq!((code.as_slice(), done.is_ok()), (CODE, true), "{steps}"),
            Err(error) => assert_eq!((error, done.is_ok()), (ReleaseError::Compiled(SigError::Unsigned), false)),
        }
        node.state.supplement(&vouched, follow::digest(4), Steps::unwatched()).unwrap();
        assert_eq!(node.code().unwrap(), CODE);
        if done.is_ok() {
            assert!(steps >= 5, "{steps} steps");
            return;
        }
    }
}

#[test]
fn pkg_20n_another_release_adds_nothing_and_pkg_16n_nor_does_a_folder_that_does_not_hold() {
    let dir = approved();
    let node = Runs::of(&dir);
    let before = files(&node.copy());
    let refused = |from: &Dir| {
        let refused = node.state.supplement(from, follow::digest(4), Steps::unwatched()).unwrap_err();
        assert_eq!(files(&node.copy())["index.json"], before["index.json"], "{refused}");
        assert!(node.kept().is_ok());
        refused
    };
    // A release of the same name and version, with a counter of its own, and code that is vouched for.
    let other = follow::layout(5);
    vouch(&other);
    assert_eq!(refused(&other), UpdateError::Folder(PkgError::DigestMismatch(follow::digest(4))));
    // The right one, with one bit of the code flipped on the way.
    vouch(&dir);
    let file = format!("blobs/sha256/{}", Digest::of(CODE).hex());
    let mut flipped = CODE.to_vec();
    flipped[9] ^= 1;
    dir.write(&file, flipped).unwrap();
    assert_eq!(refused(&dir), UpdateError::Folder(PkgError::DigestMismatch(Digest::of(CODE))));
    assert!(!node.copy().exists(&file));
    dir.write(&file, CODE).unwrap();
    node.state.supplement(&dir, follow::digest(4), Steps::unwatched()).unwrap();
    assert_eq!(node.code().unwrap(), CODE);
}

#[test]
fn sig_07n_statements_of_wrong_keys_are_added_and_decide_nothing() {
    let dir = approved();
    vouch(&dir);
    let mut node = Runs::of(&dir);
    // Somebody files code of their own, and an approval that a stranger signed.
    let rogue = approved();
    let statement: serde_json::Value = {
        let lone = approved();
        vouch(&lone);
        let mut envelope = filed(&lone, "compiled")[0].clone();
        envelope["signatures"].as_array_mut().unwrap().truncate(1);
        envelope
    };
    file(&rogue, "compiled", &statement);
    let approval = approval_statement(&rogue);
    file(&rogue, "approval", &envelope(&approval, &[&stranger()]));
    node.again(&rogue).unwrap();
    assert_eq!(filed(&node.copy(), "approval").len(), 2);
    assert_eq!(filed(&node.copy(), "compiled").len(), 2);
    assert_eq!(node.code().unwrap(), CODE);
    assert_eq!(node.kept().unwrap().approval().expires, draft().expires.unwrap());
}

#[test]
fn upd_14n_a_copy_that_was_damaged_is_made_anew_and_one_damaged_blob_of_code_is_mended() {
    let dir = approved();
    vouch(&dir);
    let mut node = Runs::of(&dir);
    let code = format!("blobs/sha256/{}", Digest::of(CODE).hex());
    node.copy().write(&code, b"other").unwrap();
    assert!(node.code().is_err());
    node.again(&dir).unwrap();
    assert_eq!(node.code().unwrap(), CODE);
    let component = format!("blobs/sha256/{}", Digest::of(&tiny()).hex());
    node.copy().write(component, b"other").unwrap();
    assert!(matches!(node.kept(), Err(UpdateError::Active(_))));
    // Nothing is added to what does not hold; to keep the release again makes the copy anew.
    node.state.supplement(&dir, follow::digest(4), Steps::unwatched()).unwrap();
    assert!(node.kept().is_err());
    node.again(&dir).unwrap();
    assert_eq!(node.code().unwrap(), CODE);
}

#[test]
fn pkg_05n_a_copy_that_is_full_of_statements_still_takes_those_of_the_folder() {
    let dir = approved();
    for number in 0..61 {
        file(
            &dir,
            "approval",
            &serde_json::json!({"payloadType": PAYLOAD_TYPE, "payload": "", "signatures": [], "n": number}),
        );
    }
    let mut node = Runs::of(&dir);
    assert_eq!(read_index(&node.copy())["manifests"].as_array().unwrap().len(), 64);
    let fresh = approved();
    vouch(&fresh);
    approve_until(&fresh, "2027-10-01T00:00:00Z");
    node.again(&fresh).unwrap();
    assert_eq!(read_index(&node.copy())["manifests"].as_array().unwrap().len(), 65, "no more than a release may have");
    assert_eq!(node.code().unwrap(), CODE);
    assert_eq!(node.kept().unwrap().approval().expires, time("2027-10-01T00:00:00Z"));
}
