//! Waste containers of the kinds that stand in Copenhagen.

use crate::camera::P3;
use crate::canvas::ring;
use crate::colour::{Rgb, hex, jitter, mul};
use crate::dice::Dice;
use crate::solid::{Solid, unit};
use crate::truth::{Attributes, Class, ContainerKind};

/// A container, fixed by its seed.
#[derive(Debug, Clone)]
pub(crate) struct Bin {
    pub(crate) kind: ContainerKind,
    /// Half width, half depth (along the container's heading), height.
    pub(crate) half: (f32, f32),
    pub(crate) height: f32,
    body: Rgb,
    lid: Rgb,
    big: bool,
    open: f32,
    label: Rgb,
    dirt: f32,
    seed: u64,
}

impl Bin {
    pub(crate) fn sample(d: &mut Dice, kind: ContainerKind) -> Self {
        let big = d.chance(0.35);
        let bright = [0xD8A818, 0x2F5FA8, 0x2E7D3A, 0xC8501E, 0xB02A24, 0x8A8D90, 0x1F6F6A];
        let (half, height, body, lid) = match kind {
            ContainerKind::Affaldscontainer => {
                let body = d.pick([0x2F4A38, 0x3B3E42, 0x1F2124, 0x5A5D60, 0x4A3A2C, 0x2B4C7A, 0x3C7A45]);
                let lid =
                    d.pick([0x2F4A38, 0xD9B21C, 0x2B5DA6, 0x3A8A45, 0xB5302A, 0xD8702A, 0x26282B, 0x7A5230, 0x8E2A6E]);
                if big {
                    ((0.66, 0.4), d.range(1.15, 1.4), body, lid)
                } else {
                    ((0.29, 0.36), d.range(0.95, 1.15), body, lid)
                }
            }
            ContainerKind::Glascontainer => {
                let c = d.pick([0x2E7D4A, 0x1F6F8A, 0x3E8F3A, 0x7C8588, 0x2A5F9A, 0x246B52]);
                ((d.range(0.62, 0.85), 0.75), d.range(1.45, 1.85), c, d.pick([0xE8E6DE, 0x2E7D4A, 0xD9B21C, 0x26282B]))
            }
            ContainerKind::Nedgravet => {
                let c = d.pick([0x9A9EA2, 0x6C7074, 0x34383C, 0x4F5B52, 0xB4B7B8]);
                (
                    (d.range(0.32, 0.42), d.range(0.3, 0.4)),
                    d.range(1.05, 1.4),
                    c,
                    d.pick([0x2B5DA6, 0x3A8A45, 0xD9B21C, 0xB5302A, 0x2A2C2E]),
                )
            }
            ContainerKind::Byggecontainer | ContainerKind::Lukketcontainer => {
                let c = d.pick(bright);
                ((d.range(0.8, 1.0), d.range(1.6, 2.4)), d.range(1.15, 1.6), c, d.pick(bright))
            }
        };
        let body = jitter(d, hex(body), 0.14);
        let lid = if d.chance(0.3) { mul(body, 1.1) } else { jitter(d, hex(lid), 0.1) };
        Self {
            kind,
            half,
            height,
            body,
            lid,
            big,
            open: if d.chance(0.18) { d.range(0.1, 0.25) } else { 0.0 },
            label: d.pick([hex(0xF2F2EE), hex(0xF2F2EE), hex(0xE3D45A), hex(0x7DB85B)]),
            dirt: d.range(0.0, 0.4),
            seed: d.seed(),
        }
    }

