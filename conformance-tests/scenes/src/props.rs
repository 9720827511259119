//! Everything else that stands in a street and is none of the things looked for; and posters, whose faces count.

use crate::camera::{Lens, P2, P3};
use crate::canvas::{Canvas, ring};
use crate::colour::{cloth, facade, hex, hsv, jitter, mul};
use crate::dice::Dice;
use crate::head::Head;
use crate::solid::Solid;
use crate::truth::Attributes;

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PropKind {
    Tree,
    Lamp,
    Bollard,
    PostBox,
    Sign,
    Cabinet,
    Bench,
    Planter,
    Bags,
    Cone,
    BoardAd,
    Litter,
    Statue,
    Crates,
    Signal,
    Poster,
    Barrier,
}

/// A thing, fixed by its seed.
#[derive(Debug, Clone)]
pub(crate) struct Prop {
    pub(crate) kind: PropKind,
    pub(crate) seed: u64,
}

impl Prop {
    /// Half width and height for the shadow, if it throws one worth drawing.
    pub(crate) fn shade(&self) -> Option<(f32, f32)> {
        match self.kind {
            PropKind::Lamp | PropKind::Sign | PropKind::Signal => Some((0.06, 3.5)),
            PropKind::Bollard | PropKind::Cone => Some((0.12, 0.8)),
            PropKind::PostBox | PropKind::Cabinet => Some((0.3, 1.2)),
            PropKind::Planter | PropKind::Crates | PropKind::Bags => Some((0.4, 0.6)),
            PropKind::Statue => Some((0.5, 2.6)),
            _ => None,
        }
    }

