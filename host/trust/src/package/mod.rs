//! Releases as packages: one OCI image index that binds component, models and manifest.
//!
//! ```text
//! oci-layout
//! index.json                      names the release index and the statements about it; itself unsigned
//! blobs/sha256/…                  release index   → component artifact (CNCF wasm artifact)
//!                                                 → manifest artifact, model artifacts, model card, SBOM
//!                                 statements      → DSSE envelope, with the release index as OCI `subject`
//! ```
//!
//! The release's identity is the digest of its index. Names and versions are for people.

mod component;
mod contents;
mod error;
mod layout;
mod oci;
mod pack;
mod sbom;
mod supplement;

pub use component::{Ports, examine};
pub use contents::{Contents, inspect};
pub use error::PkgError;
pub use pack::{PackInputs, pack};
pub use sbom::sbom_from_cargo_lock;

pub(crate) use contents::read_contents;
pub(crate) use layout::{Layout, Shelf, Shelved, StatementKind};
pub(crate) use supplement::supplement;
