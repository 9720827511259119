//! From boxes to masks: grown, cut to the frame, snapped outward to the compression grid of the stored picture (FRM-13).

use std::collections::BTreeMap;

use vaern_door::{Rect, Size};

use crate::camera::CameraProfile;
use crate::detect::{DetectionsProof, SeenBox};
use crate::mask::{MaskSet, MaskedRect};
use crate::policy::{MaskingPolicy, RegionRule};
use crate::raw::RawFrame;
use crate::refusal::{MaskingFault, Refusal};

/// Everything about a frame that decides how a rectangle is snapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snap {
    stored: Size,
    orientation: crate::orient::Orientation,
    grid: (u16, u16),
    margin: u16,
}

impl Snap {
    pub(crate) const fn of(frame: &RawFrame, margin: u16) -> Self {
        Self { stored: frame.stored_size(), orientation: frame.orientation(), grid: frame.grid(), margin }
    }

    /// Snaps a rectangle of the upright frame outward: to the grid of the stored picture, then by the margin.
    pub(crate) fn outward(&self, upright: Rect) -> Option<Rect> {
        let stored = self.orientation.to_stored(upright, self.stored)?;
        let low = |v: u16, grid: u16| (v / grid * grid).saturating_sub(self.margin);
        let high = |v: u16, grid: u16, side: u16| {
            let snapped = u32::from(v).div_ceil(u32::from(grid)) * u32::from(grid) + u32::from(self.margin);
            u16::try_from(snapped).unwrap_or(u16::MAX).min(side)
        };
        let snapped = Rect::new(
            low(stored.x0(), self.grid.0),
            low(stored.y0(), self.grid.1),
            high(stored.x1(), self.grid.0, self.stored.width()),
            high(stored.y1(), self.grid.1, self.stored.height()),
        )
        .ok()?;
        self.orientation.to_upright(snapped, self.stored)
    }
}

/// The masks of a frame: fixed parts of the camera first, then what the detectors saw, class by class.
pub(crate) fn plan(
    frame: &RawFrame,
    proof: &DetectionsProof,
    policy: &MaskingPolicy,
    camera: Option<&CameraProfile>,
) -> Result<MaskSet, Refusal> {
    if proof.token() != frame.token() {
        return Err(MaskingFault::ProofMismatch.into());
    }
    let snap = Snap::of(frame, policy.margin_px());
    let size = frame.size();
    let mut rects = Vec::new();
    for fixed in camera.map(|c| c.fixed_mask.as_slice()).unwrap_or_default() {
        for rect in polygon_rects(&fixed.polygon, size) {
            rects.extend(snap.outward(rect).map(|rect| MaskedRect { rect, fill: policy.fixed_fill() }));
        }
    }
    for (class, rule) in policy.regions() {
        for seen in proof.boxes().iter().filter(|b| b.class == *class && b.score >= rule.threshold) {
            let rect = grown(seen, rule, size).and_then(|rect| snap.outward(rect));
            rects.extend(rect.map(|rect| MaskedRect { rect, fill: rule.fill }));
        }
    }
    Ok(MaskSet::new(rects))
}

/// Groups of boxes that touch, for each class that is masked: several tiles and detectors see one person several times.
pub(crate) fn count(proof: &DetectionsProof, policy: &MaskingPolicy, size: Size) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (class, rule) in policy.regions() {
        let masked = proof.boxes().iter().filter(|b| b.class == *class && b.score >= rule.threshold);
        let mut groups: Vec<Vec<Rect>> = Vec::new();
        for rect in masked.filter_map(|seen| grown(seen, rule, size)) {
            let (touching, mut apart): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|group| group.iter().any(|other| other.iou(rect) > 0.2));
            apart.push(touching.into_iter().flatten().chain([rect]).collect());
            groups = apart;
        }
        if !groups.is_empty() {
            counts.insert(class.as_str(), groups.len());
        }
    }
    counts
}

