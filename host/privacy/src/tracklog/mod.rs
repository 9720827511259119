//! What a receiver logged beside the camera, as GPX or NMEA: fixes by time, and the position at the moment of a picture.
//!
//! A position is only ever taken between two neighbouring fixes of one segment that lie no further apart in time than the
//! policy allows a fix to be stale, and that a vehicle can have driven between. Where the receiver said that it had no fix,
//! where two segments disagree, before the first fix and after the last: no position.

mod gpx;
mod live;
mod nmea;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use vaern_door::guard;

use crate::policy::PositionRules;
use crate::position::{Position, check_degrees};
use crate::refusal::{BadPosition, NoFix, Refusal};
use crate::track::reachable;

pub use live::{Heard, LiveTrack, MAX_REPORT};

/// Largest file that is read.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Fixes of one file at most: three weeks at one a second.
const MAX_FIXES: usize = 2_000_000;
/// Metres of error per unit of dilution of precision: the usual user-equivalent range error of a single-band receiver.
pub(crate) const METRES_PER_DOP: f64 = 5.0;

/// Why a track file is refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackLogError {
    /// Larger than any log of a working week.
    #[error("larger than 64 MiB; cut the log up by day")]
    TooLarge,
    /// More fixes than any log of a working week.
    #[error("more than 2,000,000 fixes; cut the log up by day")]
    TooManyFixes,
    /// UTF-16 or another encoding that is no UTF-8.
    #[error("a GPX file that is not UTF-8; save it as UTF-8")]
    NotUtf8,
    /// Broken XML.
    #[error("not well-formed XML")]
    Xml,
    /// A document type declaration: the door for entities that unfold without end.
    #[error("a GPX file with a document type declaration; no receiver writes one")]
    DocumentType,
    /// Elements within elements within elements.
    #[error("a GPX file nested more than 64 deep")]
    TooDeep,
    /// XML, but not GPX.
    #[error("not a GPX file: its root is not `gpx`")]
    NotGpx,
    /// Nothing in it has a position and a time.
    #[error("no fix with a position and a time in UTC; without times a track cannot be matched to pictures")]
    NoFixes,
    /// Positions in metres.
    #[error("its positions are EPSG:25832 metres, not degrees; write the log in WGS 84 latitude and longitude")]
    Epsg25832,
    /// Latitude and longitude have changed places.
    #[error("its latitudes are longitudes; write the log with `lat` north and `lon` east")]
    Swapped,
}

/// What became of the lines or points of a track file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackLogAccount {
    /// Fixes that can be used.
    pub fixes: usize,
    /// Moments at which the receiver itself said that it had no fix.
    pub void: usize,
    /// Points or epochs without a time in UTC.
    pub untimed: usize,
    /// Positions that cannot be one, or values that are no number.
    pub bad: usize,
    /// Lines whose checksum is missing or wrong (NMEA).
    pub checksum: usize,
    /// Unbroken stretches.
    pub segments: usize,
}

/// One moment of the log. `place` is nothing where the receiver had no fix.
#[derive(Clone, Copy, PartialEq)]
struct Moment {
    time: Timestamp,
    place: Option<Place>,
}

#[derive(Clone, Copy, PartialEq)]
struct Place {
    latitude: f64,
    longitude: f64,
    /// Error radius in metres, where the receiver tells it.
    error_m: Option<f64>,
    /// Direction of movement, degrees from true north.
    course: Option<f64>,
}

/// A log of fixes by time. Printing one tells nothing.
#[derive(Clone)]
pub struct TrackLog {
    /// Moments in order of time within each segment; no segment is empty.
    segments: Vec<Vec<Moment>>,
    account: TrackLogAccount,
}

impl fmt::Debug for TrackLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackLog({} fixes)", self.account.fixes)
    }
}

/// The span of time in which a picture was taken: a camera that stamps whole seconds leaves one second open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moments {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Moments {
    /// The same span by a clock that is set right.
    pub(crate) fn later(self, offset: SignedDuration) -> Result<Self, NoFix> {
        let shift = |time: Timestamp| time.checked_add(offset).map_err(|_| NoFix::NoTime);
        Ok(Self { from: shift(self.from)?, to: shift(self.to)? })
    }
}

impl TrackLog {
    /// Reads a GPX file or an NMEA log; which of them, the bytes say.
    ///
    /// # Errors
    /// [`TrackLogError`] where nothing of the file can be relied on. Single bad lines or points are left out and counted.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrackLogError> {
        if bytes.len() > MAX_BYTES {
            return Err(TrackLogError::TooLarge);
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
            return Err(TrackLogError::NotUtf8);
        }
        let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
        let mut builder = Builder::default();
        if first == Some(&b'<') {
            gpx::read(bytes, &mut builder)?;
        } else {
            nmea::read(bytes, &mut builder)?;
        }
        builder.finish()
    }

    /// How much of the file could be used.
    #[must_use]
    pub const fn account(&self) -> TrackLogAccount {
        self.account
    }

    /// Where the receiver was while a picture was taken. `default_error_m` is the least error radius that is believed.
    pub(crate) fn at(
        &self,
        moments: Moments,
        default_error_m: f64,
        rules: &PositionRules,
    ) -> Result<Position, Refusal> {
        let mut found: Option<Position> = None;
        let mut why = NoFix::Stale;
        for segment in &self.segments {
            match stretch(segment, moments, default_error_m, rules) {
                Ok(position) => match found {
                    // Two segments that cover one moment must tell one place.
                    Some(other) if position.distance_m(&other) > position.error_m() + other.error_m() => {
                        return Err(NoFix::Ambiguous.into());
                    }
                    Some(other) if other.error_m() >= position.error_m() => {}
                    _ => found = Some(position),
                },
                Err(Refusal::NoFix(NoFix::Stale)) => {}
                Err(Refusal::NoFix(reason)) => why = reason,
                Err(other) => return Err(other),
            }
        }
        found.ok_or_else(|| why.into())
    }
}

