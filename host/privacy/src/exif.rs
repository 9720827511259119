//! What an EXIF block says of place, time, camera and orientation. Nothing else of it is ever looked at, and no byte of it goes on.

use exif::{Exif, In, Reader, Tag, Value};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use vaern_door::guard;

use crate::orient::Orientation;
use crate::refusal::{BadPosition, NoFix, Refusal, Variant};
use crate::tracklog::{METRES_PER_DOP, Moments};

/// A fix as the camera wrote it, not yet judged.
#[derive(Clone, PartialEq)]
pub(crate) struct ExifFix {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    /// Error radius that the receiver states, in metres.
    pub(crate) stated_error_m: Option<f64>,
    /// Error radius derived from the dilution of precision, in metres.
    pub(crate) dop_error_m: Option<f64>,
    /// Direction of the picture, degrees from true north.
    pub(crate) direction: Option<f64>,
    /// Direction of movement, degrees from true north.
    pub(crate) track: Option<f64>,
    pub(crate) time: Option<Timestamp>,
}

/// What is taken from an EXIF block.
#[derive(Clone, PartialEq, Default)]
pub(crate) struct ExifFacts {
    pub(crate) orientation: Orientation,
    pub(crate) model: Option<String>,
    pub(crate) fix: Option<ExifFix>,
    /// When the picture was taken, by the camera's own clock.
    pub(crate) taken: Option<Taken>,
}

/// A moment as the camera writes it: local time of some zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    local: DateTime,
    /// How much later it may have been: a second, less where the camera writes decimals.
    open: SignedDuration,
    /// Offset from UTC, where the picture states it.
    offset: Option<Offset>,
}

impl Taken {
    /// The moment in UTC. An offset that the picture states goes before the zone of the camera's profile.
    ///
    /// A time that its zone's clocks never show, or show twice, when summer time begins and ends, is no time (CLK-05).
    pub(crate) fn moments(&self, zone: Option<&TimeZone>, clock_offset: SignedDuration) -> Result<Moments, NoFix> {
        let from = match (self.offset, zone) {
            (Some(offset), _) => offset.to_timestamp(self.local).map_err(|_| NoFix::NoTime)?,
            (None, Some(zone)) => {
                let ambiguous = zone.to_ambiguous_timestamp(self.local);
                if vaern_door::guard::stands("privacy.ambiguous-time") && ambiguous.is_ambiguous() {
                    return Err(NoFix::AmbiguousTime);
                }
                ambiguous.compatible().map_err(|_| NoFix::NoTime)?
            }
            (None, None) => return Err(NoFix::NoTime),
        };
        let from = from.checked_add(clock_offset).map_err(|_| NoFix::NoTime)?;
        let to = from.checked_add(self.open).map_err(|_| NoFix::NoTime)?;
        Ok(Moments { from, to })
    }
}

/// Reads a TIFF structure as EXIF wraps it. The block is at most one JPEG segment, so every step is bounded by 64 KiB.
pub(crate) fn parse(tiff: &[u8]) -> Result<ExifFacts, Refusal> {
    let exif = Reader::new().read_raw(tiff.to_vec()).map_err(|_| NoFix::ExifMalformed)?;
    Ok(ExifFacts {
        orientation: orientation(&exif)?,
        model: ascii(&exif, Tag::Model),
        fix: fix(&exif)?,
        taken: taken(&exif),
    })
}

fn orientation(exif: &Exif) -> Result<Orientation, Refusal> {
    let Some(field) = exif.get_field(Tag::Orientation, In::PRIMARY) else { return Ok(Orientation::default()) };
    let code = field.value.get_uint(0).ok_or(Variant::Orientation)?;
    Orientation::from_exif(code).ok_or_else(|| Variant::Orientation.into())
}

fn fix(exif: &Exif) -> Result<Option<ExifFix>, Refusal> {
    let (latitude, longitude) = match (
        degrees(exif, Tag::GPSLatitude, Tag::GPSLatitudeRef)?,
        degrees(exif, Tag::GPSLongitude, Tag::GPSLongitudeRef)?,
    ) {
        (None, None) => return Ok(None),
        (Some(latitude), Some(longitude)) => (latitude, longitude),
        _ => return Err(NoFix::ExifMalformed.into()),
    };
    if ascii(exif, Tag::GPSStatus).as_deref() == Some("V") {
        return Err(NoFix::Void.into());
    }
    Ok(Some(ExifFix {
        latitude,
        longitude,
        stated_error_m: stated(exif, Tag::GPSHPositioningError)?,
        dop_error_m: stated(exif, Tag::GPSDOP)?.map(|dop| dop * METRES_PER_DOP),
        direction: true_direction(exif, Tag::GPSImgDirection, Tag::GPSImgDirectionRef),
        track: true_direction(exif, Tag::GPSTrack, Tag::GPSTrackRef),
        time: gps_time(exif),
    }))
}

