//! Heads: hair and hats, and whose face it is.

use crate::camera::P2;
use crate::canvas::{Canvas, ring};
use crate::colour::{Rgb, hex, jitter, mul};
use crate::dice::Dice;
use crate::face::{LEVELS, Shape};
use crate::truth::{Attributes, Class};

/// What grows on a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hair {
    Short,
    Long,
    Bob,
    Bun,
    Curly,
    Bald,
}

/// What is worn on a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    None,
    Beanie,
    Cap,
    Helmet,
    Hijab,
    Hood,
}

/// A head and all that can be told of it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) tone: u8,
    pub(crate) skin: Rgb,
    pub(crate) hair_colour: Rgb,
    pub(crate) hair: Hair,
    pub(crate) cover: Cover,
    pub(crate) cover_colour: Rgb,
    pub(crate) beard: bool,
    pub(crate) glasses: u8,
    pub(crate) wide: f32,
    pub(crate) eye_gap: f32,
    pub(crate) eye_size: f32,
    pub(crate) mouth: f32,
    pub(crate) nose: f32,
    pub(crate) smile: f32,
    pub(crate) iris: Rgb,
    pub(crate) lips: f32,
    pub(crate) mask: bool,
}

/// From lightest to darkest.
const SKIN: [u32; 10] =
    [0xF2D3BF, 0xECC4A8, 0xE3B48F, 0xD9A57E, 0xC68E64, 0xAD7549, 0x8F5B39, 0x70452B, 0x543422, 0x3F281C];

impl Head {
    pub(crate) fn sample(d: &mut Dice, child: bool, rider: bool) -> Self {
        let tone = if d.chance(0.45) { d.whole(1, 4) } else { d.whole(1, 10) } as u8;
        let base = SKIN.get(usize::from(tone) - 1).copied().unwrap_or(0xE3B48F);
        let skin = jitter(d, hex(base), 0.06);
        let dark = d.pick([0x17120F, 0x241A14, 0x33241A, 0x0F0E0E]);
        let any = d
            .pick([0x17120F, 0x2E2018, 0x4A3320, 0x6B4A2B, 0x9A7442, 0xC6A468, 0xE0CC96, 0x8A3F1E, 0x9B9B98, 0xDAD9D4]);
        let natural = hex(if tone > 6 && d.chance(0.85) { dark } else { any });
        let hair_colour = jitter(d, natural, 0.15);
        let hair = if child {
            d.pick([Hair::Short, Hair::Bob, Hair::Long, Hair::Curly, Hair::Short])
        } else {
            d.pick([
                Hair::Short,
                Hair::Short,
                Hair::Short,
                Hair::Long,
                Hair::Long,
                Hair::Bob,
                Hair::Bun,
                Hair::Curly,
                Hair::Bald,
            ])
        };
        let cover = if rider && d.chance(0.7) {
            Cover::Helmet
        } else if d.chance(0.62) {
            Cover::None
        } else {
            d.pick([Cover::Beanie, Cover::Cap, Cover::Hijab, Cover::Hood, Cover::Beanie])
        };
        let (h, s, v) = (d.range(0.0, 6.0), d.range(0.0, 0.8), d.range(0.12, 0.95));
        let iris = d.pick([0x3A2416, 0x2A1A10, 0x4F6B86, 0x5C6F4A, 0x6A4A2A]);
        Self {
            tone,
            skin,
            hair_colour,
            hair,
            cover,
            cover_colour: crate::colour::hsv(h, s, v),
            beard: !child && cover != Cover::Hijab && matches!(hair, Hair::Short | Hair::Bald) && d.chance(0.4),
            glasses: if d.chance(0.22) { d.whole(1, 2) as u8 } else { 0 },
            wide: d.range(0.93, 1.08) * if child { 1.06 } else { 1.0 },
            eye_gap: d.range(0.38, 0.47),
            eye_size: d.range(0.85, 1.15) * if child { 1.2 } else { 1.0 },
            mouth: d.range(0.26, 0.4),
            nose: d.range(0.7, 1.2),
            smile: d.range(-0.4, 1.0),
            iris: hex(iris),
            lips: d.range(0.2, 0.65),
            mask: d.chance(0.02),
        }
    }

