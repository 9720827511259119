//! Why a capture did not become a clear frame. A closed list: no variant carries text, position or pixels from the
//! capture, so a refusal can be counted, logged and shown without telling anything about the place or the people.

use std::fmt;

use vaern_door::{Blame, Krav};

macro_rules! closed_kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Stable snake-case word for logs and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed_kinds! {
    /// Which bound a picture passed.
    Bound {
        /// Bytes of the file.
        Bytes => "bytes",
        /// Pixels of the picture.
        Pixels => "pixels",
    }
}

closed_kinds! {
    /// What is wrong with the structure of a picture file.
    StructureFault {
        /// A marker or chunk stands where none may.
        Marker => "marker",
        /// A segment or chunk has an impossible length.
        SegmentLength => "segment_length",
        /// Bytes between two segments that belong to none.
        StrayBytes => "stray_bytes",
        /// Frame header missing, doubled or inconsistent.
        FrameHeader => "frame_header",
        /// Scan header missing or inconsistent.
        ScanHeader => "scan_header",
        /// Huffman or quantisation tables missing or impossible.
        Tables => "tables",
        /// More segments than any camera writes.
        TooManySegments => "too_many_segments",
        /// A code that no table holds, or a coefficient past the end of its block.
        EntropyCode => "entropy_code",
        /// Restart markers missing, doubled or out of order.
        Restart => "restart",
        /// Scans that cover a coefficient twice or in an order no encoder uses.
        Progression => "progression",
    }
}

closed_kinds! {
    /// A kind of picture that no gate should have to guess about.
    Variant {
        /// Four colour components.
        Cmyk => "cmyk",
        /// A number of components other than 1 or 3.
        Components => "components",
        /// Other than 8 bits a sample in a JPEG.
        Precision => "precision",
        /// Arithmetic coding.
        Arithmetic => "arithmetic",
        /// Lossless JPEG.
        Lossless => "lossless",
        /// Hierarchical JPEG.
        Hierarchical => "hierarchical",
        /// Height defined after the picture (DNL).
        LateHeight => "late_height",
        /// Chroma sampling whose spread into neighbours is not known to be bounded by the snap rule (4:1:1 and odd ones).
        Sampling => "sampling",
        /// An orientation tag outside 1 to 8.
        Orientation => "orientation",
    }
}

closed_kinds! {
    /// Why there is no usable fix.
    NoFix {
        /// The picture carries no position at all.
        Missing => "missing",
        /// The EXIF block cannot be read.
        ExifMalformed => "exif_malformed",
        /// Two EXIF blocks, or two stretches of a track, tell two things: which one holds is anybody's guess.
        Ambiguous => "ambiguous",
        /// Exactly (0,0): the mark of a receiver without a fix.
        NullIsland => "null_island",
        /// The receiver itself says that the fix does not hold.
        Void => "void",
        /// The fix is older than the picture by more than the policy allows.
        Stale => "stale",
        /// The fix lies in the future.
        Future => "future",
        /// The policy asks for the time of the fix, or the track for the time of the picture, and there is none in UTC.
        NoTime => "no_time",
        /// A local time that the clocks of its zone never show, or show twice: summer time begins or ends.
        AmbiguousTime => "ambiguous_time",
        /// Reaching this fix from the one before needs more speed than the policy believes.
        Jump => "jump",
        /// The error radius is larger than the policy allows.
        Imprecise => "imprecise",
    }
}

closed_kinds! {
    /// A position that cannot be one.
    BadPosition {
        /// NaN or infinite.
        NotFinite => "not_finite",
        /// Outside -90 to 90 or -180 to 180 degrees.
        OutOfRange => "out_of_range",
        /// The size of UTM zone 32 coordinates in metres (EPSG:25832): convert them to WGS 84 degrees.
        Epsg25832 => "epsg_25832",
        /// Latitude and longitude look swapped: Denmark lies at latitude 54 to 58, longitude 8 to 16.
        Swapped => "swapped",
    }
}

