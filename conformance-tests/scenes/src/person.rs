//! People of all kinds: walking, standing, cycling, in a wheelchair; from every side.

use crate::camera::{Lens, P2, P3};
use crate::canvas::Canvas;
use crate::colour::{Rgb, cloth, hex, jitter, mix, mul};
use crate::dice::Dice;
use crate::figure::{Figure, Joint, wrap};
use crate::head::{Cover, Head};
use crate::truth::{Attributes, Class};
use crate::wheels::{bicycle, wheelchair};

/// What a person is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pose {
    Walk,
    Stand,
    Cycle,
    Wheelchair,
}

/// What is worn below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Legs {
    Trousers,
    Shorts,
    Skirt,
    Dress,
}

/// A person, fixed by their seed.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) pose: Pose,
    pub(crate) child: bool,
    pub(crate) height: f32,
    build: f32,
    head: Head,
    look: f32,
    top: Rgb,
    inner: Rgb,
    bottom: Rgb,
    shoes: Rgb,
    legs: Legs,
    /// How far the top hangs below the hip, in metres.
    coat: f32,
    open: bool,
    vest: bool,
    stripes: bool,
    backpack: Option<Rgb>,
    bag: Option<Rgb>,
    cane: bool,
    scarf: Option<Rgb>,
    phase: f32,
    arms: f32,
    phone: bool,
    frame: Rgb,
    basket: bool,
}

impl Person {
    pub(crate) fn sample(d: &mut Dice, pose: Pose) -> Self {
        let child = pose != Pose::Cycle && d.chance(0.16);
        let height = if child { d.range(0.95, 1.45) } else { (1.73 + d.bell() * 0.09).clamp(1.5, 2.0) };
        let legs = match d.whole(0, 9) {
            0 => Legs::Shorts,
            1 => Legs::Skirt,
            2 => Legs::Dress,
            _ => Legs::Trousers,
        };
        let head = Head::sample(d, child, pose == Pose::Cycle);
        let bag = d.chance(0.25).then(|| cloth(d));
        let bottom = if d.chance(0.65) {
            let base =
                d.pick([hex(0x22262E), hex(0x2D3A52), hex(0x18191C), hex(0x6B6455), hex(0x45484D), hex(0x3C5273)]);
            jitter(d, base, 0.15)
        } else {
            cloth(d)
        };
        Self {
            pose,
            child,
            height,
            build: (1.0 + d.bell() * 0.12).clamp(0.8, 1.4),
            head,
            look: if d.chance(0.5) { d.bell() * 0.6 } else { 0.0 },
            top: cloth(d),
            inner: cloth(d),
            bottom,
            shoes: d.pick([hex(0x151515), hex(0x2C2017), hex(0xE6E4DE), hex(0x6B3F22), hex(0x30343B)]),
            legs,
            coat: if d.chance(0.3) { d.range(0.15, 0.45) } else { d.range(-0.02, 0.1) },
            open: d.chance(0.35),
            vest: d.chance(0.06),
            stripes: d.chance(0.12),
            backpack: d.chance(0.2).then(|| cloth(d)),
            bag,
            cane: pose == Pose::Walk && !child && d.chance(0.05),
            scarf: d.chance(0.18).then(|| cloth(d)),
            phase: d.range(0.0, std::f32::consts::TAU),
            arms: d.range(0.0, 1.0),
            phone: pose != Pose::Cycle && d.chance(0.1),
            frame: cloth(d),
            basket: d.chance(0.35),
        }
    }

    pub(crate) fn attributes(&self, metres: f32, facing: f32) -> Attributes {
        let side = if facing.abs() < 0.9 {
            "front"
        } else if facing.abs() < 2.2 {
            "side"
        } else {
            "back"
        };
        let legs = match self.legs {
            Legs::Trousers => "trousers",
            Legs::Shorts => "shorts",
            Legs::Skirt => "skirt",
            Legs::Dress => "dress",
        };
        let top = if self.vest {
            "vest"
        } else if self.coat > 0.14 {
            "coat"
        } else {
            "jacket"
        };
        let aid = if self.pose == Pose::Wheelchair {
            Some("wheelchair")
        } else if self.cane {
            Some("cane")
        } else {
            None
        };
        Attributes {
            distance_m: metres,
            kind: Some(if self.pose == Pose::Cycle { "cyclist" } else { "pedestrian" }.to_owned()),
            skin: Some(self.head.tone),
            facing: Some(side.to_owned()),
            child: self.child,
            clothing: Some(format!("{} {top} {legs}", self.head.cover_name())),
            aid: aid.map(str::to_owned),
            ..Attributes::default()
        }
    }