    pub(crate) fn draw(&self, s: &mut Solid<'_>, lit: bool, bare: bool) {
        let depth = s.lens.depth(s.world([0.0, 1.0, 0.0]));
        s.canvas.at_depth(depth);
        let mut d = Dice::new(self.seed);
        match self.kind {
            PropKind::Tree => tree(s, &mut d, bare),
            PropKind::Lamp => lamp(s, &mut d, lit),
            PropKind::Bollard => {
                let c = d.pick([hex(0x3A3C3E), hex(0x6B6862), hex(0x8C8880), hex(0x23402F)]);
                s.turned(&[(0.0, 0.11), (0.75, 0.085), (0.82, 0.11), (0.92, 0.06), (0.95, 0.0)], c, false);
            }
            PropKind::PostBox => {
                s.frustum((0.05, 0.05, 0.0), (0.05, 0.05, 0.6), hex(0x444444));
                s.frustum((0.24, 0.2, 0.55), (0.24, 0.2, 1.25), hex(0xB31B20));
                s.frustum((0.25, 0.22, 1.25), (0.18, 0.14, 1.34), hex(0x9A161B));
                s.mark(
                    &[[-0.14, 0.95, -0.205], [0.14, 0.95, -0.205], [0.14, 1.1, -0.205], [-0.14, 1.1, -0.205]],
                    [0.0, 0.0, -1.0],
                    hex(0xE8C21E),
                    0.95,
                );
            }
            PropKind::Sign => sign(s, &mut d),
            PropKind::Cabinet => {
                let c = d.pick([hex(0x5A665C), hex(0x8B8F8C), hex(0x3D4A42), hex(0x7A7468)]);
                let c = jitter(&mut d, c, 0.1);
                let (w, h) = (d.range(0.3, 0.75), d.range(0.9, 1.4));
                s.frustum((w, 0.2, 0.0), (w, 0.2, h), c);
                s.frustum((w + 0.03, 0.23, h), (w + 0.03, 0.23, h + 0.05), mul(c, 0.8));
                for dir in [-1.0, 1.0] {
                    s.mark(
                        &[
                            [-0.01, 0.1, dir * 0.202],
                            [0.01, 0.1, dir * 0.202],
                            [0.01, h - 0.1, dir * 0.202],
                            [-0.01, h - 0.1, dir * 0.202],
                        ],
                        [0.0, 0.0, dir],
                        [0.1; 3],
                        0.6,
                    );
                    for _ in 0..3 {
                        let (x, y) = (d.range(-w, w) * 0.8, d.range(0.3, h - 0.2));
                        let c = cloth(&mut d);
                        s.mark(
                            &[
                                [x, y, dir * 0.203],
                                [x + 0.13, y, dir * 0.203],
                                [x + 0.12, y + 0.16, dir * 0.203],
                                [x, y + 0.15, dir * 0.203],
                            ],
                            [0.0, 0.0, dir],
                            c,
                            0.8,
                        );
                    }
                }
            }
            PropKind::Bench => {
                let wood = jitter(&mut d, hex(0x6B4A2C), 0.2);
                for z in [-0.7, 0.7] {
                    let legs = [s.at([0.0, 0.0, z]), s.at([0.0, 0.45, z]), s.at([0.25, 0.85, z])];
                    let points: Vec<P2> = legs.into_iter().flatten().collect();
                    let w = 0.06 * s.lens.focal / s.lens.depth(s.world([0.0; 3])).max(0.5);
                    s.canvas.line(&points, w, [0.15, 0.16, 0.15]);
                }
                for k in [0.0, 0.35, 0.7] {
                    s.face(
                        &[
                            [0.2 - k * 0.6, 0.45, -0.9],
                            [0.2 - k * 0.6, 0.45, 0.9],
                            [0.07 - k * 0.6, 0.45, 0.9],
                            [0.07 - k * 0.6, 0.45, -0.9],
                        ],
                        [0.0, 1.0, 0.0],
                        wood,
                    );
                    let y = 0.55 + k * 0.35;
                    let back =
                        s.polygon(&[[0.23, y, -0.9], [0.23, y, 0.9], [0.24, y + 0.09, 0.9], [0.24, y + 0.09, -0.9]]);
                    s.canvas.poly(&back, mul(wood, 0.85));
                }
            }
            PropKind::Planter => {
                let c = d.pick([hex(0x8A6B4A), hex(0x6E6F6E), hex(0x9A9488), hex(0x3A3C3A)]);
                let (w, h) = (d.range(0.3, 0.7), d.range(0.4, 0.6));
                s.frustum((w * 0.9, w * 0.6, 0.0), (w, w * 0.66, h), c);
                leaves(s, &mut d, (0.0, h + 0.2), (w, 0.35), 24, bare);
            }
            PropKind::Bags => {
                for _ in 0..d.whole(1, 4) {
                    let (x, r) = (d.range(-0.6, 0.6), d.range(0.2, 0.34));
                    let c = d.pick([hex(0x17181A), hex(0x22252A), hex(0x5F6B74), hex(0xD8DCDF), hex(0x2C5B8C)]);
                    let Some(o) = s.at([x, 0.0, 0.0]) else { continue };
                    let k = s.lens.focal / s.lens.depth(s.world([x, 0.3, 0.0])).max(0.4);
                    let p = |a: f32, b: f32| (o.0 + a * r * k, o.1 - b * r * k);
                    s.canvas.blob_fade(
                        &[
                            p(-1.1, 0.0),
                            p(-1.0, 0.9),
                            p(-0.3, 1.5),
                            p(-0.15, 2.0),
                            p(0.2, 1.95),
                            p(0.25, 1.5),
                            p(1.0, 0.9),
                            p(1.1, 0.0),
                        ],
                        (p(-1.0, 0.0), mul(c, 1.3)),
                        (p(1.0, 0.0), mul(c, 0.7)),
                    );
                    s.canvas.veil_line(&[p(-0.2, 1.4), p(-0.6, 0.5)], 0.03 * k, mul(c, 1.9), 0.5);
                }
            }
            PropKind::Cone => {
                s.turned(&[(0.0, 0.2), (0.05, 0.2), (0.06, 0.15), (0.7, 0.03), (0.72, 0.0)], hex(0xE2581C), false);
                if let (Some(a), Some(b)) = (s.at([0.0, 0.25, 0.0]), s.at([0.0, 0.42, 0.0])) {
                    let k = (a.1 - b.1) / 0.17;
                    s.canvas.poly(
                        &[(a.0 - 0.11 * k, a.1), (a.0 + 0.11 * k, a.1), (b.0 + 0.075 * k, b.1), (b.0 - 0.075 * k, b.1)],
                        [0.93; 3],
                    );
                }
            }
            PropKind::BoardAd => {
                let c = cloth(&mut d);
                for dir in [-1.0, 1.0] {
                    s.face(
                        &[[-0.33, 0.0, dir * 0.22], [0.33, 0.0, dir * 0.22], [0.3, 1.05, 0.0], [-0.3, 1.05, 0.0]],
                        [0.0, 0.25, dir],
                        hex(0x33291F),
                    );
                    s.mark(
                        &[
                            [-0.28, 0.12, dir * 0.2],
                            [0.28, 0.12, dir * 0.2],
                            [0.25, 0.98, 0.02 * dir],
                            [-0.25, 0.98, 0.02 * dir],
                        ],
                        [0.0, 0.25, dir],
                        c,
                        1.0,
                    );
                    for k in [0.3, 0.45, 0.6, 0.8] {
                        let w = d.range(0.1, 0.22);
                        s.mark(
                            &[
                                [-w, k, dir * 0.16],
                                [w, k, dir * 0.16],
                                [w, k + 0.05, dir * 0.15],
                                [-w, k + 0.05, dir * 0.15],
                            ],
                            [0.0, 0.25, dir],
                            [0.95, 0.95, 0.9],
                            0.8,
                        );
                    }
                }
            }
            PropKind::Litter => {
                let c = d.pick([hex(0x2C4A38), hex(0x3A3C3E), hex(0x7C7F80)]);
                s.frustum((0.035, 0.035, 0.0), (0.035, 0.035, 1.1), hex(0x333333));
                s.turned(&[(0.45, 0.15), (0.47, 0.18), (0.98, 0.2), (1.0, 0.2), (1.01, 0.0)], c, false);
            }
            PropKind::Statue => statue(s, &mut d),
            PropKind::Crates => {
                for i in 0..d.whole(1, 4) {
                    let (h, v) = (d.range(0.0, 6.0), d.range(0.3, 0.9));
                    let c = hsv(h, 0.6, v);
                    let y = i as f32 * 0.29;
                    s.frustum((0.3, 0.2, y), (0.3, 0.2, y + 0.27), c);
                    s.mark(
                        &[
                            [-0.12, y + 0.17, -0.205],
                            [0.12, y + 0.17, -0.205],
                            [0.12, y + 0.21, -0.205],
                            [-0.12, y + 0.21, -0.205],
                        ],
                        [0.0, 0.0, -1.0],
                        [0.05; 3],
                        0.8,
                    );
                }
            }
            PropKind::Signal => signal(s, &mut d),
            PropKind::Poster => poster_stand(s, &mut d),
            PropKind::Barrier => {
                for y in [0.85, 0.45] {
                    for i in 0..6 {
                        let (a, b) = (-1.2 + 0.4 * i as f32, -0.8 + 0.4 * i as f32);
                        let flat = s.polygon(&[[a, y, 0.0], [b, y, 0.0], [b, y + 0.2, 0.0], [a, y + 0.2, 0.0]]);
                        s.canvas.poly(&flat, if i % 2 == 0 { hex(0xC8281E) } else { [0.9; 3] });
                    }
                }
                for x in [-1.1, 1.1] {
                    let flat = s.polygon(&[
                        [x - 0.04, 0.0, 0.0],
                        [x + 0.04, 0.0, 0.0],
                        [x + 0.04, 1.1, 0.0],
                        [x - 0.04, 1.1, 0.0],
                    ]);
                    s.canvas.poly(&flat, hex(0x55585A));
                }
            }
        }
    }
}