closed_kinds! {
    /// Why the decoder's answer was not taken.
    DecodeFault {
        /// The decoder reported an error.
        Decoder => "decoder",
        /// The decoder panicked; it was caught.
        Panic => "panic",
        /// The decoder gave another size than the header says.
        Disagreement => "disagreement",
    }
}

closed_kinds! {
    /// Why the picture could not be searched for people.
    MaskingFault {
        /// No detector at all is loaded.
        NoDetector => "no_detector",
        /// A detector that the policy requires is not loaded.
        DetectorMissing => "detector_missing",
        /// A detector gave an error.
        DetectorFailed => "detector_failed",
        /// A detector panicked; it was caught.
        Panic => "panic",
        /// A detector's answer held a value that is not finite.
        NotFinite => "not_finite",
        /// A detector answered more boxes than any picture holds.
        Flood => "flood",
        /// The proof that every tile was searched does not belong to this frame.
        ProofMismatch => "proof_mismatch",
        /// The system gave no randomness for a frame id.
        Randomness => "randomness",
    }
}

/// Why a capture did not become a clear frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The bytes are neither JPEG nor PNG.
    #[error("not a picture: neither JPEG nor PNG")]
    NotAPicture,
    /// The file name says another type than the bytes.
    #[error("the file name says another picture type than its bytes")]
    TypeMismatch,
    /// The file ends before its picture does.
    #[error("the file ends before its picture does")]
    Truncated,
    /// A bound of the policy is passed; found before anything was allocated.
    #[error("too large: {0}")]
    TooLarge(Bound),
    /// The structure of the file is broken.
    #[error("malformed picture: {0}")]
    Malformed(StructureFault),
    /// A variant that is refused rather than guessed about.
    #[error("unsupported variant: {0}")]
    UnsupportedVariant(Variant),
    /// More scans than the policy allows.
    #[error("more scans than the policy allows")]
    ScanLimit,
    /// An animation, not a picture.
    #[error("an animation, not a picture")]
    Animated,
    /// Compressed data that unfolds past the picture.
    #[error("compressed data that unfolds past the picture")]
    ExpansionLimit,
    /// The decoder failed.
    #[error("decoding failed: {0}")]
    DecodeFailed(DecodeFault),
    /// The data hold bytes that a lenient decoder would only warn about.
    #[error("the picture data hold bytes that belong to no picture")]
    DecodeWarning,
    /// No usable fix.
    #[error("no fix: {0}")]
    NoFix(NoFix),
    /// A position that cannot be one.
    #[error("bad position: {0}")]
    BadPosition(BadPosition),
    /// The error circle of the fix is not wholly inside a fence.
    #[error("outside the fences")]
    OutsideFence,
    /// No profile for the camera.
    #[error("unknown camera: it has no profile")]
    UnknownCamera,
    /// The capture is older than the policy's retention.
    #[error("older than the policy allows")]
    TooOld,
    /// The same capture was offered before.
    #[error("the same capture was offered before")]
    Replayed,
    /// The capture is offered for another purpose than this gate is for.
    #[error("offered for another purpose")]
    WrongPurpose,
    /// A frame of this spot, looking this way, was collected before.
    #[error("a frame of this spot was collected before")]
    SameSpot,
    /// Sooner after another frame of this camera than the purpose needs.
    #[error("sooner after another frame than the purpose needs")]
    TooSoon,
    /// As many frames as the purpose needs were collected.
    #[error("the quota of the purpose is reached")]
    QuotaReached,
    /// A capture without position under a policy that asks for one.
    #[error("a capture without position needs an evaluation policy")]
    UnlocatedNotAllowed,
    /// The picture could not be searched for people.
    #[error("masking unavailable: {0}")]
    MaskingUnavailable(MaskingFault),
    /// The picture was in clear for longer than the policy allows.
    #[error("in clear for longer than the policy allows")]
    TooLongInClear,
}

