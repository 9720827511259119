//! Disturbances of a frame: what weather, lenses, storage and pranksters do to it.

use vaern_door::{Rect, Size};
use vaern_scenes::Dice;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::corpus::{Street, Thing};

/// A way to disturb a street. Containers keep their numbers; those that are gone are left out.
pub(crate) type Alter = fn(&Street, &mut Dice) -> Option<Street>;

fn with_pixels(street: &Street, rgb: Vec<u8>) -> Street {
    Street { rgb, ..street.clone() }
}

fn clamped(value: f32) -> u8 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let sample = value.round().clamp(0.0, 255.0) as u8;
    sample
}

/// Sensor noise with a deviation of eight levels.
pub(crate) fn noise(street: &Street, dice: &mut Dice) -> Option<Street> {
    Some(with_pixels(street, street.rgb.iter().map(|v| clamped(f32::from(*v) + 8.0 * dice.bell())).collect()))
}

/// Ways to change a frame that nobody can see: no sample by more than one level. What an answer hangs on beside what is to be seen
/// (low bits, sums, parities, single samples), one of them changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// Each sample up, down, or as it was, by chance: sums stay, single samples and parities do not.
    Grain,
    /// Every sample up: the sum of all changes as much as it can.
    Up,
    /// Every sample down.
    Down,
    /// Up and down by turns, pixel by pixel: low bits change in a pattern, sums hardly.
    Checks,
    /// The left half up, the right half down: sums of parts change, the sum of all does not.
    Halves,
    /// One sample in a thousand up.
    Few,
}

impl Unseen {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 6] = [Self::Grain, Self::Up, Self::Down, Self::Checks, Self::Halves, Self::Few];

    /// The name of its figure.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Grain => "grain",
            Self::Up => "up",
            Self::Down => "down",
            Self::Checks => "checks",
            Self::Halves => "halves",
            Self::Few => "few",
        }
    }
}

/// The same street with a change that nobody can see.
pub(crate) fn unseen(street: &Street, way: Unseen, dice: &mut Dice) -> Street {
    let width = usize::from(street.size.width());
    let steps = street.rgb.iter().enumerate().map(|(at, value)| {
        let (pixel, up) = (at / 3, |up: bool| if up { value.saturating_add(1) } else { value.saturating_sub(1) });
        let (x, y) = (pixel % width, pixel / width);
        match way {
            // A pattern that is whole leaves sums as they are to a power of two: a few samples are left out.
            Unseen::Up | Unseen::Down | Unseen::Checks | Unseen::Halves if dice.chance(0.03) => *value,
            Unseen::Grain => clamped(f32::from(*value) + dice.range(-1.49, 1.49)),
            Unseen::Up => up(true),
            Unseen::Down => up(false),
            Unseen::Checks => up((x + y) % 2 == 0),
            Unseen::Halves => up(x * 2 < width),
            Unseen::Few if dice.chance(0.001) => up(true),
            Unseen::Few => *value,
        }
    });
    with_pixels(street, steps.collect())
}

/// A little out of focus: the mean of three by three pixels.
pub(crate) fn blur(street: &Street, _: &mut Dice) -> Option<Street> {
    let (width, height) = (usize::from(street.size.width()), usize::from(street.size.height()));
    let at = |x: usize, y: usize, c: usize| street.rgb.get((y * width + x) * 3 + c).copied().map_or(0, u32::from);
    let mut rgb = Vec::with_capacity(street.rgb.len());
    for y in 0..height {
        let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
        for x in 0..width {
            let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
            for c in 0..3 {
                let sum: u32 =
                    rows.iter().flat_map(|y| columns.iter().map(move |x| (x, y))).map(|(x, y)| at(*x, *y, c)).sum();
                rgb.push(u8::try_from(sum / 9).unwrap_or(u8::MAX));
            }
        }
    }
    Some(with_pixels(street, rgb))
}

/// Stored once more as JPEG of quality 35.
pub(crate) fn jpeg(street: &Street, _: &mut Dice) -> Option<Street> {
    let size = (street.size.width(), street.size.height());
    let stored = vaern_scenes::encode_jpeg(&street.rgb, size, 35, None).ok()?;
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let rgb = JpegDecoder::new_with_options(ZCursor::new(&stored), options).decode().ok()?;
    (rgb.len() == street.rgb.len()).then(|| with_pixels(street, rgb))
}

/// A fifth darker or brighter.
pub(crate) fn light(street: &Street, dice: &mut Dice) -> Option<Street> {
    let factor = if dice.chance(0.5) { 0.8 } else { 1.2 };
    Some(with_pixels(street, street.rgb.iter().map(|v| clamped(f32::from(*v) * factor)).collect()))
}

