//! The street itself: sky, houses, carriageway, cycle lane and pavement.

use crate::camera::{Lens, P2, P3};
use crate::canvas::{Canvas, ring};
use crate::colour::{Rgb, facade, hex, jitter, mix, mul};
use crate::dice::Dice;
use crate::house::House;
use crate::params::{Light, SceneParams, Weather};
use crate::solid::Sun;

/// Cross-section and houses of a street, the same for every picture taken in it.
#[derive(Debug, Clone)]
pub(crate) struct Street {
    /// Half the carriageway.
    pub(crate) road: f32,
    /// Outer edge of the parking lane (right, left).
    pub(crate) parking: f32,
    /// Outer edge of the cycle lane.
    pub(crate) cycle: f32,
    /// Where the houses begin.
    pub(crate) wall: f32,
    houses: Vec<House>,
    asphalt: Rgb,
    paving: Rgb,
    cobbled: bool,
    blue_lane: bool,
    seed: u64,
    tower: f32,
    pub(crate) length: f32,
}

impl Street {
    pub(crate) fn sample(d: &mut Dice, length: f32) -> Self {
        let road = d.range(2.9, 4.6);
        let parking = road + if d.chance(0.7) { 2.1 } else { 0.0 };
        let cycle = parking + if d.chance(0.8) { d.range(1.7, 2.3) } else { 0.0 };
        let wall = cycle + d.range(2.4, 4.2);
        let mut houses = Vec::new();
        for side in [-1.0, 1.0] {
            let mut z = d.range(-30.0, -20.0);
            while z < length + 100.0 {
                if d.chance(0.06) {
                    z += d.range(5.0, 12.0);
                }
                let run = d.range(8.0, 20.0);
                houses.push(House {
                    side,
                    z,
                    length: run,
                    floors: d.whole(3, 6),
                    floor_height: d.range(2.9, 3.5),
                    wall: facade(d),
                    trim: d.pick([hex(0xEDEAE0), hex(0xE4DDCB), hex(0x2F3B35), hex(0x5A2E22), hex(0xD8D8D4)]),
                    roof: d.pick([hex(0x8A3F2C), hex(0x3F4245), hex(0x55595C), hex(0x6B8A7A)]),
                    shop: d.chance(0.5),
                    bays: (run / d.range(2.1, 3.2)) as u32,
                    seed: d.seed(),
                });
                z += run;
            }
        }
        let asphalt = d.pick([hex(0x55575A), hex(0x6A6A6A), hex(0x494B4E), hex(0x77746F)]);
        let paving = d.pick([hex(0x9A968E), hex(0x8A8782), hex(0xA8A296), hex(0x7F7C78)]);
        Self {
            road,
            parking,
            cycle,
            wall,
            houses,
            asphalt: jitter(d, asphalt, 0.1),
            paving: jitter(d, paving, 0.1),
            cobbled: d.chance(0.15),
            blue_lane: d.chance(0.12),
            seed: d.seed(),
            tower: if d.chance(0.4) { d.range(-30.0, 30.0) } else { f32::NAN },
            length,
        }
    }

