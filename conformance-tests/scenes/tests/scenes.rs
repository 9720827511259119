//! Scenes tell the truth: the same bytes for a seed, boxes and masks that are those of the picture.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use vaern_scenes::{Class, ContainerKind, Scene, SceneError, sample};

const SMALL: (u16, u16) = (320, 180);

fn digest(scene: &Scene) -> u64 {
    let mut h = DefaultHasher::new();
    scene.rgb.hash(&mut h);
    serde_json::to_string(&scene.truth).unwrap().hash(&mut h);
    h.finish()
}

#[test]
fn a_seed_names_one_picture() {
    let digests: HashSet<u64> = (0..6)
        .map(|seed| {
            let first = sample(seed, SMALL).unwrap();
            assert_eq!(first.rgb.len(), 3 * 320 * 180);
            let again = sample(seed, SMALL).unwrap();
            assert_eq!(digest(&first), digest(&again), "seed {seed}");
            digest(&first)
        })
        .collect();
    assert_eq!(digests.len(), 6, "two seeds drew the same picture");
}

#[test]
fn boxes_are_tight_around_masks() {
    for seed in 0..12 {
        let scene = sample(seed, SMALL).unwrap();
        for o in &scene.truth.objects {
            let pixels = o.mask.decode();
            let mut tight = [u16::MAX, u16::MAX, 0, 0];
            for (at, _) in pixels.iter().enumerate().filter(|(_, set)| **set) {
                let (x, y) = ((at % 320) as u16, (at / 320) as u16);
                tight = [tight[0].min(x), tight[1].min(y), tight[2].max(x + 1), tight[3].max(y + 1)];
            }
            assert_eq!(o.bbox, tight, "seed {seed}, {:?}", o.class);
            assert!((0.0..=1.0).contains(&o.visible), "seed {seed}: visible {}", o.visible);
        }
    }
}

#[test]
fn every_object_has_pixels_and_every_class_occurs() {
    let mut classes = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let (mut skins, mut facings, mut aids) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut children, mut printed) = (0, 0);
    for seed in 0..50 {
        for o in sample(seed, SMALL).unwrap().truth.objects {
            assert!(o.mask.area() > 0, "seed {seed}: {:?} without a pixel", o.class);
            classes.insert(o.class.name());
            if let Class::Container(kind) = o.class {
                kinds.insert(kind);
            }
            if o.class == Class::Person {
                skins.insert(o.attributes.skin.unwrap());
                facings.insert(o.attributes.facing.clone().unwrap());
                aids.extend(o.attributes.aid.clone());
                children += usize::from(o.attributes.child);
            }
            printed += usize::from(o.attributes.printed);
        }
    }
    let all = ["container", "face", "person", "plate", "shadow", "vehicle"];
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), all);
    assert_eq!(kinds, ContainerKind::ALL.into_iter().collect());
    assert_eq!(skins, (1..=10).collect());
    assert_eq!(facings.into_iter().collect::<Vec<_>>(), ["back", "front", "side"]);
    assert_eq!(aids.into_iter().collect::<Vec<_>>(), ["cane", "wheelchair"]);
    assert!(children > 0 && printed > 0, "{children} children, {printed} printed faces");
}

/// A pixel shows one thing: a face lies on its person, a plate on its vehicle, and nothing else shares pixels.
#[test]
fn a_pixel_belongs_to_one_object_and_what_it_is_part_of() {
    for seed in 100..115 {
        let scene = sample(seed, SMALL).unwrap();
        let mut owner = vec![None; 320 * 180];
        for (i, o) in scene.truth.objects.iter().enumerate() {
            for (at, _) in o.mask.decode().iter().enumerate().filter(|(_, set)| **set) {
                match (o.class, owner[at]) {
                    (Class::Face, before) => {
                        let on: Option<usize> = before;
                        let held = on.is_some_and(|p| scene.truth.objects[p].class == Class::Person);
                        assert!(held || o.attributes.printed, "seed {seed}: a face without a person");
                    }
                    (Class::Plate, before) => {
                        let on: Option<usize> = before;
                        let held = on.is_some_and(|p| scene.truth.objects[p].class == Class::Vehicle);
                        assert!(held, "seed {seed}: a plate without a vehicle");
                    }
                    (_, None) => owner[at] = Some(i),
                    (class, Some(p)) => panic!("seed {seed}: {class:?} over {:?}", scene.truth.objects[p].class),
                }
            }
        }
    }
}

#[test]
fn whole_and_hidden_things_both_occur() {
    let mut whole = 0;
    let mut hidden = 0;
    for seed in 200..230 {
        for o in sample(seed, SMALL).unwrap().truth.objects {
            whole += usize::from(o.visible > 0.97);
            hidden += usize::from(o.visible < 0.5);
        }
    }
    assert!(whole > 50 && hidden > 10, "{whole} whole, {hidden} mostly hidden");
}

#[test]
fn a_size_that_cannot_be_drawn_is_refused() {
    for size in [(0, 180), (320, 0), (15, 15), (9000, 180)] {
        assert_eq!(sample(1, size), Err(SceneError::Size(size.0, size.1)));
    }
    assert!(sample(1, (16, 16)).is_ok());
}
