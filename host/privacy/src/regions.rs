//! From boxes to masks: grown, cut to the frame, snapped outward to the compression grid of the stored picture (FRM-13).

use std::collections::BTreeMap;

use vaern_door::{Rect, Size, guard};

use crate::camera::CameraProfile;
use crate::carry::Carried;
use crate::detect::{DetectionsProof, Found};
use crate::mask::{MaskSet, MaskedRect};
use crate::policy::{BodyRule, MaskingPolicy, PeopleClass, RegionRule};
use crate::raw::RawFrame;
use crate::refusal::{MaskingFault, Refusal};
use crate::shadow::Light;

/// Everything about a frame that decides how a rectangle is snapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snap {
    stored: Size,
    orientation: crate::orient::Orientation,
    grid: (u16, u16),
    margin: u16,
}

impl Snap {
    pub(crate) fn of(frame: &RawFrame, margin: u16) -> Self {
        let grid = if guard::stands("privacy.grid-snap") { frame.grid() } else { (1, 1) };
        let margin = if guard::stands("privacy.margin") { margin } else { 0 };
        Self { stored: frame.stored_size(), orientation: frame.orientation(), grid, margin }
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

/// What is to be masked in a frame.
pub(crate) struct Plan {
    /// All masks.
    pub(crate) set: MaskSet,
    /// Those of them that a detector saw: the ones to carry on to the next frame.
    pub(crate) seen: Vec<MaskedRect>,
}

/// The masks of a frame: fixed parts of the camera first, then shadows, what the frame before handed on, and what the
/// detectors saw, class by class.
pub(crate) fn plan(
    frame: &RawFrame,
    proof: &DetectionsProof,
    policy: &MaskingPolicy,
    camera: Option<&CameraProfile>,
    handed: &Carried,
) -> Result<Plan, Refusal> {
    if guard::stands("privacy.proof-of-this-frame") && proof.token() != frame.token() {
        return Err(MaskingFault::ProofMismatch.into());
    }
    let snap = Snap::of(frame, policy.margin_px());
    let size = frame.size();
    let mut rects = Vec::new();
    let fixed_masks = camera.filter(|_| guard::stands("privacy.fixed-masks")).map(|c| c.fixed_mask.as_slice());
    for fixed in fixed_masks.unwrap_or_default() {
        for rect in polygon_rects(&fixed.polygon, size) {
            rects.extend(snap.outward(rect).map(|rect| MaskedRect { rect, fill: policy.fixed_fill() }));
        }
    }
    rects.extend(shadows(frame, proof, policy, camera, &snap));
    for handed in handed.masks() {
        rects.extend(snap.outward(handed.rect).map(|rect| MaskedRect { rect, ..handed }));
    }
    let before = rects.len();
    for (class, rule) in policy.regions() {
        for found in proof.boxes().iter().filter(|b| b.seen.class == *class) {
            let rect = grown(found, rule, size).and_then(|rect| snap.outward(rect));
            rects.extend(rect.map(|rect| MaskedRect { rect, fill: rule.fill }));
        }
    }
    let body_rule = policy.region(PeopleClass::Face).and_then(|face| face.body.as_ref());
    if let Some(rule) = body_rule.filter(|_| guard::stands("privacy.body")) {
        // Drawn as the person that it stands for.
        let fill = policy.region(PeopleClass::Person).map_or(policy.fixed_fill(), |person| person.fill);
        for face in proof.boxes().iter().filter(|b| b.seen.class == PeopleClass::Face) {
            let rect = body(face, rule, size).and_then(|rect| snap.outward(rect));
            rects.extend(rect.map(|rect| MaskedRect { rect, fill }));
        }
    }
    let seen = rects.get(before..).unwrap_or_default().to_vec();
    Ok(Plan { set: MaskSet::new(rects), seen })
}

/// Shadows of the persons that were seen, where sun, heading and camera tell where they fall.
fn shadows(
    frame: &RawFrame,
    proof: &DetectionsProof,
    policy: &MaskingPolicy,
    camera: Option<&CameraProfile>,
    snap: &Snap,
) -> Vec<MaskedRect> {
    let size = frame.size();
    let light = || Light::of(policy.shadows()?, frame.place()?.open(), camera?, size);
    let Some(light) = light().filter(|_| guard::stands("privacy.shadows")) else { return Vec::new() };
    let fill = policy.region(PeopleClass::Person).map_or(policy.fixed_fill(), |person| person.fill);
    let persons = proof.boxes().iter().filter(|b| b.seen.class == PeopleClass::Person);
    let rects = persons.map(edges).flat_map(|(x0, _, x1, y1)| light.shadow((x0, x1, y1), size));
    rects.filter_map(|rect| snap.outward(rect)).map(|rect| MaskedRect { rect, fill }).collect()
}

/// Groups of boxes that touch, for each class that is masked: several tiles and detectors see one person several times.
pub(crate) fn count(proof: &DetectionsProof, policy: &MaskingPolicy, size: Size) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (class, rule) in policy.regions() {
        let masked = proof.boxes().iter().filter(|b| b.seen.class == *class);
        let mut groups: Vec<Vec<Rect>> = Vec::new();
        for rect in masked.filter_map(|found| grown(found, rule, size)) {
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
fn grown(found: &Found, rule: &RegionRule, size: Size) -> Option<Rect> {
    let (x0, y0, x1, y1) = edges(found);
    let cabin = rule.cabin.is_some_and(|cabin| y1 - y0 >= cabin.from_px && found.seen.score >= cabin.threshold);
    let whole = cabin && guard::stands("privacy.cabin");
    let y0 = rule.cover_lower.filter(|_| !whole).map_or(y0, |part| y1 - (y1 - y0) * part);
    let (cx, cy) = (f64::midpoint(x0, x1), f64::midpoint(y0, y1));
    let slack = rule.slack_px * found.px;
    let (grow_x, grow_y) = if guard::stands("privacy.grow") { (rule.grow_x, rule.grow_y) } else { (1.0, 1.0) };
    let (hw, hh) = ((x1 - x0) / 2.0 * grow_x + slack, (y1 - y0) / 2.0 * grow_y + slack);
    outward(cx - hw, cy - hh, cx + hw, cy + hh, size)
}

/// Where the body of a face must be: from the chin down, to both sides of it.
fn body(face: &Found, rule: &BodyRule, size: Size) -> Option<Rect> {
    if face.seen.score < rule.threshold {
        return None;
    }
    let (x0, _, x1, y1) = edges(face);
    let (cx, half) = (f64::midpoint(x0, x1), (x1 - x0) / 2.0 * rule.widths);
    let height = f64::from((face.seen.y1 - face.seen.y0).abs());
    outward(cx - half, y1 - height / 2.0, cx + half, y1 + height * rule.heads, size)
}

/// Left, upper, right, lower edge.
fn edges(found: &Found) -> (f64, f64, f64, f64) {
    let [x0, y0, x1, y1] = [found.seen.x0, found.seen.y0, found.seen.x1, found.seen.y1].map(f64::from);
    (x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1))
}

/// The smallest rectangle of whole pixels around these edges, cut to the frame.
pub(crate) fn outward(x0: f64, y0: f64, x1: f64, y1: f64, size: Size) -> Option<Rect> {
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