    pub(crate) fn draw(&self, s: &mut Solid<'_>, extra: &Attributes) {
        let depth = s.lens.depth(s.world([0.0, 0.6, 0.0]));
        s.canvas.at_depth(depth);
        let metres = (depth * 100.0).round() / 100.0;
        if self.kind == ContainerKind::Nedgravet {
            // The hatch plate in the pavement is not the container that a picture of the column shows.
            let (a, b) = (self.half.0 + 0.45, self.half.1 + 0.4);
            s.face(&[[a, 0.01, b], [-a, 0.01, b], [-a, 0.01, -b], [a, 0.01, -b]], [0.0, 1.0, 0.0], hex(0x77797A));
            s.face(
                &[
                    [a * 0.93, 0.012, b * 0.92],
                    [-a * 0.93, 0.012, b * 0.92],
                    [-a * 0.93, 0.012, -b * 0.92],
                    [a * 0.93, 0.012, -b * 0.92],
                ],
                [0.0, 1.0, 0.0],
                hex(0x8C8E8F),
            );
        }
        let attributes = Attributes { distance_m: metres, kind: Some(self.kind.name().to_owned()), ..extra.clone() };
        s.canvas.begin(Class::Container(self.kind), attributes);
        match self.kind {
            ContainerKind::Affaldscontainer => self.wheelie(s),
            ContainerKind::Glascontainer => self.igloo(s),
            ContainerKind::Nedgravet => self.column(s),
            ContainerKind::Byggecontainer => self.skip(s, false),
            ContainerKind::Lukketcontainer => self.skip(s, true),
        }
        s.canvas.end();
    }

    fn wheelie(&self, s: &mut Solid<'_>) {
        let ((a, b), h) = (self.half, self.height);
        for side in [-1.0, 1.0] {
            for end in if self.big { [-0.8, 0.8] } else { [-0.85, -0.85] } {
                s.disc([side * a * 0.84, 0.1, end * b], 0.1, [0.06, 0.06, 0.06]);
            }
        }
        s.frustum((a * 0.82, b * 0.78, 0.07), (a, b, h * 0.9), self.body);
        for k in [-0.45, 0.0, 0.45] {
            for (dir, y0) in [(1.0, 0.2), (-1.0, 0.2)] {
                let strip: [P3; 4] = [
                    [a * (k - 0.03), y0, dir * b * 0.85],
                    [a * (k + 0.03), y0, dir * b * 0.85],
                    [a * (k + 0.03), h * 0.82, dir * b * 0.985],
                    [a * (k - 0.03), h * 0.82, dir * b * 0.985],
                ];
                s.mark(&strip, unit([0.0, -0.1, dir]), mul(self.body, 0.6), 0.5);
            }
        }
        // The rim, the lid, and a handle on the back.
        s.frustum((a * 1.05, b * 1.05, h * 0.86), (a * 1.05, b * 1.05, h * 0.92), mul(self.body, 0.85));
        if self.open > 0.0 {
            s.frustum((a * 0.8, b * 0.8, h * 0.92), (a * 0.6, b * 0.6, h + self.open * 0.7), [0.12, 0.12, 0.13]);
        }
        let up = self.open * 0.8;
        let top = [
            [a * 1.04, h * 0.93, b * 1.05 - 0.0],
            [-a * 1.04, h * 0.93, b * 1.05],
            [-a * 0.98, h + up, -b * 1.0],
            [a * 0.98, h + up, -b * 1.0],
        ];
        for dir in [-1.0, 1.0] {
            s.face(
                &[
                    [dir * a * 1.04, h * 0.92, b * 1.05],
                    [dir * a * 1.04, h * 0.92, -b * 1.05],
                    [dir * a * 0.98, h + up, -b],
                    [dir * a * 1.04, h * 0.95, b * 1.05],
                ],
                [dir, 0.0, 0.0],
                mul(self.lid, 0.9),
            );
        }
        s.face(
            &[
                [a * 1.04, h * 0.92, -b * 1.03],
                [-a * 1.04, h * 0.92, -b * 1.03],
                [-a * 0.98, h + up, -b],
                [a * 0.98, h + up, -b],
            ],
            [0.0, 0.0, -1.0],
            mul(self.lid, 0.85),
        );
        s.face(
            &[
                [a * 1.05, h * 0.9, b * 1.06],
                [-a * 1.05, h * 0.9, b * 1.06],
                [-a * 1.04, h * 0.95, b * 1.06],
                [a * 1.04, h * 0.95, b * 1.06],
            ],
            [0.0, 0.0, 1.0],
            mul(self.lid, 0.95),
        );
        s.face(&top, unit([0.0, 1.0, 0.1]), self.lid);
        let (l, w) = (h * 0.55, a * 0.42);
        for dir in [-1.0, 1.0] {
            let z = dir * b * 0.955;
            s.mark(
                &[[-w, l, z], [w, l, z], [w, l + 0.2, z + dir * 0.012], [-w, l + 0.2, z + dir * 0.012]],
                [0.0, 0.0, dir],
                self.label,
                0.92,
            );
        }
        self.grime(s, a * 0.9, b * 0.9, h * 0.3);
    }

