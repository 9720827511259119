//! Solid things on the ground: boxes, prisms and turned shapes, drawn in true perspective.

use crate::camera::{Lens, P2, P3};
use crate::canvas::Canvas;
use crate::colour::{Rgb, mul};
use crate::figure::Figure;

/// Where light comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sun {
    /// Unit vector towards the sun.
    pub(crate) to: P3,
    /// How much stronger it is than the sky: 0 under clouds.
    pub(crate) strength: f32,
}

/// A thing's own frame on the ground: metres to its right, up, and forward.
pub(crate) struct Solid<'a> {
    pub(crate) canvas: &'a mut Canvas,
    pub(crate) lens: &'a Lens,
    x: f32,
    z: f32,
    sin: f32,
    cos: f32,
    sun: Sun,
}

impl<'a> Solid<'a> {
    pub(crate) fn new(canvas: &'a mut Canvas, lens: &'a Lens, at: (f32, f32), heading: f32, sun: Sun) -> Self {
        Self { canvas, lens, x: at.0, z: at.1, sin: libm::sinf(heading), cos: libm::cosf(heading), sun }
    }

    pub(crate) fn world(&self, p: P3) -> P3 {
        [self.x + p[0] * self.cos + p[2] * self.sin, p[1], self.z - p[0] * self.sin + p[2] * self.cos]
    }

    pub(crate) fn at(&self, p: P3) -> Option<P2> {
        self.lens.project(self.world(p))
    }

    pub(crate) fn polygon(&self, points: &[P3]) -> Vec<P2> {
        let world: Vec<P3> = points.iter().map(|p| self.world(*p)).collect();
        self.lens.polygon(&world)
    }

    /// How bright a face with this outward normal is, or `None` if it looks away from the camera.
    pub(crate) fn seen(&self, point: P3, normal: P3) -> Option<f32> {
        let w = self.world(point);
        let n = [normal[0] * self.cos + normal[2] * self.sin, normal[1], -normal[0] * self.sin + normal[2] * self.cos];
        let cam = self.lens.camera;
        let to = [cam.x - w[0], cam.height - w[1], cam.z - w[2]];
        let dot = n[0] * to[0] + n[1] * to[1] + n[2] * to[2];
        let sun = (n[0] * self.sun.to[0] + n[1] * self.sun.to[1] + n[2] * self.sun.to[2]).max(0.0);
        let sky = 0.72 + 0.22 * n[1] + 0.04 * n[0];
        (dot > 0.0).then_some(sky * (1.0 - 0.25 * self.sun.strength) + 0.5 * sun * self.sun.strength)
    }

    /// A flat face, if it looks our way.
    pub(crate) fn face(&mut self, points: &[P3], normal: P3, c: Rgb) -> bool {
        let Some(k) = points.first().and_then(|p| self.seen(*p, normal)) else { return false };
        let flat = self.polygon(points);
        if flat.is_empty() {
            return false;
        }
        self.canvas.poly(&flat, mul(c, k));
        true
    }

    /// The same, darker towards the ground.
    pub(crate) fn face_fade(&mut self, points: &[P3], normal: P3, c: Rgb) -> bool {
        let Some(k) = points.first().and_then(|p| self.seen(*p, normal)) else { return false };
        let flat = self.polygon(points);
        if flat.is_empty() {
            return false;
        }
        let (lo, hi) = flat.iter().fold((f32::MIN, f32::MAX), |a, p| (a.0.max(p.1), a.1.min(p.1)));
        self.canvas.poly_fade(&flat, ((0.0, hi), mul(c, k * 1.06)), ((0.0, lo), mul(c, k * 0.78)));
        true
    }

    /// A translucent mark on a face.
    pub(crate) fn mark(&mut self, points: &[P3], normal: P3, c: Rgb, alpha: f32) {
        if points.first().is_some_and(|p| self.seen(*p, normal).is_some()) {
            let flat = self.polygon(points);
            if !flat.is_empty() {
                self.canvas.veil(&flat, c, alpha);
            }
        }
    }

