//! The constant fill written down once more, plainly, with one thing wrong at a time: the suite must show red for each.

use jpeg_encoder::SamplingFactor;
use vaern_door::{Rect, Size};
use vaern_privacy::{Capture, PeopleClass, SeenBox};

use crate::masker::{Masked, Masker, Refused};
use crate::ours::{Act, OurGate, SetupError};
use crate::picture::{Picture, orientation};
use crate::weak::grown;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing: the suite must be green for it, or it is the suite that is wrong.
    Nothing,
    /// Boxes are masked as the detector gave them.
    NoGrow,
    /// Masks end on the pixel, not on the compression grid.
    NoSnap,
    /// Masks end on the grid, without the margin.
    NoMargin,
    /// Masks are placed as if the picture were stored upright.
    NoOrientation,
    /// Boxes under 12 pixels are skipped.
    SkipSmall,
    /// The fill lets a tenth of what is under it shine through.
    Translucent,
    /// The fill is the colour of the pixel in the middle of the box.
    MiddlePixel,
    /// The segments of the source are copied into the output.
    KeepSegments,
    /// The whole frame is masked.
    MaskAll,
    /// Nothing is masked.
    MaskNothing,
    /// A picture that does not decode to its end is masked as far as it goes.
    Lenient,
}

impl Wrong {
    /// All that are wrong.
    pub const ALL: [Self; 11] = [
        Self::NoGrow,
        Self::NoSnap,
        Self::NoMargin,
        Self::NoOrientation,
        Self::SkipSmall,
        Self::Translucent,
        Self::MiddlePixel,
        Self::KeepSegments,
        Self::MaskAll,
        Self::MaskNothing,
        Self::Lenient,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "constant fill",
            Self::NoGrow => "without growth",
            Self::NoSnap => "without the grid",
            Self::NoMargin => "without the margin",
            Self::NoOrientation => "without orientation",
            Self::SkipSmall => "small boxes skipped",
            Self::Translucent => "translucent fill",
            Self::MiddlePixel => "colour of the middle",
            Self::KeepSegments => "segments kept",
            Self::MaskAll => "everything masked",
            Self::MaskNothing => "nothing masked",
            Self::Lenient => "lenient decoder",
        }
    }
}

/// A constant fill with one thing wrong.
pub struct Mutant {
    wrong: Wrong,
    /// Decodes, and refuses what must be refused: with nothing seen, it hands out the picture as it is.
    gate: OurGate,
}

impl Mutant {
    /// A constant fill with this wrong.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(wrong: Wrong) -> Result<Self, SetupError> {
        Ok(Self { wrong, gate: OurGate::new()? })
    }

    fn rect(&self, seen: &SeenBox, code: u32, upright: Size, grid: (u16, u16)) -> Option<Rect> {
        let (x, y) = match seen.class {
            _ if self.wrong == Wrong::NoGrow => (1.0, 1.0),
            PeopleClass::Face => (1.5, 1.5),
            PeopleClass::Person => (1.1, 1.1),
            PeopleClass::Plate => (1.25, 1.1),
            PeopleClass::Vehicle => (1.0, 1.0),
        };
        let rect = grown(seen, x, y, upright)?;
        let stored = if code >= 5 { Size::new(upright.height(), upright.width()).ok()? } else { upright };
        let rect = if self.wrong == Wrong::NoOrientation {
            rect.intersection(Rect::whole(stored))?
        } else {
            turned_back(rect, code, upright)?
        };
        let grid = if self.wrong == Wrong::NoSnap { (1, 1) } else { grid };
        let margin = if matches!(self.wrong, Wrong::NoMargin | Wrong::NoSnap) { 0 } else { 2 };
        let low = |v: u16, grid: u16| (v / grid * grid).saturating_sub(margin);
        let high = |v: u16, grid: u16, side: u16| (v.div_ceil(grid) * grid + margin).min(side);
        let snapped = Rect::new(
            low(rect.x0(), grid.0),
            low(rect.y0(), grid.1),
            high(rect.x1(), grid.0, stored.width()),
            high(rect.y1(), grid.1, stored.height()),
        )
        .ok()?;
        turned(snapped, code, stored)
    }
}

/// Where a rectangle of the upright picture lies in the stored one.
fn turned_back(rect: Rect, code: u32, upright: Size) -> Option<Rect> {
    let flipped = flipped(rect, code, upright)?;
    if code >= 5 { swapped(flipped) } else { Some(flipped) }
}

