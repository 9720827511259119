//! Who may say what: the vendors whose keys the city admitted, the roles that decide, and how many of them it takes.
//!
//! The file is the city's. It is checked once, at load; a trust root that exists is sound.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name, guard};

use crate::json::JsonError;
use crate::keys::PublicKey;
use crate::printable::printable;
use crate::sig_error::{Form, SigError};

/// The role of the data protection officer: it advises and does not decide (GOV-06).
pub const ADVISER_ROLE: &str = "dpo";

/// Largest trust root that is read.
const MAX_BYTES: usize = 1 << 20;

/// The trust root as it stands in `trust.toml`.
///
/// ```toml
/// [[vendors]]
/// name = "example-vision"
/// key = "ed25519:…64 hexadecimal digits…"
/// risk_record = { date = "2026-03-01", digest = "sha256:…" }
///
/// [[roles]]
/// role = "jura"
/// name = "jura-1"
/// key = "ed25519:…"
///
/// [approval]
/// threshold = 2
/// roles = ["jura", "it-sikkerhed"]
///
/// [channel]                  # who may say what is current; without it: as an approval
/// threshold = 1
/// roles = ["drift"]
///
/// [revocation]               # who may stop a release; without it: any one deciding role
/// threshold = 1
///
/// [compiled]                 # who may vouch for compiled code; without it: as an approval
/// threshold = 1
///
/// [root]                     # who may change this file and restore a node's floor; keys kept offline
/// threshold = 2
/// keys = [{ name = "root-1", key = "ed25519:…" }, { name = "root-2", key = "ed25519:…" }]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRootFile {
    /// Number of this root in the chain of signed roots; absent in a file that stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Admitted vendors.
    #[serde(default)]
    pub vendors: Vec<VendorEntry>,
    /// Keys of the municipal roles.
    #[serde(default)]
    pub roles: Vec<RoleEntry>,
    /// What an approval takes.
    pub approval: ApprovalRule,
    /// What a channel takes; absent: what an approval takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ApprovalRule>,
    /// What a revocation takes; absent: one deciding role, because stopping must be quick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<ApprovalRule>,
    /// What compiled code takes; absent: what an approval takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiled: Option<ApprovalRule>,
    /// Who may change this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootRule>,
}

/// The keys above all others, kept offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRule {
    /// Number of distinct keys.
    pub threshold: u16,
    /// The keys.
    pub keys: Vec<RootKey>,
}

/// One of the root's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKey {
    /// Name of its holder.
    pub name: Name,
    /// The key, as text.
    pub key: String,
}

/// A key that a vendor no longer signs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiredKey {
    /// The key, as text.
    pub key: String,
    /// The last release counter that it signed for. A counter and no time: no clock has to be believed (SIG-21).
    pub last_counter: u64,
}

/// A vendor whose signature is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorEntry {
    /// Name of the vendor, as in its manifests.
    pub name: Name,
    /// Its key, as text.
    pub key: String,
    /// The city's own risk assessment of the vendor; without one the trust root is refused (LEV-03).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_record: Option<RiskRecord>,
    /// Earlier keys, each with the last release that it counts for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<RetiredKey>,
}

/// A dated document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskRecord {
    /// Date of the record.
    pub date: Date,
    /// Digest of its text.
    pub digest: Digest,
}

/// A key that signs in a municipal role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// The role.
    pub role: Name,
    /// Name of the key's holder or desk.
    pub name: Name,
    /// The key, as text.
    pub key: String,
    /// The key counts no more, for nothing: what it signed is signed anew with its successor.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retired: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// How many signatures an approval needs, and of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// Number of distinct keys in distinct roles.
    pub threshold: u16,
    /// Roles that must be among them.
    #[serde(default)]
    pub roles: Vec<Name>,
}

/// What signatures are for: each has its own rule in the trust root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Approving a release, and signing the city's own rules.
    Approval,
    /// Saying what is current.
    Channel,
    /// Stopping a release.
    Revocation,
    /// Saying what the suite found: any one deciding role; anyone can run it again.
    TestResult,
    /// Vouching for compiled code.
    Compiled,
    /// Changing the trust root, and restoring a floor.
    Root,
}

/// How many signatures, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    threshold: usize,
    required: BTreeSet<Name>,
}

#[derive(Debug, Clone)]
struct VendorKey {
    vendor: Name,
    key: PublicKey,
    last_counter: Option<u64>,
}

#[derive(Debug, Clone)]
struct RoleKey {
    role: Name,
    key: PublicKey,
    retired: bool,
}

/// A trust root that was checked.
#[derive(Debug, Clone)]
pub struct TrustRoot {
    version: u64,
    /// Digest of the signed bytes, where it came as a link of the chain.
    link: Option<Digest>,
    vendors: Vec<VendorKey>,
    roles: Vec<RoleKey>,
    root: Vec<(Name, PublicKey)>,
    approval: Rule,
    channel: Rule,
    revocation: Rule,
    compiled: Rule,
    root_threshold: usize,
}

