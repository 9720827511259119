//! The public register entry of an approved release, and the notice to citizens of its purpose (GEN-01, GOV-12, MAL-03).
//!
//! Everything in it follows from what was signed: the policy set, the approval and the records that it names, the manifest, and the
//! result that the approval rests on. No field can be empty: what nobody stated is refused, with the field and where to state it.

mod form;
mod said;
mod stated;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use vaern_door::{Blame, Digest, Grants, Krav, Manifest, Name, guard};
use vaern_policy::{PolicyError, PolicySet, TwoLanguages};
use vaern_privacy::{Fence, MaskingPolicy};
use vaern_trust::{Approval as Approved, Dpia as Record, DpiaPart, TestResult};

pub use self::form::Register;
pub(crate) use self::form::{
    Advice, Answers, Assessment, Conformance, Cost, Decision, For, Measured, Registered, Saving,
};
pub use self::stated::{Both, Listed, Stated};
use crate::result::Run;
use crate::verdict::{Figure, Verdict};

/// Name of the form.
pub const REGISTER_FORMAT: &str = "vaern-register/1";

/// Why no register entry is made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// A field that nobody stated.
    #[error("the register has nothing to say in `{field}`")]
    Unstated {
        /// The field.
        field: &'static str,
        /// Where it is stated.
        place: String,
    },
    /// A field with something personal in it.
    #[error("`{field}` holds what looks like {kind}: the register is public")]
    Personal {
        /// The field.
        field: &'static str,
        /// Where it is stated.
        place: String,
        /// What it looks like.
        kind: &'static str,
    },
    /// A record that is not the one that the approval names.
    #[error("the {what} is not the one that the approval names: {named} is named, {given} was given")]
    OtherRecord {
        /// Which.
        what: &'static str,
        /// Its digest in the approval.
        named: Digest,
        /// Its digest as given.
        given: Digest,
    },
    /// The approval rests on no signed result.
    #[error("the release carries no signed result that its approval can rest on")]
    NoResult,
    /// The run that was given is not the one that was signed.
    #[error("the run is not the one that the signed result names")]
    OtherRun,
    /// A file of the policy set that its own checks let pass cannot be read.
    #[error("the policy set: {0}")]
    Policy(String),
}

impl RegisterError {
    /// The requirement behind it.
    #[must_use]
    pub fn krav(&self) -> Krav {
        match self {
            Self::Unstated { field, .. } if field.starts_with("saving") => Krav("MAL-03"),
            Self::Unstated { .. } | Self::Policy(_) => Krav("GEN-01"),
            Self::Personal { .. } => Krav("STD-06"),
            Self::OtherRecord { .. } => Krav("GOV-05"),
            Self::NoResult | Self::OtherRun => Krav("LEV-04"),
        }
    }

    /// Whose turn it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::OtherRun | Self::OtherRecord { .. } => Blame::Operator,
            _ => Blame::Policy,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn mend(&self) -> String {
        match self {
            Self::Unstated { place, .. } => format!("state it in {place}"),
            Self::Personal { place, .. } => format!("take it out of {place}"),
            Self::OtherRecord { .. } => "give the file that was approved, byte for byte".to_owned(),
            Self::NoResult => "run `vaern conform` with --key, and approve the release anew".to_owned(),
            Self::OtherRun => "give the folder of the run whose result was signed".to_owned(),
            Self::Policy(_) => "`vaern policy check` says where".to_owned(),
        }
    }
}

impl From<PolicyError> for RegisterError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error.to_string())
    }
}

/// What an entry is made from.
pub struct Sources<'a> {
    /// The policy set in force.
    pub set: &'a PolicySet,
    /// Digest of the release.
    pub release: Digest,
    /// The release's manifest.
    pub manifest: &'a Manifest,
    /// The approval, and the digest of its statement.
    pub approval: (&'a Approved, Digest),
    /// The impact assessment.
    pub dpia: &'a Record,
    /// The text of the data protection officer's advice.
    pub advice: &'a [u8],
    /// The result that the approval rests on.
    pub result: Option<&'a TestResult>,
    /// The run, and the bytes of its `run.json`.
    pub run: (&'a Run, &'a [u8]),
    /// Mean microseconds of a look, from `times.json`.
    pub look_us: u64,
}

/// What the rules of a purpose say to the public: what sentences are made from.
struct Rules<'a> {
    set: &'a PolicySet,
    grants: Grants,
    fence: Fence,
    masking: MaskingPolicy,
}

