//! Medians with their quartiles, and ratios within a round.

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) struct Table {
    title: String,
    order: Vec<&'static str>,
    values: BTreeMap<&'static str, Vec<f64>>,
}

/// Lower quartile, median, upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), order: vec![], values: BTreeMap::new() }
    }

    pub(crate) fn round(&mut self, lines: &[(&'static str, Duration)]) {
        for (name, time) in lines {
            if !self.values.contains_key(name) {
                self.order.push(name);
            }
            self.values.entry(name).or_default().push(time.as_secs_f64() * 1e6);
        }
    }

    pub(crate) fn print(&self) {
        println!("\n{}\n{:<44} {:>10}   quartiles, in microseconds", self.title, "", "median");
        for name in &self.order {
            let [low, middle, high] = quartiles(self.values[name].clone());
            println!("{name:<44} {middle:>10.1}   {low:.1} to {high:.1}");
        }
    }

    fn each(&self, names: &[&str], work: impl Fn(&[f64]) -> f64) -> Option<[f64; 3]> {
        let columns: Option<Vec<&Vec<f64>>> = names.iter().map(|name| self.values.get(name)).collect();
        let columns = columns?;
        let rounds = columns.iter().map(|column| column.len()).min()?;
        let rows = (0..rounds).map(|round| work(&columns.iter().map(|column| column[round]).collect::<Vec<_>>()));
        Some(quartiles(rows.collect()))
    }

    /// (a - b) / c.
    pub(crate) fn ratio(&self, a: &str, b: &str, c: &str) {
        if let Some([low, middle, high]) = self.each(&[a, b, c], |v| (v[0] - v[1]) / v[2]) {
            println!("  ({a} - {b}) / {c}: {middle:.2} ({low:.2} to {high:.2})");
        }
    }

    /// a / b.
    pub(crate) fn over(&self, a: &str, b: &str) {
        if let Some([low, middle, high]) = self.each(&[a, b], |v| v[0] / v[1]) {
            println!("  {a} / {b}: {middle:.3} ({low:.3} to {high:.3})");
        }
    }

    /// a - b.
    pub(crate) fn difference(&self, a: &str, b: &str) {
        if let Some([low, middle, high]) = self.each(&[a, b], |v| v[0] - v[1]) {
            println!("  {a} - {b}: {middle:.1} us ({low:.1} to {high:.1})");
        }
    }
}
