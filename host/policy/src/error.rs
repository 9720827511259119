//! Why a policy set, or a release under it, is refused.

use vaern_door::{Blame, Digest, Interface, Krav, Label, Name, Version};

use crate::catalogue::known;
use crate::diff::Widening;
use crate::place::Place;
use crate::rules::Decision;

/// Every variant names what is wrong, and through [`PolicyError::krav`] and [`PolicyError::blame`] which rule and whose.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file that the set names cannot be read.
    #[error("cannot read the policy file `{file}`: {source}")]
    Unreadable {
        /// Path inside the policy directory.
        file: String,
        /// What the file system said.
        source: std::io::Error,
    },
    /// A file is larger than any policy file has reason to be.
    #[error("the policy file `{file}` is larger than {limit} bytes")]
    TooLarge {
        /// Path inside the policy directory.
        file: String,
        /// Largest size in bytes.
        limit: u64,
    },
    /// More files than any policy set has reason to hold.
    #[error("the policy directory `{folder}` holds more than {limit} files")]
    TooMany {
        /// Folder inside the policy directory.
        folder: String,
        /// Largest number.
        limit: usize,
    },
    /// A file does not follow its form; unknown fields count as that (POL-08).
    #[error("{place}: not valid: {problem}")]
    Invalid {
        /// Where.
        place: Place,
        /// What is wrong.
        problem: String,
    },
    /// A quantity lies outside the range that the program enforces (POL-05).
    #[error("{place}: `{param}` is out of range: {allowed}")]
    OutOfRange {
        /// Where.
        place: Place,
        /// Name of the field.
        param: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A purpose without a legal basis.
    #[error("{place}: the purpose `{purpose}` names no legal basis")]
    NoLegalBasis {
        /// Where.
        place: Place,
        /// The purpose.
        purpose: Name,
    },
    /// The vocabulary holds a label for people.
    #[error(
        "{place}: the purpose `{purpose}` has the label `{label}`: outputs are about objects, never about citizens"
    )]
    PersonLabel {
        /// Where.
        place: Place,
        /// The purpose.
        purpose: Name,
        /// The label.
        label: Label,
    },
    /// A requirement measures masking by the strength of something that can be undone (POL-09).
    #[error(
        "{place}: the requirement measures masking by `{word}`; it must demand that nothing under a mask can be told"
    )]
    ReversibleObfuscation {
        /// Where.
        place: Place,
        /// The word.
        word: &'static str,
    },
    /// The catalogue lacks a krav that the program knows.
    #[error("the catalogue holds no file for {0}: nothing is dropped and nothing is renumbered")]
    MissingKrav(&'static str),
    /// A krav without a rule, or a rule without a krav (POL-10).
    #[error("{place}: {what}")]
    Untraced {
        /// Where.
        place: Place,
        /// What is not linked.
        what: String,
    },
    /// The purpose was written against another version of the catalogue.
    #[error(
        "{place}: the purpose is written for version {purpose} of the catalogue, the set holds version {catalogue}"
    )]
    OtherCatalogue {
        /// Where.
        place: Place,
        /// Named by the purpose.
        purpose: Version,
        /// In the set.
        catalogue: Version,
    },
    /// A rule cannot be evaluated (POL-02). An engine that skips such a rule would let a `forbid` open what it closes.
    #[error("the rule `{rule}` cannot be evaluated: {problem}")]
    EvaluationError {
        /// Id of the rule.
        rule: String,
        /// What the engine said.
        problem: String,
    },
    /// The rules let something through that no policy may let through, shown by a case (POL-03).
    #[error("the rules let through what no policy may: {witness}")]
    Unsafe {
        /// The case.
        witness: String,
    },
    /// No purpose of that name, or several and none chosen.
    #[error("{0}")]
    WhichPurpose(String),
    /// The release is made for another purpose.
    #[error("the release is made for the purpose `{release}`, this node runs `{node}`")]
    WrongPurpose {
        /// Purpose of the release.
        release: Name,
        /// Purpose of the policy set.
        node: Name,
    },
    /// The manifest asks for an interface that the profile does not give.
    #[error("the release asks for `{}`, which the profile `{profile}` does not give", .interface.as_str())]
    ExceedsCeiling {
        /// What is asked for.
        interface: Interface,
        /// Name of the profile.
        profile: Name,
    },
    /// The manifest has a label outside the vocabulary of the purpose.
    #[error("the release answers with `{label}`, which is not in the vocabulary of the purpose")]
    UnknownLabel {
        /// The label.
        label: Label,
    },
    /// A model of the release names a class that is no word of the purpose's vocabulary.
    #[error("the model `{model}` names the class `{class}`, which is not in the vocabulary of the purpose")]
    ForeignClass {
        /// The model.
        model: Name,
        /// The class, as far as it is printable.
        class: String,
        /// Whether it is about people or what is theirs.
        people: bool,
    },
    /// The manifest has no label, or one twice.
    #[error("the release must name its labels, each once")]
    BadLabels,
    /// The profile demands a test of the gate, and the approval names none.
    #[error(
        "the profile `{profile}` takes an approval only with a result of the gate's own test, and this one names none"
    )]
    NoGateResult {
        /// Name of the profile.
        profile: Name,
    },
    /// The profile takes no approval that leaves the host open.
    #[error("the profile `{profile}` takes an approval only for a host line, and this one names none")]
    NoHostLine {
        /// Name of the profile.
        profile: Name,
    },
    /// The profile takes no release that its vendor did not test.
    #[error(
        "the profile `{profile}` takes a release only with its vendor's own signed result of the suite, and this one has none that holds"
    )]
    NoVendorResult {
        /// Name of the profile.
        profile: Name,
    },
    /// The test that the approval names is of another gate.
    #[error("the approval names the test of another gate: {named} was tested, {gate} is in force")]
    OtherGate {
        /// The gate that was tested.
        named: Digest,
        /// The gate of this set.
        gate: Digest,
    },
    /// A rule of the city says no, or none says yes.
    #[error("{0}")]
    Denied(Box<Decision>),
    /// A changed set gives more than the one before, without a new version of the krav that it touches (POL-03).
    #[error("the set gives more than the one before it:{}", lines(.0))]
    Widened(Vec<Widening>),
    /// A krav says something else than in the set before, under the same version.
    #[error("{place}: {krav} says something else than in the set before, but its version is the same")]
    SilentChange {
        /// Where.
        place: Place,
        /// The krav.
        krav: String,
    },
}