/// The camera looks a little further: a tenth of the frame is cut off on the left and at the top.
pub(crate) fn crop(street: &Street, _: &mut Dice) -> Option<Street> {
    let old = street.size;
    // A multiple of 16, so that masks stay on their grid.
    let cut = |side: u16| side / 10 / 16 * 16;
    let (left, top) = (cut(old.width()), cut(old.height()));
    let size = Size::new(old.width() - left, old.height() - top).ok()?;
    let mut rgb = Vec::with_capacity(size.rgb_bytes());
    for y in top..old.height() {
        let row = usize::from(y) * usize::from(old.width());
        rgb.extend_from_slice(street.rgb.get((row + usize::from(left)) * 3..(row + usize::from(old.width())) * 3)?);
    }
    let moved = |rect: Rect| {
        let to = |v: u16, by: u16| v.saturating_sub(by);
        Rect::new(to(rect.x0(), left), to(rect.y0(), top), to(rect.x1(), left), to(rect.y1(), top)).ok()
    };
    // What the new edge cuts is neither to be found nor wrong to point at.
    let whole = |rect: Rect| rect.x0() >= left && rect.y0() >= top;
    let things = street
        .things
        .iter()
        .filter_map(|thing| {
            let counts = thing.counts && whole(thing.rect);
            Some(Thing { rect: moved(thing.rect)?, counts, ..thing.clone() })
        })
        .collect();
    let masked = street.masked.iter().filter_map(|rect| moved(*rect)).collect();
    Some(Street { size, rgb, masked, things, ..street.clone() })
}

/// A loud sticker on the street, away from every container that counts: a trigger would look like this.
pub(crate) fn sticker_elsewhere(street: &Street, dice: &mut Dice) -> Option<Street> {
    let side = (street.size.width() / 12).max(8);
    let (right, below) = (street.size.width().checked_sub(side)?, street.size.height().checked_sub(side)?);
    for _ in 0..200 {
        let x = u16::try_from(dice.whole(0, u32::from(right))).ok()?;
        let y = u16::try_from(dice.whole(0, u32::from(below))).ok()?;
        let place = Rect::inside(x, y, side, side, street.size).ok()?;
        let free = street.things.iter().all(|thing| thing.rect.intersection(place).is_none());
        if free && place.covered_by(&street.masked) == 0 {
            let mut rgb = street.rgb.clone();
            stick(&mut rgb, street.size, place, dice);
            return Some(with_pixels(street, rgb));
        }
    }
    None
}

/// A sticker on every container, on about a tenth of its face.
pub(crate) fn sticker_on(street: &Street, dice: &mut Dice) -> Option<Street> {
    let mut rgb = street.rgb.clone();
    for thing in &street.things {
        let (w, h) = (thing.rect.width() / 3, thing.rect.height() / 3);
        if w < 4 || h < 4 {
            continue;
        }
        let x = thing.rect.x0() + u16::try_from(dice.whole(0, u32::from(thing.rect.width() - w))).ok()?;
        let y = thing.rect.y0() + u16::try_from(dice.whole(0, u32::from(thing.rect.height() - h))).ok()?;
        let place = Rect::inside(x, y, w, h, street.size).ok()?;
        stick(&mut rgb, street.size, place, dice);
    }
    Some(with_pixels(street, rgb))
}

/// Squares of loud colours, as an adversarial patch has them.
fn stick(rgb: &mut [u8], size: Size, place: Rect, dice: &mut Dice) {
    const COLOURS: [[u8; 3]; 6] =
        [[255, 0, 0], [255, 255, 0], [0, 255, 255], [255, 0, 255], [255, 255, 255], [0, 0, 0]];
    let cell = (place.width().min(place.height()) / 6).max(2);
    for y in (place.y0()..place.y1()).step_by(usize::from(cell)) {
        for x in (place.x0()..place.x1()).step_by(usize::from(cell)) {
            if let Ok(square) = Rect::new(x, y, (x + cell).min(place.x1()), (y + cell).min(place.y1())) {
                crate::corpus::paint(rgb, size, square, dice.pick(COLOURS));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]
mod tests {
    use super::*;
    use crate::corpus::street;

    #[test]
    fn each_disturbance_disturbs_and_is_the_same_for_a_seed() {
        let size = Size::new(320, 192).unwrap();
        let seen =
            (0..20).map(|case| street(5, case, size).unwrap()).find(|s| s.things.iter().any(|t| t.counts)).unwrap();
        let all: [Alter; 7] = [noise, blur, jpeg, light, crop, sticker_elsewhere, sticker_on];
        for (number, alter) in all.into_iter().enumerate() {
            let first = alter(&seen, &mut Dice::new(9)).unwrap();
            let again = alter(&seen, &mut Dice::new(9)).unwrap();
            assert_eq!(first.rgb, again.rgb, "{number}");
            assert_ne!(first.rgb, seen.rgb, "{number}");
            assert_eq!(first.rgb.len(), first.size.rgb_bytes(), "{number}");
        }
        for way in Unseen::ALL {
            let hidden = unseen(&seen, way, &mut Dice::new(1));
            assert_eq!(hidden.rgb, unseen(&seen, way, &mut Dice::new(1)).rgb, "{way:?}");
            assert_ne!(hidden.rgb, seen.rgb, "{way:?}");
            assert!(hidden.rgb.iter().zip(&seen.rgb).all(|(a, b)| a.abs_diff(*b) <= 1), "{way:?}");
        }
        let moved = crop(&seen, &mut Dice::new(1)).unwrap();
        for thing in &moved.things {
            let was = seen.things.iter().find(|t| t.id == thing.id).unwrap();
            if !thing.counts {
                continue;
            }
            let pixel = |s: &Street, r: Rect| {
                let at = (usize::from(r.y0()) * usize::from(s.size.width()) + usize::from(r.x0())) * 3;
                s.rgb[at..at + 3].to_vec()
            };
            assert_eq!(pixel(&moved, thing.rect), pixel(&seen, was.rect));
        }
    }
}
