//! vaern-scenes: drawn streets of inner Copenhagen, with the truth about every pixel.
//!
//! The gate must be tested on people, faces and plates, and no test may need a picture of a citizen. So this room
//! draws its own: a street seen from a camera on a working vehicle, the same bytes for the same seed, and beside each
//! picture the boxes and pixel masks of what is in it. The truth is painted with the picture, not guessed from it.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixels and metres: every value is small and clamped where it becomes an index"
)]

mod camera;
mod canvas;
mod colour;
mod container;
mod dice;
mod drive;
mod exif;
mod face;
mod figure;
mod glyphs;
mod grade;
mod head;
mod house;
mod params;
mod person;
mod portrait;
mod props;
mod route;
mod scene;
mod shadow;
mod solid;
mod street;
mod truth;
mod vehicle;
mod weather;
mod wheels;
mod world;

pub use camera::CameraModel;
pub use dice::Dice;
pub use drive::{CAMERA_ID, Drive, DriveError, DriveFrame, Fix, FrameTruth, encode_jpeg};
pub use exif::{ExifBlock, ExifEntry, ExifValue};
pub use params::{Light, SceneParams, Weather};
pub use portrait::{PLATE_LETTERS, plate, portrait};
pub use route::{FENCE, Place, ROUTE, fence_margin_m};
pub use scene::{Scene, SceneError, render, render_without_people, sample};
pub use truth::{Attributes, Class, ContainerKind, Mask, Truth, TruthObject};