    fn grime(&self, s: &mut Solid<'_>, a: f32, b: f32, h: f32) {
        let c = [0.16, 0.14, 0.12];
        for dir in [-1.0, 1.0] {
            s.mark(
                &[[-a, 0.08, dir * b], [a, 0.08, dir * b], [a * 0.3, h, dir * b], [-a * 0.8, h * 0.6, dir * b]],
                [0.0, 0.0, dir],
                c,
                self.dirt,
            );
            s.mark(
                &[[dir * a, 0.08, -b], [dir * a, 0.08, b], [dir * a, h * 0.7, b * 0.4], [dir * a, h, -b * 0.7]],
                [dir, 0.0, 0.0],
                c,
                self.dirt,
            );
        }
    }

    fn igloo(&self, s: &mut Solid<'_>) {
        let (r, h) = (self.half.0, self.height);
        let profile = [
            (0.0, r * 0.9),
            (0.05 * h, r * 0.98),
            (0.3 * h, r * 1.02),
            (0.55 * h, r),
            (0.75 * h, r * 0.86),
            (0.9 * h, r * 0.58),
            (0.99 * h, r * 0.24),
            (1.03 * h, r * 0.1),
        ];
        let Some((o, k)) = s.turned(&profile, self.body, true) else { return };
        let c = &mut *s.canvas;
        let at = |x: f32, y: f32| (o.0 + x * k, o.1 - y * k);
        c.veil(
            &[at(-r * 0.97, 0.06 * h), at(r * 0.97, 0.06 * h), at(r * 0.97, 0.0), at(-r * 0.97, 0.0)],
            [0.0; 3],
            0.25,
        );
        c.veil_line(
            &[at(-r * 0.99, 0.55 * h), at(0.0, 0.53 * h), at(r * 0.99, 0.55 * h)],
            0.025 * k,
            mul(self.body, 0.55),
            0.8,
        );
        if self.big {
            c.veil(
                &[at(-r * 1.0, 0.22 * h), at(r * 1.0, 0.22 * h), at(r * 1.0, 0.34 * h), at(-r * 1.0, 0.34 * h)],
                self.lid,
                0.75,
            );
        }
        for x in [-0.45, 0.45] {
            let q = at(x * r, 0.7 * h);
            c.blob(&ring(q.0, q.1, 0.17 * k, 0.17 * k), mul(self.lid, 0.75));
            c.blob(&ring(q.0, q.1, 0.125 * k, 0.125 * k), [0.03, 0.03, 0.03]);
        }
        c.veil(
            &[at(-r * 0.4, 0.38 * h), at(r * 0.4, 0.38 * h), at(r * 0.4, 0.5 * h), at(-r * 0.4, 0.5 * h)],
            self.label,
            0.9,
        );
        let b = at(-r * 0.15, 0.44 * h);
        c.veil_blob(&ring(b.0, b.1, 0.05 * k, 0.09 * k), self.body, 0.9);
        // The ring that the crane takes.
        c.line(
            &[at(-0.08, 1.0 * h), at(-0.06, 1.0 * h + 0.1), at(0.06, 1.0 * h + 0.1), at(0.08, 1.0 * h)],
            0.03 * k,
            [0.35, 0.35, 0.36],
        );
    }

