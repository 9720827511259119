//! What stopped a plugin, and the one test that answers for it. Every other test that needed the plugin is then unproven.

use serde::{Deserialize, Serialize};
use vaern_sandbox::SandboxError;

use crate::keep::KeptFault;
use crate::verdict::Said;

/// How far a plugin comes: each step needs the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Step {
    /// A component, valid by itself.
    Valid,
    /// Without features that are switched off.
    Features,
    /// With the door's imports alone.
    Imports,
    /// Of the door's world.
    World,
    /// Asking for no more than the city gives.
    Grants,
    /// With models that the engine takes.
    Models,
    /// Started once.
    Started,
    /// Describing itself as its manifest does.
    Described,
    /// Answering for a frame.
    Looked,
}

/// Why a plugin did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "KeptFault")]
pub(crate) struct Fault {
    /// The test that answers for it.
    pub(crate) owner: &'static str,
    /// Where it happened.
    pub(crate) step: Step,
    /// What happened.
    pub(crate) said: Said,
}

impl Fault {
    pub(crate) fn new(owner: &'static str, step: Step, said: Said) -> Self {
        Self { owner, step, said }
    }

    /// A fault of the sandbox's reporting. `step` is how far the plugin was when it happened.
    pub(crate) fn sandbox(error: &SandboxError, step: Step) -> Self {
        use SandboxError as E;
        let (owner, step) = match error {
            E::NotAComponent | E::TooComplex(_) | E::CompileBudget => ("KT-DOR-001P", Step::Valid),
            E::FeatureNotAllowed(_) => ("KT-DOR-002N", Step::Features),
            E::ImportNotGranted { .. } => ("KT-DOR-003N", Step::Imports),
            E::WorldMismatch => ("KT-DOR-004P", Step::World),
            E::ModelMissing => ("KT-DOR-006P", Step::Models),
            E::DescriptionMismatch(_) => ("KT-DOR-007P", Step::Described),
            E::DeadlineExceeded => ("KT-LIM-001N", step),
            E::MemoryLimit => ("KT-LIM-002N", step),
            E::TableLimit | E::InstanceLimit => ("KT-LIM-003N", step),
            E::StackOverflow => ("KT-LIM-004N", step),
            E::HandleLimit => ("KT-LIM-005N", step),
            E::HostcallBudget => ("KT-LIM-006N", step),
            E::BadHandle | E::Reentrancy => ("KT-LIM-007N", step),
            E::InvalidResult | E::InvalidString => ("KT-LIM-008N", step),
            E::Trap(_) => ("KT-LIM-009N", step),
            E::PluginFailed(_) | E::InferencePanic => ("KT-LIM-010N", step),
            // Faults of the host or the operator: no test of the vendor's answers for them, and nothing is shown.
            _ => (HOST, step),
        };
        Self { owner, step, said: Said::new(dansk(error), error.to_string()) }
    }
}

/// The owner as it is written down, or none of ours.
pub(crate) fn owner_of(name: &str) -> Option<&'static str> {
    if name == HOST { Some(HOST) } else { crate::registry::test(name).map(|test| test.id) }
}

/// Owner of faults that are nobody's test: the run itself cannot say anything then.
pub(crate) const HOST: &str = "host";

/// The step at which the test of this id is settled.
pub(crate) fn step_of(test: &str) -> Step {
    match test {
        "KT-DOR-001P" => Step::Valid,
        "KT-DOR-002N" => Step::Features,
        "KT-DOR-003N" => Step::Imports,
        "KT-DOR-004P" => Step::World,
        "KT-DOR-005N" => Step::Grants,
        "KT-DOR-006P" => Step::Models,
        "KT-DOR-007P" => Step::Described,
        _ => Step::Looked,
    }
}

fn dansk(error: &SandboxError) -> String {
    use SandboxError as E;
    match error {
        E::NotAComponent => "filen er ikke en WebAssembly-komponent".to_owned(),
        E::FeatureNotAllowed(feature) => format!("komponenten bruger {feature}, som ikke er tilladt"),
        E::ImportNotGranted { name } => format!("komponenten importerer `{name}`, som ikke er givet"),
        E::WorldMismatch => "komponenten passer ikke til døren (tmf:vision)".to_owned(),
        E::TooComplex(what) => format!("komponenten er for stor eller for indviklet: {what}"),
        E::DescriptionMismatch(_) => "plugin'et beskriver sig selv anderledes, end manifestet gør".to_owned(),
        E::ModelMissing => "en model mangler i udgaven".to_owned(),
        E::DeadlineExceeded => "plugin'et svarede ikke inden for fristen".to_owned(),
        E::MemoryLimit => "plugin'et krævede mere hukommelse, end der er givet".to_owned(),
        E::TableLimit => "plugin'et krævede flere tabelpladser, end der er givet".to_owned(),
        E::InstanceLimit => "plugin'et består af flere dele, end der er givet".to_owned(),
        E::StackOverflow => "plugin'et brugte hele sin stak".to_owned(),
        E::HandleLimit => "plugin'et holdt flere håndtag, end der er givet".to_owned(),
        E::HostcallBudget => "plugin'et afleverede mere, end et svar må rumme".to_owned(),
        E::BadHandle => "plugin'et brugte et håndtag, som det ikke har".to_owned(),
        E::Reentrancy => "plugin'et kaldte, da det ikke måtte".to_owned(),
        E::InvalidResult | E::InvalidString => "plugin'et afleverede en værdi, der ikke er gyldig".to_owned(),
        E::Trap(_) => "plugin'et gik ned".to_owned(),
        E::PluginFailed(_) => "plugin'et meldte selv, at det ikke kunne".to_owned(),
        E::InferencePanic => "en model fik beregneren til at gå ned".to_owned(),
        other => format!("sandkassen: {other}"),
    }
}