fn leaves(s: &mut Solid<'_>, d: &mut Dice, at: (f32, f32), spread: (f32, f32), count: u32, bare: bool) {
    let Some(o) = s.at([at.0, at.1, 0.0]) else { return };
    let k = s.lens.focal / s.lens.depth(s.world([0.0, at.1, 0.0])).max(0.4);
    let base = if bare { hex(0x8A7A4A) } else { hex(0x4E6B2E) };
    let base = jitter(d, base, 0.25);
    for i in 0..count {
        let (x, y) = (d.bell() * 0.45 * spread.0, d.bell() * 0.45 * spread.1);
        let r = d.range(0.1, 0.3) * spread.0.min(spread.1);
        let shade = 0.6 + 0.5 * (i as f32 / count as f32) + 0.25 * y / spread.1;
        let q = (o.0 + x * k, o.1 - y * k);
        let points: Vec<P2> = ring(q.0, q.1, r * k, r * k * 0.85)
            .iter()
            .step_by(2)
            .map(|p| (p.0 + d.range(-0.3, 0.3) * r * k, p.1 + d.range(-0.3, 0.3) * r * k))
            .collect();
        s.canvas.blob(&points, mul(base, shade * d.range(0.85, 1.15)));
    }
}

fn tree(s: &mut Solid<'_>, d: &mut Dice, bare: bool) {
    let bark = jitter(d, hex(0x4F4438), 0.2);
    let (trunk, r) = (d.range(2.4, 3.4), d.range(0.1, 0.2));
    let Some((o, k)) = s.turned(&[(0.0, r * 1.3), (0.3, r), (trunk, r * 0.75), (trunk + 0.1, 0.0)], bark, false) else {
        return;
    };
    for _ in 0..if bare { 16 } else { 5 } {
        let (dx, dy) = (d.range(-1.6, 1.6), d.range(1.0, 3.4));
        let p = |x: f32, y: f32| (o.0 + x * k, o.1 - (trunk - 0.2 + y) * k);
        s.canvas.line(
            &[p(0.0, 0.0), p(dx * 0.35, dy * 0.5), p(dx, dy)],
            if bare { 0.06 } else { 0.1 } * k,
            mul(bark, d.range(0.8, 1.1)),
        );
    }
    if !bare {
        let spread = (d.range(1.6, 2.4), d.range(1.4, 2.2));
        leaves(s, d, (0.0, trunk + spread.1 * 0.8), spread, 90, false);
    }
}

