//! The statistics and the little linear algebra that the attacks need. Everything is exact or deterministic.

/// The two ends, inclusive, between which a count of successes lies with at least 99 % where each of `trials` succeeds with
/// probability `p`: half a percent may lie beyond either end.
#[must_use]
pub fn binomial_99(trials: usize, p: f64) -> (usize, usize) {
    // In logarithms: the first term alone may be too small for a float.
    let mut log = trials as f64 * (1.0 - p).ln();
    let mut below = 0.0;
    let mut low = None;
    for k in 0..=trials {
        below += log.exp();
        if low.is_none() && below > 0.005 {
            low = Some(k);
        }
        if below >= 0.995 {
            return (low.unwrap_or(0), k);
        }
        log += ((trials - k) as f64 / (k + 1) as f64 * p / (1.0 - p)).ln();
    }
    (low.unwrap_or(0), trials)
}

/// A square symmetric matrix, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Symmetric {
    side: usize,
    cells: Vec<f64>,
}

/// The factor `L` of `L Lᵀ`, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Factor {
    side: usize,
    cells: Vec<f64>,
}

impl Symmetric {
    /// Mean of the outer products of the rows.
    #[must_use]
    pub(crate) fn second_moment(rows: &[Vec<f64>]) -> Self {
        let side = rows.first().map_or(0, Vec::len);
        let mut cells = vec![0.0; side * side];
        for row in rows {
            for (i, a) in row.iter().enumerate() {
                if *a != 0.0 {
                    for (cell, b) in cells[i * side..i * side + i + 1].iter_mut().zip(row) {
                        *cell += a * b;
                    }
                }
            }
        }
        let count = rows.len().max(1) as f64;
        for i in 0..side {
            for j in 0..=i {
                let value = cells[i * side + j] / count;
                cells[i * side + j] = value;
                cells[j * side + i] = value;
            }
        }
        Self { side, cells }
    }

    /// Adds `part` of the mean of the diagonal to the diagonal, and a trace so small that only a singular matrix notices.
    #[must_use]
    pub(crate) fn ridged(mut self, part: f64) -> Self {
        let trace: f64 = (0..self.side).map(|i| self.cells[i * self.side + i]).sum();
        let add = part * trace / self.side.max(1) as f64 + 1e-9;
        for i in 0..self.side {
            self.cells[i * self.side + i] += add;
        }
        self
    }

    /// The Cholesky factor. A pivot that is not positive is taken as a trace: the matrix was ridged, so it is rounding.
    #[must_use]
    pub(crate) fn factor(&self) -> Factor {
        let side = self.side;
        let mut cells = vec![0.0; side * side];
        for i in 0..side {
            for j in 0..=i {
                let (row, other) = (&cells[i * side..i * side + j], &cells[j * side..j * side + j]);
                let sum: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                let left = self.cells[i * side + j] - sum;
                cells[i * side + j] = if i == j { left.max(1e-12).sqrt() } else { left / cells[j * side + j] };
            }
        }
        Factor { side, cells }
    }
}

impl Factor {
    /// Solves `L x = b`: the vector as it looks where the matrix is the identity.
    #[must_use]
    pub(crate) fn whitened(&self, b: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = Vec::with_capacity(self.side);
        for (i, value) in b.iter().enumerate() {
            let row = &self.cells[i * self.side..i * self.side + i];
            let sum: f64 = row.iter().zip(&x).map(|(a, b)| a * b).sum();
            x.push((value - sum) / self.cells[i * self.side + i]);
        }
        x
    }

    /// Solves `L Lᵀ x = b`.
    #[must_use]
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = self.whitened(b);
        for i in (0..self.side).rev() {
            let sum: f64 = (i + 1..self.side).map(|k| self.cells[k * self.side + i] * x[k]).sum();
            x[i] = (x[i] - sum) / self.cells[i * self.side + i];
        }
        x
    }

    /// Logarithm of the determinant of the matrix.
    #[must_use]
    pub(crate) fn log_determinant(&self) -> f64 {
        (0..self.side).map(|i| 2.0 * self.cells[i * self.side + i].ln()).sum()
    }
}

/// Squared distance.
#[must_use]
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Mean of the rows.
#[must_use]
pub(crate) fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut out = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        out.iter_mut().zip(row).for_each(|(o, v)| *o += v);
    }
    out.iter_mut().for_each(|v| *v /= rows.len().max(1) as f64);
    out
}

/// The rows without their mean.
#[must_use]
pub(crate) fn centred(rows: &[Vec<f64>], mean: &[f64]) -> Vec<Vec<f64>> {
    rows.iter().map(|row| row.iter().zip(mean).map(|(v, m)| v - m).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_fair_coin_and_of_a_rare_one() {
        // From the tables of the binomial distribution.
        assert_eq!(binomial_99(10, 0.5), (1, 9));
        let (low, high) = binomial_99(256, 1.0 / 64.0);
        assert_eq!((low, high), (0, 10));
        assert_eq!(binomial_99(100_000, 0.5), (49_593, 50_407));
    }

    #[test]
    fn a_system_is_solved_and_a_determinant_is_right() {
        let rows = vec![vec![2.0, 0.0], vec![1.0, 3.0]];
        // Second moment: [[2.5, 1.5], [1.5, 4.5]], determinant 9.
        let factor = Symmetric::second_moment(&rows).factor();
        assert!((factor.log_determinant() - 9.0_f64.ln()).abs() < 1e-9);
        let x = factor.solve(&[1.0, 2.0]);
        assert!((2.5 * x[0] + 1.5 * x[1] - 1.0).abs() < 1e-9 && (1.5 * x[0] + 4.5 * x[1] - 2.0).abs() < 1e-9);
    }
}
