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
    Authority, CHANNEL_FILE, CityFile, DEFAULT_MAX_STALE, Doubt, Envelope, FloorError, Mark, REVOCATIONS_FILE, Role,
    SecurityMinimum, SigError, State, Steps, Trip, UpdateError, open_file,
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
fn upd_03n_what_came_around_the_files_ends_and_upd_03p_until_then_it_bounds_what_is_known() {
    let node = Node::enrolled(&channel(7, &[4]));
    let mut state = node.open();
    let mut offered = node.offered();
    let ends = now() + SignedDuration::from_hours(48);
    offered.ends = Some(ends);
    assert_eq!(state.take(&offered, now(), DEFAULT_MAX_STALE).unwrap().until(), ends);
    assert_eq!(state.take(&offered, ends, DEFAULT_MAX_STALE).unwrap_err(), UpdateError::Expired(ends));
    // What lasts longer than the channel does not make it last.
    offered.ends = Some(now() + SignedDuration::from_hours(24 * 365));
    let stale = offered.channel.file().issued + DEFAULT_MAX_STALE;
    let still = ends - SignedDuration::from_secs(1);
    assert_eq!(state.take(&offered, still, DEFAULT_MAX_STALE).unwrap().until(), stale);
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
