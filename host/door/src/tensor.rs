//! How a frame becomes a tensor, and how a box finds its way back.

use serde::{Deserialize, Serialize};

use crate::Size;

/// How a frame is fitted into a tensor of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Each axis is scaled on its own.
    Stretch,
    /// Aspect ratio kept, picture in the upper left corner, the rest grey 114.
    LetterboxTopLeft,
    /// Aspect ratio kept, picture centred, the rest grey 114.
    LetterboxCentre,
}

/// How 8-bit samples become floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scale {
    /// 0.0 to 255.0.
    #[serde(rename = "zero-to-255")]
    ZeroTo255,
    /// 0.0 to 1.0.
    #[serde(rename = "zero-to-one")]
    ZeroToOne,
    /// -1.0 to 1.0.
    #[serde(rename = "minus-one-to-one")]
    MinusOneToOne,
}

/// Order of the three channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// A preparation of a frame for a model. The tensor has shape `[1, 3, height, width]`, 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// Width and height of the tensor in pixels.
    pub size: Size,
    /// How the frame is fitted.
    pub fit: Fit,
    /// How samples are scaled.
    pub scale: Scale,
    /// Order of the channels.
    pub channels: Channels,
}

/// Where the picture lies inside the tensor, in tensor pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Left edge of the picture.
    pub x: u16,
    /// Upper edge of the picture.
    pub y: u16,
    /// Size of the picture inside the tensor.
    pub size: Size,
}

impl TensorSpec {
    /// Where a frame of this size lies inside the tensor.
    #[must_use]
    pub fn placement(&self, frame: Size) -> Placement {
        if self.fit == Fit::Stretch {
            return Placement { x: 0, y: 0, size: self.size };
        }
        let (w, h) = (u64::from(frame.width()), u64::from(frame.height()));
        let (tw, th) = (u64::from(self.size.width()), u64::from(self.size.height()));
        // Scale by the tighter axis and round to nearest; integers keep this equal to the plugin's own arithmetic.
        let (pw, ph) = if w * th >= h * tw { (tw, (h * tw + w / 2) / w) } else { ((w * th + h / 2) / h, th) };
        let pw = u16::try_from(pw.clamp(1, tw)).unwrap_or(self.size.width());
        let ph = u16::try_from(ph.clamp(1, th)).unwrap_or(self.size.height());
        let size = Size::new(pw, ph).unwrap_or(self.size);
        let (x, y) = match self.fit {
            Fit::LetterboxCentre => ((self.size.width() - pw) / 2, (self.size.height() - ph) / 2),
            Fit::Stretch | Fit::LetterboxTopLeft => (0, 0),
        };
        Placement { x, y, size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placement_keeps_the_shape() {
        let spec = |fit| TensorSpec {
            size: Size::new(640, 384).unwrap(),
            fit,
            scale: Scale::ZeroToOne,
            channels: Channels::Rgb,
        };
        let frame = Size::new(1920, 1080).unwrap();
        let placed = spec(Fit::LetterboxCentre).placement(frame);
        assert_eq!((placed.x, placed.y, placed.size), (0, 12, Size::new(640, 360).unwrap()));
        assert_eq!(spec(Fit::LetterboxTopLeft).placement(frame).y, 0);
        assert_eq!(spec(Fit::Stretch).placement(frame).size, Size::new(640, 384).unwrap());
        let tall = spec(Fit::LetterboxTopLeft).placement(Size::new(1, 65535).unwrap());
        assert_eq!(tall.size, Size::new(1, 384).unwrap());
    }
}
