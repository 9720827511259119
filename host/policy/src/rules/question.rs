//! What the rules are asked, in the words of the city's schema.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};
use vaern_door::{Interface, Label, Manifest};

use crate::purpose::{is_about_faces, is_about_people};
use crate::{ActivationFacts, AdmissionFacts};

/// The actions, as `--action` names them.
pub const ACTIONS: [&str; 5] = ["admit", "activate", "grant", "handOver", "accept"];

/// A release as the rules see it: what its manifest says, and nothing of the vendor's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseView {
    /// Name of the plugin.
    pub name: String,
    /// Name of the vendor.
    pub vendor: String,
    /// The purpose it is made for.
    pub purpose: String,
    /// Labels it may answer with.
    pub labels: BTreeSet<Label>,
    /// Interfaces it asks for.
    pub capabilities: BTreeSet<Interface>,
    /// Whether the licences of all that it brings are named.
    pub licences_named: bool,
}

impl ReleaseView {
    /// The view of a manifest.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        // A release without a model has no licence of one to name.
        let all = [&manifest.licences.plugin, &manifest.licences.model, &manifest.licences.training_data];
        let needed = if manifest.models.is_empty() { 1 } else { all.len() };
        Self {
            name: manifest.name.to_string(),
            vendor: manifest.vendor.to_string(),
            purpose: manifest.purpose.to_string(),
            labels: manifest.labels.iter().cloned().collect(),
            capabilities: manifest.capabilities.iter().copied().collect(),
            licences_named: all.iter().take(needed).all(|licence| !licence.trim().is_empty()),
        }
    }
}

/// A node as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// The purpose it runs.
    pub purpose: String,
    /// The policy set in force.
    pub policy_set: String,
    /// Version of the catalogue in force.
    pub catalogue: String,
    /// Whether it operates, or only evaluates.
    pub operating: bool,
    /// Labels that may leave.
    pub vocabulary: BTreeSet<Label>,
}

/// What is known of a frame before it would be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFacts {
    /// Every required detector searched it, and what they found is covered.
    pub masked: bool,
    /// What covers does not depend on what is covered.
    pub irreversible: bool,
    /// The whole error circle of its position lies inside the fence.
    pub inside_fence: bool,
    /// The camera is one of the city's.
    pub known_camera: bool,
    /// It carries pixels and size only.
    pub without_metadata: bool,
    /// It is no larger than granted.
    pub within_size: bool,
}

impl FrameFacts {
    /// The only kind of frame that the gate makes: its type is the proof of each of these.
    pub const CLEAR: Self = Self {
        masked: true,
        irreversible: true,
        inside_fence: true,
        known_camera: true,
        without_metadata: true,
        within_size: true,
    };
}

/// One question to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// May the release be admitted?
    Admit {
        /// The release.
        release: ReleaseView,
        /// The node.
        node: NodeView,
        /// What was established about it.
        facts: AdmissionFacts,
    },
    /// May it run on this node now?
    Activate {
        /// The release.
        release: ReleaseView,
        /// The node.
        node: NodeView,
        /// What is known at this moment.
        facts: ActivationFacts,
    },
    /// May it have this interface?
    Grant {
        /// The release.
        release: ReleaseView,
        /// The interface.
        interface: Interface,
        /// What the profile gives.
        ceiling: BTreeSet<Interface>,
        /// Whether the node operates.
        operating: bool,
        /// The profile's zoom budget.
        zoom_pixels: u32,
    },
    /// May this frame be handed to it?
    HandOver {
        /// The release.
        release: ReleaseView,
        /// The frame.
        frame: FrameFacts,
    },
    /// May this label be taken from it?
    Accept {
        /// The release.
        release: ReleaseView,
        /// The label.
        label: Label,
        /// Labels that may leave.
        vocabulary: BTreeSet<Label>,
        /// Whether more than half of the box lies under a mask.
        over_half_masked: bool,
    },
}