/// A box grown around its middle and cut to the frame. There is no least size (FRM-18); only a box wholly outside vanishes.
fn grown(seen: &SeenBox, rule: &RegionRule, size: Size) -> Option<Rect> {
    let [x0, y0, x1, y1] = [seen.x0, seen.y0, seen.x1, seen.y1].map(f64::from);
    let (x0, x1, y0, y1) = (x0.min(x1), x0.max(x1), y0.min(y1), y0.max(y1));
    let y0 = rule.cover_lower.map_or(y0, |part| y1 - (y1 - y0) * part);
    let (cx, cy) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
    let (hw, hh) = ((x1 - x0) / 2.0 * rule.grow_x, (y1 - y0) / 2.0 * rule.grow_y);
    outward(cx - hw, cy - hh, cx + hw, cy + hh, size)
}

/// The smallest rectangle of whole pixels around these edges, cut to the frame.
fn outward(x0: f64, y0: f64, x1: f64, y1: f64, size: Size) -> Option<Rect> {
    let (width, height) = (f64::from(size.width()), f64::from(size.height()));
    if x1 < 0.0 || y1 < 0.0 || x0 > width || y0 > height {
        return None;
    }
    // A box of no width still marks a pixel; one on the far edge marks the last.
    let x0 = x0.floor().clamp(0.0, width - 1.0);
    let y0 = y0.floor().clamp(0.0, height - 1.0);
    let x1 = x1.ceil().clamp(x0 + 1.0, width);
    let y1 = y1.ceil().clamp(y0 + 1.0, height);
    // The values are whole and within u16: casts from float saturate.
    Rect::new(x0 as u16, y0 as u16, x1 as u16, y1 as u16).ok()
}

/// Bands of eight rows that cover a polygon: in each, the whole span between its leftmost and rightmost touch.
fn polygon_rects(polygon: &[[f64; 2]], size: Size) -> Vec<Rect> {
    const BAND: u16 = 8;
    let (width, height) = (f64::from(size.width()), f64::from(size.height()));
    let corners: Vec<(f64, f64)> = polygon.iter().map(|[x, y]| (x * width, y * height)).collect();
    let next = corners.iter().skip(1).chain(corners.first());
    let edges: Vec<_> = corners.iter().zip(next).map(|(a, b)| (*a, *b)).collect();
    let mut rects = Vec::new();
    let mut top = 0_u16;
    while top < size.height() {
        let bottom = top.saturating_add(BAND).min(size.height());
        let (y0, y1) = (f64::from(top), f64::from(bottom));
        let mut span: Option<(f64, f64)> = None;
        for ((ax, ay), (bx, by)) in &edges {
            let (low, high) = (ay.min(*by).max(y0), ay.max(*by).min(y1));
            if low > high {
                continue;
            }
            let at = |y: f64| if (by - ay).abs() < f64::EPSILON { *ax } else { ax + (bx - ax) * (y - ay) / (by - ay) };
            let level = (by - ay).abs() < f64::EPSILON;
            let (p, q) = if level { (*ax, *bx) } else { (at(low), at(high)) };
            let (left, right) = (p.min(q), p.max(q));
            span = Some(span.map_or((left, right), |(l, r)| (l.min(left), r.max(right))));
        }
        rects.extend(span.and_then(|(left, right)| outward(left, y0, right, y1, size)));
        top = bottom;
    }
    rects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_is_covered_by_its_bands() {
        let size = Size::new(100, 80).unwrap();
        let triangle = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]];
        let rects = polygon_rects(&triangle, size);
        for x in 0..100_u16 {
            for y in 0..40_u16 {
                // In whole numbers: below the left side, and not merely touching the right one.
                let (y100, left, right) = (u32::from(y) * 100, u32::from(x) * 80, u32::from(100 - x) * 80);
                if y100 <= left && y100 < right {
                    let dot = Rect::new(x, y, x + 1, y + 1).unwrap();
                    assert!(dot.covered_by(&rects) == 1, "{x},{y}");
                }
            }
        }
        assert!(rects.iter().all(|r| r.y1() <= 48), "nothing far below the tip");
    }

    #[test]
    fn frm_18_a_box_of_no_size_still_marks_a_pixel() {
        let size = Size::new(10, 10).unwrap();
        assert_eq!(outward(3.2, 3.2, 3.2, 3.2, size), Rect::new(3, 3, 4, 4).ok());
        assert_eq!(outward(10.0, 10.0, 10.0, 10.0, size), Rect::new(9, 9, 10, 10).ok());
        assert_eq!(outward(-5.0, 0.0, -1.0, 4.0, size), None);
    }
}
