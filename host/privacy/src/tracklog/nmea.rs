//! NMEA 0183 logs: RMC and GGA, one fix for each moment that RMC gives a date and a status to.
//!
//! Every line must carry a checksum that holds. A moment counts as a fix only if RMC says that it is valid, its mode is no
//! guess, and GGA, where there is one for the same moment, does not say otherwise. GGA alone has no date and is no fix.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use vaern_door::guard;

use super::{Builder, Place, TrackLogError, error_of_dop};

/// The standard allows 82 characters; receivers with more digits write some more.
const MAX_LINE: usize = 160;

/// What one moment's sentences say.
#[derive(Default, Clone)]
struct Epoch {
    /// Time of day in milliseconds, as the sentences write it.
    clock: Option<u32>,
    date: Option<Date>,
    /// RMC said `A` with a mode that is a measurement.
    valid: Option<bool>,
    /// GGA's quality is a measurement.
    quality: Option<bool>,
    rmc: Option<(f64, f64)>,
    gga: Option<(f64, f64)>,
    /// Error radius in metres, from the dilution; nothing where the field is empty.
    error_m: Option<f64>,
    course: Option<f64>,
}

/// Reads a whole log. Lines that are no sentences (comments, binary protocols, JSON) are passed over.
pub(super) fn read(bytes: &[u8], builder: &mut Builder) -> Result<(), TrackLogError> {
    let mut epoch = Epoch::default();
    for line in bytes.split(|b| *b == b'\n') {
        // A binary protocol in the same stream may run into the line; the sentence begins at the last `$`.
        let Some(start) = line.iter().rposition(|b| *b == b'$') else { continue };
        let sentence = line.get(start + 1..).unwrap_or_default();
        let Some(fields) = checked(sentence) else {
            builder.account.checksum += 1;
            continue;
        };
        let fields: Vec<&str> = fields.split(',').collect();
        let kind = fields.first().and_then(|head| head.get(2..)).unwrap_or_default();
        if !matches!(kind, "RMC" | "GGA") {
            continue;
        }
        let clock = fields.get(1).and_then(|text| clock(text));
        if clock.is_none() || epoch.clock != clock {
            std::mem::take(&mut epoch).into(builder)?;
            epoch.clock = clock;
        }
        match kind {
            "RMC" => epoch.rmc(&fields),
            _ => epoch.gga(&fields),
        }
    }
    epoch.into(builder)
}

/// The text between `$` and `*`, if the checksum after it holds.
fn checked(sentence: &[u8]) -> Option<&str> {
    let sentence = sentence.strip_suffix(b"\r").unwrap_or(sentence);
    if sentence.len() > MAX_LINE || !sentence.iter().all(|b| (0x20..0x7F).contains(b)) {
        return None;
    }
    let text = std::str::from_utf8(sentence).ok()?;
    let (body, sum) = text.split_once('*')?;
    let hex = sum.len() == 2 && sum.bytes().all(|b| b.is_ascii_hexdigit());
    let stated = hex.then(|| u8::from_str_radix(sum, 16).ok())??;
    (body.bytes().fold(0, |a, b| a ^ b) == stated).then_some(body)
}

/// `hhmmss` with any number of decimals, as milliseconds of the day. A leap second is the sixtieth.
fn clock(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 6 || !digits(whole) || !digits(decimals) || decimals.len() > 9 {
        return None;
    }
    let two = |at: usize| whole.get(at..at + 2)?.parse::<u32>().ok();
    let (h, m, s) = (two(0)?, two(2)?, two(4)?);
    if h > 23 || m > 59 || s > 60 {
        return None;
    }
    let millis: u32 = format!("{decimals:0<3}").get(..3)?.parse().ok()?;
    Some(((h * 60 + m) * 60 + s) * 1000 + millis)
}

/// `ddmm.mmm` with its hemisphere, in degrees.
fn degrees(value: &str, hemisphere: &str, letters: (&str, &str)) -> Option<f64> {
    let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let dot = value.find('.').unwrap_or(value.len());
    // Some receivers write a longitude below 100 degrees with two digits for the degrees: minutes are the last two.
    let split = dot.checked_sub(2).filter(|split| plain && (1..=3).contains(split))?;
    let whole: f64 = value.get(..split)?.parse().ok()?;
    let minutes: f64 = value.get(split..)?.parse().ok()?;
    if minutes >= 60.0 {
        return None;
    }
    let size = whole + minutes / 60.0;
    if hemisphere == letters.0 {
        Some(size)
    } else if hemisphere == letters.1 {
        Some(-size)
    } else {
        None
    }
}

fn place(fields: &[&str], at: usize) -> Option<(f64, f64)> {
    let field = |n: usize| fields.get(at + n).copied().unwrap_or_default();
    degrees(field(0), field(1), ("N", "S")).zip(degrees(field(2), field(3), ("E", "W")))
}

/// `ddmmyy`. Two digits of a year: GPS began in 1980.
fn date(text: &str) -> Option<Date> {
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let two = |at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let year = i16::from(two(4)?);
    Date::new(if year < 80 { 2000 + year } else { 1900 + year }, two(2)?, two(0)?).ok()
}

impl Epoch {
    fn rmc(&mut self, fields: &[&str]) {
        let field = |n: usize| fields.get(n).copied().unwrap_or_default();
        // Modes: autonomous, differential, precise, RTK, float RTK. Estimated, manual, simulated and none are no measurement.
        let measured = matches!(field(12), "" | "A" | "D" | "P" | "R" | "F");
        self.valid = Some(self.valid.unwrap_or(true) && field(2) == "A" && measured);
        self.rmc = place(fields, 3);
        self.date = date(field(9));
        self.course = field(8).parse().ok().filter(|c: &f64| (0.0..=360.0).contains(c));
    }

    fn gga(&mut self, fields: &[&str]) {
        let field = |n: usize| fields.get(n).copied().unwrap_or_default();
        // Quality 6 is dead reckoning, 7 typed in by hand, 8 a simulator.
        let measured = matches!(field(6), "1" | "2" | "3" | "4" | "5");
        self.gga = place(fields, 2);
        self.error_m = field(8).parse().ok().and_then(error_of_dop);
        // A dilution that is there and is none: such a fix may lie anywhere.
        let unusable = !field(8).is_empty() && self.error_m.is_none() && guard::stands("privacy.stated-error");
        self.quality = Some(measured && !unusable);
    }

    fn into(self, builder: &mut Builder) -> Result<(), TrackLogError> {
        if self.valid.is_none() && self.quality.is_none() {
            return Ok(());
        }
        let Some(time) = self.time() else {
            builder.account.untimed += 1;
            // A loss is a loss also where nobody says on which day: what follows is no neighbour of what came before. A second
            // sentence of a good fix, between those that carry the date, is none.
            if (self.valid.is_some() || self.quality != Some(true)) && guard::stands("privacy.track-loss") {
                builder.cut();
            }
            return Ok(());
        };
        let holds = self.valid == Some(true) && self.quality != Some(false);
        let Some((latitude, longitude)) = self.gga.or(self.rmc).filter(|_| holds) else {
            return builder.void(time);
        };
        builder.fix(time, Place { latitude, longitude, error_m: self.error_m, course: self.course })
    }

    fn time(&self) -> Option<Timestamp> {
        let midnight = self.date?.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC).ok()?.timestamp();
        midnight.checked_add(SignedDuration::from_millis(i64::from(self.clock?))).ok()
    }
}
