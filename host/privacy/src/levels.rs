//! The frame at the scales that the detectors see it at, and the tiles that cover each of them.
//!
//! A level is made once and shared by all detectors, from the next larger one, so that twelve megapixels are read once and
//! not once per tile. Levels hold raw pixels: they are kept as the frame itself is, live as long as the
//! search, and are zeroed when it ends.

use vaern_door::{Rect, Size};
use vaern_memory::Pages;

use crate::policy::TileRules;
use crate::refusal::{MaskingFault, Refusal};
use crate::resize::resized;

/// A level is left out unless it shows the frame this much larger than the whole-frame search does.
const WORTH: f64 = 1.2;
/// Neighbouring levels are at most this factor apart: what is too large for one is large enough for the next.
const LARGEST_STEP: f64 = 2.5;

/// One detector at one level: where it looks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    /// Size of the level.
    pub(crate) level: Size,
    /// Tiles in pixels of the level, each at most as large as the detector's input.
    pub(crate) tiles: Vec<Rect>,
    /// Whether the one tile is the whole frame: then a box is kept at any size.
    pub(crate) whole: bool,
}

/// Where a detector with this input looks everywhere: the whole frame, then each scale's grid of overlapping tiles.
pub(crate) fn everywhere(frame: Size, input: Size, rules: &TileRules, max_scale: f64) -> Vec<Look> {
    let fitted = fit(frame, input);
    let whole_scale = scale_of(frame, fitted);
    let mut looks = vec![Look { level: fitted, tiles: vec![Rect::whole(fitted)], whole: true }];
    let mut scales: Vec<f64> =
        rules.scales.iter().copied().filter(|s| *s <= max_scale && *s > whole_scale * WORTH).collect();
    scales.sort_by(f64::total_cmp);
    // A large frame shrinks so far in the whole-frame search that a gap opens below the policy's lowest scale.
    while let Some(lowest) = scales.first().copied().filter(|s| s / whole_scale > LARGEST_STEP) {
        let between = lowest / 2.0;
        if between <= whole_scale * WORTH {
            break;
        }
        scales.insert(0, between);
    }
    looks.extend(scales.into_iter().map(|scale| grid(frame, input, scale, rules.overlap)));
    looks
}

/// Where a detector looks at the fine scale, if that shows it more than the levels of [`everywhere`] do.
pub(crate) fn fine(frame: Size, input: Size, rules: &TileRules, max_scale: f64) -> Option<Look> {
    let scale = rules.fine.filter(|fine| *fine <= max_scale)?;
    (scale > scale_of(frame, fit(frame, input)) * WORTH).then(|| grid(frame, input, scale, rules.overlap))
}

fn grid(frame: Size, input: Size, scale: f64, overlap: f64) -> Look {
    let side = |side: u16| ((f64::from(side) * scale).round() as u16).max(1);
    let level = Size::new(side(frame.width()), side(frame.height())).unwrap_or(frame);
    let mut tiles = Vec::new();
    for (y0, y1) in spans(level.height(), input.height(), overlap) {
        for (x0, x1) in spans(level.width(), input.width(), overlap) {
            tiles.extend(Rect::new(x0, y0, x1, y1));
        }
    }
    Look { level, tiles, whole: false }
}

/// The frame fitted into a detector's input, enlarged where it is smaller.
fn fit(frame: Size, input: Size) -> Size {
    let spec = vaern_door::TensorSpec {
        size: input,
        fit: vaern_door::Fit::LetterboxTopLeft,
        scale: vaern_door::Scale::ZeroToOne,
        channels: vaern_door::Channels::Rgb,
    };
    spec.placement(frame).size
}

fn scale_of(frame: Size, level: Size) -> f64 {
    let (w, h) =
        (f64::from(level.width()) / f64::from(frame.width()), f64::from(level.height()) / f64::from(frame.height()));
    w.max(h)
}

/// Equal spans of `tile` pixels that cover `side`, each overlapping the next by at least the asked part.
fn spans(side: u16, tile: u16, overlap: f64) -> Vec<(u16, u16)> {
    if tile >= side {
        return vec![(0, side)];
    }
    let step = ((f64::from(tile) * (1.0 - overlap)).floor() as u16).max(1);
    let count = (u32::from(side - tile)).div_ceil(u32::from(step)) + 1;
    (0..count)
        .map(|i| {
            // Spread evenly, so that the overlap is shared and the last tile ends on the edge.
            let start = u32::from(side - tile) * i / (count - 1).max(1);
            let start = u16::try_from(start).unwrap_or(side - tile);
            (start, start + tile)
        })
        .collect()
}

/// The levels of one frame.
pub(crate) struct Levels<'a> {
    frame: (&'a [u8], Size),
    made: Vec<(Pages, Size)>,
}

