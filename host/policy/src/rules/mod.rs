//! The city's rules: Cedar policies, each with its krav and a Danish sentence, held against a schema.
//!
//! Everything is forbidden until a rule permits it, and a forbid goes before any permit. An engine skips a rule that
//! cannot be evaluated; here that is a no (POL-02).

mod book;
mod decision;
mod question;
mod world;

pub use book::{Rule, RuleBook};
pub use decision::{Answer, Decision};
pub use question::{ACTIONS, FrameFacts, NodeView, Question, ReleaseView};
pub use world::{Case, small_world};

pub(crate) use question::{text, text_set};
