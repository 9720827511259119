//! Guards that a test can switch off, to show that something notices when they are gone.
//!
//! A guard is a check or a step that a krav or an attack case relies on. Each is named once, where it stands, and listed in
//! `conformance-tests/guards.toml` with the tests that turn red without it. In every ordinary build [`stands`] is the constant
//! `true` and leaves nothing in the program: the switch exists only with the feature `test-switches`, which no shipped
//! build may turn on (a test of the command line holds the released binary to that).

/// The environment variable that names the one guard to switch off, in builds with `test-switches`.
#[cfg(feature = "test-switches")]
pub const SWITCH: &str = "VAERN_GUARD_OFF";

/// Whether the guard `name` stands. Names are `room.what`, for example `privacy.fence`.
#[cfg(not(feature = "test-switches"))]
#[inline(always)]
#[must_use]
pub const fn stands(_name: &'static str) -> bool {
    true
}

/// Whether the guard `name` stands: not, if the environment names it.
#[cfg(feature = "test-switches")]
#[must_use]
pub fn stands(name: &'static str) -> bool {
    static OFF: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    OFF.get_or_init(|| std::env::var(SWITCH).ok()).as_deref() != Some(name)
}
