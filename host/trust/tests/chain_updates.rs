//! A node that follows a channel: nothing older, frozen, revoked or unlisted runs, and the floor survives.
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

use cap_tempfile::TempDir;
use common::*;
use follow::*;
use jiff::SignedDuration;
use vaern_door::Digest;
use vaern_trust::{
    Authority, CHANNEL_FILE, CityFile, DEFAULT_MAX_STALE, Doubt, Envelope, FloorError, HostLine, Mark, Outcome,
    REVOCATIONS_FILE, Recovery, RecoveryMark, ReleaseError, Role, SecurityMinimum, SigError, SignedRoot, State, Steps,
    TakenPart, TestResult, Trip, UpdateError, open_file, sign_file,
};

#[test]
fn upd_01p_the_newest_channel_is_taken_and_its_release_runs() {
    let node = Node::enrolled(&channel(7, &[4]));
    let current = node.open().take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    assert_eq!((current.time(), current.doubt(), current.days_left()), (now(), None, 13));
    let mut state = node.open();
    state.admit(&release(4), &current).unwrap();
    // The same again changes nothing.
    state.admit(&release(4), &current).unwrap();
    assert_eq!(state.rows().marks[&of_plugin()].version, 4);
}

#[test]
fn upd_01n_an_older_channel_or_release_is_refused() {
    let node = Node::enrolled(&channel(7, &[4, 5]));
    let mut state = node.open();
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    state.admit(&release(5), &current).unwrap();
    let older = state.admit(&release(4), &current);
    assert_eq!(older, Err(UpdateError::Rollback { role: of_plugin(), have: 5, offered: 4 }));
    node.publish(&channel(6, &[4, 5]));
    let older = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(older, UpdateError::Rollback { role: Role::Channel, have: 7, offered: 6 });
    // Another content under the same number.
    node.publish(&channel(7, &[4]));
    let twice = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(twice, UpdateError::Equivocation { role: Role::Channel, version: 7 });
}

#[test]
fn upd_02n_clk_03n_a_torn_or_missing_floor_is_refused_and_never_begun_anew() {
    let node = Node::enrolled(&channel(7, &[4]));
    let whole = node.state.read("floor.redb").unwrap();
    for torn in [vec![], whole[..whole.len() / 2].to_vec(), vec![0; whole.len()], b"not a floor".to_vec()] {
        node.state.write("floor.redb", &torn).unwrap();
        let refused = State::open(&node.state).unwrap_err();
        assert!(matches!(refused, UpdateError::Floor(FloorError::Unreadable(_))), "{} bytes: {refused}", torn.len());
        // The older channel gains nothing by it, and enrolling is no way around.
        node.publish(&channel(1, &[4]));
        let anew = State::enrol(&node.state, &trust(), &node.offered()).unwrap_err();
        assert_eq!(anew, UpdateError::Floor(FloorError::Exists));
        assert_eq!(node.state.read("floor.redb").unwrap(), torn, "it is left as it is, for whoever looks into it");
    }
    node.state.remove_file("floor.redb").unwrap();
    assert_eq!(State::open(&node.state).unwrap_err(), UpdateError::Floor(FloorError::Missing));
    node.state.write("floor.redb", &whole).unwrap();
    assert_eq!(node.open().rows().marks[&Role::Channel].version, 7);
}

#[test]
fn upd_03n_clk_07n_without_news_the_node_stops_and_upd_03p_goes_on_with_fresh_news() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    let late = now() + DEFAULT_MAX_STALE;
    let frozen = state.take(&node.offered(), late, DEFAULT_MAX_STALE).unwrap_err();
    assert!(matches!(frozen, UpdateError::Frozen { days: 14, .. }), "{frozen}");
    let mut fresh = channel(8, &[4]);
    fresh.issued = late - SignedDuration::from_hours(1);
    node.publish(&fresh);
    assert_eq!(state.take(&node.offered(), late, DEFAULT_MAX_STALE).unwrap().days_left(), 13);
}

