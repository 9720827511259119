//! Houses in Copenhagen's colours: walls, windows, doors and shops.

use crate::camera::{Lens, P2, P3};
use crate::canvas::Canvas;
use crate::colour::{Rgb, cloth, hex, mix, mul};
use crate::dice::Dice;
use crate::params::{Light, SceneParams};
use crate::solid::Sun;

/// One house of a row.
#[derive(Debug, Clone)]
pub(crate) struct House {
    pub(crate) side: f32,
    pub(crate) z: f32,
    pub(crate) length: f32,
    pub(crate) floors: u32,
    pub(crate) floor_height: f32,
    pub(crate) wall: Rgb,
    pub(crate) trim: Rgb,
    pub(crate) roof: Rgb,
    pub(crate) shop: bool,
    pub(crate) bays: u32,
    pub(crate) seed: u64,
}

impl House {
    /// Draws the front, and what is seen of gable and roof.
    pub(crate) fn draw(&self, c: &mut Canvas, lens: &Lens, wall_at: f32, p: &SceneParams, sun: Sun) {
        let x = self.side * wall_at;
        let (z0, z1) = (self.z, self.z + self.length);
        let height = self.floors as f32 * self.floor_height + 0.8;
        let quad = |a: f32, b: f32, y0: f32, y1: f32, out: f32| {
            let x = x - self.side * out;
            [[x, y0, a], [x, y0, b], [x, y1, b], [x, y1, a]]
        };
        let depth = lens.depth([x, 2.0, (z0 + z1) * 0.5]).max(2.0);
        c.at_depth(depth);
        let lit = 0.82 + 0.22 * sun.strength * (-self.side * sun.to[0]).max(-0.6);
        let wall = mul(self.wall, lit);
        // The gable end that shows where the next house is missing or lower.
        for z in [z0, z1] {
            if (z - lens.camera.z) * (z - (z0 + z1) * 0.5) < 0.0 {
                let gable = lens.polygon(&[
                    [x, 0.0, z],
                    [x + self.side * 10.0, 0.0, z],
                    [x + self.side * 10.0, height, z],
                    [x + self.side * 5.0, height + 4.0, z],
                    [x, height, z],
                ]);
                if !gable.is_empty() {
                    c.poly(&gable, mul(wall, 0.8));
                }
            }
        }
        let roof = lens.polygon(&[
            [x, height, z0],
            [x, height, z1],
            [x + self.side * 4.0, height + 4.0, z1],
            [x + self.side * 4.0, height + 4.0, z0],
        ]);
        if !roof.is_empty() {
            c.poly(&roof, mul(self.roof, lit));
        }
        let front = lens.polygon(&quad(z0, z1, 0.0, height, 0.0));
        if front.is_empty() {
            return;
        }
        let (top, low) = front.iter().fold((f32::MAX, f32::MIN), |a, q| (a.0.min(q.1), a.1.max(q.1)));
        c.poly_fade(&front, ((0.0, top.max(-2000.0)), mul(wall, 1.05)), ((0.0, low.min(4000.0)), mul(wall, 0.86)));
        let mut d = Dice::new(self.seed);
        for _ in 0..3 {
            let (a, y) = (d.range(z0, z1), d.range(0.0, height));
            let flat =
                lens.polygon(&quad(a, (a + d.range(0.5, 3.0)).min(z1), (y - d.range(0.5, 3.0)).max(0.0), y, 0.0));
            c.veil(&flat, mul(wall, if d.chance(0.5) { 0.8 } else { 1.15 }), 0.25);
        }
        let fine = depth < 28.0;
        if fine {
            let mut y = 0.4;
            let brick = self.wall[0] > self.wall[2] * 1.7;
            while brick && y < 7.0 && depth < 16.0 {
                if let (Some(a), Some(b)) =
                    (lens.project([x, y, z0.max(lens.camera.z + 1.0)]), lens.project([x, y, z1]))
                {
                    c.veil_line(&[a, b], 0.8, mul(wall, 0.7), 0.25);
                }
                y += 0.21;
            }
        }
        for (a, b, k) in [(height - 0.45, height, 0.95), (self.floor_height + 0.35, self.floor_height + 0.6, 0.9)] {
            let band = lens.polygon(&quad(z0, z1, a, b, 0.06));
            if !band.is_empty() {
                c.poly(&band, mul(mix(self.trim, self.wall, 0.35), lit * k));
            }
        }
        let plinth = lens.polygon(&quad(z0, z1, 0.0, 0.55, 0.02));
        if !plinth.is_empty() {
            c.poly(&plinth, mul(self.wall, lit * 0.55));
        }
        let bays = self.bays.max(2);
        let bay = self.length / bays as f32;
        let dark = matches!(p.light, Light::Dusk | Light::Night);
        for i in 0..bays {
            let a = z0 + bay * i as f32;
            for floor in 0..self.floors {
                let y = floor as f32 * self.floor_height;
                if floor == 0 {
                    self.ground_floor(c, lens, &quad, (a, bay, i), lit, dark, fine, &mut d);
                    continue;
                }
                let (w0, w1, y0, y1) = (a + bay * 0.26, a + bay * 0.74, y + 0.95, y + self.floor_height - 0.35);
                if fine || depth < 60.0 {
                    let frame = lens.polygon(&quad(w0 - 0.09, w1 + 0.09, y0 - 0.1, y1 + 0.09, 0.01));
                    c.veil(&frame, mul(self.trim, lit), 1.0);
                }
                self.pane(c, lens, &quad(w0, w1, y0, y1, 0.012), dark, &mut d);
                if fine {
                    let (mid, bar) = ((w0 + w1) * 0.5, y0 + (y1 - y0) * 0.65);
                    let post = lens.polygon(&quad(mid - 0.035, mid + 0.035, y0, y1, 0.014));
                    c.veil(&post, mul(self.trim, lit), 1.0);
                    let rail = lens.polygon(&quad(w0, w1, bar - 0.03, bar + 0.03, 0.014));
                    c.veil(&rail, mul(self.trim, lit), 1.0);
                    let sill = lens.polygon(&quad(w0 - 0.12, w1 + 0.12, y0 - 0.16, y0 - 0.08, 0.08));
                    c.veil(&sill, mul(self.wall, lit * 0.7), 1.0);
                }
            }
        }
    }

