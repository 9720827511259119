//! Signed policy sets: what the city's roles signed is what runs, nothing older and nothing else (POL-01, POL-03).

use std::collections::BTreeMap;
use std::io::Read as _;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use vaern_door::{Blame, Digest, Krav, Name, Version, guard};
use vaern_policy::{CitySet, PolicyError, PolicySet, Widening};
use vaern_trust::{Authority, CityFile, Mark, SigError, SigningKeyPair, TrustRoot, open_file, sign_file};

use crate::sinks;

/// Where the signatures stand in a policy directory.
pub const SEAL_FILE: &str = "policy-set.dsse.json";

/// An envelope over a set has no reason to be larger.
const MAX_SEAL_BYTES: u64 = 1 << 20;

/// What the roles sign: the digest of every file of the set, in this order of sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// Name of the set; an approval names it too.
    pub policy_set: Name,
    /// Version of the catalogue in it.
    pub catalogue: Version,
    /// Counts up with each signed set; a node never goes back.
    pub sequence: u64,
    /// Names the set.
    pub digest: Digest,
    /// Digest of each file, by path.
    pub files: BTreeMap<String, Digest>,
    /// Krav that were widened with this set, each by a new version of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widened: Vec<String>,
}

impl CityFile for Seal {
    const PAYLOAD_TYPE: &'static str = "application/vnd.vaern.policy-set.v1+json";
}

/// Why a policy set is not in force.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The set itself does not hold, or gives more than the one before it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// There is no signature, or the directory cannot be read.
    #[error("the policy set is not signed: it holds no `{SEAL_FILE}`")]
    Unsigned,
    /// The file of signatures cannot be read or written.
    #[error("cannot use `{SEAL_FILE}`: {0}")]
    File(std::io::Error),
    /// The signatures do not hold.
    #[error("the signatures of the policy set: {0}")]
    Signature(SigError),
    /// A file is not the one that was signed.
    #[error("the policy set was changed: `{file}` is not the file that was signed")]
    Altered {
        /// Path inside the policy directory.
        file: String,
    },
    /// The signatures are over a set of another name.
    #[error("the signatures are for the policy set `{signed}`, this is `{found}`")]
    OtherSet {
        /// Named in what was signed.
        signed: Name,
        /// Named by the purpose.
        found: Name,
    },
    /// This node has run a newer set.
    #[error("the policy set has number {offered}, this node has run number {ran}")]
    Older {
        /// Newest that ran here.
        ran: u64,
        /// This one's.
        offered: u64,
    },
    /// Another set with the same number ran here.
    #[error("another policy set with the same number {0} ran here: two were signed as one")]
    Twice(u64),
    /// The purposes of the directory belong to sets of different names.
    #[error("the purposes belong to different policy sets: `{0}` and `{1}`")]
    TwoNames(Name, Name),
}

impl SealError {
    /// The requirement behind it.
    #[must_use]
    pub fn krav(&self) -> Krav {
        match self {
            Self::Policy(error) => error.krav(),
            Self::Signature(error) => error.krav(),
            Self::Unsigned | Self::Altered { .. } | Self::Older { .. } | Self::Twice(_) => Krav("SKJ-03"),
            Self::OtherSet { .. } | Self::TwoNames(..) => Krav("STD-03"),
            Self::File(_) => Krav("STD-02"),
        }
    }

    /// Who has to act.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Policy(error) => error.blame(),
            Self::Signature(error) => error.blame(Blame::Policy),
            Self::File(_) => Blame::Operator,
            _ => Blame::Policy,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Policy(error) => error.mend(),
            Self::Signature(error) => error.mend(),
            Self::Unsigned => "let the city's roles sign it with `vaern policy sign`",
            Self::Altered { .. } => "put the signed file back, or let the changed set be signed anew",
            Self::OtherSet { .. } | Self::TwoNames(..) => "use one policy directory for one policy set",
            Self::Older { .. } => "use the newest signed set; to go back, sign the earlier rules under a new number",
            Self::Twice(_) => "find out who signed two sets under one number, and sign the right one under a new one",
            Self::File(_) => "make the directory readable and writable for whoever runs this",
        }
    }
}

/// A policy directory under one purpose, as its roles signed it, with the mark to keep as this node's floor.
///
/// # Errors
/// [`SealError`]; the set that ran before stays in force.
pub fn open(
    dir: &Dir,
    purpose: Option<&Name>,
    trust: &TrustRoot,
    floor: Option<Mark>,
) -> Result<(PolicySet, Mark), SealError> {
    let city = CitySet::load(dir)?;
    let set = city.choose(purpose)?;
    let seal = read(dir, trust)?;
    if seal.policy_set != set.purpose.policy_set {
        let (signed, found) = (seal.policy_set, set.purpose.policy_set.clone());
        return Err(SealError::OtherSet { signed, found });
    }
    hold(&city, &seal)?;
    let mark = Mark { version: seal.sequence, digest: seal.digest };
    if let Some(ran) = floor.filter(|_| guard::stands("policy.floor")) {
        if mark.version < ran.version {
            return Err(SealError::Older { ran: ran.version, offered: mark.version });
        }
        if mark.version == ran.version && mark.digest != ran.digest {
            return Err(SealError::Twice(mark.version));
        }
    }
    Ok((set.signed_as(seal.sequence), mark))
}