impl<'a> Levels<'a> {
    pub(crate) const fn of(rgb: &'a [u8], size: Size) -> Self {
        Self { frame: (rgb, size), made: Vec::new() }
    }

    /// Makes the levels that are not there yet, largest first.
    pub(crate) fn make(&mut self, sizes: impl IntoIterator<Item = Size>) -> Result<(), Refusal> {
        let mut missing: Vec<Size> = sizes.into_iter().filter(|size| self.get(*size).is_none()).collect();
        missing.sort_unstable_by_key(|size| std::cmp::Reverse((size.pixels(), size.width())));
        missing.dedup();
        for size in missing {
            let larger = |from: &Size| from.width() >= size.width() && from.height() >= size.height();
            let nearest = self.made.iter().filter(|(_, from)| larger(from)).min_by_key(|(_, from)| from.pixels());
            let (rgb, from) = nearest.map_or(self.frame, |(rgb, from)| (&**rgb, *from));
            let level = resized(rgb, from, size).ok_or(MaskingFault::DetectorFailed)?;
            self.made.push((level, size));
        }
        Ok(())
    }

    /// RGB rows of a level that was made, or of the frame itself.
    pub(crate) fn get(&self, size: Size) -> Option<&[u8]> {
        if size == self.frame.1 {
            return Some(self.frame.0);
        }
        self.made.iter().find(|(_, made)| *made == size).map(|(rgb, _)| &**rgb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(w: u16, h: u16) -> Size {
        Size::new(w, h).unwrap()
    }

    fn rules(scales: &[f64], fine: Option<f64>, overlap: f64) -> TileRules {
        TileRules { scales: scales.to_vec(), overlap, fine, fine_everywhere_px: 0 }
    }

    proptest! {
        #[test]
        fn frm_19_every_object_up_to_the_overlap_lies_whole_in_a_tile(
            side in 200_u16..5000, tile in 64_u16..1400, overlap in 0.1_f64..0.5, at in 0.0_f64..1.0,
        ) {
            let object = ((f64::from(tile) * overlap).floor() as u16).min(side).max(1);
            let start = (f64::from(side - object) * at) as u16;
            let whole = spans(side, tile, overlap).iter().any(|(a, b)| *a <= start && start + object <= *b);
            prop_assert!(whole);
        }

        #[test]
        fn frm_19_levels_are_covered_and_never_far_apart(
            w in 16_u16..9000, h in 16_u16..9000, input in 160_u16..700,
        ) {
            let frame = size(w, h);
            let looks = everywhere(frame, size(input, input), &rules(&[0.25, 0.5, 1.0], None, 0.125), 1.0);
            prop_assert!(looks[0].whole && looks[0].tiles.len() == 1);
            for look in &looks {
                prop_assert_eq!(Rect::whole(look.level).covered_by(&look.tiles), Rect::whole(look.level).area());
                prop_assert!(look.tiles.iter().all(|t| t.width() <= input && t.height() <= input));
            }
            for pair in looks.windows(2) {
                let step = scale_of(frame, pair[1].level) / scale_of(frame, pair[0].level);
                prop_assert!(step <= 2.0 * LARGEST_STEP / WORTH, "{step}");
            }
        }
    }

    #[test]
    fn tiles_of_12_megapixels() {
        let looks = everywhere(size(4000, 3000), size(640, 640), &rules(&[0.5], None, 0.1), 1.0);
        let tiles: Vec<usize> = looks.iter().map(|l| l.tiles.len()).collect();
        // The whole frame at 0.16, a quarter put in between, then half.
        assert_eq!(tiles, [1, 2 * 2, 4 * 3]);
        assert!(looks[2].tiles.iter().all(|t| t.width() == 640 && t.height() == 640));
        let fine = fine(size(4000, 3000), size(640, 640), &rules(&[0.5], Some(1.0), 0.1), 1.0).unwrap();
        assert_eq!((fine.level, fine.tiles.len()), (size(4000, 3000), 7 * 6));
        assert_eq!(super::fine(size(600, 600), size(640, 640), &rules(&[0.5], Some(1.0), 0.1), 1.0), None);
    }

    #[test]
    fn a_level_is_made_once_and_the_frame_is_a_level() {
        let frame = vec![7_u8; 300];
        let mut levels = Levels::of(&frame, size(10, 10));
        levels.make([size(5, 5), size(2, 2), size(5, 5), size(10, 10), size(20, 20)]).unwrap();
        assert_eq!(levels.made.len(), 3);
        assert!(levels.get(size(2, 2)).unwrap().iter().all(|v| *v == 7));
        assert_eq!(levels.get(size(10, 10)), Some(frame.as_slice()));
        assert_eq!(levels.get(size(3, 3)), None);
    }
}
