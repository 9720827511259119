//! Medians with their quartiles, and ratios within a round with the interval that the true median lies in; as Markdown.

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) struct Table {
    title: String,
    order: Vec<&'static str>,
    values: BTreeMap<&'static str, Vec<f64>>,
}

/// What the rounds say of one number.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    quartiles: [f64; 2],
    /// Holds the true median in 95 of 100 runs, whatever the noise looks like: two order statistics.
    interval: [f64; 2],
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        let quarter = |quarter: usize| values[last * quarter / 4];
        let reach = 0.98 * (values.len() as f64).sqrt();
        let low = (values.len() as f64 / 2.0 - reach).floor().max(0.0) as usize;
        let high = ((values.len() as f64 / 2.0 + reach).ceil() as usize).min(last);
        Self { median: quarter(2), quartiles: [quarter(1), quarter(3)], interval: [values[low], values[high]] }
    }
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
        println!("\n| {}, microseconds | median | quartiles |\n|---|---:|---|", self.title);
        for name in &self.order {
            let Spread { median, quartiles: [low, high], .. } = Spread::of(self.values[name].clone());
            println!("| {name} | {median:.1} | {low:.1} to {high:.1} |");
        }
        println!("\n| ratios within a round | median | 95 % interval of the median | quartiles |\n|---|---:|---|---|");
    }

    fn each(&self, names: &[&str], work: impl Fn(&[f64]) -> f64) -> Option<Spread> {
        let columns: Option<Vec<&Vec<f64>>> = names.iter().map(|name| self.values.get(name)).collect();
        let columns = columns?;
        let rounds = columns.iter().map(|column| column.len()).min()?;
        let rows = (0..rounds).map(|round| work(&columns.iter().map(|column| column[round]).collect::<Vec<_>>()));
        Some(Spread::of(rows.collect()))
    }

    /// (a - less) / (b - less), where `less` is what both do besides; without `minus` in the divisor it is a memcpy.
    pub(crate) fn without(&self, a: &str, b: &str, less: &str) -> Option<Spread> {
        let spread = self.each(&[a, b, less], |v| (v[0] - v[2]) / (v[1] - v[2]))?;
        row(&format!("({a} - loop) / ({b} - loop)"), spread, "");
        Some(spread)
    }

    /// (a - less) / unit.
    pub(crate) fn ratio(&self, a: &str, less: &str, unit: &str) -> Option<Spread> {
        let spread = self.each(&[a, less, unit], |v| (v[0] - v[1]) / v[2])?;
        row(&format!("({a} - loop) / memcpy"), spread, "");
        Some(spread)
    }

    /// a / b.
    pub(crate) fn over(&self, a: &str, b: &str) -> Option<Spread> {
        let spread = self.each(&[a, b], |v| v[0] / v[1])?;
        row(&format!("{a} / {b}"), spread, "");
        Some(spread)
    }

    /// a - b, in microseconds.
    pub(crate) fn difference(&self, a: &str, b: &str) -> Option<Spread> {
        let spread = self.each(&[a, b], |v| v[0] - v[1])?;
        row(&format!("{a} - {b}"), spread, " µs");
        Some(spread)
    }
}

fn row(name: &str, Spread { median, quartiles: [low, high], interval: [from, to] }: Spread, unit: &str) {
    println!("| {name} | **{median:.2}**{unit} | {from:.2} to {to:.2} | {low:.2} to {high:.2} |");
}

/// What design and issue ask for, and what came out.
#[derive(Default)]
pub(crate) struct Aims(Vec<String>);

impl Aims {
    /// `most`: the figure may not be larger; otherwise it may not be smaller. A figure whose peer was not there is said to be missing.
    pub(crate) fn hold(&mut self, what: &str, figure: Option<Spread>, most: bool, bound: f64) {
        let sign = if most { "≤" } else { "≥" };
        let line = match figure {
            None => format!("{what}: aim {sign} {bound}; NOT MEASURED, its peer was not given"),
            Some(Spread { median, interval: [low, high], .. }) => {
                // The whole interval on one side decides; otherwise this run cannot tell.
                let (inside, outside) = if most { (high <= bound, low > bound) } else { (low >= bound, high < bound) };
                let verdict = match (inside, outside) {
                    (true, _) => "holds",
                    (_, true) => "does not hold",
                    _ => "this run cannot tell",
                };
                format!("{what}: {median:.2} ({low:.2} to {high:.2}), aim {sign} {bound}: {verdict}")
            }
        };
        self.0.push(line);
    }

    pub(crate) fn print(&self) {
        println!("\n| aim |\n|---|");
        self.0.iter().for_each(|line| println!("| {line} |"));
        println!();
        self.0.iter().for_each(|line| println!("DEEP {line}"));
    }
}
