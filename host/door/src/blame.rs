//! Whose fault a refusal is. Every refusal names exactly one, and the rule that it follows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who has to act so that the refusal goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The plugin, its model or its package.
    Vendor,
    /// The city's policies, approvals or keys.
    Policy,
    /// Whoever runs the node: its files, disk, camera, invocation.
    Operator,
    /// vaern itself.
    Host,
}

impl Blame {
    /// The word used in messages and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::Policy => "policy",
            Self::Operator => "operator",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a requirement, as in `MIN-04`. Only constants of the program are krav ids: foreign text never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Krav(pub &'static str);

impl fmt::Display for Krav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl PartialEq<&str> for Krav {
    fn eq(&self, id: &&str) -> bool {
        self.0 == *id
    }
}