    /// A box that may narrow: half sizes (right, forward) below and above.
    pub(crate) fn frustum(&mut self, low: (f32, f32, f32), high: (f32, f32, f32), c: Rgb) {
        let (a, b, y) = low;
        let (p, q, h) = high;
        let rise = (h - y).max(0.01);
        let slope = |d: f32| d / rise;
        let sides: [([P3; 4], P3); 4] = [
            ([[a, y, -b], [a, y, b], [p, h, q], [p, h, -q]], [1.0, slope(a - p), 0.0]),
            ([[-a, y, b], [-a, y, -b], [-p, h, -q], [-p, h, q]], [-1.0, slope(a - p), 0.0]),
            ([[a, y, b], [-a, y, b], [-p, h, q], [p, h, q]], [0.0, slope(b - q), 1.0]),
            ([[-a, y, -b], [a, y, -b], [p, h, -q], [-p, h, -q]], [0.0, slope(b - q), -1.0]),
        ];
        for (points, normal) in sides {
            self.face_fade(&points, unit(normal), c);
        }
        self.face(&[[p, h, q], [-p, h, q], [-p, h, -q], [p, h, -q]], [0.0, 1.0, 0.0], c);
    }

    /// A disc in the plane of the thing's side, such as a wheel.
    pub(crate) fn disc(&mut self, centre: P3, r: f32, c: Rgb) {
        let points: Vec<P3> =
            crate::canvas::ring(centre[2], centre[1], r, r).iter().map(|p| [centre[0], p.1, p.0]).collect();
        let flat = self.polygon(&points);
        if !flat.is_empty() {
            self.canvas.blob(&flat, c);
        }
    }

    /// Something turned on a lathe: heights and radii from the ground up.
    pub(crate) fn turned(&mut self, profile: &[(f32, f32)], c: Rgb, smooth: bool) -> Option<(P2, f32)> {
        let low = self.at([0.0, 0.0, 0.0])?;
        let tall = profile.last().map_or(1.0, |p| p.0);
        let high = self.at([0.0, tall, 0.0])?;
        let scale = (low.1 - high.1) / tall.max(0.01);
        let right = profile.iter().map(|(y, r)| (low.0 + r * scale, low.1 - y * scale));
        let left = profile.iter().rev().map(|(y, r)| (low.0 - r * scale, low.1 - y * scale));
        let points: Vec<P2> = right.chain(left).collect();
        let widest = profile.iter().fold(0.0f32, |a, p| a.max(p.1)) * scale;
        let side = if self.light() < 0.0 { -1.0 } else { 1.0 };
        let (a, b) = ((low.0 + side * widest, low.1), (low.0 - side * widest, low.1));
        if smooth {
            self.canvas.blob_fade(&points, (a, mul(c, 1.12)), (b, mul(c, 0.6)));
        } else {
            self.canvas.poly_fade(&points, (a, mul(c, 1.12)), (b, mul(c, 0.6)));
        }
        Some((low, scale))
    }

    /// -1 when light comes from the left of the picture, 1 from the right.
    pub(crate) fn light(&self) -> f32 {
        light_side(self.lens, self.sun)
    }

    /// A figure standing at this place.
    pub(crate) fn figure(&mut self, heading: f32) -> Option<Figure<'_>> {
        let foot = self.world([0.0, 0.0, 0.0]);
        let low = self.lens.project(foot)?;
        let high = self.lens.project([foot[0], 1.5, foot[2]])?;
        let light = self.light();
        Some(Figure::new(self.canvas, low, (low.1 - high.1) / 1.5, self.lens.facing(foot, heading), light))
    }
}

/// -1 when light comes from the left of the picture, 1 from the right.
pub(crate) fn light_side(lens: &Lens, sun: Sun) -> f32 {
    let (s, c) = (libm::sinf(lens.camera.yaw), libm::cosf(lens.camera.yaw));
    if sun.to[0] * c - sun.to[2] * s < 0.0 { -1.0 } else { 1.0 }
}

pub(crate) fn unit(v: P3) -> P3 {
    let n = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt().max(1e-6);
    [v[0] / n, v[1] / n, v[2] / n]
}
