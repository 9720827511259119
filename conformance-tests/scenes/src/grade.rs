//! From paint to photograph: blur, exposure, white balance, vignette, noise.

use crate::dice::Dice;
use crate::params::{Light, SceneParams, Weather};

struct Look {
    blur: u32,
    passes: u32,
    gain: [f32; 3],
    contrast: f32,
    gamma: f32,
    saturation: f32,
    vignette: f32,
    noise: f32,
}

impl Look {
    fn sample(d: &mut Dice, p: &SceneParams) -> Self {
        let ev = (1.07 + d.bell() * 0.1).max(0.82) * if p.light == Light::Night { 1.15 } else { 1.0 };
        let warm = d.bell() * 0.05;
        let green = d.bell() * 0.02;
        let dim = matches!(p.light, Light::Night | Light::Dusk);
        Self {
            blur: if d.chance(0.75) { d.whole(8, 56) } else { 0 },
            passes: if d.chance(0.12) { 2 } else { 1 },
            gain: [ev * (1.0 + warm), ev * (1.0 + green), ev * (1.0 - warm)],
            contrast: d.range(0.9, 1.25),
            gamma: d.range(0.7, 1.02),
            saturation: d.range(0.65, 1.12) * if p.weather == Weather::Fog { 0.7 } else { 1.0 },
            vignette: d.range(0.05, 0.35),
            noise: if dim { d.range(2.5, 8.0) } else { d.range(1.0, 6.0) },
        }
    }
}

/// Turns painted RGBA into the bytes of a picture. `camera` fixes how the camera sees; without it every picture is from
/// another camera. The noise is new each time.
pub(crate) fn develop(rgba: &[u8], p: &SceneParams, camera: Option<u64>, d: &mut Dice) -> Vec<u8> {
    let (width, height) = p.size;
    let look = match camera {
        Some(seed) => Look::sample(&mut Dice::new(seed), p),
        None => Look::sample(d, p),
    };
    let (w, h) = (usize::from(width), usize::from(height));
    let mut rgb: Vec<u8> = Vec::with_capacity(w * h * 3);
    for px in rgba.chunks_exact(4) {
        rgb.extend(px.iter().take(3));
    }
    for _ in 0..look.passes {
        if look.blur > 0 {
            rgb = blur(&rgb, w, h, look.blur);
        }
    }
    let curves: [Vec<f32>; 3] = look.gain.map(|gain| {
        (0..256u16)
            .map(|v| {
                let v = f32::from(v) / 255.0 * gain;
                let v = libm::powf(v.max(0.0), look.gamma);
                let v = 0.5 + (v - 0.5) * look.contrast;
                // A soft shoulder instead of hard white.
                let v = if v > 0.85 { 0.85 + (v - 0.85) / (1.0 + (v - 0.85) * 3.0) } else { v };
                v.max(0.0) * 255.0
            })
            .collect()
    });
    let mut state = (d.seed() as u32) | 1;
    let (cx, cy) = (w as f32 * 0.5, h as f32 * 0.5);
    let reach = 1.0 / (cx * cx + cy * cy);
    let [red, green, blue] = curves;
    let pick = |curve: &[f32], v: u8| curve.get(usize::from(v)).copied().unwrap_or(0.0);
    for (y, row) in rgb.chunks_exact_mut(w * 3).enumerate() {
        let dy = (y as f32 - cy) * (y as f32 - cy);
        for (x, px) in row.chunks_exact_mut(3).enumerate() {
            let dx = x as f32 - cx;
            let shade = 1.0 - look.vignette * (dx * dx + dy) * reach;
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let b = state.to_le_bytes();
            let grain = (f32::from(b[0]) + f32::from(b[1]) - 255.0) * (look.noise / 104.0);
            let tone = (f32::from(b[2]) - 127.5) * (look.noise / 200.0);
            if let [r, g, bl] = px {
                let v = [pick(&red, *r), pick(&green, *g), pick(&blue, *bl)];
                let grey = 0.3 * v[0] + 0.59 * v[1] + 0.11 * v[2];
                let f =
                    |c: f32, n: f32| ((grey + (c - grey) * look.saturation) * shade + n + 0.5).clamp(0.0, 255.0) as u8;
                *r = f(v[0], grain + tone);
                *g = f(v[1], grain);
                *bl = f(v[2], grain - tone);
            }
        }
    }
    rgb
}

/// A small binomial-like blur: `k` of 256 from each neighbour, along rows and then along columns.
fn blur(rgb: &[u8], w: usize, h: usize, k: u32) -> Vec<u8> {
    let mid = 256 - 2 * k;
    let mix = |a: u8, b: u8, c: u8| ((u32::from(a) * k + u32::from(b) * mid + u32::from(c) * k + 128) >> 8) as u8;
    let stride = w * 3;
    let mut across = rgb.to_vec();
    for (out, row) in across.chunks_exact_mut(stride).zip(rgb.chunks_exact(stride)) {
        let inner = out.iter_mut().skip(3);
        for (o, ((a, b), c)) in inner.zip(row.iter().zip(row.iter().skip(3)).zip(row.iter().skip(6))) {
            *o = mix(*a, *b, *c);
        }
    }
    let mut down = across.clone();
    if h > 2 {
        let below = across.chunks_exact(stride).skip(2);
        let rows = across.chunks_exact(stride).zip(across.chunks_exact(stride).skip(1)).zip(below);
        for (out, ((a, b), c)) in down.chunks_exact_mut(stride).skip(1).zip(rows) {
            for (o, ((a, b), c)) in out.iter_mut().zip(a.iter().zip(b).zip(c)) {
                *o = mix(*a, *b, *c);
            }
        }
    }
    down
}
