//! What is attacked: anything that takes a picture and boxes and gives a masked picture back.

use vaern_door::Rect;
use vaern_privacy::SeenBox;

use crate::picture::{Picture, PictureError};

/// What left a masking tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked {
    /// The pixels that leave: before any compression, where the tool hands out pixels.
    pub picture: Picture,
    /// The file that leaves.
    pub file: Vec<u8>,
    /// Where the tool says that it masked, in upright pixels.
    pub rects: Vec<Rect>,
}

/// The tool let nothing out. Why is its own affair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing was let out: {0}")]
pub struct Refused(pub String);

impl From<PictureError> for Refused {
    fn from(error: PictureError) -> Self {
        Self(error.to_string())
    }
}

/// A masking under test.
pub trait Masker: Sync {
    /// Name in tables.
    fn name(&self) -> &'static str;

    /// Masks the boxes, in pixels of the upright picture, of a JPEG or PNG file.
    ///
    /// # Errors
    /// [`Refused`] where the tool lets nothing out.
    fn mask(&self, file: &[u8], boxes: &[SeenBox]) -> Result<Masked, Refused>;
}

/// A box of a class, seen with certainty.
#[must_use]
pub fn seen(class: vaern_privacy::PeopleClass, bbox: [u16; 4]) -> SeenBox {
    let [x0, y0, x1, y1] = bbox.map(f32::from);
    SeenBox { class, x0, y0, x1, y1, score: 0.99 }
}
