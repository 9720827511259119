//! Every way in which a component can be refused or stopped. The set is closed: an error is no way out for data.

use std::fmt;

use vaern_door::{Blame, Krav};

/// Why a component was refused, or why a frame has no answer.
///
/// Texts of the plugin's choice occur in one place only, the names of [`SandboxError::ImportNotGranted`], cut to printable characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The bytes are not a valid WebAssembly component.
    #[error("not a WebAssembly component")]
    NotAComponent,
    /// The component uses a feature that is switched off.
    #[error("the component uses {0}, which is not allowed")]
    FeatureNotAllowed(Feature),
    /// The component imports what it has no grant for, or what does not exist behind the door.
    #[error("the component imports `{name}`, which is not granted")]
    ImportNotGranted {
        /// Name of the import.
        name: String,
    },
    /// The component does not export the plugin interface, or uses the door with other types.
    #[error("the component does not fit the world tmf:vision/vision-plugin@0.1.0")]
    WorldMismatch,
    /// Too large or too intricate to compile within bounds.
    #[error("the component is too large or too complex: {0}")]
    TooComplex(&'static str),
    /// `describe` says something else than the grants.
    #[error("the plugin describes itself differently from its manifest: {0}")]
    DescriptionMismatch(Mismatch),
    /// A model that the component may open is not there.
    #[error("a model of the release is missing")]
    ModelMissing,

    /// The call took longer than granted.
    #[error("the plugin did not answer within its deadline")]
    DeadlineExceeded,
    /// The plugin asked for more memory than granted, and stopped for want of it.
    #[error("the plugin needs more memory than granted")]
    MemoryLimit,
    /// The plugin asked for more table elements than granted.
    #[error("the plugin needs more table elements than granted")]
    TableLimit,
    /// More core instances, memories or tables than granted.
    #[error("the plugin is made of more instances than granted")]
    InstanceLimit,
    /// The guest's stack is used up.
    #[error("the plugin used up its stack")]
    StackOverflow,
    /// More live handles than granted.
    #[error("the plugin holds more handles than granted")]
    HandleLimit,
    /// A call carried more bytes to the host than granted.
    #[error("the plugin handed over more data than granted")]
    HostcallBudget,
    /// A handle that the plugin does not have, or no longer.
    #[error("the plugin used a handle that it does not have")]
    BadHandle,
    /// Text that is not UTF-8, or lies outside the plugin's memory.
    #[error("the plugin handed over text that is not valid")]
    InvalidString,
    /// A result or argument with a bad pointer, length or tag, or a box that cannot exist.
    #[error("the plugin handed over a value that is not valid")]
    InvalidResult,
    /// An attempt to enter or leave the component where that is not possible.
    #[error("the plugin called at a moment when it may not")]
    Reentrancy,
    /// The guest's code trapped.
    #[error("the plugin trapped: {0}")]
    Trap(TrapKind),
    /// A model of the release made the inference engine panic; the model is quarantined.
    #[error("a model of the release made the inference engine panic")]
    InferencePanic,
    /// The plugin answered that it failed.
    #[error("the plugin reported that it failed: {0}")]
    PluginFailed(PluginFault),

    /// The worker process died of the frame, twice, or said what is no answer.
    #[error("the plugin's process was lost")]
    WorkerLost,
    /// The release failed so often in a row that it is shown no more frames.
    #[error("the release is in quarantine: it failed too often")]
    Quarantined,
    /// The component took longer to compile, or its models to parse, than allowed.
    #[error("the component or its models took too long to load")]
    CompileBudget,
    /// Fault of the city: compiled code that is not what it vouched for, or that this engine does not take.
    #[error("the compiled code does not load: it is not what was vouched for, or is of another engine")]
    BadCode,
    /// Fault of the operator: this build cannot compile, and no compiled code came with the release.
    #[error("this program is built without a compiler and takes compiled code only")]
    NoCompiler,
    /// Fault of the operator: the kernel lacks a part of the wall.
    #[error("this machine lacks a part of the wall: {0}")]
    WallIncomplete(&'static str),

    /// Fault of the host: the frame is larger than granted.
    #[error("the host offered a larger frame than granted")]
    FrameTooLarge,
    /// Fault of the policy: a limit outside of what the engine can enforce.
    #[error("the grant holds a limit that cannot be enforced: {0}")]
    BadLimit(&'static str),
    /// Fault of the host: the engine could not be set up.
    #[error("the sandbox could not be set up: {0}")]
    Setup(&'static str),
    /// Fault of the host: its own code panicked while it served the plugin.
    #[error("the sandbox itself failed")]
    HostPanic,
}

impl SandboxError {
    /// Stable name for counts and reports: a closed set.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::DeadlineExceeded => "plugin_deadline",
            Self::MemoryLimit | Self::TableLimit | Self::InstanceLimit | Self::StackOverflow | Self::HandleLimit => {
                "plugin_memory"
            }
            Self::Trap(_) | Self::Reentrancy | Self::BadHandle => "plugin_trap",
            Self::WorkerLost => "plugin_worker_lost",
            Self::Quarantined => "plugin_quarantined",
            Self::WallIncomplete(_) => "wall_incomplete",
            Self::HostcallBudget | Self::InvalidResult | Self::InvalidString => "plugin_invalid_answer",
            Self::InferencePanic | Self::ModelMissing => "plugin_model",
            Self::PluginFailed(PluginFault::Model) => "plugin_model",
            Self::PluginFailed(_) => "plugin_failed",
            Self::NotAComponent
            | Self::FeatureNotAllowed(_)
            | Self::ImportNotGranted { .. }
            | Self::WorldMismatch
            | Self::TooComplex(_)
            | Self::CompileBudget
            | Self::DescriptionMismatch(_) => "plugin_refused",
            Self::FrameTooLarge
            | Self::BadLimit(_)
            | Self::Setup(_)
            | Self::HostPanic
            | Self::BadCode
            | Self::NoCompiler => "host_fault",
        }
    }

    /// Whose turn it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::FrameTooLarge | Self::Setup(_) | Self::HostPanic => Blame::Host,
            Self::BadLimit(_) | Self::BadCode => Blame::Policy,
            Self::WallIncomplete(_) | Self::NoCompiler => Blame::Operator,
            _ => Blame::Vendor,
        }
    }

    /// The requirement behind the refusal.
    #[must_use]
    pub const fn krav(&self) -> Krav {
        Krav(match self {
            Self::ImportNotGranted { .. } | Self::DescriptionMismatch(_) => "LEV-06",
            Self::FrameTooLarge => "MIN-05",
            Self::InvalidResult | Self::InvalidString | Self::HostcallBudget => "STD-04",
            Self::BadLimit(_) => "STD-01",
            Self::Setup(_) | Self::HostPanic | Self::InferencePanic | Self::PluginFailed(_) | Self::ModelMissing => {
                "STD-02"
            }
            Self::DeadlineExceeded
            | Self::MemoryLimit
            | Self::TableLimit
            | Self::InstanceLimit
            | Self::StackOverflow
            | Self::HandleLimit
            | Self::TooComplex(_)
            | Self::CompileBudget
            | Self::WorkerLost
            | Self::Quarantined
            | Self::Trap(_) => "CYB-01",
            _ => "SKJ-03",
        })
    }
}

