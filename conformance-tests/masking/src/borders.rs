//! T10: a face on a seam between two tiles, on the border of the picture, or in a picture that is stored turned.

use jpeg_encoder::SamplingFactor;
use vaern_door::{Rect, Size};
use vaern_privacy::{Capture, PeopleClass, SeenBox};
use vaern_scenes::Dice;

use crate::faults::with_orientation;
use crate::gallery::Depth;
use crate::masker::{Masked, Masker, Refused, seen};
use crate::noise::texture;
use crate::ours::{ALL_CLASSES, Act, CAMERA, OurGate, POLICY, SetupError, evaluation, now};
use crate::picture::Picture;
use crate::verdict::{Figure, TestId, Verdict};

/// Faces are drawn in two colours that nothing else has, pixel by pixel in turn.
const FACE: [[u8; 3]; 2] = [[250, 10, 10], [10, 250, 10]];

/// A street of one size, and a face on it, as a JPEG stored under an orientation.
struct Stage {
    upright: Size,
    street: Picture,
}

impl Stage {
    fn new(width: u16, height: u16) -> Option<Self> {
        let upright = Size::new(width, height).ok()?;
        Some(Self { upright, street: texture(upright, &mut Dice::new(0x7110)) })
    }

    /// The picture with a face in `bbox`, so stored that a reader of the orientation sees it upright.
    fn file(&self, bbox: [u16; 4], code: u16) -> Result<Vec<u8>, Refused> {
        let mut picture = self.street.clone();
        let width = picture.sides().0;
        let [x0, y0, x1, y1] = bbox.map(usize::from);
        for y in y0..y1 {
            for x in x0..x1 {
                picture.rgb_mut()[(y * width + x) * 3..][..3].copy_from_slice(&FACE[(x / 2 + y / 2) % 2]);
            }
        }
        let stored = picture.stored_as(u32::from(code)).jpeg(SamplingFactor::F_2_2, 92)?;
        Ok(with_orientation(&stored, code))
    }
}

/// Whether every pixel of the box is under a mask, and no pixel there looks as it did.
fn covered(masked: &Masked, bbox: [u16; 4], upright: Size) -> bool {
    let [x0, y0, x1, y1] = bbox;
    let Ok(face) = Rect::new(x0, y0, x1, y1) else { return false };
    if masked.picture.size() != upright || face.covered_by(&masked.rects) != face.area() {
        return false;
    }
    let width = masked.picture.sides().0;
    let vivid = |x: u16, y: u16| {
        let p = &masked.picture.rgb()[(usize::from(y) * width + usize::from(x)) * 3..][..3];
        FACE.iter().any(|f| f.iter().zip(p).all(|(a, b)| a.abs_diff(*b) < 60))
    };
    // A blur mixes the two colours everywhere; a mask that lies elsewhere leaves nearly all of them.
    let left = (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))).filter(|(x, y)| vivid(*x, *y)).count() as u64;
    left * 4 < face.area()
}

/// Part of a side by which the box that is given is smaller than the face at each edge: no detector is exact.
const INSET: f32 = 0.1;

/// The box of a face as a detector gives it.
fn given(bbox: [u16; 4]) -> SeenBox {
    let exact = seen(PeopleClass::Face, bbox);
    let (w, h) = ((exact.x1 - exact.x0) * INSET, (exact.y1 - exact.y0) * INSET);
    SeenBox { x0: exact.x0 + w, y0: exact.y0 + h, x1: exact.x1 - w, y1: exact.y1 - h, ..exact }
}

