//! The vendor's statement: this release is mine, and it is the one I mean.

use serde::{Deserialize, Serialize};
use vaern_door::{Manifest, Name, Version};

use super::Predicate;
use crate::sig_error::SigError;

/// What a vendor says of its release. It repeats what the manifest says, so that a list of statements can be read
/// without the releases; the two must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorRelease {
    /// Name of the vendor; its key in the trust root must have signed.
    pub vendor: Name,
    /// Name of the plugin.
    pub plugin: Name,
    /// Version for people's eyes.
    pub version: Version,
    /// The release counter.
    pub counter: u64,
    /// The purpose the plugin is made for.
    pub purpose: Name,
}

impl Predicate for VendorRelease {
    const TYPE: &'static str = "urn:vaern:vendor-release:v1";
}

impl VendorRelease {
    /// The statement that fits `manifest`.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            vendor: manifest.vendor.clone(),
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            counter: manifest.counter,
            purpose: manifest.purpose.clone(),
        }
    }

    /// Checks that the manifest tells the same.
    ///
    /// # Errors
    /// [`SigError::ReleaseMismatch`] names the first field that differs.
    pub(crate) fn agrees_with(&self, manifest: &Manifest) -> Result<(), SigError> {
        let expected = Self::of(manifest);
        for (same, field) in [
            (self.vendor == expected.vendor, "vendor"),
            (self.plugin == expected.plugin, "plugin"),
            (self.version == expected.version, "version"),
            (self.counter == expected.counter, "counter"),
            (self.purpose == expected.purpose, "purpose"),
        ] {
            if !same {
                return Err(SigError::ReleaseMismatch(field));
            }
        }
        Ok(())
    }
}