impl TrustRoot {
    /// Reads and checks the text of a `trust.toml`.
    ///
    /// # Errors
    /// [`SigError`] says what is wrong: a key or name twice, a threshold that cannot be met or means nothing, a role
    /// that must sign but has no key, a vendor without a risk record.
    pub fn from_toml(text: &str) -> Result<Self, SigError> {
        let malformed = |e: toml::de::Error| SigError::Malformed {
            form: Form::TrustRoot,
            why: Some(JsonError::Syntax(printable(e.message()))),
        };
        if text.len() > MAX_BYTES {
            return Err(SigError::malformed(Form::TrustRoot));
        }
        let table: toml::Table = toml::from_str(text).map_err(malformed)?;
        // The type would call these malformed; a threshold deserves its own name.
        for part in ["approval", "channel", "revocation", "compiled", "root"] {
            let threshold = table.get(part).and_then(|rule| rule.get("threshold"));
            if threshold.is_some_and(|t| t.as_integer().is_none_or(|n| u16::try_from(n).is_err())) {
                return Err(SigError::BadThreshold { least: 1, most: usize::from(u16::MAX) });
            }
        }
        Self::new(&table.try_into::<TrustRootFile>().map_err(malformed)?)
    }

    /// Checks a trust root.
    ///
    /// # Errors
    /// As [`TrustRoot::from_toml`].
    pub fn new(file: &TrustRootFile) -> Result<Self, SigError> {
        let mut keys: Vec<PublicKey> = Vec::new();
        let mut admit = |text: &str| -> Result<PublicKey, SigError> {
            let key: PublicKey = text.parse()?;
            // Across vendors, roles and root: a vendor must never approve itself, nor one key count twice.
            if guard::stands("trust.distinct-keys") && keys.contains(&key) {
                return Err(SigError::DuplicateKey(key.id()));
            }
            keys.push(key.clone());
            Ok(key)
        };
        let mut vendors: Vec<VendorKey> = Vec::new();
        for vendor in &file.vendors {
            if vendors.iter().any(|known| known.vendor == vendor.name) {
                return Err(SigError::DuplicateName(vendor.name.clone()));
            }
            if guard::stands("trust.risk-record") && vendor.risk_record.is_none() {
                return Err(SigError::NoRiskRecord(vendor.name.clone()));
            }
            let mut add = |key: &str, last_counter| -> Result<(), SigError> {
                vendors.push(VendorKey { vendor: vendor.name.clone(), key: admit(key)?, last_counter });
                Ok(())
            };
            add(&vendor.key, None)?;
            for retired in &vendor.retired {
                add(&retired.key, Some(retired.last_counter))?;
            }
        }
        let mut holders = BTreeSet::new();
        let mut roles = Vec::new();
        for entry in &file.roles {
            if !holders.insert(&entry.name) {
                return Err(SigError::DuplicateName(entry.name.clone()));
            }
            roles.push(RoleKey { role: entry.role.clone(), key: admit(&entry.key)?, retired: entry.retired });
        }
        let mut root = Vec::new();
        for entry in file.root.iter().flat_map(|rule| &rule.keys) {
            if !holders.insert(&entry.name) {
                return Err(SigError::DuplicateName(entry.name.clone()));
            }
            root.push((entry.name.clone(), admit(&entry.key)?));
        }
        let root_threshold = file.root.as_ref().map_or(0, |rule| usize::from(rule.threshold));
        if file.root.is_some() && !(1..=root.len()).contains(&root_threshold) {
            return Err(SigError::BadThreshold { least: 1, most: root.len() });
        }
        let deciding: BTreeSet<&Name> = roles
            .iter()
            .filter(|entry| !entry.retired && entry.role.as_str() != ADVISER_ROLE)
            .map(|entry| &entry.role)
            .collect();
        let approval = rule(&file.approval, &deciding)?;
        let or_approval = |given: &Option<ApprovalRule>| {
            given.as_ref().map_or_else(|| Ok(approval.clone()), |given| rule(given, &deciding))
        };
        let (channel, compiled) = (or_approval(&file.channel)?, or_approval(&file.compiled)?);
        let anyone = Rule { threshold: 1, required: BTreeSet::new() };
        let revocation = file.revocation.as_ref().map_or_else(|| Ok(anyone), |given| rule(given, &deciding))?;
        let version = file.version.unwrap_or(0);
        Ok(Self { version, link: None, vendors, roles, root, approval, channel, revocation, compiled, root_threshold })
    }

    /// Number in the chain of signed roots; 0 for a file that stands alone.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Digest of the signed root that it came from; `None` for a file that stands alone.
    #[must_use]
    pub const fn link(&self) -> Option<Digest> {
        self.link
    }

    pub(crate) const fn linked(mut self, digest: Digest) -> Self {
        self.link = Some(digest);
        self
    }

    /// How many of the root's keys must sign; 0 where there are none.
    pub(crate) const fn root_threshold(&self) -> usize {
        self.root_threshold
    }

