//! Streets with known containers, and drives past them: geometry only, no picture. The same seed gives the same drives.
//!
//! A camera on the roof of a van looks ahead. Its fix is off by an error that changes slowly, its heading by the mount and by the
//! course, its tilt by the springs. Some of what is in view is not found, some of what is found is not there.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test file uses a part, and states what it expects"
)]

pub(crate) mod score;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use vaern_door::Label;
use vaern_proposals::{Drive, Estimate, Find, Shot};

pub(crate) const HEIGHT_M: f64 = 2.2;
pub(crate) const PITCH_DEG: f64 = 4.0;
pub(crate) const HFOV_DEG: f64 = 66.0;
pub(crate) const FRAME: [u16; 2] = [1280, 720];
const ORIGIN: (f64, f64) = (55.6761, 12.5683);
/// Length of a street, and metres between streets.
const STREET_M: f64 = 600.0;
const BETWEEN_M: f64 = 80.0;

/// How the world and the drives are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) streets: usize,
    /// Mean metres between places with containers.
    pub(crate) spacing_m: f64,
    /// Share of places with a row of two to four, `row_gap_m` apart.
    pub(crate) rows: f64,
    pub(crate) row_gap_m: f64,
    /// Sigma of the slowly changing error of the fix for each axis; the fix states one and a half times that as its radius.
    pub(crate) fix_m: f64,
    /// Chance that something in view is found in a picture.
    pub(crate) found: f64,
    /// Finds for each picture that are of nothing.
    pub(crate) made_up: f64,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            seed: 1,
            streets: 4,
            spacing_m: 35.0,
            rows: 0.25,
            row_gap_m: 2.5,
            fix_m: 2.0,
            found: 0.85,
            made_up: 0.01,
        }
    }
}

/// A container that is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thing {
    pub(crate) label: Label,
    /// Metres east and north of the origin.
    pub(crate) at: [f64; 2],
    /// It is one of a row.
    pub(crate) in_row: bool,
}

pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) things: Vec<Thing>,
}

/// A drive, and which thing each find is of.
pub(crate) struct Driven {
    pub(crate) drive: Drive,
    pub(crate) truth: Vec<(String, Option<usize>)>,
    /// What each find was computed from.
    pub(crate) shots: Vec<Shot>,
    pub(crate) frames: usize,
}

pub(crate) fn labels() -> [Label; 2] {
    ["affaldscontainer", "materielcontainer"].map(|text| Label::new(text).unwrap())
}

