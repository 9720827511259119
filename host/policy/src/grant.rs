//! Manifest and profile to grants. Both must say yes; the smaller number wins (POL-07).

use vaern_door::{Grants, Interface, Manifest, Size};

use crate::{PolicyError, PolicySet};

impl PolicySet {
    /// What this policy set gives a release with this manifest.
    ///
    /// # Errors
    /// [`PolicyError`] where the manifest asks for more than the purpose or the profile gives. Nothing is cut down
    /// silently except the frame size, where the smaller of the two is handed out.
    pub fn grants(&self, manifest: &Manifest) -> Result<Grants, PolicyError> {
        if manifest.purpose != self.purpose.name {
            let (release, node) = (manifest.purpose.clone(), self.purpose.name.clone());
            return Err(PolicyError::WrongPurpose { release, node });
        }
        let mut interfaces = std::collections::BTreeSet::new();
        for interface in &manifest.capabilities {
            if !self.profile.interfaces.contains(interface) {
                let profile = self.profile.name.clone();
                return Err(PolicyError::ExceedsCeiling { interface: *interface, profile });
            }
            interfaces.insert(*interface);
        }
        let distinct: std::collections::BTreeSet<_> = manifest.labels.iter().collect();
        if manifest.labels.is_empty() || distinct.len() != manifest.labels.len() {
            return Err(PolicyError::BadLabels);
        }
        if let Some(label) = manifest.labels.iter().find(|label| !self.purpose.vocabulary.contains(label)) {
            return Err(PolicyError::UnknownLabel { label: label.clone() });
        }
        let mut limits = self.profile.limits;
        if !interfaces.contains(&Interface::Diagnostics) || self.purpose.operating {
            limits.log_bytes = 0;
        }
        if !interfaces.contains(&Interface::Zoom) {
            limits.zoom_pixels = 0;
        }
        Ok(Grants {
            interfaces,
            frame: smaller(manifest.frame, self.profile.frame),
            tensors: manifest.tensors.clone(),
            labels: manifest.labels.clone(),
            limits,
            output: self.profile.output,
        })
    }
}

/// Both axes at most as large as in either size.
fn smaller(a: Size, b: Size) -> Size {
    Size::new(a.width().min(b.width()), a.height().min(b.height())).unwrap_or(b)
}
