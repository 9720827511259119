//! Where an object stands, from one picture: camera, heading, box, and what the signed camera profile says of its view.
//!
//! The street is taken to be flat. The box's lower edge is where the object meets it; from the camera's height and tilt follows the
//! distance, from heading, column and field of view the bearing. Each part is wrong by something, and the spread says by how much.

use serde::{Deserialize, Serialize};

use crate::geo::{Point, Spread};

/// Sigma of the heading, in degrees: a course over ground, and how well the camera's mount is known.
const HEADING_DEG: f64 = 3.0;
/// Sigma of the camera's tilt, in degrees: a vehicle nods.
const TILT_DEG: f64 = 0.8;
/// Sigma of the box's edges, in pixels: the grid that boxes are snapped to.
const EDGE_PX: f64 = 3.0;
/// From the near side of an object, where the box's foot is, to its middle, in metres; and the sigma of that and of the box's middle.
const DEPTH_M: f64 = 0.7;
const BODY_M: f64 = 0.7;
/// An error radius holds the true place in about two of three cases: this many sigmas of one axis.
const RADIUS_SIGMAS: f64 = 1.5;
/// Where the distance is unknown, the object is about so near to the camera, in metres.
const NEAR_M: f64 = 12.0;
/// The nearest and the farthest that a foot tells, in metres.
const RANGE_M: (f64, f64) = (1.0, 60.0);

/// What a position is the position of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionKind {
    /// The camera's: where the object is from there is not known.
    Camera,
    /// The object's, estimated.
    Object,
}

impl PositionKind {
    /// The word in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Object => "object",
        }
    }

    /// In Danish.
    #[must_use]
    pub const fn danish(self) -> &'static str {
        match self {
            Self::Camera => "kameraets sted",
            Self::Object => "genstandens sted, beregnet",
        }
    }
}

/// One find in one picture, as far as its place goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shot {
    /// Where the camera was, degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Error radius of that, in metres.
    pub error_m: f64,
    /// Where the camera looked, degrees clockwise from north.
    pub heading: Option<f64>,
    /// Horizontal field of view in degrees, where the camera's profile is known.
    pub hfov_deg: Option<f64>,
    /// Height of the lens above the street in metres.
    pub height_m: Option<f64>,
    /// Degrees below the horizon.
    pub pitch_deg: Option<f64>,
    /// Left, upper, right and lower edge of the box, in pixels.
    pub box_px: [u16; 4],
    /// Width and height of the frame, in pixels.
    pub frame_px: [u16; 2],
}

/// Where an object stands by one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub(crate) at: Point,
    /// What differs from picture to picture.
    pub(crate) spread: Spread,
    /// Sigma of the fix, in metres: much the same for all pictures of a drive.
    pub(crate) fix_m: f64,
    /// Degrees clockwise from north, from the camera to the object.
    pub(crate) bearing: Option<f64>,
    /// Sigma of that, in degrees.
    pub(crate) bearing_sigma: f64,
    pub(crate) kind: PositionKind,
}

impl Estimate {
    /// The estimate of a find. `None` where what is known of it is no place on earth.
    #[must_use]
    pub fn of(shot: &Shot) -> Option<Self> {
        let Shot { latitude, longitude, error_m, heading, .. } = *shot;
        let on_earth = (-85.0..=85.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        if !on_earth || !(0.0..=10_000.0).contains(&error_m) {
            return None;
        }
        let camera = Point { latitude, longitude };
        let fix_m = error_m.max(1.0) / RADIUS_SIGMAS;
        let nearby = |bearing: Option<(f64, f64)>| Self {
            at: camera,
            spread: Spread::round(NEAR_M),
            fix_m,
            bearing: bearing.map(|(bearing, _)| bearing),
            bearing_sigma: bearing.map_or(180.0, |(_, sigma)| sigma),
            kind: PositionKind::Camera,
        };
        let Some((heading, lens)) = heading.filter(|h| h.is_finite()).zip(Lens::of(shot)) else {
            return Some(nearby(None));
        };
        let (off, off_sigma) = lens.off_axis();
        let bearing = (heading + off.to_degrees()).rem_euclid(360.0);
        let bearing_sigma = HEADING_DEG.hypot(off_sigma.to_degrees());
        let Some((range, range_sigma)) = lens.range(off) else {
            return Some(nearby(Some((bearing, bearing_sigma))));
        };
        let radians = bearing.to_radians();
        let to_middle = range + DEPTH_M;
        let across = to_middle * bearing_sigma.to_radians();
        Some(Self {
            at: camera.moved([radians.sin() * to_middle, radians.cos() * to_middle]),
            spread: Spread::along(radians, range_sigma, across).plus(Spread::round(BODY_M)),
            fix_m,
            bearing: Some(bearing),
            bearing_sigma,
            kind: PositionKind::Object,
        })
    }
}

/// The box as angles.
struct Lens {
    /// Pixels per unit of the tangent of the angle off the axis.
    focal: f64,
    height_m: Option<f64>,
    pitch: Option<f64>,
    width: f64,
    height: f64,
    x0: f64,
    x1: f64,
    y1: f64,
}

impl Lens {
    fn of(shot: &Shot) -> Option<Self> {
        let hfov = shot.hfov_deg.filter(|deg| (10.0..=150.0).contains(deg))?;
        let ([x0, y0, x1, y1], [width, height]) = (shot.box_px.map(f64::from), shot.frame_px.map(f64::from));
        let inside = x0 < x1 && y0 < y1 && x1 <= width && y1 <= height;
        inside.then(|| Self {
            focal: width / 2.0 / (hfov / 2.0).to_radians().tan(),
            height_m: shot.height_m.filter(|m| (0.2..=10.0).contains(m)),
            pitch: shot.pitch_deg.filter(|deg| (-20.0..=70.0).contains(deg)).map(f64::to_radians),
            width,
            height,
            x0,
            x1,
            y1,
        })
    }

