//! A detector without a model: rows of letters as on a number plate, wherever they hang.
//!
//! No plate model is trusted, so plates are covered with the vehicle they belong to. A vehicle may be missed: too near, too
//! dark, cut by the frame. What makes a plate readable is what this looks for: at least five marks of one height, upright, in a
//! straight row, evenly spaced, darker or lighter than what is around them. It also finds the lettering of signs and stickers;
//! that costs little, and lettering on a container is nobody's loss.

use vaern_door::{Digest, Name, Rect, Size};

use crate::detect::{DetectorFault, PeopleDetector, Picture, SeenBox};
use crate::policy::PeopleClass;

/// Name of the detector in policies.
pub(crate) const NAME: &str = "letter-rows";
/// Counted up with each change of what it finds: it stands in receipts for the digest of a model.
const VERSION: &[u8] = b"vaern letter-rows 1";

/// Side of the square that is searched at once.
const INPUT: u16 = 1280;
/// Window of the local mean, to either side of a pixel.
const REACH: usize = 12;
/// Levels between a mark and the local mean.
const CONTRAST: u8 = 18;
/// Heights of marks that are letters.
const HEIGHTS: std::ops::RangeInclusive<u16> = 7..=48;
/// Letters in a row.
const ROW: std::ops::RangeInclusive<usize> = 5..=12;
/// Marks in one tile: more are a texture, and a search among them would be without end. The tallest are kept.
const MOST_MARKS: usize = 20_000;
/// Plates reach past their letters: by this much of the letters' height.
const PLATE_X: f32 = 1.5;
const PLATE_Y: f32 = 0.6;

pub(crate) struct LetterRows {
    name: Name,
    size: Size,
}

impl LetterRows {
    pub(crate) fn new() -> Option<Self> {
        Some(Self { name: Name::new(NAME).ok()?, size: Size::new(INPUT, INPUT).ok()? })
    }
}

impl PeopleDetector for LetterRows {
    fn name(&self) -> &Name {
        &self.name
    }

    fn digest(&self) -> Digest {
        Digest::of(VERSION)
    }

    fn classes(&self) -> &[PeopleClass] {
        &[PeopleClass::Plate]
    }

    fn input(&self) -> Size {
        self.size
    }

    fn look(&self, picture: Picture<'_>, tile: Rect, floor: f32) -> Result<Vec<SeenBox>, DetectorFault> {
        let frame = picture.size();
        let (rgb, size, tile) = match picture.scaled() {
            Some(scaled) => (scaled.level, scaled.size, scaled.tile),
            None => (picture.rgb(), frame, tile),
        };
        let grey = Grey::of(rgb, size, tile).ok_or(DetectorFault)?;
        let means = grey.local_means();
        let up_x = f32::from(frame.width()) / f32::from(size.width());
        let up_y = f32::from(frame.height()) / f32::from(size.height());
        let mut found = Vec::new();
        for darker in [true, false] {
            let marks = marks(&grey, &means, darker);
            for row in rows(&marks) {
                // Five letters may be chance, seven hardly.
                let score = 0.4 + 0.05 * row.letters as f32;
                let x = |v: f32| (f32::from(tile.x0()) + v) * up_x;
                let y = |v: f32| (f32::from(tile.y0()) + v) * up_y;
                let (dx, dy) = (row.height * PLATE_X, row.height * PLATE_Y);
                found.push(SeenBox {
                    class: PeopleClass::Plate,
                    x0: x(row.x0 - dx),
                    y0: y(row.y0 - dy),
                    x1: x(row.x1 + dx),
                    y1: y(row.y1 + dy),
                    score: score.min(1.0),
                });
            }
        }
        found.retain(|b| b.score >= floor);
        Ok(found)
    }
}

/// Brightness of a tile.
struct Grey {
    data: Vec<u8>,
    width: usize,
    height: usize,
}

impl Grey {
    fn of(rgb: &[u8], size: Size, tile: Rect) -> Option<Self> {
        let (left, right) = (usize::from(tile.x0()) * 3, usize::from(tile.x1()) * 3);
        let (width, height) = (usize::from(tile.width()), usize::from(tile.height()));
        let mut data = Vec::with_capacity(width * height);
        let lines = rgb.chunks_exact(usize::from(size.width()) * 3).skip(usize::from(tile.y0())).take(height);
        for line in lines {
            let pixels = line.get(left..right)?.as_chunks::<3>().0;
            // Rec. 601 in eighths: 2, 5, 1.
            data.extend(pixels.iter().map(|[r, g, b]| {
                let sum = 2 * u16::from(*r) + 5 * u16::from(*g) + u16::from(*b);
                u8::try_from(sum / 8).unwrap_or(u8::MAX)
            }));
        }
        (data.len() == width * height).then_some(Self { data, width, height })
    }