/// A feature of WebAssembly that is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Threads and shared memory.
    Threads,
    /// SIMD with results that differ between machines.
    RelaxedSimd,
    /// 64-bit memories.
    Memory64,
    /// Several memories in one module.
    MultiMemory,
    /// Garbage collection and typed function references.
    Gc,
    /// Exceptions.
    Exceptions,
    /// Tail calls.
    TailCall,
    /// Asynchronous components.
    Async,
    /// Another one, or several.
    Other,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threads => "threads",
            Self::RelaxedSimd => "relaxed SIMD",
            Self::Memory64 => "64-bit memory",
            Self::MultiMemory => "several memories",
            Self::Gc => "garbage collection",
            Self::Exceptions => "exceptions",
            Self::TailCall => "tail calls",
            Self::Async => "asynchronous calls",
            Self::Other => "an unknown feature",
        })
    }
}

/// What differs between a plugin's description and its grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// The list of labels or its order.
    Labels,
    /// The frame size: the plugin wants no frame as large as granted.
    Frame,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Labels => "the labels or their order",
            Self::Frame => "the size of the frame",
        })
    }
}

/// The plugin's own reason for giving no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PluginFault {
    /// A model could not be opened or run.
    Model,
    /// The frame could not be read.
    Frame,
    /// Anything else.
    Other,
}

impl fmt::Display for PluginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "a model could not be opened or run",
            Self::Frame => "the frame could not be read",
            Self::Other => "for a reason of its own",
        })
    }
}

/// How guest code trapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrapKind {
    /// `unreachable`: what a panic in the plugin becomes.
    Unreachable,
    /// Access outside a memory or table.
    OutOfBounds,
    /// Division by zero, overflow, conversion of a number that does not fit.
    Arithmetic,
    /// A call through a table that does not fit.
    BadCall,
    /// Anything else.
    Other,
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable code",
            Self::OutOfBounds => "access out of bounds",
            Self::Arithmetic => "arithmetic",
            Self::BadCall => "a call that does not fit",
            Self::Other => "another trap",
        })
    }
}
