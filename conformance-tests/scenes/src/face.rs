//! Faces: the part of a head that must never leave the gate, and the turned shape that carries it.

use crate::camera::P2;
use crate::canvas::{Canvas, ring};
use crate::colour::{Rgb, mix, mul};
use crate::head::{Cover, Hair, Head};

/// Outline of a head seen from in front: height and half width, from chin to crown.
pub(crate) const LEVELS: [(f32, f32); 9] = [
    (-1.0, 0.34),
    (-0.82, 0.60),
    (-0.5, 0.85),
    (-0.15, 0.96),
    (0.2, 1.0),
    (0.5, 0.97),
    (0.75, 0.80),
    (0.93, 0.50),
    (1.0, 0.2),
];

fn width_at(y: f32) -> f32 {
    let mut last = (-1.0, 0.34);
    for level in LEVELS {
        if y <= level.0 {
            let span = level.0 - last.0;
            let t = if span > 0.0 { (y - last.0) / span } else { 0.0 };
            return last.1 + (level.1 - last.1) * t.clamp(0.0, 1.0);
        }
        last = level;
    }
    last.1
}

impl Head {
    /// Skin, eyes, brows, nose, mouth: all that makes a face.
    pub(crate) fn face(&self, c: &mut Canvas, s: &Shape, at: P2, r: f32, light: f32) {
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let (wrap, top) = match self.cover {
            Cover::Hijab | Cover::Hood => (0.8, 0.5),
            _ if self.hair == Hair::Bald => (1.15, 0.9),
            _ => (1.0, 0.58),
        };
        let skin = self.skin;
        let outline = s.face_outline(at, r, wrap, top);
        let (dark, lit) = (mul(skin, 0.74), mul(skin, 1.08));
        let (l, rt) = if light < 0.0 { (lit, dark) } else { (dark, lit) };
        if r > 3.0 {
            c.blob_fade(&outline, (p(-s.half * 1.1, 0.0), l), (p(s.half * 1.1, 0.0), rt));
        } else {
            c.blob(&outline, skin);
        }
        if r < 1.6 {
            return;
        }
        let brow = mix(mul(self.hair_colour, 0.8), mul(skin, 0.5), 0.3);
        // Cheeks and the sockets of the eyes.
        if r > 6.0 {
            for side in [-1.0, 1.0] {
                if let Some((x, k)) = s.feature(side * self.eye_gap, 0.1) {
                    let q = p(x, 0.12);
                    c.veil_blob(&ring(q.0, q.1, r * 0.24 * k, r * 0.17), mul(skin, 0.55), 0.35);
                    let q = p(s.feature(side * 0.6, -0.25).map_or(x, |f| f.0), -0.25);
                    c.veil_blob(&ring(q.0, q.1, r * 0.2 * k, r * 0.15), mix(skin, [0.85, 0.3, 0.25], 0.5), 0.25);
                }
            }
        }
        if self.beard {
            let beard: Vec<P2> = [
                (-1.0f32, -0.2f32),
                (-0.95, -0.6),
                (-0.5, -0.98),
                (0.0, -1.06),
                (0.5, -0.98),
                (0.95, -0.6),
                (1.0, -0.2),
                (0.45, -0.36),
                (0.0, -0.3),
                (-0.45, -0.36),
            ]
            .iter()
            .map(|(a, y)| p(s.x(a * 1.1, *y), *y))
            .collect();
            c.poly(&beard, mix(self.hair_colour, skin, 0.25));
        }
        self.nose(c, s, at, r);
        // The mouth.
        let corner = |k: f32| s.x(k * self.mouth, -0.5);
        let (ml, mr, mid) = (corner(-1.0), corner(1.0), s.x(0.0, -0.5) + s.sin * 0.05);
        if s.cos > -0.2 {
            let lip = mix(skin, [0.62, 0.16, 0.16], self.lips);
            let lift = self.smile * 0.07;
            if r > 5.0 {
                c.blob(&[p(ml, -0.5 + lift), p(mid, -0.40), p(mr, -0.5 + lift), p(mid, -0.68)], lip);
                c.veil_line(&[p(ml, -0.5 + lift), p(mid, -0.53), p(mr, -0.5 + lift)], r * 0.05, [0.2, 0.05, 0.05], 0.8);
                if self.smile > 0.75 {
                    c.blob(
                        &[p(ml * 0.8 + mid * 0.2, -0.5), p(mid, -0.48), p(mr * 0.8 + mid * 0.2, -0.5), p(mid, -0.6)],
                        [0.93, 0.91, 0.88],
                    );
                }
            } else {
                c.line(&[p(ml, -0.52 + lift), p(mid, -0.55), p(mr, -0.52 + lift)], r * 0.12, mul(lip, 0.62));
            }
        }
        for side in [-1.0, 1.0] {
            self.eye(c, s, at, r, side, brow);
        }
        if self.mask {
            let m: Vec<P2> =
                [(-0.95f32, -0.05f32), (0.0, -0.02), (0.95, -0.05), (0.85, -0.7), (0.0, -1.0), (-0.85, -0.7)]
                    .iter()
                    .map(|(a, y)| p(s.x(*a, *y), *y))
                    .collect();
            c.blob(&m, [0.72, 0.82, 0.88]);
        }
        self.glasses(c, s, at, r);
    }