fn bell(dice: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (dice.random_range(1e-12..1.0), dice.random());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// Degrees north and east of a place in metres, on a plane that is near enough to the ellipsoid here.
pub(crate) fn degrees([east, north]: [f64; 2]) -> (f64, f64) {
    let per_north = 111_340.0;
    (ORIGIN.0 + north / per_north, ORIGIN.1 + east / (111_320.0 * 1.00335 * ORIGIN.0.to_radians().cos()))
}

impl World {
    pub(crate) fn new(setting: Setting) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(setting.seed);
        let mut things = Vec::new();
        for street in 0..setting.streets {
            let mut along = dice.random_range(5.0..setting.spacing_m);
            while along < STREET_M - 15.0 {
                let side = if dice.random_bool(0.5) { 3.5 } else { -4.5 };
                let label = labels()[usize::from(dice.random_bool(0.3))].clone();
                let row = dice.random_bool(setting.rows);
                for n in 0..if row { dice.random_range(2..=4) } else { 1 } {
                    let at = [street as f64 * BETWEEN_M + side, along + f64::from(n) * setting.row_gap_m];
                    things.push(Thing { label: label.clone(), at, in_row: row });
                }
                along +=
                    setting.spacing_m * dice.random_range(0.5..1.5) + if row { 3.0 * setting.row_gap_m } else { 0.0 };
            }
        }
        Self { setting, things }
    }

    /// One drive through every street, on its own day.
    pub(crate) fn drive(&self, number: u32) -> Driven {
        let setting = self.setting;
        let mut dice =
            ChaCha8Rng::seed_from_u64(setting.seed ^ (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mount = bell(&mut dice) * 1.5;
        let mut off = [bell(&mut dice) * setting.fix_m, bell(&mut dice) * setting.fix_m];
        let mut clock = i64::from(number) * 86_400_000 + 1_780_000_000_000;
        let (mut finds, mut truth, mut shots, mut frames) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for street in 0..setting.streets {
            let up = street % 2 == 0;
            let mut gone = 0.0;
            while gone < STREET_M {
                // The fix's error turns over within about a minute.
                for axis in &mut off {
                    *axis = 0.985 * *axis + (1.0_f64 - 0.985 * 0.985).sqrt() * setting.fix_m * bell(&mut dice);
                }
                let along = if up { gone } else { STREET_M - gone };
                let camera = [street as f64 * BETWEEN_M + if up { 1.5 } else { -1.5 }, along];
                let fixed = [camera[0] + off[0] + 0.3 * bell(&mut dice), camera[1] + off[1] + 0.3 * bell(&mut dice)];
                let course = if up { 0.0 } else { 180.0 };
                let looks = course + mount + 1.0 * bell(&mut dice);
                let stated = course + 1.0 * bell(&mut dice);
                let tilt = PITCH_DEG + 0.6 * bell(&mut dice);
                let mut boxes: Vec<([u16; 4], Label, Option<usize>)> = Vec::new();
                for (index, thing) in self.things.iter().enumerate() {
                    let [east, north] = [thing.at[0] - camera[0], thing.at[1] - camera[1]];
                    if east.abs() > 40.0 || north.abs() > 45.0 {
                        continue;
                    }
                    if let Some(seen) = project(east, north, looks, tilt)
                        && dice.random_bool(setting.found)
                    {
                        boxes.push((seen, thing.label.clone(), Some(index)));
                    }
                }
                if dice.random_bool(setting.made_up) {
                    let (x, y): (u16, u16) = (dice.random_range(0..1100), dice.random_range(380..560));
                    boxes.push(([x, y - 80, x + 120, y + 40], labels()[0].clone(), None));
                }
                let (latitude, longitude) = degrees(fixed);
                for (box_px, label, thing) in boxes {
                    let id = format!("{:032x}", u128::from(dice.next_u64()) << 64 | u128::from(dice.next_u64()));
                    let shot = Shot {
                        latitude,
                        longitude,
                        error_m: 1.5 * setting.fix_m,
                        heading: Some(f64::rem_euclid(stated, 360.0)),
                        hfov_deg: Some(HFOV_DEG),
                        height_m: Some(HEIGHT_M),
                        pitch_deg: Some(PITCH_DEG),
                        box_px,
                        frame_px: FRAME,
                    };
                    truth.push((id.clone(), thing));
                    shots.push(shot);
                    finds.push(Find {
                        id,
                        label,
                        estimate: Estimate::of(&shot),
                        frame: format!("{number:016x}{frames:016x}"),
                        number: frames,
                        time_ms: Some(clock),
                    });
                }
                frames += 1;
                gone += 6.0;
                clock += 1_000;
            }
            clock += 20_000;
        }
        Driven { drive: Drive { name: format!("run-{number:04}"), finds }, truth, shots, frames }
    }
}

/// The box of a container of 1.4 m by 1.4 m by 1.3 m, snapped outward to 4 pixels; nothing where it is not in view.
fn project(east: f64, north: f64, looks: f64, tilt: f64) -> Option<[u16; 4]> {
    let (sin, cos) = looks.to_radians().sin_cos();
    let (ahead, right) = (east * sin + north * cos, east * cos - north * sin);
    let near = ahead - 0.7;
    if !(3.0..35.0).contains(&near) {
        return None;
    }
    let [width, height] = FRAME.map(f64::from);
    let focal = width / 2.0 / (HFOV_DEG / 2.0).to_radians().tan();
    let row = |above: f64| height / 2.0 + focal * ((((HEIGHT_M - above) / near).atan()) - tilt.to_radians()).tan();
    let column = |x: f64| width / 2.0 + focal * x / near;
    let snap = |v: f64, up: bool, most: f64| {
        let v = if up { (v / 4.0).ceil() * 4.0 } else { (v / 4.0).floor() * 4.0 };
        v.clamp(0.0, most) as u16
    };
    let (x0, x1) = (snap(column(right - 0.7), false, width), snap(column(right + 0.7), true, width));
    let (y0, y1) = (snap(row(1.3), false, height), snap(row(0.0), true, height));
    // Half of it must be in the picture.
    let whole = column(right + 0.7) - column(right - 0.7);
    (x1 > x0 && y1 > y0 && f64::from(x1 - x0) > whole / 2.0).then_some([x0, y0, x1, y1])
}
