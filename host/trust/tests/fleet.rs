//! A fleet: what is assigned to whom, in which ring, over a carrier that nobody has to believe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod common;
mod follow;

use std::collections::{BTreeMap, BTreeSet};

use cap_std::fs::Dir;
use common::*;
use follow::*;
use jiff::SignedDuration;
use proptest::prelude::*;
use vaern_door::{Digest, Name};
use vaern_trust::{
    ASSIGNMENTS, AssignedRelease, Assignment, Authority, CHANNEL_FILE, ChannelFile, ChannelSource as _, Current,
    DEFAULT_MAX_STALE, Delivery, Offered, REVOCATIONS_FILE, RingGap, RingResult, Role, SignedFiles, State, UpdateError,
    assignment_file, deliver, sign_file,
};

/// A channel that asks for assignments.
fn rollout(sequence: u64, counters: &[u64]) -> ChannelFile {
    ChannelFile { assigned: true, ..channel(sequence, counters) }
}

fn assignment(node: &str, sequence: u64, releases: Vec<AssignedRelease>) -> Assignment {
    Assignment {
        node: name(node),
        sequence,
        issued: now() - SignedDuration::from_hours(12),
        expires: now() + SignedDuration::from_hours(24 * 60),
        releases,
    }
}

fn first_ring(counter: u64) -> AssignedRelease {
    AssignedRelease { release: digest(counter), ring: 0, gate: None }
}

fn signed(assignment: &Assignment) -> Vec<u8> {
    sign_file(assignment, &trust(), Authority::Channel, &[&drift()]).unwrap()
}

fn result(counter: u64, ring: u16) -> RingResult {
    let (nodes, frames) = (2, 40_000);
    RingResult { release: digest(counter), ring, issued: now(), nodes, frames, failures: 3, passed: true }
}

