//! The sandbox: a vendor's component sees one clear frame, and the host hears one bounded list of boxes.
//!
//! A component is inspected before it is compiled (what it imports, which features it uses, how large it is), compiled once,
//! and given a fresh store and instance for every frame: nothing is remembered, and a store that trapped is gone. Every limit of
//! the grant is set before the component's first instruction. What comes back is raw; [`admit`] makes it canonical.
//!
//! The sandbox knows neither the privacy gate nor the policy: frames arrive masked, grants arrive frozen. [`InProcess`] runs the
//! component in this process; the worker process implements the same [`Runner`].

mod bindings;
mod deadline;
mod engine;
mod error;
mod frame;
mod host;
mod inspect;
mod limiter;
mod output;
mod runner;

pub use engine::{Compiled, Engine};
pub use error::{Feature, Mismatch, PluginFault, SandboxError, TrapKind};
pub use frame::{NativeView, ReceivedFrame};
pub use host::{Level, LogLine};
pub use output::{Admitted, Dropped, admit, bits_per_box};
pub use runner::{Answer, Description, InProcess, Runner, Usage};
