//! What a plugin may say, before and after the host has made it canonical.

use serde::Serialize;

use crate::{Label, Rect};

/// A plugin's answer, decoded but not yet judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    /// Index into the labels of the plugin's description.
    pub label: u16,
    /// Where, in pixels of the frame. Inside the frame.
    pub rect: Rect,
    /// 0 to 255.
    pub score: u8,
}

/// A detection that passed the output rules: on the grid, in steps, in order, of a granted label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdmittedDetection {
    /// The label, from the city's vocabulary.
    pub label: Label,
    /// Where, in pixels of the clear frame.
    pub rect: Rect,
    /// Score as the upper value of its step, 0 to 255.
    pub score: u8,
    /// Part of the box, at most half, lies under a mask (STD-04).
    pub delvist_maskeret: bool,
}