    /// Mean of the square around each pixel, cut at the edges: column sums that slide down, and a window that slides along.
    fn local_means(&self) -> Vec<u8> {
        const SHIFT: u32 = 32;
        let (width, height) = (self.width, self.height);
        let mut columns = vec![0_u32; width];
        let mut means = vec![0_u8; width * height];
        let line = |y: usize| self.data.get(y * width..(y + 1) * width).unwrap_or_default();
        // No sum comes near the end of its type; the wrapping forms only spare a look for each pixel.
        let add = |sum: &mut u32, v: u8| *sum = sum.wrapping_add(v.into());
        for y in 0..REACH.min(height) {
            columns.iter_mut().zip(line(y)).for_each(|(sum, v)| add(sum, *v));
        }
        for (y, means) in means.chunks_exact_mut(width.max(1)).enumerate() {
            if y + REACH < height {
                columns.iter_mut().zip(line(y + REACH)).for_each(|(sum, v)| add(sum, *v));
            }
            if y > REACH {
                let gone = line(y - REACH - 1);
                columns.iter_mut().zip(gone).for_each(|(sum, v)| *sum = sum.wrapping_sub((*v).into()));
            }
            let tall = (y + REACH).min(height - 1) - y.saturating_sub(REACH) + 1;
            let inner = 2 * REACH + 1;
            // Rounded up: exact for sums below 2^20 and divisors below 2^10, which 625 pixels of 255 stay under.
            let reciprocal = (1_u64 << SHIFT).div_ceil((tall * inner) as u64);
            let mut sum: u32 = columns.iter().take(REACH).sum();
            let cut = |x: usize, sum: u32| {
                let wide = (x + REACH).min(width - 1) - x.saturating_sub(REACH) + 1;
                u8::try_from(u64::from(sum) / (tall * wide) as u64).unwrap_or(u8::MAX)
            };
            let mut means = means.iter_mut();
            for (x, mean) in means.by_ref().take(REACH + 1).enumerate() {
                sum += columns.get(x + REACH).copied().unwrap_or_default();
                *mean = cut(x, sum);
            }
            // Away from the edges the window has one size: a product in place of a division, and nothing to ask for each pixel.
            let whole = columns.iter().skip(inner).zip(&columns);
            for ((enters, leaves), mean) in whole.zip(means.by_ref()) {
                sum = sum.wrapping_add(*enters).wrapping_sub(*leaves);
                *mean = (u64::from(sum).wrapping_mul(reciprocal) >> SHIFT) as u8;
            }
            for (x, mean) in ((width.saturating_sub(REACH)).max(REACH + 1)..width).zip(means) {
                sum -= columns.get(x - REACH - 1).copied().unwrap_or_default();
                *mean = cut(x, sum);
            }
        }
        means
    }
}

/// Connected pixels of one kind: a letter, or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    x0: u16,
    y0: u16,
    x1: u16,
    y1: u16,
    area: u32,
}

impl Mark {
    const fn height(&self) -> u16 {
        self.y1 - self.y0
    }

    const fn width(&self) -> u16 {
        self.x1 - self.x0
    }

    fn may_be_a_letter(&self) -> bool {
        let (w, h) = (f32::from(self.width()), f32::from(self.height()));
        HEIGHTS.contains(&self.height()) && w <= 1.1 * h && w >= 0.08 * h && self.area as f32 >= 0.15 * w * h
    }

    fn cx(&self) -> f32 {
        f32::midpoint(self.x0.into(), self.x1.into())
    }

    fn cy(&self) -> f32 {
        f32::midpoint(self.y0.into(), self.y1.into())
    }
}