    /// Angle of the box's middle to the right of the axis, and its sigma, in radians.
    fn off_axis(&self) -> (f64, f64) {
        let middle = (self.x0 + self.x1) / 2.0;
        let cut = self.x0 <= 0.0 || self.x1 >= self.width;
        // Of a box that the frame's edge cuts, nobody knows where its middle is.
        let sigma = if cut { (self.x1 - self.x0) / 2.0 } else { EDGE_PX };
        (((middle - self.width / 2.0) / self.focal).atan(), sigma / self.focal)
    }

    /// Metres along the street to the box's foot in the direction `off`, and their sigma.
    fn range(&self, off: f64) -> Option<(f64, f64)> {
        let (height, pitch) = (self.height_m?, self.pitch?);
        let down = pitch + ((self.y1 - self.height / 2.0) / self.focal).atan();
        let sigma = TILT_DEG.to_radians().hypot(EDGE_PX / self.focal);
        let slant = 1.0 / off.cos().max(0.2);
        // At and above the horizon there is no foot: far away, and no more is known.
        let lowest = (height / RANGE_M.1).atan();
        if down <= lowest {
            return Some((RANGE_M.1 * slant, RANGE_M.1 / 2.0 * slant));
        }
        let depth = (height / down.tan()).clamp(RANGE_M.0, RANGE_M.1);
        let depth_sigma = (depth * depth + height * height) / height * sigma;
        if self.y1 >= self.height {
            // The foot lies below the frame: the object is nearer than what the edge shows.
            return Some((depth / 2.0 * slant, (depth / 2.0).max(depth_sigma) * slant));
        }
        Some((depth * slant, depth_sigma * slant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(heading: f64, box_px: [u16; 4]) -> Shot {
        Shot {
            latitude: 55.6761,
            longitude: 12.5683,
            error_m: 3.0,
            heading: Some(heading),
            hfov_deg: Some(66.0),
            height_m: Some(2.2),
            pitch_deg: Some(4.0),
            box_px,
            frame_px: [1280, 720],
        }
    }

    fn from_camera(shot: &Shot) -> [f64; 2] {
        let estimate = Estimate::of(shot).unwrap();
        Point { latitude: shot.latitude, longitude: shot.longitude }.to(estimate.at)
    }

    /// The row in which a foot `depth` metres ahead appears.
    fn row(depth: f64) -> u16 {
        let focal = 640.0 / 33_f64.to_radians().tan();
        (360.0 + focal * ((2.2 / depth).atan() - 4_f64.to_radians()).tan()).round() as u16
    }

    #[test]
    fn an_object_ahead_stands_where_the_box_and_the_heading_say() {
        for (heading, east, north) in [(0.0, 0.0, 1.0), (90.0, 1.0, 0.0), (180.0, 0.0, -1.0), (270.0, -1.0, 0.0)] {
            let [e, n] = from_camera(&shot(heading, [600, 200, 680, row(10.0)]));
            let distance = 10.0 + DEPTH_M;
            assert!((e - east * distance).abs() < 0.2 && (n - north * distance).abs() < 0.2, "{heading}: {e} {n}");
        }
        // To the right of the axis is clockwise.
        let right = Estimate::of(&shot(0.0, [1100, 200, 1200, row(10.0)])).unwrap();
        assert!((20.0..30.0).contains(&right.bearing.unwrap()), "{right:?}");
    }

    #[test]
    fn what_is_farther_away_is_known_less_well() {
        let sigma = |depth| Estimate::of(&shot(0.0, [600, 200, 680, row(depth)])).unwrap().spread.widest();
        assert!(sigma(5.0) < 1.5 && sigma(10.0) < 2.0, "{} {}", sigma(5.0), sigma(10.0));
        assert!(sigma(20.0) > sigma(10.0) && sigma(30.0) > 4.0, "{}", sigma(30.0));
        let above = Estimate::of(&shot(0.0, [600, 100, 680, 200])).unwrap();
        assert!(above.spread.widest() > 25.0, "above the horizon nothing is near");
        let cut = Estimate::of(&shot(0.0, [600, 100, 680, 720])).unwrap();
        assert!(cut.spread.widest() > 1.0 && from_camera(&shot(0.0, [600, 100, 680, 720]))[1] < 5.0);
        let edge = Estimate::of(&shot(0.0, [0, 100, 400, row(8.0)])).unwrap();
        assert!(edge.bearing_sigma > 8.0, "a box that is cut has no middle");
    }

    #[test]
    fn std_05n_what_is_not_known_of_the_view_is_not_made_up() {
        let whole = shot(10.0, [600, 200, 680, 420]);
        for less in
            [Shot { heading: None, ..whole }, Shot { pitch_deg: None, ..whole }, Shot { hfov_deg: None, ..whole }]
        {
            let estimate = Estimate::of(&less).unwrap();
            assert_eq!(estimate.kind, PositionKind::Camera);
            assert_eq!((estimate.at.latitude, estimate.at.longitude), (whole.latitude, whole.longitude));
            assert!(estimate.spread.widest() >= NEAR_M);
        }
        assert!(Estimate::of(&Shot { pitch_deg: None, ..whole }).unwrap().bearing.is_some());
        for nowhere in [
            Shot { latitude: f64::NAN, ..whole },
            Shot { longitude: 724_352.0, ..whole },
            Shot { error_m: f64::INFINITY, ..whole },
        ] {
            assert_eq!(Estimate::of(&nowhere), None);
        }
    }
}
