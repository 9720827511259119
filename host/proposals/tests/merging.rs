//! What merging promises, on drives with known objects.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]

mod streets;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use streets::{Setting, World};
use vaern_proposals::{Drive, Find, Merged, Pin, merge};

fn small(seed: u64) -> World {
    World::new(Setting { seed, streets: 1, spacing_m: 20.0, rows: 0.5, ..Setting::default() })
}

fn drives(world: &World, count: u32) -> Vec<Drive> {
    (0..count).map(|n| world.drive(n).drive).collect()
}

fn pins(merged: &[Merged], drives: &[Drive]) -> Vec<Pin> {
    let finds: BTreeMap<&str, (&Drive, &Find)> =
        drives.iter().flat_map(|drive| drive.finds.iter().map(move |find| (find.id.as_str(), (drive, find)))).collect();
    let pin = |object: &Merged, id: &String| {
        let (drive, find) = finds[id.as_str()];
        Pin {
            find: id.clone(),
            object: object.id.clone(),
            drive: drive.name.clone(),
            label: find.label.clone(),
            estimate: find.estimate,
        }
    };
    merged.iter().flat_map(|object| object.finds.iter().map(move |id| pin(object, id))).collect()
}

/// The object that each find is of.
fn of(merged: &[Merged]) -> BTreeMap<&str, &str> {
    merged.iter().flat_map(|object| object.finds.iter().map(|find| (find.as_str(), object.id.as_str()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn std_05p_drives_in_any_order_give_the_same_proposals(seed in any::<u64>(), shuffle in any::<u64>()) {
        let world = small(seed);
        let mut drives = drives(&world, 4);
        let merged = merge(&drives, &[]);
        let mut dice = ChaCha8Rng::seed_from_u64(shuffle);
        drives.shuffle(&mut dice);
        for drive in &mut drives {
            drive.finds.shuffle(&mut dice);
        }
        prop_assert_eq!(&merge(&drives, &[]), &merged);
        let all: usize = drives.iter().map(|drive| drive.finds.len()).sum();
        prop_assert_eq!(of(&merged).len(), all, "every find is in one proposal and in one only");
        prop_assert_eq!(merged.iter().map(|object| object.finds.len()).sum::<usize>(), all);
    }

    #[test]
    fn std_05p_another_drive_splits_nothing_and_renames_nothing(seed in any::<u64>(), late in 0_usize..4) {
        let world = small(seed);
        let all = drives(&world, 4);
        // The one that comes late drove at any time: first, between the others, or last.
        let mut before = all.clone();
        before.remove(late);
        let first = merge(&before, &[]);
        let second = merge(&all, &pins(&first, &before));
        let now = of(&second);
        for (find, object) in of(&first) {
            prop_assert_eq!(now[find], object);
        }
        // One that drove last adds to the same proposals even where nothing is pinned.
        if late == 3 {
            prop_assert_eq!(&merge(&all, &[]), &second);
        }
        // With everything pinned, nothing changes.
        prop_assert_eq!(&merge(&all, &pins(&second, &all)), &second);
    }

    #[test]
    fn std_05n_two_boxes_of_one_picture_are_two_proposals(seed in any::<u64>()) {
        let world = small(seed);
        let drives = drives(&world, 3);
        let merged = merge(&drives, &[]);
        let object = of(&merged);
        for drive in &drives {
            let mut seen: BTreeMap<(&str, &str), &str> = BTreeMap::new();
            for find in &drive.finds {
                let other = seen.insert((&find.frame, object[find.id.as_str()]), &find.id);
                prop_assert_eq!(other, None);
            }
        }
    }
}

#[test]
fn std_05p_most_proposals_are_one_object_and_most_objects_one_proposal() {
    let world = World::new(Setting::default());
    let driven: Vec<_> = (0..5).map(|n| world.drive(n)).collect();
    let score = streets::score::Score::of(&world, &driven);
    let text = score.lines();
    // Loose: the bench says what it is (`--example merging`); a regression falls far below.
    assert!(score.precision.share() > 0.85 && score.recall.share() > 0.9 && score.within.share() > 0.85, "{text}");
}

#[test]
fn std_05n_things_of_two_labels_are_two_proposals() {
    let world = small(5);
    let drive = world.drive(0).drive;
    let [one, other] = streets::labels();
    let find = drive.finds.iter().find(|find| find.label == one).unwrap();
    let twin = Find { id: "f".repeat(32), label: other, frame: "another".to_owned(), ..find.clone() };
    let drives = [Drive { name: "a".into(), finds: vec![find.clone()] }, Drive { name: "b".into(), finds: vec![twin] }];
    assert_eq!(merge(&drives, &[]).len(), 2);
}

#[test]
fn std_05n_a_find_without_a_place_is_merged_with_nothing() {
    let world = small(5);
    let mut drive = world.drive(0).drive;
    drive.finds.truncate(6);
    for find in &mut drive.finds {
        find.estimate = None;
    }
    let again = Drive { name: "again".into(), ..drive.clone() };
    let ids = |drive: &Drive| drive.finds.iter().map(|f| f.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&drive), ids(&again));
    assert_eq!(merge(&[drive], &[]).len(), 6);
}
