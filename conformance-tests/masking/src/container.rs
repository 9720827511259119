//! T8: the file around the pixels. Only what a picture needs may be in it, and nothing of the source's own words.

use std::collections::HashSet;
use std::ops::Range;

use crate::masker::Masker;
use crate::verdict::{Figure, TestId, Verdict};

/// A marker segment of a JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Second byte of the marker.
    pub marker: u8,
    /// Marker, length and body.
    pub whole: Range<usize>,
    /// Body alone.
    pub body: Range<usize>,
}

/// The segments in front of the first scan, as far as they can be read.
#[must_use]
pub fn segments(file: &[u8]) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut at = 2;
    while let Some([0xFF, marker, high, low]) = file.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()) {
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        if end > file.len() || end < at + 4 {
            break;
        }
        found.push(Segment { marker, whole: at..end, body: at + 4..end });
        if marker == 0xDA {
            break;
        }
        at = end;
    }
    found
}

/// The file without its APPn and COM segments.
pub(crate) fn pixels_only(file: &[u8]) -> Vec<u8> {
    let mut out = file.get(..2).unwrap_or_default().to_vec();
    let mut end = 2;
    for segment in segments(file) {
        if !matches!(segment.marker, 0xE0..=0xEF | 0xFE) {
            out.extend_from_slice(&file[segment.whole.clone()]);
        }
        end = segment.whole.end;
    }
    out.extend_from_slice(file.get(end..).unwrap_or_default());
    out
}

/// What is wrong with the container of a masked picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leak {
    /// The file is neither JPEG nor PNG, or its structure cannot be read.
    Unreadable,
    /// A segment or chunk that no picture needs.
    Segment,
    /// A run of 16 bytes of the source's metadata.
    SourceBytes,
    /// A second picture begins inside.
    SecondPicture,
    /// Bytes after the end of the picture.
    AfterEnd,
}

/// Bytes of a file that are no pixels: segments or chunks of metadata, and what follows the end marker.
fn metadata(file: &[u8]) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = Vec::new();
    if file.starts_with(&[0xFF, 0xD8]) {
        let bodies = segments(file).into_iter().filter(|s| matches!(s.marker, 0xE0..=0xEF | 0xFE));
        parts.extend(bodies.filter_map(|s| file.get(s.body)));
        parts.extend(end_of_jpeg(file).and_then(|end| file.get(end..)));
    } else if let Some(chunks) = png_chunks(file) {
        let bodies = chunks.into_iter().filter(|(kind, _)| !PNG_NEEDED.contains(kind));
        parts.extend(bodies.filter_map(|(_, body)| file.get(body)));
    }
    parts
}

/// Where the end marker of a JPEG ends, walking over entropy-coded data as a decoder does.
fn end_of_jpeg(file: &[u8]) -> Option<usize> {
    let mut at = segments(file).last()?.whole.end;
    loop {
        let next =
            file.get(at..)?.windows(2).position(|w| w[0] == 0xFF && w[1] != 0 && !(0xD0..=0xD7).contains(&w[1]))?;
        at += next;
        match *file.get(at + 1)? {
            0xD9 => return Some(at + 2),
            0xFF => at += 1,
            // Tables and scans of a progressive picture.
            _ => at += 2 + usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?])),
        }
    }
}

/// Chunks that hold pixels, and the ones that a viewer needs to show them right.
const PNG_NEEDED: [[u8; 4]; 6] = [*b"IHDR", *b"PLTE", *b"tRNS", *b"IDAT", *b"IEND", *b"sRGB"];

fn png_chunks(file: &[u8]) -> Option<Vec<([u8; 4], Range<usize>)>> {
    let mut at = file.starts_with(&[0x89, b'P', b'N', b'G']).then_some(8)?;
    let mut chunks = Vec::new();
    while at < file.len() {
        let length = u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize;
        let kind: [u8; 4] = file.get(at + 4..at + 8)?.try_into().ok()?;
        let body = at + 8..at.checked_add(8)?.checked_add(length)?;
        at = body.end + 4;
        file.get(body.clone())?;
        chunks.push((kind, body));
        if kind == *b"IEND" {
            break;
        }
    }
    chunks.last().filter(|(kind, _)| kind == b"IEND")?;
    Some(chunks)
}

/// Length of a run that is taken for the source's own bytes.
const RUN: usize = 16;

/// Whether a run says anything: standard fills and counters repeat in every file.
fn telling(run: &[u8]) -> bool {
    run.iter().collect::<HashSet<_>>().len() >= 6
}

