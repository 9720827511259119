//! The only types that a leaf may be made of. None of them can hold a name, a place, a picture or its hash (AUD-05).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vaern_door::Digest;

use crate::AuditError;

mod sealed {
    pub trait Sealed {}
}

/// What a field of a leaf may be. Closed: nobody outside this file can add to it.
///
/// ```
/// vaern_record::log::impersonal::<vaern_record::log::ReleaseRef>();
/// vaern_record::log::impersonal::<vaern_record::log::Counts>();
/// ```
///
/// Free text, coordinates, bytes, and hashes of just anything are not:
///
/// ```compile_fail,E0277
/// vaern_record::log::impersonal::<String>();
/// ```
/// ```compile_fail,E0277
/// vaern_record::log::impersonal::<f64>();
/// ```
/// ```compile_fail,E0277
/// vaern_record::log::impersonal::<Vec<u8>>();
/// ```
/// ```compile_fail,E0277
/// vaern_record::log::impersonal::<i64>();
/// ```
/// ```compile_fail,E0277
/// vaern_record::log::impersonal::<vaern_door::Digest>();
/// ```
/// ```compile_fail,E0277
/// vaern_record::log::impersonal::<vaern_door::Name>();
/// ```
pub trait Impersonal: sealed::Sealed {}

/// Compiles only for what a field of a leaf may be.
pub const fn impersonal<T: Impersonal>() {}

macro_rules! permit {
    ($($ty:ty),+ $(,)?) => {
        $(impl sealed::Sealed for $ty {} impl Impersonal for $ty {})+
    };
}

permit!(bool, AtMost, Counts, Reason, Wall);

/// A number that nobody knows better than that it is no larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AtMost(pub u32);

/// A list, or as leaves had it before there could be more than one: one or none.
pub(super) fn none_or_some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Many(Vec<T>),
        One(Option<T>),
    }
    Ok(match Either::deserialize(from)? {
        Either::Many(many) => many,
        Either::One(one) => one.into_iter().collect(),
    })
}

impl<T: Impersonal> sealed::Sealed for Vec<T> {}
impl<T: Impersonal> Impersonal for Vec<T> {}
impl<T: Impersonal> sealed::Sealed for Option<T> {}
impl<T: Impersonal> Impersonal for Option<T> {}

macro_rules! references {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(Digest);

            impl $name {
                /// Refers to it by its digest.
                #[must_use]
                pub const fn of(digest: Digest) -> Self {
                    Self(digest)
                }

                /// The digest.
                #[must_use]
                pub const fn digest(&self) -> Digest {
                    self.0
                }
            }

            permit!($name);
        )+
    };
}

// One type for each thing that may be referred to: the digest of a picture has none, so it does not get in by mistake.
references! {
    /// A release, by the digest of its index.
    ReleaseRef,
    /// An approval, by the digest of its statement.
    ApprovalRef,
    /// A policy set, by its digest.
    PolicyRef,
    /// A deletion certificate, by its digest.
    CertificateRef,
    /// A key, by the digest of its 32 bytes: who signed, without a name.
    KeyRef,
    /// The witnesses and the quorum in force, by the digest of their list.
    WitnessesRef,
    /// A person's verdict, by the digest of its record, which holds 32 random bytes: nobody guesses the rest from it.
    VerdictRef,
    /// A withdrawal, by the digest of its record, which holds 32 random bytes.
    WithdrawalRef,
    /// An export, by the digest of its list of proposals, whose ids are random.
    ExportRef,
}

/// A run, by 128 random bits: tells neither when nor where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunRef([u8; 16]);

impl RunRef {
    /// A new one.
    ///
    /// # Errors
    /// [`AuditError::Randomness`] if the system has none.
    pub fn random() -> Result<Self, AuditError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| AuditError::Randomness)?;
        Ok(Self(bytes))
    }
}

