//! What is really in a picture: classes, boxes, pixel masks. It comes from the drawing itself, never from guessing.

use serde::{Deserialize, Serialize};

/// Kinds of waste container, in the words of the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerKind {
    /// Wheelie bin.
    Affaldscontainer,
    /// Bottle bank.
    Glascontainer,
    /// Inlet column of an underground container.
    Nedgravet,
    /// Open skip.
    Byggecontainer,
    /// Skip with a lid.
    Lukketcontainer,
}

impl ContainerKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Affaldscontainer, Self::Glascontainer, Self::Nedgravet, Self::Byggecontainer, Self::Lukketcontainer];

    /// The kind's name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Affaldscontainer => "affaldscontainer",
            Self::Glascontainer => "glascontainer",
            Self::Nedgravet => "nedgravet",
            Self::Byggecontainer => "byggecontainer",
            Self::Lukketcontainer => "lukketcontainer",
        }
    }
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A face, towards the camera or in profile, of a person or on a poster.
    Face,
    /// A person, with all that they wear and carry.
    Person,
    /// A licence plate.
    Plate,
    /// A waste container.
    Container(ContainerKind),
    /// The shadow that the sun makes of something on the ground.
    Shadow,
    /// A car, a van or a bicycle.
    Vehicle,
}

impl Class {
    /// The class's name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Person => "person",
            Self::Plate => "plate",
            Self::Container(_) => "container",
            Self::Shadow => "shadow",
            Self::Vehicle => "vehicle",
        }
    }
}

/// What is known of an object beyond its class. A field that does not apply is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Distance along the viewing direction.
    pub distance_m: f32,
    /// Which kind of container, vehicle or mobility aid, or what the shadow is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Skin tone, 1 (lightest) to 10 (darkest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skin: Option<u8>,
    /// `front`, `side` or `back`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facing: Option<String>,
    /// A child.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub child: bool,
    /// What is worn, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clothing: Option<String>,
    /// `wheelchair` or `cane`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aid: Option<String>,
    /// What is written on a plate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The face is printed, not alive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub printed: bool,
    /// The thing in the world that this is a view of: the same number in every frame of a drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing: Option<u32>,
    /// Where the thing stands: metres right of the road's middle, metres along the street.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<[f32; 2]>,
    /// Where that is on earth, in frames of a drive: latitude and longitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<[f64; 2]>,
}

/// Pixels of a mask as runs, in rows from top to bottom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// Width of the picture.
    pub width: u16,
    /// Height of the picture.
    pub height: u16,
    /// First pixel (`y * width + x`) and number of pixels, ascending, never touching.
    pub runs: Vec<(u32, u32)>,
}

impl Mask {
    /// Runs of the set pixels. `pixels` has `width * height` entries.
    #[must_use]
    pub fn encode(width: u16, height: u16, pixels: &[bool]) -> Self {
        let mut mask = Self { width, height, runs: Vec::new() };
        for (at, _) in pixels.iter().enumerate().filter(|(_, set)| **set) {
            mask.push(at as u32, 1);
        }
        mask
    }

    /// Adds pixels after all those that are there.
    pub(crate) fn push(&mut self, at: u32, count: u32) {
        match self.runs.last_mut() {
            Some((start, len)) if *start + *len == at => *len += count,
            _ => self.runs.push((at, count)),
        }
    }

    /// One entry for each pixel of the picture.
    #[must_use]
    pub fn decode(&self) -> Vec<bool> {
        let mut pixels = vec![false; usize::from(self.width) * usize::from(self.height)];
        for (start, len) in &self.runs {
            let (start, len) = (*start as usize, *len as usize);
            if let Some(run) = pixels.get_mut(start..start.saturating_add(len)) {
                run.fill(true);
            }
        }
        pixels
    }

    /// Number of pixels set.
    #[must_use]
    pub fn area(&self) -> u32 {
        self.runs.iter().map(|(_, len)| *len).sum()
    }
}

/// One object of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruthObject {
    /// What it is.
    pub class: Class,
    /// Box around the visible pixels: `x0, y0, x1, y1`, the last two exclusive.
    pub bbox: [u16; 4],
    /// Fraction of the object that neither other objects nor the frame's edge hide.
    pub visible: f32,
    /// What else is known.
    pub attributes: Attributes,
    /// The visible pixels. A person's contain those of their face, a vehicle's those of its plate.
    pub mask: Mask,
}

/// All objects of a picture of which at least one pixel is visible.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// In the order of painting: far things first.
    pub objects: Vec<TruthObject>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn runs_give_back_the_pixels() {
        let mut d = Dice::new(5);
        for _ in 0..200 {
            let (w, h) = (d.whole(1, 40) as u16, d.whole(1, 30) as u16);
            let density = d.unit();
            let pixels: Vec<bool> = (0..u32::from(w) * u32::from(h)).map(|_| d.chance(density)).collect();
            let mask = Mask::encode(w, h, &pixels);
            assert_eq!(mask.decode(), pixels);
            assert_eq!(mask.area() as usize, pixels.iter().filter(|p| **p).count());
            assert!(mask.runs.windows(2).all(|w| w[0].0 + w[0].1 < w[1].0), "runs touch");
        }
    }

    #[test]
    fn runs_beyond_the_picture_are_left_out() {
        let mask = Mask { width: 4, height: 4, runs: vec![(14, 9), (u32::MAX, u32::MAX)] };
        assert!(mask.decode().iter().all(|p| !p));
    }
}
