//! The maskings that the city must not use, as the common tools do them.
//!
//! They are here so that the suite shows red: a test that lets all of these through tests nothing.

use jpeg_encoder::SamplingFactor;
use vaern_door::{Rect, Size};
use vaern_privacy::SeenBox;

use crate::masker::{Masked, Masker, Refused};
use crate::picture::Picture;

/// Factor on both sides of a box, as `deface` has it.
const GROW: f32 = 1.3;

/// How a weak tool hides what is in a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Box blur with a kernel of half the region, the default of `deface`.
    BoxBlur,
    /// Gaussian blur, sigma in widths of the region.
    Gaussian(f64),
    /// Mosaic of this many columns of square cells.
    Mosaic(usize),
    /// The region's own mean colour.
    Mean,
}

/// A tool that hides boxes in a way that can be undone.
#[derive(Debug, Clone, Copy)]
pub struct Weak {
    name: &'static str,
    method: Method,
}

impl Weak {
    /// All that the suite must show red for.
    pub const ALL: [Self; 4] = [
        Self { name: "box blur, half", method: Method::BoxBlur },
        Self { name: "Gaussian 0.3", method: Method::Gaussian(0.3) },
        Self { name: "mosaic 12", method: Method::Mosaic(12) },
        Self { name: "mean fill", method: Method::Mean },
    ];
}

impl Masker for Weak {
    fn name(&self) -> &'static str {
        self.name
    }

    fn mask(&self, file: &[u8], boxes: &[SeenBox]) -> Result<Masked, Refused> {
        let mut picture = Picture::decode(file)?;
        let size = picture.size();
        let rects: Vec<Rect> = boxes.iter().filter_map(|b| grown(b, GROW, GROW, size)).collect();
        for rect in &rects {
            if let Some(region) = picture.cut(*rect) {
                paste(&mut picture, *rect, &hidden(&region, self.method));
            }
        }
        // Compressed as little as JPEG can: the tool is attacked, not its encoder.
        let file = picture.jpeg(SamplingFactor::F_1_1, 95)?;
        Ok(Masked { picture, file, rects })
    }
}

/// A box grown around its middle, in whole pixels, cut to the picture.
pub(crate) fn grown(seen: &SeenBox, x: f32, y: f32, size: Size) -> Option<Rect> {
    let (cx, cy) = ((seen.x0 + seen.x1) / 2.0, (seen.y0 + seen.y1) / 2.0);
    let (hw, hh) = ((seen.x1 - seen.x0) / 2.0 * x, (seen.y1 - seen.y0) / 2.0 * y);
    let low = |v: f32, side: u16| v.floor().clamp(0.0, f32::from(side)) as u16;
    let high = |v: f32, side: u16| v.ceil().clamp(0.0, f32::from(side)) as u16;
    let (w, h) = (size.width(), size.height());
    Rect::new(low(cx - hw, w), low(cy - hh, h), high(cx + hw, w), high(cy + hh, h)).ok()
}

fn paste(picture: &mut Picture, rect: Rect, region: &Picture) {
    let width = picture.sides().0;
    let (left, top) = (usize::from(rect.x0()), usize::from(rect.y0()));
    let length = region.sides().0 * 3;
    for (y, row) in region.rgb().chunks_exact(length).enumerate() {
        let at = ((top + y) * width + left) * 3;
        picture.rgb_mut()[at..at + length].copy_from_slice(row);
    }
}

fn hidden(region: &Picture, method: Method) -> Picture {
    let (width, height) = region.sides();
    match method {
        Method::BoxBlur => blurred(region, &box_kernel(width / 2), &box_kernel(height / 2)),
        Method::Gaussian(sigma) => {
            let kernel = gaussian_kernel(sigma * width as f64);
            blurred(region, &kernel, &kernel)
        }
        Method::Mosaic(columns) => {
            let side = (width as f64 / columns as f64).max(1.0);
            mosaic(region, columns, ((height as f64 / side).round() as usize).max(1))
        }
        Method::Mean => mosaic(region, 1, 1),
    }
}

/// Weights of a box of `length` pixels, made odd so that it has a middle.
#[must_use]
pub(crate) fn box_kernel(length: usize) -> Vec<f64> {
    let length = length | 1;
    vec![1.0 / length as f64; length]
}

/// Weights of a Gaussian, cut off at three sigma.
#[must_use]
pub(crate) fn gaussian_kernel(sigma: f64) -> Vec<f64> {
    let reach = (3.0 * sigma).ceil().max(1.0) as i32;
    let raw: Vec<f64> = (-reach..=reach).map(|i| (-0.5 * (f64::from(i) / sigma).powi(2)).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|v| v / sum).collect()
}

/// The pixel that stands in for one beyond the edge: mirrored at the edge itself, as often as it takes.
pub(crate) fn mirrored(at: i64, side: usize) -> usize {
    let side = side as i64;
    let at = at.rem_euclid(2 * side);
    (if at < side { at } else { 2 * side - 1 - at }) as usize
}

fn blurred(region: &Picture, across: &[f64], down: &[f64]) -> Picture {
    let (width, height) = region.sides();
    let source: Vec<f64> = region.rgb().iter().map(|v| f64::from(*v)).collect();
    let mut middle = vec![0.0; source.len()];
    for y in 0..height {
        for x in 0..width {
            for (k, weight) in across.iter().enumerate() {
                let from = mirrored(x as i64 + k as i64 - across.len() as i64 / 2, width);
                for c in 0..3 {
                    middle[(y * width + x) * 3 + c] += weight * source[(y * width + from) * 3 + c];
                }
            }
        }
    }
    let mut out = vec![0.0; source.len()];
    for y in 0..height {
        for (k, weight) in down.iter().enumerate() {
            let from = mirrored(y as i64 + k as i64 - down.len() as i64 / 2, height);
            for i in 0..width * 3 {
                out[y * width * 3 + i] += weight * middle[from * width * 3 + i];
            }
        }
    }
    let rgb = out.into_iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect();
    Picture::new(region.size(), rgb).unwrap_or_else(|_| region.clone())
}

fn mosaic(region: &Picture, columns: usize, rows: usize) -> Picture {
    let (width, height) = region.sides();
    let (columns, rows) = (columns.min(width), rows.min(height));
    let means = region.pooled(columns, rows);
    let mut out = region.clone();
    let pixels = out.rgb_mut();
    // The same cells as `pooled` has: cell `i` begins at `i * side / count`.
    let cell = |at: usize, count: usize, side: usize| (0..count).rev().find(|i| i * side / count <= at).unwrap_or(0);
    for y in 0..height {
        let row = cell(y, rows, height);
        for x in 0..width {
            let at = (row * columns + cell(x, columns, width)) * 3;
            for c in 0..3 {
                pixels[(y * width + x) * 3 + c] = means[at + c].round() as u8;
            }
        }
    }
    out
}
