//! GPX 1.0 and 1.1: the points of tracks, segment by segment. Waypoints and routes are places on a map, not where anybody was.

use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use vaern_door::guard;

use super::{Builder, Place, TrackLogError, error_of_dop};

/// Elements within elements at most; GPX needs five and its extensions a few more.
const MAX_DEPTH: usize = 64;
/// Characters of one value at most.
const MAX_TEXT: usize = 64;

/// What is read of a point while its element is open.
#[derive(Default)]
struct Point {
    degrees: Option<(f64, f64)>,
    time: Option<Timestamp>,
    /// Metres, from the dilutions.
    hdop: Option<f64>,
    pdop: Option<f64>,
    course: Option<f64>,
    none: bool,
    /// Something that is read of a point is there and is not what it should be: then the point is no fix.
    unreadable: bool,
}

/// Reads a whole file. Nothing is unfolded: entities are not looked up, and a document type is refused.
pub(super) fn read(bytes: &[u8], builder: &mut Builder) -> Result<(), TrackLogError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TrackLogError::NotUtf8)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_end_names = true;
    let mut depth = 0_usize;
    let mut root = false;
    // The open point with the depth of its element, and the open child of it with its text; without it where not all was text.
    let mut point: Option<(usize, Point)> = None;
    let mut child: Option<(String, Option<String>)> = None;
    loop {
        match reader.read_event().map_err(|_| TrackLogError::Xml)? {
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(TrackLogError::TooDeep);
                }
                let name = element.local_name();
                if depth == 1 {
                    if root || name.as_ref() != "gpx" {
                        return Err(TrackLogError::NotGpx);
                    }
                    root = true;
                }
                match (name.as_ref(), &point) {
                    ("trkpt", None) => point = Some((depth, Point { degrees: degrees(&element), ..Point::default() })),
                    ("trkpt", Some(_)) => return Err(TrackLogError::NotGpx),
                    // Only direct children: an extension may have a `time` or a `speed` of its own.
                    (name, Some((at, _))) if depth == at + 1 => child = Some((name.to_owned(), Some(String::new()))),
                    _ => spoil(&mut child),
                }
            }
            Event::Text(words) => match &mut child {
                Some((_, Some(value))) if value.len() + words.len() <= MAX_TEXT => value.push_str(&words),
                child => spoil(child),
            },
            // Not unfolded, and so not known: half of a value is another value.
            Event::GeneralRef(_) | Event::CData(_) => spoil(&mut child),
            Event::End(element) => {
                match (&mut point, element.local_name().as_ref()) {
                    (Some((at, open)), _) if depth == *at + 1 => {
                        if let Some((name, value)) = child.take() {
                            open.take_in(&name, value.as_deref().map(str::trim));
                        }
                    }
                    (Some((at, _)), "trkpt") if depth == *at => {
                        if let Some((_, done)) = point.take() {
                            done.into(builder)?;
                        }
                    }
                    (None, "trkseg" | "trk") => builder.cut(),
                    _ => {}
                }
                depth = depth.saturating_sub(1);
            }
            Event::DocType(_) => return Err(TrackLogError::DocumentType),
            Event::Eof => break,
            _ => {}
        }
    }
    if depth != 0 {
        return Err(TrackLogError::Xml);
    }
    if root { Ok(()) } else { Err(TrackLogError::NotGpx) }
}

impl Point {
    fn take_in(&mut self, name: &str, value: Option<&str>) {
        let number = || value?.parse::<f64>().ok().filter(|v| v.is_finite());
        match name {
            // A time without a zone may be anybody's local time: it is left out.
            "time" => self.time = value.and_then(|value| value.parse().ok()),
            // Empty is how some writers leave it out.
            "hdop" | "pdop" if value != Some("") => {
                let error_m = number().and_then(error_of_dop);
                self.unreadable |= error_m.is_none() && guard::stands("privacy.stated-error");
                *(if name == "hdop" { &mut self.hdop } else { &mut self.pdop }) = error_m;
            }
            "course" => self.course = number(),
            "fix" => self.none |= value.is_none_or(|value| value == "none"),
            _ => {}
        }
    }

    fn into(self, builder: &mut Builder) -> Result<(), TrackLogError> {
        let Some(time) = self.time else {
            builder.account.untimed += 1;
            // What follows is not a neighbour of what came before.
            builder.cut();
            return Ok(());
        };
        let Some((latitude, longitude)) = self.degrees.filter(|_| !self.none && !self.unreadable) else {
            return builder.void(time);
        };
        // PDOP is never smaller than HDOP.
        let error_m = self.hdop.or(self.pdop);
        let course = self.course.filter(|c| (0.0..=360.0).contains(c));
        builder.fix(time, Place { latitude, longitude, error_m, course })
    }
}

/// What is open is more than text: its value is not known.
fn spoil(child: &mut Option<(String, Option<String>)>) {
    if let Some((_, value)) = child {
        *value = None;
    }
}

fn degrees(element: &BytesStart<'_>) -> Option<(f64, f64)> {
    let number = |name: &str| -> Option<f64> {
        // Checked to the end: an attribute that is there twice is an error, not a choice.
        let attributes: Vec<_> = element.attributes().collect::<Result<_, _>>().ok()?;
        let value = &attributes.iter().find(|attribute| attribute.key.as_ref() == name)?.value;
        value.trim().parse().ok().filter(|v: &f64| v.is_finite())
    };
    number("lat").zip(number("lon"))
}
