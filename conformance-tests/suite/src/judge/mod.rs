//! The judges: each asks one thing of the bench, and answers with a verdict and its figures.

pub(crate) mod cost;
pub(crate) mod documents;
pub(crate) mod door;
pub(crate) mod fairness;
pub(crate) mod output;
pub(crate) mod quality;
pub(crate) mod real;
pub(crate) mod robustness;
pub(crate) mod steady;

use crate::bench::{Look, Sight};
use crate::fault::Fault;
use crate::verdict::Judged;

type Answer = Result<Judged, Fault>;

/// The sights that have an answer, with the number of their case.
fn answered(sights: &[Sight]) -> impl Iterator<Item = (u32, &Sight, &Look)> {
    sights.iter().zip(0..).filter_map(|(sight, case)| Some((case, sight, sight.look.as_ref().ok()?)))
}

/// What is said where there is nothing that a disturbance could have taken or moved.
fn nothing_found() -> Judged {
    Judged::unproven(
        "Plugin'et fandt intet, som kunne være gået tabt.",
        "The plugin found nothing that could have been lost.",
    )
}
