//! From the city's files to frozen grants: the requirements catalogue, the rules, purposes, profiles and pinned models.
//!
//! This crate reads policy files and decides what a release may have. It never sees a frame and knows no key: who signed
//! is a fact that the caller brings. Fences, cameras and masking policies belong to the privacy gate; here they are bytes
//! that count toward the digest of the policy set.

mod admit;
pub mod catalogue;
mod diff;
mod error;
mod grant;
mod models;
mod place;
mod profile;
mod purpose;
pub mod rules;
#[cfg(test)]
mod schemas;
mod set;

pub use admit::{ActivationFacts, AdmissionFacts};
pub use catalogue::Catalogue;
pub use diff::{Widening, widenings};
pub use error::PolicyError;
pub use models::{DecoderKind, ModelClass, ModelList, PinnedModel};
pub use place::Place;
pub use profile::{ApprovalRule, Expected, InterferenceRule, ProbeRule, Profile, Rates, Retention, SwapRule};
pub use purpose::{PublicWords, Purpose, TwoLanguages};
pub use rules::{Decision, RuleBook};
pub use set::{CitySet, PolicySet};
