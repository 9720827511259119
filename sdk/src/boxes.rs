//! From a model's boxes to pixels of the frame: where the picture lies inside a tensor, and which boxes mean the same thing.

use std::cmp::Ordering;

use crate::{Fit, Region, Size, TensorSpec};

/// Where the picture lies inside the tensor, in tensor pixels. The same integers as on the host's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Left edge of the picture.
    pub x: u16,
    /// Upper edge of the picture.
    pub y: u16,
    /// Size of the picture inside the tensor.
    pub size: Size,
    /// Size of the frame that was fitted.
    pub frame: Size,
}

impl TensorSpec {
    /// Where a frame of this size lies inside the tensor.
    #[must_use]
    pub fn placement(&self, frame: Size) -> Placement {
        let whole = Placement { x: 0, y: 0, size: self.size, frame };
        let (w, h) = (u64::from(frame.width), u64::from(frame.height));
        let (tw, th) = (u64::from(self.size.width), u64::from(self.size.height));
        if self.fit == Fit::Stretch || w == 0 || h == 0 || tw == 0 || th == 0 {
            return whole;
        }
        // Scale by the tighter axis and round to nearest, in integers: a box that is mapped back by other numbers
        // than the host placed it with is off by a pixel at the far edge.
        let (pw, ph) = if w * th >= h * tw { (tw, (h * tw + w / 2) / w) } else { ((w * th + h / 2) / h, th) };
        let width = u16::try_from(pw.clamp(1, tw)).unwrap_or(self.size.width);
        let height = u16::try_from(ph.clamp(1, th)).unwrap_or(self.size.height);
        let (x, y) = match self.fit {
            Fit::LetterboxCentre => ((self.size.width - width) / 2, (self.size.height - height) / 2),
            Fit::Stretch | Fit::LetterboxTopLeft => (0, 0),
        };
        Placement { x, y, size: Size { width, height }, frame }
    }
}

impl Placement {
    /// Maps a box in tensor pixels back to the frame: clipped to it, rounded to whole pixels. Nothing where no whole
    /// pixel is left, or where a corner is not a finite number.
    #[must_use]
    pub fn to_frame(&self, x0: f32, y0: f32, x1: f32, y1: f32) -> Option<Region> {
        let (x, width) = span(x0, x1, self.x, self.size.width, self.frame.width)?;
        let (y, height) = span(y0, y1, self.y, self.size.height, self.frame.height)?;
        Some(Region { x, y, width, height })
    }
}

/// One axis of a box: start and length in frame pixels.
fn span(from: f32, to: f32, offset: u16, placed: u16, frame: u16) -> Option<(u16, u16)> {
    if !from.is_finite() || !to.is_finite() || placed == 0 {
        return None;
    }
    let map = |v: f32| {
        let v = (f64::from(v) - f64::from(offset)) * f64::from(frame) / f64::from(placed);
        // The clamp makes the conversion exact: what is left is a whole number from 0 to 65,535.
        (v + 0.5).floor().clamp(0.0, f64::from(frame)) as u16
    };
    let (start, end) = (map(from), map(to));
    (end > start).then(|| (start, end - start))
}

/// A box as a model gives it, before it becomes a detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Index into the labels.
    pub label: u16,
    /// 0.0 to 1.0.
    pub score: f32,
    /// Left edge.
    pub x0: f32,
    /// Upper edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Lower edge.
    pub y1: f32,
}

impl Candidate {
    fn area(&self) -> f32 {
        (self.x1 - self.x0).max(0.0) * (self.y1 - self.y0).max(0.0)
    }

    /// Intersection over union, 0.0 to 1.0. Empty boxes overlap nothing.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let width = (self.x1.min(other.x1) - self.x0.max(other.x0)).max(0.0);
        let height = (self.y1.min(other.y1) - self.y0.max(other.y0)).max(0.0);
        let both = width * height;
        let either = self.area() + other.area() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }

    fn is_finite(&self) -> bool {
        [self.score, self.x0, self.y0, self.x1, self.y1].iter().all(|v| v.is_finite())
    }

    /// Strongest first; equals are told apart by label and corners, so that the answer never depends on the order in
    /// which a model lists its boxes.
    fn rank(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.label.cmp(&other.label))
            .then(self.x0.total_cmp(&other.x0))
            .then(self.y0.total_cmp(&other.y0))
            .then(self.x1.total_cmp(&other.x1))
            .then(self.y1.total_cmp(&other.y1))
    }
}

