//! Whose word counts above a channel: the root's keys and their chain, recovery statements, roles, and keys that were retired.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;
mod follow;

use common::*;
use follow::*;
use vaern_door::Digest;
use vaern_trust::{
    Authority, CHANNEL_FILE, CityFile, DEFAULT_MAX_STALE, Envelope, FloorError, HostLine, Mark, Outcome,
    REVOCATIONS_FILE, Recovery, RecoveryMark, ReleaseError, Role, SigError, SignedRoot, State, TakenPart, TestResult,
    UpdateError, open_file, sign_file,
};

#[test]
fn upd_07n_a_number_driven_sky_high_is_brought_back_by_the_root_alone() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    node.publish(&channel(u64::MAX, &[4]));
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    state.admit(&release(4), &current).unwrap();
    node.publish(&channel(8, &[4]));
    let honest = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert!(matches!(honest, UpdateError::Rollback { have: u64::MAX, .. }));
    drop(state);
    let statement = recovery(1);
    // Neither one root key nor the deciding roles may do it.
    for pairs in [vec![root(1)], vec![jura(), sikkerhed(), drift()]] {
        let pairs: Vec<_> = pairs.iter().collect();
        assert!(sign_file(&statement, &trust(), Authority::Root, &pairs).is_err());
    }
    node.recover(&statement).unwrap();
    assert_eq!(node.open().rows().marks[&of_plugin()].version, 4, "what the statement does not name stays");
    assert!(node.open().take(&node.offered(), now(), DEFAULT_MAX_STALE).is_ok());
}

#[test]
fn upd_02p_a_recovery_signed_by_the_root_restores_a_torn_floor() {
    let node = Node::enrolled(&channel(7, &[4]));
    node.revoke(&revocations(1, &[digest(5)]));
    node.open().take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    node.state.write("floor.redb", b"torn").unwrap();
    node.recover(&recovery(1)).unwrap();
    let mut state = node.open();
    assert_eq!(state.rows().marks[&Role::Channel], Mark { version: 6, digest: Digest::of(b"six") });
    assert!(state.rows().revoked.contains(&digest(5)), "what was revoked stays so");
    assert!(state.take(&node.offered(), now(), DEFAULT_MAX_STALE).is_ok());
    drop(state);
    // Each statement counts once, for its node, until it expires.
    assert!(matches!(node.recover(&recovery(1)), Err(FloorError::Recovery(_))));
    let mut other = recovery(2);
    other.node = name("vogn-8");
    assert!(matches!(node.recover(&other), Err(FloorError::Recovery(_))));
    let mut old = recovery(2);
    old.expires = now();
    assert!(matches!(node.recover(&old), Err(FloorError::Recovery(_))));
    node.recover(&recovery(2)).unwrap();
}

#[test]
fn upd_08n_a_root_that_skips_or_lowers_or_is_signed_by_one_side_is_refused() {
    let first = SignedRoot::pin(&signed_root(1, &[1, 2, 3], 2, &[1, 2])).unwrap();
    let next = |version, keys: &[u8], threshold, signers: &[u8]| {
        first.next(&signed_root(version, keys, threshold, signers)).map(|root| root.trust().version())
    };
    assert_eq!(next(2, &[2, 3, 4], 2, &[2, 3]), Ok(2), "UPD-08P");
    assert_eq!(next(2, &[4, 5, 6], 2, &[1, 2, 4, 5]), Ok(2), "UPD-08P: all keys change");
    for (version, keys, threshold, signers) in [
        (3, &[1, 2, 3][..], 2, &[1, 2][..]),
        (1, &[1, 2, 3], 2, &[1, 2]),
        (2, &[1, 2, 3], 1, &[1, 2]),
        (2, &[4, 5, 6], 2, &[4, 5]),
        (2, &[4, 5, 6], 2, &[1, 2]),
        (2, &[4, 5, 6], 2, &[1, 4, 5]),
    ] {
        let refused = next(version, keys, threshold, signers);
        assert!(matches!(refused, Err(SigError::BadRootChain(_))), "{version} {keys:?} {signers:?}: {refused:?}");
    }
    assert!(SignedRoot::pin(&signed_root(1, &[1, 2, 3], 2, &[1])).is_err());
    assert!(SignedRoot::sign(&trust_file(), &[&root(1)]).is_err(), "a root without a number is no link of a chain");
}