    fn column(&self, s: &mut Solid<'_>) {
        let ((a, b), h) = (self.half, self.height);
        s.frustum((a, b, 0.0), (a, b, h * 0.12), mul(self.body, 0.55));
        s.frustum((a, b, h * 0.12), (a * 0.97, b * 0.97, h * 0.88), self.body);
        s.frustum(
            (a * 1.06, b * 1.06, h * 0.88),
            (a * 0.8, b * 0.75, h),
            if self.big { self.lid } else { mul(self.body, 0.75) },
        );
        for dir in [-1.0, 1.0] {
            let n = [0.0, 0.0, dir];
            let z = dir * b * 1.005;
            s.mark(
                &[[-a * 0.7, h * 0.5, z], [a * 0.7, h * 0.5, z], [a * 0.7, h * 0.8, z], [-a * 0.7, h * 0.8, z]],
                n,
                [0.06, 0.06, 0.07],
                0.95,
            );
            s.mark(
                &[[-a * 0.62, h * 0.54, z], [a * 0.62, h * 0.54, z], [a * 0.62, h * 0.66, z], [-a * 0.62, h * 0.66, z]],
                n,
                mul(self.body, 1.2),
                0.9,
            );
            s.mark(
                &[[-a * 0.75, h * 0.24, z], [a * 0.75, h * 0.24, z], [a * 0.75, h * 0.42, z], [-a * 0.75, h * 0.42, z]],
                n,
                self.lid,
                0.95,
            );
            s.mark(
                &[[-a * 0.3, h * 0.27, z], [a * 0.3, h * 0.27, z], [a * 0.3, h * 0.39, z], [-a * 0.3, h * 0.39, z]],
                n,
                [0.95, 0.95, 0.93],
                0.9,
            );
        }
    }