fn lamp(s: &mut Solid<'_>, d: &mut Dice, lit: bool) {
    let c = d.pick([hex(0x2A2D2B), hex(0x3C3F41), hex(0x5B5F60)]);
    let h = d.range(4.5, 7.0);
    let Some((o, k)) = s.turned(&[(0.0, 0.12), (1.0, 0.08), (h, 0.05), (h + 0.02, 0.0)], c, false) else { return };
    let arm = d.sign() * d.range(0.3, 1.2);
    let p = |x: f32, y: f32| (o.0 + x * k, o.1 - y * k);
    s.canvas.line(&[p(0.0, h), p(arm * 0.6, h + 0.25), p(arm, h + 0.2)], 0.06 * k, c);
    s.canvas.blob(&[p(arm - 0.3, h + 0.1), p(arm, h + 0.45), p(arm + 0.3, h + 0.1)], mul(c, 0.8));
    if lit {
        s.canvas.glow(p(arm, h + 0.05), 1.6 * k, [1.0, 0.85, 0.55], 0.95);
    }
}

fn sign(s: &mut Solid<'_>, d: &mut Dice) {
    let h = d.range(2.1, 2.7);
    let Some((o, k)) = s.turned(&[(0.0, 0.035), (h + 0.6, 0.03), (h + 0.61, 0.0)], hex(0x8A8D8F), false) else {
        return;
    };
    let q = (o.0, o.1 - (h + 0.3) * k);
    let r = 0.3 * k;
    let c = &mut *s.canvas;
    match d.whole(0, 4) {
        0 => {
            c.blob(&ring(q.0, q.1, r, r), hex(0xC4161C));
            c.blob(&ring(q.0, q.1, r * 0.8, r * 0.8), hex(0x1E4FA0));
            c.line(&[(q.0 - r * 0.55, q.1 - r * 0.55), (q.0 + r * 0.55, q.1 + r * 0.55)], r * 0.18, hex(0xC4161C));
        }
        1 => {
            c.blob(&ring(q.0, q.1, r, r), hex(0xC4161C));
            c.poly(
                &[
                    (q.0 - r * 0.6, q.1 - r * 0.16),
                    (q.0 + r * 0.6, q.1 - r * 0.16),
                    (q.0 + r * 0.6, q.1 + r * 0.16),
                    (q.0 - r * 0.6, q.1 + r * 0.16),
                ],
                [0.96; 3],
            );
        }
        2 => {
            c.poly(&[(q.0, q.1 - r), (q.0 + r, q.1 + r * 0.8), (q.0 - r, q.1 + r * 0.8)], hex(0xC4161C));
            c.poly(
                &[(q.0, q.1 - r * 0.55), (q.0 + r * 0.6, q.1 + r * 0.55), (q.0 - r * 0.6, q.1 + r * 0.55)],
                hex(0xF0E9D8),
            );
        }
        3 => {
            c.poly(&[(q.0 - r, q.1 - r), (q.0 + r, q.1 - r), (q.0 + r, q.1 + r), (q.0 - r, q.1 + r)], hex(0x1E4FA0));
            for (a, b) in crate::glyphs::lines("P") {
                let f = |p: P2| (q.0 - r * 0.6 + p.0 * r * 1.5, q.1 - r * 0.7 + p.1 * r * 1.4);
                c.line(&[f(a), f(b)], r * 0.2, [0.97; 3]);
            }
        }
        _ => {
            c.poly(
                &[
                    (q.0 - r * 1.6, q.1 - r * 0.35),
                    (q.0 + r * 1.6, q.1 - r * 0.35),
                    (q.0 + r * 1.6, q.1 + r * 0.35),
                    (q.0 - r * 1.6, q.1 + r * 0.35),
                ],
                [0.93; 3],
            );
            for (a, b) in crate::glyphs::lines("VESTERBRO") {
                let f = |p: P2| (q.0 - r * 1.45 + p.0 * r * 2.9, q.1 - r * 0.2 + p.1 * r * 0.4);
                c.veil_line(&[f(a), f(b)], r * 0.07, [0.1; 3], 0.9);
            }
        }
    }
}