    pub(crate) fn sky(&self, c: &mut Canvas, lens: &Lens, p: &SceneParams) {
        let (w, h) = c.size();
        let (high, low) = match (p.light, p.weather) {
            (Light::Night, _) => (hex(0x070A14), hex(0x2A2A33)),
            (Light::Dusk, Weather::Clear) => (hex(0x2C4472), hex(0xE0A27C)),
            (Light::Dusk, _) => (hex(0x3A4356), hex(0x7E7F8C)),
            (Light::Low, Weather::Clear) => (hex(0x6E9CCB), hex(0xF6DDB4)),
            (_, Weather::Clear) => (hex(0x4A86C8), hex(0xCFE2F0)),
            (_, Weather::Overcast) => (hex(0xB4BCC4), hex(0xE2E5E6)),
            (_, Weather::Rain) => (hex(0x8C949C), hex(0xBAC0C4)),
            (_, Weather::Snow) => (hex(0xC2C6CB), hex(0xDFE1E3)),
            (_, Weather::Fog) => (hex(0xD0D3D4), hex(0xD8DADA)),
        };
        let (ambient, clear) = (c.ambient, c.clear_m);
        c.ambient = [1.0; 3];
        c.at_depth(0.0);
        let y = lens.horizon().clamp(1.0, h * 2.0);
        c.poly_fade(&[(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)], ((0.0, 0.0), high), ((0.0, y), low));
        let mut d = Dice::new(self.seed);
        if p.light != Light::Night && p.weather != Weather::Fog {
            for _ in 0..d.whole(2, 7) {
                let (x, yy) = (d.range(0.0, w), d.range(0.0, y.min(h)));
                let (rx, ry) = (d.range(0.06, 0.22) * w, d.range(0.008, 0.035) * w);
                for _ in 0..5 {
                    let q = (x + d.range(-rx, rx), yy + d.range(-ry, ry));
                    let points = ring(q.0, q.1, rx * d.range(0.3, 0.8), ry * d.range(0.5, 1.2));
                    c.veil_blob(&points, mix(low, [1.0; 3], 0.6), 0.13);
                }
            }
        }
        c.ambient = ambient;
        c.clear_m = clear;
        self.backdrop(c, lens);
    }

    /// What closes the street far away: roofs, and sometimes a copper spire.
    fn backdrop(&self, c: &mut Canvas, lens: &Lens) {
        let mut d = Dice::new(self.seed ^ 0x51);
        let far = self.length + 90.0;
        c.at_depth(110.0);
        if self.tower.is_finite() {
            let t = self.tower;
            for (a, y0, y1, k) in
                [(4.0, 0.0, 40.0, hex(0x8A5A44)), (2.6, 40.0, 52.0, hex(0x6E9A86)), (0.9, 52.0, 78.0, hex(0x5E8A78))]
            {
                let flat = lens.polygon(&[
                    [t - a, y0, far + 20.0],
                    [t + a, y0, far + 20.0],
                    [t + a * 0.5, y1, far + 20.0],
                    [t - a * 0.5, y1, far + 20.0],
                ]);
                c.poly(&flat, k);
            }
        }
        let mut x = -260.0;
        while x < 260.0 {
            let (w, h) = (d.range(10.0, 24.0), d.range(9.0, 20.0));
            let wall = facade(&mut d);
            let flat = lens.polygon(&[[x, 0.0, far], [x + w, 0.0, far], [x + w, h, far], [x, h, far]]);
            c.poly(&flat, wall);
            let roof =
                lens.polygon(&[[x, h, far], [x + w, h, far], [x + w - 2.0, h + 4.0, far], [x + 2.0, h + 4.0, far]]);
            c.poly(&roof, mul(wall, 0.55));
            for i in 0..4 {
                for j in 0..3 {
                    let (u, v) = (x + w * (0.12 + 0.23 * i as f32), h * (0.2 + 0.26 * j as f32));
                    let flat =
                        lens.polygon(&[[u, v, far], [u + 1.2, v, far], [u + 1.2, v + 1.7, far], [u, v + 1.7, far]]);
                    c.veil(&flat, [0.12, 0.14, 0.17], 0.7);
                }
            }
            x += w;
        }
    }