impl<'a> Rules<'a> {
    fn of(set: &'a PolicySet, manifest: &Manifest) -> Result<Self, RegisterError> {
        let purpose = &set.purpose;
        let unreadable = |what: &str| RegisterError::Policy(what.to_owned());
        let stem = purpose.geofence.rsplit('/').next().and_then(|name| name.strip_suffix(".geojson"));
        let name = stem.and_then(|stem| Name::new(stem).ok()).ok_or_else(|| unreadable("the name of the fence"))?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let fence = Fence::parse(name, &text(set.geofence()), purpose.max_area_km2)
            .map_err(|error| RegisterError::Policy(error.to_string()))?;
        let masking =
            MaskingPolicy::parse(&text(set.masking())).map_err(|error| RegisterError::Policy(error.to_string()))?;
        Ok(Self { set, grants: set.grants(manifest)?, fence, masking })
    }
}

impl Register {
    /// Makes the entry.
    ///
    /// # Errors
    /// [`RegisterError`] names the field that nobody stated, or the record that is not the one that was approved.
    pub fn of(sources: &Sources<'_>) -> Result<Self, RegisterError> {
        let Sources { set, manifest, .. } = sources;
        let purpose = &set.purpose;
        let file = format!("`purposes/{}.toml` of the signed policy set", purpose.name);
        let said = |field, part: &str, words: &Option<TwoLanguages>| {
            let place = format!("{file}, as `[register.{part}]` with `dk` and `en`");
            let (dk, en) = words.as_ref().map_or(("", ""), |words| (words.dk.as_str(), words.en.as_str()));
            Both::new(field, &place, dk, en)
        };
        let words = &purpose.register;
        let authority = words.authority.as_deref().unwrap_or_default();
        let manifest_file = "`vaern.toml` of the release";
        let approval = "the approval's draft, and approve the release anew";
        let Approved { responsible, .. } = sources.approval.0;
        let rules = Rules::of(set, manifest)?;
        Ok(Self {
            format: REGISTER_FORMAT.to_owned(),
            release: Registered {
                plugin: Stated::new("release.plugin", manifest_file, manifest.name.as_str())?,
                version: manifest.version.clone(),
                vendor: Stated::new("release.vendor", manifest_file, manifest.vendor.as_str())?,
                intended_use: Stated::new("release.intended_use", manifest_file, &manifest.intended_use)?,
                digest: sources.release,
            },
            answers: Answers {
                authority: Stated::new("answers.authority", &format!("{file}, as `authority`"), authority)?,
                unit: Stated::new("answers.unit", approval, &responsible.unit)?,
                manager: Stated::new("answers.manager", approval, &responsible.manager)?,
            },
            purpose: For {
                name: purpose.name.clone(),
                purpose: Both::new("purpose.purpose", &file, &purpose.dk, &purpose.en)?,
                legal_basis: Stated::new("purpose.legal_basis", &file, &purpose.legal_basis)?,
                benefit: said("purpose.benefit", "benefit", &words.benefit)?,
                rights: said("purpose.rights", "rights", &words.rights)?,
            },
            collected: said::collected(&rules)?,
            not_collected: said::not_collected(&rules)?,
            kept: said::kept(&rules)?,
            may: said::may(&rules)?,
            may_not: said::may_not(&rules)?,
            dpia: assessment(sources)?,
            decision: decision(sources)?,
            advice: advice(sources)?,
            conformance: conformance(sources)?,
            saving: Saving {
                stated: said("saving.stated", "saving", &words.saving)?,
                measured: said("saving.measured", "measured", &words.measured)?,
            },
        })
    }
}

fn assessment(sources: &Sources<'_>) -> Result<Assessment, RegisterError> {
    let (given, named) = (sources.dpia.record(), &sources.approval.0.dpia);
    if given != named {
        return Err(RegisterError::OtherRecord { what: "DPIA record", named: named.digest, given: given.digest });
    }
    let parts: BTreeMap<String, &str> = sources.dpia.parts().map(|(part, said)| (part.to_string(), said)).collect();
    let part = |field, part: DpiaPart| {
        let said = parts.get(&part.to_string()).copied().unwrap_or_default();
        Stated::new(field, "the DPIA record, and approve the release anew", said)
    };
    Ok(Assessment {
        date: given.date,
        digest: given.digest,
        residual_risk: given.residual_risk,
        description: part("dpia.description", DpiaPart::Description)?,
        necessity: part("dpia.necessity", DpiaPart::Necessity)?,
        risks: part("dpia.risks", DpiaPart::Risks)?,
        measures: part("dpia.measures", DpiaPart::Measures)?,
    })
}