fn signed_result(result: &RingResult) -> String {
    let bytes = sign_file(result, &trust(), Authority::Approval, &[&jura(), &sikkerhed()]).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn put(dir: &Dir, node: &str, bytes: &[u8]) {
    dir.create_dir_all(ASSIGNMENTS).unwrap();
    dir.write(assignment_file(&name(node)), bytes).unwrap();
}

fn seen_by(node: &Node, who: Option<Name>) -> Offered {
    SignedFiles::new(&node.channel).seen_by(who).offered(&trust()).unwrap()
}

fn take(node: &Node, state: &mut State) -> Result<Current, UpdateError> {
    state.take(&seen_by(node, Some(name("vogn-7"))), now(), DEFAULT_MAX_STALE)
}

/// A node that follows a channel with assignments, and the state of it.
fn vogn_7(file: &ChannelFile) -> (Node, State) {
    let node = Node::enrolled(file);
    let state = node.open();
    (node, state)
}

#[test]
fn upd_10p_a_node_runs_what_is_assigned_to_it() {
    let (node, mut state) = vogn_7(&rollout(7, &[4, 5]));
    put(&node.channel, "vogn-7", &signed(&assignment("vogn-7", 1, vec![first_ring(4)])));
    let current = take(&node, &mut state).unwrap();
    state.admit(&release(4), &current).unwrap();
    assert_eq!(state.rows().marks[&Role::Assignment].version, 1);
}

#[test]
fn upd_10n_an_assignment_for_another_node_is_refused_and_leaves_no_trace() {
    let (node, mut state) = vogn_7(&rollout(7, &[4]));
    let other = signed(&assignment("vogn-8", 9, vec![first_ring(4)]));
    put(&node.channel, "vogn-7", &other);
    let wrong = UpdateError::WrongNode { node: Some(name("vogn-7")), named: name("vogn-8") };
    assert_eq!(take(&node, &mut state).unwrap_err(), wrong);
    assert!(!state.rows().marks.contains_key(&Role::Assignment), "the floor of this node is not raised by it");
    // The same over a carrier: nothing is written.
    node.channel.remove_file(assignment_file(&name("vogn-7"))).unwrap();
    assert_eq!(deliver(&node.channel, Some(&name("vogn-7")), &trust(), &other).unwrap_err(), wrong);
    assert_eq!(node.channel.read_dir(ASSIGNMENTS).unwrap().count(), 0);
}

#[test]
fn upd_10n_an_older_assignment_of_this_node_is_a_rollback_and_none_at_all_as_well() {
    let (node, mut state) = vogn_7(&rollout(7, &[4, 5]));
    let older = signed(&assignment("vogn-7", 1, vec![first_ring(4)]));
    put(&node.channel, "vogn-7", &signed(&assignment("vogn-7", 2, vec![first_ring(5)])));
    take(&node, &mut state).unwrap();
    let back = |offered| UpdateError::Rollback { role: Role::Assignment, have: 2, offered };
    put(&node.channel, "vogn-7", &older);
    assert_eq!(take(&node, &mut state).unwrap_err(), back(1));
    node.channel.remove_file(assignment_file(&name("vogn-7"))).unwrap();
    assert_eq!(take(&node, &mut state).unwrap_err(), back(0));
}

#[test]
fn upd_11n_both_documents_are_required() {
    let (node, mut state) = vogn_7(&rollout(7, &[4]));
    // Listed and approved, and not assigned: by no assignment, by one of something else, and to a node without a name.
    let none = |node: Option<&str>| UpdateError::NotAssigned { node: node.map(name), release: digest(4) };
    let current = take(&node, &mut state).unwrap();
    assert_eq!(state.admit(&release(4), &current).unwrap_err(), none(Some("vogn-7")));
    let current = state.take(&seen_by(&node, None), now(), DEFAULT_MAX_STALE).unwrap();
    assert_eq!(state.admit(&release(4), &current).unwrap_err(), none(None));
    put(&node.channel, "vogn-7", &signed(&assignment("vogn-7", 1, vec![first_ring(5)])));
    let current = take(&node, &mut state).unwrap();
    assert_eq!(state.admit(&release(4), &current).unwrap_err(), none(Some("vogn-7")));
    // Assigned and approved, and not listed.
    assert!(matches!(state.admit(&release(5), &current).unwrap_err(), UpdateError::NotListed { .. }));
    assert!(!state.rows().marks.contains_key(&of_plugin()), "nothing of it ran");
}

#[test]
fn upd_11n_assigned_and_listed_is_not_approved() {
    let (node, mut state) = vogn_7(&rollout(7, &[4]));
    put(&node.channel, "vogn-7", &signed(&assignment("vogn-7", 1, vec![first_ring(4)])));
    take(&node, &mut state).unwrap();
    // Only an approved release can be handed to the state at all; without the roles there is none.
    let dir = room();
    let mut inputs = inputs();
    inputs.manifest.counter = 4;
    vaern_trust::pack(&inputs, &dir).unwrap();
    vaern_trust::sign_vendor(&dir, &vendor()).unwrap();
    let refused = vaern_trust::verify(&dir, &trust(), now(), &name("containere")).unwrap_err();
    assert_eq!(refused.stage(), "approval", "{refused}");
}

#[test]
fn upd_18p_a_ring_opens_with_the_signed_result_of_the_ring_before() {
    let (node, mut state) = vogn_7(&rollout(7, &[4]));
    let gate = Some(signed_result(&result(4, 0)));
    let second = AssignedRelease { release: digest(4), ring: 1, gate };
    put(&node.channel, "vogn-7", &signed(&assignment("vogn-7", 1, vec![second])));
    let current = take(&node, &mut state).unwrap();
    state.admit(&release(4), &current).unwrap();
}

#[test]
fn upd_18n_a_skipped_ring_is_a_violation() {
    let (node, mut state) = vogn_7(&rollout(7, &[4]));
    let failed = RingResult { passed: false, ..result(4, 0) };
    let unseen = RingResult { frames: 0, ..result(4, 0) };
    let nobody = RingResult { nodes: 0, ..result(4, 0) };
    // The channel's key alone: what an attacker with the online key can sign.
    let alone = vaern_trust::Envelope::sign(
        <RingResult as vaern_trust::CityFile>::PAYLOAD_TYPE,
        serde_json::to_vec(&result(4, 0)).unwrap(),
        &[&drift()],
    );
    let alone = String::from_utf8(alone.encode().unwrap()).unwrap();
    type Judge = fn(&RingGap) -> bool;
    let cases: Vec<(u16, Option<String>, Judge)> = vec![
        (1, None, |gap| *gap == RingGap::NoResult),
        (1, Some(String::from("{}")), |gap| matches!(gap, RingGap::NotSigned(_))),
        (1, Some(alone), |gap| matches!(gap, RingGap::NotSigned(_))),
        (1, Some(signed_result(&failed)), |gap| *gap == RingGap::NotPassed),
        (1, Some(signed_result(&unseen)), |gap| *gap == RingGap::NothingSeen),
        (1, Some(signed_result(&nobody)), |gap| *gap == RingGap::NothingSeen),
        (1, Some(signed_result(&result(5, 0))), |gap| matches!(gap, RingGap::OtherRelease(_))),
        (2, Some(signed_result(&result(4, 0))), |gap| *gap == RingGap::OtherRing(0)),
        (1, Some(signed_result(&result(4, 1))), |gap| *gap == RingGap::OtherRing(1)),
    ];
    for (at, (ring, gate, judge)) in cases.into_iter().enumerate() {
        let entry = AssignedRelease { release: digest(4), ring, gate };
        let sequence = at as u64 + 1;
        // Named once more, in a ring that asks for nothing: the ring that asks for more counts, in either order.
        let mut twice = vec![entry, first_ring(4)];
        if at % 2 == 0 {
            twice.reverse();
        }
        put(&node.channel, "vogn-7", &signed(&assignment("vogn-7", sequence, twice)));
        let current = take(&node, &mut state).unwrap();
        let refused = state.admit(&release(4), &current).unwrap_err();
        match &refused {
            UpdateError::RingViolation { ring: said, gap, .. } => {
                assert!(*said == ring && judge(gap), "{at}: {refused}")
            }
            other => panic!("{at}: {other}"),
        }
    }
    assert!(!state.rows().marks.contains_key(&of_plugin()));
}

#[test]
fn upd_17n_a_carrier_can_only_hold_news_back_and_that_ends() {
    let (node, mut state) = vogn_7(&rollout(7, &[4, 5]));
    let who = name("vogn-7");
    let send = |bytes: &[u8]| deliver(&node.channel, Some(&who), &trust(), bytes);
    let honest = signed(&assignment("vogn-7", 1, vec![first_ring(4)]));
    assert_eq!(send(&honest).unwrap(), Delivery::Taken);
    let before = node.channel.read(assignment_file(&who)).unwrap();
    // What it makes up, and what it alters: every bit of an honest message.
    let forged = assignment("vogn-7", 2, vec![first_ring(5)]);
    for thief in [vendor(), jura()] {
        let bytes = vaern_trust::Envelope::sign(
            <Assignment as vaern_trust::CityFile>::PAYLOAD_TYPE,
            serde_json::to_vec(&forged).unwrap(),
            &[&thief],
        );
        assert!(matches!(send(&bytes.encode().unwrap()).unwrap_err(), UpdateError::Assignment(_)));
    }
    for at in 0..honest.len() * 8 {
        let mut flipped = honest.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        // A key id is a hint: with a wrong one the same assignment holds, and is known.
        assert!(matches!(send(&flipped), Err(_) | Ok(Delivery::Known)), "bit {at}");
    }
    assert!(matches!(send(&vec![b' '; (1 << 20) + 1]).unwrap_err(), UpdateError::TooLong(_)));
    assert_eq!(node.channel.read(assignment_file(&who)).unwrap(), before);
    let current = take(&node, &mut state).unwrap();
    state.admit(&release(4), &current).unwrap();
    // What it holds back: the channel comes each week, the assignment that takes the release away never does.
    let mut fresh = rollout(8, &[4, 5]);
    fresh.issued = now() + SignedDuration::from_hours(24 * 13);
    assert_eq!(send(&sign_file(&fresh, &trust(), Authority::Channel, &[&drift()]).unwrap()).unwrap(), Delivery::Taken);
    let late = now() + DEFAULT_MAX_STALE;
    let frozen = state.take(&seen_by(&node, Some(who.clone())), late, DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(frozen, UpdateError::Frozen { issued: now() - SignedDuration::from_hours(12), days: 14 });
}

/// One thing that the city sent: its kind and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    /// Channel n goes with revocations n.
    Channel(u64),
    /// List n revokes the releases 1 to n.
    Revocations(u64),
    Assignment(u64),
}

const LAST: u64 = 4;

fn messages() -> BTreeMap<Sent, Vec<u8>> {
    (1..=LAST)
        .flat_map(|n| {
            let channel = ChannelFile { revocations: n, ..rollout(n, &[9]) };
            let channel = sign_file(&channel, &trust(), Authority::Channel, &[&drift()]).unwrap();
            let stopped: Vec<Digest> = (1..=n).map(digest).collect();
            let list = sign_file(&revocations(n, &stopped), &trust(), Authority::Revocation, &[&jura()]).unwrap();
            let assigned = signed(&assignment("vogn-7", n, vec![first_ring(9)]));
            [(Sent::Channel(n), channel), (Sent::Revocations(n), list), (Sent::Assignment(n), assigned)]
        })
        .collect()
}

fn any_sent() -> impl Strategy<Value = Option<Sent>> {
    // None is a look of the node in between.
    prop_oneof![
        1 => Just(None),
        2 => (1..=LAST).prop_map(|n| Some(Sent::Channel(n))),
        2 => (1..=LAST).prop_map(|n| Some(Sent::Revocations(n))),
        2 => (1..=LAST).prop_map(|n| Some(Sent::Assignment(n))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn upd_16n_messages_come_twice_late_in_another_order_or_never(order in proptest::collection::vec(any_sent(), 0..30)) {
        static MESSAGES: std::sync::LazyLock<BTreeMap<Sent, Vec<u8>>> = std::sync::LazyLock::new(messages);
        let who = name("vogn-7");
        let (node, mut state) = vogn_7(&rollout(0, &[9]));
        let (mut channels, mut lists, mut assigned) = (0, 0, 0);
        let mut taken: BTreeSet<Sent> = BTreeSet::new();
        for sent in order {
            let Some(sent) = sent else {
                let current = take(&node, &mut state).unwrap();
                // Never older than what came, and never a channel without its revocations.
                prop_assert!(current.channel().sequence <= lists);
                continue;
            };
            let delivery = deliver(&node.channel, Some(&who), &trust(), &MESSAGES[&sent]).unwrap();
            if delivery == Delivery::Taken {
                prop_assert!(taken.insert(sent), "{sent:?} counted twice");
            }
            match sent {
                Sent::Channel(n) => channels = channels.max(n),
                Sent::Revocations(n) => lists = lists.max(n),
                Sent::Assignment(n) => assigned = assigned.max(n),
            }
        }
        // Whatever the order: the newest of each kind that came. One channel waits at most, so the newest that came is in force
        // as soon as its revocations are there.
        let current = take(&node, &mut state).unwrap();
        if channels <= lists {
            prop_assert_eq!(current.channel().sequence, channels);
        }
        prop_assert!(current.channel().sequence <= channels.min(lists));
        prop_assert_eq!(state.rows().marks.get(&Role::Revocations).map_or(0, |mark| mark.version), lists);
        prop_assert_eq!(current.assigned().map_or(0, |a| a.file().sequence), assigned);
        for n in 1..=LAST {
            prop_assert_eq!(state.rows().revoked.contains(&digest(n)), n <= lists, "release {}", n);
        }
        // And sending everything once more, in order, brings the newest of all.
        for bytes in MESSAGES.values() {
            deliver(&node.channel, Some(&who), &trust(), bytes).unwrap();
        }
        let current = take(&node, &mut state).unwrap();
        prop_assert_eq!(current.channel().sequence, LAST);
        prop_assert_eq!(current.assigned().map(|a| a.file().sequence), Some(LAST));
    }
}

#[test]
fn upd_16n_two_different_messages_with_one_number_are_refused() {
    let (node, _) = vogn_7(&rollout(7, &[4]));
    let who = name("vogn-7");
    let send = |bytes: &[u8]| deliver(&node.channel, Some(&who), &trust(), bytes);
    send(&signed(&assignment("vogn-7", 1, vec![first_ring(4)]))).unwrap();
    let other = send(&signed(&assignment("vogn-7", 1, vec![first_ring(5)]))).unwrap_err();
    assert_eq!(other, UpdateError::Equivocation { role: Role::Assignment, version: 1 });
    // What lies in the folder is nobody's proof: a torn file there is replaced by the next that holds.
    node.channel.write(CHANNEL_FILE, b"torn").unwrap();
    node.channel.write(REVOCATIONS_FILE, b"torn").unwrap();
    let next = sign_file(&rollout(8, &[4]), &trust(), Authority::Channel, &[&drift()]).unwrap();
    assert_eq!(send(&next).unwrap(), Delivery::Taken);
    let list = sign_file(&revocations(1, &[]), &trust(), Authority::Revocation, &[&jura()]).unwrap();
    assert_eq!(send(&list).unwrap(), Delivery::Taken);
}
