//! T1: what is under a mask cannot influence a bit of what leaves.

use vaern_door::Size;
use vaern_privacy::{PeopleClass, SeenBox};
use vaern_scenes::Dice;

use crate::masker::{Masker, Refused, seen};
use crate::picture::Picture;
use crate::verdict::{Figure, TestId, Verdict};

/// A smooth picture with some texture.
pub(crate) fn texture(size: Size, dice: &mut Dice) -> Picture {
    let (a, b, c) = (dice.whole(40, 220), dice.whole(40, 220), dice.whole(3, 9));
    let mut rgb = Vec::with_capacity(size.rgb_bytes());
    for y in 0..u32::from(size.height()) {
        for x in 0..u32::from(size.width()) {
            let grain = dice.whole(0, 20);
            rgb.extend([x * 2 % a + grain, y * 2 % b + grain, (x / c + y / 5) % 160 + grain].map(|v| v.min(255) as u8));
        }
    }
    Picture::filled(size, rgb)
}

/// Fills a box with noise.
pub(crate) fn with_noise(picture: &Picture, bbox: [u16; 4], dice: &mut Dice) -> Picture {
    let mut out = picture.clone();
    let width = out.sides().0;
    let [x0, y0, x1, y1] = bbox.map(usize::from);
    for y in y0..y1 {
        for value in &mut out.rgb_mut()[(y * width + x0) * 3..(y * width + x1) * 3] {
            *value = dice.whole(0, 255) as u8;
        }
    }
    out
}

fn random_box(dice: &mut Dice, size: Size, least: u32, most: u32) -> [u16; 4] {
    let (w, h) = (dice.whole(least, most), dice.whole(least, most));
    let x = dice.whole(0, u32::from(size.width()) - w);
    let y = dice.whole(0, u32::from(size.height()) - h);
    [x, y, x + w, y + h].map(|v| v as u16)
}

/// T1 for a given mask: `frames` pictures, each with two random insides under the same box; pixels and file must agree in
/// every bit.
#[must_use]
pub fn t1(masker: &dyn Masker, frames: usize) -> Verdict {
    let mut dice = Dice::new(0x7101);
    let (mut differing, mut refused) = (0, 0);
    for _ in 0..frames {
        let Ok(size) = Size::new(96, 80) else { break };
        let base = texture(size, &mut dice);
        let bbox = random_box(&mut dice, size, 4, 40);
        let boxes = [seen(PeopleClass::Face, bbox)];
        let mut masked = || {
            let file = with_noise(&base, bbox, &mut dice).png()?;
            masker.mask(&file, &boxes)
        };
        match (masked(), masked()) {
            (Ok(a), Ok(b)) => differing += usize::from(a != b),
            _ => refused += 1,
        }
    }
    let figures = vec![
        Figure::new("frames", frames as f64, ""),
        Figure::new("differing", differing as f64, ""),
        Figure::new("refused", refused as f64, ""),
    ];
    Verdict::of(TestId::T1, frames > 0 && differing == 0 && refused == 0, figures, "")
}

/// T1 end to end: two pictures of one street, a person here in one and there in the other. The pixels that leave may differ
/// only where exactly one of the two masks lies; where both lie, both hold the same fill.
#[must_use]
pub fn t1_outlines(masker: &dyn Masker, pairs: usize) -> Verdict {
    let mut dice = Dice::new(0x7102);
    let (mut outside, mut within, mut refused) = (0_usize, 0_usize, 0_usize);
    for _ in 0..pairs {
        let Ok(size) = Size::new(128, 96) else { break };
        let street = texture(size, &mut dice);
        let mut one = || -> Result<_, Refused> {
            let bbox = random_box(&mut dice, size, 8, 40);
            let boxes: [SeenBox; 1] = [seen(PeopleClass::Person, bbox)];
            masker.mask(&with_noise(&street, bbox, &mut dice).jpeg(jpeg_encoder::SamplingFactor::F_2_2, 85)?, &boxes)
        };
        let (Ok(a), Ok(b)) = (one(), one()) else {
            refused += 1;
            continue;
        };
        let width = a.picture.sides().0;
        let pixels = a.picture.rgb().chunks_exact(3).zip(b.picture.rgb().chunks_exact(3)).enumerate();
        for (at, _) in pixels.filter(|(_, (p, q))| p != q) {
            let (x, y) = ((at % width) as u16, (at / width) as u16);
            let under = |rects: &[vaern_door::Rect]| {
                rects.iter().any(|r| (r.x0()..r.x1()).contains(&x) && (r.y0()..r.y1()).contains(&y))
            };
            if under(&a.rects) == under(&b.rects) { outside += 1 } else { within += 1 }
        }
    }
    let figures = vec![
        Figure::new("pairs", pairs as f64, ""),
        Figure::new("differing outside", outside as f64, "px"),
        Figure::new("differing where one mask lies", within as f64, "px"),
    ];
    Verdict::of(TestId::T1, within > 0 && outside == 0 && refused == 0, figures, "outlines")
}
