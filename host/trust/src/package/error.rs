//! Why a package is not taken.

use std::io;

use vaern_door::{Blame, Digest, Krav, Name};

use crate::json::JsonError;
use crate::statement::EngineField;

/// Why a package is not taken. Nothing of it was compiled or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkgError {
    /// The directory could not be read or written.
    #[error("`{file}`: {kind}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A file of the layout is a link, a device or a directory.
    #[error("`{file}` is not a plain file")]
    BadEntry {
        /// Which file.
        file: String,
    },
    /// There is a layout in the directory already.
    #[error("the directory holds a release already")]
    Exists,
    /// A blob that is named is not there.
    #[error("the blob {0} is missing")]
    MissingBlob(Digest),
    /// The bytes are not those that were named.
    #[error("a blob's bytes do not have the digest {0}")]
    DigestMismatch(Digest),
    /// A blob is shorter or longer than its descriptor says, or the size is no size.
    #[error("a blob's size is not the declared {declared}")]
    SizeMismatch {
        /// The declared size, as written.
        declared: String,
    },
    /// A digest in another form than `sha256:` and 64 lower-case hexadecimal digits.
    #[error("a digest in a form other than `sha256:` with 64 lower-case hexadecimal digits")]
    DigestFormat,
    /// An artifact without exactly one layer.
    #[error("an artifact has {0} layers; exactly one is allowed")]
    LayerCount(usize),
    /// A media type or artifact type that does not belong where it stands.
    #[error("media type `{0}` does not belong there")]
    MediaType(String),
    /// An index inside the release index.
    #[error("an index inside an index")]
    NestingTooDeep,
    /// A part of the release is there twice, or not at all where it must be.
    #[error("a release has one {0}")]
    PartCount(&'static str),
    /// Two releases, or two that share one name.
    #[error("the layout names more than one release")]
    AmbiguousRef,
    /// The layout's name for the release is not that of its manifest.
    #[error("the layout's name for the release is not that of its manifest")]
    RefMismatch,
    /// No release in the layout.
    #[error("the layout holds no release")]
    NoRelease,
    /// A statement that is filed under this release belongs to another.
    #[error("a statement in the layout is filed under another release")]
    SubjectMismatch,
    /// Not a WebAssembly component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// More of something than is ever needed.
    #[error("too complex: {what}")]
    TooComplex {
        /// Of what there is too much.
        what: &'static str,
    },
    /// The component asks for something outside `tmf:vision`.
    #[error("the component imports `{name}`, which is not in tmf:vision")]
    ImportNotGranted {
        /// Its name, printable characters only.
        name: String,
    },
    /// The component is made for another version of the door.
    #[error("the component is made for `{found}`, this host speaks `{supported}`")]
    WorldVersion {
        /// What it asks for.
        found: String,
        /// What there is.
        supported: &'static str,
    },
    /// The component does not offer the plugin interface.
    #[error("the component does not export tmf:vision/plugin@0.1.0")]
    NoPlugin,
    /// What is declared and what the binary says differ.
    #[error("declared imports or capabilities [{}] are not those of the binary [{}]", declared.join(", "), actual.join(", "))]
    ImportMismatch {
        /// Declared only.
        declared: Vec<String>,
        /// In the binary only.
        actual: Vec<String>,
    },
    /// The list of what the component is made of cannot be read.
    #[error("SBOM: {0}")]
    Sbom(String),
    /// The list is not that of the component.
    #[error("the SBOM is not that of the component: missing [{}], extra [{}]", missing.join(", "), extra.join(", "))]
    SbomMismatch {
        /// In the component only.
        missing: Vec<String>,
        /// In the SBOM only.
        extra: Vec<String>,
    },
    /// The compiled code is for another engine or machine.
    #[error("EngineMismatch: the compiled code is for another {field}")]
    EngineMismatch {
        /// What differs.
        field: EngineField,
    },
    /// Models and manifest do not agree.
    #[error("model `{0}` is not the one that the manifest names")]
    ModelMismatch(Name),
    /// A field that does not exist.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// Its name, printable characters only.
        name: String,
    },
    /// Not in the one accepted form.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// Which file.
        what: &'static str,
        /// What is wrong with it.
        why: JsonError,
    },
}

impl PkgError {
    pub(crate) fn io(file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |e| Self::Io { file, kind: e.kind() }
    }

    pub(crate) fn json(what: &'static str) -> impl FnOnce(JsonError) -> Self {
        move |why| match why {
            JsonError::UnknownField(name) => Self::UnknownField { name },
            why => Self::Malformed { what, why },
        }
    }

    /// The requirement of the catalogue that the refusal serves.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        match self {
            Self::ImportNotGranted { .. } | Self::ImportMismatch { .. } => Krav("LEV-06"),
            Self::ModelMismatch(_) | Self::RefMismatch | Self::Sbom(_) | Self::SbomMismatch { .. } => Krav("LEV-02"),
            Self::Io { .. } | Self::Exists => Krav("STD-02"),
            _ => Krav("CYB-01"),
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Io { .. } | Self::Exists | Self::MissingBlob(_) => Blame::Operator,
            Self::EngineMismatch { .. } => Blame::Policy,
            _ => Blame::Vendor,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check that the directory is the release's and can be read and written",
            Self::Exists => "choose an empty directory",
            Self::MissingBlob(_) | Self::NoRelease => "copy the whole release directory again",
            Self::DigestMismatch(_) | Self::SizeMismatch { .. } | Self::BadEntry { .. } => {
                "copy the release again; if it stays so, ask the vendor for it anew"
            }
            Self::NotAComponent(_) => "build a component from source; core modules and compiled code are not taken",
            Self::TooComplex { .. } => "build a smaller component",
            Self::ImportNotGranted { .. } => "build the plugin without it: only tmf:vision is linked, no WASI",
            Self::WorldVersion { .. } | Self::NoPlugin => "build the plugin against this host's WIT package",
            Self::ImportMismatch { .. } => "declare in the manifest what the plugin uses, and pack it anew",
            Self::Sbom(_) => "make the SBOM with `vaern plugin pack --lock Cargo.lock`, or as CycloneDX JSON",
            Self::SbomMismatch { .. } => "make the SBOM from the very build that made the component",
            Self::EngineMismatch { .. } => {
                "compile it anew with `vaern compile` of this program, on a machine like this one"
            }
            Self::ModelMismatch(_) => "pack the models that the manifest names",
            Self::UnknownField { .. } => "take the field out or spell it right",
            _ => "ask the vendor to pack the release anew with `vaern plugin pack`",
        }
    }
}
