//! One original and what a tool made of it.

use serde::Serialize;
use vaern_door::Rect;

use super::regions::changed;
use crate::container::{Leak, leaks, segments};
use crate::picture::{Picture, Plane};
use crate::redetect::{PeopleModel, overlap};
use crate::reversal::{Blur, gain};

/// Regions are reduced to this side before they are turned around: kernels are parts of the region, so they shrink with it.
const SIDE: usize = 96;

/// Standard deviation of brightness below which a region is one colour, as an encoder leaves it.
const FLAT: f64 = 3.0;

/// Correlation of a region's cells with the original's that no chance gives.
const TELLS: f64 = 0.5;

/// What a tool may have done, tried in turn.
const SUPPOSED: [Blur; 9] = [
    Blur::Box(0.5),
    Blur::Box(0.33),
    Blur::Box(0.2),
    Blur::Gaussian(0.3),
    Blur::Gaussian(0.15),
    Blur::Gaussian(0.07),
    Blur::Mosaic(6),
    Blur::Mosaic(12),
    Blur::Mosaic(20),
];

/// A region that a tool changed.
#[derive(Debug, Clone, Serialize)]
pub struct RegionReport {
    /// `x0, y0, x1, y1` in pixels of the upright picture.
    pub bbox: [u16; 4],
    /// Standard deviation of brightness that is left, in grey levels.
    pub deviation: f64,
    /// Correlation between the original's cells and those that are left, 0 where the region is flat.
    pub correlation: f64,
    /// Whether the region tells something of what was there.
    pub tells: bool,
    /// The most that a reversal gained, judged against the original.
    pub gain_db: f64,
    /// Which reversal it was.
    pub reversal: &'static str,
    /// Whether all four edges lie on the original's compression grid or beyond it.
    pub on_grid: bool,
}

/// All that was found in one pair.
#[derive(Debug, Clone, Serialize)]
pub struct PairReport {
    /// Name without extension.
    pub name: String,
    /// One of the two could not be shown, or their sizes differ.
    pub unreadable: bool,
    /// What the file holds beside pixels.
    pub leaks: Vec<Leak>,
    /// Part of the picture that was changed, 0.0 to 1.0.
    pub changed: f64,
    /// The changed regions.
    pub regions: Vec<RegionReport>,
    /// Faces found in the original.
    pub faces_before: usize,
    /// Of those, found again in the masked picture.
    pub faces_again: usize,
    /// Of those, lying less than nine tenths under changed regions.
    pub faces_outside_masks: usize,
    /// Where those are.
    pub faces_bare: Vec<[u16; 4]>,
    /// Boxes given that lie less than nine tenths under changed regions.
    pub bare_boxes: usize,
}

/// Attacks one pair. `boxes` are where something was to be masked.
#[must_use]
pub fn attack_pair(
    name: &str,
    before: &[u8],
    after: &[u8],
    boxes: &[[u16; 4]],
    faces: Option<&PeopleModel>,
) -> PairReport {
    let mut report = PairReport {
        name: name.to_owned(),
        unreadable: true,
        leaks: leaks(before, after),
        changed: 0.0,
        regions: Vec::new(),
        faces_before: 0,
        faces_again: 0,
        faces_outside_masks: 0,
        faces_bare: Vec::new(),
        bare_boxes: boxes.len(),
    };
    let (Ok(original), Ok(masked)) = (Picture::decode(before), Picture::decode(after)) else { return report };
    if original.size() != masked.size() {
        return report;
    }
    report.unreadable = false;
    let (rects, part) = changed(&original, &masked);
    report.changed = part;
    let grid = grid_of(before);
    report.regions = rects.iter().filter_map(|rect| region(&original, &masked, *rect, grid)).collect();
    let bare = |b: &[u16; 4]| {
        let rect = Rect::new(b[0], b[1], b[2], b[3]).ok().and_then(|r| r.intersection(Rect::whole(original.size())));
        rect.is_some_and(|r| (r.covered_by(&rects) as f64) < 0.9 * r.area() as f64)
    };
    report.bare_boxes = boxes.iter().filter(|b| bare(b)).count();
    let found = faces.and_then(|model| model.all_faces(&original).ok().zip(model.all_faces(&masked).ok()));
    if let Some((first, second)) = found {
        let mut single: Vec<[f32; 4]> = Vec::new();
        for (face, _) in first {
            if single.iter().all(|other| overlap(*other, face) < 0.3) {
                single.push(face);
            }
        }
        report.faces_before = single.len();
        let again = |face: &&[f32; 4]| second.iter().any(|(other, _)| overlap(*other, **face) >= 0.4);
        report.faces_again = single.iter().filter(again).count();
        let pixels = |face: &[f32; 4]| face.map(|v| v.round().clamp(0.0, 65_535.0) as u16);
        report.faces_bare = single.iter().map(pixels).filter(|face| bare(face)).collect();
        report.faces_outside_masks = report.faces_bare.len();
    }
    report
}