/// What the roles signed, if their signatures hold. Nothing is said of the files yet.
///
/// # Errors
/// [`SealError::Unsigned`], [`SealError::Signature`].
pub fn read(dir: &Dir, trust: &TrustRoot) -> Result<Seal, SealError> {
    let file = match dir.open(SEAL_FILE) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(SealError::Unsigned),
        Err(error) => return Err(SealError::File(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_SEAL_BYTES).read_to_end(&mut bytes).map_err(SealError::File)?;
    let signed = open_file::<Seal>(&bytes, trust, Authority::Approval).map_err(SealError::Signature)?;
    Ok(signed.into_file())
}

/// Every file is the one that was signed, and every one that was signed is there.
fn hold(city: &CitySet, seal: &Seal) -> Result<(), SealError> {
    let found = city.digests();
    let differs = |path: &&String| found.get(*path) != seal.files.get(*path);
    let altered = found.keys().chain(seal.files.keys()).find(differs);
    match altered.filter(|_| guard::stands("policy.seal")) {
        Some(file) => Err(SealError::Altered { file: file.clone() }),
        None => Ok(()),
    }
}

/// What would be signed, and what gets wider with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// The content of the signatures.
    pub seal: Seal,
    /// What this set gives beyond the one before it, each decided by a new version of its krav.
    pub wider: Vec<Widening>,
}

/// The set in force that a new one follows, with its seal.
#[derive(Debug)]
pub struct Predecessor {
    /// The set.
    pub city: CitySet,
    /// What was signed of it.
    pub seal: Seal,
}

impl Predecessor {
    /// Reads the signed set in `dir`.
    ///
    /// # Errors
    /// [`SealError`] as a node would refuse it.
    pub fn open(dir: &Dir, trust: &TrustRoot) -> Result<Self, SealError> {
        let (city, seal) = (CitySet::load(dir)?, read(dir, trust)?);
        hold(&city, &seal)?;
        Ok(Self { city, seal })
    }
}

/// What the roles are about to sign. With a predecessor the set must not give more than it, unless the krav say so.
///
/// # Errors
/// [`SealError::Policy`] with [`PolicyError::Widened`] where it does.
pub fn draft(city: &CitySet, before: Option<&Predecessor>) -> Result<Draft, SealError> {
    crate::gate::check(city).map_err(|error| match error {
        crate::gate::CheckError::Policy(error) => error,
        crate::gate::CheckError::Gate(error) => {
            PolicyError::Invalid { place: error.place, problem: error.source.to_string() }
        }
    })?;
    let mut names = city.purposes().map(|(_, purpose)| &purpose.policy_set);
    let Some(name) = names.next() else {
        return Err(PolicyError::WhichPurpose("the policy directory holds no purpose".to_owned()).into());
    };
    if let Some(other) = names.find(|other| *other != name) {
        return Err(SealError::TwoNames(name.clone(), other.clone()));
    }
    let Some(catalogue) = city.catalogue().version().cloned() else {
        return Err(PolicyError::MissingKrav("MIN-01").into());
    };
    let (sequence, wider) = match before {
        None => (1, vec![]),
        Some(before) if before.seal.policy_set != *name => {
            return Err(SealError::OtherSet { signed: before.seal.policy_set.clone(), found: name.clone() });
        }
        Some(before) => (before.seal.sequence.saturating_add(1), city.may_follow(&before.city)?),
    };
    let mut widened: Vec<String> = wider.iter().map(|widening| widening.krav.clone()).collect();
    widened.sort();
    widened.dedup();
    let (digest, files) = (city.digest(), city.digests());
    Ok(Draft { seal: Seal { policy_set: name.clone(), catalogue, sequence, digest, files, widened }, wider })
}