    fn skip(&self, s: &mut Solid<'_>, lid: bool) {
        let ((a, b), h) = (self.half, self.height);
        let slope = if self.big { 0.3 } else { 0.55 };
        let foot = b - slope;
        let inside = mul(self.body, 0.4);
        let floor = h * if lid { 1.0 } else { 0.78 };
        // Inner walls first: the near outer walls cover their lower parts.
        if !lid {
            s.face(
                &[
                    [a * 0.95, h, -b],
                    [a * 0.95, h, b],
                    [a * 0.95, floor * 0.7, b * 0.8],
                    [a * 0.95, floor * 0.7, -b * 0.8],
                ],
                [-1.0, 0.0, 0.0],
                inside,
            );
            s.face(
                &[
                    [-a * 0.95, h, -b],
                    [-a * 0.95, h, b],
                    [-a * 0.95, floor * 0.7, b * 0.8],
                    [-a * 0.95, floor * 0.7, -b * 0.8],
                ],
                [1.0, 0.0, 0.0],
                inside,
            );
            s.face(
                &[[-a, h, b], [a, h, b], [a, floor * 0.7, b * 0.8], [-a, floor * 0.7, b * 0.8]],
                [0.0, 0.0, -1.0],
                inside,
            );
            s.face(
                &[[-a, h, -b], [a, h, -b], [a, floor * 0.7, -b * 0.8], [-a, floor * 0.7, -b * 0.8]],
                [0.0, 0.0, 1.0],
                inside,
            );
            s.face(
                &[
                    [a * 0.95, floor, b * 0.93],
                    [-a * 0.95, floor, b * 0.93],
                    [-a * 0.95, floor, -b * 0.93],
                    [a * 0.95, floor, -b * 0.93],
                ],
                [0.0, 1.0, 0.0],
                hex(0x6E655A),
            );
            self.rubble(s, a, b, floor);
        }
        let n_end = unit([0.0, -slope, h]);
        for dir in [-1.0, 1.0] {
            s.face_fade(
                &[[-a, 0.08, dir * foot], [a, 0.08, dir * foot], [a, h, dir * b], [-a, h, dir * b]],
                [0.0, n_end[1], dir * n_end[2]],
                self.body,
            );
        }
        for dir in [-1.0, 1.0] {
            let x = dir * a;
            let n = [dir, 0.0, 0.0];
            s.face_fade(&[[x, 0.08, -foot], [x, 0.08, foot], [x, h, b], [x, h, -b]], n, self.body);
            for k in [-0.66, -0.22, 0.22, 0.66] {
                s.mark(
                    &[
                        [x * 1.02, 0.1, k * foot - 0.05],
                        [x * 1.02, 0.1, k * foot + 0.05],
                        [x * 1.02, h * 0.95, k * b + 0.05],
                        [x * 1.02, h * 0.95, k * b - 0.05],
                    ],
                    n,
                    mul(self.body, 0.55),
                    0.7,
                );
            }
            s.mark(
                &[[x, h * 0.4, -0.5], [x, h * 0.4, 0.5], [x, h * 0.66, 0.5], [x, h * 0.66, -0.5]],
                n,
                self.label,
                0.75,
            );
            s.face(
                &[
                    [x * 1.04, h * 0.92, -b * 1.01],
                    [x * 1.04, h * 0.92, b * 1.01],
                    [x * 1.04, h, b * 1.01],
                    [x * 1.04, h, -b * 1.01],
                ],
                n,
                mul(self.body, 0.8),
            );
        }
        if lid {
            let ridge = h + 0.12 + if self.big { 0.25 } else { 0.0 };
            s.face(
                &[[0.0, ridge, -b], [0.0, ridge, b], [a * 1.04, h, b], [a * 1.04, h, -b]],
                unit([ridge - h, a, 0.0]),
                self.lid,
            );
            s.face(
                &[[0.0, ridge, -b], [0.0, ridge, b], [-a * 1.04, h, b], [-a * 1.04, h, -b]],
                unit([h - ridge, a, 0.0]),
                self.lid,
            );
            for dir in [-1.0, 1.0] {
                s.face(
                    &[[-a, h, dir * b], [a, h, dir * b], [0.0, ridge, dir * b]],
                    [0.0, 0.0, dir],
                    mul(self.lid, 0.85),
                );
                for k in [-0.5, 0.0, 0.5] {
                    s.mark(
                        &[
                            [dir * a * 0.05, ridge, k * b - 0.03],
                            [dir * a * 0.05, ridge, k * b + 0.03],
                            [dir * a, h + 0.01, k * b + 0.03],
                            [dir * a, h + 0.01, k * b - 0.03],
                        ],
                        unit([dir * (ridge - h), a, 0.0]),
                        mul(self.lid, 0.5),
                        0.8,
                    );
                }
            }
        }
        self.grime(s, a * 1.0, foot * 0.95, h * 0.5);
    }

    fn rubble(&self, s: &mut Solid<'_>, a: f32, b: f32, floor: f32) {
        let mut d = Dice::new(self.seed);
        for _ in 0..d.whole(8, 16) {
            let (x, z) = (d.range(-a, a) * 0.8, d.range(-b, b) * 0.8);
            let (r, t) = (d.range(0.1, 0.3), d.range(0.05, 0.4));
            let c = d.pick([hex(0xA39A8C), hex(0x8C5A42), hex(0xC9C3B6), hex(0x9A7A4E), hex(0xE8E6E0), hex(0x4A4A48)]);
            let quad: Vec<P3> = vec![
                [x - r, floor, z],
                [x + r * 0.8, floor, z + r * 0.3],
                [x + r, floor + t, z + r * 0.4],
                [x - r * 0.3, floor + t * 1.3, z],
            ];
            let flat = s.polygon(&quad);
            if !flat.is_empty() {
                s.canvas.poly(&flat, mul(c, d.range(0.6, 1.0)));
            }
        }
    }
}
