//! Who may say what: the vendors whose keys the city admitted, the roles that decide, and how many of them it takes.
//!
//! The file is the city's. It is checked once, at load; a trust root that exists is sound.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vaern_door::{Digest, Name};

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
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRootFile {
    /// Admitted vendors.
    #[serde(default)]
    pub vendors: Vec<VendorEntry>,
    /// Keys of the municipal roles.
    #[serde(default)]
    pub roles: Vec<RoleEntry>,
    /// What an approval takes.
    pub approval: ApprovalRule,
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

/// A trust root that was checked.
#[derive(Debug, Clone)]
pub struct TrustRoot {
    vendors: Vec<(Name, PublicKey)>,
    roles: Vec<(Name, PublicKey)>,
    threshold: usize,
    required: BTreeSet<Name>,
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
        let threshold = table.get("approval").and_then(|rule| rule.get("threshold"));
        if threshold.is_some_and(|t| t.as_integer().is_none_or(|n| u16::try_from(n).is_err())) {
            return Err(SigError::BadThreshold { least: 1, most: usize::from(u16::MAX) });
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
            // Across vendors and roles: a vendor must never approve itself, nor one key count twice.
            if keys.contains(&key) {
                return Err(SigError::DuplicateKey(key.id()));
            }
            keys.push(key.clone());
            Ok(key)
        };
        let mut vendors: Vec<(Name, PublicKey)> = Vec::new();
        for vendor in &file.vendors {
            if vendors.iter().any(|(name, _)| *name == vendor.name) {
                return Err(SigError::DuplicateName(vendor.name.clone()));
            }
            if vendor.risk_record.is_none() {
                return Err(SigError::NoRiskRecord(vendor.name.clone()));
            }
            vendors.push((vendor.name.clone(), admit(&vendor.key)?));
        }
        let mut holders = BTreeSet::new();
        let mut roles = Vec::new();
        for entry in &file.roles {
            if !holders.insert(&entry.name) {
                return Err(SigError::DuplicateName(entry.name.clone()));
            }
            roles.push((entry.role.clone(), admit(&entry.key)?));
        }
        let required: BTreeSet<Name> = file.approval.roles.iter().cloned().collect();
        let deciding: BTreeSet<&Name> =
            roles.iter().map(|(role, _)| role).filter(|role| role.as_str() != ADVISER_ROLE).collect();
        for role in &required {
            if role.as_str() == ADVISER_ROLE {
                return Err(SigError::AdviserDecides(role.clone()));
            }
            if !deciding.contains(role) {
                return Err(SigError::RoleWithoutKey(role.clone()));
            }
        }
        let threshold = usize::from(file.approval.threshold);
        let least = required.len().max(1);
        if required.len() != file.approval.roles.len() || threshold < least || threshold > deciding.len() {
            return Err(SigError::BadThreshold { least, most: deciding.len() });
        }
        Ok(Self { vendors, roles, threshold, required })
    }

    /// The key of a vendor.
    #[must_use]
    pub fn vendor_key(&self, name: &Name) -> Option<&PublicKey> {
        self.vendors.iter().find(|(vendor, _)| vendor == name).map(|(_, key)| key)
    }

    /// The vendor that a key belongs to.
    #[must_use]
    pub fn vendor_of(&self, key: &PublicKey) -> Option<&Name> {
        self.vendors.iter().find(|(_, k)| k == key).map(|(name, _)| name)
    }

    /// The role that a key signs in.
    #[must_use]
    pub fn role_of(&self, key: &PublicKey) -> Option<&Name> {
        self.roles.iter().find(|(_, k)| k == key).map(|(role, _)| role)
    }

    pub(crate) fn vendor_keys(&self) -> impl Iterator<Item = &PublicKey> + Clone {
        self.vendors.iter().map(|(_, key)| key)
    }

    pub(crate) fn role_keys(&self) -> impl Iterator<Item = &PublicKey> + Clone {
        self.roles.iter().map(|(_, key)| key)
    }

    /// Judges who signed: enough distinct keys, in enough distinct roles, all required roles among them.
    /// The adviser's signature never counts. Gives the roles that count.
    pub(crate) fn decide(&self, signers: &[PublicKey]) -> Result<BTreeSet<Name>, SigError> {
        let mut have = 0;
        let mut signed = BTreeSet::new();
        for role in signers.iter().filter_map(|key| self.role_of(key)) {
            if role.as_str() != ADVISER_ROLE {
                have += 1;
                signed.insert(role.clone());
            }
        }
        if have < self.threshold {
            return Err(SigError::ThresholdNotMet { have, need: self.threshold });
        }
        let missing: Vec<Name> = self.required.difference(&signed).cloned().collect();
        if !missing.is_empty() {
            return Err(SigError::RoleDiversity { missing });
        }
        if signed.len() < self.threshold {
            let others: BTreeSet<Name> = self
                .roles
                .iter()
                .map(|(role, _)| role.clone())
                .filter(|role| role.as_str() != ADVISER_ROLE && !signed.contains(role))
                .collect();
            return Err(SigError::RoleDiversity { missing: others.into_iter().collect() });
        }
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKeyPair;

    fn key(seed: u8) -> String {
        SigningKeyPair::from_seed(&[seed; 32]).public().to_string()
    }

    fn text() -> String {
        format!(
            r#"
            [[vendors]]
            name = "example-vision"
            key = "{}"
            risk_record = {{ date = "2026-03-01", digest = "{}" }}

            [[roles]]
            role = "jura"
            name = "jura-1"
            key = "{}"

            [[roles]]
            role = "it-sikkerhed"
            name = "sikkerhed-1"
            key = "{}"

            [[roles]]
            role = "dpo"
            name = "dpo-1"
            key = "{}"

            [approval]
            threshold = 2
            roles = ["jura"]
            "#,
            key(1),
            Digest::of(b"risk"),
            key(2),
            key(3),
            key(4)
        )
    }

    fn changed(from: &str, to: &str) -> Result<TrustRoot, SigError> {
        let other = text().replacen(from, to, 1);
        assert_ne!(other, text(), "the text to change is there");
        TrustRoot::from_toml(&other)
    }

    #[test]
    fn an_honest_trust_root_is_read() {
        let root = TrustRoot::from_toml(&text()).unwrap();
        let name = Name::new("example-vision").unwrap();
        let vendor = root.vendor_key(&name).unwrap();
        assert_eq!(vendor.to_string(), key(1));
        assert_eq!(root.vendor_of(vendor), Some(&name));
        assert_eq!(root.role_of(&key(3).parse().unwrap()).unwrap().as_str(), "it-sikkerhed");
        assert_eq!(root.role_of(vendor), None);
    }

    #[test]
    fn sig_06n_one_key_under_two_names_is_refused() {
        for (first, second) in [(2, 3), (1, 2), (1, 4)] {
            let twice = changed(&key(second), &key(first)).unwrap_err();
            assert!(matches!(twice, SigError::DuplicateKey(_)), "{first} {second}: {twice}");
        }
        assert!(matches!(changed("sikkerhed-1", "jura-1"), Err(SigError::DuplicateName(_))));
    }

    #[test]
    fn sig_07n_thresholds_that_mean_nothing_are_refused() {
        for bad in ["0", "-1", "1.5", "\"2\"", "true", "3", "4", "70000", "18446744073709551615", "[2]"] {
            let refused = changed("threshold = 2", &format!("threshold = {bad}"));
            // A number past 64 bits is no TOML at all.
            let expected = |e: &SigError| matches!(e, SigError::BadThreshold { .. }) || bad.len() > 18;
            assert!(refused.as_ref().is_err_and(expected), "{bad}: {refused:?}");
        }
        // Fewer signatures than roles that must sign; one role named twice.
        let all = r#"roles = ["jura", "it-sikkerhed"]"#;
        assert!(changed(r#"roles = ["jura"]"#, all).is_ok());
        let few =
            TrustRoot::from_toml(&text().replace("threshold = 2", "threshold = 1").replace(r#"roles = ["jura"]"#, all));
        assert_eq!(few.unwrap_err(), SigError::BadThreshold { least: 2, most: 2 });
        let twice = changed(r#"roles = ["jura"]"#, r#"roles = ["jura", "jura"]"#);
        assert!(matches!(twice, Err(SigError::BadThreshold { .. })));
        assert!(matches!(changed("threshold = 2", ""), Err(SigError::Malformed { .. })));
    }

    #[test]
    fn sig_07n_an_empty_trust_root_grants_nothing() {
        for text in ["", "[approval]\nthreshold = 1\n", "[approval]\nthreshold = 0\n"] {
            assert!(TrustRoot::from_toml(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sig_17n_a_key_of_another_algorithm_is_refused() {
        for other in ["rsa", "ml-dsa-65", "ecdsa"] {
            let bad = changed("key = \"ed25519:", &format!("key = \"{other}:"));
            assert_eq!(bad.unwrap_err(), SigError::WrongAlgorithm, "{other}");
        }
        assert!(matches!(
            changed("name = \"jura-1\"", "name = \"jura-1\"\nalg = \"rsa\""),
            Err(SigError::Malformed { .. })
        ));
    }

    #[test]
    fn lev_03n_a_vendor_without_a_risk_record_is_refused() {
        let at = text().find("risk_record").unwrap();
        let line = text()[at..].lines().next().unwrap().to_owned();
        let refused = changed(&line, "").unwrap_err();
        assert_eq!(refused, SigError::NoRiskRecord(Name::new("example-vision").unwrap()));
        assert_eq!(refused.krav(), "LEV-03");
        assert!(changed("2026-03-01", "2026-13-01").is_err());
    }

    #[test]
    fn gov_06n_the_adviser_cannot_be_a_deciding_role() {
        let named = changed(r#"roles = ["jura"]"#, r#"roles = ["dpo"]"#).unwrap_err();
        assert!(matches!(named, SigError::AdviserDecides(_)));
        let unknown = changed(r#"roles = ["jura"]"#, r#"roles = ["drift"]"#).unwrap_err();
        assert!(matches!(unknown, SigError::RoleWithoutKey(_)));
    }

    #[test]
    fn the_file_form_writes_back() {
        let file: TrustRootFile = toml::from_str(&text()).unwrap();
        let again: TrustRootFile = toml::from_str(&toml::to_string(&file).unwrap()).unwrap();
        assert_eq!(again, file);
    }
}
