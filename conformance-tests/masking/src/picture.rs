//! Pictures as an attacker holds them: decoded as leniently as any viewer would, turned upright, cut out and measured.

use std::io::Cursor;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use vaern_door::{Rect, Size};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Why bytes are no picture to attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Neither JPEG nor PNG, or nothing that a lenient decoder could show.
    #[error("not a picture that can be decoded")]
    Undecodable,
    /// A side is zero or beyond 65535, or the pixels are not as many as the size says.
    #[error("the size and the pixels of the picture do not agree")]
    Size,
    /// The encoder failed.
    #[error("the picture could not be encoded")]
    Encode,
}

/// Longest side that is decoded: a header may claim 65535 pixels each way, and the attacker has not that much memory.
const LARGEST: usize = 20_000;

/// An upright RGB picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    size: Size,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture from RGB rows without padding.
    ///
    /// # Errors
    /// [`PictureError::Size`] where there are not three bytes a pixel.
    pub fn new(size: Size, rgb: Vec<u8>) -> Result<Self, PictureError> {
        if rgb.len() == size.rgb_bytes() { Ok(Self { size, rgb }) } else { Err(PictureError::Size) }
    }

    /// A picture from what was drawn for this very size; what is short is black.
    pub(crate) fn filled(size: Size, mut rgb: Vec<u8>) -> Self {
        rgb.resize(size.rgb_bytes(), 0);
        Self { size, rgb }
    }

    /// Decodes a JPEG or PNG and turns it upright. What a strict decoder would refuse is shown as far as it goes: an
    /// attacker is not strict.
    ///
    /// # Errors
    /// [`PictureError`] where nothing can be shown.
    pub fn decode(file: &[u8]) -> Result<Self, PictureError> {
        if file.starts_with(&[0x89, b'P', b'N', b'G']) {
            return decode_png(file);
        }
        let options = DecoderOptions::default()
            .set_strict_mode(false)
            .set_max_width(LARGEST)
            .set_max_height(LARGEST)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
        let rgb = decoder.decode().map_err(|_| PictureError::Undecodable)?;
        let info = decoder.info().ok_or(PictureError::Undecodable)?;
        let size = Size::new(info.width, info.height).map_err(|_| PictureError::Size)?;
        Ok(Self::new(size, rgb)?.turned(orientation(file)))
    }

    /// Size in pixels.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Width and height as indexes.
    #[must_use]
    pub fn sides(&self) -> (usize, usize) {
        (usize::from(self.size.width()), usize::from(self.size.height()))
    }

    /// RGB rows without padding.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// RGB rows without padding, to be changed.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// Encodes as baseline JPEG.
    ///
    /// # Errors
    /// [`PictureError::Encode`].
    pub fn jpeg(&self, sampling: SamplingFactor, quality: u8) -> Result<Vec<u8>, PictureError> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, quality);
        encoder.set_sampling_factor(sampling);
        encoder
            .encode(&self.rgb, self.size.width(), self.size.height(), ColorType::Rgb)
            .map_err(|_| PictureError::Encode)?;
        Ok(out)
    }

    /// Encodes as PNG: nothing is lost.
    ///
    /// # Errors
    /// [`PictureError::Encode`].
    pub fn png(&self) -> Result<Vec<u8>, PictureError> {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.size.width().into(), self.size.height().into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fastest);
        let mut writer = encoder.write_header().map_err(|_| PictureError::Encode)?;
        writer.write_image_data(&self.rgb).map_err(|_| PictureError::Encode)?;
        writer.finish().map_err(|_| PictureError::Encode)?;
        Ok(out)
    }

    /// The part inside `rect`, cut to the picture; nothing where they do not meet.
    #[must_use]
    pub fn cut(&self, rect: Rect) -> Option<Self> {
        let rect = rect.intersection(Rect::whole(self.size))?;
        let size = Size::new(rect.width(), rect.height()).ok()?;
        let (width, left) = (usize::from(self.size.width()) * 3, usize::from(rect.x0()) * 3);
        let rows = self.rgb.chunks_exact(width).skip(usize::from(rect.y0())).take(usize::from(rect.height()));
        let rgb = rows.flat_map(|row| row[left..left + usize::from(rect.width()) * 3].iter().copied()).collect();
        Some(Self { size, rgb })
    }

    /// Brightness of every pixel, 0 to 255.
    #[must_use]
    pub fn luma(&self) -> Plane {
        let values = self.rgb.chunks_exact(3).map(brightness).collect();
        let (width, height) = self.sides();
        Plane { width, height, values }
    }

    /// Means over `columns` x `rows` cells, red, green and blue of each: what an attacker compares.
    #[must_use]
    pub fn pooled(&self, columns: usize, rows: usize) -> Vec<f64> {
        let (width, height) = self.sides();
        let mut out = Vec::with_capacity(columns * rows * 3);
        for row in 0..rows {
            let (y0, y1) = cell(row, rows, height);
            for column in 0..columns {
                let (x0, x1) = cell(column, columns, width);
                let mut sum = [0.0; 3];
                for y in y0..y1 {
                    for pixel in self.rgb[(y * width + x0) * 3..(y * width + x1) * 3].chunks_exact(3) {
                        for (s, v) in sum.iter_mut().zip(pixel) {
                            *s += f64::from(*v);
                        }
                    }
                }
                let count = ((y1 - y0) * (x1 - x0)) as f64;
                out.extend(sum.map(|s| s / count));
            }
        }
        out
    }

    /// The upright picture as a camera stores it that writes orientation `code`: turned the other way.
    #[must_use]
    pub(crate) fn stored_as(&self, code: u32) -> Self {
        // Every one of the eight undoes itself, but for the two quarter turns, which undo each other.
        self.clone().turned(match code {
            6 => 8,
            8 => 6,
            other => other,
        })
    }

    /// The picture as EXIF orientation `code` says that it is to be shown.
    fn turned(self, code: u32) -> Self {
        let (transpose, flip_x, flip_y) = match code {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return self,
        };
        let (width, height) = self.sides();
        let (w, h) = if transpose { (height, width) } else { (width, height) };
        let mut rgb = vec![0; self.rgb.len()];
        for (at, pixel) in self.rgb.chunks_exact(3).enumerate() {
            let (x, y) = (at % width, at / width);
            let (x, y) = if transpose { (y, x) } else { (x, y) };
            let (x, y) = (if flip_x { w - 1 - x } else { x }, if flip_y { h - 1 - y } else { y });
            rgb[(y * w + x) * 3..][..3].copy_from_slice(pixel);
        }
        let size = if transpose { Size::new(self.size.height(), self.size.width()) } else { Ok(self.size) };
        Self { size: size.unwrap_or(self.size), rgb }
    }
}