#[test]
fn clk_02n_a_clock_ten_years_ahead_stops_the_node_and_a_signed_time_brings_it_back() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    let ahead = time("2036-06-01T12:00:00Z");
    let mut short = channel(8, &[4]);
    short.expires = now() + SignedDuration::from_hours(48);
    node.publish(&short);
    let stopped = state.take(&node.offered(), ahead, DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(stopped, UpdateError::Expired(short.expires));
    // The clock is right again; the floor still remembers what it said.
    let stopped = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(stopped, UpdateError::Expired(short.expires));
    let mut fresh = channel(9, &[4]);
    fresh.issued = now();
    node.publish(&fresh);
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    assert_eq!((current.time(), current.doubt()), (now(), None));
}

#[test]
fn clk_01n_a_clock_set_back_a_year_judges_by_the_floor() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    let back = time("2025-06-01T12:00:00Z");
    let current = state.take(&node.offered(), back, DEFAULT_MAX_STALE).unwrap();
    assert_eq!(current.time(), now());
    assert!(matches!(current.doubt(), Some(Doubt::SteppedBack { .. })));
    // An approval that had ended by then is not alive again.
    let dir = approved();
    let unverified = vaern_trust::Release::open(&dir).unwrap();
    let ended = time("2027-04-01T00:00:00Z");
    assert!(unverified.verify(&trust()).unwrap().approve(&trust(), ended, &name("containere")).is_err());
}

#[test]
fn upd_04n_a_new_channel_beside_an_old_list_of_revocations_is_refused() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut next = channel(8, &[4]);
    next.revocations = 2;
    node.publish(&next);
    let mut state = node.open();
    let mixed = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(mixed, UpdateError::MixAndMatch { have: 0, need: 2 });
    node.revoke(&revocations(1, &[]));
    let mixed = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(mixed, UpdateError::MixAndMatch { have: 1, need: 2 });
    node.revoke(&revocations(2, &[]));
    assert!(state.take(&node.offered(), now(), DEFAULT_MAX_STALE).is_ok());
}

#[test]
fn upd_05n_a_file_without_end_is_too_long() {
    let node = Node::enrolled(&channel(7, &[4]));
    node.channel.write(CHANNEL_FILE, vec![b' '; (1 << 20) + 1]).unwrap();
    assert_eq!(node.try_offered().unwrap_err(), UpdateError::TooLong(CHANNEL_FILE.into()));
}

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
    let alone = vaern_trust::approve(&dir, &trust(), &draft(), &[(&name("drift"), &drift())], now());
    assert!(alone.is_err());
}

#[test]
fn upd_12n_a_release_that_is_revoked_while_it_runs_is_refused_at_the_next_look() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    state.admit(&release(4), &current).unwrap();
    node.revoke(&revocations(1, &[digest(4)]));
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    let stopped = state.judge(&release(4), &current).unwrap_err();
    assert_eq!(stopped, UpdateError::Revoked { release: digest(4), reason: Some("a hole".into()) });
}

#[test]
fn upd_13n_a_list_of_revocations_that_goes_back_is_refused_and_nothing_revoked_returns() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    node.revoke(&revocations(2, &[digest(4)]));
    state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    node.revoke(&revocations(1, &[]));
    let back = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(back, UpdateError::Rollback { role: Role::Revocations, have: 2, offered: 1 });
    node.channel.remove_file(REVOCATIONS_FILE).unwrap();
    let gone = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(gone, UpdateError::Rollback { role: Role::Revocations, have: 2, offered: 0 });
    // A newer list that leaves it out does not bring it back.
    node.revoke(&revocations(3, &[]));
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    assert!(matches!(state.judge(&release(4), &current), Err(UpdateError::Revoked { reason: None, .. })));
}