/// T10 for any masker: faces of 5, 12 and 40 pixels slid over all four borders, in each of the eight orientations. The masker
/// is given a box a tenth too small at each edge.
#[must_use]
pub fn t10(masker: &dyn Masker, depth: Depth) -> Verdict {
    let Some(stage) = Stage::new(83, 61) else {
        return Verdict::of(TestId::T10, false, Vec::new(), "no stage");
    };
    let (w, h) = (stage.upright.width(), stage.upright.height());
    let step = if depth == Depth::Full { 1 } else { 9 };
    let (mut tried, mut bare, mut refused) = (0_u32, 0_u32, 0_u32);
    for code in 1..=8 {
        for side in [5, 12, 40] {
            // Along the upper and lower border, along the left and right one, and through the middle.
            let across = (0..=w - 3).step_by(step).flat_map(|x| [0, h / 2, h - 3].map(|y| (x, y)));
            let down = (0..=h - 3).step_by(step).flat_map(|y| [0, w - 3].map(|x| (x, y)));
            for (x, y) in across.chain(down) {
                let bbox = [x, y, (x + side).min(w), (y + side).min(h)];
                tried += 1;
                let masked = stage.file(bbox, code).and_then(|file| masker.mask(&file, &[given(bbox)]));
                match masked {
                    Ok(masked) => bare += u32::from(!covered(&masked, bbox, stage.upright)),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    let figures = vec![
        Figure::new("places", f64::from(tried), ""),
        Figure::new("bare", f64::from(bare), ""),
        Figure::new("refused", f64::from(refused), ""),
    ];
    Verdict::of(TestId::T10, tried > 0 && bare == 0 && refused == 0, figures, "")
}

/// T10 for the gate with its own tiles: a face slid over every seam, seen only by a detector that has it whole in a tile and
/// not too small. Sizes reach from what only the finest tiles show to what only the whole frame does.
///
/// # Errors
/// [`SetupError`].
pub fn seams(depth: Depth) -> Result<Verdict, SetupError> {
    // 64 model pixels: tiles of 128 and 64 pixels in a frame of 200 x 150, so that seams are many and pictures small.
    let gate = OurGate::with(&evaluation(POLICY), 64)?;
    let Some(stage) = Stage::new(200, 150) else {
        return Ok(Verdict::of(TestId::T10, false, Vec::new(), "no stage"));
    };
    let (w, h) = (stage.upright.width(), stage.upright.height());
    let (mut tried, mut bare) = (0_u32, 0_u32);
    let codes: &[u16] = if depth == Depth::Full { &[1, 2, 3, 4, 5, 6, 7, 8] } else { &[1, 6] };
    for code in codes {
        for side in [6_u16, 11, 16, 24, 32, 60] {
            let step = if depth == Depth::Full { 1 } else { 3 };
            let rows: Vec<u16> =
                if depth == Depth::Full { (0..=h - side).step_by(7).collect() } else { vec![0, (h - side) / 2] };
            let across = (0..=w - side).step_by(step).flat_map(|x| rows.iter().map(move |y| (x, *y)));
            let down = (0..=h - side).step_by(step).map(|y| ((w - side) / 2, y));
            for (x, y) in across.chain(down) {
                let bbox = [x, y, x + side, y + side];
                let boxes: Vec<SeenBox> = vec![seen(PeopleClass::Face, bbox)];
                tried += 1;
                let file = stage.file(bbox, *code).unwrap_or_default();
                let masked = gate.admit(Capture::unlocated(file), Act::SeeWhole(boxes, [6.0, 40.0]));
                bare += u32::from(!masked.is_ok_and(|m| covered(&m, bbox, stage.upright)));
            }
        }
    }
    let figures = vec![Figure::new("places", f64::from(tried), ""), Figure::new("bare", f64::from(bare), "")];
    Ok(Verdict::of(TestId::T10, tried > 0 && bare == 0, figures, "seams"))
}

/// T10 for the fixed parts of a camera: a band at the top and a corner that hold dwellings. Whatever is in the picture, and
/// though no detector sees anything, every pixel of them holds the fixed fill, and the middle of the picture does not.
///
/// # Errors
/// [`SetupError`].
pub fn fixed_parts() -> Result<Verdict, SetupError> {
    let camera = format!(
        "{CAMERA}\n[[fixed_mask]]\nwhy = \"dwellings\"\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.2], [0.0, 0.2]]\n\
         [[fixed_mask]]\nwhy = \"a yard\"\npolygon = [[0.8, 1.0], [1.0, 0.6], [1.0, 1.0]]\n"
    );
    let gate = OurGate::built(POLICY, 320, &ALL_CLASSES, &camera)?;
    let size = Size::new(160, 120).ok();
    let position = vaern_privacy::Position::new(55.6761, 12.5683, 5.0).map(|p| p.with_time(now()));
    let file = size.and_then(|s| texture(s, &mut Dice::new(0x7111)).jpeg(SamplingFactor::F_2_2, 90).ok());
    let camera = vaern_door::Name::new("test-cam").ok();
    let capture = file.zip(position.ok()).map(|(file, p)| Capture::located_at(file, p).from_camera(camera));
    let masked = capture.and_then(|c| gate.admit(c, Act::See(Vec::new())).ok());
    let pixel = |x: usize, y: usize| {
        masked.as_ref().and_then(|m| m.picture.rgb().get((y * 160 + x) * 3..(y * 160 + x) * 3 + 3))
    };
    let fill: Option<&[u8]> = Some(&[64, 64, 64]);
    let band = (0..24).flat_map(|y| (0..160).map(move |x| (x, y)));
    let corner = (100..120).map(|y| (155, y));
    let bare = band.chain(corner).filter(|(x, y)| pixel(*x, *y) != fill).count();
    let open = pixel(80, 70) != fill;
    let figures = vec![Figure::new("bare", bare as f64, "px")];
    Ok(Verdict::of(TestId::T10, masked.is_some() && bare == 0 && open, figures, "fixed parts"))
}
