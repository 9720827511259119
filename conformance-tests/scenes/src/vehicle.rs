//! Cars, vans, lorries and leaning bicycles, with their plates.

use crate::camera::P3;
use crate::colour::{Rgb, hex, mul, paint};
use crate::dice::Dice;
use crate::portrait::PLATE_LETTERS;
use crate::solid::{Solid, unit};
use crate::truth::{Attributes, Class};

/// What kind of vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Hatchback,
    Saloon,
    Van,
    Lorry,
    Bicycle,
}

/// A vehicle, fixed by its seed.
#[derive(Debug, Clone)]
pub(crate) struct Vehicle {
    pub(crate) make: Make,
    pub(crate) length: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
    colour: Rgb,
    plate: String,
    yellow: bool,
    high_plate: bool,
    lamps: bool,
    basket: bool,
    stripe: Option<Rgb>,
}

impl Vehicle {
    pub(crate) fn sample(d: &mut Dice, make: Make) -> Self {
        let (length, width, height) = match make {
            Make::Hatchback => (d.range(3.6, 4.3), d.range(1.66, 1.8), d.range(1.42, 1.58)),
            Make::Saloon => (d.range(4.4, 4.9), d.range(1.76, 1.88), d.range(1.4, 1.7)),
            Make::Van => (d.range(4.6, 5.8), d.range(1.85, 2.05), d.range(1.9, 2.5)),
            Make::Lorry => (d.range(6.5, 8.5), d.range(2.2, 2.45), d.range(2.8, 3.4)),
            Make::Bicycle => (1.75, 0.5, 1.05),
        };
        let mut plate: String = (0..2).map(|_| d.pick(PLATE_LETTERS)).collect();
        plate.extend((0..5).filter_map(|_| char::from_digit(d.whole(0, 9), 10)));
        let van = matches!(make, Make::Van | Make::Lorry);
        Self {
            make,
            length,
            width,
            height,
            colour: if van && d.chance(0.6) { hex(0xE6E7E6) } else { paint(d) },
            plate,
            yellow: van && d.chance(0.6),
            high_plate: d.chance(0.55),
            lamps: d.chance(0.3),
            basket: d.chance(0.4),
            stripe: (van && d.chance(0.5)).then(|| paint(d)),
        }
    }

    fn attributes(&self, metres: f32, extra: &Attributes) -> Attributes {
        let kind = match self.make {
            Make::Hatchback | Make::Saloon => "car",
            Make::Van => "van",
            Make::Lorry => "lorry",
            Make::Bicycle => "bicycle",
        };
        Attributes { distance_m: metres, kind: Some(kind.to_owned()), ..extra.clone() }
    }

    /// Outline of the side from the lower rear over the roof to the lower front: forward, up, and whether glass follows.
    fn profile(&self) -> Vec<(f32, f32, bool)> {
        let (l, h) = (self.length * 0.5, self.height);
        match self.make {
            Make::Hatchback => vec![
                (-l + 0.03, 0.28, false),
                (-l, 0.62, false),
                (-l + 0.06, h * 0.62, true),
                (-l + 0.38, h * 0.96, false),
                (-l + 0.9, h, false),
                (l * 0.12, h * 0.985, true),
                (l * 0.48, h * 0.66, false),
                (l - 0.25, h * 0.56, false),
                (l - 0.02, h * 0.42, false),
                (l, 0.3, false),
            ],
            Make::Saloon => vec![
                (-l + 0.03, 0.28, false),
                (-l, 0.7, false),
                (-l + 0.15, h * 0.66, false),
                (-l + 0.55, h * 0.68, true),
                (-l + 1.2, h * 0.97, false),
                (-0.1, h, false),
                (l * 0.18, h * 0.97, true),
                (l * 0.5, h * 0.66, false),
                (l - 0.25, h * 0.55, false),
                (l - 0.02, h * 0.42, false),
                (l, 0.3, false),
            ],
            _ => vec![
                (-l, 0.35, false),
                (-l, h * 0.5, self.make == Make::Van && self.lamps),
                (-l + 0.03, h * 0.88, false),
                (-l + 0.12, h, false),
                (l - 1.4, h, false),
                (l - 1.15, h * 0.97, true),
                (l - 0.55, h * 0.56, false),
                (l - 0.06, h * 0.45, false),
                (l, 0.32, false),
            ],
        }
    }

    pub(crate) fn draw(&self, s: &mut Solid<'_>, heading: f32, extra: &Attributes) {
        let depth = s.lens.depth(s.world([0.0, 0.8, 0.0]));
        s.canvas.at_depth(depth);
        let metres = (depth * 100.0).round() / 100.0;
        s.canvas.begin(Class::Vehicle, self.attributes(metres, extra));
        if self.make == Make::Bicycle {
            let (colour, basket) = (self.colour, self.basket);
            if let Some(mut f) = s.figure(heading) {
                crate::wheels::bicycle(&mut f, colour, basket);
            }
        } else {
            self.body(s, metres);
        }
        s.canvas.end();
    }

