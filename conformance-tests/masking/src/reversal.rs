//! T4: an attacker who knows the kernel turns the masking around. How much clearer does the picture get?

use vaern_door::Rect;
use vaern_privacy::PeopleClass;

use crate::gallery::{Gallery, Shot};
use crate::masker::{Masker, Refused, seen};
use crate::picture::{Picture, Plane, psnr};
use crate::verdict::{Figure, TestId, Verdict};
use crate::weak::{box_kernel, gaussian_kernel};

/// What the attacker supposes was done to the region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blur {
    /// Box blur, kernel in parts of the region's sides.
    Box(f64),
    /// Gaussian blur, sigma in widths of the region.
    Gaussian(f64),
    /// Mosaic of this many columns.
    Mosaic(usize),
}

impl Blur {
    /// What common tools do.
    pub const COMMON: [Self; 3] = [Self::Box(0.5), Self::Gaussian(0.3), Self::Mosaic(12)];
}

/// Gain that counts: less cannot be told from rounding.
const LIMIT_DB: f64 = 0.1;

/// The most that any reversal under any of the suppositions gains, in dB over the masked region as it is, and which one it was.
///
/// The attacker is given more than life gives: the kernel, and the best setting of each method as judged against the original.
#[must_use]
pub fn gain(masked: &Plane, original: &Plane, blurs: &[Blur]) -> (f64, &'static str) {
    let before = psnr(masked, original);
    let mut best = (0.0, "none");
    let mut try_one = |plane: &Plane, name: &'static str| {
        let gained = psnr(plane, original) - before;
        if gained > best.0 {
            best = (gained, name);
        }
    };
    let cosines = Cosines::of(masked.width, masked.height);
    for blur in blurs {
        if let Blur::Mosaic(columns) = blur {
            try_one(&interpolated(masked, *columns), "interpolation");
            continue;
        }
        let response = cosines.response(*blur);
        let spectrum = cosines.forward(masked);
        for exponent in 1..=10 {
            let noise = 10.0_f64.powf(-0.5 * f64::from(exponent));
            // Wiener: the noise is the same at every frequency. The mean is known exactly.
            let wiener = |i: usize, h: f64| if i == 0 { 1.0 } else { h / (h * h + noise) };
            try_one(&cosines.filtered(&spectrum, &response, wiener), "Wiener");
            // Tikhonov: roughness is what costs.
            let width = masked.width;
            let tikhonov = |i: usize, h: f64| {
                let (u, v) = ((i % width) as f64 / width as f64, (i / width) as f64 / masked.height as f64);
                let rough = (u * u + v * v) * 4.0;
                if i == 0 { 1.0 } else { h / (h * h + noise * rough) }
            };
            try_one(&cosines.filtered(&spectrum, &response, tikhonov), "Tikhonov");
        }
        // Richardson and Lucy: never negative, step by step.
        let mut guess = masked.clone();
        for step in 1..=24 {
            let seen = cosines.blurred(&guess, &response);
            let mut ratio = masked.clone();
            ratio.values.iter_mut().zip(&seen.values).for_each(|(v, s)| *v /= s.max(0.5));
            let back = cosines.blurred(&ratio, &response);
            guess.values.iter_mut().zip(&back.values).for_each(|(g, b)| *g = (*g * b).max(0.0));
            if step % 8 == 0 {
                try_one(&guess, "Richardson-Lucy");
            }
        }
    }
    best
}

/// Cosine transforms of a plane: they turn a symmetric blur with mirrored edges into a product.
struct Cosines {
    across: Vec<f64>,
    down: Vec<f64>,
    width: usize,
    height: usize,
}

fn matrix(side: usize) -> Vec<f64> {
    let scale = |u: usize| if u == 0 { (1.0 / side as f64).sqrt() } else { (2.0 / side as f64).sqrt() };
    let cell = |u: usize, x: usize| {
        scale(u) * (std::f64::consts::PI * u as f64 * (2 * x + 1) as f64 / (2 * side) as f64).cos()
    };
    (0..side).flat_map(|u| (0..side).map(move |x| cell(u, x))).collect()
}

impl Cosines {
    fn of(width: usize, height: usize) -> Self {
        Self { across: matrix(width), down: matrix(height), width, height }
    }

    /// Frequencies of a plane, row by row.
    fn forward(&self, plane: &Plane) -> Vec<f64> {
        let (w, h) = (self.width, self.height);
        let mut rows = vec![0.0; w * h];
        for (line, out) in plane.values.chunks_exact(w).zip(rows.chunks_exact_mut(w)) {
            for (value, basis) in out.iter_mut().zip(self.across.chunks_exact(w)) {
                *value = line.iter().zip(basis).map(|(a, b)| a * b).sum();
            }
        }
        let mut out = vec![0.0; w * h];
        for (v, target) in out.chunks_exact_mut(w).enumerate() {
            for (y, line) in rows.chunks_exact(w).enumerate() {
                let weight = self.down[v * h + y];
                target.iter_mut().zip(line).for_each(|(t, l)| *t += weight * l);
            }
        }
        out
    }

    fn backward(&self, spectrum: &[f64]) -> Plane {
        let (w, h) = (self.width, self.height);
        let mut columns = vec![0.0; w * h];
        for (y, target) in columns.chunks_exact_mut(w).enumerate() {
            for (v, line) in spectrum.chunks_exact(w).enumerate() {
                let weight = self.down[v * h + y];
                target.iter_mut().zip(line).for_each(|(t, l)| *t += weight * l);
            }
        }
        let mut values = vec![0.0; w * h];
        for (line, out) in columns.chunks_exact(w).zip(values.chunks_exact_mut(w)) {
            for (value, basis) in line.iter().zip(self.across.chunks_exact(w)) {
                out.iter_mut().zip(basis).for_each(|(o, b)| *o += value * b);
            }
        }
        Plane { width: w, height: h, values }
    }

