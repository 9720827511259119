//! T2: compression must not carry what is under the mask out of it.

use jpeg_encoder::SamplingFactor;
use vaern_door::{Rect, Size};
use vaern_privacy::PeopleClass;
use vaern_scenes::Dice;

use crate::masker::{Masker, Refused, seen};
use crate::noise::{texture, with_noise};
use crate::verdict::{Figure, TestId, Verdict};

const SAMPLINGS: [SamplingFactor; 3] = [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2];
const QUALITIES: [u8; 3] = [75, 85, 95];

/// Two originals that differ only inside a box, through each sampling and quality: what leaves must be equal outside of what
/// the tool says that it masked. `places` boxes at random places for each.
#[must_use]
pub fn t2(masker: &dyn Masker, places: usize) -> Verdict {
    let mut dice = Dice::new(0x7201);
    let (mut pixels, mut worst, mut refused) = (0_usize, 0_u8, 0_usize);
    for sampling in SAMPLINGS {
        for quality in QUALITIES {
            for _ in 0..places {
                let Ok(size) = Size::new(144, 112) else { break };
                let base = texture(size, &mut dice);
                let (x, y) = (dice.whole(30, 60) as u16, dice.whole(30, 45) as u16);
                let bbox = [x, y, x + dice.whole(9, 38) as u16, y + dice.whole(9, 30) as u16];
                let boxes = [seen(PeopleClass::Face, bbox)];
                let mut masked = || -> Result<_, Refused> {
                    masker.mask(&with_noise(&base, bbox, &mut dice).jpeg(sampling, quality)?, &boxes)
                };
                match (masked(), masked()) {
                    (Ok(a), Ok(b)) => {
                        let differ = differing(a.picture.rgb(), b.picture.rgb(), size, &a.rects, bbox);
                        pixels += differ.len();
                        worst = worst.max(differ.into_iter().max().unwrap_or(0));
                    }
                    _ => refused += 1,
                }
            }
        }
    }
    let figures = vec![
        Figure::new("pairs", (places * 9) as f64, ""),
        Figure::new("differing outside", pixels as f64, "px"),
        Figure::new("by at most", f64::from(worst), "levels"),
    ];
    Verdict::of(TestId::T2, places > 0 && pixels == 0 && refused == 0, figures, "")
}

/// By how much each pixel differs that lies neither under a mask nor inside the box itself.
fn differing(a: &[u8], b: &[u8], size: Size, rects: &[Rect], bbox: [u16; 4]) -> Vec<u8> {
    let width = usize::from(size.width());
    let inside = |x: u16, y: u16| {
        let [x0, y0, x1, y1] = bbox;
        (x0..x1).contains(&x) && (y0..y1).contains(&y)
            || rects.iter().any(|r| (r.x0()..r.x1()).contains(&x) && (r.y0()..r.y1()).contains(&y))
    };
    let pixels = a.chunks_exact(3).zip(b.chunks_exact(3)).enumerate();
    pixels
        .filter(|(at, (p, q))| p != q && !inside((at % width) as u16, (at / width) as u16))
        .map(|(_, (p, q))| p.iter().zip(q).map(|(v, w)| v.abs_diff(*w)).max().unwrap_or(0))
        .collect()
}
