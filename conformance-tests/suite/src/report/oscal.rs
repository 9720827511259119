//! The run as OSCAL assessment results, for auditors' tools: an observation for each test, a finding for each krav.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::registry::{Method, Test};
use crate::result::{Run, lets_pass};
use crate::verdict::{Outcome, Verdict};

/// The version of OSCAL that is written: that of the catalogue's export.
const OSCAL_VERSION: &str = "1.2.1";
const NAMESPACE: &str = "urn:vaern:oscal";

/// Writes the results; `at` is the time of the export in RFC 3339. Ids are made from the run: the same run gives the same ids.
#[must_use]
pub fn assessment_results(run: &Run, at: &str) -> Value {
    let key = format!("{}/{}/{}/{}", run.release.digest, run.host.digest, run.profile, run.seed);
    let id = |kind: &str, name: &str| id(&key, kind, name);
    let observations: Vec<Value> = run
        .with_tests()
        .map(|(test, outcome)| observation(test, outcome, run, &id("observation", test.id), at))
        .collect();
    let mut by_krav: BTreeMap<&str, Vec<(&Test, &Outcome)>> = BTreeMap::new();
    for (test, outcome) in run.with_tests() {
        for krav in test.krav {
            by_krav.entry(krav.0).or_default().push((test, outcome));
        }
    }
    let findings: Vec<Value> = by_krav
        .iter()
        .map(|(krav, tests)| {
            let open: Vec<&str> =
                tests.iter().filter(|(_, outcome)| outcome.verdict.fails()).map(|(test, _)| test.id).collect();
            let state = if open.is_empty() { "satisfied" } else { "not-satisfied" };
            let description = if open.is_empty() {
                "Ingen prøve af kravet faldt ud imod udgaven.".to_owned()
            } else {
                format!("Ikke bestået: {}.", open.join(", "))
            };
            let related: Vec<Value> =
                tests.iter().map(|(test, _)| json!({ "observation-uuid": id("observation", test.id) })).collect();
            json!({
                "uuid": id("finding", krav),
                "title": krav,
                "description": description,
                "target": {
                    "type": "statement-id",
                    "target-id": format!("{}_smt", krav.to_lowercase()),
                    "status": { "state": state },
                },
                "related-observations": related,
            })
        })
        .collect();
    let controls: Vec<Value> = by_krav.keys().map(|krav| json!({ "control-id": krav.to_lowercase() })).collect();
    let plan = id("plan", &run.basis.suite);
    json!({ "assessment-results": {
        "uuid": id("results", "all"),
        "metadata": {
            "title": format!("Overensstemmelsesprøve af {}", run.release.name),
            "last-modified": at,
            "version": run.basis.suite,
            "oscal-version": OSCAL_VERSION,
        },
        "import-ap": { "href": format!("#{plan}") },
        "results": [{
            "uuid": id("result", "1"),
            "title": run.release.name,
            "description": format!(
                "Udgave {} på vært {}, profil {}, frø {}.",
                run.release.digest, run.host.digest, run.profile, run.seed
            ),
            "start": at,
            "props": [
                prop("release", &run.release.digest.to_string()),
                prop("host", &run.host.digest.to_string()),
                prop("policy", &run.basis.policy.to_string()),
                prop("catalogue", run.basis.catalogue.as_str()),
                prop("ending", run.ending.map_or("partial", |ending| ending.as_str())),
            ],
            "reviewed-controls": { "control-selections": [{ "include-controls": controls }] },
            "observations": observations,
            "findings": findings,
        }],
        "back-matter": { "resources": [{
            "uuid": plan,
            "title": format!("vaern-conformance {}", run.basis.suite),
            "description": "Prøverne står i prøvesamlingens register; hver nævner sit krav.",
        }] },
    }})
}

fn observation(test: &Test, outcome: &Outcome, run: &Run, uuid: &str, at: &str) -> Value {
    let method = match test.method {
        Method::Test => "TEST",
        Method::Examine => "EXAMINE",
    };
    let description = outcome.why.as_ref().map_or(test.da, |why| why.da.as_str());
    let mut value = json!({
        "uuid": uuid,
        "title": test.id,
        "description": description,
        "props": [prop("verdict", outcome.verdict.as_str()), prop("blame", test.blame.as_str())],
        "methods": [method],
        "types": ["control-objective"],
        "collected": at,
    });
    if outcome.verdict != Verdict::Pass
        && let Some(object) = value.as_object_mut()
    {
        let mut remarks = format!("{}\n{}", test.mend, run.replay(test.id));
        if let Some(one) = lets_pass(outcome, &run.deviations) {
            remarks += &format!("\nDeviation until {}, owner {}: {}", one.expires, one.owner, one.reason);
        }
        object.insert("remarks".to_owned(), Value::String(remarks));
    }
    value
}

fn prop(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NAMESPACE, "value": value })
}

fn id(key: &str, kind: &str, name: &str) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, NAMESPACE.as_bytes());
    Uuid::new_v5(&space, format!("assessment/{key}/{kind}/{name}").as_bytes()).to_string()
}