fn decision(sources: &Sources<'_>) -> Result<Decision, RegisterError> {
    let (approval, digest) = sources.approval;
    let place = "the approval";
    let roles = approval.roles.iter().map(|role| Stated::new("decision.roles", place, role.as_str()));
    let day = |at: jiff::Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
    Ok(Decision {
        roles: Listed::new("decision.roles", place, roles.collect::<Result<_, _>>()?)?,
        from: day(approval.not_before),
        until: day(approval.expires),
        digest,
        catalogue: approval.catalogue.clone(),
        policy: sources.set.digest(),
    })
}

fn advice(sources: &Sources<'_>) -> Result<Advice, RegisterError> {
    let named = &sources.approval.0.dpo_advice;
    let given = Digest::of(sources.advice);
    if given != named.digest {
        let what = "data protection officer's advice";
        return Err(RegisterError::OtherRecord { what, named: named.digest, given });
    }
    let text = std::str::from_utf8(sources.advice).unwrap_or_default();
    Ok(Advice {
        date: named.date,
        digest: given,
        advice: Stated::new("advice.advice", "the file of the advice, as text in UTF-8", text)?,
        reply: Stated::new("advice.reply", "the approval's draft, and approve the release anew", &named.reply)?,
    })
}

fn conformance(sources: &Sources<'_>) -> Result<Conformance, RegisterError> {
    let (run, bytes) = sources.run;
    let result = sources.result.ok_or(RegisterError::NoResult)?;
    let digest = Digest::of(bytes);
    let signed = result.configuration.iter().any(|part| part.name == "run.json" && part.digest() == Some(digest));
    let ours = signed && run.release.digest == sources.release;
    if !ours && guard::stands("conformance.register-run") {
        return Err(RegisterError::OtherRun);
    }
    let place = "a whole run of the suite: `vaern conform` without --only";
    let ending = run.ending.ok_or(RegisterError::OtherRun)?;
    // Labelled pictures are not part of every run; the rest is.
    let figures = |field, tests: &[(&str, Option<&str>, bool)]| {
        let mut all = Vec::new();
        for (test, wanted, always) in tests {
            let before = all.len();
            let outcome = run.outcomes.iter().find(|o| o.test == *test && o.verdict != Verdict::Unproven);
            let named = outcome.into_iter().flat_map(|outcome| &outcome.figures);
            let named = named.filter(|(name, figure)| {
                wanted.is_none_or(|wanted| wanted == name.as_str()) && !matches!(figure, Figure::Count { .. })
            });
            for (name, figure) in named {
                let (test, name) = (Stated::new(field, place, test)?, Stated::new(field, place, name)?);
                all.push(Measured { test, name, figure: figure.clone() });
            }
            if *always && all.len() == before {
                return Err(RegisterError::Unstated { field, place: place.to_owned() });
            }
        }
        Listed::new(field, place, all)
    };
    let count = |field, test: &str, name: &str| {
        let outcome = run.outcomes.iter().find(|outcome| outcome.test == test);
        match outcome.and_then(|outcome| outcome.figures.get(name)) {
            Some(Figure::Count { count }) if *count > 0 => Ok(*count),
            _ => Err(RegisterError::Unstated { field, place: place.to_owned() }),
        }
    };
    let tenths = sources.look_us.div_ceil(100);
    if tenths == 0 {
        let field = "conformance.cost.tenths_of_a_second_per_1000_frames";
        return Err(RegisterError::Unstated { field, place: "`times.json` of the run".to_owned() });
    }
    let asked = run.outcomes.iter().filter(|outcome| outcome.verdict != Verdict::NotApplicable).count();
    let passed = run.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).count();
    let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Ok(Conformance {
        on: said::on(run)?,
        ending,
        passed: whole(passed),
        asked: whole(asked),
        host: run.host.clone(),
        run: digest,
        quality: figures(
            "conformance.quality",
            &[
                ("KT-QUA-002P", Some("recall"), true),
                ("KT-QUA-003P", Some("precision"), true),
                ("KT-COR-003N", None, false),
            ],
        )?,
        equality: figures(
            "conformance.equality",
            &[("KT-FAI-001N", Some("net_loss"), true), ("KT-FAI-003N", None, true)],
        )?,
        cost: Cost {
            instructions_per_1000_frames: count(
                "conformance.cost.instructions_per_1000_frames",
                "KT-COS-001P",
                "instructions_per_1000_frames",
            )?,
            memory_bytes: count("conformance.cost.memory_bytes", "KT-COS-002P", "memory_bytes_most")?,
            tenths_of_a_second_per_1000_frames: tenths,
        },
    })
}
