//! Flag, ticker and deadline are one thing here: a store cannot be had without all three (SBX-23).
//!
//! Where they live apart, timeouts are configured that never fire. The only way to a [`Store`] in this crate is
//! [`Ticking::store`], and the only way to a [`Ticking`] starts its ticker. Behind the wall there is none: the node's own timer
//! kills a worker that overruns, and code without checks at every loop is up to 4.6 times faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vaern_door::{Digest, Grants, guard};
use vaern_trust::EngineId;
use wasmtime::{Config, ModuleVersionStrategy, Store};

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

/// The engine and its whole version, as code is bound to it. A test holds it to the lock file.
const VERSION: &str = "wasmtime 48.0.8";

type Setting = (&'static str, fn(&mut Config, bool) -> &mut Config, bool);

/// Every setting that shapes code, by its name in wasmtime: what is set and what is signed come from one list.
fn settings(timing: Timing) -> [Setting; 13] {
    [
        ("epoch_interruption", Config::epoch_interruption, timing != Timing::Walled),
        ("consume_fuel", Config::consume_fuel, timing == Timing::Metered),
        ("wasm_component_model", Config::wasm_component_model, true),
        ("wasm_simd", Config::wasm_simd, true),
        ("wasm_relaxed_simd", Config::wasm_relaxed_simd, false),
        ("wasm_memory64", Config::wasm_memory64, false),
        ("wasm_multi_memory", Config::wasm_multi_memory, false),
        ("wasm_tail_call", Config::wasm_tail_call, false),
        ("wasm_custom_page_sizes", Config::wasm_custom_page_sizes, false),
        ("wasm_wide_arithmetic", Config::wasm_wide_arithmetic, false),
        ("cranelift_nan_canonicalization", canonical_nans, true),
        ("memory_init_cow", Config::memory_init_cow, true),
        ("memory_may_move", Config::memory_may_move, false),
    ]
}

/// A setting of the compiler: without one, it is a property of the code that is taken.
#[cfg(feature = "compiler")]
fn canonical_nans(config: &mut Config, on: bool) -> &mut Config {
    config.cranelift_nan_canonicalization(on)
}

#[cfg(not(feature = "compiler"))]
const fn canonical_nans(config: &mut Config, _: bool) -> &mut Config {
    config
}

/// The processor's features that compiled code may use.
fn cpu() -> std::collections::BTreeSet<String> {
    #[cfg(target_arch = "x86_64")]
    macro_rules! there {
        ($($name:tt),+ $(,)?) => { [$(($name, std::arch::is_x86_feature_detected!($name))),+] };
    }
    #[cfg(target_arch = "x86_64")]
    let known = there!(
        "sse3",
        "ssse3",
        "sse4.1",
        "sse4.2",
        "popcnt",
        "avx",
        "avx2",
        "fma",
        "bmi1",
        "bmi2",
        "lzcnt",
        "cmpxchg16b",
        "avx512bitalg",
        "avx512dq",
        "avx512f",
        "avx512vbmi",
        "avx512vl"
    );
    #[cfg(target_arch = "aarch64")]
    let known = [
        ("lse", std::arch::is_aarch64_feature_detected!("lse")),
        ("paca", std::arch::is_aarch64_feature_detected!("paca")),
        ("fp16", std::arch::is_aarch64_feature_detected!("fp16")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let known: [(&str, bool); 0] = [];
    known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect()
}

/// The engine of a worker behind the wall, on this machine.
pub(crate) fn walled_engine() -> EngineId {
    let words: Vec<String> =
        settings(Timing::Walled).into_iter().map(|(name, _, value)| format!("{name}={value}")).collect();
    let system = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    EngineId {
        version: VERSION.to_owned(),
        settings: Digest::of(words.join("\n").as_bytes()),
        target: format!("{}-{}-{system}", std::env::consts::ARCH, std::env::consts::OS),
        cpu: cpu(),
    }
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
        for (_, set, value) in settings(timing) {
            set(&mut config, value);
        }
        // A worker is one thread: it has no right to start another.
        #[cfg(feature = "compiler")]
        config.parallel_compilation(timing != Timing::Walled);
        config
            .wasm_backtrace_max_frames(None)
            .max_wasm_stack(usize::try_from(stack_bytes).map_err(|_| SandboxError::BadLimit("stack_bytes"))?)
            // The engine's own comparison goes by the major version; a fix in the compiler counts too.
            .module_version(ModuleVersionStrategy::Custom(VERSION.to_owned()))
            .map_err(|_| SandboxError::Setup("engine"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkg_18n_the_version_that_code_is_bound_to_is_the_one_that_is_linked() {
        let lock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        let (_, rest) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
        let (version, _) = rest.split_once('"').unwrap();
        assert_eq!(VERSION, format!("wasmtime {version}"));
    }

    #[test]
    fn pkg_18n_engines_that_stop_code_in_other_ways_make_other_code() {
        let of = |timing| settings(timing).map(|(name, _, value)| (name, value));
        assert_ne!(of(Timing::Walled), of(Timing::Epochs));
        assert_ne!(of(Timing::Epochs), of(Timing::Metered));
        let names: std::collections::BTreeSet<_> = of(Timing::Walled).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 13);
    }
}
