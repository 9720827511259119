//! What the plugin is told of its model: a text at a marked place of the component.
//!
//! The door has no way to hand a plugin settings, and needs none: the release binds the component's bytes, so what is
//! written here is signed and approved like everything else. `vaern plugin from-onnx` writes it; anyone can read it with
//! `strings`.

use vaern_sdk::{Channels, Fit, Scale, Size, TensorSpec};

/// Bytes of the place, mark included.
pub const PLACE: usize = 4096;
/// Begins the place. It stands once in a component.
pub const MARK: &[u8; 32] = b"vaern detector head, version 1: ";

/// The place as the compiler writes it. What is unwritten is no blank: a linker may leave blanks out.
pub static WRITTEN: [u8; PLACE] = unwritten();

const fn unwritten() -> [u8; PLACE] {
    let mut bytes = [b'#'; PLACE];
    let mut at = 0;
    while at < MARK.len() {
        #[expect(clippy::indexing_slicing, reason = "in a constant: checked by the compiler")]
        {
            bytes[at] = MARK[at];
        }
        at += 1;
    }
    bytes
}

/// How a model's answer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[1, N, 5 + C]`: a row for each cell of the grids of stride 8, 16 and 32, boxes relative to the cell, objectness.
    Grid,
    /// `[1, 4 + C, N]`: centre and size in pixels of the tensor, no objectness.
    Columns,
}

/// What the plugin knows of its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Layout of the answer.
    pub layout: Layout,
    /// How the model wants its frame.
    pub spec: TensorSpec,
    /// The frame that it asks for at most.
    pub frame: Size,
    /// Least score in percent.
    pub threshold: u8,
    /// Overlap in percent above which two boxes of one label are one object.
    pub overlap: u8,
    /// Number of the model's classes.
    pub classes: u16,
    /// Labels of the plugin.
    pub labels: Vec<String>,
    /// For each class that counts: the class, and the index of its label.
    pub kept: Vec<(u16, u16)>,
}

impl Head {
    /// Reads the text: one line for each value, in this order, ended by `end`. `None` for any other text.
    #[must_use]
    pub fn read(place: &[u8]) -> Option<Self> {
        let text = place.strip_prefix(MARK.as_slice())?;
        let text = core::str::from_utf8(text).ok()?;
        let mut lines = text.lines();
        let mut line = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let layout = match line("layout")? {
            "grid" => Layout::Grid,
            "columns" => Layout::Columns,
            _ => return None,
        };
        let size = pair(line("tensor")?)?;
        let fit = match line("fit")? {
            "stretch" => Fit::Stretch,
            "letterbox-top-left" => Fit::LetterboxTopLeft,
            "letterbox-centre" => Fit::LetterboxCentre,
            _ => return None,
        };
        let scale = match line("scale")? {
            "zero-to-255" => Scale::ZeroTo255,
            "zero-to-one" => Scale::ZeroToOne,
            "minus-one-to-one" => Scale::MinusOneToOne,
            _ => return None,
        };
        let channels = match line("channels")? {
            "rgb" => Channels::Rgb,
            "bgr" => Channels::Bgr,
            _ => return None,
        };
        let frame = pair(line("frame")?)?;
        let threshold = line("threshold")?.parse().ok().filter(|t| (1..=100).contains(t))?;
        let overlap = line("overlap")?.parse().ok().filter(|t| (1..=100).contains(t))?;
        let classes = line("classes")?.parse().ok()?;
        let labels: Vec<String> = line("labels")?.split(' ').map(str::to_owned).collect();
        let kept = line("kept")?.split(' ').map(|word| {
            let (class, label) = word.split_once(':')?;
            let (class, label): (u16, u16) = (class.parse().ok()?, label.parse().ok()?);
            (class < classes && usize::from(label) < labels.len()).then_some((class, label))
        });
        let kept = kept.collect::<Option<Vec<_>>>()?;
        (lines.next()? == "end").then_some(())?;
        Some(Self {
            layout,
            spec: TensorSpec { size, fit, scale, channels },
            frame,
            threshold,
            overlap,
            classes,
            labels,
            kept,
        })
    }
}

fn pair(text: &str) -> Option<Size> {
    let (width, height) = text.split_once('x')?;
    Some(Size { width: width.parse().ok().filter(|w| *w > 0)?, height: height.parse().ok().filter(|h| *h > 0)? })
}
