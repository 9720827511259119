//! Where a release's machine code comes from (decision 0013).

use serde::Deserialize;
use vaern_sandbox::wall;
use vaern_trust::{Approved, CompiledCode, Release, ReleaseError, TrustRoot};

/// Where a release's machine code comes from. Code that was tampered with is refused whatever stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeFrom {
    /// The component is compiled in each worker, whatever came with the release.
    Compile,
    /// The code that the city vouches for, where there is some for this engine; else it is compiled.
    Prefer,
    /// The code that the city vouches for and nothing else.
    Vouched,
}

impl Default for CodeFrom {
    /// What this program can do: without a compiler there is one way.
    fn default() -> Self {
        if cfg!(feature = "compiler") { Self::Prefer } else { Self::Vouched }
    }
}

impl CodeFrom {
    /// The code of a release that was approved, or none: then workers compile. `passed_over` is told of code for another engine that
    /// is left aside.
    ///
    /// # Errors
    /// [`ReleaseError`] where code was asked for and there is none that counts.
    pub fn of(
        self,
        release: &Release<Approved>,
        trust: &TrustRoot,
        passed_over: impl FnOnce(&ReleaseError),
    ) -> Result<Option<CompiledCode>, ReleaseError> {
        if self == Self::Compile {
            return Ok(None);
        }
        match release.compiled(trust, &wall::engine()) {
            Ok(code) => Ok(Some(code)),
            Err(error) if self == Self::Prefer && error.may_compile() => {
                if matches!(error, ReleaseError::Package(_)) {
                    passed_over(&error);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