fn ascii(exif: &Exif, tag: Tag) -> Option<String> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(lines) => {
            let line = lines.first()?;
            let text: String = line.iter().take(64).map(|b| char::from(*b)).filter(char::is_ascii).collect();
            Some(text.trim().to_owned())
        }
        _ => None,
    }
}

fn rationals(exif: &Exif, tag: Tag) -> Option<Vec<f64>> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Rational(parts) => Some(parts.iter().take(4).map(exif::Rational::to_f64).collect()),
        _ => None,
    }
}

/// What the receiver says of its error. A word that is there and is no error is not the same as none: such a fix may lie anywhere.
fn stated(exif: &Exif, tag: Tag) -> Result<Option<f64>, NoFix> {
    if exif.get_field(tag, In::PRIMARY).is_none() {
        return Ok(None);
    }
    let value = rationals(exif, tag).and_then(|parts| parts.first().copied());
    let usable = |v: &f64| (v.is_finite() && *v > 0.0) || !guard::stands("privacy.stated-error");
    value.filter(usable).map(Some).ok_or(NoFix::Imprecise)
}

fn true_direction(exif: &Exif, tag: Tag, reference: Tag) -> Option<f64> {
    // Magnetic directions are left out: the declination is a guess that georeferencing would inherit.
    if ascii(exif, reference).is_some_and(|r| r != "T") {
        return None;
    }
    rationals(exif, tag)?.first().copied().filter(|v| v.is_finite() && (0.0..=360.0).contains(v))
}

fn degrees(exif: &Exif, tag: Tag, reference: Tag) -> Result<Option<f64>, Refusal> {
    if exif.get_field(tag, In::PRIMARY).is_none() {
        return Ok(None);
    }
    let parts = rationals(exif, tag).ok_or(NoFix::ExifMalformed)?;
    let [degrees, minutes, seconds] = *parts.as_slice() else { return Err(NoFix::ExifMalformed.into()) };
    if ![degrees, minutes, seconds].iter().all(|v| v.is_finite()) {
        return Err(BadPosition::NotFinite.into());
    }
    if minutes >= 60.0 || seconds >= 60.0 {
        return Err(BadPosition::OutOfRange.into());
    }
    let size = degrees + minutes / 60.0 + seconds / 3600.0;
    match (tag, ascii(exif, reference).as_deref()) {
        (Tag::GPSLatitude, Some("N")) | (Tag::GPSLongitude, Some("E")) => Ok(Some(size)),
        (Tag::GPSLatitude, Some("S")) | (Tag::GPSLongitude, Some("W")) => Ok(Some(-size)),
        _ => Err(NoFix::ExifMalformed.into()),
    }
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.split([':', '-']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn gps_time(exif: &Exif) -> Option<Timestamp> {
    let day = date(&ascii(exif, Tag::GPSDateStamp)?)?;
    let parts = rationals(exif, Tag::GPSTimeStamp)?;
    let [hours, minutes, seconds] = *parts.as_slice() else { return None };
    let whole = [hours, minutes, seconds].iter().all(|v| v.is_finite() && *v >= 0.0);
    // 60 allows for a leap second.
    if !whole || hours >= 24.0 || minutes >= 60.0 || seconds > 60.999 {
        return None;
    }
    let midnight = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
    midnight.checked_add(SignedDuration::from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds)).ok()
}

fn taken(exif: &Exif) -> Option<Taken> {
    let text = ascii(exif, Tag::DateTimeOriginal)?;
    let (day, clock) = text.split_once(' ')?;
    let mut parts = clock.split(':');
    let (h, m, s) = (parts.next()?, parts.next()?, parts.next()?);
    let (fraction, open) = ascii(exif, Tag::SubSecTimeOriginal).map_or((0, 1000), |text| milliseconds(&text));
    let time = Time::new(h.parse().ok()?, m.parse().ok()?, s.parse().ok()?, fraction * 1_000_000).ok()?;
    let offset = match ascii(exif, Tag::OffsetTimeOriginal) {
        // An offset that is there and cannot be read is not the same as none; blanks are how EXIF writes that it is not known.
        Some(text) if text.bytes().any(|b| b != b' ' && b != b':') => Some(parse_offset(&text)?),
        _ => None,
    };
    Some(Taken { local: date(day)?.to_datetime(time), open: SignedDuration::from_millis(open), offset })
}

/// Decimals of a second as milliseconds, and how many milliseconds they leave open.
fn milliseconds(decimals: &str) -> (i32, i64) {
    if !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return (0, 1000);
    }
    let digits: String = decimals.chars().take(3).collect();
    match (digits.len(), digits.parse::<i32>()) {
        (1, Ok(tenths)) => (tenths * 100, 100),
        (2, Ok(hundredths)) => (hundredths * 10, 10),
        // A vehicle moves five centimetres in a millisecond.
        (3, Ok(thousandths)) => (thousandths, 0),
        _ => (0, 1000),
    }
}

pub(crate) fn parse_offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    if !hours.bytes().chain(minutes.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=15).contains(&hours) || !(0..=59).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}