    /// Draws the person standing at `foot` with the given heading.
    pub(crate) fn draw(&self, c: &mut Canvas, lens: &Lens, foot: P3, heading: f32, light: f32, mut extra: Attributes) {
        let depth = lens.depth([foot[0], 1.0, foot[2]]);
        let (Some(low), Some(high)) =
            (lens.project([foot[0], 0.02, foot[2]]), lens.project([foot[0], self.height, foot[2]]))
        else {
            return;
        };
        let scale = ((low.1 - high.1) / self.height).min(lens.focal / depth.max(0.3) * 1.05);
        if scale < 3.0 {
            return;
        }
        let facing = lens.facing(foot, heading);
        c.at_depth(depth);
        let known = self.attributes((depth * 100.0).round() / 100.0, facing);
        extra = Attributes { thing: extra.thing, street: extra.street, ..known };
        if self.pose == Pose::Cycle {
            self.bicycle(c, low, scale, facing, light, &extra);
        }
        c.begin(Class::Person, extra.clone());
        let mut f = Figure::new(c, low, scale, facing, light);
        self.body(&mut f, &extra);
        c.end();
    }

    fn bicycle(&self, c: &mut Canvas, origin: P2, scale: f32, facing: f32, light: f32, known: &Attributes) {
        let attributes = Attributes {
            distance_m: known.distance_m,
            kind: Some("bicycle".to_owned()),
            thing: known.thing,
            street: known.street,
            ..Attributes::default()
        };
        c.begin(Class::Vehicle, attributes);
        let mut f = Figure::new(c, origin, scale, facing, light);
        bicycle(&mut f, self.frame, self.basket);
        c.end();
    }

