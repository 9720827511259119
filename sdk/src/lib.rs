//! What a vendor depends on to write a plugin for vaern.
//!
//! A plugin looks at one masked frame and answers with boxes. It is plain Rust written against the traits of this crate:
//! [`Plugin`] is what you implement, [`Frame`] is what you are handed, [`export!`] makes a component of it. Natively, the
//! same code runs in `cargo test` against a [`testing::FakeFrame`]; nothing of WebAssembly is needed to write or test it.
//!
//! ```
//! use vaern_sdk::{Description, Detection, Frame, Plugin, PluginError, Region, Size};
//!
//! struct Whole;
//!
//! impl Plugin for Whole {
//!     fn describe() -> Description {
//!         Description { labels: &["affaldscontainer"], frame: Size { width: 1280, height: 720 } }
//!     }
//!
//!     fn detect<F: Frame>(frame: &F) -> Result<Vec<Detection>, PluginError> {
//!         let Size { width, height } = frame.size();
//!         Ok(vec![Detection { label: 0, region: Region { x: 0, y: 0, width, height }, score: 255 }])
//!     }
//! }
//!
//! vaern_sdk::export!(Whole);
//! ```
//!
//! Why `detect` is generic and not handed a `&dyn Frame`: a table of methods would make every plugin import every
//! function of the door, and each imported function is one that the city has to grant. What you do not call is not in
//! your component.
#![deny(missing_docs)]

mod boxes;
mod frame;
mod picture;
mod types;

#[cfg(target_arch = "wasm32")]
pub mod guest;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use boxes::{Candidate, Placement, Suppress, suppress};
pub use frame::{Frame, Model, Plugin};
pub use picture::{Picture, for_each_row, shrink};
pub use types::{
    Channels, Description, Detection, Fit, FrameError, Level, ModelError, PluginError, Region, Scale, Size, Tensor,
    TensorSpec, Zoomed,
};

/// Makes a plugin's component out of a type that implements [`Plugin`]. Use it once, in the root of a `cdylib` crate.
///
/// Off WebAssembly it only checks that the type is a plugin.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type VaernGuest = $crate::guest::Guest<$plugin>;
    $crate::guest::bindings::export_vision_plugin!(VaernGuest with_types_in $crate::guest::bindings);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            fn is_a_plugin<P: $crate::Plugin>() {}
            is_a_plugin::<$plugin>();
        };
    };
}
