//! Honest inputs of each target, drawn by our own code, and words that a mutation should know of.

use std::fmt::Write as _;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vaern_door::Size;

use super::{FENCE, FRAME, with_exif};

fn noise(size: Size) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    (0..size.rgb_bytes())
        .map(|i| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (i % 199) as u8 ^ (state >> 27) as u8
        })
        .collect()
}

pub fn jpeg(size: Size, sampling: SamplingFactor, progressive: bool, restart: Option<u16>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 70);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    if let Some(interval) = restart {
        encoder.set_restart_interval(interval);
    }
    encoder.encode(&noise(size), size.width(), size.height(), ColorType::Rgb).unwrap();
    out
}

fn png(size: Size) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size.width().into(), size.height().into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(&noise(size)).unwrap();
    out
}

/// A little-endian TIFF structure with the time of the picture and, if given, a GPS directory.
pub fn tiff(taken: &str, place: Option<(u32, u32)>) -> Vec<u8> {
    // Entries are (tag, type, count, value or offset); data follow the directories.
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    let mut put = |entries: &[(u16, u16, u32, u32)]| {
        out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
    };
    // Directory 0 at 8 (3 entries, 42 bytes), EXIF at 50 (1 entry, 18 bytes), GPS at 68 (6 entries, 78 bytes), data at 146.
    let gps = u32::from(place.is_some());
    put(&[(0x0112, 3, 1, 1), (0x8769, 4, 1, 50), (if gps == 1 { 0x8825 } else { 0x9999 }, 4, 1, 68)]);
    put(&[(0x9003, 2, 20, 146)]);
    put(&[
        (1, 2, 2, u32::from(b'N')),
        (2, 5, 3, 166),
        (3, 2, 2, u32::from(b'E')),
        (4, 5, 3, 190),
        (7, 5, 3, 214),
        (29, 2, 11, 238),
    ]);
    out.extend_from_slice(taken.as_bytes());
    out.push(0);
    let mut rationals = |parts: [u32; 3], last: u32| {
        for (part, denominator) in parts.into_iter().zip([1, 1, last]) {
            out.extend_from_slice(&part.to_le_bytes());
            out.extend_from_slice(&denominator.to_le_bytes());
        }
    };
    let (north, east) = place.unwrap_or_default();
    rationals([55, 40, north], 1000);
    rationals([12, 34, east], 1000);
    rationals([11, 0, 10], 1);
    out.extend_from_slice(b"2026:06:01\0");
    out
}

/// Honest inputs of a target, made by our own code.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let size = |w, h| Size::new(w, h).unwrap();
    match target {
        "picture" => vec![
            jpeg(size(40, 24), SamplingFactor::F_2_2, false, None),
            jpeg(size(17, 9), SamplingFactor::F_1_1, true, None),
            jpeg(size(48, 32), SamplingFactor::F_2_1, false, Some(1)),
            jpeg(size(33, 31), SamplingFactor::F_2_2, true, Some(2)),
            png(size(9, 7)),
            with_exif(&tiff("2026:06:01 13:00:10", Some((33_960, 5_880)))),
        ],
        "exif" => vec![tiff("2026:06:01 13:00:10", Some((33_960, 5_880))), tiff("2026:06:01 13:00:10", None)],
        "gpx" => vec![gpx(1), gpx(3)],
        "nmea" => vec![nmea()],
        "mjpeg" => vec![stream(true), stream(false)],
        "gpsd" => vec![reports()],
        _ => vec![FENCE.as_bytes().to_vec(), FENCE_WITH_HOLE.as_bytes().to_vec()],
    }
}

const FENCE_WITH_HOLE: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"vaern":"include"},
"geometry":{"type":"MultiPolygon","coordinates":[[[[12.5,55.6],[12.6,55.6],[12.6,55.65],[12.5,55.65],[12.5,55.6]],
[[12.52,55.61],[12.53,55.61],[12.53,55.62],[12.52,55.61]]]]}},{"type":"Feature","properties":{"vaern":"exclude"},
"geometry":{"type":"Polygon","coordinates":[[[12.55,55.62],[12.56,55.62],[12.56,55.63],[12.55,55.62]]]}}]}"#;

fn gpx(step: u32) -> Vec<u8> {
    let mut text = String::from("<?xml version=\"1.0\"?><gpx version=\"1.1\"><trk><trkseg>");
    for second in (0..15).step_by(step as usize) {
        let latitude = 55.676 + f64::from(second) * 0.0001;
        let _ = write!(
            text,
            "<trkpt lat=\"{latitude}\" lon=\"12.5683\"><time>2026-06-01T11:00:{second:02}Z</time><hdop>1.1</hdop></trkpt>"
        );
    }
    text.push_str("</trkseg></trk></gpx>");
    text.into_bytes()
}

