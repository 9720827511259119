//! Positions: a fix in WGS 84 degrees with its error radius. Valid once constructed. Printing one tells nothing.

use std::fmt;

use jiff::Timestamp;

use crate::refusal::{BadPosition, NoFix, Refusal};

/// A receiver that claims to be better than this is believed only this far.
const LEAST_ERROR_M: f64 = 1.0;

/// Where a capture was taken. Latitude and longitude in WGS 84 degrees, error radius in metres.
#[derive(Clone, Copy, PartialEq)]
pub struct Position {
    latitude: f64,
    longitude: f64,
    error_m: f64,
    heading: Option<f64>,
    time: Option<Timestamp>,
}

impl Position {
    /// A position, if it can be one. The error radius is never taken as smaller than one metre.
    ///
    /// # Errors
    /// [`Refusal::BadPosition`] for what cannot be a position in degrees, [`Refusal::NoFix`] for exactly (0,0).
    pub fn new(latitude: f64, longitude: f64, error_m: f64) -> Result<Self, Refusal> {
        check_degrees(latitude, longitude)?;
        if !error_m.is_finite() || error_m < 0.0 {
            return Err(BadPosition::NotFinite.into());
        }
        if latitude == 0.0 && longitude == 0.0 {
            return Err(NoFix::NullIsland.into());
        }
        Ok(Self { latitude, longitude, error_m: error_m.max(LEAST_ERROR_M), heading: None, time: None })
    }

    /// The same position with the camera's heading in degrees clockwise from true north; a heading that is no angle is dropped.
    #[must_use]
    pub fn with_heading(mut self, degrees: f64) -> Self {
        self.heading = (degrees.is_finite() && (-360.0..=720.0).contains(&degrees)).then(|| degrees.rem_euclid(360.0));
        self
    }

    /// The same position with another error radius in metres.
    pub(crate) fn with_error(mut self, error_m: f64) -> Result<Self, Refusal> {
        if !error_m.is_finite() || error_m < 0.0 {
            return Err(BadPosition::NotFinite.into());
        }
        self.error_m = error_m.max(LEAST_ERROR_M);
        Ok(self)
    }

    /// The same position with the time of the fix.
    #[must_use]
    pub const fn with_time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// Degrees north.
    #[must_use]
    pub const fn latitude(&self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    #[must_use]
    pub const fn longitude(&self) -> f64 {
        self.longitude
    }

    /// Error radius in metres, at least 1.
    #[must_use]
    pub const fn error_m(&self) -> f64 {
        self.error_m
    }

    /// Heading in degrees clockwise from north, 0 to 360.
    #[must_use]
    pub const fn heading(&self) -> Option<f64> {
        self.heading
    }

    /// Time of the fix.
    #[must_use]
    pub const fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Metres from here to there.
    #[must_use]
    pub fn distance_m(&self, other: &Self) -> f64 {
        let plane = Plane::at((self.latitude + other.latitude) / 2.0, self.longitude);
        let (ax, ay) = plane.project(self.longitude, self.latitude);
        let (bx, by) = plane.project(other.longitude, other.latitude);
        (ax - bx).hypot(ay - by)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Position(withheld)")
    }
}

/// Checks that two numbers can be degrees, and names the two mistakes that Danish data come with.
pub(crate) fn check_degrees(latitude: f64, longitude: f64) -> Result<(), BadPosition> {
    if !latitude.is_finite() || !longitude.is_finite() {
        return Err(BadPosition::NotFinite);
    }
    if looks_like_utm32(longitude, latitude) || looks_like_utm32(latitude, longitude) {
        return Err(BadPosition::Epsg25832);
    }
    // Denmark with its axes swapped lies in the sea off Somalia: no street there.
    let swapped = (7.5..=15.5).contains(&latitude) && (54.3..=58.0).contains(&longitude);
    if swapped || (latitude.abs() > 90.0 && latitude.abs() <= 180.0 && longitude.abs() <= 90.0) {
        return Err(BadPosition::Swapped);
    }
    if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
        return Err(BadPosition::OutOfRange);
    }
    Ok(())
}