    /// In a word or two, for the truth.
    pub(crate) fn cover_name(&self) -> &'static str {
        match self.cover {
            Cover::None => "bareheaded",
            Cover::Beanie => "beanie",
            Cover::Cap => "cap",
            Cover::Helmet => "helmet",
            Cover::Hijab => "hijab",
            Cover::Hood => "hood",
        }
    }

    fn shape(&self, yaw: f32) -> Shape {
        let (sin, cos) = (libm::sinf(yaw), libm::cosf(yaw));
        let (a, b) = (0.72 * self.wide, 0.84);
        Shape { yaw, sin, cos, half: (a * a * cos * cos + b * b * sin * sin).sqrt() }
    }

    /// What hangs behind the neck, to be drawn before the body when the person faces us and after it when not.
    pub(crate) fn back_hair(&self, c: &mut Canvas, at: P2, r: f32, yaw: f32) {
        let s = self.shape(yaw);
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let back = -s.sin * 0.25;
        match (self.cover, self.hair) {
            (Cover::Hijab, _) => {
                let w = s.half * 1.22;
                c.blob(
                    &[
                        p(-w, 0.4),
                        p(w, 0.4),
                        p(w * 1.1, -0.8),
                        p(w * 1.5 + back, -1.75),
                        p(back, -2.1),
                        p(-w * 1.5 + back, -1.75),
                        p(-w * 1.1, -0.8),
                    ],
                    mul(self.cover_colour, 0.82),
                );
            }
            (Cover::Hood, _) => {
                let w = s.half * 1.3;
                c.blob(
                    &[
                        p(-w, 0.9),
                        p(w, 0.9),
                        p(w * 1.15, -0.6),
                        p(w * 1.1, -1.45),
                        p(-w * 1.1, -1.45),
                        p(-w * 1.15, -0.6),
                    ],
                    mul(self.cover_colour, 0.6),
                );
            }
            (_, Hair::Long) => {
                let w = s.half * 1.12;
                c.blob(
                    &[
                        p(-w + back, 0.7),
                        p(w + back, 0.7),
                        p(w * 1.12 + back, -0.6),
                        p(w * 1.0 + back, -1.9),
                        p(back, -2.2),
                        p(-w + back, -1.9),
                        p(-w * 1.12 + back, -0.6),
                    ],
                    mul(self.hair_colour, 0.85),
                );
            }
            (_, Hair::Bob) => {
                let w = s.half * 1.15;
                c.blob(
                    &[
                        p(-w + back, 0.8),
                        p(w + back, 0.8),
                        p(w * 1.1 + back, -0.9),
                        p(back, -1.15),
                        p(-w * 1.1 + back, -0.9),
                    ],
                    mul(self.hair_colour, 0.85),
                );
            }
            _ => {}
        }
    }

    /// Draws the head around `at` with half height `r` pixels. `yaw` is the way it looks.
    pub(crate) fn draw(&self, c: &mut Canvas, at: P2, r: f32, yaw: f32, light: f32, attributes: &Attributes) {
        let s = self.shape(yaw);
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let outline = |grow: f32, low: f32, lift: f32| -> Vec<P2> {
            let right =
                LEVELS.iter().filter(|l| l.0 >= low).map(|l| p(s.edge(l.0, l.1, 1.0) * grow, l.0 * grow + lift));
            let left =
                LEVELS.iter().rev().filter(|l| l.0 >= low).map(|l| p(s.edge(l.0, l.1, -1.0) * grow, l.0 * grow + lift));
            right.chain(left).collect()
        };
        c.blob(&outline(1.04, -1.1, 0.0), mul(self.skin, 0.9));
        let scalp = match (self.cover, self.hair) {
            (Cover::Hijab, _) => Some((1.2, -1.1, self.cover_colour)),
            (Cover::Hood, _) => Some((1.24, -0.9, self.cover_colour)),
            (_, Hair::Bald) => None,
            (_, Hair::Curly) => Some((1.22, -0.4, self.hair_colour)),
            (_, Hair::Short) => Some((1.07, -0.3, self.hair_colour)),
            (_, Hair::Long | Hair::Bob) => Some((1.12, if s.cos < -0.2 { -1.1 } else { -0.55 }, self.hair_colour)),
            (_, Hair::Bun) => Some((1.08, -0.4, self.hair_colour)),
        };
        if let Some((grow, low, colour)) = scalp {
            if self.hair == Hair::Bun && !matches!(self.cover, Cover::Hijab | Cover::Hood | Cover::Helmet) {
                let b = p(-s.sin * 0.75, if self.eye_gap > 0.42 { 0.95 } else { 0.35 });
                c.blob(&ring(b.0, b.1, r * 0.38, r * 0.36), mul(colour, 0.9));
            }
            if self.hair == Hair::Curly && matches!(self.cover, Cover::None) {
                for q in ring(0.0, 0.25, s.half * 1.08, 0.95).iter().filter(|q| q.1 > -0.35) {
                    let o = p(q.0 - s.sin * 0.12, q.1);
                    c.blob(&ring(o.0, o.1, r * 0.3, r * 0.3), mul(colour, 0.93));
                }
            }
            c.blob(&outline(grow, low, 0.03), colour);
        }
        for side in [-1.0, 1.0] {
            let cos = libm::cosf(yaw + side * 1.5);
            if cos > -0.35
                && !matches!(self.cover, Cover::Hijab | Cover::Hood)
                && !matches!(self.hair, Hair::Long | Hair::Bob)
            {
                let e = p(s.half * libm::sinf(yaw + side * 1.5) * 1.02, -0.05);
                c.blob(&ring(e.0, e.1, r * (0.1 + 0.07 * cos.max(0.0)), r * 0.2), mul(self.skin, 0.86));
            }
        }
        if yaw.abs() < 1.83 {
            c.begin(Class::Face, attributes.clone());
            self.face(c, &s, at, r, light);
            c.end();
        } else if yaw.abs() < 2.5 {
            c.blob(&s.face_outline(at, r, 1.0, 0.4), self.skin);
        }
        self.hat(c, &s, at, r);
    }

    fn hat(&self, c: &mut Canvas, s: &Shape, at: P2, r: f32) {
        let p = |x: f32, y: f32| (at.0 + x * r, at.1 - y * r);
        let dome = |w: f32, base: f32, top: f32| {
            let w = s.half * w;
            let back = -s.sin * 0.06;
            vec![
                p(-w + back, base),
                p(-w * 1.08 + back, base + (top - base) * 0.45),
                p(-w * 0.75 + back, top),
                p(back, top * 1.08),
                p(w * 0.75 + back, top),
                p(w * 1.08 + back, base + (top - base) * 0.45),
                p(w + back, base),
            ]
        };
        let colour = self.cover_colour;
        match self.cover {
            Cover::None | Cover::Hood => {
                if self.cover == Cover::None && !matches!(self.hair, Hair::Bald) && s.cos > -0.3 {
                    // A fringe, or hair combed to one side.
                    let (l, rt) = (s.x(-0.95, 0.55), s.x(0.95, 0.55));
                    let part = s.x(if self.smile > 0.3 { 0.5 } else { -0.5 }, 0.6);
                    let low = if self.hair == Hair::Bob { 0.38 } else { 0.5 };
                    c.blob(
                        &[
                            p(l, low),
                            p(part, low + 0.14),
                            p(rt, low),
                            p(s.half * 0.9, 0.85),
                            p(0.0, 1.08),
                            p(-s.half * 0.9, 0.85),
                        ],
                        mul(self.hair_colour, 1.08),
                    );
                }
            }
            Cover::Hijab => {
                let w = s.half * 1.15;
                let f = s.sin * 0.3;
                c.blob(
                    &[
                        p(-w + f * 0.3, -0.85),
                        p(f, -0.95),
                        p(w + f * 0.3, -0.85),
                        p(w * 1.5, -1.6),
                        p(f, -1.95),
                        p(-w * 1.5, -1.6),
                    ],
                    mul(colour, 0.92),
                );
                if r > 8.0 {
                    c.veil_line(&[p(-w * 0.8, -1.05), p(f, -1.3), p(w * 0.9, -1.5)], r * 0.06, mul(colour, 0.5), 0.6);
                }
            }
            Cover::Beanie => {
                c.blob(&dome(1.12, 0.38, 1.12), colour);
                let w = s.half * 1.14;
                c.poly(&[p(-w, 0.32), p(w, 0.32), p(w, 0.58), p(-w, 0.58)], mul(colour, 0.8));
            }
            Cover::Cap => {
                c.blob(&dome(1.1, 0.42, 1.08), colour);
                let f = s.sin * s.half;
                if s.cos > -0.5 {
                    let w = s.half * (0.45 + 0.45 * s.cos.abs());
                    c.blob(
                        &[
                            p(f * 0.5 - w, 0.56),
                            p(f * 0.5 + w, 0.56),
                            p(f * 1.4 + w * 0.9, 0.36),
                            p(f * 1.2, 0.30),
                            p(f * 1.4 - w * 0.9, 0.36),
                        ],
                        mul(colour, 0.7),
                    );
                }
            }
            Cover::Helmet => {
                c.blob(&dome(1.22, 0.42, 1.2), colour);
                if r > 5.0 {
                    for k in [-0.45, 0.0, 0.45] {
                        c.veil_line(
                            &[p(k * s.half * 1.4, 0.6), p(k * s.half * 0.8, 1.1)],
                            r * 0.13,
                            [0.08, 0.08, 0.09],
                            0.8,
                        );
                    }
                    for side in [-1.35, 1.35].into_iter().filter(|_| s.cos > -0.1) {
                        c.veil_line(
                            &[p(s.x(side, 0.3), 0.3), p(s.x(side, -0.5), -0.5), p(s.x(0.0, -1.0), -1.02)],
                            r * 0.05,
                            [0.08, 0.08, 0.08],
                            0.6,
                        );
                    }
                }
            }
        }
    }
}
