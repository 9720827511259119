//! The sandbox: a vendor's component sees one clear frame, and the host hears one bounded list of boxes.
//!
//! A component is inspected before it is compiled (what it imports, which features it uses, how large it is), compiled once,
//! and given a fresh store and instance for every frame: nothing is remembered, and a store that trapped is gone. Every limit of
//! the grant is set before the component's first instruction. What comes back is raw; [`admit`] makes it canonical.
//!
//! A component's machine code is made here, or by the city before (`wall::compile`): then it is taken only as what the release
//! chain vouches for, in one unsafe place (`native`).
//!
//! The sandbox knows neither the privacy gate nor the policy: frames arrive masked, grants arrive frozen. [`wall`] runs the
//! component in a worker process, and that is how a node runs it; [`InProcess`] is the same [`Runner`] inside a process, for the
//! worker itself and for conformance.

mod bindings;
mod deadline;
mod engine;
mod error;
mod frame;
mod heap;
mod host;
mod inspect;
mod ledger;
mod limiter;
mod native;
mod output;
mod runner;
pub mod wall;

pub use engine::{Compiled, Engine};
pub use error::{Feature, Mismatch, PluginFault, SandboxError, TrapKind};
pub use frame::{NativeView, ReceivedFrame};
pub use heap::bounded_heap;
pub use host::{Level, LogLine};
pub use ledger::{Ledger, Said, Verdict};
pub use output::{Admitted, Dropped, admit, bits_per_box};
pub use runner::{Answer, Description, InProcess, Runner, Usage};