fn signal(s: &mut Solid<'_>, d: &mut Dice) {
    let Some((o, k)) = s.turned(&[(0.0, 0.07), (3.0, 0.06), (3.01, 0.0)], hex(0x3A3D3F), false) else { return };
    let p = |x: f32, y: f32| (o.0 + x * k, o.1 - y * k);
    s.canvas.poly(&[p(-0.16, 2.2), p(0.16, 2.2), p(0.16, 3.1), p(-0.16, 3.1)], hex(0x17181A));
    let on = d.whole(0, 2);
    for (i, c) in [[1.0, 0.15, 0.1], [1.0, 0.7, 0.1], [0.15, 0.95, 0.5]].into_iter().enumerate() {
        let q = p(0.0, 2.95 - 0.3 * i as f32);
        s.canvas.blob(&ring(q.0, q.1, 0.1 * k, 0.1 * k), mul(c, 0.25));
        if i as u32 == on {
            s.canvas.glow(q, 0.22 * k, c, 1.0);
        }
    }
}

/// A stone on a plinth: an urn, an obelisk or an abstract work, never a human shape.
fn statue(s: &mut Solid<'_>, d: &mut Dice) {
    let c = d.pick([hex(0x5F7A68), hex(0x8E8A80), hex(0x4A4B47), hex(0xB0AA9C)]);
    s.frustum((0.55, 0.55, 0.0), (0.5, 0.5, 1.1), hex(0x9A958A));
    s.frustum((0.6, 0.6, 1.1), (0.6, 0.6, 1.2), hex(0xA8A398));
    match d.whole(0, 2) {
        0 => s.frustum((0.3, 0.3, 1.2), (0.08, 0.08, 3.4), c),
        1 => {
            s.turned(
                &[(1.2, 0.15), (1.35, 0.1), (1.6, 0.4), (1.9, 0.45), (2.1, 0.3), (2.15, 0.36), (2.2, 0.0)],
                c,
                true,
            );
        }
        _ => {
            for i in 0..4 {
                let y = 1.2 + 0.4 * i as f32;
                let w = d.range(0.12, 0.4);
                s.frustum((w, w, y), (w * 0.7, w * 0.7, y + 0.4), mul(c, d.range(0.8, 1.1)));
            }
        }
    }
}

