//! What both sides of the wall share: digests, names, pixel geometry, tensor specs, the manifest, grants and detections.
//!
//! This crate reads no file and holds no pixel. It depends on none of the other rooms of the house, so that a type that
//! two of them need has a place to live. Every type here is valid once constructed: decode at the edge, then trust.

mod blame;
mod detection;
mod digest;
mod geometry;
mod grants;
pub mod guard;
mod manifest;
mod names;
mod tensor;

pub use blame::{Blame, Krav};
pub use detection::{AdmittedDetection, Detection};
pub use digest::{Digest, DigestError};
pub use geometry::{GeometryError, Rect, Size};
pub use grants::{Grants, Interface, Limits, OutputRules};
pub use manifest::{Licences, Manifest, ManifestModel};
pub use names::{Label, Name, NameError, Version};
pub use tensor::{Channels, Fit, Placement, Scale, TensorSpec};