#[test]
fn upd_20n_a_counter_below_the_security_minimum_is_refused() {
    let mut least = channel(7, &[4, 5]);
    least.minimum =
        vec![SecurityMinimum { vendor: name("example-vision"), plugin: name("container-model"), counter: 5 }];
    let node = Node::enrolled(&least);
    let mut state = node.open();
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    let below = state.admit(&release(4), &current).unwrap_err();
    assert_eq!(below, UpdateError::CounterBelowMinimum { counter: 4, minimum: 5 });
    state.admit(&release(5), &current).unwrap();
}

#[test]
fn upd_11n_a_release_that_the_channel_does_not_list_is_refused() {
    let node = Node::enrolled(&channel(7, &[5]));
    let mut state = node.open();
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    assert!(matches!(state.admit(&release(4), &current), Err(UpdateError::NotListed { .. })));
}

#[test]
fn upd_14n_a_crash_at_any_step_of_an_activation_leaves_the_old_release_or_the_new_one() {
    let mut steps = 0;
    let listed = channel(7, &[4, 5]);
    let ((old_dir, old), (new_dir, new)) = ((layout(4), release(4)), (layout(5), release(5)));
    loop {
        let node = Node::enrolled(&listed);
        let mut state = node.open();
        let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
        state.activate(&old_dir, &old, &current, Steps::unwatched()).unwrap();
        let left = Cell::new(steps);
        let stop = |_: Trip| {
            left.set(left.get() - 1);
            if left.get() < 0 { Err(std::io::Error::other("the power is gone")) } else { Ok(()) }
        };
        let done = state.activate(&new_dir, &new, &current, Steps::watched(&stop));
        drop(state);
        // The node starts anew, from the disk alone.
        let mut state = node.open();
        let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
        let active = state.active(&name("containere"), &trust(), &current).unwrap().expect("never neither");
        assert!([old.digest(), new.digest()].contains(&active.digest()), "{steps}");
        assert!(done.is_err() || active.digest() == new.digest());
        // And the activation can be done again.
        state.activate(&new_dir, &new, &current, Steps::unwatched()).unwrap();
        assert_eq!(state.active(&name("containere"), &trust(), &current).unwrap().unwrap().digest(), new.digest());
        let kept = node.state.read_dir("releases").unwrap().count();
        assert_eq!(kept, 1, "nothing is left over");
        if done.is_ok() {
            assert!(steps > 15, "{steps} steps");
            return;
        }
        steps += 1;
    }
}

#[test]
fn upd_14n_what_is_kept_is_verified_anew_at_each_start() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    state.activate(&layout(4), &release(4), &current, Steps::unwatched()).unwrap();
    let index = format!("releases/{}/index.json", digest(4).hex());
    let honest = node.state.read(&index).unwrap();
    node.state.write(&index, honest.to_ascii_uppercase()).unwrap();
    assert!(matches!(state.active(&name("containere"), &trust(), &current), Err(UpdateError::Active(_))));
}