fn poster_stand(s: &mut Solid<'_>, d: &mut Dice) {
    let (w, h) = (0.65, 2.2);
    s.frustum((w + 0.06, 0.12, 0.25), (w + 0.06, 0.12, h + 0.1), hex(0x34373A));
    s.frustum((0.1, 0.08, 0.0), (0.1, 0.08, 0.3), hex(0x34373A));
    let (k, lens) = (0.122, *s.lens);
    let face = [[-w, 0.4, -k], [w, 0.4, -k], [w, h, -k], [-w, h, -k]].map(|p| s.world(p));
    if s.seen([0.0, 1.0, -k], [0.0, 0.0, -1.0]).is_some() {
        poster(s.canvas, &lens, face, d);
    }
}

/// A printed poster on a flat quad: lower left, lower right, upper right, upper left as seen from in front.
pub(crate) fn poster(c: &mut Canvas, lens: &Lens, quad: [P3; 4], d: &mut Dice) {
    let at = |u: f32, v: f32| {
        let m = |a: P3, b: P3, t: f32| [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
        m(m(quad[0], quad[1], u), m(quad[3], quad[2], u), v)
    };
    let flat = lens.polygon(&quad);
    if flat.len() < 3 {
        return;
    }
    let ground = if d.chance(0.5) { facade(d) } else { cloth(d) };
    c.poly(&flat, ground);
    let head = Head::sample(d, false, false);
    let (yaw, has_face) = (d.range(-0.6, 0.6), d.chance(0.7));
    let (Some(m), Some(t), Some(l), Some(r)) = (
        lens.project(at(0.5, 0.55)),
        lens.project(at(0.5, 0.8)),
        lens.project(at(0.3, 0.55)),
        lens.project(at(0.7, 0.55)),
    ) else {
        return;
    };
    let (tall, wide) = ((m.1 - t.1).abs(), (r.0 - l.0).abs());
    // A poster seen too much from the side would need a slanted face: leave it to letters.
    if has_face && wide > tall * 0.42 {
        let distance = (lens.depth(at(0.5, 0.5)) * 100.0).round() / 100.0;
        let attributes =
            Attributes { distance_m: distance, skin: Some(head.tone), printed: true, ..Attributes::default() };
        let collar = cloth(d);
        let b: Vec<P2> = [at(0.12, 0.0), at(0.88, 0.0), at(0.8, 0.22), at(0.6, 0.32), at(0.4, 0.32), at(0.2, 0.22)]
            .iter()
            .filter_map(|p| lens.project(*p))
            .collect();
        c.poly(&b, collar);
        head.back_hair(c, m, tall, yaw);
        head.draw(c, m, tall, yaw, -1.0, &attributes);
    }
    let ink = if ground[0] + ground[1] > 1.0 { [0.1; 3] } else { [0.95; 3] };
    let text = d.pick(["TEATER", "KUNST", "LYD", "BYEN", "VALG", "NYHED"]);
    let low = if d.chance(0.5) { 0.86 } else { 0.06 };
    for (a, b) in crate::glyphs::lines(text) {
        let f = |p: P2| lens.project(at(0.1 + 0.8 * p.0, low + 0.1 * (1.0 - p.1)));
        if let (Some(a), Some(b)) = (f(a), f(b)) {
            c.veil_line(&[a, b], tall * 0.06, ink, 0.95);
        }
    }
}
