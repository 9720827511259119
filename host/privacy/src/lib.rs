//! The privacy gate: captures in, clear frames out. The only crate that can touch a raw pixel.
//!
//! [`Gate::admit`] leads a [`Capture`] through locate, fence, decode, search and mask; what comes out is a [`ClearFrame`]
//! without metadata, position or a pixel from under a mask, a [`Receipt`], and the [`SealedPosition`] beside them. Each step
//! consumes the one before, so there is no way to a clear frame around the fence or the mask. Every doubt is a [`Refusal`].
//!
//! Raw pixels lie in pages of their own, locked and kept out of core files where the system lets us, and are zeroed on drop.
//! Limits: copies that a decoder or a model makes inside itself are freed by them; the program's allocator zeroes those,
//! except what an engine outside of Rust (ONNX Runtime) allocates for itself. Masks follow what the detectors see:
//! what every required detector misses stays in clear, which is why recall is measured and not claimed.

mod camera;
mod capture;
mod carry;
mod clear;
mod decode;
mod detect;
mod exif;
mod fence;
mod gate;
mod jpeg_entropy;
mod jpeg_headers;
mod jpeg_huffman;
mod letters;
mod levels;
mod limits;
mod mask;
#[cfg(feature = "models")]
mod model_detector;
mod orient;
mod original;
mod png_data;
mod png_headers;
mod policy;
mod position;
mod raw;
mod receipt;
mod refusal;
mod regions;
mod resize;
mod ring;
#[cfg_attr(not(feature = "models"), expect(dead_code, reason = "tensors are made for models alone"))]
mod scratch;
mod shadow;
mod stream;
mod sun;
mod track;
mod tracklog;

pub use camera::{CameraClock, CameraError, CameraProfile, CameraSet, FixedMask};
pub use capture::{Capture, PictureKind};
pub use carry::CarryRule;
pub use clear::{ClearError, ClearFrame, FrameId};
pub use detect::{DetectionsProof, DetectorFault, DetectorsError, PeopleDetector, Picture, SeenBox};
pub use fence::{Fence, FenceError, FenceSet};
pub use gate::{Fenced, Gate, Located};
pub use limits::{CollectionLimits, Memory, Quota};
#[cfg(feature = "models")]
pub use model_detector::ModelDetector;
pub use orient::Turning;
pub use original::OriginalBytes;
pub use policy::{
    BodyRule, DetectorRule, MaskingPolicy, PeopleClass, PolicyError, PositionRules, RegionRule, TileRules,
};
pub use position::Position;
pub use raw::RawFrame;
pub use receipt::{Admitted, Receipt, SealedPosition, StageTimes, UsedModel, View};
pub use refusal::{BadPosition, Bound, DecodeFault, MaskingFault, NoFix, Refusal, StructureFault, Variant};
pub use ring::RingFault;
pub use shadow::ShadowRule;
pub use stream::{Head, Parts, ReadError, StreamError, StreamReader};
pub use tracklog::{Heard, LiveTrack, MAX_REPORT, TrackLog, TrackLogAccount, TrackLogError};
