//! The drawn gallery: the same people and the same plates again and again, in other light, from other sides.

use jpeg_encoder::SamplingFactor;
use vaern_door::{Rect, Size};
use vaern_privacy::PeopleClass;
use vaern_scenes::{Class, Dice, PLATE_LETTERS, Scene, SceneError, plate, portrait};

use crate::masker::{Masker, Refused, seen};
use crate::picture::Picture;

/// How much is drawn and tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// For every push: a few seconds for all methods.
    Fast,
    /// For the deep tier.
    Full,
}

impl Depth {
    const fn pick(self, fast: usize, full: usize) -> usize {
        match self {
            Self::Fast => fast,
            Self::Full => full,
        }
    }

    /// Pictures of T1.
    #[must_use]
    pub const fn frames(self) -> usize {
        self.pick(100, 1000)
    }

    /// Places of T2 for each sampling and quality.
    #[must_use]
    pub const fn places(self) -> usize {
        self.pick(4, 60)
    }
}

/// One picture of a person or a plate, before masking.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Who it is, or which row of the plates.
    pub who: usize,
    /// The picture as the camera wrote it.
    pub file: Vec<u8>,
    /// The true box of the face or plate.
    pub bbox: [u16; 4],
}

/// A plate's text, and a picture of it.
#[derive(Debug, Clone)]
pub struct PlateRow {
    /// Index into the candidates of each place, letters then digits.
    pub characters: [usize; 7],
    /// The picture.
    pub shot: Shot,
}

/// People and plates, split into what the attacker learns from and what they are tried on.
#[derive(Debug, Clone)]
pub struct Gallery {
    /// Number of people.
    pub people: usize,
    /// Pictures that the attacker has with names.
    pub known: Vec<Shot>,
    /// Pictures whose person the attacker wants.
    pub unknown: Vec<Shot>,
    /// Plates with known text.
    pub known_plates: Vec<PlateRow>,
    /// Plates to be read.
    pub unknown_plates: Vec<PlateRow>,
}

const FACE: (u16, u16) = (112, 128);
const PLATE: (u16, u16) = (176, 80);

impl Gallery {
    /// Draws the gallery: 64 people; 8 and 4 views of each for every push, 24 and 12 in the deep tier.
    ///
    /// # Errors
    /// [`SceneError`] cannot happen for the sizes used here.
    pub fn draw(depth: Depth) -> Result<Self, SceneError> {
        let people = 64;
        let shots = |views: std::ops::Range<usize>| -> Result<Vec<Shot>, SceneError> {
            let all = views.flat_map(|view| (0..people).map(move |who| (who, view)));
            all.map(|(who, view)| {
                let scene = portrait(who as u64, 1000 + view as u64, FACE)?;
                Ok(shot(who, &scene, Class::Face))
            })
            .collect()
        };
        let learn = depth.pick(8, 24);
        let mut dice = Dice::new(0x91A7E);
        let mut plates = |count: usize| -> Result<Vec<PlateRow>, SceneError> {
            (0..count)
                .map(|row| {
                    let characters = std::array::from_fn(|place| dice.whole(0, candidates(place) as u32 - 1) as usize);
                    let scene = plate(&text(characters), dice.seed(), PLATE)?;
                    Ok(PlateRow { characters, shot: shot(row, &scene, Class::Plate) })
                })
                .collect()
        };
        Ok(Self {
            people,
            known: shots(0..learn)?,
            unknown: shots(learn..learn + depth.pick(4, 12))?,
            known_plates: plates(depth.pick(600, 2000))?,
            unknown_plates: plates(depth.pick(100, 500))?,
        })
    }
}

/// How many characters may stand at a place of a plate: two letters, then five digits.
pub(crate) const fn candidates(place: usize) -> usize {
    if place < 2 { PLATE_LETTERS.len() } else { 10 }
}

fn text(characters: [usize; 7]) -> String {
    let of = |(place, at): (usize, usize)| {
        if place < 2 { PLATE_LETTERS[at] } else { char::from_digit(at as u32, 10).unwrap_or('0') }
    };
    characters.into_iter().enumerate().map(of).collect()
}

fn shot(who: usize, scene: &Scene, class: Class) -> Shot {
    let bbox = scene.truth.objects.iter().find(|o| o.class == class).map_or([0; 4], |o| o.bbox);
    let file = drawn(scene).and_then(|p| p.jpeg(SamplingFactor::F_2_2, 90).ok()).unwrap_or_default();
    Shot { who, file, bbox }
}

/// A drawn scene as a picture.
pub(crate) fn drawn(scene: &Scene) -> Option<Picture> {
    Picture::new(Size::new(scene.width, scene.height).ok()?, scene.rgb.clone()).ok()
}

/// Masks a shot, and cuts out what an attacker would look at: the true box, a fifth wider and higher for a face.
pub(crate) fn attacked(masker: &dyn Masker, shot: &Shot, class: PeopleClass) -> Result<Picture, Refused> {
    let [x0, y0, x1, y1] = shot.bbox.map(f64::from);
    // Detectors are not exact: the boxes of plates end a little early, where the last character stands.
    let mut given = seen(class, shot.bbox);
    let around = if class == PeopleClass::Plate {
        given.x1 -= 0.1 * (given.x1 - given.x0);
        0.0
    } else {
        0.1
    };
    let masked = masker.mask(&shot.file, &[given])?;
    let (w, h) = (around * (x1 - x0), around * (y1 - y0));
    let edge = |v: f64| v.round().clamp(0.0, f64::from(u16::MAX)) as u16;
    let rect = Rect::new(edge(x0 - w), edge(y0 - h), edge(x1 + w), edge(y1 + h)).map_err(|e| Refused(e.to_string()))?;
    masked.picture.cut(rect).ok_or_else(|| Refused("the box lies outside".to_owned()))
}
