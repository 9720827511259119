//! Compiling a component, once, for as many frames as it will see.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use vaern_door::{Interface, Limits};
use wasmtime::component::Component;

use crate::bindings::VisionPluginPre;
use crate::deadline::{Ticking, Timing};
use crate::host::{State, linker};
use crate::inspect::{Inspected, inspect};
use crate::native::{self, Vouched};
use crate::{SandboxError, error::TrapKind};

/// Guest stacks. Guest and host share the thread's stack: of the 2 MiB that Rust gives a thread, the largest leaves the host, and
/// a model that the guest calls from its own depth, one half.
const STACK: std::ops::RangeInclusive<u32> = 64 << 10..=1 << 20;

/// Compiles components. Guest stack is a property of wasmtime's engine, so there is one of those for each granted stack size.
#[derive(Clone)]
pub struct Engine {
    engines: Arc<Mutex<BTreeMap<u32, Ticking>>>,
    timing: Timing,
}

/// A compiled component. Cloning is cheap.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) ticking: Ticking,
    pub(crate) inspected: Arc<Inspected>,
    pub(crate) pre: VisionPluginPre<State>,
    pub(crate) stack_bytes: u32,
    component: Component,
}

impl Compiled {
    /// Makes the images of the component's memories now, while new memory files may still be made.
    pub(crate) fn make_images(&self) -> Result<(), SandboxError> {
        self.component.initialize_copy_on_write_image().map_err(|_| SandboxError::Setup("memory image"))
    }
}

impl Engine {
    /// An engine with nothing compiled yet.
    ///
    /// # Errors
    /// [`SandboxError::Setup`] where the machine cannot run it.
    pub fn new() -> Result<Self, SandboxError> {
        Self::timed(Timing::Epochs)
    }

    /// An engine that counts instructions: [`crate::Usage::fuel`] is the same number on every machine. For conformance; the code
    /// is not the code that runs behind the wall.
    ///
    /// # Errors
    /// [`SandboxError::Setup`] where the machine cannot run it.
    pub fn metered() -> Result<Self, SandboxError> {
        Self::timed(Timing::Metered)
    }

    /// An engine whose code nothing in this process stops.
    pub(crate) fn walled() -> Result<Self, SandboxError> {
        Self::timed(Timing::Walled)
    }

    fn timed(timing: Timing) -> Result<Self, SandboxError> {
        // Shows at start, not at the first plugin, whether this machine can do it at all. Its ticker ends with it.
        Ticking::start(*STACK.end(), timing)?;
        Ok(Self { engines: Arc::default(), timing })
    }

    fn ticking(&self, stack_bytes: u32) -> Result<Ticking, SandboxError> {
        if !STACK.contains(&stack_bytes) {
            return Err(SandboxError::BadLimit("stack_bytes"));
        }
        let mut engines = self.engines.lock().map_err(|_| SandboxError::Setup("engine"))?;
        if let Some(ticking) = engines.get(&stack_bytes) {
            return Ok(ticking.clone());
        }
        let ticking = Ticking::start(stack_bytes, self.timing)?;
        engines.insert(stack_bytes, ticking.clone());
        Ok(ticking)
    }

    /// Whether this engine compiled it: code of another engine has another ticker.
    pub(crate) fn compiled(&self, compiled: &Compiled) -> bool {
        self.engines.lock().is_ok_and(|engines| engines.values().any(|ticking| ticking.same(&compiled.ticking)))
    }

    /// Inspects and compiles a component. Imports outside the door are refused here, imports without a grant when a
    /// runner is made.
    ///
    /// # Errors
    /// [`SandboxError`] names the first thing that is wrong.
    pub fn compile(&self, component: &[u8], limits: &Limits) -> Result<Compiled, SandboxError> {
        let ticking = self.ticking(limits.stack_bytes)?;
        let inspected = inspected(component, limits)?;
        // A defect of the compiler must not take the host down.
        catch_unwind(AssertUnwindSafe(|| {
            let compiled = compile(&ticking, component)?;
            link(ticking, compiled, limits, inspected)
        }))
        .unwrap_or(Err(SandboxError::HostPanic))
    }

    /// As [`Engine::compile`], with code that was compiled before: the component is inspected all the same.
    pub(crate) fn take(&self, component: &[u8], code: Vouched<'_>, limits: &Limits) -> Result<Compiled, SandboxError> {
        let ticking = self.ticking(limits.stack_bytes)?;
        let inspected = inspected(component, limits)?;
        let compiled = native::load(ticking.engine(), code)?;
        link(ticking, compiled, limits, inspected)
    }

    /// Compiles a component to code that can be taken later, by an engine of the same kind.
    #[cfg(feature = "compiler")]
    pub(crate) fn precompile(&self, component: &[u8], limits: &Limits) -> Result<Vec<u8>, SandboxError> {
        let ticking = self.ticking(limits.stack_bytes)?;
        inspected(component, limits)?;
        let code = catch_unwind(AssertUnwindSafe(|| ticking.engine().precompile_component(component)));
        code.map_err(|_| SandboxError::HostPanic)?.map_err(|_| SandboxError::NotAComponent)
    }

    /// This build holds no compiler.
    #[cfg(not(feature = "compiler"))]
    pub(crate) fn precompile(&self, _: &[u8], _: &Limits) -> Result<Vec<u8>, SandboxError> {
        Err(SandboxError::NoCompiler)
    }
}

