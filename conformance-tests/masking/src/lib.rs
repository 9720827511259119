//! Attacks on masking: T1 to T11, runnable on anything that takes a picture and boxes and gives a masked picture back.
//!
//! Each test is a function from a [`Masker`] to a [`Verdict`] with its figures. The suite must be green for the gate's own
//! policy and red for each weak method and each mutant: `tests/table.rs` states every cell. [`foreign`] runs what can be run
//! blind on two folders of pictures, whoever masked them. Drawn material comes from `vaern-scenes`: no test needs a citizen.
//!
//! This room attacks; nothing that ships depends on it.
#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an instrument: indexes come from sizes that were checked when the picture was made, and a panic here is a red \
              test, never a leak"
)]

mod borders;
mod capacity;
mod container;
mod faults;
pub mod foreign;
mod gallery;
mod identity;
mod masker;
mod mutant;
mod noise;
mod ours;
mod picture;
mod places;
mod plates;
mod recall;
mod redetect;
mod reversal;
mod ring;
mod rules;
mod stats;
mod verdict;
mod weak;

pub use borders::{fixed_parts, seams, t10};
pub use capacity::{outline_bits, t3};
pub use container::{Leak, Segment, laden, leaks, segments, t8};
pub use faults::{file_faults, t9_files, t9_gate};
pub use gallery::{Depth, Gallery, PlateRow};
pub use identity::{rank_1, t5};
pub use masker::{Masked, Masker, Refused, seen};
pub use mutant::{Mutant, Wrong};
pub use noise::{t1, t1_outlines};
pub use ours::{Act, OurGate, POLICY, Scripted, SetupError, evaluation, now, place};
pub use picture::{Picture, PictureError, Plane, psnr};
pub use plates::t6;
pub use recall::{clear_share, t11_recall, t11_use};
pub use redetect::{PeopleModel, t7};
pub use reversal::{Blur, gain, t4};
pub use ring::t2;
pub use rules::t11_rules;
pub use stats::binomial_99;
pub use verdict::{Figure, TestId, Verdict};
pub use weak::{Method, Weak};
