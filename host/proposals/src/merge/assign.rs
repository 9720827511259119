//! Who is who: each row takes one column or none, each column is taken once, at the least cost in all.
//!
//! Shortest augmenting paths over the few pairs that are near each other at all. A row's search ends at the latest where going
//! without a column is cheaper, so cost stays with the neighbourhood, not with the city.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// For each row, the column that it takes. `pairs` has the columns that each row may take, with their costs; `none` is the cost
/// of taking none. Of equal solutions the same is taken every time.
pub(super) fn assign(pairs: &[Vec<(usize, i64)>], columns: usize, none: i64) -> Vec<Option<usize>> {
    let mut state = State {
        pairs,
        columns,
        none,
        row_price: vec![0; pairs.len()],
        column_price: BTreeMap::new(),
        taken_by: BTreeMap::new(),
        takes: vec![None; pairs.len()],
    };
    for row in 0..pairs.len() {
        state.seat(row);
    }
    let real = |column: &usize| *column < columns;
    state.takes.into_iter().map(|column| column.filter(real)).collect()
}

struct State<'a> {
    pairs: &'a [Vec<(usize, i64)>],
    columns: usize,
    none: i64,
    row_price: Vec<i64>,
    column_price: BTreeMap<usize, i64>,
    taken_by: BTreeMap<usize, usize>,
    takes: Vec<Option<usize>>,
}

impl State<'_> {
    /// What a row may take: its pairs, and a column of its own that stands for none.
    fn choices(&self, row: usize) -> impl Iterator<Item = (usize, i64)> + '_ {
        let pairs = self.pairs.get(row).map(Vec::as_slice).unwrap_or_default();
        pairs.iter().copied().chain([(self.columns + row, self.none)])
    }

    fn reduced(&self, row: usize, column: usize, cost: i64) -> i64 {
        cost - self.row_price.get(row).copied().unwrap_or_default()
            - self.column_price.get(&column).copied().unwrap_or_default()
    }

    /// Gives `row` its column by the cheapest chain of moves.
    fn seat(&mut self, row: usize) {
        let mut heap = BinaryHeap::new();
        let mut best: BTreeMap<usize, (i64, usize)> = BTreeMap::new();
        let mut settled: Vec<(usize, i64)> = Vec::new();
        let mut done = BTreeSet::new();
        let (mut at, mut gone) = (row, 0);
        let (end, length) = loop {
            for (column, cost) in self.choices(at) {
                let to = gone + self.reduced(at, column, cost);
                if !done.contains(&column) && best.get(&column).is_none_or(|(known, _)| to < *known) {
                    best.insert(column, (to, at));
                    heap.push(Reverse((to, column)));
                }
            }
            // A column that is settled already was reached on a longer way as well.
            let next = std::iter::from_fn(|| heap.pop()).find(|Reverse((_, column))| done.insert(*column));
            let Some(Reverse((to, column))) = next else { return };
            match self.taken_by.get(&column).copied() {
                None => break (column, to),
                Some(next) => {
                    settled.push((column, to));
                    (at, gone) = (next, to);
                }
            }
        };
        for (column, to) in settled {
            *self.column_price.entry(column).or_default() += to - length;
            if let Some(price) = self.taken_by.get(&column).and_then(|taker| self.row_price.get_mut(*taker)) {
                *price += length - to;
            }
        }
        if let Some(price) = self.row_price.get_mut(row) {
            *price += length;
        }
        let mut column = end;
        while let Some((_, from)) = best.get(&column).copied() {
            self.taken_by.insert(column, from);
            let before = self.takes.get_mut(from).and_then(|takes| takes.replace(column));
            match before {
                Some(before) if from != row => column = before,
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cost(pairs: &[Vec<(usize, i64)>], none: i64, taken: &[Option<usize>]) -> i64 {
        pairs
            .iter()
            .zip(taken)
            .map(|(row, taken)| taken.map_or(none, |c| row.iter().find(|(column, _)| *column == c).unwrap().1))
            .sum()
    }

    /// Tries everything.
    fn cheapest(pairs: &[Vec<(usize, i64)>], none: i64, used: u32) -> i64 {
        let Some((row, rest)) = pairs.split_first() else { return 0 };
        let mut best = none + cheapest(rest, none, used);
        for (column, cost) in row {
            if used & (1 << column) == 0 {
                best = best.min(cost + cheapest(rest, none, used | 1 << column));
            }
        }
        best
    }

    proptest! {
        #[test]
        fn nobody_finds_a_cheaper_assignment(
            rows in prop::collection::vec(prop::collection::btree_map(0_usize..6, 0_i64..40, 0..6), 0..7),
            none in 1_i64..30,
        ) {
            let pairs: Vec<Vec<(usize, i64)>> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
            let taken = assign(&pairs, 6, none);
            let mut columns: Vec<usize> = taken.iter().copied().flatten().collect();
            columns.sort_unstable();
            let all = columns.len();
            columns.dedup();
            prop_assert_eq!(all, columns.len(), "a column is taken once");
            prop_assert_eq!(cost(&pairs, none, &taken), cheapest(&pairs, none, 0));
        }
    }

    #[test]
    fn a_row_that_is_shifted_by_almost_its_spacing_keeps_its_order() {
        // Five in a row, each nearer to its neighbour's place than to its own: together they know better.
        let pairs: Vec<Vec<(usize, i64)>> = (0..5_usize)
            .map(|row| (0..5_usize).map(|column| (column, (10 * (column as i64 - row as i64) + 6).pow(2))).collect())
            .collect();
        assert_eq!(assign(&pairs, 5, 900), (0..5).map(Some).collect::<Vec<_>>());
    }
}