/// Grants are not known here; what no grant could give is refused before anything is made of the component.
fn inspected(component: &[u8], limits: &Limits) -> Result<Inspected, SandboxError> {
    let inspected = inspect(component, limits)?;
    inspected.admit(|_: Interface| true)?;
    Ok(inspected)
}

#[cfg(feature = "compiler")]
fn compile(ticking: &Ticking, component: &[u8]) -> Result<Component, SandboxError> {
    Component::from_binary(ticking.engine(), component).map_err(|_| SandboxError::NotAComponent)
}

/// This build holds no compiler: it takes code that the city compiled and vouches for.
#[cfg(not(feature = "compiler"))]
fn compile(_: &Ticking, _: &[u8]) -> Result<Component, SandboxError> {
    Err(SandboxError::NoCompiler)
}

/// Holds compiled code against the limits and the door.
fn link(
    ticking: Ticking,
    component: Component,
    limits: &Limits,
    inspected: Inspected,
) -> Result<Compiled, SandboxError> {
    // Modules that are imported could be anything.
    let resources = component.resources_required().ok_or(SandboxError::WorldMismatch)?;
    if resources.num_memories > limits.instances || resources.num_tables > limits.instances {
        return Err(SandboxError::InstanceLimit);
    }
    let linker = linker(ticking.engine()).map_err(|_| SandboxError::Setup("linker"))?;
    let pre = linker.instantiate_pre(&component).map_err(|_| SandboxError::WorldMismatch)?;
    let pre = VisionPluginPre::new(pre).map_err(|_| SandboxError::WorldMismatch)?;
    Ok(Compiled { ticking, inspected: Arc::new(inspected), pre, stack_bytes: limits.stack_bytes, component })
}

/// A guest's fault as wasmtime reports it, as one of ours.
pub(crate) fn classify(error: &wasmtime::Error, state: &State) -> SandboxError {
    use crate::host::Stop;
    use crate::limiter::Denied;
    use wasmtime::Trap;
    use wasmtime::component::ResourceTableError;

    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Deadline => SandboxError::DeadlineExceeded,
            Stop::InferencePanic => SandboxError::InferencePanic,
        };
    }
    if let Some(error) = error.downcast_ref::<ResourceTableError>() {
        return if matches!(error, ResourceTableError::Full) {
            SandboxError::HandleLimit
        } else {
            SandboxError::BadHandle
        };
    }
    let trap = error.downcast_ref::<Trap>().copied();
    match trap {
        Some(Trap::Interrupt) => return SandboxError::DeadlineExceeded,
        Some(Trap::StackOverflow) => return SandboxError::StackOverflow,
        Some(Trap::CannotEnterComponent | Trap::CannotLeaveComponent) => return SandboxError::Reentrancy,
        Some(Trap::StringOutOfBounds) => return SandboxError::InvalidString,
        Some(Trap::ListOutOfBounds | Trap::InvalidDiscriminant | Trap::UnalignedPointer | Trap::InvalidChar) => {
            return SandboxError::InvalidResult;
        }
        _ => {}
    }
    if trap.is_none()
        && let Some(known) = by_words(error)
    {
        return known;
    }
    // A guest that stops after it was refused memory stopped for want of it.
    match state.limiter.denied() {
        Some(Denied::Memory) => return SandboxError::MemoryLimit,
        Some(Denied::Table) => return SandboxError::TableLimit,
        None => {}
    }
    SandboxError::Trap(match trap {
        Some(Trap::UnreachableCodeReached) => TrapKind::Unreachable,
        Some(Trap::MemoryOutOfBounds | Trap::TableOutOfBounds | Trap::HeapMisaligned) => TrapKind::OutOfBounds,
        Some(Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger) => {
            TrapKind::Arithmetic
        }
        Some(Trap::IndirectCallToNull | Trap::BadSignature) => TrapKind::BadCall,
        _ => TrapKind::Other,
    })
}

/// wasmtime keeps some of its error types to itself. Its words are pinned by the tests of this crate; words that are not known
/// become a trap without a name, never a success.
fn by_words(error: &wasmtime::Error) -> Option<SandboxError> {
    const WORDS: [(&str, SandboxError); 21] = [
        ("fuel allocated for hostcalls", SandboxError::HostcallBudget),
        ("store handle limit exceeded", SandboxError::HandleLimit),
        ("too many active lends", SandboxError::HandleLimit),
        ("unknown handle index", SandboxError::BadHandle),
        ("is not a resource", SandboxError::BadHandle),
        ("is not an own resource", SandboxError::BadHandle),
        ("resource type", SandboxError::BadHandle),
        ("used with the wrong type", SandboxError::BadHandle),
        ("cannot lift own resource", SandboxError::BadHandle),
        ("borrow handles still remain", SandboxError::BadHandle),
        ("owned resource while borrowed", SandboxError::BadHandle),
        ("host resource already consumed", SandboxError::BadHandle),
        ("string pointer", SandboxError::InvalidString),
        ("utf-8", SandboxError::InvalidString),
        ("utf-16", SandboxError::InvalidString),
        ("discriminant", SandboxError::InvalidResult),
        ("pointer", SandboxError::InvalidResult),
        ("realloc return", SandboxError::InvalidResult),
        ("count too high", SandboxError::InstanceLimit),
        ("memory minimum size", SandboxError::MemoryLimit),
        ("table minimum size", SandboxError::TableLimit),
    ];
    error.chain().find_map(|cause| {
        let words = cause.to_string();
        WORDS.iter().find(|(part, _)| words.contains(part)).map(|(_, known)| known.clone())
    })
}
