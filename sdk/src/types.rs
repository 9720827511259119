//! The shapes of `wit/vision.wit` as plain Rust, so that a plugin's logic compiles and runs anywhere.

/// Width and height in pixels, each at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

impl Size {
    /// Number of pixels.
    #[must_use]
    pub const fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }
}

/// A rectangle of whole pixels inside the frame, at least one pixel a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region {
    /// Left column.
    pub x: u16,
    /// Upper row.
    pub y: u16,
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

/// How a frame is fitted into a tensor of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Each axis is scaled on its own.
    Stretch,
    /// Aspect ratio kept, picture in the upper left corner, the rest grey 114.
    LetterboxTopLeft,
    /// Aspect ratio kept, picture centred, the rest grey 114.
    LetterboxCentre,
}

/// How 8-bit samples become floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scale {
    /// 0.0 to 255.0, unchanged.
    ZeroTo255,
    /// 0.0 to 1.0, that is sample / 255.
    ZeroToOne,
    /// -1.0 to 1.0, that is sample / 127.5 - 1.
    MinusOneToOne,
}

/// Order of the three channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// A preparation of the frame for a model, done by the host. Each one that a plugin uses must stand in its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TensorSpec {
    /// Width and height of the tensor in pixels.
    pub size: Size,
    /// How the frame is fitted.
    pub fit: Fit,
    /// How samples are scaled.
    pub scale: Scale,
    /// Order of the channels.
    pub channels: Channels,
}

/// A dense tensor of 32-bit floats, row-major. From a frame: shape `[1, 3, height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each axis; the product is the length of `data`.
    pub shape: Vec<u32>,
    /// The values.
    pub data: Vec<f32>,
}

/// A part of the masked frame at the native resolution of the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zoomed {
    /// Size at native resolution.
    pub size: Size,
    /// RGB, `3 * width * height` bytes.
    pub pixels: Vec<u8>,
}

/// What a plugin says of itself. It must agree with the manifest of its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Labels the plugin may answer with, from the city's vocabulary, in the order of the manifest.
    pub labels: &'static [&'static str],
    /// The frame size the plugin wants at most.
    pub frame: Size,
}

/// One object found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    /// Index into [`Description::labels`].
    pub label: u16,
    /// Where, in pixels of the frame.
    pub region: Region,
    /// 0 (not at all sure) to 255 (certain).
    pub score: u8,
}

/// Why the host did not hand out what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The release has no grant for this function.
    NotGranted,
    /// The region or the rows lie outside the frame, or are empty.
    OutOfBounds,
    /// The tensor spec is not one that the manifest declares.
    UndeclaredSpec,
    /// The budget of pixels for this frame is used up.
    Budget,
}

/// Why a model gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelError {
    /// The release has no grant for `models`.
    NotGranted,
    /// The release holds no model of this name.
    UnknownModel,
    /// Number, shape or values of the input tensors do not fit the model.
    BadInput,
    /// The tensor spec is not one that the manifest declares.
    UndeclaredSpec,
    /// The model failed, or its answer held a value that is not finite.
    Failed,
}

/// Why a plugin gives no answer for a frame. No text: an error is not a way out for data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginError {
    /// A model could not be opened or run, or answered in a shape that the plugin does not know.
    Model,
    /// The frame could not be read.
    Frame,
    /// Anything else.
    Other,
}

impl From<FrameError> for PluginError {
    fn from(_: FrameError) -> Self {
        Self::Frame
    }
}

impl From<ModelError> for PluginError {
    fn from(_: ModelError) -> Self {
        Self::Model
    }
}

macro_rules! error_text {
    ($($name:ident { $($variant:ident => $text:literal),+ $(,)? })+) => {$(
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),+ })
            }
        }
        impl core::error::Error for $name {}
    )+};
}

error_text! {
    FrameError {
        NotGranted => "the release has no grant for this function of the frame",
        OutOfBounds => "outside the frame, or empty",
        UndeclaredSpec => "the manifest does not declare this tensor spec",
        Budget => "the pixel budget of this frame is used up",
    }
    ModelError {
        NotGranted => "the release has no grant for models",
        UnknownModel => "the release holds no model of this name",
        BadInput => "the input does not fit the model",
        UndeclaredSpec => "the manifest does not declare this tensor spec",
        Failed => "the model failed or answered with a value that is not finite",
    }
    PluginError {
        Model => "a model could not be run",
        Frame => "the frame could not be read",
        Other => "the plugin gives no answer",
    }
}

/// How much a line of diagnostics matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author alone.
    Debug,
    /// Worth reading.
    Info,
    /// Something is not as it should be.
    Warning,
}