permit!(RunRef);

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RunRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| serde::de::Error::custom("not a run"))?;
        let run = Self(bytes);
        if run.to_string() == text { Ok(run) } else { Err(serde::de::Error::custom("not a run")) }
    }
}

/// A word of the program that frames are counted under, such as `outside_fence`.
///
/// It is made from a constant of the program only, so nothing that came in from outside can become one:
///
/// ```compile_fail,E0597
/// let plate = format!("ab{}", 12345);
/// let reason = vaern_record::log::Reason::of(&plate).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// Takes a word of the program.
    ///
    /// # Errors
    /// [`AuditError::Word`] unless it is 1 to 48 of a to z, 0 to 9 and `_`.
    pub fn of(word: &'static str) -> Result<Self, AuditError> {
        if Self::holds(word) { Ok(Self(Cow::Borrowed(word))) } else { Err(AuditError::Word) }
    }

    fn holds(word: &str) -> bool {
        (1..=48).contains(&word.len()) && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        if Self::holds(&word) { Ok(Self(Cow::Owned(word))) } else { Err(serde::de::Error::custom("not a reason")) }
    }
}

/// What became of the frames of a run. Exists only where every frame is accounted for (AUD-06).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireCounts")]
pub struct Counts {
    frames_in: u64,
    with_objects: u64,
    empty: u64,
    refused: BTreeMap<Reason, u64>,
    failed: BTreeMap<Reason, u64>,
    objects: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCounts {
    frames_in: u64,
    with_objects: u64,
    empty: u64,
    refused: BTreeMap<Reason, u64>,
    failed: BTreeMap<Reason, u64>,
    objects: u64,
}

impl TryFrom<WireCounts> for Counts {
    type Error = AuditError;
    fn try_from(wire: WireCounts) -> Result<Self, AuditError> {
        let WireCounts { frames_in, with_objects, empty, refused, failed, objects } = wire;
        Self::new(frames_in, with_objects, empty, refused, failed, objects)
    }
}

impl Counts {
    /// Checks that frames in = frames with objects + frames without + refused + failed.
    ///
    /// # Errors
    /// [`AuditError::Unbalanced`] where a frame is missing or counted twice, or objects were found in no frame.
    pub fn new(
        frames_in: u64,
        with_objects: u64,
        empty: u64,
        refused: BTreeMap<Reason, u64>,
        failed: BTreeMap<Reason, u64>,
        objects: u64,
    ) -> Result<Self, AuditError> {
        let parts = [with_objects, empty].into_iter().chain(refused.values().copied()).chain(failed.values().copied());
        let accounted = parts.fold(0_u64, u64::saturating_add);
        let balanced = accounted == frames_in && objects >= with_objects && (with_objects > 0 || objects == 0);
        if vaern_door::guard::stands("record.conservation") && !balanced {
            return Err(AuditError::Unbalanced { frames_in, accounted });
        }
        Ok(Self { frames_in, with_objects, empty, refused, failed, objects })
    }

    /// Frames that went in.
    #[must_use]
    pub const fn frames_in(&self) -> u64 {
        self.frames_in
    }

    /// Frames in which at least one object was found.
    #[must_use]
    pub const fn with_objects(&self) -> u64 {
        self.with_objects
    }

    /// Frames that were seen and found empty.
    #[must_use]
    pub const fn empty(&self) -> u64 {
        self.empty
    }

    /// Frames refused under a rule, by reason.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<Reason, u64> {
        &self.refused
    }

    /// Frames lost to a fault of plugin or host, by reason.
    #[must_use]
    pub const fn failed(&self) -> &BTreeMap<Reason, u64> {
        &self.failed
    }

    /// Objects found.
    #[must_use]
    pub const fn objects(&self) -> u64 {
        self.objects
    }
}

