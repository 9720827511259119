//! A node that follows a channel, for tests: two folders, and releases that differ by their counter.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use cap_tempfile::TempDir;
use jiff::SignedDuration;
use vaern_door::{Digest, Name};
use vaern_trust::{
    Approved, Authority, CHANNEL_FILE, ChannelFile, ChannelSource as _, ListedRelease, Offered, REVOCATIONS_FILE,
    Release, Revocations, Revoked, Role, SignedFiles, State, UpdateError, sign_file,
};

use crate::common::*;

pub fn of_plugin() -> Role {
    Role::Release { vendor: name("example-vision"), plugin: name("container-model") }
}

/// A release with this counter, packed, signed and approved.
pub fn layout(counter: u64) -> TempDir {
    let dir = room();
    let mut inputs = inputs();
    inputs.manifest.counter = counter;
    vaern_trust::pack(&inputs, &dir).unwrap();
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    let signers: [(&Name, _); 2] = [(&name("jura"), &jura()), (&name("it-sikkerhed"), &sikkerhed())];
    vaern_trust::approve(&dir, &trust(), &draft(), &dpia(), &signers, now()).unwrap();
    dir
}

pub fn release(counter: u64) -> Release<Approved> {
    vaern_trust::verify(&layout(counter), &trust(), now(), &name("containere")).unwrap()
}

pub fn digest(counter: u64) -> Digest {
    let dir = room();
    let mut inputs = inputs();
    inputs.manifest.counter = counter;
    vaern_trust::pack(&inputs, &dir).unwrap()
}

/// A channel that lists the releases with these counters, signed half a day ago.
pub fn channel(sequence: u64, counters: &[u64]) -> ChannelFile {
    let listed = |counter: &u64| {
        let mut manifest = inputs().manifest;
        manifest.counter = *counter;
        ListedRelease::of(digest(*counter), &manifest)
    };
    ChannelFile {
        channel: name("drift"),
        sequence,
        issued: now() - SignedDuration::from_hours(12),
        expires: now() + SignedDuration::from_hours(24 * 60),
        revocations: 0,
        releases: counters.iter().map(listed).collect(),
        minimum: vec![],
        hosts: vec![],
        assigned: false,
    }
}

pub fn revocations(sequence: u64, releases: &[Digest]) -> Revocations {
    let revoked = |release: &Digest| Revoked { release: *release, reason: "a hole".into(), since: now() };
    Revocations {
        sequence,
        issued: now() - SignedDuration::from_hours(12),
        revoked: releases.iter().map(revoked).collect(),
    }
}

/// A channel's folder and a node's state.
pub struct Node {
    pub channel: TempDir,
    pub state: TempDir,
}

impl Node {
    pub fn enrolled(file: &ChannelFile) -> Self {
        let node = Self { channel: room(), state: room() };
        node.publish(file);
        State::enrol(&node.state, &trust(), &node.offered()).unwrap();
        node
    }

    pub fn publish(&self, file: &ChannelFile) {
        let bytes = sign_file(file, &trust(), Authority::Channel, &[&drift()]).unwrap();
        self.channel.write(CHANNEL_FILE, bytes).unwrap();
    }

    pub fn revoke(&self, list: &Revocations) {
        let bytes = sign_file(list, &trust(), Authority::Revocation, &[&jura()]).unwrap();
        self.channel.write(REVOCATIONS_FILE, bytes).unwrap();
    }

    pub fn try_offered(&self) -> Result<Offered, UpdateError> {
        SignedFiles::new(&self.channel).offered(&trust())
    }

    pub fn offered(&self) -> Offered {
        self.try_offered().unwrap()
    }

    pub fn open(&self) -> State {
        State::open(&self.state).unwrap()
    }
}
