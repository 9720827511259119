//! Manifest and profile to grants. Profile and rules must both say yes; the smaller number wins (POL-07).
//!
//! The answer is frozen: integers and sets. The frame path reads nothing else, and asks no rule again.

use vaern_door::{Grants, Interface, Label, Manifest, Name, Size, guard};

use crate::purpose::is_about_people;
use crate::rules::{FrameFacts, NodeView, Question, ReleaseView};
use crate::{PolicyError, PolicySet};

impl PolicySet {
    /// This node under this policy, as the rules see it.
    #[must_use]
    pub fn node(&self) -> NodeView {
        NodeView {
            purpose: self.purpose.name.to_string(),
            policy_set: self.purpose.policy_set.to_string(),
            catalogue: self.purpose.catalogue.to_string(),
            operating: self.purpose.operating,
            vocabulary: self.purpose.vocabulary.iter().cloned().collect(),
        }
    }

    /// What this policy set gives a release with this manifest.
    ///
    /// # Errors
    /// [`PolicyError`] where the manifest asks for more than the purpose, the profile or the rules give. Nothing is cut
    /// down silently except the frame size, where the smaller of the two is handed out.
    pub fn grants(&self, manifest: &Manifest) -> Result<Grants, PolicyError> {
        if guard::stands("policy.purpose") && manifest.purpose != self.purpose.name {
            let (release, node) = (manifest.purpose.clone(), self.purpose.name.clone());
            return Err(PolicyError::WrongPurpose { release, node });
        }
        let asked = manifest.capabilities.iter().copied().collect::<std::collections::BTreeSet<_>>();
        let beyond = asked.iter().find(|interface| !self.profile.interfaces.contains(interface));
        if let Some(beyond) = beyond.filter(|_| guard::stands("policy.ceiling")) {
            let profile = self.profile.name.clone();
            return Err(PolicyError::ExceedsCeiling { interface: *beyond, profile });
        }
        let distinct: std::collections::BTreeSet<_> = manifest.labels.iter().collect();
        if manifest.labels.is_empty() || distinct.len() != manifest.labels.len() {
            return Err(PolicyError::BadLabels);
        }
        let unknown = manifest.labels.iter().find(|label| !self.purpose.vocabulary.contains(label));
        if let Some(label) = unknown.filter(|_| guard::stands("policy.vocabulary")) {
            return Err(PolicyError::UnknownLabel { label: label.clone() });
        }
        self.ask_the_rules(manifest, &asked)?;
        let mut limits = self.profile.limits;
        if !asked.contains(&Interface::Diagnostics) || self.purpose.operating {
            limits.log_bytes = 0;
        }
        if !asked.contains(&Interface::Zoom) {
            limits.zoom_pixels = 0;
        }
        Ok(Grants {
            interfaces: asked,
            frame: smaller(manifest.frame, self.profile.frame),
            tensors: manifest.tensors.clone(),
            labels: manifest.labels.clone(),
            limits,
            output: self.profile.output,
        })
    }

    /// Holds the classes that a model names in its file against the purpose's vocabulary: a release can answer with nothing else, and so
    /// its models are to know nothing else (LIG-02, LEV-05). Capitals, blanks and hyphens make no other word.
    ///
    /// # Errors
    /// [`PolicyError::ForeignClass`] names the first that is not in it.
    pub fn classes(&self, model: &Name, classes: &[String]) -> Result<(), PolicyError> {
        if !guard::stands("policy.model-classes") {
            return Ok(());
        }
        let word = |class: &str| class.trim().to_lowercase().replace([' ', '-'], "_");
        let listed = |class: &str| self.purpose.vocabulary.iter().any(|label| label.as_str() == word(class));
        // What stands for nothing at all is no class of anything.
        let nothing = |class: &str| matches!(word(class).as_str(), "background" | "baggrund");
        let Some(foreign) = classes.iter().find(|class| !listed(class) && !nothing(class)) else { return Ok(()) };
        let people = Label::new(word(foreign)).is_ok_and(|label| is_about_people(&label));
        let class = foreign.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
        Err(PolicyError::ForeignClass { model: model.clone(), class, people })
    }

    /// Every rule that a grant stands on: each interface, each label, and the one kind of frame that the gate makes.
    fn ask_the_rules(
        &self,
        manifest: &Manifest,
        asked: &std::collections::BTreeSet<Interface>,
    ) -> Result<(), PolicyError> {
        let (release, node) = (ReleaseView::of(manifest), self.node());
        let mut questions = vec![Question::HandOver { release: release.clone(), frame: FrameFacts::CLEAR }];
        questions.extend(asked.iter().map(|interface| Question::Grant {
            release: release.clone(),
            interface: *interface,
            ceiling: self.profile.interfaces.clone(),
            operating: node.operating,
            zoom_pixels: self.profile.limits.zoom_pixels,
        }));
        questions.extend(manifest.labels.iter().map(|label| Question::Accept {
            release: release.clone(),
            label: label.clone(),
            vocabulary: node.vocabulary.clone(),
            over_half_masked: false,
        }));
        for question in &questions {
            let decision = self.city.rules().decide(question);
            if guard::stands("policy.grant") && !decision.allowed() {
                return Err(PolicyError::Denied(Box::new(decision)));
            }
        }
        Ok(())
    }
}

/// Both axes at most as large as in either size.
fn smaller(a: Size, b: Size) -> Size {
    Size::new(a.width().min(b.width()), a.height().min(b.height())).unwrap_or(b)
}
