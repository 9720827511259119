//! Small decision trees over means of channels.

use crate::channels::{CELLS, COUNT, Channels, View};
use crate::windows::Window;

/// Features that are means of cells.
pub const MEANS: usize = COUNT * CELLS * CELLS;
/// Place and shape of the window: lower edge, height, width, height against place.
pub const SHAPES: usize = 4;
/// Stands in for "no second feature".
pub const NONE: u16 = u16::MAX;

/// One question: is feature `a` (less feature `b`, if there is one) at least `least`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// First feature.
    pub a: u16,
    /// Second feature.
    pub b: u16,
    /// The least value for which the answer is yes.
    pub least: i16,
}

/// Seven questions in the order of a binary heap, eight answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// The questions.
    pub questions: [Question; 7],
    /// What each way through the questions adds to the sum.
    pub leaves: [i16; 8],
}

/// Feature `f` of a window. Means of cells lie on a grid of 6 by 6 over the window and a quarter of it on each side.
pub fn feature(channels: &Channels, view: &View<'_>, window: &Window, f: u16) -> i32 {
    let f = usize::from(f);
    if f < MEANS {
        let (channel, cell) = (f / (CELLS * CELLS), f % (CELLS * CELLS));
        return view.mean(channel, cell % CELLS, cell / CELLS);
    }
    shape(channels, window, f - MEANS)
}

/// Place and shape of a window, 0 to 255.
pub(crate) fn shape(channels: &Channels, window: &Window, which: usize) -> i32 {
    let (wide, tall) = (window.x1 - window.x0, window.y1 - window.y0);
    let height = (channels.height as i32).max(1);
    match which {
        0 => (window.y1 * 200 / height).clamp(0, 255),
        1 => (tall * 400 / height).clamp(0, 255),
        2 => (wide * 64 / tall.max(1)).clamp(0, 255),
        _ => (tall * 160 / (window.y1 - height * 33 / 100).max(1)).clamp(0, 255),
    }
}

/// What one tree adds.
pub fn leaf(tree: &Tree, mut ask: impl FnMut(&Question) -> i32) -> i32 {
    let mut node = 0;
    while let Some(question) = tree.questions.get(node) {
        node = node * 2 + 1 + usize::from(ask(question) >= i32::from(question.least));
    }
    tree.leaves.get(node - tree.questions.len()).copied().map_or(0, i32::from)
}

/// Sum over all trees, or nothing as soon as it falls below what a container has there.
pub fn sum(channels: &Channels, window: &Window, trees: &[Tree], reject: &[i32]) -> Option<i32> {
    let view = channels.view(window);
    let mut sum = 0;
    for (tree, least) in trees.iter().zip(reject) {
        sum += leaf(tree, |question| {
            let a = feature(channels, &view, window, question.a);
            if question.b == NONE { a } else { a - feature(channels, &view, window, question.b) }
        });
        if sum < *least {
            return None;
        }
    }
    Some(sum)
}

/// The score of a detection: 128 at the threshold, towards 255 far above it.
pub(crate) fn byte(above: i32) -> u8 {
    let above = i64::from(above.max(0));
    u8::try_from(128 + 127 * above / (above + 512)).unwrap_or(255)
}
