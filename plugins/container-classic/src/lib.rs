//! Reference plugin with a view: classical vision on the pixels of the frame, and no model.
//!
//! The frame is read in strips and made small ([`vaern_sdk::shrink`]). From the small picture come nine channels (light,
//! colour, edges in four directions) as integral images, so that the mean of any rectangle costs four look-ups. Windows
//! of the sizes that a container can have where it stands on the ground are scored by a short row of small decision
//! trees over those means; most windows are given up after the first few. Everything is integer arithmetic: the same
//! frame gives the same answer on every machine.
//!
//! The trees in `trees.rs` are made by `examples/train.rs`, the figures in the README by `examples/measure.rs`.
#![deny(missing_docs)]

mod channels;
mod scan;
mod score;
mod trees;
mod windows;

#[doc(hidden)]
pub mod tools;

use vaern_sdk::{
    Candidate, Description, Detection, Frame, Placement, Plugin, PluginError, Region, Size, Suppress, shrink, suppress,
};

use channels::Channels;
use score::Tree;
use windows::Window;

/// Pixels across of the small picture, roughly.
const SMALL: u16 = 320;
/// Windows that overlap by more than this see the same container.
const SAME_IOU: f32 = 0.4;
/// The strongest windows of one container are averaged: those that overlap its best by more than this.
const VOTE_IOU: f32 = 0.6;
/// Answers below this are not given: here as many are right as are missed (README). The city's own floor comes after it.
const LEAST_SCORE: u8 = 175;
/// Windows kept for suppression. More than this and the frame is noise, not a street.
const MOST_WINDOWS: usize = 600;

/// The plugin.
pub struct ContainerClassic;

impl Plugin for ContainerClassic {
    fn describe() -> Description {
        Description { labels: &["affaldscontainer"], frame: Size { width: 1280, height: 720 } }
    }

    fn detect<F: Frame>(frame: &F) -> Result<Vec<Detection>, PluginError> {
        let size = frame.size();
        let picture = shrink(frame, factor(size))?;
        let found = find(&Channels::of(&picture), size, picture.factor, trees::TREES, trees::REJECT, trees::THRESHOLD);
        Ok(found
            .into_iter()
            .map(|(sum, region)| Detection { label: 0, region, score: score::byte(sum - trees::THRESHOLD) })
            .filter(|detection| detection.score >= LEAST_SCORE)
            .collect())
    }
}

/// How much smaller the small picture is.
fn factor(size: Size) -> u16 {
    ((size.width + SMALL / 2) / SMALL).max(1)
}

fn candidate(sum: i32, window: &Window) -> Candidate {
    // Window corners are small whole numbers, exact in a float.
    let [x0, y0, x1, y1] = [window.x0, window.y0, window.x1, window.y1].map(|v| v as f32);
    Candidate { label: 0, score: sum as f32, x0, y0, x1, y1 }
}

/// Containers and their sums, the strongest first.
pub(crate) fn find(
    channels: &Channels,
    size: Size,
    factor: u16,
    trees: &[Tree],
    reject: &[i32],
    threshold: i32,
) -> Vec<(i32, Region)> {
    let mut hits = scan::hits(channels, trees, reject, threshold);
    // The strongest first, and of equals the first in the order of the windows: a total order.
    hits.sort_by_key(|(sum, window)| (-*sum, *window));
    hits.truncate(MOST_WINDOWS);
    let all: Vec<Candidate> = hits.iter().map(|(sum, window)| candidate(*sum, window)).collect();
    let whole = Placement { x: 0, y: 0, size, frame: size };
    let best = suppress(all.clone(), SAME_IOU, Suppress::AnyLabel);
    best.iter()
        .filter_map(|best| {
            let (mut weight, mut corners) = (0.0, [0.0_f32; 4]);
            for near in all.iter().filter(|near| near.iou(best) > VOTE_IOU) {
                // What clears the threshold by more has more to say, and what barely clears it a little.
                let says = near.score - threshold as f32 + 1.0;
                weight += says;
                for (corner, value) in corners.iter_mut().zip([near.x0, near.y0, near.x1, near.y1]) {
                    *corner += value * says;
                }
            }
            // One pixel of the small picture is `factor` pixels of the frame, from the upper left corner.
            let [x0, y0, x1, y1] = corners.map(|corner| corner / weight * f32::from(factor));
            Some((best.score as i32, whole.to_frame(x0, y0, x1, y1)?))
        })
        .collect()
}

vaern_sdk::export!(ContainerClassic);

#[cfg(test)]
mod tests;