fn nmea() -> Vec<u8> {
    let mut text = String::new();
    for second in 0..12 {
        let clock = format!("1100{second:02}.00");
        for body in [
            format!("GNRMC,{clock},A,5540.5660,N,01234.0980,E,19.4,12.0,010626,,,A"),
            format!("GNGGA,{clock},5540.5660,N,01234.0980,E,1,09,0.9,10.0,M,40.0,M,,"),
        ] {
            let sum = body.bytes().fold(0, |a, b| a ^ b);
            let _ = write!(text, "${body}*{sum:02X}\r\n");
        }
    }
    text.into_bytes()
}

fn stream(sized: bool) -> Vec<u8> {
    let mut out = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=cam\r\n\r\n".to_vec();
    for picture in [&FRAME[..], &[1, 2, 3], &[0xFF; 40]] {
        let length = if sized { format!("Content-Length: {}\r\n", picture.len()) } else { String::new() };
        out.extend(format!("--cam\r\nContent-Type: image/jpeg\r\n{length}\r\n").bytes());
        out.extend(picture);
        out.extend(b"\r\n");
    }
    out
}

fn reports() -> Vec<u8> {
    let mut text = String::from("{\"class\":\"VERSION\",\"release\":\"3.22\"}\n");
    for second in 41..59 {
        let latitude = 55.676 + f64::from(second) * 0.0001;
        let _ = writeln!(
            text,
            "{{\"class\":\"TPV\",\"device\":\"/dev/a\",\"mode\":3,\"time\":\"2026-06-01T11:59:{second}.000Z\",\"lat\":{latitude:.6},\
             \"lon\":12.5683,\"eph\":6.5,\"track\":1.25}}"
        );
    }
    text.into_bytes()
}

/// Words that a mutation should know of, in the form of a libFuzzer dictionary.
pub fn dictionary(target: &str) -> Vec<&'static [u8]> {
    match target {
        "picture" => vec![
            b"\xFF\xD8\xFF",
            b"\xFF\xD9",
            b"\xFF\xDA",
            b"\xFF\xC0",
            b"\xFF\xC2",
            b"\xFF\xC4",
            b"\xFF\xDB",
            b"\xFF\xDD",
            b"\xFF\xD0",
            b"\xFF\xE1",
            b"Exif\0\0",
            b"IHDR",
            b"IDAT",
            b"IEND",
            b"eXIf",
            b"zTXt",
            b"acTL",
        ],
        "exif" => vec![
            b"II*\0",
            b"MM\0*",
            b"\x25\x88",
            b"\x69\x87",
            b"\x12\x01",
            b"\x02\0\x05\0\x03\0\0\0",
            b"2026:06:01",
            b"N\0",
            b"E\0",
            b"W\0",
            b"S\0",
            b"T\0",
            b"V\0",
        ],
        "gpx" => vec![
            b"<trk>",
            b"</trk>",
            b"<trkseg>",
            b"</trkseg>",
            b"<trkpt ",
            b"</trkpt>",
            b"lat=\"",
            b"lon=\"",
            b"<time>",
            b"</time>",
            b"<fix>none</fix>",
            b"<hdop>",
            b"<![CDATA[",
            b"<!--",
            b"<!DOCTYPE",
            b"&amp;",
            b"NaN",
            b"1e308",
        ],
        "nmea" => vec![
            b"$GNRMC,",
            b"$GPGGA,",
            b",A,",
            b",V,",
            b"*00\r\n",
            b"\r\n",
            b",N,",
            b",E,",
            b"235960.999",
            b"010626",
            b",,,",
        ],
        "mjpeg" => vec![
            b"--cam\r\n",
            b"\r\n--cam\r\n",
            b"--cam--\r\n",
            b"----cam\r\n",
            b"Content-Length: ",
            b"Content-Length: 99999999999\r\n",
            b"Content-Type: image/jpeg\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"boundary=",
            b"boundary=--cam",
            b"\r\n\r\n",
            b"HTTP/1.1 302 ",
        ],
        "gpsd" => vec![
            b"{\"class\":\"TPV\"",
            b"\"device\":\"/dev/b\"",
            b"\"mode\":1",
            b"\"eph\":",
            b"\"lat\":0.0",
            b"\"time\":null",
            b"1e308",
            b"-0.0",
            b"}\n",
        ],
        _ => vec![
            b"\"Polygon\"",
            b"\"MultiPolygon\"",
            b"\"Feature\"",
            b"\"FeatureCollection\"",
            b"\"coordinates\"",
            b"\"crs\"",
            b"\"vaern\"",
            b"\"exclude\"",
            b"[[[",
            b"]]]",
            b"12.5",
            b"55.6",
            b"1e400",
            b"-180",
            b"null",
        ],
    }
}
