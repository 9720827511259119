//! Where the sun stands: the low-accuracy formulas of the Astronomical Almanac, as NOAA's calculator uses them.
//!
//! Good to about a hundredth of a degree between 1950 and 2050, far below what a shadow's direction needs.

use jiff::Timestamp;

/// The sun as seen from a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sun {
    /// Degrees above the horizon, without refraction; below zero at night.
    pub(crate) elevation: f64,
    /// Degrees clockwise from true north.
    pub(crate) azimuth: f64,
}

/// The sun at a time, seen from latitude and longitude in degrees.
pub(crate) fn position(time: Timestamp, latitude: f64, longitude: f64) -> Sun {
    /// Noon of 1 January 2000 UTC, in Unix seconds.
    const J2000: f64 = 946_728_000.0;
    let days = (time.as_millisecond() as f64 / 1000.0 - J2000) / 86_400.0;
    let mean_longitude = 280.460 + 0.985_647_4 * days;
    let anomaly = (357.528 + 0.985_600_3 * days).to_radians();
    let ecliptic = (mean_longitude + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 4.0e-7 * days).to_radians();
    let right_ascension = (obliquity.cos() * ecliptic.sin()).atan2(ecliptic.cos());
    let declination = (obliquity.sin() * ecliptic.sin()).asin();
    // Greenwich mean sidereal time in degrees, then the hour angle at the place.
    let sidereal = 280.460_618_37 + 360.985_647_366_29 * days;
    let hour = (sidereal + longitude).to_radians() - right_ascension;
    let latitude = latitude.to_radians();
    let up = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour.cos();
    let east = -declination.cos() * hour.sin();
    let north = latitude.cos() * declination.sin() - latitude.sin() * declination.cos() * hour.cos();
    Sun {
        elevation: up.clamp(-1.0, 1.0).asin().to_degrees(),
        azimuth: east.atan2(north).to_degrees().rem_euclid(360.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str, latitude: f64, longitude: f64) -> Sun {
        position(time.parse().unwrap(), latitude, longitude)
    }

    fn close(sun: Sun, elevation: f64, azimuth: f64) {
        assert!((sun.elevation - elevation).abs() < 0.05, "{sun:?}, expected elevation {elevation}");
        let turn = (sun.azimuth - azimuth + 180.0).rem_euclid(360.0) - 180.0;
        assert!(turn.abs() < 0.1, "{sun:?}, expected azimuth {azimuth}");
    }

    /// At true noon the sun stands at 90 degrees less latitude plus declination, due south. The declination of an equinox and
    /// of the solstices is known without any formula: 0 and plus or minus 23.44 degrees.
    #[test]
    fn min_03_noon_at_equinox_and_solstice() {
        // Equinox of March 2024: the 20th, 03:06 UTC; declination at 12:07 UTC a sixth of a degree.
        let noon = at("2024-03-20T12:07:20Z", 0.0, 0.0);
        assert!((noon.elevation - 89.85).abs() < 0.1, "{noon:?}");
        // Solstices of 2024: 20 June 20:51 UTC, 21 December 09:20 UTC. Greenwich, noon by the equation of time (-1 min 50 s; +1 min 55 s).
        close(at("2024-06-20T12:01:50Z", 51.4779, 0.0), 90.0 - 51.4779 + 23.437, 180.0);
        close(at("2024-12-21T11:58:05Z", 51.4779, 0.0), 90.0 - 51.4779 - 23.437, 180.0);
    }

    /// The worked example of Reda and Andreas's Solar Position Algorithm (NREL/TP-560-34302, appendix A.5): 17 October 2003,
    /// 19:30:30 UTC, 39.742476 N, 105.1786 W: zenith 50.11162 with refraction, azimuth 194.34024.
    #[test]
    fn min_03_the_published_example_of_the_solar_position_algorithm() {
        let sun = at("2003-10-17T19:30:30Z", 39.742_476, -105.1786);
        close(sun, 90.0 - 50.11162 - 0.016, 194.340_24);
    }

    #[test]
    fn min_03_copenhagen_has_day_and_night() {
        assert!(at("2026-06-21T22:00:00Z", 55.6761, 12.5683).elevation < -5.0);
        let morning = at("2026-06-21T06:00:00Z", 55.6761, 12.5683);
        assert!(morning.elevation > 20.0 && (80.0..110.0).contains(&morning.azimuth), "{morning:?}");
    }
}
