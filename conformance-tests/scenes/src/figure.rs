//! A turnable stick of joints on the picture: what bodies, bicycles and wheelchairs are drawn with.

use crate::camera::P2;
use crate::canvas::{Canvas, ring};
use crate::colour::{Rgb, mul};

/// A joint: metres to the body's left, up, and forward.
pub(crate) type Joint = [f32; 3];

/// A body's own frame, put on the picture at one scale.
pub(crate) struct Figure<'a> {
    pub(crate) canvas: &'a mut Canvas,
    /// Picture point of the ground below the body.
    pub(crate) origin: P2,
    /// Pixels in a metre.
    pub(crate) scale: f32,
    /// Where the body faces: 0 to the camera, positive to the right of the picture.
    pub(crate) facing: f32,
    sin: f32,
    cos: f32,
    /// Which side the light comes from: -1 left, 1 right.
    pub(crate) light: f32,
}

impl<'a> Figure<'a> {
    pub(crate) fn new(canvas: &'a mut Canvas, origin: P2, scale: f32, facing: f32, light: f32) -> Self {
        Self { canvas, origin, scale, facing, sin: libm::sinf(facing), cos: libm::cosf(facing), light }
    }

    pub(crate) fn at(&self, j: Joint) -> P2 {
        (self.origin.0 + self.scale * (j[0] * self.cos + j[2] * self.sin), self.origin.1 - self.scale * j[1])
    }

    /// Metres towards the viewer.
    pub(crate) fn near(&self, j: Joint) -> f32 {
        j[2] * self.cos - j[0] * self.sin
    }

    /// Half the seen width of something `a` wide to each side and `b` deep.
    pub(crate) fn girth(&self, a: f32, b: f32) -> f32 {
        (a * a * self.cos * self.cos + b * b * self.sin * self.sin).sqrt()
    }

    pub(crate) fn sin(&self) -> f32 {
        self.sin
    }

    pub(crate) fn cos(&self) -> f32 {
        self.cos
    }

    /// A tapered limb with round ends.
    pub(crate) fn limb(&mut self, from: Joint, r0: f32, to: Joint, r1: f32, c: Rgb) {
        let (p, q) = (self.at(from), self.at(to));
        let (r0, r1) = (r0 * self.scale, r1 * self.scale);
        self.canvas_limb(p, r0, q, r1, c);
    }

    fn canvas_limb(&mut self, p: P2, r0: f32, q: P2, r1: f32, c: Rgb) {
        let (dx, dy) = (q.0 - p.0, q.1 - p.1);
        let n = (dx * dx + dy * dy).sqrt();
        let (dx, dy) = if n < 0.05 { (0.0, 1.0) } else { (dx / n, dy / n) };
        let (nx, ny) = (-dy, dx);
        let o = |c: P2, r: f32, a: f32, b: f32| (c.0 + r * (nx * a + dx * b), c.1 + r * (ny * a + dy * b));
        let points = [
            o(p, r0, 1.0, 0.0),
            o(q, r1, 1.0, 0.0),
            o(q, r1, 0.75, 0.66),
            o(q, r1, 0.0, 1.0),
            o(q, r1, -0.75, 0.66),
            o(q, r1, -1.0, 0.0),
            o(p, r0, -1.0, 0.0),
            o(p, r0, -0.75, -0.66),
            o(p, r0, 0.0, -1.0),
            o(p, r0, 0.75, -0.66),
        ];
        if r0.max(r1) < 2.0 {
            self.canvas.poly(&points, c);
            return;
        }
        let (a, b) = (o(p, r0, 1.0, 0.0), o(p, r0, -1.0, 0.0));
        let lit = if (a.0 - b.0) * self.light > 0.0 { (1.12, 0.74) } else { (0.74, 1.12) };
        self.canvas.poly_fade(&points, (a, mul(c, lit.0)), (b, mul(c, lit.1)));
    }

    /// A smooth shape with light from the side. The points are picture points.
    pub(crate) fn shaded(&mut self, points: &[P2], c: Rgb, depth: f32) {
        let (x0, x1) = points.iter().fold((f32::MAX, f32::MIN), |a, p| (a.0.min(p.0), a.1.max(p.0)));
        if x1 - x0 < 3.0 {
            self.canvas.blob(points, c);
            return;
        }
        let y = points.first().map_or(0.0, |p| p.1);
        let (l, r) = if self.light < 0.0 { (1.0 + depth * 0.5, 1.0 - depth) } else { (1.0 - depth, 1.0 + depth * 0.5) };
        self.canvas.blob_fade(points, ((x0, y), mul(c, l)), ((x1, y), mul(c, r)));
    }

    /// A wheel in the plane of the body's heading.
    pub(crate) fn wheel(&mut self, centre: Joint, radius: f32, tyre: f32, c: Rgb, spokes: bool) {
        let (x, y) = self.at(centre);
        let (rx, ry) = ((radius * self.sin.abs()).max(tyre) * self.scale, radius * self.scale);
        let thick = (tyre * self.scale).max(0.8);
        let rim: Vec<P2> = ring(x, y, rx, ry).into_iter().chain(ring(x, y, rx, ry).into_iter().take(1)).collect();
        self.canvas.line(&rim, thick, c);
        if spokes && ry > 14.0 {
            for p in ring(x, y, rx, ry).iter().step_by(2) {
                self.canvas.veil_line(&[(x, y), *p], 0.8, [0.75, 0.75, 0.78], 0.6);
            }
        }
        let hub = ring(x, y, (rx * 0.1).max(0.6), (ry * 0.1).max(0.6));
        self.canvas.blob(&hub, mul(c, 0.8));
    }

    /// A line between joints.
    pub(crate) fn rod(&mut self, joints: &[Joint], width: f32, c: Rgb) {
        let points: Vec<P2> = joints.iter().map(|j| self.at(*j)).collect();
        let width = width * self.scale;
        self.canvas.line(&points, width, c);
    }
}

/// An angle brought into -pi to pi.
pub(crate) fn wrap(a: f32) -> f32 {
    const TURN: f32 = std::f32::consts::TAU;
    a - TURN * ((a + std::f32::consts::PI) / TURN).floor()
}
