//! A detector without a model: rows of letters as on a number plate, wherever they hang.
//!
//! No plate model is trusted, so plates are covered with the vehicle they belong to. A vehicle may be missed: too near, too
//! dark, cut by the frame. What makes a plate readable is what this looks for: at least five marks of one height, upright, in a
//! straight row, evenly spaced, darker or lighter than what is around them. It also finds the lettering of signs and stickers;
//! that costs little, and lettering on a container is nobody's loss.

mod ink;
mod marks;
mod rows;

use vaern_door::{Digest, Name, Rect, Size};

use self::ink::Ink;
use self::marks::marks;
use self::rows::rows;
use crate::detect::{DetectorFault, PeopleDetector, Picture, SeenBox};
use crate::policy::PeopleClass;

/// Name of the detector in policies.
pub(crate) const NAME: &str = "letter-rows";
/// Counted up with each change of what it finds: it stands in receipts for the digest of a model.
const VERSION: &[u8] = b"vaern letter-rows 1";

/// Side of the square that is searched at once.
const INPUT: u16 = 1280;
/// Plates reach past their letters: by this much of the letters' height.
const PLATE_X: f32 = 1.5;
const PLATE_Y: f32 = 0.6;

pub(crate) struct LetterRows {
    name: Name,
    size: Size,
}

impl LetterRows {
    pub(crate) fn new() -> Option<Self> {
        Some(Self { name: Name::new(NAME).ok()?, size: Size::new(INPUT, INPUT).ok()? })
    }
}

impl PeopleDetector for LetterRows {
    fn name(&self) -> &Name {
        &self.name
    }

    fn digest(&self) -> Digest {
        Digest::of(VERSION)
    }

    fn classes(&self) -> &[PeopleClass] {
        &[PeopleClass::Plate]
    }

    fn input(&self) -> Size {
        self.size
    }

    fn look(&self, picture: Picture<'_>, tile: Rect, floor: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        let frame = picture.size();
        let (rgb, size, tile) = match picture.scaled() {
            Some(scaled) => (scaled.level, scaled.size, scaled.tile),
            None => (picture.rgb(), frame, tile),
        };
        let ink = Ink::of(rgb, size, tile).ok_or(DetectorFault)?;
        let up_x = f32::from(frame.width()) / f32::from(size.width());
        let up_y = f32::from(frame.height()) / f32::from(size.height());
        let mut found = Vec::new();
        for ink in [&ink.darker, &ink.lighter] {
            for row in rows(&marks(ink)) {
                // Five letters may be chance, seven hardly.
                let score = 0.4 + 0.05 * row.letters as f32;
                let x = |v: f32| (f32::from(tile.x0()) + v) * up_x;
                let y = |v: f32| (f32::from(tile.y0()) + v) * up_y;
                let (dx, dy) = (row.height * PLATE_X, row.height * PLATE_Y);
                found.push(SeenBox {
                    class: PeopleClass::Plate,
                    x0: x(row.x0 - dx),
                    y0: y(row.y0 - dy),
                    x1: x(row.x1 + dx),
                    y1: y(row.y1 + dy),
                    score: score.min(1.0),
                });
            }
        }
        found.retain(|b| b.score >= floor);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A plate with strokes as letters, drawn on a grey of its own.
    fn plate(size: Size, at: (usize, usize), height: usize, tilt: f32, dark: bool, letters: usize) -> Vec<u8> {
        let mut grey = vec![100_u8; size.pixels()];
        let (paper, ink) = if dark { (210, 30) } else { (40, 220) };
        let wide = usize::from(size.width());
        let (w, gap) = (height / 2, height / 4 + 1);
        let mut put = |x: usize, y: usize, v: u8| {
            if x < wide && y < usize::from(size.height()) {
                grey[y * wide + x] = v;
            }
        };
        let length = letters * (w + gap) + 2 * gap;
        for x in 0..length {
            let down = (x as f32 * tilt) as usize;
            for y in 0..height + height / 2 {
                put(at.0 + x, at.1 + y + down, paper);
            }
        }
        let stroke = (height / 8).max(1);
        for letter in 0..letters {
            let left = gap + letter * (w + gap);
            for x in 0..w {
                let down = ((left + x) as f32 * tilt) as usize;
                for y in 0..height {
                    let rim = x < stroke || y < stroke || letter % 2 == 0 && x + stroke >= w;
                    if rim {
                        put(at.0 + left + x, at.1 + height / 4 + y + down, ink);
                    }
                }
            }
        }
        grey.iter().flat_map(|v| [*v; 3]).collect()
    }

    fn look(rgb: &[u8], size: Size) -> Vec<SeenBox> {
        let picture = Picture::plain(rgb, size);
        LetterRows::new().unwrap().look(picture, Rect::whole(size), 0.5).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn frm_17n_a_plate_without_a_vehicle_is_found_to_its_last_letter(
            x in 10_usize..200, y in 10_usize..150, height in 10_usize..40, tilt in 0.0_f32..0.15, dark in any::<bool>(),
        ) {
            let size = Size::new(640, 320).unwrap();
            let found = look(&plate(size, (x, y), height, tilt, dark, 6), size);
            let right = (x + 6 * (height / 2 + height / 4 + 1)) as f32;
            prop_assert!(
                found.iter().any(|b| b.x0 <= x as f32 + 2.0 && b.x1 >= right && b.y0 <= y as f32 + height as f32 / 4.0),
                "{:?}", found
            );
        }
    }

    #[test]
    fn frm_17p_walls_bars_and_noise_are_no_plates() {
        let size = Size::new(400, 300).unwrap();
        assert!(look(&vec![128; size.rgb_bytes()], size).is_empty());
        // A railing: marks as tall as the picture.
        let bars: Vec<u8> = (0..size.pixels()).flat_map(|i| [if (i % 400) % 12 < 4 { 20 } else { 200 }; 3]).collect();
        assert!(look(&bars, size).is_empty());
        // Four letters are too few.
        let four = plate(size, (20, 20), 20, 0.0, true, 4);
        assert!(look(&four, size).is_empty());
    }
}