/// All that is wrong with `after` as the container of the masked `before`.
#[must_use]
pub fn leaks(before: &[u8], after: &[u8]) -> Vec<Leak> {
    let mut found = Vec::new();
    let (pixels, end) = if after.starts_with(&[0xFF, 0xD8]) {
        let parts = segments(after);
        if parts.iter().any(|s| !allowed(s, after)) {
            found.push(Leak::Segment);
        }
        (parts, end_of_jpeg(after))
    } else if let Some(chunks) = png_chunks(after) {
        if chunks.iter().any(|(kind, _)| !PNG_NEEDED.contains(kind)) {
            found.push(Leak::Segment);
        }
        (Vec::new(), chunks.last().map(|(_, body)| body.end + 4))
    } else {
        return vec![Leak::Unreadable];
    };
    match end {
        None => found.push(Leak::Unreadable),
        Some(end) if end < after.len() => found.push(Leak::AfterEnd),
        Some(_) => {}
    }
    // The packed pixels of a PNG may hold any bytes; what is no chunk of pixels was judged above.
    let jpeg = after.starts_with(&[0xFF, 0xD8]);
    if jpeg && after.get(2..).is_some_and(|rest| rest.windows(3).any(|w| w == [0xFF, 0xD8, 0xFF])) {
        found.push(Leak::SecondPicture);
    }
    let source: HashSet<&[u8]> =
        metadata(before).into_iter().flat_map(|part| part.windows(RUN)).filter(|run| telling(run)).collect();
    // Standard tables and headers are the same in every JPEG, also in a thumbnail: only what is none can tell of the source.
    let tables: Vec<Range<usize>> = pixels.into_iter().filter(|s| allowed(s, after)).map(|s| s.whole).collect();
    let in_table = |at: usize| tables.iter().any(|t| t.start < at + RUN && at < t.end);
    if after.windows(RUN).enumerate().any(|(at, run)| source.contains(run) && !in_table(at)) {
        found.push(Leak::SourceBytes);
    }
    found
}

/// SOF0 to SOF2, DHT, DQT, DRI, SOS, and a JFIF header that is the same in every file.
fn allowed(segment: &Segment, file: &[u8]) -> bool {
    let body = file.get(segment.body.clone()).unwrap_or_default();
    match segment.marker {
        0xC0..=0xC2 | 0xC4 | 0xDB | 0xDD | 0xDA => true,
        0xE0 => body.len() == 14 && body.starts_with(b"JFIF\0"),
        _ => false,
    }
}

/// A picture that carries all that cameras and editors put beside pixels: EXIF with a thumbnail as large as the picture,
/// XMP, a vendor block, a comment, and a second picture after the end.
#[must_use]
pub fn laden(picture: &[u8], thumbnail: &[u8], exif: &[u8]) -> Vec<u8> {
    let mut file = picture.get(..2).unwrap_or_default().to_vec();
    let mut segment = |marker: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
        file.extend_from_slice(&[0xFF, marker]);
        file.extend_from_slice(&length.to_be_bytes());
        file.extend_from_slice(&body[..usize::from(length) - 2]);
    };
    segment(0xE1, &[b"Exif\0\0".as_slice(), exif].concat());
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>serial 4711 of vehicle 12</x:xmpmeta>");
    segment(0xEB, &[b"JP".as_slice(), thumbnail].concat());
    segment(0xFE, b"taken by the camera with serial number 4711 on vehicle 12");
    file.extend_from_slice(picture.get(2..).unwrap_or_default());
    file.extend_from_slice(thumbnail);
    file
}

/// T8 on a masker: the laden picture comes out bare.
#[must_use]
pub fn t8(masker: &dyn Masker, sources: &[(Vec<u8>, Vec<vaern_privacy::SeenBox>)]) -> Verdict {
    let mut found: Vec<Leak> = Vec::new();
    let mut refused = 0;
    for (file, boxes) in sources {
        match masker.mask(file, boxes) {
            Ok(masked) => found.extend(leaks(file, &masked.file)),
            Err(_) => refused += 1,
        }
    }
    found.dedup();
    let figures = vec![
        Figure::new("files", sources.len() as f64, ""),
        Figure::new("refused", f64::from(refused), ""),
        Figure::new("leaks", found.len() as f64, ""),
    ];
    let seen = sources.len() as i32 > refused;
    Verdict::of(TestId::T8, seen && found.is_empty(), figures, format!("{found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;
    use jpeg_encoder::SamplingFactor;
    use vaern_door::Size;

    fn bare(seed: u32) -> Vec<u8> {
        let size = Size::new(64, 48).unwrap();
        let rgb = (0..size.rgb_bytes() as u32).map(|i| (i.wrapping_mul(seed) >> 7) as u8).collect();
        let picture = Picture::new(size, rgb).unwrap();
        pixels_only(&picture.jpeg(SamplingFactor::F_2_2, 90).unwrap())
    }

    #[test]
    fn a_bare_file_holds_and_each_leak_is_named() {
        let (before, after) = (laden(&bare(77), &bare(91), b"II*\0 exif of the camera"), bare(1234));
        assert_eq!(leaks(&before, &after), []);
        let mut with_comment = after.clone();
        with_comment.splice(2..2, [0xFF, 0xFE, 0, 5, b'a', b'b', b'c']);
        assert_eq!(leaks(&before, &with_comment), [Leak::Segment]);
        let tail = [after.clone(), b"x".to_vec()].concat();
        assert_eq!(leaks(&before, &tail), [Leak::AfterEnd]);
        let second = [after.clone(), bare(91)].concat();
        assert_eq!(leaks(&before, &second), [Leak::AfterEnd, Leak::SecondPicture, Leak::SourceBytes]);
        let words = [after.clone(), b"serial number 4711 on vehicle".to_vec()].concat();
        assert_eq!(leaks(&before, &words), [Leak::AfterEnd, Leak::SourceBytes]);
        assert_eq!(leaks(&before, b"GIF89a"), [Leak::Unreadable]);
        assert!(leaks(&before, &before).contains(&Leak::Segment));
        assert!(leaks(&before, &after[..after.len() - 2]).contains(&Leak::Unreadable));
    }
}
