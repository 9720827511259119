//! The conformance suite: what a vendor runs at home is what the city runs, and the result is evidence.
//!
//! A [`Candidate`] (a release as it lies in its directory) is put on a bench, loaded as a node loads it, shown drawn streets whose
//! truth is known, and asked the tests of the [registry](TESTS) one by one. What they say is a [`Run`]: whole numbers and words,
//! the same bytes for the same release, rules, host and seed. Every report is made from it and knows nothing else.
//!
//! ```text
//! release on disk ─► Candidate ─► bench (profile's grants, seed ─► streets) ─► judges ─► Run ─► reports
//! ```
//!
//! Nothing here counts a test that was not run as passed: what could not be shown is `unproven`, and that fails.

mod alter;
mod attempts;
mod bench;
mod bounds;
mod candidate;
mod claims;
mod coco;
mod commitment;
mod compare;
mod corpus;
#[cfg(test)]
mod corpus_tests;
mod deviation;
mod examples;
mod eyes;
mod fault;
mod gate;
mod host;
mod journal;
mod judge;
mod keep;
mod list;
mod matching;
mod patience;
mod plan;
mod register;
mod registry;
mod report;
mod result;
#[cfg(test)]
mod resume_tests;
mod run;
mod sealed;
mod since;
mod stats;
mod table;
#[cfg(test)]
mod table_tests;
mod verdict;

pub use attempts::{ATTEMPTS, About, Attempt, AttemptError, Attempts, Entered};
pub use bounds::attempts_of_each;
pub use candidate::Candidate;
pub use coco::{Corpus, CorpusError, For, LABELS};
pub use commitment::{Commitment, NoRandomness, Opening, commit};
pub use compare::{COMPARISON_FORMAT, CompareError, Compared, Comparison, LINES, compare};
pub use deviation::{Deviation, DeviationError, Deviations};
pub use examples::{Example, Shows};
pub use gate::{GATE_FORMAT, GateResult, GateRun, GateUnderTest, gate};
pub use host::{HOST_FORMAT, HostError, HostRun, Stopped, host};
pub use journal::{JOURNAL, JournalError};
pub use plan::{Profile, ProfileError};
pub use register::{Both, Listed, REGISTER_FORMAT, Register, RegisterError, Sources as RegisterSources, Stated};
pub use registry::{AREAS, Level, Method, SUITE_VERSION, TESTS, Test, is_id, test};
pub use report::{Language, assessment_results, comparison_html, html, junit, notice_html, register_html, test_result};
pub use result::{
    AuthorityPart, Basis, CorpusPart, Ending, FORMAT, HostBuild, Run, RunError, Tested, ending, lets_pass, needless,
};
pub use run::{Given, Progress, Resume, Settings, SuiteError, Times, catalogue_digest, run, unasked};
pub use sealed::{GENERATOR, Generator, Sealed, TRIGGERS, seal};
pub use since::{SinceError, Touched, merged, touched};
pub use verdict::{Figure, Outcome, Said, Verdict};