    /// How much of each frequency a blur lets through.
    fn response(&self, blur: Blur) -> Vec<f64> {
        let kernel = |side: usize| match blur {
            Blur::Box(part) => box_kernel((side as f64 * part) as usize),
            Blur::Gaussian(sigma) => gaussian_kernel(sigma * self.width as f64),
            Blur::Mosaic(columns) => box_kernel(self.width / columns.max(1)),
        };
        let along = |side: usize| -> Vec<f64> {
            let kernel = kernel(side);
            let middle = (kernel.len() / 2) as f64;
            let at = |u: usize| {
                let turn = std::f64::consts::PI * u as f64 / side as f64;
                kernel.iter().enumerate().map(|(k, w)| w * (turn * (k as f64 - middle)).cos()).sum()
            };
            (0..side).map(at).collect()
        };
        let (across, down) = (along(self.width), along(self.height));
        down.iter().flat_map(|v| across.iter().map(move |u| u * v)).collect()
    }

    fn filtered(&self, spectrum: &[f64], response: &[f64], by: impl Fn(usize, f64) -> f64) -> Plane {
        let product = spectrum.iter().zip(response).enumerate().map(|(i, (s, h))| s * by(i, *h)).collect::<Vec<_>>();
        self.backward(&product)
    }

    fn blurred(&self, plane: &Plane, response: &[f64]) -> Plane {
        self.filtered(&self.forward(plane), response, |_, h| h)
    }
}

/// The cells of a mosaic as samples of something smooth.
fn interpolated(masked: &Plane, columns: usize) -> Plane {
    let (w, h) = (masked.width, masked.height);
    let side = (w as f64 / columns as f64).max(1.0);
    let rows = ((h as f64 / side).round() as usize).max(1);
    let columns = columns.clamp(1, w);
    let sample = |column: usize, row: usize| {
        let x = ((column * 2 + 1) * w / (2 * columns)).min(w - 1);
        let y = ((row * 2 + 1) * h / (2 * rows)).min(h - 1);
        masked.values[y * w + x]
    };
    let place = |at: usize, count: usize, side: usize| {
        let exact = ((at as f64 + 0.5) * count as f64 / side as f64 - 0.5).clamp(0.0, (count - 1) as f64);
        (exact as usize, (exact as usize + 1).min(count - 1), exact.fract())
    };
    let mut values = Vec::with_capacity(w * h);
    for y in 0..h {
        let (top, below, down) = place(y, rows, h);
        for x in 0..w {
            let (left, right, along) = place(x, columns, w);
            let upper = sample(left, top) * (1.0 - along) + sample(right, top) * along;
            let lower = sample(left, below) * (1.0 - along) + sample(right, below) * along;
            values.push(upper * (1.0 - down) + lower * down);
        }
    }
    Plane { width: w, height: h, values }
}

fn regions(masker: &dyn Masker, shot: &Shot) -> Result<(Plane, Plane), Refused> {
    let masked = masker.mask(&shot.file, &[seen(PeopleClass::Face, shot.bbox)])?;
    let whole = Rect::whole(masked.picture.size());
    let rect = masked.rects.first().copied().unwrap_or(whole);
    let original = Picture::decode(&shot.file)?.cut(rect);
    let region = masked.picture.cut(rect);
    region.zip(original).map(|(a, b)| (a.luma(), b.luma())).ok_or_else(|| Refused("no region".to_owned()))
}

/// The mean gain of the best reversal over `faces` faces.
#[must_use]
pub fn t4(masker: &dyn Masker, gallery: &Gallery, faces: usize) -> Verdict {
    let mut gains: Vec<(f64, &'static str)> = Vec::new();
    for shot in gallery.unknown.iter().take(faces) {
        match regions(masker, shot) {
            Ok((masked, original)) => gains.push(gain(&masked, &original, &Blur::COMMON)),
            Err(refused) => return Verdict::of(TestId::T4, false, Vec::new(), refused.to_string()),
        }
    }
    let mean = gains.iter().map(|g| g.0).sum::<f64>() / gains.len().max(1) as f64;
    let (most, how) = gains.iter().copied().fold((0.0, "none"), |a, b| if b.0 > a.0 { b } else { a });
    let figures = vec![
        Figure::new("mean gain", mean, "dB"),
        Figure::new("largest", most, "dB"),
        Figure::new("faces", gains.len() as f64, ""),
    ];
    Verdict::of(TestId::T4, !gains.is_empty() && most <= LIMIT_DB, figures, how)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_comes_back_and_a_blur_without_rounding_is_undone() {
        let (width, height) = (24, 18);
        let values = (0..width * height).map(|i| f64::from((i * 37 % 101) as u8) * 2.0 + 20.0).collect();
        let plane = Plane { width, height, values };
        let cosines = Cosines::of(width, height);
        let back = cosines.backward(&cosines.forward(&plane));
        assert!(back.values.iter().zip(&plane.values).all(|(a, b)| (a - b).abs() < 1e-9));
        let blurred = cosines.blurred(&plane, &cosines.response(Blur::Gaussian(0.05)));
        assert!(gain(&blurred, &plane, &[Blur::Gaussian(0.05)]).0 > 5.0);
    }

    #[test]
    fn nothing_is_gained_from_a_constant() {
        let original = Plane { width: 20, height: 20, values: (0..400).map(|i| f64::from(i % 200)).collect() };
        let constant = Plane { width: 20, height: 20, values: vec![90.0; 400] };
        let (gained, _) = gain(&constant, &original, &Blur::COMMON);
        assert!(gained < 1e-6, "{gained}");
    }
}
