//! Marks that may be letters: ink that hangs together, of a letter's shape.

use super::ink::{Bits, runs};

/// Heights of marks that are letters.
const HEIGHTS: std::ops::RangeInclusive<u16> = 7..=48;
/// Marks in one tile: more are a texture, and a search among them would be without end. The tallest are kept.
const MOST_MARKS: usize = 20_000;

/// Connected pixels of one kind: a letter, or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) x0: u16,
    pub(super) y0: u16,
    pub(super) x1: u16,
    pub(super) y1: u16,
    pub(super) area: u32,
}

impl Mark {
    pub(super) const fn height(&self) -> u16 {
        self.y1 - self.y0
    }

    pub(super) const fn width(&self) -> u16 {
        self.x1 - self.x0
    }

    fn may_be_a_letter(&self) -> bool {
        let (w, h) = (f32::from(self.width()), f32::from(self.height()));
        HEIGHTS.contains(&self.height()) && w <= 1.1 * h && w >= 0.08 * h && self.area as f32 >= 0.15 * w * h
    }

    pub(super) fn cx(&self) -> f32 {
        f32::midpoint(self.x0.into(), self.x1.into())
    }

    pub(super) fn cy(&self) -> f32 {
        f32::midpoint(self.y0.into(), self.y1.into())
    }
}

/// Marks that may be letters, from left to right. Runs of each line are joined with the runs that they touch on the line above.
pub(super) fn marks(ink: &Bits) -> Vec<Mark> {
    let mut found: Vec<Mark> = Vec::new();
    // Each run belongs to a mark; a mark that met another points to it.
    let mut joined: Vec<usize> = Vec::new();
    let mut above: Vec<(u16, u16, usize)> = Vec::new();
    let mut here = Vec::new();
    for (y, line) in ink.lines().enumerate() {
        let Ok(y) = u16::try_from(y) else { break };
        here.clear();
        let mut first_above = 0;
        for (x0, x) in runs(line) {
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
        std::mem::swap(&mut above, &mut here);
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let found = marks(&super::super::ink::tests::ink(data, 40).darker);
        assert_eq!(found, [Mark { x0: 10, y0: 4, x1: 18, y1: 15, area: 48 }]);
    }
}