#[test]
fn upd_15n_a_state_that_cannot_be_written_keeps_the_release_that_runs() {
    let node = Node::enrolled(&channel(7, &[4, 5]));
    let mut state = node.open();
    let current = state.take(&node.offered(), now(), DEFAULT_MAX_STALE).unwrap();
    state.activate(&layout(4), &release(4), &current, Steps::unwatched()).unwrap();
    // A file where the folder for the copy belongs: as a full or read-only disk, for any user.
    let full = |step: Trip| match step {
        Trip::File(_) => Err(std::io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    };
    let refused = state.activate(&layout(5), &release(5), &current, Steps::watched(&full)).unwrap_err();
    assert!(matches!(refused, UpdateError::Io { kind: std::io::ErrorKind::StorageFull, .. }), "{refused}");
    assert_eq!(state.active(&name("containere"), &trust(), &current).unwrap().unwrap().digest(), digest(4));
}

#[test]
fn upd_19n_signed_times_are_whole_seconds() {
    let mut fractional = channel(7, &[4]);
    fractional.expires = time("2026-09-01T00:00:00.5Z");
    let node = Node::enrolled(&channel(6, &[4]));
    node.publish(&fractional);
    let text = String::from_utf8(payload(&node, CHANNEL_FILE)).unwrap();
    assert!(text.contains("\"2026-09-01T00:00:00Z\""), "{text}");
    // One that another signer wrote with a fraction has a second spelling, and is refused.
    let fraction = text.replace("2026-09-01T00:00:00Z", "2026-09-01T00:00:00.5Z");
    let type_of = <vaern_trust::ChannelFile as CityFile>::PAYLOAD_TYPE;
    let bytes = Envelope::sign(type_of, fraction.into_bytes(), &[&drift()]).encode().unwrap();
    let refused = open_file::<vaern_trust::ChannelFile>(&bytes, &trust(), Authority::Channel);
    assert!(matches!(refused, Err(SigError::Malformed { .. })), "{refused:?}");
}

#[test]
fn sig_02n_any_flipped_bit_of_a_channel_is_refused() {
    let node = Node::enrolled(&channel(7, &[4]));
    node.revoke(&revocations(1, &[digest(5)]));
    let (listed, revoked) = (channel(7, &[4]), revocations(1, &[digest(5)]));
    for file in [CHANNEL_FILE, REVOCATIONS_FILE] {
        let honest = node.channel.read(file).unwrap();
        for at in 0..honest.len() * 8 {
            let mut flipped = honest.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            node.channel.write(file, &flipped).unwrap();
            // A key id is a hint: a wrong one gains nothing, and the key is found without it.
            let offered = node.try_offered();
            let refused = offered.is_err();
            let same = offered.is_ok_and(|offered| {
                offered.channel.file() == &listed && offered.revocations.is_some_and(|list| list.file() == &revoked)
            });
            let hint = within_key_id(&honest, at / 8);
            assert!(!same || hint, "{file}: byte {}", at / 8);
            assert!(same || refused || hint, "{file}: byte {} says something else", at / 8);
        }
        node.channel.write(file, &honest).unwrap();
    }
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
    vaern_trust::approve(&dir, &trust(), &asked, &signers, now()).unwrap();
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
        configuration: vec![TakenPart::new("host", builds[0])],
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

#[test]
fn a_floor_is_open_once() {
    let node = Node::enrolled(&channel(7, &[4]));
    let _held = node.open();
    assert_eq!(State::open(&node.state).unwrap_err(), UpdateError::Floor(FloorError::Busy));
}

#[test]
fn a_policy_set_has_a_row_of_its_own() {
    let node = Node::enrolled(&channel(7, &[4]));
    let role = || Role::Policy(name("pilot"));
    let mark = |version: u64| Mark { version, digest: Digest::of(&version.to_le_bytes()) };
    let mut state = node.open();
    state.raise(role(), mark(3)).unwrap();
    state.raise(role(), mark(3)).unwrap();
    assert!(matches!(state.raise(role(), mark(2)), Err(UpdateError::Rollback { have: 3, offered: 2, .. })));
    let other = Mark { version: 3, digest: Digest::of(b"other") };
    assert!(matches!(state.raise(role(), other), Err(UpdateError::Equivocation { version: 3, .. })));
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

fn payload(node: &Node, file: &str) -> Vec<u8> {
    use base64::Engine as _;
    let envelope: serde_json::Value = serde_json::from_slice(&node.channel.read(file).unwrap()).unwrap();
    base64::engine::general_purpose::STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()
}

fn within_key_id(envelope: &[u8], at: usize) -> bool {
    let text = std::str::from_utf8(envelope).unwrap();
    let start = text.find("\"keyid\":\"").unwrap();
    let end = text.find("\",\"sig\"").unwrap();
    (start..=end).contains(&at)
}

/// A layout with this release counter, approved.
fn layout(counter: u64) -> TempDir {
    follow::layout(counter)
}