fn lines(widenings: &[Widening]) -> String {
    widenings.iter().map(|widening| format!("\n  {widening}")).collect()
}

impl PolicyError {
    /// The requirement behind the refusal.
    #[must_use]
    pub fn krav(&self) -> Krav {
        match self {
            Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::Invalid { .. }
            | Self::OutOfRange { .. }
            | Self::EvaluationError { .. } => Krav("STD-02"),
            Self::NoLegalBasis { .. } => Krav("GOV-07"),
            Self::PersonLabel { .. } => Krav("STD-04"),
            Self::ReversibleObfuscation { .. } => Krav("MIN-02"),
            Self::MissingKrav(id) => Krav(id),
            Self::Untraced { .. } => Krav("GOV-05"),
            Self::OtherCatalogue { .. } | Self::SilentChange { .. } => Krav("MAL-05"),
            Self::Unsafe { .. } => Krav("STD-01"),
            Self::WhichPurpose(_) | Self::WrongPurpose { .. } => Krav("STD-03"),
            Self::ExceedsCeiling { .. } => Krav("LEV-06"),
            Self::ForeignClass { people: true, .. } => Krav("LEV-05"),
            Self::UnknownLabel { .. } | Self::ForeignClass { .. } | Self::BadLabels => Krav("LIG-02"),
            Self::NoGateResult { .. } | Self::OtherGate { .. } => Krav("MIN-01"),
            Self::NoHostLine { .. } => Krav("LEV-04"),
            Self::NoVendorResult { .. } => Krav("LEV-01"),
            Self::Denied(decision) => decision.krav(),
            Self::Widened(widenings) => {
                widenings.first().and_then(|widening| known(&widening.krav)).unwrap_or(Krav("MAL-05"))
            }
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::WrongPurpose { .. }
            | Self::ExceedsCeiling { .. }
            | Self::UnknownLabel { .. }
            | Self::ForeignClass { .. }
            | Self::BadLabels => Blame::Vendor,
            Self::WhichPurpose(_) | Self::Unreadable { .. } => Blame::Operator,
            _ => Blame::Policy,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "name a policy directory that holds this file and may be read",
            Self::TooLarge { .. } | Self::TooMany { .. } => "take out what does not belong into a policy set",
            Self::Invalid { .. } => "correct the line; `policies/schemas/` holds the form of each file for editors",
            Self::OutOfRange { .. } => {
                "choose a value inside the range; the program holds these bounds against every policy"
            }
            Self::NoLegalBasis { .. } => "write the legal basis into the purpose, as in `GDPR art. 6, stk. 1, litra e`",
            Self::PersonLabel { .. } => "take the label out: no label may be about people or what is theirs",
            Self::ReversibleObfuscation { .. } => "demand an irreversible fill instead of a strength",
            Self::MissingKrav(_) => "put the file back; a krav that no longer applies is marked `retired` and stays",
            Self::Untraced { .. } => "link both ways: the krav lists the rule, and the rule names the krav with @krav",
            Self::OtherCatalogue { .. } => {
                "read what changed in the catalogue, then set `catalogue` of the purpose to its version"
            }
            Self::EvaluationError { .. } => "correct the rule; until then everything that it could decide is refused",
            Self::Unsafe { .. } => "put the forbidding rule back, or narrow the permitting one",
            Self::WhichPurpose(_) => "name one of the purposes with --purpose",
            Self::WrongPurpose { .. } => "submit a release for this purpose, or run the purpose that it is made for",
            Self::ExceedsCeiling { .. } => "leave the interface out of the manifest, or ask the city to open it",
            Self::UnknownLabel { .. } => "use labels of the purpose's vocabulary only, or ask the city to add this one",
            Self::ForeignClass { .. } => {
                "train and export the model with classes of the vocabulary only, and name them in its file as the vocabulary does"
            }
            Self::BadLabels => "list each label once in the manifest",
            Self::NoGateResult { .. } | Self::OtherGate { .. } => {
                "test this set's gate with `vaern corpus gate --sign`, and approve anew with `vaern approve --gate-result`"
            }
            Self::NoHostLine { .. } => {
                "name `host_line` in the approval's draft, list its builds and tests with `vaern channel publish --host --mandatory`, and sign a run of the suite on one of them"
            }
            Self::NoVendorResult { .. } => {
                "the vendor runs `vaern conform` on this very release and signs with `--vendor-key`"
            }
            Self::Denied(_) => "read the rule that decided with `vaern policy explain`, and bring what it asks for",
            Self::Widened(_) => {
                "take the change back, or decide it: add `changed` with a new version to each krav named, and set `catalogue` of the purpose to that version"
            }
            Self::SilentChange { .. } => "add `changed` with a new version and the reason to the krav",
        }
    }
}
