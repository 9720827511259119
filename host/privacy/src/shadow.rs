//! Shadows of persons on the street, from the sun, the heading and the camera's height and view (MIN-03).
//!
//! A shadow on flat ground starts at the feet and points away from the sun; its length is the person's height over the tangent of the sun's
//! elevation. Seen by a camera of known height and tilt, the foot point of a box gives the distance, and with it where the tip of
//! the shadow falls in the picture. A camera whose profile states no tilt is taken for level. Errors of heading, ground and lens are met by widening: the wedge is the hull of
//! shadows over a range of directions. Where heading, time or camera is unknown, or the sun is low, nothing is known of
//! shadows, and the receipt does not claim to have masked them.

use serde::Deserialize;
use vaern_door::{Rect, Size};

use crate::camera::CameraProfile;
use crate::position::Position;
use crate::sun;

/// How shadows are masked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowRule {
    /// Below this elevation of the sun in degrees, shadows are longer than the street is flat, and none is masked.
    pub min_elevation_deg: f64,
    /// How wrong heading and direction may be together, in degrees to either side.
    pub spread_deg: f64,
    /// Longest shadow in metres.
    pub max_length_m: f64,
}

/// Height that a person's shadow is computed from, in metres: taller than most.
const PERSON_M: f64 = 1.9;
/// Half of the width of a person's shadow, in metres.
const HALF_WIDTH_M: f64 = 0.4;
/// What is nearer to the lens than this cannot be placed.
const NEAR_M: f64 = 0.5;
/// Bands per shadow: each is masked as the rectangle around it.
const BANDS: u32 = 6;

/// What throws shadows in one frame: a sun high enough, and a camera that knows where it looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Light {
    /// Direction in which shadows point, degrees clockwise from where the camera looks.
    direction: f64,
    /// Metres of shadow per metre of height.
    stretch: f64,
    height_m: f64,
    /// How far the camera looks below the horizon, in radians.
    tilt: f64,
    /// Pixels per unit of the tangent of the angle off the axis.
    focal_px: f64,
    spread: f64,
    max_length_m: f64,
}

impl Light {
    /// The light of a frame. Nothing where the sun is too low, or where time or heading is unknown.
    pub(crate) fn of(rule: &ShadowRule, position: &Position, camera: &CameraProfile, frame: Size) -> Option<Self> {
        let (time, heading) = (position.time()?, position.heading()?);
        let sun = sun::position(time, position.latitude(), position.longitude());
        if sun.elevation < rule.min_elevation_deg || camera.hfov_deg > 150.0 {
            return None;
        }
        Some(Self {
            direction: sun.azimuth + 180.0 - heading,
            stretch: 1.0 / sun.elevation.to_radians().tan(),
            height_m: camera.height_m,
            tilt: camera.pitch_deg.unwrap_or_default().to_radians(),
            focal_px: f64::from(frame.width()) / 2.0 / (camera.hfov_deg / 2.0).to_radians().tan(),
            spread: rule.spread_deg,
            max_length_m: rule.max_length_m,
        })
    }

