//! The attacks on a channel's news, played on TUF metadata: what the library refuses, and what only the node's own floor does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod city;

use city::*;
use jiff::SignedDuration;
use serde_json::{Value, json};
use sigstore_tuf::canonical_json::to_canonical_bytes;
use vaern_trust::{
    Authority, CHANNEL_FILE, DEFAULT_MAX_STALE, Digest, FloorError, MetadataError, Recovery, RecoveryMark, Role,
    SignedFiles, SigningKeyPair, State, UpdateError, open_file, sign_file,
};
use vaern_tuf::{Ends, RootSpec, TufError, publish, refresh, write_root};

fn metadata(error: UpdateError) -> MetadataError {
    match error {
        UpdateError::Metadata(error) => error,
        other => panic!("{other}"),
    }
}

/// Changes what a metadata file says, and signs it with `pair`.
fn forge(bytes: &[u8], pair: &SigningKeyPair, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    let id = value["signatures"][0]["keyid"].clone();
    change(&mut value["signed"]);
    let signature = pair.sign(&to_canonical_bytes(&value["signed"]).unwrap());
    value["signatures"] = json!([{ "keyid": id, "sig": hex(&signature) }]);
    serde_json::to_vec(&value).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn upd_01p_the_newest_issue_is_taken_and_each_role_has_its_row() {
    let city = City::followed(7);
    assert_eq!(city.take().unwrap().channel().sequence, 7);
    let published = city.publish(8, [4, 5, 6]).unwrap();
    assert_eq!((published.root, published.targets, published.snapshot, published.timestamp), (1, 2, 2, 2));
    assert_eq!(city.take().unwrap().channel().sequence, 8);
    for (role, number) in [("root", 1), ("targets", 2), ("snapshot", 2), ("timestamp", 2)] {
        assert_eq!(city.number(role), number, "{role}");
    }
    // The same again changes nothing; only the timestamp moves when it is said anew.
    city.take().unwrap();
    assert_eq!(refresh(&city.repository, days(8), &[&key(6)], now()).unwrap(), 3);
    city.take().unwrap();
    assert_eq!((city.number("timestamp"), city.number("snapshot")), (3, 2));
}

#[test]
fn upd_01n_an_older_repository_is_a_rollback_by_the_node_s_own_floor() {
    let city = City::followed(7);
    let older = city.copy();
    city.publish(8, [4, 5, 6]).unwrap();
    city.take().unwrap();
    city.put_back(&older);
    // The client itself has no memory: to it the older repository is whole.
    assert_eq!(city.offered().unwrap().channel.file().sequence, 7);
    let back = city.take().unwrap_err();
    assert!(matches!(back, UpdateError::Rollback { have: 8, offered: 7, .. }), "{back}");
    // The same channel under older metadata.
    let city = City::followed(7);
    let older = city.copy();
    city.publish(7, [4, 5, 6]).unwrap();
    city.take().unwrap();
    city.put_back(&older);
    let back = city.take().unwrap_err();
    assert!(matches!(&back, UpdateError::Rollback { role: Role::Tuf(_), have: 2, offered: 1 }), "{back}");
}

#[test]
fn upd_02n_clk_03n_a_torn_floor_stops_the_node_and_there_is_no_other_state_to_tear() {
    let city = City::followed(7);
    let older = city.copy();
    city.publish(8, [4, 5, 6]).unwrap();
    city.take().unwrap();
    let held: Vec<_> = city.state.entries().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(held, ["floor.redb"], "the client keeps nothing beside the floor");
    city.put_back(&older);
    let whole = city.state.read("floor.redb").unwrap();
    for torn in [vec![], whole[..whole.len() / 2].to_vec(), vec![0; whole.len()]] {
        city.state.write("floor.redb", &torn).unwrap();
        let refused = city.take().unwrap_err();
        assert!(matches!(refused, UpdateError::Floor(FloorError::Unreadable(_))), "{refused}");
    }
    city.state.write("floor.redb", &whole).unwrap();
    assert!(matches!(city.take().unwrap_err(), UpdateError::Rollback { .. }));
}

#[test]
fn upd_03n_a_frozen_repository_ends_with_each_role_s_end() {
    let city = City::followed(7);
    assert!(city.at(days(7) - SignedDuration::from_secs(1)).is_ok());
    for late in [days(7) + SignedDuration::from_secs(1), days(31), days(91), days(366)] {
        assert!(matches!(city.at(late).unwrap_err(), UpdateError::Expired(_)), "{late}");
    }
    // A timestamp that is said anew each week does not hide that the channel is not.
    let mut state = State::open(&city.state).unwrap();
    let late = now() + DEFAULT_MAX_STALE;
    refresh(&city.repository, days(20), &[&key(6)], now()).unwrap();
    let frozen = state.take(&city.at(late).unwrap(), late, DEFAULT_MAX_STALE).unwrap_err();
    assert!(matches!(frozen, UpdateError::Frozen { days: 14, .. }), "{frozen}");
}

#[test]
fn upd_03n_what_a_node_knows_ends_with_the_first_end_of_what_said_it() {
    // Of timestamp, snapshot, targets and root the timestamp ends first; the channel and its staleness end later.
    let city = City::followed(7);
    assert_eq!(city.take().unwrap().until(), days(7));
    // Said anew, it holds longer; then the staleness of the channel comes first.
    refresh(&city.repository, days(20), &[&key(6)], now()).unwrap();
    let issued = now() - SignedDuration::from_hours(12);
    assert_eq!(city.take().unwrap().until(), issued + DEFAULT_MAX_STALE);
    // An offer whose end has come by the node's own time is over, whatever the client thought of it.
    let mut offered = city.offered().unwrap();
    offered.ends = Some(now());
    let over = State::open(&city.state).unwrap().take(&offered, now(), DEFAULT_MAX_STALE).unwrap_err();
    assert_eq!(over, UpdateError::Expired(now()));
}

#[test]
fn upd_04n_files_of_different_times_are_not_one_issue() {
    let city = City::followed(7);
    let older = city.copy();
    city.publish(8, [4, 5, 6]).unwrap();
    let newer = city.copy();
    for (new, old) in [
        ("metadata/2.snapshot.json", "metadata/1.snapshot.json"),
        ("metadata/2.targets.json", "metadata/1.targets.json"),
    ] {
        let mut mixed = newer.clone();
        mixed.insert(new.to_owned(), older[old].clone());
        city.put_back(&mixed);
        assert!(matches!(metadata(city.offered().unwrap_err()), MetadataError::NotPinned(_)), "{new}");
    }
    // An older file in the place of a newer target.
    let name = |all: &std::collections::BTreeMap<String, Vec<u8>>, sequence: u64| {
        let digest = Digest::of(&files(sequence)[CHANNEL_FILE]).hex();
        all.keys().find(|file| file.contains(&digest)).unwrap().clone()
    };
    let mut mixed = newer.clone();
    mixed.insert(name(&newer, 8), older[&name(&older, 7)].clone());
    city.put_back(&mixed);
    assert!(matches!(metadata(city.offered().unwrap_err()), MetadataError::NotPinned(_)));
}

#[test]
fn upd_05n_files_without_end_and_files_of_another_length_are_refused() {
    let city = City::followed(7);
    let honest = city.copy();
    for file in honest.keys().filter(|file| !file.contains("1.root")) {
        let endless = [honest[file].clone(), vec![b' '; (1 << 20) + 1]].concat();
        city.repository.write(file, endless).unwrap();
        let refused = city.offered().unwrap_err();
        assert!(matches!(refused, UpdateError::TooLong(_)), "{file}: {refused}");
        let short = &honest[file][..honest[file].len() - 1];
        city.repository.write(file, short).unwrap();
        assert!(matches!(city.offered().unwrap_err(), UpdateError::Metadata(_)), "{file}");
        city.repository.write(file, &honest[file]).unwrap();
    }
    // A next root without end.
    city.repository.write("metadata/2.root.json", vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(matches!(city.offered().unwrap_err(), UpdateError::TooLong(_)));
}

#[test]
fn sig_02n_a_flipped_bit_in_any_byte_of_a_repository_is_refused_or_changes_nothing() {
    let city = City::followed(7);
    let honest = city.offered().unwrap();
    let (channel, marks) = (honest.channel.digest(), honest.also);
    for (file, bytes) in city.copy() {
        // The pinned root is the node's own copy.
        for at in (0..bytes.len()).filter(|_| !file.contains("1.root")) {
            let mut flipped = bytes.clone();
            // Each bit in turn: all of them take minutes.
            flipped[at] ^= 1 << (at % 8);
            city.repository.write(&file, &flipped).unwrap();
            // White space between two values says nothing.
            if let Ok(offered) = city.offered() {
                assert!(offered.channel.digest() == channel && offered.also == marks, "{file}: byte {at}");
            }
        }
        city.repository.write(&file, &bytes).unwrap();
    }
}

#[test]
fn upd_07_a_number_driven_to_the_sky_is_taken_back_by_the_root_alone() {
    let city = City::followed(7);
    // Whoever holds the online key of the timestamp drives its number up. The node takes it: it is signed.
    let stamp = city.repository.read("metadata/timestamp.json").unwrap();
    let huge = forge(&stamp, &key(6), |signed| signed["version"] = json!(1_000_000_000));
    city.repository.write("metadata/timestamp.json", &huge).unwrap();
    city.take().unwrap();
    city.repository.write("metadata/timestamp.json", &stamp).unwrap();
    // The root takes the key away; an honest timestamp counts on from where the city was.
    write_root(&city.repository, &spec(&[1, 2, 3], [4, 5, 16]), &[&key(1), &key(2)]).unwrap();
    city.publish(8, [4, 5, 16]).unwrap();
    let back = city.take().unwrap_err();
    assert_eq!(back, UpdateError::Rollback { role: tuf("timestamp"), have: 1_000_000_000, offered: 2 });
    // Only a statement of the root's keys takes the row back.
    let offered = city.offered().unwrap();
    let marks = offered.also.iter().map(|(role, mark)| RecoveryMark {
        role: role.to_string(),
        version: mark.version,
        digest: mark.digest,
    });
    let statement = Recovery {
        node: name("vogn-7"),
        serial: 1,
        issued: now(),
        expires: days(14),
        marks: marks.collect(),
        revoked: vec![],
    };
    let bytes = sign_file(&statement, &trust(), Authority::Root, &[&key(21)]).unwrap();
    let signed = open_file::<Recovery>(&bytes, &trust(), Authority::Root).unwrap();
    drop(Recovery::restore(&signed, &city.state, &name("vogn-7"), now()).unwrap());
    assert_eq!(city.take().unwrap().channel().sequence, 8);
    assert_eq!(city.number("timestamp"), 2);
}

#[test]
fn upd_08p_roots_and_keys_rotate_and_the_node_follows_from_the_root_that_it_pinned() {
    let city = City::followed(7);
    // Another root key, then all other keys.
    assert_eq!(write_root(&city.repository, &spec(&[2, 3, 9], [4, 5, 6]), &[&key(2), &key(3)]).unwrap(), 2);
    let all = [&key(9), &key(3), &key(2)];
    assert_eq!(write_root(&city.repository, &spec(&[2, 3, 9], [14, 15, 16]), &all).unwrap(), 3);
    // What the keys of yesterday signed is nothing any more.
    let old = metadata(city.offered().unwrap_err());
    assert!(
        matches!(&old, MetadataError::ThresholdNotMet { role, found: 0, threshold: 1 } if role == "timestamp"),
        "{old}"
    );
    assert!(matches!(city.publish(8, [4, 5, 6]).unwrap_err(), TufError::Refused(_)));
    city.publish(8, [14, 15, 16]).unwrap();
    assert_eq!(city.take().unwrap().channel().sequence, 8);
    assert_eq!(city.number("root"), 3);
}

#[test]
fn upd_08n_a_root_chain_with_a_gap_a_lowered_threshold_or_one_key_twice_is_refused() {
    let city = City::followed(7);
    let first = city.copy();
    // Not signed by the keys in force, not signed by its own, and signed by too few of them: not written.
    for (root, pairs) in [(&[9, 10, 11], [9, 10]), (&[9, 10, 11], [1, 2]), (&[1, 2, 3], [1, 9])] {
        let pairs = pairs.map(key);
        let refused = write_root(&city.repository, &spec(root, [4, 5, 6]), &pairs.iter().collect::<Vec<_>>());
        assert!(matches!(refused.unwrap_err(), TufError::Refused(UpdateError::Metadata(_))), "{root:?}");
    }
    let lowered = RootSpec {
        root: vaern_tuf::RoleRule { threshold: 1, ..spec(&[1, 2, 3], [4, 5, 6]).root },
        ..spec(&[1, 2, 3], [4, 5, 6])
    };
    let refused = write_root(&city.repository, &lowered, &[&key(1), &key(2)]).unwrap_err();
    assert!(refused.to_string().contains("lowers"), "{refused}");
    assert_eq!(city.copy(), first, "nothing was written");
    // A gap: the third without the second is not found; seen once and gone, it is a rollback.
    for version in [2, 3] {
        write_root(&city.repository, &spec(&[1, 2, 3], [4, 5, 6]), &[&key(1), &key(2)]).unwrap();
        assert_eq!(city.offered().unwrap().also[0].1.version, version);
    }
    let third = city.repository.read("metadata/3.root.json").unwrap();
    city.repository.remove_file("metadata/2.root.json").unwrap();
    assert_eq!(city.offered().unwrap().also[0].1.version, 1);
    // The third in the place of the second.
    city.repository.write("metadata/2.root.json", &third).unwrap();
    let gap = metadata(city.offered().unwrap_err());
    assert!(matches!(gap, MetadataError::BadRootChain(_)), "{gap}");
    city.put_back(&first);
    write_root(&city.repository, &spec(&[1, 2, 3], [4, 5, 6]), &[&key(1), &key(2)]).unwrap();
    city.take().unwrap();
    city.put_back(&first);
    assert_eq!(city.take().unwrap_err(), UpdateError::Rollback { role: tuf("root"), have: 2, offered: 1 });
}

#[test]
fn sig_06n_one_root_key_under_two_ids_is_one() {
    let city = City::followed(7);
    // The library counts ids. A thief of one root key writes it into a root twice, and signs twice.
    let mut root: Value = serde_json::from_slice(&city.pinned).unwrap();
    let ids: Vec<String> = root["signed"]["keys"].as_object().unwrap().keys().cloned().collect();
    let own = hex(key(1).public().as_bytes());
    let first = ids.iter().find(|id| root["signed"]["keys"][id]["keyval"]["public"] == own).unwrap().clone();
    root["signed"]["keys"]["another"] = root["signed"]["keys"][&first].clone();
    root["signed"]["roles"]["root"]["keyids"] = json!([first, "another"]);
    let signature = hex(&key(1).sign(&to_canonical_bytes(&root["signed"]).unwrap()));
    root["signatures"] = json!([{ "keyid": first, "sig": signature }, { "keyid": "another", "sig": signature }]);
    let pinned = serde_json::to_vec(&root).unwrap();
    assert!(sigstore_tuf::TrustedMetadataSet::from_root(&pinned).is_ok(), "the library takes it");
    let city = City { pinned, ..city };
    let refused = metadata(city.offered().unwrap_err());
    assert_eq!(refused, MetadataError::BadRootChain("one key stands under two ids".into()));
}

#[test]
fn upd_09n_the_online_keys_alone_change_no_file() {
    let city = City::followed(7);
    let honest = city.copy();
    // The thief of snapshot and timestamp lists a channel of its own; it cannot sign the list.
    let targets = forge(&honest["metadata/1.targets.json"], &key(5), |signed| signed["targets"] = json!({}));
    let pin =
        |bytes: &[u8]| json!({ "version": 1, "length": bytes.len(), "hashes": { "sha256": Digest::of(bytes).hex() } });
    let snapshot =
        forge(&honest["metadata/1.snapshot.json"], &key(5), |s| s["meta"] = json!({ "targets.json": pin(&targets) }));
    let stamp =
        forge(&honest["metadata/timestamp.json"], &key(6), |s| s["meta"] = json!({ "snapshot.json": pin(&snapshot) }));
    for (file, bytes) in [("1.targets", &targets), ("1.snapshot", &snapshot), ("timestamp", &stamp)] {
        city.repository.write(format!("metadata/{file}.json"), bytes).unwrap();
    }
    let refused = metadata(city.offered().unwrap_err());
    assert!(matches!(&refused, MetadataError::ThresholdNotMet { role, .. } if role == "targets"), "{refused}");
    // With all three keys, it still cannot sign a channel.
    city.put_back(&honest);
    let mut own = files(8);
    let thief = vaern_trust::Envelope::sign(
        <vaern_trust::ChannelFile as vaern_trust::CityFile>::PAYLOAD_TYPE,
        serde_json::to_vec(&channel(9)).unwrap(),
        &[&key(4)],
    );
    own.insert(CHANNEL_FILE.to_owned(), thief.encode().unwrap());
    publish(&city.repository, &own, ends(), &[&key(4), &key(5), &key(6)], now()).unwrap();
    assert!(matches!(city.take().unwrap_err(), UpdateError::Channel(_)));
}

#[test]
fn upd_19p_ends_are_written_in_whole_seconds() {
    let city = City::with(7);
    let split = SignedDuration::from_millis(500);
    let ends = Ends { targets: days(90) + split, snapshot: days(30) + split, timestamp: days(7) + split };
    publish(&city.repository, &files(8), ends, &[&key(4), &key(5), &key(6)], now()).unwrap();
    for (file, bytes) in city.copy().into_iter().filter(|(file, _)| file.starts_with("metadata")) {
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let expires = value["signed"]["expires"].as_str().unwrap();
        assert!(expires.len() == 20 && expires.ends_with("00Z"), "{file}: {expires}");
    }
}

#[test]
fn a_node_that_follows_metadata_takes_no_plain_channel_any_more() {
    use vaern_trust::ChannelSource as _;
    let city = City::followed(7);
    city.take().unwrap();
    for (file, bytes) in files(9) {
        city.repository.write(file, bytes).unwrap();
    }
    let plain = SignedFiles::new(&city.repository).offered(&trust()).unwrap();
    let mut state = State::open(&city.state).unwrap();
    let refused = state.take(&plain, now(), DEFAULT_MAX_STALE).unwrap_err();
    assert!(matches!(refused, UpdateError::Rollback { role: Role::Tuf(_), offered: 0, .. }), "{refused}");
}