/// Marks that may be letters, from left to right. Runs of each line are joined with the runs that they touch on the line above.
fn marks(grey: &Grey, means: &[u8], darker: bool) -> Vec<Mark> {
    let mut found: Vec<Mark> = Vec::new();
    // Each run belongs to a mark; a mark that met another points to it.
    let mut joined: Vec<usize> = Vec::new();
    let mut above: Vec<(u16, u16, usize)> = Vec::new();
    let mut ink = vec![false; grey.width];
    let lines = grey.data.chunks_exact(grey.width).zip(means.chunks_exact(grey.width));
    for (y, (line, means)) in lines.enumerate() {
        let Ok(y) = u16::try_from(y) else { break };
        // All pixels of the line first, without a branch: that runs several at a time.
        for ((on, v), mean) in ink.iter_mut().zip(line).zip(means) {
            let (more, less) = if darker { (mean, v) } else { (v, mean) };
            *on = more.saturating_sub(*less) > CONTRAST;
        }
        let mut here: Vec<(u16, u16, usize)> = Vec::new();
        let mut first_above = 0;
        for (x0, x) in runs(&ink) {
            let mut own = None;
            while above.get(first_above).is_some_and(|(_, end, _)| *end <= x0) {
                first_above += 1;
            }
            for (_, _, label) in above.iter().skip(first_above).take_while(|(begin, _, _)| *begin < x) {
                let other = root(&mut joined, *label);
                own = Some(own.map_or(other, |own| join(&mut found, &mut joined, own, other)));
            }
            let run = Mark { x0, y0: y, x1: x, y1: y + 1, area: u32::from(x - x0) };
            let label = own.unwrap_or_else(|| {
                found.push(run);
                joined.push(joined.len());
                joined.len() - 1
            });
            if own.is_some()
                && let Some(mark) = found.get_mut(label)
            {
                *mark = merged(*mark, run);
            }
            here.push((x0, x, label));
        }
        above = here;
    }
    let roots = found.iter().zip(&joined).enumerate().filter(|(i, (_, to))| i == *to);
    let mut letters: Vec<Mark> = roots.map(|(_, (mark, _))| *mark).filter(Mark::may_be_a_letter).collect();
    if letters.len() > MOST_MARKS {
        letters.sort_unstable_by_key(|m| std::cmp::Reverse(m.height()));
        letters.truncate(MOST_MARKS);
    }
    letters.sort_unstable_by_key(|m| (m.x0, m.y0));
    letters
}

/// Runs of marked pixels of a line: where each begins, and where it has ended.
fn runs(ink: &[bool]) -> impl Iterator<Item = (u16, u16)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + ink.get(at..)?.iter().position(|on| *on)?;
        let rest = ink.get(start..)?;
        at = start + rest.iter().position(|on| !on).unwrap_or(rest.len());
        Some((u16::try_from(start).ok()?, u16::try_from(at).ok()?))
    })
}

fn merged(a: Mark, b: Mark) -> Mark {
    Mark {
        x0: a.x0.min(b.x0),
        y0: a.y0.min(b.y0),
        x1: a.x1.max(b.x1),
        y1: a.y1.max(b.y1),
        area: a.area.saturating_add(b.area),
    }
}

fn root(joined: &mut [usize], mut label: usize) -> usize {
    while let Some(to) = joined.get(label).copied()
        && to != label
    {
        // Half the way each time, so that no chain stays long.
        if let Some(next) = joined.get(to).copied()
            && let Some(slot) = joined.get_mut(label)
        {
            *slot = next;
        }
        label = to;
    }
    label
}

fn join(found: &mut [Mark], joined: &mut [usize], a: usize, b: usize) -> usize {
    if a == b {
        return a;
    }
    let (keep, drop) = (a.min(b), a.max(b));
    if let Some(slot) = joined.get_mut(drop) {
        *slot = keep;
    }
    if let Some(dropped) = found.get(drop).copied()
        && let Some(kept) = found.get_mut(keep)
    {
        // What was counted stays counted: the area of the dropped mark moves over once.
        *kept = merged(*kept, dropped);
    }
    keep
}

/// Letters in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    x0: f32,
    y0: f32,
    x1: f32,
    y1: f32,
    /// Of one letter.
    height: f32,
    letters: usize,
}

