//! Flag, ticker and deadline are one thing here: a store cannot be had without all three (SBX-23).
//!
//! Where they live apart, timeouts are configured that never fire. The only way to a [`Store`] in this crate is
//! [`Ticking::store`], and the only way to a [`Ticking`] starts its ticker. Behind the wall there is none: the node's own timer
//! kills a worker that overruns, and code without checks at every loop is up to 4.6 times faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vaern_door::{Grants, guard};
use wasmtime::{Config, Store};

use crate::SandboxError;
use crate::host::State;

/// Time between two ticks. A loop is stopped within two of them after its deadline.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// What stops code that does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Checks in the code itself, and the ticker of this process.
    Epochs,
    /// The same, and every instruction is counted, so that cost is a number that two machines agree on.
    Metered,
    /// Nothing in this process: the node's timer kills it. Only the worker may ask for this.
    Walled,
}

/// An engine whose epochs advance as long as it lives.
#[derive(Clone)]
pub(crate) struct Ticking {
    engine: wasmtime::Engine,
    timing: Timing,
}

impl Ticking {
    /// An engine with this much guest stack, and the thread that ticks for it.
    pub(crate) fn start(stack_bytes: u32, timing: Timing) -> Result<Self, SandboxError> {
        let mut config = Config::new();
        config
            .epoch_interruption(timing != Timing::Walled)
            .consume_fuel(timing == Timing::Metered)
            // A worker is one thread: it has no right to start another.
            .parallel_compilation(timing != Timing::Walled)
            .wasm_component_model(true)
            .wasm_simd(true)
            .wasm_relaxed_simd(false)
            .wasm_memory64(false)
            .wasm_multi_memory(false)
            .wasm_tail_call(false)
            .wasm_custom_page_sizes(false)
            .wasm_wide_arithmetic(false)
            .cranelift_nan_canonicalization(true)
            .memory_init_cow(true)
            .memory_may_move(false)
            .wasm_backtrace_max_frames(None)
            .max_wasm_stack(usize::try_from(stack_bytes).map_err(|_| SandboxError::BadLimit("stack_bytes"))?);
        let engine = wasmtime::Engine::new(&config).map_err(|_| SandboxError::Setup("engine"))?;
        if timing == Timing::Walled {
            return Ok(Self { engine, timing });
        }
        let weak = engine.weak();
        // The thread ends with the engine: it holds no strong reference between ticks.
        std::thread::Builder::new()
            .name("vaern-ticker".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|_| SandboxError::Setup("ticker"))?;
        Ok(Self { engine, timing })
    }

    pub(crate) const fn engine(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// Whether both are one engine.
    pub(crate) fn same(&self, other: &Self) -> bool {
        wasmtime::Engine::same(&self.engine, &other.engine)
    }

    /// A store for one call: every limit of the grant is in force before anything is instantiated in it.
    pub(crate) fn store(&self, grants: &Arc<Grants>, state: impl FnOnce(Instant) -> State) -> Store<State> {
        let limits = &grants.limits;
        let now = Instant::now();
        let deadline = now.checked_add(limits.deadline()).unwrap_or(now);
        let mut store = Store::new(&self.engine, state(deadline));
        if guard::stands("sandbox.limiter") {
            store.limiter(|state| &mut state.limiter);
        }
        store.set_hostcall_fuel(if guard::stands("sandbox.hostcall_bytes") {
            bounded(limits.hostcall_bytes)
        } else {
            usize::MAX
        });
        store.set_max_component_handles(bounded(limits.handles));
        if self.timing == Timing::Metered {
            // Fuel is a measure here, not a limit: the deadline ends the call.
            let _ = store.set_fuel(u64::MAX);
        }
        if self.timing != Timing::Walled {
            // One tick more for the part of a tick that has passed already.
            let ticks = limits.deadline().as_millis().div_ceil(TICK.as_millis()) + 1;
            // Switched off, it still ends: a test that shows that it is missing must not run for ever.
            let ticks = if guard::stands("sandbox.deadline") { ticks } else { ticks + 2000 };
            store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX / 2));
            store.epoch_deadline_trap();
        }
        store
    }

    /// Instructions counted in a store so far, where this engine counts them.
    pub(crate) fn spent(&self, store: &Store<State>) -> Option<u64> {
        if self.timing == Timing::Metered { store.get_fuel().ok().map(|left| u64::MAX - left) } else { None }
    }
}

fn bounded(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