/// Signs a draft with the roles' keys and files the signatures in `dir`.
///
/// # Errors
/// [`SealError::Signature`] as a node would refuse it; nothing is written then.
pub fn sign(dir: &Dir, draft: &Draft, trust: &TrustRoot, pairs: &[&SigningKeyPair]) -> Result<(), SealError> {
    let bytes = sign_file(&draft.seal, trust, Authority::Approval, pairs).map_err(SealError::Signature)?;
    sinks::write_file(dir, SEAL_FILE, &bytes).map_err(|error| SealError::File(std::io::Error::other(error.to_string())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests state what they expect")]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;

    use super::*;

    struct Desk {
        _temp: tempfile::TempDir,
        dir: Dir,
        trust: TrustRoot,
        pairs: [SigningKeyPair; 2],
    }

    impl Desk {
        /// A copy of the city's files, two roles, and the first signed set.
        fn signed() -> Self {
            let temp = tempfile::tempdir().unwrap();
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies"), temp.path());
            let pairs = [SigningKeyPair::generate().unwrap(), SigningKeyPair::generate().unwrap()];
            let role = |name: &str, pair: &SigningKeyPair| {
                format!("\n[[roles]]\nrole = \"{name}\"\nname = \"{name}\"\nkey = \"{}\"\n", pair.public())
            };
            let text = "[approval]\nthreshold = 2\nroles = [\"jura\"]\n".to_owned()
                + &role("jura", &pairs[0])
                + &role("systemejer", &pairs[1]);
            let trust = TrustRoot::from_toml(&text).unwrap();
            let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
            let desk = Self { _temp: temp, dir, trust, pairs };
            desk.sign(&draft(&desk.city(), None).unwrap()).unwrap();
            desk
        }

        fn city(&self) -> CitySet {
            CitySet::load(&self.dir).unwrap()
        }

        fn sign(&self, draft: &Draft) -> Result<(), SealError> {
            sign(&self.dir, draft, &self.trust, &[&self.pairs[0], &self.pairs[1]])
        }

        fn open(&self, floor: Option<Mark>) -> Result<(PolicySet, Mark), SealError> {
            open(&self.dir, None, &self.trust, floor)
        }

        fn edit(&self, file: &str, from: &str, to: &str) {
            let text = self.dir.read_to_string(file).unwrap();
            assert!(text.contains(from));
            self.dir.write(file, text.replacen(from, to, 1)).unwrap();
        }
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    #[test]
    fn pol_01p_a_signed_set_is_in_force_and_signing_again_after_it_counts_up() {
        let desk = Desk::signed();
        let (set, mark) = desk.open(None).unwrap();
        assert_eq!((set.sequence(), mark.version), (Some(1), 1));
        let before = Predecessor::open(&desk.dir, &desk.trust).unwrap();
        desk.edit("profiles/edge.toml", "evidence_days = 7", "evidence_days = 3");
        let narrower = draft(&desk.city(), Some(&before)).unwrap();
        assert!(narrower.wider.is_empty() && narrower.seal.widened.is_empty());
        desk.sign(&narrower).unwrap();
        assert_eq!(desk.open(Some(mark)).unwrap().1.version, 2);
    }

    #[test]
    fn pol_01n_an_altered_an_added_and_a_missing_file_are_named() {
        let desk = Desk::signed();
        desk.edit("models.toml", "# The city", "# the city");
        assert!(matches!(desk.open(None), Err(SealError::Altered { file }) if file == "models.toml"));
        let desk = Desk::signed();
        desk.dir.copy("profiles/edge.toml", &desk.dir, "profiles/other.toml").unwrap();
        assert!(matches!(desk.open(None), Err(SealError::Altered { file }) if file == "profiles/other.toml"));
        let desk = Desk::signed();
        desk.dir.remove_file("masking/irreversible-v1-real.toml").unwrap();
        assert!(matches!(desk.open(None), Err(SealError::Altered { file }) if file.ends_with("-real.toml")));
        desk.dir.remove_file(SEAL_FILE).unwrap();
        assert!(matches!(desk.open(None), Err(SealError::Unsigned)));
    }

    #[test]
    fn pol_01n_an_older_set_and_a_second_one_of_the_same_number_are_refused() {
        let desk = Desk::signed();
        let (_, mark) = desk.open(None).unwrap();
        assert!(desk.open(Some(mark)).is_ok());
        let newer = Mark { version: 2, ..mark };
        assert!(matches!(desk.open(Some(newer)), Err(SealError::Older { ran: 2, offered: 1 })));
        let other = Mark { digest: Digest::of(b"another set"), ..mark };
        assert!(matches!(desk.open(Some(other)), Err(SealError::Twice(1))));
    }

    #[test]
    fn pol_03n_a_wider_set_is_not_drafted() {
        let desk = Desk::signed();
        let before = Predecessor::open(&desk.dir, &desk.trust).unwrap();
        desk.edit("profiles/edge.toml", "evidence_days = 7", "evidence_days = 30");
        let refused = draft(&desk.city(), Some(&before)).unwrap_err();
        assert!(matches!(&refused, SealError::Policy(PolicyError::Widened(_))), "{refused}");
        assert_eq!(refused.krav().0, "SKJ-06");
    }

    #[test]
    fn pol_01n_signatures_of_strangers_and_of_too_few_are_refused() {
        let desk = Desk::signed();
        let alone = sign(&desk.dir, &draft(&desk.city(), None).unwrap(), &desk.trust, &[&desk.pairs[0]]);
        assert!(matches!(alone, Err(SealError::Signature(_))));
        let stranger = SigningKeyPair::generate().unwrap();
        let foreign = sign(&desk.dir, &draft(&desk.city(), None).unwrap(), &desk.trust, &[&stranger, &desk.pairs[0]]);
        assert!(matches!(foreign, Err(SealError::Signature(_))));
        assert_eq!(desk.open(None).unwrap().1.version, 1, "what was signed before stays");
    }
}
