//! Everything that a leaf can say. Closed: what is not here cannot be logged.

use serde::{Deserialize, Serialize};

use super::words::{
    Access, ApprovalRef, AtMost, CertificateRef, Counts, Decision, Deletion, Duty, ExportRef, IncidentKind, KeyRef,
    PolicyRef, Reason, ReleaseRef, RetentionClass, RunRef, StopCause, SwapCause, VerdictRef, Wall, Withdrawal,
    WithdrawalRef, WitnessesRef, impersonal,
};

/// Declares the event type, and holds each field to `Impersonal` while it compiles.
macro_rules! events {
    (
        $(#[$meta:meta])*
        pub enum $event:ident {
            $($(#[$vmeta:meta])* $variant:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty),* $(,)? }),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        pub enum $event {
            $($(#[$vmeta])* $variant { $($(#[$fmeta])* $field: $ty),* }),+
        }

        const _: () = {
            $($(impersonal::<$ty>();)*)+
        };

        impl $event {
            /// The names of all kinds, as they are written.
            pub const KINDS: &[&str] = &[$(stringify!($variant)),+];

            /// The name of this kind.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => stringify!($variant)),+ }
            }
        }
    };
}

events! {
    /// What happened. No field of it can hold anything personal (AUD-05).
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    pub enum Event {
        /// The rules in force from here on.
        PolicyInForce {
            /// The policy set.
            policy: PolicyRef,
        },
        /// An approval was checked and holds.
        ApprovalSeen {
            /// The release that it is for.
            release: ReleaseRef,
            /// The approval.
            approval: ApprovalRef,
            /// Who signed.
            signers: Vec<KeyRef>,
        },
        /// A release began to see frames.
        ReleaseActivated {
            /// The release.
            release: ReleaseRef,
        },
        /// One release took another's place, between two frames.
        ReleaseSwapped {
            /// Before.
            from: ReleaseRef,
            /// After.
            to: ReleaseRef,
            /// Why.
            cause: SwapCause,
        },
        /// Frames stopped.
        Stopped {
            /// Why.
            cause: StopCause,
            /// Who asked, where somebody did.
            by: Option<KeyRef>,
        },
        /// Frames go on.
        Resumed {
            /// Who let them, where somebody had asked for the stop: every key that signed it.
            #[serde(deserialize_with = "super::words::none_or_some")]
            by: Vec<KeyRef>,
        },
        /// The node was cut off while captures lay in memory only: up to so many have no outcome.
        FramesUnknown {
            /// How many at most.
            at_most: AtMost,
        },
        /// A run began.
        RunBegun {
            /// The run.
            run: RunRef,
            /// What looks. None for the gate alone.
            release: Option<ReleaseRef>,
            /// Its approval.
            approval: Option<ApprovalRef>,
            /// The rules.
            policy: PolicyRef,
            /// What stands between vendor code and the rest.
            wall: Wall,
        },
        /// A run ended, and every frame of it is accounted for.
        RunEnded {
            /// The run.
            run: RunRef,
            /// The account.
            counts: Counts,
        },
        /// Somebody looked at what is kept.
        Accessed {
            /// At what.
            what: Access,
            /// In which duty.
            duty: Duty,
            /// Who, where a key says it.
            by: Option<KeyRef>,
        },
        /// Evidence was deleted for good.
        Deleted {
            /// The certificate.
            certificate: CertificateRef,
            /// Why.
            cause: Deletion,
            /// Of which class.
            class: RetentionClass,
        },
        /// Evidence is kept past its time, for a case. Two persons signed.
        HoldSet {
            /// Who.
            signers: Vec<KeyRef>,
        },
        /// The case no longer needs it. Two persons signed.
        HoldLifted {
            /// Who.
            signers: Vec<KeyRef>,
        },
        /// The witnesses that vouch for this log from here on (AUD-04).
        WitnessesSet {
            /// The list and the quorum.
            witnesses: WitnessesRef,
        },
        /// A person decided on a proposal.
        Reviewed {
            /// The verdict: who, on what and why stand in it, not here.
            verdict: VerdictRef,
            /// What was decided.
            decision: Decision,
            /// The picture was shown.
            picture_shown: bool,
        },
        /// Finds were withdrawn: what was handed on of them is wrong from here on.
        Withdrawn {
            /// The record of it.
            withdrawal: WithdrawalRef,
            /// Why.
            cause: Withdrawal,
        },
        /// Proposals were handed on.
        Exported {
            /// The list of what was.
            export: ExportRef,
        },
        /// Something went wrong.
        Incident {
            /// What.
            kind: IncidentKind,
            /// In which run, where there was one.
            run: Option<RunRef>,
            /// By which release, where one was the cause.
            release: Option<ReleaseRef>,
            /// The program's own word for it, where there is one.
            reason: Option<Reason>,
        },
    }
}
