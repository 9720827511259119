//! What the tests of the suite share: the methods, the drawn material, and how a column of the table is held.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::ops::Range;
use std::sync::OnceLock;

use jpeg_encoder::SamplingFactor;
use vaern_door::{Name, Size};
use vaern_masking_attacks::{
    Depth, Gallery, Masker, Mutant, OurGate, Picture, TestId, Verdict, Weak, Wrong, evaluation, laden, place, seen,
};
use vaern_privacy::{Gate, PeopleClass, SeenBox};
use vaern_scenes::{Class, Dice, ExifBlock, ExifEntry, ExifValue, Scene, SceneParams, render};

/// What a test must say of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    Green,
    Red,
}

/// One test against the six methods.
pub type Column = [Cell; 6];

pub fn methods() -> Vec<Box<dyn Masker>> {
    let mut all: Vec<Box<dyn Masker>> =
        vec![Box::new(OurGate::new().unwrap()), Box::new(Mutant::new(Wrong::Nothing).unwrap())];
    all.extend(Weak::ALL.into_iter().map(|weak| Box::new(weak) as Box<dyn Masker>));
    all
}

/// Runs a test on every method, prints what it says, and holds each cell.
pub fn check(test: TestId, expected: Column, run: impl Fn(&dyn Masker) -> Verdict) {
    check_as("", test, expected, run);
}

/// The same in the deep tier, which keeps the lines that begin with its word.
pub fn check_deep(test: TestId, expected: Column, run: impl Fn(&dyn Masker) -> Verdict) {
    check_as("DEEP ", test, expected, run);
}

fn check_as(word: &str, test: TestId, expected: Column, run: impl Fn(&dyn Masker) -> Verdict) {
    let mut wrong = Vec::new();
    for (method, cell) in methods().iter().zip(expected) {
        let verdict = run(method.as_ref());
        println!("{word}{:<18} {verdict}", method.name());
        assert_eq!(verdict.test, test);
        if verdict.holds != (cell == Cell::Green) {
            wrong.push(format!("{}: expected {cell:?}: {verdict}", method.name()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

pub fn gallery() -> &'static Gallery {
    static GALLERY: OnceLock<Gallery> = OnceLock::new();
    GALLERY.get_or_init(|| Gallery::draw(Depth::Fast).unwrap())
}

/// Drawn streets by day, with people near the camera and containers. Seeds that no model was trained on.
pub fn scenes(which: Range<u64>, size: (u16, u16)) -> Vec<Scene> {
    which
        .map(|n| {
            let seed = 9_500_000 + n;
            let params = SceneParams {
                close: 1.0,
                containers: 2.0,
                light: vaern_scenes::Light::Day,
                weather: vaern_scenes::Weather::Overcast,
                ..SceneParams::sample(&mut Dice::new(seed), size)
            };
            render(seed, &params).unwrap()
        })
        .collect()
}

/// Pictures that carry all that cameras and editors put beside pixels.
pub fn laden_sources() -> Vec<(Vec<u8>, Vec<SeenBox>)> {
    (0..3_u64)
        .map(|who| {
            let scene = vaern_scenes::portrait(who, 77, (112, 128)).unwrap();
            let size = Size::new(112, 128).unwrap();
            let picture = Picture::new(size, scene.rgb.clone()).unwrap().jpeg(SamplingFactor::F_2_2, 90).unwrap();
            let bbox = scene.truth.objects.iter().find(|o| o.class == Class::Face).unwrap().bbox;
            let block = ExifBlock {
                primary: vec![
                    ExifEntry::new(0x0110, ExifValue::Ascii("drawn-cam-1".to_owned())),
                    ExifEntry::new(0x0112, ExifValue::Short(vec![1])),
                ],
                exif: vec![ExifEntry::new(0xA431, ExifValue::Ascii("DRAWN-SERIAL-0001".to_owned()))],
                gps: None,
                thumbnail: Some(picture.clone()),
                big_endian: who == 1,
            };
            (laden(&picture, &picture, &block.to_tiff()), vec![seen(PeopleClass::Face, bbox)])
        })
        .collect()
}

/// The whole gate with the detector of drawn people, for captures without a position.
pub fn gate_of_drawn_people() -> Gate {
    use std::sync::Arc;
    use vaern_door::{Channels, Digest, Fit, Scale, TensorSpec};
    use vaern_inference::{Backend as _, Decoder, ModelLimits, tract};
    use vaern_privacy::{MaskingPolicy, ModelDetector, PeopleDetector};

    let file = include_bytes!("../../../../models/people.onnx");
    let model = tract().load(file, &ModelLimits::default()).unwrap();
    let shape = model.inputs()[0].shape.clone();
    let size = Size::new(u16::try_from(shape[3]).unwrap(), u16::try_from(shape[2]).unwrap()).unwrap();
    let spec = TensorSpec { size, fit: Fit::LetterboxTopLeft, scale: Scale::ZeroToOne, channels: Channels::Rgb };
    let classes = [PeopleClass::Face, PeopleClass::Person, PeopleClass::Plate];
    let name = Name::new("people-drawn").unwrap();
    let decoder = Decoder::VaernBoxes { classes: 3 };
    let detector = ModelDetector::new(name, Digest::of(file), model, decoder, spec, &classes).unwrap();
    let policy = MaskingPolicy::parse(&evaluation(vaern_masking_attacks::POLICY)).unwrap();
    let (fences, cameras) = place().unwrap();
    let loaded: Vec<Arc<dyn PeopleDetector>> = vec![Arc::new(detector)];
    Gate::new(policy, fences, cameras, loaded).unwrap()
}
