//! For `examples/train.rs` and `examples/measure.rs` only: the plugin's own eyes, so that what is trained and measured
//! is what runs.

use vaern_sdk::{Frame, FrameError, Region, Size, shrink};

pub use crate::channels::{CELLS, COUNT, Channels, View};
pub use crate::score::{MEANS, NONE, Question, SHAPES, Tree, feature, leaf, sum};
pub use crate::windows::{Window, each};

/// What the plugin makes of a frame before it looks at windows.
///
/// # Errors
/// [`FrameError`] where the frame cannot be read.
pub fn channels<F: Frame>(frame: &F) -> Result<(Channels, u16), FrameError> {
    let picture = shrink(frame, crate::factor(frame.size()))?;
    Ok((Channels::of(&picture), picture.factor))
}

/// What the plugin would find with these trees.
pub fn find(
    channels: &Channels,
    size: Size,
    factor: u16,
    trees: &[Tree],
    reject: &[i32],
    threshold: i32,
) -> Vec<(i32, Region)> {
    crate::find(channels, size, factor, trees, reject, threshold)
}
