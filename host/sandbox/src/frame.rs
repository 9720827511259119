//! A clear frame as it arrives on the vendor's side of the wall: masked, without metadata or position.

use std::sync::Arc;

use bytes::Bytes;
use vaern_door::{Rect, Size};

use crate::SandboxError;

/// One masked frame. Cloning shares the pixels.
#[derive(Debug, Clone)]
pub struct ReceivedFrame {
    size: Size,
    rgb: Bytes,
    masked: Arc<[Rect]>,
    native: Option<NativeView>,
}

/// The same masked frame at the camera's resolution, for `zoom`.
#[derive(Debug, Clone)]
pub struct NativeView {
    size: Size,
    rgb: Bytes,
}

impl NativeView {
    /// Takes the pixels if they match the size.
    ///
    /// # Errors
    /// [`SandboxError::Setup`] where they do not.
    pub fn new(size: Size, rgb: Arc<[u8]>) -> Result<Self, SandboxError> {
        Self::of(size, Bytes::from_owner(rgb))
    }

    pub(crate) fn of(size: Size, rgb: Bytes) -> Result<Self, SandboxError> {
        if rgb.len() == size.rgb_bytes() { Ok(Self { size, rgb }) } else { Err(SandboxError::Setup("native frame")) }
    }

    pub(crate) const fn parts(&self) -> (Size, &Bytes) {
        (self.size, &self.rgb)
    }
}

impl ReceivedFrame {
    /// Takes the pixels if they match the size, and the masks if they lie inside the frame.
    ///
    /// # Errors
    /// [`SandboxError::Setup`] where they do not.
    pub fn new(
        size: Size,
        rgb: Arc<[u8]>,
        masked: Arc<[Rect]>,
        native: Option<NativeView>,
    ) -> Result<Self, SandboxError> {
        Self::of(size, Bytes::from_owner(rgb), masked, native)
    }

    /// As [`Self::new`], of pixels that lie anywhere: a mapped slot, for one.
    pub(crate) fn of(
        size: Size,
        rgb: Bytes,
        masked: Arc<[Rect]>,
        native: Option<NativeView>,
    ) -> Result<Self, SandboxError> {
        if rgb.len() != size.rgb_bytes() {
            return Err(SandboxError::Setup("frame"));
        }
        if masked.iter().any(|m| m.x1() > size.width() || m.y1() > size.height()) {
            return Err(SandboxError::Setup("masks"));
        }
        Ok(Self { size, rgb, masked, native })
    }

    /// Size in pixels.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// RGB, rows from top to bottom.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels, shared instead of copied.
    pub(crate) const fn shared(&self) -> &Bytes {
        &self.rgb
    }

    /// The frame at the camera's resolution, where there is one.
    pub(crate) const fn native(&self) -> Option<&NativeView> {
        self.native.as_ref()
    }

    /// The masked rectangles. The host's own knowledge: a plugin is never told.
    #[must_use]
    pub fn masked(&self) -> &[Rect] {
        &self.masked
    }

    /// Rows `y..y + count`, if they exist.
    pub(crate) fn rows(&self, y: u16, count: u16) -> Option<Bytes> {
        let stride = usize::from(self.size.width()) * 3;
        let end = y.checked_add(count)?;
        if count == 0 || end > self.size.height() {
            return None;
        }
        // The frame is as long as its size says, so these rows are inside it.
        Some(self.rgb.slice(usize::from(y) * stride..usize::from(end) * stride))
    }

    /// The size that a region has at native resolution.
    pub(crate) fn zoomed_size(&self, region: Rect) -> Option<Size> {
        let native = self.native_rect(region)?;
        Size::new(native.width(), native.height()).ok()
    }

    /// The pixels of a region at native resolution.
    pub(crate) fn zoomed(&self, region: Rect) -> Option<Vec<u8>> {
        let rect = self.native_rect(region)?;
        let (size, rgb) = self.native.as_ref().map_or((self.size, &self.rgb), |n| (n.size, &n.rgb));
        let mut out = Vec::with_capacity(usize::from(rect.width()) * usize::from(rect.height()) * 3);
        for y in rect.y0()..rect.y1() {
            let row = usize::from(y) * usize::from(size.width());
            out.extend_from_slice(rgb.get((row + usize::from(rect.x0())) * 3..(row + usize::from(rect.x1())) * 3)?);
        }
        Some(out)
    }

    /// The native pixels that a region touches.
    fn native_rect(&self, region: Rect) -> Option<Rect> {
        let Some(native) = &self.native else { return Some(region) };
        let scale = |v: u16, to: u16, of: u16, up: bool| {
            let product = u64::from(v) * u64::from(to);
            let of = u64::from(of);
            u16::try_from(if up { product.div_ceil(of) } else { product / of }).ok()
        };
        let (w, h) = (self.size.width(), self.size.height());
        let (nw, nh) = (native.size.width(), native.size.height());
        Rect::new(
            scale(region.x0(), nw, w, false)?,
            scale(region.y0(), nh, h, false)?,
            scale(region.x1(), nw, w, true)?,
            scale(region.y1(), nh, h, true)?,
        )
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(w: u16, h: u16) -> Size {
        Size::new(w, h).unwrap()
    }

    #[test]
    fn zoom_reads_the_native_pixels_of_the_region() {
        let native: Vec<u8> = (0..size(8, 6).pixels()).flat_map(|i| [i as u8; 3]).collect();
        let view = NativeView::new(size(8, 6), native.into()).unwrap();
        let frame = ReceivedFrame::new(size(4, 3), vec![0; 36].into(), Arc::new([]), Some(view)).unwrap();
        let region = Rect::new(1, 1, 2, 2).unwrap();
        assert_eq!(frame.zoomed_size(region), Some(size(2, 2)));
        let pixels: Vec<u8> = frame.zoomed(region).unwrap().chunks(3).map(|p| p[0]).collect();
        assert_eq!(pixels, [18, 19, 26, 27]);
        let whole = frame.zoomed(Rect::whole(size(4, 3))).unwrap();
        assert_eq!(whole.len(), size(8, 6).rgb_bytes());
    }

    #[test]
    fn rows_outside_the_frame_do_not_exist() {
        let frame = ReceivedFrame::new(size(2, 3), (0..18).collect(), Arc::new([]), None).unwrap();
        assert_eq!(frame.rows(1, 1).as_deref(), Some(&[6, 7, 8, 9, 10, 11][..]));
        assert_eq!(frame.rows(0, 3).map(|rows| rows.len()), Some(18));
        for (y, count) in [(0, 0), (0, 4), (3, 1), (u16::MAX, 1), (1, u16::MAX)] {
            assert_eq!(frame.rows(y, count), None, "{y} {count}");
        }
    }

    #[test]
    fn pixels_that_do_not_match_are_no_frame() {
        assert!(ReceivedFrame::new(size(2, 2), vec![0; 11].into(), Arc::new([]), None).is_err());
        let outside = Arc::new([Rect::new(0, 0, 3, 1).unwrap()]);
        assert!(ReceivedFrame::new(size(2, 2), vec![0; 12].into(), outside, None).is_err());
    }
}
