//! Releases side by side on the same ground: the same streets, rules, bounds and host, or no comparison (GOV-08).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vaern_door::{Interface, guard};

use crate::plan::Profile;
use crate::result::{Basis, CorpusPart, Ending, HostBuild, Run, Tested};
use crate::verdict::{Figure, Verdict};

/// Name of the form.
pub const COMPARISON_FORMAT: &str = "vaern-conformance-comparison/2";

/// Why runs are not compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// One release is compared with nothing.
    #[error("a comparison takes two releases or more")]
    TooFew,
    /// They differ in what they were held to.
    #[error("`{0}` was run with another {1}: only what was tested alike is compared")]
    Unlike(String, &'static str),
    /// A run of some tests only.
    #[error("`{0}` was run for some tests only")]
    Partial(String),
    /// The same release twice.
    #[error("`{0}` is named twice")]
    Twice(String),
}

/// One release in a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Which.
    pub release: Tested,
    /// What it asks for: less is better.
    pub asks_for: BTreeSet<Interface>,
    /// How its run ended.
    pub ending: Ending,
    /// Mandatory and recommended tests that it failed, or that could not be shown.
    pub not_passed: Vec<String>,
    /// The figures of [`LINES`], in their order; none where the run has none.
    pub figures: Vec<Option<Figure>>,
}

/// Releases side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// [`COMPARISON_FORMAT`].
    pub format: String,
    /// The host that ran them all.
    pub host: HostBuild,
    /// What they were all held to.
    pub basis: Basis,
    /// How thoroughly.
    pub profile: Profile,
    /// From which seed.
    pub seed: u64,
    /// The labelled pictures, where some were given: counts, and no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusPart>,
    /// In the order in which they were named: nobody is ranked. Which figure matters is for people to decide.
    pub releases: Vec<Compared>,
}

/// What is compared: test, figure, Danish, English.
pub const LINES: [(&str, &str, &str, &str); 16] = [
    ("KT-QUA-002P", "recall", "Finder", "Finds"),
    ("KT-QUA-003P", "precision", "Rigtigt", "Right"),
    ("KT-COR-001P", "recall", "Finder på mærkede billeder", "Finds on labelled pictures"),
    ("KT-COR-002P", "precision", "Rigtigt på mærkede billeder", "Right on labelled pictures"),
    ("KT-ROB-001P", "lost", "Tabt ved støj", "Lost to noise"),
    ("KT-ROB-002P", "lost", "Tabt ved uskarphed", "Lost to blur"),
    ("KT-ROB-003P", "lost", "Tabt ved JPEG", "Lost to JPEG"),
    ("KT-ROB-004P", "lost", "Tabt ved andet udsnit", "Lost to another crop"),
    ("KT-ROB-005P", "lost", "Tabt ved andet lys", "Lost to other light"),
    ("KT-ROB-006N", "lost", "Tabt ved mærke på gaden", "Lost to a sticker on the street"),
    ("KT-ROB-007N", "lost", "Tabt ved mærke på containeren", "Lost to a sticker on the container"),
    ("KT-FAI-001N", "net_loss", "Færre fund nær mennesker", "Fewer finds near people"),
    ("KT-OUT-003N", "mostly_masked", "Peger på det maskerede", "Points at what is masked"),
    ("KT-OUT-005N", "moved", "Flytter sig ved usynlig ændring", "Moves at an invisible change"),
    ("KT-COS-001P", "instructions_mean", "Egne instruktioner pr. billede", "Own instructions per frame"),
    ("KT-COS-002P", "memory_bytes_most", "Hukommelse, bytes", "Memory, bytes"),
];

/// Puts runs side by side. Each comes with what its manifest asks for.
///
/// # Errors
/// [`CompareError`] where they are not alike enough to be compared.
pub fn compare(runs: &[(Run, BTreeSet<Interface>)]) -> Result<Comparison, CompareError> {
    let [(first, _), _, ..] = runs else { return Err(CompareError::TooFew) };
    let mut seen = BTreeSet::new();
    let mut releases = Vec::new();
    for (run, asks_for) in runs {
        let name = || run.release.name.clone();
        for (alike, what) in [
            (run.host == first.host, "host"),
            (run.basis == first.basis, "set of rules"),
            (run.profile == first.profile, "profile"),
            (run.seed == first.seed, "seed"),
            (run.engine == first.engine, "engine"),
            (run.corpus == first.corpus, "corpus"),
        ] {
            if !alike && guard::stands("conformance.alike") {
                return Err(CompareError::Unlike(name(), what));
            }
        }
        if !seen.insert(run.release.digest) {
            return Err(CompareError::Twice(name()));
        }
        let ending = run.ending.ok_or_else(|| CompareError::Partial(name()))?;
        let not_passed =
            run.outcomes.iter().filter(|outcome| outcome.verdict.fails()).map(|o| o.test.clone()).collect();
        let figures = LINES.iter().map(|(test, figure, ..)| figure_of(run, test, figure)).collect();
        releases.push(Compared {
            release: run.release.clone(),
            asks_for: asks_for.clone(),
            ending,
            not_passed,
            figures,
        });
    }
    Ok(Comparison {
        format: COMPARISON_FORMAT.to_owned(),
        host: first.host.clone(),
        basis: first.basis.clone(),
        profile: first.profile,
        seed: first.seed,
        corpus: first.corpus.clone(),
        releases,
    })
}