/// What stood between vendor code and the rest while a run went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wall {
    /// Vendor code ran in a process of its own.
    pub own_process: bool,
    /// What the system added to that, in force.
    pub in_force: Vec<Protection>,
    /// What the system does not give.
    pub missing: Vec<Protection>,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(rename_all = "snake_case")]
            pub enum $name { $($(#[$vdoc])* $variant),+ }

            impl $name {
                /// All of them.
                pub const ALL: &[Self] = &[$(Self::$variant),+];

                /// The one of this name, as it is written in a leaf.
                #[must_use]
                pub fn named(name: &str) -> Option<Self> {
                    serde_json::from_value(name.into()).ok()
                }
            }

            permit!($name);
        )+
    };
}

words! {
    /// A protection of the wall, beside the sandbox of the engine, which is always there.
    Protection {
        /// No environment.
        EmptyEnvironment,
        /// No descriptors of the node.
        ClosedDescriptors,
        /// No new privileges.
        NoNewPrivileges,
        /// No core file, and nobody looks inside.
        NotDumpable,
        /// Bounds on memory, descriptors and files.
        Limits,
        /// No file and no directory (Landlock).
        LandlockNoFiles,
        /// Few system calls (seccomp).
        SeccompFewSyscalls,
    }

    /// Why a release took another's place.
    SwapCause {
        /// A newer approved release came.
        Newer,
        /// Somebody asked for it.
        Asked,
        /// The new one did worse than the bounds allow.
        Rollback,
    }

    /// Why frames stopped.
    StopCause {
        /// Somebody asked for it.
        Asked,
        /// The release was revoked.
        Revoked,
        /// The residual risk was raised.
        RiskRaised,
        /// The approval ran out.
        ApprovalExpired,
        /// What is known of the channel is too old.
        Stale,
        /// No quorum of witnesses for too long.
        WitnessesSilent,
        /// The disk is full, or the log cannot be written.
        LogUnwritable,
    }

    /// What was looked at.
    Access {
        /// A list of kept evidence.
        List,
        /// One picture and its record.
        Show,
        /// The whole chain of one detection.
        Insight,
        /// A picture run again through its release.
        Replay,
        /// A case worker's view.
        Review,
        /// An export.
        Export,
    }

    /// In which duty somebody looked.
    Duty {
        /// Decides on proposals.
        CaseWorker,
        /// Answers for data protection.
        PrivacyOfficer,
        /// Examines from outside.
        Auditor,
        /// Runs the node.
        Operator,
    }

    /// How long evidence is kept, by its class.
    RetentionClass {
        /// Until a person has looked, and no longer.
        Review,
        /// While a case needs it.
        Case,
        /// For training, in a store and under keys of its own (SEP-02).
        Training,
        /// A whole clear frame, so that what was found in it can be found again (GEN-02).
        Replay,
    }

    /// Why evidence was deleted.
    Deletion {
        /// Its time was over.
        Expired,
        /// Somebody asked for it, a citizen perhaps.
        Asked,
        /// A person found nothing in it.
        Rejected,
        /// The class of data may no longer be kept.
        PolicyChanged,
    }

    /// What a person said about a proposal.
    Decision {
        /// It is what the proposal says.
        Confirmed,
        /// It is not.
        Rejected,
        /// It cannot be said.
        Undecidable,
    }

    /// Why finds were withdrawn.
    Withdrawal {
        /// Somebody whom it concerns objected.
        Objection,
        /// The release that made them is withdrawn.
        Release,
        /// Their evidence was deleted before its time.
        EvidenceDeleted,
    }

    /// What went wrong.
    IncidentKind {
        /// A run ended without its counts: a crash.
        RunLost,
        /// Output was cut for trying to fill the evidence store (EXF-20).
        EvidenceQuota,
        /// A plugin broke a rule of the sandbox.
        PluginViolation,
        /// The release floor could not be read.
        FloorUnreadable,
        /// A release was refused after its approval.
        ReleaseRefused,
        /// A release in operation did worse than was approved, at pictures whose answer is known (ANS-02).
        QualityFailed,
        /// More signs of interference from outside than the city bears (CYB-02). The reason says which.
        Interference,
    }
}