fn region(original: &Picture, masked: &Picture, rect: Rect, grid: Option<(u16, u16)>) -> Option<RegionReport> {
    let (was, is) = (original.cut(rect)?, masked.cut(rect)?);
    // The middle: a blur that fades out, an ellipse in its box, and the changed ring around a fill are left aside.
    let inner = |p: &Picture| shrunk(&p.luma(), 0.15);
    let deviation = inner(&is).deviation();
    let flat = deviation < FLAT;
    let correlation = if flat { 0.0 } else { correlation(&inner(&was), &inner(&is)) };
    // The same texture, as strong as before: encoded once more, not masked.
    let as_strong = (0.8..1.25).contains(&(deviation / inner(&was).deviation().max(1e-9)));
    if correlation > 0.985 && as_strong {
        return None;
    }
    let (gain_db, reversal) = if flat { (0.0, "none") } else { reversed(&is.luma(), &was.luma()) };
    let [x0, y0, x1, y1] = [rect.x0(), rect.y0(), rect.x1(), rect.y1()];
    let size = original.size();
    // The found edge is exact to a cell of four pixels.
    let on = |v: u16, grid: u16, side: u16| v == 0 || v == side || v % grid <= 4 || v % grid >= grid - 4;
    let on_grid = grid.is_none_or(|(gx, gy)| {
        on(x0, gx, size.width()) && on(x1, gx, size.width()) && on(y0, gy, size.height()) && on(y1, gy, size.height())
    });
    Some(RegionReport {
        bbox: [x0, y0, x1, y1],
        deviation,
        correlation,
        tells: correlation > TELLS,
        gain_db,
        reversal,
        on_grid,
    })
}

/// The most that a reversal gains over what it gains on the same picture the wrong way round. A filter that draws two colours together
/// comes nearer to any picture; only what brings back this one says that something of it is left.
fn reversed(is: &Plane, was: &Plane) -> (f64, &'static str) {
    let (is, was) = (shrunk(is, 0.0), shrunk(was, 0.0));
    let (most, how) = gain(&is, &was, &SUPPOSED);
    if most <= 0.0 {
        return (0.0, "none");
    }
    let turned = |across: bool, down: bool| {
        let rows = was.values.chunks_exact(was.width.max(1));
        let rows: Vec<&[f64]> = if down { rows.rev().collect() } else { rows.collect() };
        let values = rows.into_iter().flat_map(|row| {
            let row: Vec<f64> = if across { row.iter().rev().copied().collect() } else { row.to_vec() };
            row
        });
        Plane { values: values.collect(), ..was.clone() }
    };
    let wrong = [(true, false), (false, true), (true, true)].map(|(x, y)| gain(&is, &turned(x, y), &SUPPOSED).0);
    ((most - wrong.into_iter().fold(0.0, f64::max)).max(0.0), how)
}

/// Pixels of a coded block of a JPEG that is stored upright; nothing for what is no JPEG.
fn grid_of(file: &[u8]) -> Option<(u16, u16)> {
    let frame = segments(file).into_iter().find(|s| matches!(s.marker, 0xC0..=0xC2))?;
    let factors = file.get(frame.body)?.get(6..)?.chunks_exact(3).map(|c| (c[1] >> 4, c[1] & 15));
    let (x, y) = factors.fold((1, 1), |a, b| (a.0.max(b.0), a.1.max(b.1)));
    Some((8 * u16::from(x), 8 * u16::from(y)))
}