impl Question {
    /// The action that it asks about.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Admit { .. } => "admit",
            Self::Activate { .. } => "activate",
            Self::Grant { .. } => "grant",
            Self::HandOver { .. } => "handOver",
            Self::Accept { .. } => "accept",
        }
    }

    /// What the question is about, for a person.
    #[must_use]
    pub fn about(&self) -> String {
        match self {
            Self::Admit { .. } | Self::Activate { .. } => self.action().to_owned(),
            Self::Grant { interface, .. } => format!("grant {}", interface.as_str()),
            Self::HandOver { .. } => "handOver frame".to_owned(),
            Self::Accept { label, .. } => format!("accept {label}"),
        }
    }

    const fn release(&self) -> &ReleaseView {
        match self {
            Self::Admit { release, .. }
            | Self::Activate { release, .. }
            | Self::Grant { release, .. }
            | Self::HandOver { release, .. }
            | Self::Accept { release, .. } => release,
        }
    }

    /// The question in the engine's form, held against the schema.
    pub(super) fn ask(&self, schema: &Schema) -> Result<(Request, Entities), String> {
        let release = self.release();
        let principal = uid("Release", &release.name)?;
        let mut labels = release.labels.clone();
        let mut entities = vec![entity(
            principal.clone(),
            [
                ("vendor", text(&release.vendor)),
                ("purpose", text(&release.purpose)),
                ("labels", label_set(&release.labels)?),
                ("capabilities", interface_set(&release.capabilities)?),
                ("licencesNamed", RestrictedExpression::new_bool(release.licences_named)),
            ],
        )?];
        let truth = RestrictedExpression::new_bool;
        let (resource, context) = match self {
            Self::Admit { node, facts, .. } => {
                labels.extend(node.vocabulary.iter().cloned());
                entities.push(node.entity()?);
                (uid("Node", "node")?, facts.context())
            }
            Self::Activate { node, facts, .. } => {
                labels.extend(node.vocabulary.iter().cloned());
                entities.push(node.entity()?);
                (uid("Node", "node")?, facts.context())
            }
            Self::Grant { interface, ceiling, operating, zoom_pixels, .. } => {
                let context = vec![
                    ("ceiling", interface_set(ceiling)?),
                    ("operating", truth(*operating)),
                    ("zoomPixels", RestrictedExpression::new_long(i64::from(*zoom_pixels))),
                ];
                (uid("Interface", interface.as_str())?, context)
            }
            Self::HandOver { frame, .. } => {
                let frame_uid = uid("Frame", "frame")?;
                let facts = [
                    ("masked", frame.masked),
                    ("irreversible", frame.irreversible),
                    ("insideFence", frame.inside_fence),
                    ("knownCamera", frame.known_camera),
                    ("withoutMetadata", frame.without_metadata),
                    ("withinSize", frame.within_size),
                ];
                entities.push(entity(frame_uid.clone(), facts.map(|(name, holds)| (name, truth(holds))))?);
                (frame_uid, vec![])
            }
            Self::Accept { label, vocabulary, over_half_masked, .. } => {
                labels.insert(label.clone());
                labels.extend(vocabulary.iter().cloned());
                let context =
                    vec![("vocabulary", label_set(vocabulary)?), ("overHalfMasked", truth(*over_half_masked))];
                (uid("Label", label.as_str())?, context)
            }
        };
        for label in &labels {
            let facts = [("person", truth(is_about_people(label))), ("face", truth(is_about_faces(label)))];
            entities.push(entity(uid("Label", label.as_str())?, facts)?);
        }
        let entities = Entities::from_entities(entities, Some(schema)).map_err(|e| e.to_string())?;
        let context = context.into_iter().map(|(name, value)| (name.to_owned(), value));
        let context = Context::from_pairs(context).map_err(|e| e.to_string())?;
        let action = uid("Action", self.action())?;
        let request = Request::new(principal, action, resource, context, Some(schema)).map_err(|e| e.to_string())?;
        Ok((request, entities))
    }
}

impl NodeView {
    fn entity(&self) -> Result<Entity, String> {
        entity(
            uid("Node", "node")?,
            [
                ("purpose", text(&self.purpose)),
                ("policySet", text(&self.policy_set)),
                ("catalogue", text(&self.catalogue)),
                ("operating", RestrictedExpression::new_bool(self.operating)),
                ("vocabulary", label_set(&self.vocabulary)?),
            ],
        )
    }
}

/// Name and value of a fact in the engine's form.
pub(crate) type Fact = (&'static str, RestrictedExpression);

pub(crate) fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

pub(crate) fn text_set<'t>(values: impl Iterator<Item = &'t str>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.map(text))
}

fn label_set(labels: &BTreeSet<Label>) -> Result<RestrictedExpression, String> {
    uid_set("Label", labels.iter().map(Label::as_str))
}

fn interface_set(interfaces: &BTreeSet<Interface>) -> Result<RestrictedExpression, String> {
    uid_set("Interface", interfaces.iter().map(|interface| interface.as_str()))
}

fn uid_set<'t>(kind: &str, ids: impl Iterator<Item = &'t str>) -> Result<RestrictedExpression, String> {
    let uids: Result<Vec<_>, _> = ids.map(|id| uid(kind, id).map(RestrictedExpression::new_entity_uid)).collect();
    Ok(RestrictedExpression::new_set(uids?))
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let name: EntityTypeName =
        format!("Vaern::{kind}").parse().map_err(|e: cedar_policy::ParseErrors| e.to_string())?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}

fn entity<const N: usize>(uid: EntityUid, facts: [Fact; N]) -> Result<Entity, String> {
    let facts: HashMap<String, RestrictedExpression> =
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Entity::new(uid, facts, HashSet::new()).map_err(|e| e.to_string())
}