    fn body(&self, f: &mut Figure<'_>, attributes: &Attributes) {
        let h = self.height;
        let head_h = if self.child { (0.13 + h * 0.058).min(h * 0.19) } else { 0.232 };
        let mut hip = h * if self.child { 0.44 } else { 0.475 };
        let mut neck = h - head_h * 1.16;
        let (sw, hw) = (h * 0.112 * self.build, h * 0.085 * self.build);
        let deep = h * 0.068 * self.build;
        let mut lean = 0.0;
        match self.pose {
            Pose::Cycle => {
                let up = 0.97 - hip;
                hip += up;
                neck += up - 0.03;
                lean = 0.18;
            }
            Pose::Wheelchair => {
                let down = hip - 0.52;
                hip -= down;
                neck -= down;
                wheelchair(f);
            }
            _ => {}
        }
        let top = if self.vest { hex(0xE8E21A) } else { self.top };
        let shoulder = neck - head_h * 0.16;
        let head_at: Joint = [0.0, neck + head_h * 0.52, lean * 1.05 + 0.02];
        let at = f.at(head_at);
        let r = head_h * 0.5 * f.scale;
        let yaw = wrap(f.facing + self.look);
        let away = f.cos() < -0.15;
        if !away {
            self.head.back_hair(f.canvas, at, r, yaw);
        }
        let girl_arm = [sw * 0.98, shoulder - 0.03, lean];
        let mut parts: Vec<(f32, u8)> = vec![
            (f.near([0.12, 0.0, 0.0]) - 0.1, 0),
            (f.near([-0.12, 0.0, 0.0]) - 0.1, 1),
            (f.near(girl_arm), 2),
            (f.near([-girl_arm[0], 0.0, lean]), 3),
            (0.0, 4),
        ];
        if self.backpack.is_some() {
            parts.push((f.near([0.0, 0.0, -0.2]), 5));
        }
        parts.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, part) in parts {
            match part {
                0 => self.leg(f, 1.0, hip, hw),
                1 => self.leg(f, -1.0, hip, hw),
                2 => self.arm(f, 1.0, girl_arm, top, hip),
                3 => self.arm(f, -1.0, [-girl_arm[0], girl_arm[1], girl_arm[2]], top, hip),
                4 => self.torso(f, (hip, shoulder, neck), (sw, hw, deep), lean, top),
                _ => {
                    let c = self.backpack.unwrap_or(top);
                    let (x, y) = f.at([0.0, (hip + shoulder) * 0.5 + 0.06, lean * 0.6 - deep - 0.08]);
                    let (w, t) = (f.girth(sw * 0.8, 0.11) * f.scale, h * 0.13 * f.scale);
                    f.shaded(
                        &[
                            (x - w, y - t),
                            (x, y - t * 1.15),
                            (x + w, y - t),
                            (x + w * 1.1, y + t),
                            (x, y + t * 1.1),
                            (x - w * 1.1, y + t),
                        ],
                        c,
                        0.25,
                    );
                    f.canvas.veil_line(
                        &[(x - w * 0.7, y + t * 0.2), (x + w * 0.7, y + t * 0.2)],
                        0.02 * f.scale,
                        mul(c, 0.5),
                        0.8,
                    );
                }
            }
        }
        f.limb(
            [0.0, shoulder + 0.0, lean * 0.95],
            head_h * 0.25,
            [0.0, neck + head_h * 0.2, lean],
            head_h * 0.23,
            mul(self.head.skin, 0.82),
        );
        if let Some(c) = self.scarf.filter(|_| self.head.cover != Cover::Hijab) {
            f.limb([-0.05, neck - 0.01, lean], head_h * 0.3, [0.05, neck - 0.01, lean], head_h * 0.3, c);
        }
        self.head.draw(f.canvas, at, r, yaw, f.light, attributes);
        if away {
            self.head.back_hair(f.canvas, at, r, yaw);
        }
    }

    fn leg(&self, f: &mut Figure<'_>, side: f32, hip: f32, hw: f32) {
        let swing = libm::sinf(self.phase) * side;
        let a = side * hw * 0.5;
        let thick = self.height * 0.047 * self.build.sqrt();
        let (knee, foot): (Joint, Joint) = match self.pose {
            Pose::Walk => {
                let reach = self.height * 0.17 * swing;
                let lift = if swing < 0.0 { 0.05 * -swing } else { 0.0 };
                ([a, hip * 0.54, reach * 0.55 + 0.04], [a, 0.07 + lift, reach])
            }
            Pose::Stand => ([a * 1.1, hip * 0.53, 0.02], [a * 1.3, 0.07, 0.0]),
            Pose::Cycle => {
                let (s, c) = (libm::sinf(self.phase) * side, libm::cosf(self.phase) * side);
                let foot = [a, 0.30 + 0.17 * s, 0.12 + 0.17 * c];
                ([a * 1.3, 0.62 + 0.13 * s, 0.33 + 0.05 * c], foot)
            }
            Pose::Wheelchair => ([a * 1.2, hip - 0.02, 0.42], [a * 1.2, 0.14, 0.5]),
        };
        let top = [a, hip, 0.0];
        let bare = mul(self.head.skin, 0.95);
        let (upper, lower) = match self.legs {
            Legs::Trousers => (self.bottom, self.bottom),
            Legs::Shorts => (self.bottom, bare),
            Legs::Skirt | Legs::Dress => {
                (mul(self.bottom, 0.6), if self.phase > 3.0 { bare } else { [0.1, 0.1, 0.12] })
            }
        };
        let dim = if f.near([a, 0.0, 0.0]) < 0.0 { 0.84 } else { 1.0 };
        f.limb(knee, thick * 0.78, foot, thick * 0.58, mul(lower, dim));
        f.limb(top, thick * 1.25, knee, thick * 0.86, mul(upper, dim));
        let toe: Joint = [foot[0], foot[1] - 0.035, foot[2] + self.height * 0.085];
        f.limb([foot[0], foot[1] - 0.03, foot[2] - 0.02], thick * 0.62, toe, thick * 0.5, mul(self.shoes, dim));
    }

    fn arm(&self, f: &mut Figure<'_>, side: f32, from: Joint, colour: Rgb, hip: f32) {
        let swing = -libm::sinf(self.phase) * side;
        let reach = self.height * 0.17;
        let thick = self.height * 0.034 * self.build.sqrt();
        let (elbow, hand): (Joint, Joint) = match self.pose {
            Pose::Cycle => ([side * 0.27, from[1] - reach, 0.34], [side * 0.25, 1.06, 0.56]),
            Pose::Wheelchair => ([side * 0.3, from[1] - reach, 0.05], [side * 0.24, 0.68, 0.28]),
            _ if self.phone && side > 0.0 => {
                ([side * 0.24, from[1] - reach * 1.2, 0.08], [side * 0.08, from[1] - reach * 0.75, 0.3])
            }
            _ if self.cane && side > 0.0 => {
                ([side * 0.25, from[1] - reach * 1.1, 0.05], [side * 0.25, hip * 0.98, 0.25])
            }
            Pose::Walk => (
                [side * (from[0].abs() + 0.05), from[1] - reach, swing * 0.1 - 0.03],
                [side * (from[0].abs() + 0.03), from[1] - reach * 1.95, swing * 0.26 + 0.06],
            ),
            Pose::Stand => (
                [side * (from[0].abs() + 0.06), from[1] - reach, -0.02],
                [
                    side * (from[0].abs() + 0.04 - 0.2 * self.arms),
                    from[1] - reach * (2.0 - 0.5 * self.arms),
                    0.05 + 0.2 * self.arms,
                ],
            ),
        };
        let dim = if f.near([from[0], 0.0, 0.0]) < 0.0 { 0.8 } else { 0.94 };
        f.limb(hand, thick * 0.85, [hand[0], hand[1] - 0.06, hand[2] + 0.02], thick * 0.7, mul(self.head.skin, 0.95));
        f.limb(elbow, thick * 1.02, hand, thick * 0.8, mul(colour, dim));
        f.limb(from, thick * 1.35, elbow, thick * 1.06, mul(colour, dim));
        if self.phone && side > 0.0 && self.pose != Pose::Cycle {
            f.rod(
                &[[hand[0], hand[1], hand[2] + 0.03], [hand[0], hand[1] + 0.1, hand[2] + 0.06]],
                0.05,
                [0.08, 0.08, 0.1],
            );
        }
        if self.cane && side > 0.0 {
            f.rod(&[hand, [hand[0], 0.02, hand[2] + 0.12]], 0.022, hex(0x4A2E18));
        }
        if let Some(bag) = self.bag.filter(|_| side < 0.0 && matches!(self.pose, Pose::Walk | Pose::Stand)) {
            let (x, y) = f.at([hand[0], hand[1] - 0.1, hand[2]]);
            let (w, t) = (f.girth(0.06, 0.15) * f.scale, 0.3 * f.scale);
            f.canvas.line(
                &[
                    (x, y - 0.03 * f.scale),
                    (x - w * 0.6, y + t * 0.2),
                    (x + w * 0.6, y + t * 0.2),
                    (x, y - 0.03 * f.scale),
                ],
                0.012 * f.scale,
                mul(bag, 0.6),
            );
            f.shaded(
                &[(x - w, y + t * 0.1), (x + w, y + t * 0.1), (x + w * 1.15, y + t), (x - w * 1.15, y + t)],
                bag,
                0.25,
            );
        }
    }

    fn torso(
        &self,
        f: &mut Figure<'_>,
        (hip, shoulder, neck): (f32, f32, f32),
        (sw, hw, deep): (f32, f32, f32),
        lean: f32,
        top: Rgb,
    ) {
        let seated = matches!(self.pose, Pose::Cycle | Pose::Wheelchair);
        let skirted = matches!(self.legs, Legs::Skirt | Legs::Dress);
        let hem = hip - if seated { 0.05 } else { self.coat + 0.04 };
        let waist = hip + (shoulder - hip) * 0.4;
        let level = |f: &Figure<'_>, a: f32, b: f32, y: f32, fwd: f32| {
            let (x, py) = f.at([0.0, y, fwd]);
            let w = f.girth(a, b) * f.scale;
            ((x - w, py), (x + w, py))
        };
        if skirted {
            let end = hip
                - if seated {
                    0.12
                } else if self.legs == Legs::Dress {
                    self.height * 0.26
                } else {
                    self.height * 0.2
                };
            let colour = if self.legs == Legs::Dress { top } else { self.bottom };
            let (a, b, d) = (
                level(f, hw * 0.95, deep, waist, lean * 0.3),
                level(f, hw * 1.3, deep * 1.4, hip, 0.0),
                level(f, hw * 1.6, deep * 2.0, end, 0.0),
            );
            f.shaded(&[a.0, a.1, b.1, d.1, d.1, d.0, d.0, b.0], colour, 0.28);
        }
        let flare = 1.0 + self.coat.max(0.0) * 0.5;
        let n = level(f, sw * 0.42, deep * 0.7, neck + 0.005, lean);
        let s = level(f, sw * 1.02, deep * 0.95, shoulder - 0.015, lean);
        let m = level(f, sw * 1.0, deep * 1.12, shoulder - (shoulder - hip) * 0.3, lean * 0.8);
        let w = level(f, hw * 1.02, deep * 1.05, waist, lean * 0.4);
        let h = level(f, hw * 1.12, deep * 1.12, hip, 0.0);
        let e = level(f, hw * 1.12 * flare, deep * 1.15 * flare, hem, 0.0);
        f.shaded(&[n.0, n.1, s.1, s.1, m.1, w.1, h.1, e.1, e.1, e.0, e.0, h.0, w.0, m.0, s.0, s.0], top, 0.3);
        let px = f.scale;
        let facing = f.cos();
        let mid = |a: (P2, P2), k: f32| ((a.0.0 + a.1.0) * 0.5 + (a.1.0 - a.0.0) * 0.5 * k, a.0.1);
        if px < 18.0 {
            return;
        }
        if self.stripes || self.vest {
            let c = if self.vest { hex(0xD8DADB) } else { self.inner };
            for t in [0.35, 0.6] {
                let y = s.0.1 + (e.0.1 - s.0.1) * t;
                let l = w.0.0 + (m.0.0 - w.0.0) * (0.8 - t);
                let r = w.1.0 + (m.1.0 - w.1.0) * (0.8 - t);
                f.canvas.veil_line(&[(l + 0.03 * px, y), (r - 0.03 * px, y)], 0.045 * px, c, 0.9);
            }
        }
        if facing > 0.1 {
            let k = f.sin() * 0.7;
            if self.open {
                let g = 0.28 * facing;
                f.canvas.poly(
                    &[
                        mid(n, k - g),
                        mid(n, k + g),
                        mid(m, k + g * 0.9),
                        mid(h, k + g * 0.7),
                        mid(h, k - g * 0.7),
                        mid(m, k - g * 0.9),
                    ],
                    mul(self.inner, 0.95),
                );
            } else {
                f.canvas.veil_line(&[mid(n, k), mid(m, k), mid(h, k), mid(e, k)], 0.012 * px, mul(top, 0.45), 0.8);
                f.canvas.veil_line(&[mid(n, k - 0.5), mid(s, k * 0.8), mid(n, k + 0.5)], 0.02 * px, mul(top, 0.6), 0.7);
            }
            if px > 60.0 {
                for side in [-1.0, 1.0] {
                    let q = mid(w, k + side * 0.6 * facing);
                    f.canvas.veil_line(
                        &[(q.0 - 0.05 * px, q.1 + 0.03 * px), (q.0 + 0.04 * px, q.1 + 0.06 * px)],
                        0.01 * px,
                        mul(top, 0.4),
                        0.7,
                    );
                }
            }
            if self.backpack.is_some() {
                for side in [-1.0, 1.0] {
                    f.canvas.veil_line(
                        &[
                            mid(s, k + side * 0.5 * facing),
                            mid(m, k + side * 0.55 * facing),
                            mid(w, k + side * 0.7 * facing),
                        ],
                        0.035 * px,
                        mul(self.backpack.unwrap_or(top), 0.7),
                        1.0,
                    );
                }
            }
        }
        // Folds.
        if px > 40.0 {
            let fold = mix(top, [0.0; 3], 0.5);
            f.canvas.veil_line(&[mid(m, 0.55), mid(w, 0.35)], 0.02 * px, fold, 0.25);
            f.canvas.veil_line(&[mid(w, -0.7), mid(h, -0.3)], 0.02 * px, fold, 0.25);
            f.canvas.veil_line(&[mid(w, 0.6), mid(h, 0.2)], 0.015 * px, fold, 0.22);
        }
    }
}