/// Rows of letters, each letter in one row.
fn rows(marks: &[Mark]) -> Vec<Row> {
    let mut used = vec![false; marks.len()];
    let mut found = Vec::new();
    for first in 0..marks.len() {
        if used.get(first).copied().unwrap_or(true) {
            continue;
        }
        let mut chain = vec![first];
        let mut last = first;
        while let Some(next) = neighbour(marks, last)
            && chain.len() <= *ROW.end()
        {
            chain.push(next);
            last = next;
        }
        let letters: Vec<Mark> = chain.iter().filter_map(|i| marks.get(*i)).copied().collect();
        if let Some(row) = row(&letters) {
            for i in chain {
                used.get_mut(i).into_iter().for_each(|u| *u = true);
            }
            found.push(row);
        }
    }
    found
}

/// The nearest mark to the right that may be the next letter.
fn neighbour(marks: &[Mark], from: usize) -> Option<usize> {
    let last = marks.get(from)?;
    let h = f32::from(last.height());
    let reach = f32::from(last.x1) + 1.2 * h;
    let candidates = marks.iter().enumerate().skip(from + 1).take_while(|(_, m)| f32::from(m.x0) < reach);
    let fits = |m: &&Mark| {
        let gap = f32::from(m.x0) - f32::from(last.x1);
        let (dx, dy) = (m.cx() - last.cx(), (m.cy() - last.cy()).abs());
        dx > 0.0
            && (-0.3 * h..=1.1 * h).contains(&gap)
            && (0.75..=1.33).contains(&(f32::from(m.height()) / h))
            && dy <= 0.35 * h * (dx / h).max(1.0)
    };
    candidates.filter(|(_, m)| fits(m)).min_by(|(_, a), (_, b)| a.cx().total_cmp(&b.cx())).map(|(i, _)| i)
}