#[test]
fn upd_08n_a_node_moves_from_root_to_root_only_along_the_chain() {
    let bytes = [(1, &[1, 2, 3][..], &[1, 2][..]), (2, &[2, 3, 4], &[2, 3]), (3, &[3, 4, 5], &[3, 4])]
        .map(|(version, keys, signers)| signed_root(version, keys, 2, signers));
    let roots = bytes.each_ref().map(|bytes| SignedRoot::pin(bytes).unwrap());
    let node = Node { channel: room(), state: room() };
    node.publish(&channel(7, &[4]));
    let mut state = State::enrol(&node.state, roots[0].trust(), &node.offered()).unwrap();
    state.check_root(roots[0].trust()).unwrap();
    for newer in &roots[1..] {
        assert!(matches!(state.check_root(newer.trust()), Err(UpdateError::Root(_))), "not taken yet");
    }
    assert!(matches!(state.next_root(&roots[0], &bytes[2]), Err(UpdateError::Root(_))), "a gap");
    state.next_root(&roots[0], &bytes[1]).unwrap();
    state.next_root(&roots[1], &bytes[2]).unwrap();
    state.check_root(roots[2].trust()).unwrap();
    for older in [roots[1].trust(), roots[0].trust(), &trust()] {
        assert!(matches!(state.check_root(older), Err(UpdateError::Rollback { role: Role::Root, .. })));
    }
    let twin = SignedRoot::pin(&signed_root(3, &[7, 8, 9], 2, &[7, 8])).unwrap();
    assert!(matches!(state.check_root(twin.trust()), Err(UpdateError::Equivocation { .. })));
}

#[test]
fn upd_09n_the_channel_s_key_alone_installs_nothing() {
    // The thief of the channel's key lists a release that nobody approved.
    let dir = signed();
    let digest = vaern_trust::inspect(&dir).unwrap().0;
    let node = Node::enrolled(&channel(7, &[4]));
    let current = node.open().take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    assert_eq!(current.channel().releases[0].release, digest, "it is listed");
    let refused = vaern_trust::verify(&dir, &trust(), current.time(), &name("containere")).unwrap_err();
    assert_eq!(refused, vaern_trust::ReleaseError::Approval(SigError::Unsigned));
    // Nor does it sign for an approval: the role counts, but one is not enough.
    let alone = vaern_trust::approve(&dir, &trust(), &draft(), &dpia(), &[(&name("drift"), &drift())], now());
    assert!(alone.is_err());
}

#[test]
fn sig_09n_one_kind_of_city_file_is_never_taken_for_another() {
    let node = Node::enrolled(&channel(7, &[4]));
    node.revoke(&revocations(1, &[]));
    let bytes = node.channel.read(REVOCATIONS_FILE).unwrap();
    node.channel.write(CHANNEL_FILE, &bytes).unwrap();
    let swapped = node.try_offered().unwrap_err();
    assert!(matches!(swapped, UpdateError::Channel(SigError::WrongStatementType { .. })), "{swapped}");
    // A payload of the right type with the words of another kind.
    let payload = serde_json::to_vec(&revocations(1, &[])).unwrap();
    let type_of = <vaern_trust::ChannelFile as CityFile>::PAYLOAD_TYPE;
    let crossed = Envelope::sign(type_of, payload, &[&drift()]).encode().unwrap();
    assert!(matches!(
        open_file::<vaern_trust::ChannelFile>(&crossed, &trust(), Authority::Channel),
        Err(SigError::Malformed { .. })
    ));
}

#[test]
fn sig_07n_a_channel_needs_its_own_roles_and_sig_07p_a_revocation_any_deciding_one() {
    let file = channel(7, &[4]);
    for pair in [jura(), dpo(), stranger(), vendor(), root(1)] {
        assert!(sign_file(&file, &trust(), Authority::Channel, &[&pair]).is_err());
    }
    let list = revocations(1, &[]);
    for pair in [jura(), drift(), sikkerhed()] {
        assert!(sign_file(&list, &trust(), Authority::Revocation, &[&pair]).is_ok());
    }
    for pair in [dpo(), stranger(), vendor(), root(1)] {
        assert!(sign_file(&list, &trust(), Authority::Revocation, &[&pair]).is_err());
    }
}

#[test]
fn sig_21n_a_retired_vendor_key_counts_only_up_to_its_cut() {
    let mut file = trust_file();
    file.vendors[0].key = key(3).public().to_string();
    file.vendors[0].retired = vec![vaern_trust::RetiredKey { key: vendor().public().to_string(), last_counter: 4 }];
    let rotated = vaern_trust::TrustRoot::new(&file).unwrap();
    let check = |counter: u64| vaern_trust::Release::open(&layout(counter)).unwrap().verify(&rotated).map(|_| ());
    assert_eq!(check(4), Ok(()), "SIG-21P");
    let after = check(5).unwrap_err();
    assert_eq!(after, vaern_trust::ReleaseError::VendorSignature(SigError::KeyRetired(vendor().public().id())));
}