/// Which boxes may suppress each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppress {
    /// Only boxes of the same label.
    SameLabel,
    /// Boxes of any label: one thing, one answer.
    AnyLabel,
}

/// Greedy non-maximum suppression: of boxes that overlap by more than `iou`, the strongest stays. Boxes with a value
/// that is not finite are dropped. The answer is sorted, strongest first, and depends on the set of boxes alone.
#[must_use]
pub fn suppress(mut candidates: Vec<Candidate>, iou: f32, which: Suppress) -> Vec<Candidate> {
    candidates.retain(Candidate::is_finite);
    candidates.sort_by(Candidate::rank);
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let rivals = |k: &&Candidate| which == Suppress::AnyLabel || k.label == candidate.label;
        if !kept.iter().filter(rivals).any(|k| k.iou(&candidate) > iou) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(label: u16, score: f32, x0: f32, x1: f32) -> Candidate {
        Candidate { label, score, x0, y0: 0.0, x1, y1: 10.0 }
    }

    #[test]
    fn the_strongest_of_overlapping_boxes_stays() {
        let all = vec![
            candidate(0, 0.8, 0.0, 10.0),
            candidate(0, 0.9, 1.0, 11.0),
            candidate(1, 0.7, 1.0, 11.0),
            candidate(0, 0.5, 50.0, 60.0),
        ];
        let same = suppress(all.clone(), 0.5, Suppress::SameLabel);
        assert_eq!(same, [all[1], all[2], all[3]]);
        assert_eq!(suppress(all.clone(), 0.5, Suppress::AnyLabel), [all[1], all[3]]);
    }

    #[test]
    fn the_order_of_the_boxes_does_not_matter() {
        let mut all: Vec<Candidate> =
            (0_u16..40).map(|i| candidate(i % 3, 0.5, f32::from(i * 3 % 17), f32::from(i * 3 % 17) + 6.0)).collect();
        let forwards = suppress(all.clone(), 0.3, Suppress::SameLabel);
        all.reverse();
        assert_eq!(suppress(all.clone(), 0.3, Suppress::SameLabel), forwards);
        all.swap(0, 20);
        assert_eq!(suppress(all, 0.3, Suppress::SameLabel), forwards);
        assert!(forwards.len() > 3);
    }

    #[test]
    fn boxes_that_are_no_numbers_are_dropped_and_take_nothing_with_them() {
        let honest = candidate(0, 0.6, 0.0, 10.0);
        for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let all = vec![candidate(0, poison, 0.0, 10.0), honest, Candidate { x1: poison, ..honest }];
            assert_eq!(suppress(all, 0.5, Suppress::AnyLabel), [honest]);
        }
    }

    #[test]
    fn a_box_finds_its_way_back() {
        let spec = TensorSpec {
            size: Size { width: 640, height: 384 },
            fit: Fit::LetterboxCentre,
            scale: crate::Scale::ZeroToOne,
            channels: crate::Channels::Rgb,
        };
        let placed = spec.placement(Size { width: 1280, height: 720 });
        assert_eq!((placed.x, placed.y, placed.size), (0, 12, Size { width: 640, height: 360 }));
        let region = |x, y, width, height| Some(Region { x, y, width, height });
        assert_eq!(placed.to_frame(10.0, 22.0, 20.0, 32.0), region(20, 20, 20, 20));
        assert_eq!(placed.to_frame(-50.0, -50.0, 9999.0, 9999.0), region(0, 0, 1280, 720));
        for nothing in
            [(10.0, 0.0, 20.0, 12.0), (20.0, 22.0, 10.0, 32.0), (10.0, 22.0, 10.1, 32.0), (700.0, 22.0, 800.0, 32.0)]
        {
            assert_eq!(placed.to_frame(nothing.0, nothing.1, nothing.2, nothing.3), None, "{nothing:?}");
        }
        for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(placed.to_frame(poison, 22.0, 20.0, 32.0), None);
            assert_eq!(placed.to_frame(10.0, 22.0, 20.0, poison), None);
        }
    }
}
