//! T11: nobody is missed, and something is left to see. A mask over the whole frame misses nobody and is worth nothing.

use vaern_door::Rect;
use vaern_privacy::{Capture, Gate, SeenBox};
use vaern_scenes::{Class, Scene};

use crate::gallery::drawn;
use crate::masker::Masker;
use crate::ours::now;
use crate::redetect::truth_boxes;
use crate::stats::binomial_99;
use crate::verdict::{Figure, TestId, Verdict};

/// Part of the true box that must lie under a mask for the object to count as covered.
const COVERED: f64 = 0.9;

/// Objects smaller or more hidden than this are not counted, as in the figures of the models.
const LEAST_PX: u16 = 12;
const LEAST_VISIBLE: f32 = 0.5;

/// The part of the containers' pixels that lie away from people and plates and are left unmasked, over many scenes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct ClearShare {
    due: u64,
    clear: u64,
}

impl ClearShare {
    /// 0.0 to 1.0; nothing where no container was to be seen.
    #[must_use]
    fn part(&self) -> Option<f64> {
        (self.due > 0).then(|| self.clear as f64 / self.due as f64)
    }

    /// Adds a scene with the masks that lie on it.
    fn add(&mut self, scene: &Scene, rects: &[Rect]) {
        let (due, clear) = clear_share(scene, rects);
        self.due += due;
        self.clear += clear;
    }
}

/// Pixels of containers away from people and plates, and those of them that no mask lies on. Away means: outside of what the
/// policy grows a true box to, and of the grid around it.
#[must_use]
pub fn clear_share(scene: &Scene, rects: &[Rect]) -> (u64, u64) {
    let width = usize::from(scene.width);
    let near: Vec<[f32; 4]> = truth_boxes(scene).iter().map(grown).collect();
    let inside = |x: f32, y: f32, b: &[f32; 4]| x >= b[0] && y >= b[1] && x < b[2] && y < b[3];
    let (mut due, mut clear) = (0, 0);
    for object in scene.truth.objects.iter().filter(|o| matches!(o.class, Class::Container(_))) {
        for (at, _) in object.mask.decode().iter().enumerate().filter(|(_, set)| **set) {
            let (x, y) = ((at % width) as u16, (at / width) as u16);
            if near.iter().any(|b| inside(f32::from(x), f32::from(y), b)) {
                continue;
            }
            due += 1;
            let masked = rects.iter().any(|r| (r.x0()..r.x1()).contains(&x) && (r.y0()..r.y1()).contains(&y));
            clear += u64::from(!masked);
        }
    }
    (due, clear)
}

fn grown(seen: &SeenBox) -> [f32; 4] {
    let (w, h) = (seen.x1 - seen.x0, seen.y1 - seen.y0);
    let by = |side: f32| side * 0.25 + 18.0;
    [seen.x0 - by(w), seen.y0 - by(h), seen.x1 + by(w), seen.y1 + by(h)]
}

/// T11, the use of it: with true boxes given, at least 90 % of the containers away from people stay clear.
#[must_use]
pub fn t11_use(masker: &dyn Masker, scenes: &[Scene]) -> Verdict {
    let mut share = ClearShare::default();
    let mut refused = 0;
    for scene in scenes {
        let file = drawn(scene).and_then(|p| p.jpeg(jpeg_encoder::SamplingFactor::F_2_2, 90).ok()).unwrap_or_default();
        match masker.mask(&file, &truth_boxes(scene)) {
            Ok(masked) => share.add(scene, &masked.rects),
            Err(_) => refused += 1,
        }
    }
    let part = share.part();
    let figures = vec![
        Figure::new("containers clear", part.unwrap_or(0.0), ""),
        Figure::new("pixels", share.due as f64, ""),
        Figure::new("refused", f64::from(refused), ""),
    ];
    Verdict::of(TestId::T11, refused == 0 && part.is_some_and(|p| p >= 0.9), figures, "use")
}

/// Least part of faces and of persons that must be covered.
const FLOOR: f64 = 0.98;

/// T11, recall: the whole gate with its own detectors on drawn scenes. At least 98 % of the faces and of the persons that are
/// at least half visible and 12 pixels wide are covered. Of few objects as many may be missed as chance explains in 99 % at
/// that floor; `strictly` allows none beyond it.
#[must_use]
pub fn t11_recall(gate: &Gate, scenes: &[Scene], strictly: bool) -> Verdict {
    let mut counts = [(0_u32, 0_u32); 3];
    let mut share = ClearShare::default();
    let (mut masked_part, mut refused) = (0.0, 0_u32);
    for scene in scenes {
        let file = drawn(scene).and_then(|p| p.jpeg(jpeg_encoder::SamplingFactor::F_2_2, 90).ok()).unwrap_or_default();
        let Ok(admitted) = gate.admit(Capture::unlocated(file), now()) else {
            refused += 1;
            continue;
        };
        let rects = admitted.frame.masked();
        share.add(scene, rects);
        masked_part += admitted.receipt.masked_fraction;
        for object in &scene.truth.objects {
            let row = match object.class {
                Class::Face => 0,
                Class::Person => 1,
                Class::Plate => 2,
                _ => continue,
            };
            let [x0, y0, x1, y1] = object.bbox;
            let Ok(rect) = Rect::new(x0, y0, x1, y1) else { continue };
            if object.visible >= LEAST_VISIBLE && rect.width() >= LEAST_PX {
                counts[row].0 += 1;
                counts[row].1 += u32::from(rect.covered_by(rects) as f64 >= COVERED * rect.area() as f64);
            }
        }
    }
    let part = |(of, n): (u32, u32)| f64::from(n) / f64::from(of.max(1));
    let figures = vec![
        Figure::new("faces", f64::from(counts[0].0), ""),
        Figure::new("face recall", part(counts[0]), ""),
        Figure::new("persons", f64::from(counts[1].0), ""),
        Figure::new("person recall", part(counts[1]), ""),
        Figure::new("plates", f64::from(counts[2].0), ""),
        Figure::new("plate recall", part(counts[2]), ""),
        Figure::new("masked part", masked_part / scenes.len().max(1) as f64, ""),
        Figure::new("containers clear", share.part().unwrap_or(0.0), ""),
    ];
    let enough = counts[0].0 > 0 && counts[1].0 > 0 && refused == 0;
    let held = |(of, n): (u32, u32)| {
        part((of, n)) >= FLOOR || (!strictly && (of - n) as usize <= binomial_99(of as usize, 1.0 - FLOOR).1)
    };
    Verdict::of(TestId::T11, enough && counts[..2].iter().all(|c| held(*c)), figures, "recall")
}
