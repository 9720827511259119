//! The mask itself: rectangles filled with a constant. Integers only, and nothing read from under the mask (FRM-01, FRM-14).

use vaern_door::{Rect, Size, guard};

use crate::raw::RawFrame;

/// A rectangle of the upright frame and the colour that replaces what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MaskedRect {
    /// Where, in pixels of the upright frame.
    pub(crate) rect: Rect,
    /// Red, green, blue.
    pub(crate) fill: [u8; 3],
}

/// All rectangles of one frame, in the order they are filled. The order depends on rules and boxes only, never on pixels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MaskSet {
    rects: Vec<MaskedRect>,
}

impl MaskSet {
    /// Takes the rectangles, leaving out those that lie wholly under a later one.
    pub(crate) fn new(rects: Vec<MaskedRect>) -> Self {
        let mut kept: Vec<MaskedRect> = Vec::with_capacity(rects.len());
        for rect in rects {
            let covers = |a: Rect, b: Rect| a.intersection(b) == Some(b);
            kept.retain(|k| !covers(rect.rect, k.rect));
            if !kept.iter().any(|k| k.fill == rect.fill && covers(k.rect, rect.rect)) {
                kept.push(rect);
            }
        }
        Self { rects: kept }
    }

    /// The rectangles.
    pub(crate) fn rects(&self) -> &[MaskedRect] {
        &self.rects
    }

    /// Part of the frame that is masked, 0.0 to 1.0.
    pub(crate) fn fraction(&self, size: Size) -> f64 {
        let rects: Vec<Rect> = self.rects.iter().map(|r| r.rect).collect();
        Rect::whole(size).covered_by(&rects) as f64 / size.pixels() as f64
    }
}

/// Masks the frame.
pub(crate) fn mask(frame: &mut RawFrame, set: &MaskSet) {
    let size = frame.size();
    fill(frame.rgb_mut(), size, set.rects());
}

/// Fills rectangles of an RGB picture. What reaches past the picture is cut off.
pub(crate) fn fill(rgb: &mut [u8], size: Size, rects: &[MaskedRect]) {
    if !guard::stands("privacy.fill") {
        return;
    }
    for masked in rects {
        let Some(rect) = masked.rect.intersection(Rect::whole(size)) else { continue };
        let line: Vec<u8> = masked.fill.iter().copied().cycle().take(usize::from(rect.width()) * 3).collect();
        let (top, left) = (usize::from(rect.y0()), usize::from(rect.x0()) * 3);
        let rows = rgb.chunks_exact_mut(usize::from(size.width()) * 3).skip(top).take(usize::from(rect.height()));
        for row in rows {
            if let Some(target) = row.get_mut(left..left + line.len()) {
                target.copy_from_slice(&line);
            }
        }
    }
}
