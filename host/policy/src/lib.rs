//! From the city's files to frozen grants: purposes, profiles, the list of pinned models, and the vocabulary.
//!
//! This crate reads policy files and decides what a release may have. It never sees a frame. Fences, cameras and masking
//! policies belong to the privacy gate; here they are bytes that count toward the digest of the policy set.

mod error;
mod grant;
mod models;
mod profile;
mod purpose;
mod set;

pub use error::PolicyError;
pub use models::{DecoderKind, ModelClass, ModelList, PinnedModel};
pub use profile::Profile;
pub use purpose::Purpose;
pub use set::PolicySet;