/// A figure, where the test came to one: a test that could not be shown has none, whatever it counted on the way.
fn figure_of(run: &Run, test: &str, figure: &str) -> Option<Figure> {
    let outcome = run.outcomes.iter().find(|outcome| outcome.test == test)?;
    (outcome.verdict != Verdict::Unproven).then(|| outcome.figures.get(figure).cloned())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]
mod tests {
    use std::collections::BTreeMap;

    use vaern_door::{Digest, Name, Version};

    use super::*;
    use crate::registry::{SUITE_VERSION, TESTS};
    use crate::result::FORMAT;
    use crate::stats::Tally;
    use crate::verdict::Outcome;

    fn run(name: &str, found: u64) -> (Run, BTreeSet<Interface>) {
        let digest = Digest::of(b"same");
        let recall = Tally { part: found, of: 20 }.figure();
        let outcome = Outcome {
            test: "KT-QUA-002P".to_owned(),
            verdict: if found > 2 { Verdict::Pass } else { Verdict::Fail },
            why: None,
            case: None,
            figures: BTreeMap::from([("recall".to_owned(), recall)]),
        };
        let run = Run {
            format: FORMAT.to_owned(),
            release: Tested {
                name: name.to_owned(),
                digest: Digest::of(name.as_bytes()),
                vendor: Name::new("x").unwrap(),
            },
            host: HostBuild { version: "1".to_owned(), digest },
            basis: Basis {
                catalogue: Version::new("0.1.0").unwrap(),
                catalogue_digest: digest,
                krav: BTreeMap::new(),
                policy: digest,
                rules: digest,
                suite: SUITE_VERSION.to_owned(),
                bounds: digest,
            },
            profile: Profile::Vendor,
            seed: 1,
            engine: "tract".to_owned(),
            corpus: None,
            authority: None,
            deviations: Vec::new(),
            ending: Some(crate::result::ending(std::slice::from_ref(&outcome), &[])),
            outcomes: vec![outcome],
            examples: Vec::new(),
        };
        (run, BTreeSet::from([Interface::Models]))
    }

    #[test]
    fn gov_08p_releases_stand_side_by_side_in_the_order_in_which_they_were_named() {
        let comparison = compare(&[run("b", 1), run("a", 18)]).unwrap();
        let names: Vec<&str> = comparison.releases.iter().map(|one| one.release.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(comparison.releases[0].not_passed, ["KT-QUA-002P"]);
        assert!(matches!(comparison.releases[1].figures[0], Some(Figure::Share { part: 18, of: 20, .. })));
        assert!(comparison.releases.iter().all(|one| one.figures.len() == LINES.len() && one.figures[1].is_none()));
    }

    #[test]
    fn gov_08n_what_was_not_tested_alike_is_not_compared() {
        let unlike = |change: fn(&mut Run), what| {
            let mut other = run("a", 18);
            change(&mut other.0);
            assert_eq!(compare(&[run("b", 1), other]), Err(CompareError::Unlike("a".to_owned(), what)));
        };
        unlike(|run| run.seed = 2, "seed");
        unlike(|run| run.profile = Profile::Dev, "profile");
        unlike(|run| run.host.digest = Digest::of(b"other"), "host");
        unlike(|run| run.basis.bounds = Digest::of(b"other"), "set of rules");
        unlike(|run| run.basis.catalogue = Version::new("0.2.0").unwrap(), "set of rules");
        unlike(|run| run.engine = "onnxruntime".to_owned(), "engine");
        let part = CorpusPart { digest: Digest::of(b"pictures"), pictures: 3, sealed: true };
        unlike(|run| run.corpus = Some(CorpusPart { digest: Digest::of(b"x"), pictures: 3, sealed: true }), "corpus");
        let on = |name, digest: &[u8]| {
            let (mut run, asks) = run(name, 18);
            run.corpus = Some(CorpusPart { digest: Digest::of(digest), ..part.clone() });
            (run, asks)
        };
        // Two sealed collections of as many pictures are not the same ground.
        let other = compare(&[on("b", b"pictures"), on("a", b"other pictures")]);
        assert_eq!(other, Err(CompareError::Unlike("a".to_owned(), "corpus")));
        assert_eq!(compare(&[on("b", b"pictures"), on("a", b"pictures")]).unwrap().corpus, Some(part.clone()));
        assert_eq!(compare(&[run("a", 1)]), Err(CompareError::TooFew));
        assert_eq!(compare(&[run("a", 1), run("a", 1)]), Err(CompareError::Twice("a".to_owned())));
        let mut partial = run("a", 1);
        partial.0.ending = None;
        assert_eq!(compare(&[run("b", 1), partial]), Err(CompareError::Partial("a".to_owned())));
    }

    #[test]
    fn gov_08p_every_line_is_a_test_of_the_registry() {
        assert!(LINES.iter().all(|(id, ..)| TESTS.iter().any(|test| test.id == *id)));
    }
}
