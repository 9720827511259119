//! Clear frames: masked pixels and nothing else. The only thing of a capture that leaves this crate as a picture.

use std::fmt;
use std::sync::Arc;

use jpeg_encoder::{ColorType, Encoder};
use vaern_door::{Rect, Size, guard};
use vaern_memory::Pages;

use crate::mask::{MaskSet, MaskedRect, fill};
use crate::raw::RawFrame;
use crate::refusal::{MaskingFault, Refusal};
use crate::resize::resized;

/// A random name for a frame: two plugins cannot join on it, and it tells nothing of order or place (MIN-10, FRM-08).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameId([u8; 16]);

impl FrameId {
    fn random() -> Result<Self, Refusal> {
        let mut bytes = [0; 16];
        if guard::stands("privacy.random-ids") {
            getrandom::fill(&mut bytes).map_err(|_| MaskingFault::Randomness)?;
        }
        Ok(Self(bytes))
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Why a clear frame could not be made into what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClearError {
    /// The resizer failed.
    #[error("the frame could not be scaled")]
    Scale,
    /// The encoder failed.
    #[error("the frame could not be encoded")]
    Encode,
}

/// A masked frame: no metadata, no position, no pixel from under a mask. Cheap to clone; the pixels are shared.
#[derive(Clone)]
pub struct ClearFrame {
    id: FrameId,
    rgb: Arc<Pages>,
    size: Size,
    masked: Arc<Vec<MaskedRect>>,
    rects: Arc<Vec<Rect>>,
}

impl ClearFrame {
    /// Takes over the buffer of a frame that was just masked with `set`.
    pub(crate) fn from_masked(frame: RawFrame, set: &MaskSet) -> Result<Self, Refusal> {
        let size = frame.size();
        let id = FrameId::random()?;
        Ok(Self::new(id, frame.into_masked(), size, set.rects().to_vec()))
    }

    fn new(id: FrameId, rgb: Pages, size: Size, masked: Vec<MaskedRect>) -> Self {
        let rects = masked.iter().map(|m| m.rect).collect();
        Self { id, rgb: Arc::new(rgb), size, masked: Arc::new(masked), rects: Arc::new(rects) }
    }

    /// The random name of this frame.
    #[must_use]
    pub const fn id(&self) -> FrameId {
        self.id
    }

    /// Size in pixels.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// RGB rows without padding.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The masked rectangles, in pixels of this frame. They may overlap.
    #[must_use]
    pub fn masked(&self) -> &[Rect] {
        &self.rects
    }

    /// RGB rows of a part of the masked frame; nothing where the part reaches past the frame.
    #[must_use]
    pub fn crop(&self, part: Rect) -> Option<Vec<u8>> {
        if part.intersection(Rect::whole(self.size)) != Some(part) {
            return None;
        }
        let (left, length) = (usize::from(part.x0()) * 3, usize::from(part.width()) * 3);
        let rows = self.rgb.chunks_exact(usize::from(self.size.width()) * 3);
        let mut out = Vec::with_capacity(length * usize::from(part.height()));
        for row in rows.skip(usize::from(part.y0())).take(usize::from(part.height())) {
            out.extend_from_slice(row.get(left..left + length)?);
        }
        Some(out)
    }

    /// The same frame, no larger than `limit` in either direction, of the same shape and the same name.
    ///
    /// # Errors
    /// [`ClearError::Scale`] where the resizer fails.
    pub fn scaled_to(&self, limit: Size) -> Result<Self, ClearError> {
        let to = self.size.fitted_into(limit);
        if to == self.size {
            return Ok(self.clone());
        }
        let mut rgb = resized(&self.rgb, self.size, to).ok_or(ClearError::Scale)?;
        let masked: Vec<MaskedRect> = self
            .masked
            .iter()
            .filter_map(|m| scaled(m.rect, self.size, to).map(|rect| MaskedRect { rect, ..*m }))
            .collect();
        // Filled again: a pixel that lies partly under a mask is under it altogether (FRM-22).
        if guard::stands("privacy.fill-after-scaling") {
            fill(&mut rgb, to, &masked);
        }
        Ok(Self::new(self.id, rgb, to, masked))
    }

    /// The frame as a baseline JPEG made from its pixels. It holds SOI, DQT, SOF0, DHT, SOS and EOI, and no other segment.
    ///
    /// # Errors
    /// [`ClearError::Encode`] where the encoder fails or writes a segment that is not on the list.
    pub fn encode_jpeg(&self, quality: u8) -> Result<Vec<u8>, ClearError> {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, quality.clamp(1, 100))
            .encode(&self.rgb, self.size.width(), self.size.height(), ColorType::Rgb)
            .map_err(|_| ClearError::Encode)?;
        allow_listed(&bytes).ok_or(ClearError::Encode)
    }
}

impl fmt::Debug for ClearFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClearFrame({}, {}x{}, {} masks)", self.id, self.size.width(), self.size.height(), self.masked.len())
    }
}

/// A rectangle in the scaled frame, rounded outward.
fn scaled(rect: Rect, from: Size, to: Size) -> Option<Rect> {
    let low = |v: u16, from: u16, to: u16| u16::try_from(u32::from(v) * u32::from(to) / u32::from(from));
    let high = |v: u16, from: u16, to: u16| {
        u16::try_from((u32::from(v) * u32::from(to)).div_ceil(u32::from(from))).map(|v| v.min(to))
    };
    Rect::new(
        low(rect.x0(), from.width(), to.width()).ok()?,
        low(rect.y0(), from.height(), to.height()).ok()?,
        high(rect.x1(), from.width(), to.width()).ok()?,
        high(rect.y1(), from.height(), to.height()).ok()?,
    )
    .ok()
}

/// Copies the segments that a picture needs and leaves out every APPn and COM; anything unexpected is refused.
fn allow_listed(jpeg: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(jpeg.len());
    out.extend_from_slice(jpeg.strip_prefix(&[0xFF, 0xD8]).map(|_| &[0xFF, 0xD8])?);
    let mut at = 2;
    loop {
        let [0xFF, marker, l1, l0] = *jpeg.get(at..at + 4)? else { return None };
        let end = at + 2 + usize::from(u16::from_be_bytes([l1, l0]));
        match marker {
            // DQT, SOF0, DHT.
            0xDB | 0xC0 | 0xC4 => out.extend_from_slice(jpeg.get(at..end)?),
            // APPn, COM.
            0xE0..=0xEF | 0xFE if guard::stands("privacy.segments") => {}
            0xE0..=0xEF | 0xFE => out.extend_from_slice(jpeg.get(at..end)?),
            // SOS: the rest is entropy-coded data up to the end marker.
            0xDA => {
                let rest = jpeg.get(at..)?;
                rest.strip_suffix(&[0xFF, 0xD9])?;
                out.extend_from_slice(rest);
                return Some(out);
            }
            _ => return None,
        }
        at = end;
    }
}