impl Refusal {
    /// Stable snake-case word for counters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotAPicture => "not_a_picture",
            Self::TypeMismatch => "type_mismatch",
            Self::Truncated => "truncated",
            Self::TooLarge(_) => "too_large",
            Self::Malformed(_) => "malformed",
            Self::UnsupportedVariant(_) => "unsupported_variant",
            Self::ScanLimit => "scan_limit",
            Self::Animated => "animated",
            Self::ExpansionLimit => "expansion_limit",
            Self::DecodeFailed(_) => "decode_failed",
            Self::DecodeWarning => "decode_warning",
            Self::NoFix(_) => "no_fix",
            Self::BadPosition(_) => "bad_position",
            Self::OutsideFence => "outside_fence",
            Self::UnknownCamera => "unknown_camera",
            Self::TooOld => "too_old",
            Self::Replayed => "replayed",
            Self::WrongPurpose => "wrong_purpose",
            Self::SameSpot => "same_spot",
            Self::TooSoon => "too_soon",
            Self::QuotaReached => "quota_reached",
            Self::UnlocatedNotAllowed => "unlocated_not_allowed",
            Self::MaskingUnavailable(_) => "masking_unavailable",
            Self::TooLongInClear => "too_long_in_clear",
        }
    }

    /// The closed detail word, where the reason has one.
    #[must_use]
    pub const fn detail(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge(kind) => Some(kind.as_str()),
            Self::Malformed(kind) => Some(kind.as_str()),
            Self::UnsupportedVariant(kind) => Some(kind.as_str()),
            Self::DecodeFailed(kind) => Some(kind.as_str()),
            Self::NoFix(kind) => Some(kind.as_str()),
            Self::BadPosition(kind) => Some(kind.as_str()),
            Self::MaskingUnavailable(kind) => Some(kind.as_str()),
            Self::NotAPicture
            | Self::TypeMismatch
            | Self::Truncated
            | Self::ScanLimit
            | Self::Animated
            | Self::ExpansionLimit
            | Self::DecodeWarning
            | Self::OutsideFence
            | Self::UnknownCamera
            | Self::TooOld
            | Self::Replayed
            | Self::WrongPurpose
            | Self::SameSpot
            | Self::TooSoon
            | Self::QuotaReached
            | Self::UnlocatedNotAllowed
            | Self::TooLongInClear => None,
        }
    }

    /// The requirement of the catalogue that the refusal keeps.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::NoFix(_) | Self::BadPosition(_) | Self::OutsideFence | Self::UnlocatedNotAllowed => Krav("MIN-04"),
            Self::UnknownCamera => Krav("MIN-08"),
            Self::Replayed | Self::SameSpot | Self::TooSoon => Krav("MIN-07"),
            Self::QuotaReached => Krav("MIN-11"),
            Self::WrongPurpose => Krav("STD-03"),
            Self::TooOld => Krav("SEP-02"),
            Self::MaskingUnavailable(_) => Krav("MIN-01"),
            Self::TooLongInClear => Krav("SKJ-08"),
            Self::NotAPicture
            | Self::TypeMismatch
            | Self::Truncated
            | Self::TooLarge(_)
            | Self::Malformed(_)
            | Self::UnsupportedVariant(_)
            | Self::ScanLimit
            | Self::Animated
            | Self::ExpansionLimit
            | Self::DecodeFailed(_)
            | Self::DecodeWarning => Krav("STD-02"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::MaskingUnavailable(_) | Self::TooLongInClear => Blame::Host,
            Self::UnlocatedNotAllowed | Self::UnknownCamera => Blame::Policy,
            _ => Blame::Operator,
        }
    }
}

impl From<StructureFault> for Refusal {
    fn from(kind: StructureFault) -> Self {
        Self::Malformed(kind)
    }
}

impl From<Variant> for Refusal {
    fn from(kind: Variant) -> Self {
        Self::UnsupportedVariant(kind)
    }
}

impl From<NoFix> for Refusal {
    fn from(kind: NoFix) -> Self {
        Self::NoFix(kind)
    }
}

impl From<BadPosition> for Refusal {
    fn from(kind: BadPosition) -> Self {
        Self::BadPosition(kind)
    }
}

impl From<MaskingFault> for Refusal {
    fn from(kind: MaskingFault) -> Self {
        Self::MaskingUnavailable(kind)
    }
}

impl From<DecodeFault> for Refusal {
    fn from(kind: DecodeFault) -> Self {
        Self::DecodeFailed(kind)
    }
}
