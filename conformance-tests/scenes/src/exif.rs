//! A small EXIF writer: any tags with any values, in either byte order, with a thumbnail.
//!
//! It does not check what it writes. A drive uses it for honest blocks; a test may write a wrong one, such as a
//! latitude without its reference, by leaving entries out or adding others.

/// The value of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExifValue {
    /// Text; the closing zero is added.
    Ascii(String),
    /// Bytes.
    Byte(Vec<u8>),
    /// 16-bit numbers.
    Short(Vec<u16>),
    /// 32-bit numbers.
    Long(Vec<u32>),
    /// Fractions.
    Rational(Vec<(u32, u32)>),
    /// Bytes of no stated meaning.
    Undefined(Vec<u8>),
}

impl ExifValue {
    const fn kind(&self) -> u16 {
        match self {
            Self::Byte(_) => 1,
            Self::Ascii(_) => 2,
            Self::Short(_) => 3,
            Self::Long(_) => 4,
            Self::Rational(_) => 5,
            Self::Undefined(_) => 7,
        }
    }

    fn encode(&self, order: Order) -> (u32, Vec<u8>) {
        match self {
            Self::Ascii(text) => {
                let mut bytes = text.clone().into_bytes();
                bytes.push(0);
                (bytes.len() as u32, bytes)
            }
            Self::Byte(bytes) | Self::Undefined(bytes) => (bytes.len() as u32, bytes.clone()),
            Self::Short(all) => (all.len() as u32, all.iter().flat_map(|v| order.short(*v)).collect()),
            Self::Long(all) => (all.len() as u32, all.iter().flat_map(|v| order.long(*v)).collect()),
            Self::Rational(all) => {
                (all.len() as u32, all.iter().flat_map(|(n, d)| [order.long(*n), order.long(*d)].concat()).collect())
            }
        }
    }
}

/// One tag of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExifEntry {
    /// The tag's number.
    pub tag: u16,
    /// Its value.
    pub value: ExifValue,
}

impl ExifEntry {
    /// A tag with its value.
    #[must_use]
    pub const fn new(tag: u16, value: ExifValue) -> Self {
        Self { tag, value }
    }
}

/// An EXIF block as it will be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExifBlock {
    /// First directory: make, model, orientation and the like.
    pub primary: Vec<ExifEntry>,
    /// Exif directory: times and how the picture was taken.
    pub exif: Vec<ExifEntry>,
    /// GPS directory. `None` leaves it out, as a camera without a fix does.
    pub gps: Option<Vec<ExifEntry>>,
    /// A small JPEG of the same picture.
    pub thumbnail: Option<Vec<u8>>,
    /// Write big-endian (`MM`) instead of little-endian (`II`).
    pub big_endian: bool,
}

#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn short(self, v: u16) -> Vec<u8> {
        if self.0 { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() }
    }

    fn long(self, v: u32) -> Vec<u8> {
        if self.0 { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() }
    }
}

const EXIF_POINTER: u16 = 0x8769;
const GPS_POINTER: u16 = 0x8825;

impl ExifBlock {
    /// The TIFF structure, without the `Exif\0\0` that precedes it in a JPEG.
    #[must_use]
    pub fn to_tiff(&self) -> Vec<u8> {
        let order = Order(self.big_endian);
        let mut primary = self.primary.clone();
        primary.push(ExifEntry::new(EXIF_POINTER, ExifValue::Long(vec![0])));
        if self.gps.is_some() {
            primary.push(ExifEntry::new(GPS_POINTER, ExifValue::Long(vec![0])));
        }
        let exif_at = 8 + size(&primary, order);
        let gps_at = exif_at + size(&self.exif, order);
        let second_at = gps_at + self.gps.as_ref().map_or(0, |g| size(g, order));
        for entry in &mut primary {
            match (entry.tag, &mut entry.value) {
                (EXIF_POINTER, ExifValue::Long(at)) => *at = vec![exif_at],
                (GPS_POINTER, ExifValue::Long(at)) if self.gps.is_some() => *at = vec![gps_at],
                _ => {}
            }
        }
        let mut out = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        out.extend(order.short(42));
        out.extend(order.long(8));
        let next = if self.thumbnail.is_some() { second_at } else { 0 };
        directory(&mut out, &primary, next, order);
        directory(&mut out, &self.exif, 0, order);
        if let Some(gps) = &self.gps {
            directory(&mut out, gps, 0, order);
        }
        if let Some(picture) = &self.thumbnail {
            let entries = |at: u32| {
                vec![
                    ExifEntry::new(0x0103, ExifValue::Short(vec![6])),
                    ExifEntry::new(0x011A, ExifValue::Rational(vec![(72, 1)])),
                    ExifEntry::new(0x011B, ExifValue::Rational(vec![(72, 1)])),
                    ExifEntry::new(0x0128, ExifValue::Short(vec![2])),
                    ExifEntry::new(0x0201, ExifValue::Long(vec![at])),
                    ExifEntry::new(0x0202, ExifValue::Long(vec![picture.len() as u32])),
                ]
            };
            let at = second_at + size(&entries(0), order);
            directory(&mut out, &entries(at), 0, order);
            out.extend_from_slice(picture);
        }
        out
    }
}

/// Bytes that a directory takes, values included.
fn size(entries: &[ExifEntry], order: Order) -> u32 {
    let values: usize =
        entries.iter().map(|e| e.value.encode(order).1.len()).filter(|n| *n > 4).map(|n| n + n % 2).sum();
    (2 + 12 * entries.len() + 4 + values) as u32
}

fn directory(out: &mut Vec<u8>, entries: &[ExifEntry], next: u32, order: Order) {
    // Readers may insist on ascending tags.
    let mut entries: Vec<&ExifEntry> = entries.iter().collect();
    entries.sort_by_key(|e| e.tag);
    let mut values_at = (out.len() + 2 + 12 * entries.len() + 4) as u32;
    let mut values = Vec::new();
    out.extend(order.short(entries.len() as u16));
    for entry in entries {
        let (count, mut bytes) = entry.value.encode(order);
        out.extend(order.short(entry.tag));
        out.extend(order.short(entry.value.kind()));
        out.extend(order.long(count));
        if bytes.len() <= 4 {
            bytes.resize(4, 0);
            out.extend(bytes);
        } else {
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            out.extend(order.long(values_at));
            values_at += bytes.len() as u32;
            values.extend(bytes);
        }
    }
    out.extend(order.long(next));
    out.extend(values);
}
