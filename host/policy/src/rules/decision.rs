//! What the rules answered, and which of them decided.

use std::fmt;

use serde::Serialize;
use vaern_door::Krav;

use super::book::Rule;
use crate::catalogue::known;

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// A rule permits it and none forbids it.
    Yes,
    /// A rule forbids it, no rule permits it, or a rule could not be evaluated.
    No,
}

/// The answer to one question, with the rules that decided it. Every text in it is the city's own or the program's:
/// nothing that a plugin or a manifest says gets in (POL-06).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What was asked.
    pub about: String,
    /// The answer.
    pub answer: Answer,
    /// The rules that decided: those that forbid, or those that permit where none forbids. Empty: no rule permits it.
    pub rules: Vec<Rule>,
    /// Rules that could not be evaluated, and why. With one of these the answer is no.
    pub errors: Vec<String>,
}

impl Decision {
    /// Whether it is a yes.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.answer == Answer::Yes
    }

    /// The krav behind it: that of the first deciding rule; default deny where no rule decided.
    #[must_use]
    pub fn krav(&self) -> Krav {
        if !self.errors.is_empty() {
            return Krav("STD-02");
        }
        self.rules.first().and_then(|rule| known(&rule.krav)).unwrap_or(Krav("STD-01"))
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.allowed() { "permitted" } else { "refused" };
        write!(f, "{}: {verb}", self.about)?;
        for error in &self.errors {
            write!(f, "; a rule cannot be evaluated: {error}")?;
        }
        if self.rules.is_empty() && self.errors.is_empty() {
            write!(f, "; no rule permits it")?;
        }
        for rule in &self.rules {
            write!(f, "; {} ({}): {}", rule.id, rule.krav, rule.dk)?;
        }
        Ok(())
    }
}