    pub(crate) fn ground(&self, c: &mut Canvas, lens: &Lens, p: &SceneParams) {
        let z0 = lens.camera.z - 40.0;
        let z1 = lens.camera.z + 260.0;
        let wet = p.weather == Weather::Rain;
        let snow = p.weather == Weather::Snow;
        let look = |k: Rgb, amount: f32| {
            let k = if wet { mul(k, 0.68) } else { k };
            if snow { mix(k, [0.87, 0.89, 0.93], amount) } else { k }
        };
        let (_, h) = c.size();
        let strip = |c: &mut Canvas, a: f32, b: f32, k: Rgb| {
            let flat = lens.polygon(&[[a, 0.0, z0], [b, 0.0, z0], [b, 0.0, z1], [a, 0.0, z1]]);
            if flat.is_empty() {
                return;
            }
            let y = lens.horizon();
            c.at_depth(60.0);
            let far = c.lit(mul(k, 1.08));
            c.at_depth(0.0);
            // The fade is in lit colours: undo the light for the far end by painting both as they appear.
            let near = c.lit(mul(k, 0.92));
            let (ambient, _) = (c.ambient, ());
            c.ambient = [1.0; 3];
            c.poly_fade(&flat, ((0.0, y), far), ((0.0, y + (h - y) * 0.8), near));
            c.ambient = ambient;
        };
        strip(c, -300.0, 300.0, look(self.paving, 0.75));
        strip(c, -self.cycle, self.cycle, look(mul(self.asphalt, 1.1), 0.5));
        if self.blue_lane {
            strip(c, self.parking + 0.1, self.cycle - 0.1, look(hex(0x3A6EA5), 0.4));
        }
        strip(c, -self.parking, self.parking, look(self.asphalt, 0.4));
        let mut d = Dice::new(self.seed ^ 0x7);
        self.texture(c, lens, &mut d, wet, snow);
        // Kerbs.
        for side in [-1.0, 1.0] {
            for (x, y) in [(self.parking, 0.05), (self.cycle, 0.09)] {
                let x = x * side;
                let top = lens.polygon(&[[x, y, z0], [x + side * 0.25, y, z0], [x + side * 0.25, y, z1], [x, y, z1]]);
                c.at_depth(18.0);
                c.poly(&top, look(hex(0xA9A59D), 0.6));
                let front = lens.polygon(&[[x, 0.0, z0], [x, y, z0], [x, y, z1], [x, 0.0, z1]]);
                c.poly(&front, look(hex(0x6E6B66), 0.3));
            }
        }
        self.markings(c, lens, &mut d, if snow { 0.4 } else { 0.85 });
    }

    fn texture(&self, c: &mut Canvas, lens: &Lens, d: &mut Dice, wet: bool, snow: bool) {
        let base = (lens.camera.z / 40.0).floor() * 40.0;
        let mut z = base - 5.0;
        // Flagstones of the pavement, and cobbles on old streets.
        c.at_depth(15.0);
        while z < lens.camera.z + 34.0 {
            let far = z - lens.camera.z;
            let alpha = (0.35 - far * 0.009).clamp(0.0, 0.3);
            if alpha > 0.02 {
                for side in [-1.0, 1.0] {
                    let q =
                        [lens.project([side * (self.cycle + 0.3), 0.0, z]), lens.project([side * self.wall, 0.0, z])];
                    if let [Some(a), Some(b)] = q {
                        c.veil_line(&[a, b], 1.0, mul(self.paving, 0.6), alpha);
                    }
                }
                if self.cobbled
                    && far < 16.0
                    && let (Some(a), Some(b)) =
                        (lens.project([-self.parking, 0.0, z]), lens.project([self.parking, 0.0, z]))
                {
                    c.veil_line(&[a, b], 1.0, mul(self.asphalt, 0.6), alpha);
                }
            }
            z += if far < 14.0 { 0.62 } else { 1.24 };
        }
        for side in [-1.0, 1.0] {
            for k in 1..4 {
                let x = side * (self.cycle + (self.wall - self.cycle) * k as f32 / 4.0);
                let line = lens.polygon(&[
                    [x - 0.012, 0.0, lens.camera.z - 2.0],
                    [x + 0.012, 0.0, lens.camera.z - 2.0],
                    [x + 0.012, 0.0, lens.camera.z + 45.0],
                    [x - 0.012, 0.0, lens.camera.z + 45.0],
                ]);
                c.veil(&line, mul(self.paving, 0.55), 0.6);
            }
        }
        // Patches, stains, manholes, puddles, snow.
        for _ in 0..34 {
            let (x, zz) = (d.range(-self.cycle, self.cycle), base + d.range(-3.0, 75.0));
            let (a, b) = (d.range(0.2, 1.2), d.range(0.3, 2.6));
            let points: Vec<P3> = ring(x, zz, a, b)
                .iter()
                .step_by(2)
                .map(|p| [p.0 + d.range(-0.15, 0.15), 0.0, p.1 + d.range(-0.2, 0.2)])
                .collect();
            let flat = lens.polygon(&points);
            let (k, alpha) = match d.whole(0, 3) {
                _ if snow => ([0.9, 0.92, 0.96], 0.5),
                _ if wet => (hex(0xAEB6BE), d.range(0.1, 0.3)),
                0 => ([0.02; 3], d.range(0.05, 0.18)),
                1 => ([0.9; 3], d.range(0.03, 0.08)),
                _ => (mul(self.asphalt, 0.6), d.range(0.1, 0.3)),
            };
            c.at_depth(10.0);
            if !flat.is_empty() {
                c.veil_blob(&flat, k, alpha);
            }
        }
        for _ in 0..5 {
            let (x, zz) = (d.range(-self.road, self.road), base + d.range(2.0, 60.0));
            let points: Vec<P3> = ring(x, zz, 0.33, 0.33).iter().map(|p| [p.0, 0.0, p.1]).collect();
            let flat = lens.polygon(&points);
            if !flat.is_empty() {
                c.veil_blob(&flat, [0.13, 0.12, 0.11], 0.75);
            }
        }
    }