/// Where a rectangle of the stored picture lies in the upright one.
fn turned(rect: Rect, code: u32, stored: Size) -> Option<Rect> {
    let (rect, upright) =
        if code >= 5 { (swapped(rect)?, Size::new(stored.height(), stored.width()).ok()?) } else { (rect, stored) };
    flipped(rect, code, upright)
}

fn swapped(rect: Rect) -> Option<Rect> {
    Rect::new(rect.y0(), rect.x0(), rect.y1(), rect.x1()).ok()
}

fn flipped(rect: Rect, code: u32, upright: Size) -> Option<Rect> {
    let (w, h) = (upright.width(), upright.height());
    let (x0, x1) = if matches!(code, 2 | 3 | 6 | 7) { (w - rect.x1(), w - rect.x0()) } else { (rect.x0(), rect.x1()) };
    let (y0, y1) = if matches!(code, 3 | 4 | 7 | 8) { (h - rect.y1(), h - rect.y0()) } else { (rect.y0(), rect.y1()) };
    Rect::new(x0, y0, x1, y1).ok()
}

/// Pixels that one coded block covers: 8 times the largest sampling factor; 16 for what is no JPEG.
fn grid_of(file: &[u8]) -> (u16, u16) {
    let factors =
        crate::container::segments(file).into_iter().find(|s| matches!(s.marker, 0xC0..=0xC2)).and_then(|s| {
            let body = file.get(s.body)?;
            body.get(6..)?.chunks_exact(3).map(|c| (c[1] >> 4, c[1] & 15)).reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
        });
    factors.map_or((16, 16), |(x, y)| (8 * u16::from(x), 8 * u16::from(y)))
}

impl Masker for Mutant {
    fn name(&self) -> &'static str {
        self.wrong.name()
    }

    fn mask(&self, file: &[u8], boxes: &[SeenBox]) -> Result<Masked, Refused> {
        let mut picture = if self.wrong == Wrong::Lenient {
            Picture::decode(file)?
        } else {
            let admitted = self.gate.admit(Capture::unlocated(file.to_vec()), Act::See(Vec::new()));
            admitted.map_err(|r| Refused(r.to_string()))?.picture
        };
        let size = picture.size();
        let code = orientation(file);
        let grid = grid_of(file);
        let large = |b: &&SeenBox| self.wrong != Wrong::SkipSmall || (b.x1 - b.x0).min(b.y1 - b.y0) >= 12.0;
        let rects: Vec<Rect> = match self.wrong {
            Wrong::MaskAll => vec![Rect::whole(size)],
            Wrong::MaskNothing => Vec::new(),
            _ => boxes.iter().filter(large).filter_map(|b| self.rect(b, code, size, grid)).collect(),
        };
        let width = picture.sides().0;
        for rect in &rects {
            let middle =
                (usize::from(rect.y0().midpoint(rect.y1())) * width + usize::from(rect.x0().midpoint(rect.x1()))) * 3;
            let fill = if self.wrong == Wrong::MiddlePixel {
                picture.rgb().get(middle..middle + 3).map_or([0; 3], |p| [p[0], p[1], p[2]])
            } else {
                [40, 90, 160]
            };
            for y in usize::from(rect.y0())..usize::from(rect.y1()) {
                for x in usize::from(rect.x0())..usize::from(rect.x1()) {
                    for (pixel, fill) in picture.rgb_mut()[(y * width + x) * 3..][..3].iter_mut().zip(fill) {
                        let mixed = (u16::from(fill) * 9 + u16::from(*pixel)) / 10;
                        *pixel = if self.wrong == Wrong::Translucent { mixed as u8 } else { fill };
                    }
                }
            }
        }
        let mut out = crate::container::pixels_only(&picture.jpeg(SamplingFactor::F_2_2, 95)?);
        if self.wrong == Wrong::KeepSegments {
            let kept = crate::container::segments(file).into_iter().filter(|s| matches!(s.marker, 0xE0..=0xEF | 0xFE));
            let kept: Vec<u8> = kept.filter_map(|s| file.get(s.whole)).flatten().copied().collect();
            out.splice(2..2, kept);
        }
        Ok(Masked { picture, file: out, rects })
    }
}