fn looks_like_utm32(easting: f64, northing: f64) -> bool {
    (100_000.0..=1_000_000.0).contains(&easting) && (5_900_000.0..=6_600_000.0).contains(&northing)
}

/// A flat picture of the earth around one point, in metres: good to a part in a thousand over a city.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane {
    latitude: f64,
    longitude: f64,
    metres_per_degree_east: f64,
    metres_per_degree_north: f64,
}

impl Plane {
    /// The plane that touches the ellipsoid here.
    pub(crate) fn at(latitude: f64, longitude: f64) -> Self {
        // WGS 84: equatorial radius and squared eccentricity.
        const A: f64 = 6_378_137.0;
        const E2: f64 = 0.006_694_379_990_14;
        let (sin, cos) = latitude.to_radians().sin_cos();
        let w2 = 1.0 - E2 * sin * sin;
        let prime_vertical = A / w2.sqrt();
        let meridian = prime_vertical * (1.0 - E2) / w2;
        Self {
            latitude,
            longitude,
            metres_per_degree_east: (prime_vertical * cos).to_radians(),
            metres_per_degree_north: meridian.to_radians(),
        }
    }

    /// Longitude and latitude of the point of touch.
    pub(crate) const fn touch(&self) -> (f64, f64) {
        (self.longitude, self.latitude)
    }

    /// Metres east and north of the point of touch.
    pub(crate) fn project(&self, longitude: f64, latitude: f64) -> (f64, f64) {
        let mut east = longitude - self.longitude;
        // The short way round the earth.
        if east > 180.0 {
            east -= 360.0;
        } else if east < -180.0 {
            east += 360.0;
        }
        (east * self.metres_per_degree_east, (latitude - self.latitude) * self.metres_per_degree_north)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frm_04n_what_cannot_be_a_position_is_named() {
        let kind = |lat, lon| Position::new(lat, lon, 5.0).unwrap_err();
        assert_eq!(kind(f64::NAN, 12.5), BadPosition::NotFinite.into());
        assert_eq!(kind(55.6, f64::INFINITY), BadPosition::NotFinite.into());
        assert_eq!(kind(6_175_804.0, 724_352.0), BadPosition::Epsg25832.into());
        assert_eq!(kind(724_352.0, 6_175_804.0), BadPosition::Epsg25832.into());
        assert_eq!(kind(12.5683, 55.6761), BadPosition::Swapped.into());
        assert_eq!(kind(120.0, 30.0), BadPosition::Swapped.into());
        assert_eq!(kind(91.0, 100.0), BadPosition::OutOfRange.into());
        assert_eq!(kind(55.0, 180.1), BadPosition::OutOfRange.into());
        assert_eq!(kind(0.0, 0.0), NoFix::NullIsland.into());
        assert_eq!(Position::new(55.0, 12.0, f64::NAN).unwrap_err(), BadPosition::NotFinite.into());
    }

    #[test]
    fn frm_04p_city_hall_square_is_a_position() {
        let here = Position::new(55.6761, 12.5683, 0.0).unwrap().with_heading(-90.0);
        assert_eq!(here.heading(), Some(270.0));
        assert!(here.error_m() >= 1.0, "no receiver is perfect");
        assert_eq!(format!("{here:?}"), "Position(withheld)");
        assert!(Position::new(-33.86, 151.2, 5.0).is_ok());
        assert!(Position::new(55.0, 180.0, 5.0).is_ok());
    }

    #[test]
    fn distances_are_metres() {
        let a = Position::new(55.6761, 12.5683, 1.0).unwrap();
        // One minute of latitude at 55.7 degrees north is 1855.7 m on the ellipsoid.
        let b = Position::new(55.6761 + 1.0 / 60.0, 12.5683, 1.0).unwrap();
        assert!((a.distance_m(&b) - 1855.7).abs() < 1.0, "{}", a.distance_m(&b));
        // One minute of longitude there is 1047.5 m.
        let c = Position::new(55.6761, 12.5683 + 1.0 / 60.0, 1.0).unwrap();
        assert!((a.distance_m(&c) - 1048.3).abs() < 2.0, "{}", a.distance_m(&c));
    }
}