    /// The key that a vendor signs with now.
    #[must_use]
    pub fn vendor_key(&self, name: &Name) -> Option<&PublicKey> {
        self.vendors.iter().find(|known| known.vendor == *name && known.last_counter.is_none()).map(|known| &known.key)
    }

    /// The vendor that a key belongs to.
    #[must_use]
    pub fn vendor_of(&self, key: &PublicKey) -> Option<&Name> {
        self.vendors.iter().find(|known| known.key == *key).map(|known| &known.vendor)
    }

    /// Whether a vendor's key still counts for a release with this counter.
    pub(crate) fn counts_for(&self, key: &PublicKey, counter: u64) -> bool {
        self.vendors.iter().any(|known| known.key == *key && known.last_counter.is_none_or(|last| counter <= last))
    }

    /// The role that a key signs in.
    #[must_use]
    pub fn role_of(&self, key: &PublicKey) -> Option<&Name> {
        self.roles.iter().find(|entry| entry.key == *key).map(|entry| &entry.role)
    }

    pub(crate) fn vendor_keys(&self) -> impl Iterator<Item = &PublicKey> + Clone {
        self.vendors.iter().map(|known| &known.key)
    }

    pub(crate) fn role_keys(&self) -> impl Iterator<Item = &PublicKey> + Clone {
        self.roles.iter().map(|entry| &entry.key)
    }

    /// The keys that may count for something.
    pub(crate) fn keys_for(&self, authority: Authority) -> Vec<PublicKey> {
        match authority {
            Authority::Root => self.root.iter().map(|(_, key)| key.clone()).collect(),
            _ => self.role_keys().cloned().collect(),
        }
    }

    /// Judges who signed: enough distinct keys, in enough distinct roles, all required roles among them.
    /// The adviser's signature never counts. Gives the roles that count; of the root, the holders.
    pub(crate) fn decide(&self, authority: Authority, signers: &[PublicKey]) -> Result<BTreeSet<Name>, SigError> {
        let any_one = Rule { threshold: 1, required: BTreeSet::new() };
        let rule = match authority {
            Authority::TestResult => &any_one,
            Authority::Approval => &self.approval,
            Authority::Channel => &self.channel,
            Authority::Revocation => &self.revocation,
            Authority::Compiled => &self.compiled,
            Authority::Root => return self.decide_root(signers),
        };
        let mut have = 0;
        let mut signed = BTreeSet::new();
        let mut retired = None;
        for entry in signers.iter().filter_map(|key| self.roles.iter().find(|entry| entry.key == *key)) {
            if guard::stands("trust.retired-approver") && entry.retired {
                retired = Some(entry.key.id());
            } else if entry.role.as_str() != ADVISER_ROLE || !guard::stands("trust.adviser") {
                have += 1;
                signed.insert(entry.role.clone());
            }
        }
        // A key that was retired explains what is missing better than a number does.
        let short = |otherwise| retired.map_or(otherwise, SigError::KeyRetired);
        if guard::stands("trust.threshold") && have < rule.threshold {
            return Err(short(SigError::ThresholdNotMet { have, need: rule.threshold }));
        }
        let missing: Vec<Name> = rule.required.difference(&signed).cloned().collect();
        if !missing.is_empty() {
            return Err(short(SigError::RoleDiversity { missing }));
        }
        if guard::stands("trust.role-diversity") && signed.len() < rule.threshold {
            let others: BTreeSet<Name> = self
                .roles
                .iter()
                .filter(|entry| !entry.retired && entry.role.as_str() != ADVISER_ROLE && !signed.contains(&entry.role))
                .map(|entry| entry.role.clone())
                .collect();
            return Err(SigError::RoleDiversity { missing: others.into_iter().collect() });
        }
        Ok(signed)
    }

    fn decide_root(&self, signers: &[PublicKey]) -> Result<BTreeSet<Name>, SigError> {
        let holders: BTreeSet<Name> =
            self.root.iter().filter(|(_, key)| signers.contains(key)).map(|(name, _)| name.clone()).collect();
        // A trust root without root keys lets nobody do what only the root may.
        let need = self.root_threshold.max(1);
        if guard::stands("trust.root-threshold") && holders.len() < need {
            return Err(SigError::ThresholdNotMet { have: holders.len(), need });
        }
        Ok(holders)
    }
}

/// Checks a rule against the roles that can sign.
fn rule(given: &ApprovalRule, deciding: &BTreeSet<&Name>) -> Result<Rule, SigError> {
    let required: BTreeSet<Name> = given.roles.iter().cloned().collect();
    for role in &required {
        if role.as_str() == ADVISER_ROLE {
            return Err(SigError::AdviserDecides(role.clone()));
        }
        if !deciding.contains(role) {
            return Err(SigError::RoleWithoutKey(role.clone()));
        }
    }
    let threshold = usize::from(given.threshold);
    let least = required.len().max(1);
    if required.len() != given.roles.len() || threshold < least || threshold > deciding.len() {
        return Err(SigError::BadThreshold { least, most: deciding.len() });
    }
    Ok(Rule { threshold, required })
}

#[cfg(test)]
#[path = "trust_root_tests.rs"]
mod tests;