/// The position over a span of time inside one segment: in its middle, with an error that reaches to both ends.
fn stretch(
    segment: &[Moment],
    moments: Moments,
    default_error_m: f64,
    rules: &PositionRules,
) -> Result<Position, Refusal> {
    let start = between(segment, moments.from, default_error_m, rules)?;
    if moments.to <= moments.from {
        return Ok(start);
    }
    let end = between(segment, moments.to, default_error_m, rules)?;
    let half = SignedDuration::from_millis_i128(moments.to.duration_since(moments.from).as_millis() / 2);
    let middle = moments.from.checked_add(half).map_err(|_| NoFix::NoTime)?;
    let position = between(segment, middle, default_error_m, rules)?;
    let reach = position.distance_m(&start).max(position.distance_m(&end));
    position.with_error(position.error_m().max(start.error_m()).max(end.error_m()) + reach)
}

fn between(
    segment: &[Moment],
    time: Timestamp,
    default_error_m: f64,
    rules: &PositionRules,
) -> Result<Position, Refusal> {
    let after = segment.partition_point(|moment| moment.time < time);
    let b = segment.get(after).ok_or(NoFix::Stale)?;
    if b.time == time {
        return place_of(b, default_error_m);
    }
    let a = after.checked_sub(1).and_then(|before| segment.get(before)).ok_or(NoFix::Stale)?;
    let gap = b.time.duration_since(a.time).as_secs_f64();
    if guard::stands("privacy.track-gap") && gap > f64::from(rules.max_fix_gap_s) {
        return Err(NoFix::Stale.into());
    }
    let (from, to) = (place_of(a, default_error_m)?, place_of(b, default_error_m)?);
    if guard::stands("privacy.track-jump") && !reachable(&from, &to, rules.max_speed_kmh) {
        return Err(NoFix::Jump.into());
    }
    let share = time.duration_since(a.time).as_secs_f64() / gap;
    let mix = |x: f64, y: f64| x + (y - x) * share;
    if (from.longitude() - to.longitude()).abs() > 180.0 {
        // Across the date line there is no fence of this city.
        return Err(BadPosition::OutOfRange.into());
    }
    let position = Position::new(
        mix(from.latitude(), to.latitude()),
        mix(from.longitude(), to.longitude()),
        from.error_m().max(to.error_m()),
    )?;
    let nearer = if share < 0.5 { &from } else { &to };
    let position = nearer.heading().map_or(position, |heading| position.with_heading(heading));
    Ok(position.with_time(time))
}

fn place_of(moment: &Moment, default_error_m: f64) -> Result<Position, Refusal> {
    let place = moment.place.ok_or(NoFix::Void)?;
    // A dilution is no error radius: it is not believed below what the city knows of the camera.
    let error = place.error_m.map_or(default_error_m, |error| error.max(default_error_m));
    let position = Position::new(place.latitude, place.longitude, error)?.with_time(moment.time);
    Ok(place.course.map_or(position, |course| position.with_heading(course)))
}

/// Collects moments while a file is read, and breaks segments where the order of time breaks.
#[derive(Default)]
struct Builder {
    segments: Vec<Vec<Moment>>,
    current: Vec<Moment>,
    account: TrackLogAccount,
    moments: usize,
    /// Why the first position that cannot be one is none.
    fault: Option<BadPosition>,
}

impl Builder {
    /// A fix as it was read.
    fn fix(&mut self, time: Timestamp, place: Place) -> Result<(), TrackLogError> {
        let null = place.latitude == 0.0 && place.longitude == 0.0;
        if null {
            // The mark of a receiver without a fix.
            return self.void(time);
        }
        if let Err(fault) = check_degrees(place.latitude, place.longitude) {
            self.account.bad += 1;
            self.fault = self.fault.or(Some(fault));
            return self.push(Moment { time, place: None });
        }
        self.account.fixes += 1;
        self.push(Moment { time, place: Some(place) })
    }

    /// A moment without fix: nothing is interpolated over it.
    fn void(&mut self, time: Timestamp) -> Result<(), TrackLogError> {
        self.account.void += 1;
        self.push(Moment { time, place: None })
    }

    fn push(&mut self, moment: Moment) -> Result<(), TrackLogError> {
        self.moments += 1;
        if self.moments > MAX_FIXES {
            return Err(TrackLogError::TooManyFixes);
        }
        // A clock that stands still or goes back begins a stretch of its own; where both cover a moment they must agree.
        if self.current.last().is_some_and(|last| last.time >= moment.time) {
            self.cut();
        }
        self.current.push(moment);
        Ok(())
    }

    fn cut(&mut self) {
        let segment = std::mem::take(&mut self.current);
        if !segment.is_empty() {
            self.segments.push(segment);
        }
    }

    fn finish(mut self) -> Result<TrackLog, TrackLogError> {
        self.cut();
        if self.account.fixes == 0 {
            return Err(match self.fault {
                Some(BadPosition::Epsg25832) => TrackLogError::Epsg25832,
                Some(BadPosition::Swapped) => TrackLogError::Swapped,
                _ => TrackLogError::NoFixes,
            });
        }
        self.account.segments = self.segments.len();
        Ok(TrackLog { segments: self.segments, account: self.account })
    }
}

/// An error radius from a dilution, where the dilution is one.
fn error_of_dop(dop: f64) -> Option<f64> {
    (dop.is_finite() && dop > 0.0).then_some(dop * METRES_PER_DOP)
}
