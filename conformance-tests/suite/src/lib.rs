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
mod bench;
mod bounds;
mod candidate;
mod claims;
mod compare;
mod corpus;
mod eyes;
mod fault;
mod host;
mod journal;
mod judge;
mod keep;
mod list;
mod matching;
mod patience;
mod plan;
mod registry;
mod report;
#[cfg(test)]
mod resume_tests;
mod run;
mod stats;
mod table;
#[cfg(test)]
mod table_tests;
mod verdict;

pub use candidate::Candidate;
pub use compare::{COMPARISON_FORMAT, CompareError, Compared, Comparison, LINES, compare};
pub use host::{HOST_FORMAT, HostError, HostRun, Stopped, host};
pub use journal::{JOURNAL, JournalError};
pub use plan::{Profile, ProfileError};
pub use registry::{AREAS, Level, Method, SUITE_VERSION, TESTS, Test, is_id, test};
pub use report::{Language, assessment_results, comparison_html, html, junit, test_result};
pub use run::{
    Basis, Ending, FORMAT, HostBuild, Progress, Resume, Run, RunError, Settings, SuiteError, Tested, Times,
    catalogue_digest, ending, run,
};
pub use verdict::{Figure, Outcome, Said, Verdict};
