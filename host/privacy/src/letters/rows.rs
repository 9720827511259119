//! Rows of letters among the marks of a tile.

use super::marks::Mark;

/// How many letters make a row.
const ROW: std::ops::RangeInclusive<usize> = 5..=12;

/// Letters in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) x0: f32,
    pub(super) y0: f32,
    pub(super) x1: f32,
    pub(super) y1: f32,
    /// Of one letter.
    pub(super) height: f32,
    pub(super) letters: usize,
}

/// Rows of letters, each letter in one row.
pub(super) fn rows(marks: &[Mark]) -> Vec<Row> {
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
