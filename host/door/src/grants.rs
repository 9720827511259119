//! What a release may do on this node: integers and sets, frozen at load. The frame path reads nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Label, Size, TensorSpec};

/// Something a plugin may be given beyond the size of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interface {
    /// `frame.pixels`, `frame.rows`, `frame.tensor`: the masked pixels themselves.
    Pixels,
    /// `frame.zoom`: native resolution of the masked frame.
    Zoom,
    /// `models`: the models of the same release. A plugin with only this is pixel-blind.
    Models,
    /// `diagnostics`: words for the author, never in operation.
    Diagnostics,
}

impl Interface {
    /// The name used in policies and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pixels => "pixels",
            Self::Zoom => "zoom",
            Self::Models => "models",
            Self::Diagnostics => "diagnostics",
        }
    }
}

/// Frozen at load from policy and manifest. Made by `vaern-policy` only; a release without one does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Interfaces that the plugin may call.
    pub interfaces: BTreeSet<Interface>,
    /// Largest frame that the plugin is handed.
    pub frame: Size,
    /// Tensor specs that it may use.
    pub tensors: Vec<TensorSpec>,
    /// Labels that may leave, in the order of the plugin's `describe`.
    pub labels: Vec<Label>,
    /// Resource limits.
    pub limits: Limits,
    /// What happens to its answers.
    pub output: OutputRules,
}

/// Resource limits of one instance. Every one is enforced; a limit that is only declared is a defect (SBX-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of an instance, in bytes.
    pub memory_bytes: u64,
    /// Elements of all tables of an instance.
    pub table_elements: u32,
    /// Core instances, memories and tables inside the component.
    pub instances: u32,
    /// Wall time of one call of `detect` or `describe`, models included, in milliseconds.
    pub deadline_ms: u32,
    /// Bytes that one call may carry from the guest to the host.
    pub hostcall_bytes: u32,
    /// Resource handles alive at once.
    pub handles: u32,
    /// Guest stack in bytes.
    pub stack_bytes: u32,
    /// Bytes of diagnostics kept per frame.
    pub log_bytes: u32,
    /// Native pixels that `zoom` may hand out per frame.
    pub zoom_pixels: u32,
    /// Largest component file in bytes.
    pub component_bytes: u64,
    /// Largest model file in bytes.
    pub model_bytes: u64,
}

impl Limits {
    /// Wall time of one call.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.deadline_ms))
    }
}

/// How answers are made canonical before anyone sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputRules {
    /// Boxes are snapped outward to this grid, in pixels of the frame; at least 1.
    pub grid: u16,
    /// Number of score steps, 2 to 255.
    pub score_steps: u8,
    /// Detections with a score below this (0 to 255) are dropped.
    pub min_score: u8,
    /// Detections kept per frame.
    pub max_detections: u16,
    /// Bits that one frame's answer may carry; what does not fit is dropped, weakest first.
    pub bits_per_frame: u32,
    /// Bits that all answers of a release may carry in one hour of captures; past it no box leaves until the hour allows (EXF-18).
    pub bits_per_hour: u32,
}