    fn nose(&self, c: &mut Canvas, s: &Shape, at: P2, r: f32) {
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let out = s.sin * 0.2 * self.nose;
        let (tip, top) = (s.x(0.0, -0.2) + out, s.x(0.0, 0.15) + s.sin * 0.04);
        let w = 0.14 * self.nose;
        let (bl, br) = (s.x(-w, -0.28), s.x(w, -0.28));
        if r > 3.0 {
            let points = [p(top, 0.16), p(tip.max(br), -0.2), p(br, -0.3), p(bl, -0.3), p(tip.min(bl), -0.2)];
            c.poly_fade(&points, (p(top, 0.15), mul(self.skin, 0.98)), (p(top, -0.32), mul(self.skin, 0.8)));
        }
        if r > 7.0 {
            c.veil_line(
                &[p(bl, -0.3), p((bl + br) * 0.5 + out * 0.4, -0.33), p(br, -0.3)],
                r * 0.05,
                mul(self.skin, 0.4),
                0.75,
            );
            c.veil_line(&[p(top, 0.1), p(tip * 0.8 + top * 0.2, -0.12)], r * 0.06, mul(self.skin, 1.35), 0.35);
        } else {
            c.veil_line(&[p(bl, -0.3), p(br, -0.3)], r * 0.09, mul(self.skin, 0.45), 0.7);
        }
    }

    fn eye(&self, c: &mut Canvas, s: &Shape, at: P2, r: f32, side: f32, brow: Rgb) {
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let Some((x, k)) = s.feature(side * self.eye_gap, 0.08) else { return };
        let (w, h) = (0.16 * k * self.eye_size, 0.085 * self.eye_size);
        let centre = p(x, 0.08);
        if r < 7.0 {
            c.blob(&ring(centre.0, centre.1, r * w * 0.95, r * h * 1.15), mix(mul(self.iris, 0.35), self.skin, 0.1));
        } else {
            c.blob(
                &[p(x - w * 1.2, 0.06), p(x, 0.08 + h * 1.6), p(x + w * 1.2, 0.06), p(x, 0.08 - h * 1.3)],
                [0.9, 0.89, 0.87],
            );
            let look = s.sin * 0.03;
            let q = p(x + look, 0.085);
            c.blob(&ring(q.0, q.1, r * 0.078 * k.max(0.5) * self.eye_size, r * 0.08 * self.eye_size), self.iris);
            c.blob(&ring(q.0, q.1, r * 0.036 * k.max(0.5), r * 0.038), [0.03, 0.03, 0.03]);
            if r > 14.0 {
                let g = p(x + look + 0.025, 0.115);
                c.blob(&ring(g.0, g.1, r * 0.015, r * 0.015), [0.97, 0.97, 0.97]);
            }
            c.veil_line(&[p(x - w, 0.07), p(x, 0.08 + h), p(x + w, 0.07)], r * 0.045, [0.08, 0.05, 0.04], 0.9);
        }
        let thick = if r < 7.0 { 0.1 } else { 0.075 };
        c.line(&[p(x - w * 1.15, 0.24), p(x, 0.31), p(x + w * 1.15, 0.25)], r * thick, brow);
    }

    fn glasses(&self, c: &mut Canvas, s: &Shape, at: P2, r: f32) {
        if self.glasses == 0 || r < 3.0 {
            return;
        }
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let frame = [0.07, 0.07, 0.08];
        let mut last = None;
        for side in [-1.0, 1.0] {
            let Some((x, k)) = s.feature(side * self.eye_gap, 0.08) else { continue };
            let q = p(x, 0.06);
            let lens = ring(q.0, q.1, r * 0.25 * k, r * 0.19);
            if self.glasses == 2 {
                c.blob(&lens, frame);
            }
            let rim: Vec<P2> = lens.iter().chain(lens.iter().take(1)).copied().collect();
            c.line(&rim, r * 0.05, frame);
            if let Some(l) = last {
                c.line(&[l, q], r * 0.05, frame);
            }
            last = Some(q);
        }
    }
}

/// A head turned by `yaw`.
pub(crate) struct Shape {
    pub(crate) yaw: f32,
    pub(crate) sin: f32,
    pub(crate) cos: f32,
    pub(crate) half: f32,
}

impl Shape {
    /// Where the head's outline is on one side at a height.
    pub(crate) fn edge(&self, y: f32, w: f32, side: f32) -> f32 {
        let jaw = if y < -0.2 { -(y + 0.2) * 0.28 * self.sin } else { 0.0 };
        side * w * self.half + jaw
    }

    /// Sideways place of a point of the head's surface, kept at the outline when it lies behind.
    pub(crate) fn x(&self, angle: f32, y: f32) -> f32 {
        let turned = (self.yaw + angle).clamp(-1.571, 1.571);
        let jaw = if y < -0.2 { -(y + 0.2) * 0.28 * self.sin } else { 0.0 };
        self.half * width_at(y) * libm::sinf(turned) + jaw
    }

    /// The same with the foreshortening, if the point is on our side.
    fn feature(&self, angle: f32, y: f32) -> Option<(f32, f32)> {
        let k = libm::cosf(self.yaw + angle);
        (k > 0.12).then(|| (self.x(angle, y), k.max(0.3)))
    }

    /// Outline of the skin that is neither hair nor hat.
    pub(crate) fn face_outline(&self, at: P2, r: f32, wrap: f32, top: f32) -> Vec<P2> {
        let levels = [
            (-1.03f32, 0.7f32),
            (-0.85, 1.1),
            (-0.5, 1.2),
            (-0.1, 1.15),
            (0.25, 1.1),
            (top * 0.85, 1.0),
            (top + 0.08, 0.6),
        ];
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let right = levels.iter().map(|(y, a)| p(self.x(a * wrap, *y), *y));
        let left = levels.iter().rev().map(|(y, a)| p(self.x(-a * wrap, *y), *y));
        right.chain(left).collect()
    }
}
