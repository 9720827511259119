//! The camera: a pinhole on a working vehicle, over a flat street.
//!
//! Street frame: `x` metres to the right of the road's middle, `y` metres up, `z` metres along the street.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// Nothing nearer than this is drawn: it would be inside the lens hood.
pub(crate) const NEAR: f32 = 0.28;

/// Where the camera stands and how it looks. Lengths in metres, angles in radians.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraModel {
    /// To the right of the road's middle.
    pub x: f32,
    /// Above the ground.
    pub height: f32,
    /// Along the street.
    pub z: f32,
    /// Turned to the right of the street's direction.
    pub yaw: f32,
    /// Tilted down.
    pub pitch: f32,
    /// Horizontal field of view.
    pub hfov: f32,
}

impl CameraModel {
    /// A camera as it may sit on a working vehicle.
    #[must_use]
    pub fn sample(dice: &mut Dice) -> Self {
        let sideways = dice.chance(0.5);
        let turn = if sideways { dice.range(0.35, 1.1) } else { dice.range(0.0, 0.35) };
        Self {
            x: dice.range(0.3, 3.4),
            height: dice.range(2.1, 2.65),
            z: 0.0,
            // Most cameras look ahead or to the kerb on the right, where the containers stand.
            yaw: if dice.chance(0.75) { turn } else { -turn },
            pitch: dice.range(0.03, 0.2),
            hfov: dice.range(60.0, 80.0).to_radians(),
        }
    }

    pub(crate) fn lens(self, width: u16, height: u16) -> Lens {
        let (w, h) = (f32::from(width), f32::from(height));
        Lens {
            camera: self,
            focal: w * 0.5 / libm::tanf(self.hfov * 0.5),
            cx: w * 0.5,
            cy: h * 0.5,
            yaw: (libm::sinf(self.yaw), libm::cosf(self.yaw)),
            pitch: (libm::sinf(self.pitch), libm::cosf(self.pitch)),
        }
    }
}

/// A point in the street frame.
pub(crate) type P3 = [f32; 3];
/// A point in the picture.
pub(crate) type P2 = (f32, f32);

/// A camera model made ready for one picture size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lens {
    pub(crate) camera: CameraModel,
    pub(crate) focal: f32,
    cx: f32,
    cy: f32,
    yaw: (f32, f32),
    pitch: (f32, f32),
}

impl Lens {
    /// Camera frame: right, up, forward.
    pub(crate) fn view(&self, p: P3) -> P3 {
        let (dx, dy, dz) = (p[0] - self.camera.x, p[1] - self.camera.height, p[2] - self.camera.z);
        let right = dx * self.yaw.1 - dz * self.yaw.0;
        let ahead = dx * self.yaw.0 + dz * self.yaw.1;
        [right, dy * self.pitch.1 + ahead * self.pitch.0, ahead * self.pitch.1 - dy * self.pitch.0]
    }

    fn flat(&self, v: P3) -> P2 {
        let k = self.focal / v[2].max(NEAR * 0.5);
        (self.cx + k * v[0], self.cy - k * v[1])
    }

    /// The picture point, unless it lies behind the camera.
    pub(crate) fn project(&self, p: P3) -> Option<P2> {
        let v = self.view(p);
        (v[2] > NEAR).then(|| self.flat(v))
    }

    /// Distance along the viewing direction.
    pub(crate) fn depth(&self, p: P3) -> f32 {
        self.view(p)[2]
    }

    /// A polygon in the picture, cut at the near plane. Empty if wholly behind.
    pub(crate) fn polygon(&self, points: &[P3]) -> Vec<P2> {
        let seen: Vec<P3> = points.iter().map(|p| self.view(*p)).collect();
        let mut out = Vec::with_capacity(seen.len() + 2);
        let shifted = seen.iter().cycle().skip(1);
        for (a, b) in seen.iter().zip(shifted) {
            if a[2] > NEAR {
                out.push(self.flat(*a));
            }
            if (a[2] > NEAR) != (b[2] > NEAR) {
                let t = (NEAR - a[2]) / (b[2] - a[2]);
                out.push(self.flat([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, NEAR]));
            }
        }
        if out.len() < 3 { Vec::new() } else { out }
    }

    /// Height of the horizon in the picture.
    pub(crate) fn horizon(&self) -> f32 {
        self.cy - self.focal * self.pitch.0 / self.pitch.1
    }

    /// Angle of a heading (radians, 0 = along the street, positive = to the right) as seen from here at `p`:
    /// 0 faces the camera, positive turns to the right of the picture, pi shows the back.
    pub(crate) fn facing(&self, p: P3, heading: f32) -> f32 {
        let (dx, dz) = (p[0] - self.camera.x, p[2] - self.camera.z);
        let n = (dx * dx + dz * dz).sqrt().max(1e-3);
        let (ax, az) = (dx / n, dz / n);
        let (hx, hz) = (libm::sinf(heading), libm::cosf(heading));
        let across = hx * az - hz * ax;
        let along = hx * ax + hz * az;
        libm::atan2f(across, -along)
    }
}