    /// Rectangles over the shadow of the person in this box, given by left, right and lower edge in pixels. Nothing for feet at or above
    /// the horizon: there is no ground to throw a shadow on.
    pub(crate) fn shadow(&self, (x0, x1, foot): (f64, f64, f64), frame: Size) -> Vec<Rect> {
        let (cx, cy) = (f64::from(frame.width()) / 2.0, f64::from(frame.height()) / 2.0);
        let below = self.tilt + ((foot - cy) / self.focal_px).atan();
        if below * self.focal_px <= 1.0 {
            return Vec::new();
        }
        // On the ground, metres to the right of and ahead of the camera; depth is along its axis.
        let (sin, cos) = self.tilt.sin_cos();
        let depth = |ahead: f64| ahead * cos + self.height_m * sin;
        let ahead = self.height_m / below.tan();
        let right = (f64::midpoint(x0, x1) - cx) / self.focal_px * depth(ahead);
        let length = (PERSON_M * self.stretch).min(self.max_length_m);
        let nearest = (NEAR_M - self.height_m * sin) / cos;
        let seen = |r: f64, a: f64| {
            let a = a.max(nearest);
            let down = self.height_m * cos - a * sin;
            (cx + self.focal_px * r / depth(a), cy + self.focal_px * down / depth(a))
        };
        let mut rects = Vec::new();
        for band in 0..BANDS {
            let (near, far) = (f64::from(band) / f64::from(BANDS), f64::from(band + 1) / f64::from(BANDS));
            let mut edges = (f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
            for turn in [-self.spread, 0.0, self.spread] {
                let (east, north) = (self.direction + turn).to_radians().sin_cos();
                for along in [near * length, far * length] {
                    for side in [-HALF_WIDTH_M, HALF_WIDTH_M] {
                        let (x, y) = seen(right + east * along + north * side, ahead + north * along - east * side);
                        edges = (edges.0.min(x), edges.1.min(y), edges.2.max(x), edges.3.max(y));
                    }
                }
            }
            rects.extend(crate::regions::outward(edges.0, edges.1, edges.2, edges.3, frame));
        }
        rects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: (u16, u16) = (1280, 720);

    fn frame() -> Size {
        Size::new(FRAME.0, FRAME.1).unwrap()
    }

    fn rule() -> ShadowRule {
        ShadowRule { min_elevation_deg: 8.0, spread_deg: 15.0, max_length_m: 8.0 }
    }

    fn camera() -> CameraProfile {
        CameraProfile::parse(
            "id = \"cam\"\nheight_m = 2.0\nheading_offset_deg = 0.0\nhfov_deg = 60.0\ndefault_error_m = 5.0",
        )
        .unwrap()
    }

    fn light(time: &str, heading: f64) -> Option<Light> {
        tilted(time, heading, None)
    }

    fn tilted(time: &str, heading: f64, pitch_deg: Option<f64>) -> Option<Light> {
        let position = Position::new(55.6761, 12.5683, 5.0).unwrap();
        let position = position.with_time(time.parse().unwrap()).with_heading(heading);
        Light::of(&rule(), &position, &CameraProfile { pitch_deg, ..camera() }, frame())
    }

    /// Where a point on the ground is seen, written again from the pinhole: the test does not use the code under test.
    fn project(right: f64, ahead: f64) -> (f64, f64) {
        let focal = 640.0 / 30_f64.to_radians().tan();
        (640.0 + focal * right / ahead, 360.0 + focal * 2.0 / ahead)
    }

    /// The same for a tilted camera, by angles: how far below the axis the point's ray runs, and how far off it.
    fn project_tilted(right: f64, ahead: f64, pitch_deg: f64) -> (f64, f64) {
        let focal = 640.0 / 30_f64.to_radians().tan();
        let under = (2.0_f64 / ahead).atan() - pitch_deg.to_radians();
        let along = ahead.hypot(2.0) * under.cos();
        (640.0 + focal * right / along, 360.0 + focal * under.tan())
    }

    fn covers(rects: &[Rect], (x, y): (f64, f64)) -> bool {
        rects.iter().any(|r| {
            f64::from(r.x0()) <= x && x <= f64::from(r.x1()) && f64::from(r.y0()) <= y && y <= f64::from(r.y1())
        })
    }

    /// True noon in Copenhagen at midsummer: the sun is due south at 57.8 degrees, so shadows point north.
    const NOON: &str = "2026-06-21T11:12:00Z";

    #[test]
    fn min_03n_a_shadow_away_from_the_sun_is_covered_from_foot_to_tip() {
        // A person 10 m ahead; length of the shadow 1.9 m over the tangent of 57.8 degrees, 1.2 m.
        let tip = 1.9 / 57.8_f64.to_radians().tan();
        for (heading, east, north) in [(0.0, 0.0, 1.0_f64), (90.0, -1.0, 0.0), (180.0, 0.0, -1.0), (270.0, 1.0, 0.0)] {
            let foot = project(0.0, 10.0);
            let rects = light(NOON, heading).unwrap().shadow((foot.0 - 20.0, foot.0 + 20.0, foot.1), frame());
            for part in [0.05, 0.5, 0.95] {
                let at = project(east * tip * part, north.mul_add(tip * part, 10.0));
                assert!(covers(&rects, at), "heading {heading}, part {part}: {at:?} in {rects:?}");
            }
            let other = project(-east * 2.0, (-north).mul_add(2.0, 10.0));
            assert!(!covers(&rects, other), "nothing on the sunny side, heading {heading}");
        }
    }

    #[test]
    fn min_03n_a_camera_that_looks_down_covers_the_whole_shadow_and_one_that_looks_up_too() {
        let tip = 1.9 / 57.8_f64.to_radians().tan();
        for pitch in [-3.0, 4.0, 12.0, 30.0] {
            for (distance, aside) in [(4.0, 0.5), (10.0, -2.0)] {
                for (heading, east, north) in
                    [(0.0, 0.0, 1.0), (90.0, -1.0, 0.0), (180.0, 0.0, -1.0), (270.0, 1.0, 0.0)]
                {
                    let foot = project_tilted(aside, distance, pitch);
                    let light = tilted(NOON, heading, Some(pitch)).unwrap();
                    let rects = light.shadow((foot.0 - 20.0, foot.0 + 20.0, foot.1), frame());
                    for part in [0.05, 0.5, 0.95] {
                        let (right, ahead) = (aside + east * tip * part, distance + north * tip * part);
                        let at = project_tilted(right, ahead, pitch);
                        let seen = (0.0..1280.0).contains(&at.0) && (0.0..720.0).contains(&at.1);
                        assert!(
                            !seen || covers(&rects, at),
                            "tilt {pitch}, {distance} m, heading {heading}: {at:?} in {rects:?}"
                        );
                    }
                    let other = project_tilted(aside - east * 2.0, distance - north * 2.0, pitch);
                    assert!(!covers(&rects, other), "nothing on the sunny side, tilt {pitch}, heading {heading}");
                }
            }
        }
    }

    #[test]
    fn min_03p_no_sun_no_heading_no_ground_no_shadow() {
        assert_eq!(light("2026-06-21T23:00:00Z", 0.0), None, "night");
        assert_eq!(light("2026-12-21T08:00:00Z", 0.0), None, "below the least elevation");
        let timed = Position::new(55.6761, 12.5683, 5.0).unwrap().with_time(NOON.parse().unwrap());
        assert_eq!(Light::of(&rule(), &timed, &camera(), frame()), None, "no heading");
        let untimed = Position::new(55.6761, 12.5683, 5.0).unwrap().with_heading(3.0);
        assert_eq!(Light::of(&rule(), &untimed, &camera(), frame()), None, "no time");
        assert!(light(NOON, 0.0).unwrap().shadow((600.0, 640.0, 300.0), frame()).is_empty(), "above the horizon");
    }
}