    fn pane(&self, c: &mut Canvas, lens: &Lens, quad: &[P3; 4], dark: bool, d: &mut Dice) {
        let flat = lens.polygon(quad);
        let lit = dark && d.chance(0.35);
        let shade = d.range(0.0, 1.0);
        if flat.is_empty() {
            return;
        }
        if lit {
            c.shine(&flat, mix(hex(0xE8A84E), hex(0xF6DFA8), shade), 0.9);
        } else {
            let sky = mix(hex(0x1D242B), hex(0x7D95A8), shade * shade * 0.8);
            c.veil(&flat, sky, 1.0);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one bay of one house, cut out of a long function")]
    fn ground_floor(
        &self,
        c: &mut Canvas,
        lens: &Lens,
        quad: &dyn Fn(f32, f32, f32, f32, f32) -> [P3; 4],
        (a, bay, i): (f32, f32, u32),
        lit: f32,
        dark: bool,
        fine: bool,
        d: &mut Dice,
    ) {
        let h = self.floor_height;
        let put = |c: &mut Canvas, q: [P3; 4], k: Rgb| {
            let flat = lens.polygon(&q);
            if !flat.is_empty() {
                c.veil(&flat, k, 1.0);
            }
        };
        let door = (i + (self.seed % 5) as u32).is_multiple_of(5);
        if door {
            let k = d.pick([hex(0x2C4A3A), hex(0x5A1E1E), hex(0x2A2C2E), hex(0x4A3220), hex(0x1F3550)]);
            put(c, quad(a + bay * 0.2, a + bay * 0.8, 0.0, 2.75, 0.012), mul(self.trim, lit * 0.9));
            put(c, quad(a + bay * 0.26, a + bay * 0.74, 0.05, 2.3, 0.014), mul(k, lit));
            self.pane(c, lens, &quad(a + bay * 0.26, a + bay * 0.74, 2.35, 2.68, 0.014), dark, d);
            if fine {
                put(c, quad(a + bay * 0.33, a + bay * 0.47, 0.3, 1.1, 0.016), mul(k, lit * 0.7));
                put(c, quad(a + bay * 0.53, a + bay * 0.67, 0.3, 1.1, 0.016), mul(k, lit * 0.7));
                put(c, quad(a + bay * 0.33, a + bay * 0.47, 1.25, 2.1, 0.016), mul(k, lit * 0.75));
                put(c, quad(a + bay * 0.53, a + bay * 0.67, 1.25, 2.1, 0.016), mul(k, lit * 0.75));
            }
        } else if self.shop {
            put(c, quad(a + bay * 0.06, a + bay * 0.94, 0.45, h - 0.3, 0.012), mul(self.trim, lit * 0.8));
            self.pane(c, lens, &quad(a + bay * 0.1, a + bay * 0.9, 0.6, h - 0.75, 0.014), dark, d);
            for _ in 0..if fine { 6 } else { 2 } {
                let (u, v) = (a + bay * d.range(0.15, 0.75), d.range(0.6, 1.5));
                let k = cloth(d);
                put(c, quad(u, u + bay * d.range(0.04, 0.16), 0.6, v, 0.015), mul(k, 0.6));
            }
            let sign = cloth(d);
            put(c, quad(a + bay * 0.06, a + bay * 0.94, h - 0.7, h - 0.3, 0.1), mul(sign, lit));
            if fine {
                let text = d.pick(["CAFE", "BAGER", "BOLIG", "TEA", "RADIO", "HAVE"]);
                for (p, q) in crate::glyphs::lines(text) {
                    let f = |p: P2| {
                        let u = if self.side > 0.0 { 1.0 - p.0 } else { p.0 };
                        let [o, ..] = quad(a + bay * (0.15 + 0.7 * u), a + bay, h - 0.36 - 0.28 * p.1, h, 0.11);
                        lens.project(o)
                    };
                    if let (Some(p), Some(q)) = (f(p), f(q)) {
                        c.veil_line(&[p, q], 1.6, [0.95, 0.93, 0.85], 0.9);
                    }
                }
            }
            if d.chance(0.25) {
                let k = cloth(d);
                let roll = [quad(a, a + bay, h - 0.3, h - 0.3, 0.05), quad(a, a + bay, h - 0.85, h - 0.85, 1.1)];
                let flat = lens.polygon(&[roll[0][0], roll[0][1], roll[1][1], roll[1][0]]);
                if !flat.is_empty() {
                    c.veil(&flat, mul(k, lit), 1.0);
                }
            }
        } else {
            put(c, quad(a + bay * 0.18, a + bay * 0.82, 0.85, h - 0.3, 0.011), mul(self.trim, lit));
            self.pane(c, lens, &quad(a + bay * 0.24, a + bay * 0.76, 0.95, h - 0.4, 0.012), dark, d);
        }
        if d.chance(0.05) && lens.camera.z + 1.0 < a && !door {
            let q = quad(a + bay * 0.1, a + bay * 0.1 + 0.8, 1.0, 2.15, 0.03);
            let ordered = if self.side > 0.0 { [q[1], q[0], q[3], q[2]] } else { q };
            crate::props::poster(c, lens, ordered, d);
        }
    }
}
