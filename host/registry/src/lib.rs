//! Releases to and from registries: the same bytes in another place, and nothing believed on the way.
//!
//! A release is pushed as what it is, an OCI image index by its digest, under a tag for people. Statements and compiled code are
//! its referrers: manifests with the release as their `subject`, listed in an index under the tag `sha256-…` that the OCI
//! specification gives to registries without an interface for referrers, which every registry serves.
//!
//! What is pulled lies in a layout that the release chain then verifies as if it had come on a stick. Here only so much is
//! checked that nothing comes without end: digests, sizes, numbers and time. A layout has its index last, so one that was cut
//! off holds no release.

mod client;
mod error;
mod place;
mod pull;
mod push;
mod tree;

pub use client::{Access, Login, Patience};
pub use error::{CertificateFault, RegistryError};
pub use place::Place;
pub use pull::pull;
pub use push::{Pushed, push};
