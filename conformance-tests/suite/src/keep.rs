//! How what a plugin said is written down, so that a run that was stopped can go on: whole numbers and words, and the same value again.

use serde::{Deserialize, Serialize};
use vaern_door::{AdmittedDetection, Label, Rect};
use vaern_sandbox::{Admitted, Dropped, Usage};

use crate::bench::Look;
use crate::fault::{Fault, Step, owner_of};
use crate::verdict::Said;

/// A rectangle as its four sides.
pub(crate) mod rect {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use vaern_door::Rect;

    pub(crate) fn serialize<S: Serializer>(rect: &Rect, to: S) -> Result<S::Ok, S::Error> {
        [rect.x0(), rect.y0(), rect.x1(), rect.y1()].serialize(to)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Rect, D::Error> {
        let [x0, y0, x1, y1] = <[u16; 4]>::deserialize(from)?;
        Rect::new(x0, y0, x1, y1).map_err(serde::de::Error::custom)
    }
}

macro_rules! as_bits {
    ($name:ident, $real:ty, $whole:ty) => {
        /// A fraction as its bits: written in decimals it might come back another.
        pub(crate) mod $name {
            use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

            pub(crate) fn serialize<S: Serializer>(value: &$real, to: S) -> Result<S::Ok, S::Error> {
                value.to_bits().serialize(to)
            }

            pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<$real, D::Error> {
                <$whole>::deserialize(from).map(<$real>::from_bits)
            }
        }
    };
}

as_bits!(single, f32, u32);
as_bits!(double, f64, u64);

/// One box.
#[derive(Serialize, Deserialize)]
struct Boxed {
    label: Label,
    #[serde(with = "rect")]
    rect: Rect,
    score: u8,
    masked: bool,
}

/// A look.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptLook {
    boxes: usize,
    detections: Vec<Boxed>,
    dropped: [u32; 7],
    bits: u32,
    wall_us: u64,
    memory: u64,
    zoomed: u32,
    fuel: Option<u64>,
}

impl From<Look> for KeptLook {
    fn from(look: Look) -> Self {
        let Look { boxes, admitted: Admitted { detections, dropped, bits }, usage } = look;
        let boxed = |one: AdmittedDetection| {
            let AdmittedDetection { label, rect, score, delvist_maskeret: masked } = one;
            Boxed { label, rect, score, masked }
        };
        let Dropped { unknown_label, outside_frame, low_score, duplicate, inside_mask, over_cap, over_budget } =
            dropped;
        Self {
            boxes,
            detections: detections.into_iter().map(boxed).collect(),
            dropped: [unknown_label, outside_frame, low_score, duplicate, inside_mask, over_cap, over_budget],
            bits,
            wall_us: u64::try_from(usage.wall.as_micros()).unwrap_or(u64::MAX),
            memory: usage.memory_bytes,
            zoomed: usage.zoom_pixels,
            fuel: usage.fuel,
        }
    }
}

impl From<KeptLook> for Look {
    fn from(kept: KeptLook) -> Self {
        let one = |boxed: Boxed| {
            let Boxed { label, rect, score, masked: delvist_maskeret } = boxed;
            AdmittedDetection { label, rect, score, delvist_maskeret }
        };
        let [unknown_label, outside_frame, low_score, duplicate, inside_mask, over_cap, over_budget] = kept.dropped;
        let dropped =
            Dropped { unknown_label, outside_frame, low_score, duplicate, inside_mask, over_cap, over_budget };
        Self {
            boxes: kept.boxes,
            admitted: Admitted { detections: kept.detections.into_iter().map(one).collect(), dropped, bits: kept.bits },
            usage: Usage {
                wall: std::time::Duration::from_micros(kept.wall_us),
                memory_bytes: kept.memory,
                zoom_pixels: kept.zoomed,
                fuel: kept.fuel,
            },
        }
    }
}

/// A fault.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptFault {
    owner: String,
    step: Step,
    said: Said,
}

impl From<Fault> for KeptFault {
    fn from(Fault { owner, step, said }: Fault) -> Self {
        Self { owner: owner.to_owned(), step, said }
    }
}

// By hand: the derived one would ask that a `&'static str` be borrowed from the file.
impl<'d> Deserialize<'d> for Fault {
    fn deserialize<D: serde::Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        let KeptFault { owner, step, said } = KeptFault::deserialize(from)?;
        let owner = owner_of(&owner).ok_or_else(|| serde::de::Error::custom("a fault of no test"))?;
        Ok(Self { owner, step, said })
    }
}