/// First and last pixel, exclusive, of one of `count` cells over `side` pixels. Never empty.
fn cell(index: usize, count: usize, side: usize) -> (usize, usize) {
    let start = (index * side / count).min(side - 1);
    (start, ((index + 1) * side / count).clamp(start + 1, side))
}

fn brightness(pixel: &[u8]) -> f64 {
    let [r, g, b] = [0, 1, 2].map(|c| f64::from(pixel[c]));
    0.299 * r + 0.587 * g + 0.114 * b
}

/// The EXIF orientation of a JPEG; 1 where there is none that can be read.
pub(crate) fn orientation(file: &[u8]) -> u32 {
    let read = exif::Reader::new().read_from_container(&mut Cursor::new(file));
    let field = read.ok().and_then(|e| e.get_field(exif::Tag::Orientation, exif::In::PRIMARY).cloned());
    field.and_then(|f| f.value.get_uint(0)).unwrap_or(1)
}

fn decode_png(file: &[u8]) -> Result<Picture, PictureError> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|_| PictureError::Undecodable)?;
    let mut raw = vec![0; reader.output_buffer_size().ok_or(PictureError::Size)?];
    let info = reader.next_frame(&mut raw).map_err(|_| PictureError::Undecodable)?;
    let channels = info.color_type.samples();
    let pixels = raw.get(..info.buffer_size()).ok_or(PictureError::Size)?.chunks_exact(channels);
    let rgb = pixels.flat_map(|p| if channels >= 3 { [p[0], p[1], p[2]] } else { [p[0]; 3] }).collect();
    let side = |v: u32| u16::try_from(v).map_err(|_| PictureError::Size);
    let size = Size::new(side(info.width)?, side(info.height)?).map_err(|_| PictureError::Size)?;
    Picture::new(size, rgb)
}

/// One channel of a picture in floating point.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row.
    pub values: Vec<f64>,
}

impl Plane {
    /// Mean of all values.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len().max(1) as f64
    }

    /// Standard deviation of all values.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let sum: f64 = self.values.iter().map(|v| (v - mean) * (v - mean)).sum();
        (sum / self.values.len().max(1) as f64).sqrt()
    }
}

/// Peak signal to noise ratio in dB of two planes of one size, after rounding to what a file could hold. 99 for equal ones.
#[must_use]
pub fn psnr(a: &Plane, b: &Plane) -> f64 {
    let held = |v: f64| v.clamp(0.0, 255.0);
    let sum: f64 = a.values.iter().zip(&b.values).map(|(x, y)| (held(*x) - held(*y)).powi(2)).sum();
    let error = sum / a.values.len().max(1) as f64;
    if error < 1e-9 { 99.0 } else { (10.0 * (255.0_f64 * 255.0 / error).log10()).min(99.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        let size = Size::new(40, 24).unwrap();
        let rgb: Vec<u8> = (0..size.rgb_bytes()).map(|i| (i / 5 % 250) as u8).collect();
        let picture = Picture::new(size, rgb).unwrap();
        assert_eq!(Picture::decode(&picture.png().unwrap()).unwrap(), picture);
        let jpeg = Picture::decode(&picture.jpeg(SamplingFactor::F_1_1, 95).unwrap()).unwrap();
        assert!(psnr(&jpeg.luma(), &picture.luma()) > 30.0);
        assert_eq!(Picture::decode(b"nothing"), Err(PictureError::Undecodable));
    }

    #[test]
    fn what_is_stored_turned_is_shown_upright() {
        let size = Size::new(3, 2).unwrap();
        let picture = Picture::new(size, (0..18).collect()).unwrap();
        for code in 1..=8 {
            assert_eq!(picture.stored_as(code).turned(code), picture, "{code}");
        }
    }

    #[test]
    fn cells_are_never_empty_and_their_means_are_means() {
        let size = Size::new(3, 2).unwrap();
        let picture = Picture::new(size, (0..18).map(|v| v * 10).collect()).unwrap();
        assert_eq!(picture.pooled(1, 1), [75.0, 85.0, 95.0]);
        assert_eq!(picture.pooled(8, 8).len(), 192);
    }
}