    fn markings(&self, c: &mut Canvas, lens: &Lens, d: &mut Dice, alpha: f32) {
        let white = [0.9, 0.9, 0.88];
        c.at_depth(12.0);
        let quad = |c: &mut Canvas, x0: f32, x1: f32, z0: f32, z1: f32, k: Rgb, alpha: f32| {
            let flat = lens.polygon(&[[x0, 0.0, z0], [x1, 0.0, z0], [x1, 0.0, z1], [x0, 0.0, z1]]);
            if !flat.is_empty() {
                c.veil(&flat, k, alpha);
            }
        };
        let start = (lens.camera.z / 6.0).floor() * 6.0 - 12.0;
        let double = d.chance(0.2);
        for i in 0..22 {
            let z = start + 6.0 * i as f32;
            quad(c, -0.06, 0.06, z, z + if double { 6.0 } else { 2.5 }, white, alpha);
            for side in [-1.0, 1.0] {
                if self.parking > self.road {
                    quad(c, side * self.road - 0.05, side * self.road + 0.05, z, z + 1.0, white, alpha * 0.8);
                } else {
                    quad(c, side * (self.road - 0.3) - 0.05, side * (self.road - 0.3) + 0.05, z, z + 6.0, white, alpha);
                }
            }
        }
        // A zebra crossing at each block's end.
        let zebra = (lens.camera.z / 70.0).ceil() * 70.0 - 45.0 + d.range(0.0, 10.0);
        let mut x = -self.parking + 0.3;
        while x < self.parking - 0.3 {
            quad(c, x, x + 0.5, zebra, zebra + 3.0, white, alpha);
            x += 1.0;
        }
        // The bicycle on the lane.
        if self.cycle > self.parking {
            let (x, z) = ((self.parking + self.cycle) * 0.5, (lens.camera.z / 25.0).floor() * 25.0 + 9.0);
            for k in [-0.5, 0.5] {
                let points: Vec<P2> =
                    ring(x, z + k * 1.3, 0.3, 0.55).iter().filter_map(|p| lens.project([p.0, 0.0, p.1])).collect();
                c.veil_line(&points, 1.5, white, alpha * 0.6);
            }
        }
    }

    pub(crate) fn houses(&self, c: &mut Canvas, lens: &Lens, p: &SceneParams, sun: Sun) {
        let middle = |h: &House| lens.depth([h.side * self.wall, 3.0, h.z + h.length * 0.5]);
        let mut order: Vec<&House> = self
            .houses
            .iter()
            .filter(|h| h.z + h.length > lens.camera.z - 15.0 && h.z < lens.camera.z + 130.0)
            .collect();
        order.sort_by(|a, b| middle(b).total_cmp(&middle(a)));
        for house in order {
            house.draw(c, lens, self.wall, p, sun);
        }
    }
}