/// A plane without its outer part, reduced to at most [`SIDE`] in each direction.
fn shrunk(plane: &Plane, without: f64) -> Plane {
    let cut = |side: usize| ((side as f64 * without) as usize).min(side.saturating_sub(1) / 2);
    let (left, top) = (cut(plane.width), cut(plane.height));
    let (w, h) = (plane.width - 2 * left, plane.height - 2 * top);
    let (width, height) = (w.min(SIDE), h.min(SIDE));
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        let (y0, y1) = (top + y * h / height, top + ((y + 1) * h / height));
        for x in 0..width {
            let (x0, x1) = (left + x * w / width, left + ((x + 1) * w / width));
            let sum: f64 =
                (y0..y1).map(|y| plane.values[y * plane.width + x0..y * plane.width + x1].iter().sum::<f64>()).sum();
            values.push(sum / ((y1 - y0) * (x1 - x0)).max(1) as f64);
        }
    }
    Plane { width, height, values }
}

fn correlation(a: &Plane, b: &Plane) -> f64 {
    let (ma, mb) = (a.mean(), b.mean());
    let both: f64 = a.values.iter().zip(&b.values).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let scale = a.deviation() * b.deviation() * a.values.len() as f64;
    if scale > 1e-9 { (both / scale).abs() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masker::Masker as _;
    use crate::{OurGate, Weak, seen};
    use jpeg_encoder::SamplingFactor;
    use vaern_privacy::PeopleClass;
    use vaern_scenes::{Class, portrait};

    #[test]
    fn a_fill_tells_nothing_and_every_blur_and_mosaic_is_found_blind() {
        let scene = portrait(5, 6, (240, 272)).unwrap();
        let bbox = scene.truth.objects.iter().find(|o| o.class == Class::Face).unwrap().bbox;
        let file = crate::gallery::drawn(&scene).unwrap().jpeg(SamplingFactor::F_2_2, 92).unwrap();
        let boxes = [seen(PeopleClass::Face, bbox)];
        let ours = OurGate::new().unwrap().mask(&file, &boxes).unwrap();
        let report = attack_pair("ours", &file, &ours.file, &[bbox], None);
        assert!(!report.unreadable && report.leaks.is_empty() && report.bare_boxes == 0, "{report:?}");
        assert!(!report.regions.is_empty());
        assert!(report.regions.iter().all(|r| !r.tells && r.gain_db <= 0.1 && r.on_grid), "{report:?}");
        for weak in &Weak::ALL[..3] {
            let masked = weak.mask(&file, &boxes).unwrap();
            let report = attack_pair(weak.name(), &file, &masked.file, &[bbox], None);
            assert!(report.regions.iter().any(|r| r.tells || r.gain_db > 0.1), "{}: {report:?}", weak.name());
        }
        let nothing = attack_pair("nothing", &file, &file, &[bbox], None);
        assert!(nothing.regions.is_empty() && nothing.bare_boxes == 1);
    }

    #[test]
    fn two_colours_that_a_filter_draws_together_are_no_reversal_and_a_blur_is() {
        let (width, height) = (96, 96);
        let mut dice = vaern_scenes::Dice::new(11);
        // Something of a face's scale: waves of many lengths, light on one side.
        let waves: Vec<[f64; 4]> = (0..24).map(|_| [0; 4].map(|_: u8| f64::from(dice.unit()))).collect();
        let at = |x: usize, y: usize| {
            let (x, y) = (x as f64 / 96.0, y as f64 / 96.0);
            let wave = |w: &[f64; 4]| 9.0 * ((w[0] * 40.0 * x + w[1] * 40.0 * y + w[2] * 6.3).sin()) * (0.3 + w[3]);
            (120.0 + 30.0 * x + waves.iter().map(wave).sum::<f64>()).clamp(0.0, 255.0)
        };
        let plane = |of: &dyn Fn(usize, usize) -> f64| Plane {
            width,
            height,
            values: (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| of(x, y)).collect(),
        };
        let original = plane(&at);
        let two = plane(&|_, y| if y < 40 { 83.0 } else { 158.0 });
        let (fooled, _) = gain(&two, &original, &SUPPOSED);
        let (gained, _) = reversed(&two, &original);
        assert!(fooled > 0.1 && gained <= 0.1, "{fooled} {gained}");
        let blurred = plane(&|x, y| {
            let near = |v: usize| v.saturating_sub(9)..(v + 10).min(96);
            let all: Vec<f64> = near(y).flat_map(|y| near(x).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect();
            all.iter().sum::<f64>() / all.len() as f64
        });
        let (gained, how) = reversed(&blurred, &original);
        assert!(gained > 0.5, "{gained} {how}");
    }
}