#[test]
fn sig_21n_a_retired_approver_counts_for_nothing() {
    let mut file = trust_file();
    file.roles[2].retired = true;
    let rotated = vaern_trust::TrustRoot::new(&file).unwrap();
    let refused = vaern_trust::verify(&approved(), &rotated, now(), &name("containere")).unwrap_err();
    let id = sikkerhed().public().id();
    assert_eq!(refused, vaern_trust::ReleaseError::Approval(SigError::KeyRetired(id)));
}

#[test]
fn sig_23n_a_release_runs_only_on_the_host_line_that_it_was_examined_on() {
    let mut asked = draft();
    asked.host_line = Some(name("edge-1"));
    let dir = signed();
    let signers = [(&name("jura"), &jura()), (&name("it-sikkerhed"), &sikkerhed())];
    vaern_trust::approve(&dir, &trust(), &asked, &dpia(), &signers, now()).unwrap();
    let release = || vaern_trust::verify(&dir, &trust(), now(), &name("containere")).unwrap();
    let builds = [Digest::of(b"build 1"), Digest::of(b"build 2, a security fix")];
    let mut file = channel(7, &[4]);
    file.hosts = vec![HostLine { line: name("edge-1"), builds: builds.into(), tests: ["SBX-01N".to_owned()].into() }];
    let node = Node::enrolled(&file);
    let current = node.open().take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    let judge = |build: Digest| State::judge_host(&release(), &trust(), &current, build);
    let refused = |reason| Err(UpdateError::Tested(ReleaseError::TestResult(reason)));
    assert_eq!(judge(builds[0]), refused(SigError::Unsigned), "no result yet");
    let result = |tests: &[&str]| TestResult {
        result: Outcome::Passed,
        configuration: vec![
            TakenPart::new("host", builds[0]),
            TakenPart::new(format!("catalogue-{}", draft().catalogue), Digest::of(b"catalogue")),
        ],
        passed_tests: tests.iter().map(|test| (*test).to_owned()).collect(),
        warned_tests: [].into(),
        failed_tests: [].into(),
    };
    vaern_trust::sign_test_result(&dir, &trust(), &result(&[]), &sikkerhed()).unwrap();
    assert_eq!(judge(builds[0]), refused(SigError::IncompleteResult { tests: vec!["SBX-01N".into()] }));
    for nobody in [dpo(), vendor(), stranger()] {
        assert!(vaern_trust::sign_test_result(&dir, &trust(), &result(&["SBX-01N"]), &nobody).is_err());
    }
    vaern_trust::sign_test_result(&dir, &trust(), &result(&["SBX-01N"]), &sikkerhed()).unwrap();
    // SIG-23P: the approval stands on the fixed build of the same line too.
    assert_eq!((judge(builds[0]), judge(builds[1])), (Ok(()), Ok(())));
    assert_eq!(judge(Digest::of(b"build of another line")), refused(SigError::HostPairMismatch));
}

fn recovery(serial: u64) -> Recovery {
    Recovery {
        node: name("vogn-7"),
        serial,
        issued: time("2026-05-30T00:00:00Z"),
        expires: time("2026-06-30T00:00:00Z"),
        marks: vec![RecoveryMark { role: "channel".into(), version: 6, digest: Digest::of(b"six") }],
        revoked: vec![digest(5)],
    }
}

fn signed_root(version: u64, keys: &[u8], threshold: u16, signers: &[u8]) -> Vec<u8> {
    let mut file = trust_file();
    file.version = Some(version);
    file.root = Some(vaern_trust::RootRule { threshold, keys: keys.iter().map(|n| root_key(*n)).collect() });
    let pairs: Vec<_> = signers.iter().map(|n| root(*n)).collect();
    SignedRoot::sign(&file, &pairs.iter().collect::<Vec<_>>()).unwrap()
}

impl Node {
    fn recover(&self, statement: &Recovery) -> Result<(), FloorError> {
        let bytes = sign_file(statement, &trust(), Authority::Root, &[&root(1), &root(3)]).unwrap();
        let signed = open_file(&bytes, &trust(), Authority::Root).unwrap();
        Recovery::restore(&signed, &self.state, &name("vogn-7"), now()).map(|_| ())
    }
}