/// A row, if the letters are enough, of one height and on one straight line.
fn row(letters: &[Mark]) -> Option<Row> {
    if !ROW.contains(&letters.len()) {
        return None;
    }
    let n = letters.len() as f32;
    let mean = |of: fn(&Mark) -> f32| letters.iter().map(of).sum::<f32>() / n;
    let (mx, my, height) = (mean(Mark::cx), mean(Mark::cy), mean(|m| f32::from(m.height())));
    let spread = (letters.iter().map(|m| (f32::from(m.height()) - height).powi(2)).sum::<f32>() / n).sqrt();
    let xx: f32 = letters.iter().map(|m| (m.cx() - mx).powi(2)).sum();
    let xy: f32 = letters.iter().map(|m| (m.cx() - mx) * (m.cy() - my)).sum();
    let slope = if xx > 0.0 { xy / xx } else { return None };
    let off = letters.iter().map(|m| (m.cy() - my - slope * (m.cx() - mx)).abs()).fold(0.0, f32::max);
    let edge = |of: fn(&Mark) -> u16, pick: fn(f32, f32) -> f32, from: f32| {
        letters.iter().map(|m| f32::from(of(m))).fold(from, pick)
    };
    let row = Row {
        x0: edge(|m| m.x0, f32::min, f32::MAX),
        y0: edge(|m| m.y0, f32::min, f32::MAX),
        x1: edge(|m| m.x1, f32::max, 0.0),
        y1: edge(|m| m.y1, f32::max, 0.0),
        height,
        letters: letters.len(),
    };
    let long = (row.x1 - row.x0) / height;
    // Strokes leave paper free; windows and stones are full.
    let full = letters.iter().map(|m| m.area as f32 / (f32::from(m.width()) * f32::from(m.height()))).sum::<f32>() / n;
    let straight = off < 0.2 * height && slope.abs() < 0.6 && spread < 0.2 * height;
    (straight && full <= 0.7 && (2.2..=9.0).contains(&long)).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A plate with strokes as letters, drawn on a grey of its own.
    fn plate(size: Size, at: (usize, usize), height: usize, tilt: f32, dark: bool, letters: usize) -> Vec<u8> {
        let mut grey = vec![100_u8; size.pixels()];
        let (paper, ink) = if dark { (210, 30) } else { (40, 220) };
        let wide = usize::from(size.width());
        let (w, gap) = (height / 2, height / 4 + 1);
        let mut put = |x: usize, y: usize, v: u8| {
            if x < wide && y < usize::from(size.height()) {
                grey[y * wide + x] = v;
            }
        };
        let length = letters * (w + gap) + 2 * gap;
        for x in 0..length {
            let down = (x as f32 * tilt) as usize;
            for y in 0..height + height / 2 {
                put(at.0 + x, at.1 + y + down, paper);
            }
        }
        let stroke = (height / 8).max(1);
        for letter in 0..letters {
            let left = gap + letter * (w + gap);
            for x in 0..w {
                let down = ((left + x) as f32 * tilt) as usize;
                for y in 0..height {
                    let rim = x < stroke || y < stroke || letter % 2 == 0 && x + stroke >= w;
                    if rim {
                        put(at.0 + left + x, at.1 + height / 4 + y + down, ink);
                    }
                }
            }
        }
        grey.iter().flat_map(|v| [*v; 3]).collect()
    }

    fn look(rgb: &[u8], size: Size) -> Vec<SeenBox> {
        let picture = Picture::plain(rgb, size);
        LetterRows::new().unwrap().look(picture, Rect::whole(size), 0.5).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn frm_17n_a_plate_without_a_vehicle_is_found_to_its_last_letter(
            x in 10_usize..200, y in 10_usize..150, height in 10_usize..40, tilt in 0.0_f32..0.15, dark in any::<bool>(),
        ) {
            let size = Size::new(640, 320).unwrap();
            let found = look(&plate(size, (x, y), height, tilt, dark, 6), size);
            let right = (x + 6 * (height / 2 + height / 4 + 1)) as f32;
            prop_assert!(
                found.iter().any(|b| b.x0 <= x as f32 + 2.0 && b.x1 >= right && b.y0 <= y as f32 + height as f32 / 4.0),
                "{:?}", found
            );
        }
    }

    #[test]
    fn frm_17p_walls_bars_and_noise_are_no_plates() {
        let size = Size::new(400, 300).unwrap();
        assert!(look(&vec![128; size.rgb_bytes()], size).is_empty());
        // A railing: marks as tall as the picture.
        let bars: Vec<u8> = (0..size.pixels()).flat_map(|i| [if (i % 400) % 12 < 4 { 20 } else { 200 }; 3]).collect();
        assert!(look(&bars, size).is_empty());
        // Four letters are too few.
        let four = plate(size, (20, 20), 20, 0.0, true, 4);
        assert!(look(&four, size).is_empty());
    }

    #[test]
    fn marks_that_meet_late_are_one_mark() {
        // A U: two strokes that meet on the last line.
        let mut data = vec![200_u8; 40 * 20];
        for y in 4..15 {
            for x in [10, 11, 16, 17] {
                data[y * 40 + x] = 0;
            }
        }
        data[14 * 40 + 10..14 * 40 + 18].fill(0);
        let grey = Grey { data, width: 40, height: 20 };
        let found = marks(&grey, &grey.local_means(), true);
        assert_eq!(found, [Mark { x0: 10, y0: 4, x1: 18, y1: 15, area: 48 }]);
    }

    proptest! {
        #[test]
        fn runs_are_the_marked_pixels_and_no_two_touch(ink in proptest::collection::vec(any::<bool>(), 0..70)) {
            let found: Vec<(u16, u16)> = runs(&ink).collect();
            let mut drawn = vec![false; ink.len()];
            for (start, end) in &found {
                prop_assert!(start < end);
                drawn[usize::from(*start)..usize::from(*end)].fill(true);
            }
            prop_assert_eq!(drawn, ink);
            prop_assert!(found.windows(2).all(|two| two[0].1 < two[1].0));
        }
    }

    #[test]
    fn local_means_are_those_of_the_square_around() {
        // Wider than the window, as wide, narrower, and a column.
        for (width, height) in [(37, 29), (25, 30), (26, 12), (24, 25), (13, 9), (12, 40), (1, 31), (60, 1)] {
            means_of(width, height);
        }
    }

    fn means_of(width: usize, height: usize) {
        let data: Vec<u8> = (0..width * height).map(|i| (i * 31 % 251) as u8).collect();
        let grey = Grey { data, width, height };
        assert_eq!(grey.local_means().len(), grey.data.len());
        for (at, mean) in grey.local_means().iter().enumerate() {
            let (x, y) = (at % width, at / width);
            let (mut sum, mut count) = (0_u32, 0);
            for py in y.saturating_sub(REACH)..=(y + REACH).min(height - 1) {
                for px in x.saturating_sub(REACH)..=(x + REACH).min(width - 1) {
                    sum += u32::from(grey.data[py * width + px]);
                    count += 1;
                }
            }
            assert_eq!(u32::from(*mean), sum / count, "at {x},{y}");
        }
    }
}
