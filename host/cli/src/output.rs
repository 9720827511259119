//! Results to standard output, everything else to standard error; as JSON where asked for.

use std::io::Write as _;

use serde::Serialize;

use crate::failure::Failure;

/// How results are printed.
pub(crate) struct Output {
    /// As JSON.
    pub(crate) json: bool,
}

impl Output {
    /// Prints a result: `value` as JSON, or the lines for a person.
    pub(crate) fn result<T: Serialize>(&self, value: &T, lines: &str) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string_pretty(value).map_err(|e| Failure::internal(e.to_string()))?
        } else {
            lines.to_owned()
        };
        // A reader that went away (a closed pipe) is not a failure of the command.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
        Ok(())
    }

    /// Tells a person what is going on; silent under `--json`.
    pub(crate) fn say(&self, line: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Prints why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut stderr = std::io::stderr();
        if self.json {
            let text = serde_json::json!({ "error": failure });
            let _ = writeln!(stderr, "{text:#}");
            return;
        }
        let _ = writeln!(stderr, "vaern: {}", failure.what);
        if let Some(krav) = failure.krav {
            let _ = writeln!(stderr, "  krav   {krav}");
        }
        if let Some(blame) = failure.blame {
            let _ = writeln!(stderr, "  turn   {blame}");
        }
        if let Some(mend) = &failure.mend {
            let _ = writeln!(stderr, "  mend   {mend}");
        }
    }
}
