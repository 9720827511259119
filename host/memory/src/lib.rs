//! Memory for what must not outlive its use or reach a disk: originals, keys, crops that wait to be sealed (AUD-11).
//!
//! [`Pages`] are pages of one's own: locked, kept out of core files, zeroed when they go. [`Buffer`] is bytes that grow in such pages,
//! [`Secret`] a key of 32 bytes. [`leaving_no_trace`] wipes what a computation on a key leaves on the stack. What the whole process
//! does besides (no core files, everything locked) is the program's to do; here is what a single value can do for itself.

mod buffer;
mod pages;
mod secret;
mod trace;

pub use buffer::Buffer;
pub use pages::{Pages, Protection};
pub use secret::{NoRandomness, Secret};
pub use trace::leaving_no_trace;
