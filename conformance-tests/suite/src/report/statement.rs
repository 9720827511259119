//! What a run says of a release, in in-toto's words, for a role of the city to sign.

use std::collections::BTreeSet;

use vaern_door::Digest;
use vaern_trust::{Outcome as Result, TakenPart, TestResult};

use crate::registry::Level;
use crate::result::{Ending, Run, lets_pass, needless};
use crate::verdict::Verdict;

/// The statement. `None` for a run of some tests only: it says nothing of the release as a whole.
///
/// Tests that do not apply, and those for a person, stand in no list: nobody may take them for passed.
#[must_use]
pub fn test_result(run: &Run) -> Option<TestResult> {
    let ending = run.ending?;
    let bytes = run.to_json().ok()?;
    let (mut passed, mut warned, mut failed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (test, outcome) in run.with_tests() {
        match (outcome.verdict, test.level) {
            (Verdict::Pass, _) => passed.insert(test.id.to_owned()),
            // Let pass for a time: nobody may take it for passed.
            (Verdict::Fail, _) if lets_pass(outcome, &run.deviations).is_some() => warned.insert(test.id.to_owned()),
            (Verdict::Fail | Verdict::Unproven, Level::Must) => failed.insert(test.id.to_owned()),
            (Verdict::Fail | Verdict::Unproven, Level::Should) => warned.insert(test.id.to_owned()),
            (Verdict::NotApplicable | Verdict::Examine, _) => continue,
        };
    }
    for one in needless(&run.outcomes, &run.deviations) {
        passed.remove(&one.test);
        failed.insert(one.test.clone());
    }
    let mut configuration = vec![
        TakenPart::new("host", run.host.digest),
        TakenPart::new("policy", run.basis.policy),
        TakenPart::new(format!("catalogue-{}", run.basis.catalogue), run.basis.catalogue_digest),
        TakenPart::new(format!("suite-{}-{}", run.basis.suite, run.profile), run.basis.bounds),
        TakenPart::new("run.json", Digest::of(&bytes)),
    ];
    for one in &run.deviations {
        let said = serde_json::to_vec(one).ok()?;
        configuration.push(TakenPart::new(format!("deviation-{}-until-{}", one.test, one.expires), Digest::of(&said)));
    }
    configuration.extend(run.corpus.iter().map(|corpus| TakenPart::new("corpus", corpus.digest)));
    if let Some(part) = &run.authority {
        configuration.push(TakenPart::new("seed-commitment", part.commitment));
        configuration.push(TakenPart::new(format!("attempt-{}-of-{}", part.attempt, part.of), part.ledger));
    }
    Some(TestResult {
        result: match ending {
            Ending::Passed => Result::Passed,
            Ending::Warned => Result::Warned,
            Ending::Failed => Result::Failed,
        },
        configuration,
        passed_tests: passed,
        warned_tests: warned,
        failed_tests: failed,
    })
}