    fn half(&self, y: f32) -> f32 {
        let boxy = matches!(self.make, Make::Van | Make::Lorry);
        let waist = self.height * 0.64;
        let k = if y <= waist { 0.0 } else { (y - waist) / (self.height - waist) };
        self.width * 0.5 * (1.0 - k * if boxy { 0.06 } else { 0.2 })
    }

    fn body(&self, s: &mut Solid<'_>, metres: f32) {
        let profile = self.profile();
        let glass = [0.1, 0.125, 0.15];
        let pairs = || profile.iter().zip(profile.iter().skip(1));
        let mut strips: Vec<(f32, [P3; 4], P3, bool)> = pairs()
            .map(|(p, q)| {
                let (hp, hq) = (self.half(p.1), self.half(q.1));
                let quad = [[-hp, p.1, p.0], [hp, p.1, p.0], [hq, q.1, q.0], [-hq, q.1, q.0]];
                let mid = s.world([0.0, (p.1 + q.1) * 0.5, (p.0 + q.0) * 0.5]);
                (s.lens.depth(mid), quad, unit([0.0, q.0 - p.0, -(q.1 - p.1)]), p.2)
            })
            .collect();
        strips.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, quad, normal, glassy) in strips {
            s.face(&quad, normal, self.colour);
            if glassy {
                let inset = |k: f32, p: P3, q: P3| [p[0] * 0.88, p[1] + (q[1] - p[1]) * k, p[2] + (q[2] - p[2]) * k];
                let pane = [
                    inset(0.1, quad[0], quad[3]),
                    inset(0.1, quad[1], quad[2]),
                    inset(0.92, quad[1], quad[2]),
                    inset(0.92, quad[0], quad[3]),
                ];
                if s.face(&pane, normal, glass) {
                    let sheen = [pane[0], inset(0.5, pane[0], pane[3]), pane[2], pane[3]];
                    s.mark(&sheen, normal, [0.75, 0.82, 0.88], 0.25);
                }
            }
        }
        for side in [-1.0, 1.0] {
            self.side(s, side, &profile, glass);
        }
        self.end(s, -1.0, metres);
        self.end(s, 1.0, metres);
    }

    fn side(&self, s: &mut Solid<'_>, side: f32, profile: &[(f32, f32, bool)], glass: Rgb) {
        let normal = [side, 0.0, 0.0];
        let w = self.width * 0.5 * side;
        if s.seen([w, 0.8, 0.0], normal).is_none() {
            return;
        }
        let outline: Vec<P3> = profile.iter().map(|p| [self.half(p.1) * side, p.1, p.0]).collect();
        s.face_fade(&outline, normal, self.colour);
        let (l, h) = (self.length * 0.5, self.height);
        let panes: &[[(f32, f32); 4]] = match self.make {
            Make::Hatchback => &[
                [(-0.78, 0.66), (-0.62, 0.92), (-0.3, 0.95), (-0.3, 0.66)],
                [(-0.25, 0.66), (-0.25, 0.95), (0.1, 0.94), (0.42, 0.66)],
            ],
            Make::Saloon => &[
                [(-0.66, 0.68), (-0.42, 0.93), (-0.12, 0.95), (-0.12, 0.68)],
                [(-0.08, 0.68), (-0.08, 0.95), (0.17, 0.93), (0.46, 0.67)],
            ],
            _ => &[[(0.38, 0.56), (0.38, 0.86), (0.6, 0.86), (0.78, 0.56)]],
        };
        for pane in panes {
            let points: Vec<P3> = pane.iter().map(|(b, y)| [self.half(y * h) * side * 1.002, y * h, b * l]).collect();
            s.face(&points, normal, glass);
            if let [a, b, c, _] = *points.as_slice() {
                s.mark(&[a, b, c], normal, [0.7, 0.78, 0.85], 0.2);
            }
        }
        if let Some(stripe) = self.stripe {
            s.mark(
                &[[w, h * 0.3, -l * 0.9], [w, h * 0.3, l * 0.9], [w, h * 0.4, l * 0.9], [w, h * 0.4, -l * 0.9]],
                normal,
                stripe,
                0.9,
            );
            let flat = crate::glyphs::lines("KBH");
            for (a, b) in flat {
                let place = |p: (f32, f32)| {
                    s.at([
                        self.half(h * 0.75) * side * 1.01,
                        h * (0.84 - 0.2 * p.1),
                        l * (-0.3 + side * (p.0 - 0.5) * 0.9),
                    ])
                };
                if let (Some(a), Some(b)) = (place(a), place(b)) {
                    let thick = 0.07 * s.lens.focal / s.lens.depth(s.world([w, h * 0.7, 0.0])).max(1.0);
                    s.canvas.veil_line(&[a, b], thick, stripe, 0.9);
                }
            }
        }
        for b in [-0.02, 0.33] {
            if let (Some(p), Some(q)) = (s.at([w, 0.38, b * l]), s.at([w, h * 0.64, b * l])) {
                s.canvas.veil_line(&[p, q], 1.0, mul(self.colour, 0.4), 0.5);
            }
        }
        s.mark(&[[w, 0.26, -l], [w, 0.26, l], [w, 0.4, l], [w, 0.4, -l]], normal, [0.05, 0.05, 0.05], 0.45);
        let r = if self.make == Make::Lorry { 0.42 } else { 0.31 };
        for b in [-0.62, 0.62] {
            s.disc([w, r + 0.03, b * l], r * 1.18, [0.05, 0.05, 0.05]);
            s.disc([w * 1.01, r, b * l], r, [0.09, 0.09, 0.095]);
            s.disc([w * 1.015, r, b * l], r * 0.62, [0.55, 0.56, 0.58]);
            s.disc([w * 1.016, r, b * l], r * 0.2, [0.2, 0.2, 0.22]);
        }
    }

    /// Lights, bumper and plate of the rear (`dir` = -1) or the front (1).
    fn end(&self, s: &mut Solid<'_>, dir: f32, metres: f32) {
        let normal = [0.0, 0.0, dir];
        let b = dir * (self.length * 0.5 + 0.015);
        let (w, h) = (self.width * 0.5, self.height);
        if s.seen([0.0, 0.6, b], normal).is_none() {
            return;
        }
        let rect = |x0: f32, x1: f32, y0: f32, y1: f32| [[x0, y0, b], [x1, y0, b], [x1, y1, b], [x0, y1, b]];
        s.face(&rect(-w * 0.96, w * 0.96, 0.26, 0.42), normal, mul(self.colour, 0.35));
        let (lamp, y) = if dir < 0.0 { (hex(0xA81612), (0.6, 0.82)) } else { (hex(0xE9EEF2), (0.55, 0.68)) };
        for side in [-1.0, 1.0] {
            s.face(&rect(side * w * 0.94, side * w * 0.68, y.0, y.1), normal, lamp);
            if self.lamps
                && let Some(p) = s.at([side * w * 0.8, (y.0 + y.1) * 0.5, b])
            {
                let r = s.lens.focal / metres.max(1.0) * 0.16;
                let glow = if dir < 0.0 { [1.0, 0.15, 0.1] } else { [1.0, 0.96, 0.85] };
                s.canvas.glow(p, r, glow, 0.8);
            }
        }
        if dir > 0.0 {
            s.face(&rect(-w * 0.5, w * 0.5, 0.46, 0.6), normal, [0.06, 0.06, 0.07]);
        }
        let low = if dir < 0.0 && self.high_plate && h > 1.3 { h * 0.47 } else { 0.36 };
        self.plate(s, b + dir * 0.01, low, dir, metres);
    }

    fn plate(&self, s: &mut Solid<'_>, b: f32, low: f32, dir: f32, metres: f32) {
        let normal = [0.0, 0.0, dir];
        // Mirrored for the rear, so that the text reads from the left for whoever stands behind.
        let (w, t) = (0.26, 0.125);
        let place = |u: f32, v: f32| [(u - 0.5) * 2.0 * w * -dir, low + t * (1.0 - v), b];
        let frame = [place(0.0, 0.0), place(1.0, 0.0), place(1.0, 1.0), place(0.0, 1.0)];
        let flat = s.polygon(&frame);
        if flat.len() < 4 {
            return;
        }
        let attributes = Attributes { distance_m: metres, text: Some(self.plate.clone()), ..Attributes::default() };
        s.canvas.begin(Class::Plate, attributes);
        s.face(&frame, normal, hex(0xC2202A));
        let inner = [place(0.02, 0.08), place(0.98, 0.08), place(0.98, 0.92), place(0.02, 0.92)];
        s.face(&inner, normal, if self.yellow { hex(0xF2C81E) } else { hex(0xFBFBFA) });
        let wide = s.lens.focal / metres.max(0.5) * 2.0 * w;
        if wide > 9.0 {
            for (p, q) in crate::glyphs::lines(&self.plate) {
                let fit = |p: (f32, f32)| place(0.05 + 0.9 * p.0, 0.2 + 0.6 * p.1);
                if let (Some(p), Some(q)) = (s.at(fit(p)), s.at(fit(q))) {
                    s.canvas.line(&[p, q], wide * 0.02, [0.05, 0.05, 0.06]);
                }
            }
        }
        s.canvas.end();
    }
}
