//! Precision and recall on drawn streets, and whether they are what the vendor claims. No figure here says anything of real streets.

use std::collections::BTreeMap;

use vaern_scenes::{ContainerKind, Light, Weather};

use super::{Answer, answered};
use crate::bench::Bench;
use crate::claims::Claims;
use crate::corpus::{self, Thing};
use crate::matching::{counts, found, precision as precision_of, recall as recall_of};
use crate::plan::PUBLIC_SEED;
use crate::registry::Test;
use crate::stats::{Tally, difference, difference_figure, percent};
use crate::verdict::Judged;

/// Recall and precision over the run's streets.
fn measured(bench: &Bench<'_>) -> Result<(Tally, Tally), crate::fault::Fault> {
    let labels = &bench.plain()?.grants.labels;
    let (mut recall, mut precision) = (Tally::default(), Tally::default());
    for (_, sight, look) in answered(bench.survey()?) {
        recall.join(recall_of(&sight.things, &look.admitted.detections, labels, |_| true));
        precision.join(precision_of(&sight.things, &look.admitted.detections, labels));
    }
    Ok((recall, precision))
}

pub(crate) fn claims(bench: &Bench<'_>, _: &Test) -> Answer {
    let claims = match bench.candidate.model_card.as_deref().map(Claims::read) {
        None if bench.candidate.manifest.models.is_empty() => {
            let (da, en) = ("Udgaven rummer ingen model og ingen tal.", "The release holds no model and no figures.");
            return Ok(Judged::not_applicable(da, en));
        }
        Some(Ok(Some(claims))) => claims,
        Some(Ok(None)) if bench.candidate.manifest.models.is_empty() => {
            return Ok(Judged::not_applicable("Modelkortet har ingen tal.", "The model card holds no figures."));
        }
        _ => {
            let (da, en) = ("Der er ingen tal at efterregne.", "There are no figures to recompute.");
            return Ok(Judged::unproven(da, en));
        }
    };
    let (recall, precision) = measured(bench)?;
    // A claim is refuted where it lies above the whole interval.
    let refuted = |tally: Tally, claim: f64| tally.of == 0 || tally.interval().1 < claim;
    let (r, p) = (percent(recall.share()), percent(precision.share()));
    let (claim_r, claim_p) = (percent(claims.recall), percent(claims.precision));
    Ok(Judged::pass_if(
        !refuted(recall, claims.recall) && !refuted(precision, claims.precision),
        format!("Oplyst: finder {claim_r}, rigtige {claim_p}. Efterregnet: {r} og {p}."),
        format!("Claimed: recall {claim_r}, precision {claim_p}. Recomputed: {r} and {p}."),
    )
    .figure("recall", recall.figure())
    .figure("precision", precision.figure()))
}

pub(crate) fn recall(bench: &Bench<'_>, _: &Test) -> Answer {
    let (tally, _) = measured(bench)?;
    if tally.of == 0 {
        let (da, en) = ("Ingen tegnet container kunne tælle.", "No drawn container could count.");
        return Ok(Judged::unproven(da, en));
    }
    let bound = bench.bounds.quality.least_recall;
    let share = percent(tally.share());
    Ok(Judged::pass_if(
        tally.share() >= bound,
        format!("Fandt {share} af containerne; mindst {}.", percent(bound)),
        format!("Found {share} of the containers; at least {}.", percent(bound)),
    )
    .figure("recall", tally.figure()))
}

pub(crate) fn precision(bench: &Bench<'_>, _: &Test) -> Answer {
    let (_, tally) = measured(bench)?;
    if tally.of == 0 {
        return Ok(Judged::unproven("Plugin'et pegede på intet.", "The plugin pointed at nothing."));
    }
    let bound = bench.bounds.quality.least_precision;
    let share = percent(tally.share());
    Ok(Judged::pass_if(
        tally.share() >= bound,
        format!("{share} af kasserne var på en container; mindst {}.", percent(bound)),
        format!("{share} of the boxes were on a container; at least {}.", percent(bound)),
    )
    .figure("precision", tally.figure()))
}

/// Recall by group: the container's kind and size, the street's light and weather.
fn by_group(bench: &Bench<'_>) -> Result<BTreeMap<String, Tally>, crate::fault::Fault> {
    let loaded = bench.plain()?;
    let labels = &loaded.grants.labels;
    let width = loaded.grants.frame.width();
    let mut groups: BTreeMap<String, Tally> = BTreeMap::new();
    for (_, sight, look) in answered(bench.survey()?) {
        for thing in sight.things.iter().filter(|thing| counts(thing, labels)) {
            let hit = found(thing, &look.admitted.detections);
            for group in [
                format!("kind {}", kind(thing.kind)),
                format!("size {}", size(thing, width)),
                format!("light {}", light(sight.light)),
                format!("weather {}", weather(sight.weather)),
                format!("visible {}", if thing.visible < 0.8 { "half" } else { "whole" }),
            ] {
                groups.entry(group).or_default().add(hit);
            }
        }
    }
    Ok(groups)
}

pub(crate) fn even(bench: &Bench<'_>, _: &Test) -> Answer {
    let (whole, _) = measured(bench)?;
    let groups = by_group(bench)?;
    let bounds = &bench.bounds.quality;
    // A group is behind where even the upper end of its interval lies far below the whole.
    let behind: Vec<&str> = groups
        .iter()
        .filter(|(_, tally)| tally.of >= bounds.least_group && tally.interval().1 < whole.share() - bounds.group_gap)
        .map(|(name, _)| name.as_str())
        .collect();
    let list = behind.join(", ");
    let mut judged = Judged::pass_if(list.is_empty(), format!("Langt bagud: {list}."), format!("Far behind: {list}."))
        .figure("all", whole.figure());
    for (name, tally) in groups {
        judged = judged.figure(name, tally.figure());
    }
    Ok(judged)
}

pub(crate) fn public_and_fresh(bench: &Bench<'_>, test: &Test) -> Answer {
    let (fresh, _) = measured(bench)?;
    let loaded = bench.plain()?;
    let (labels, size) = (&loaded.grants.labels, loaded.grants.frame);
    let seen = bench.each(test.id, loaded, 0..bench.plan.public, |eyes, case| {
        let street = corpus::street(PUBLIC_SEED, case, size).ok_or_else(crate::bench::undrawn)?;
        let boxes = loaded.boxes(eyes, &street)?;
        Ok(recall_of(&street.things, &boxes, labels, |_| true))
    })?;
    let mut public = Tally::default();
    seen.into_iter().for_each(|tally| public.join(tally));
    Ok(no_better_on_public(bench, public, ("fresh", fresh)))
}

/// Whether more is found on the public streets than on others, by more than chance and the bound.
pub(super) fn no_better_on_public(bench: &Bench<'_>, public: Tally, (name, other): (&str, Tally)) -> Judged {
    if public.of == 0 || other.of == 0 {
        return Judged::unproven("Ingen tegnet container kunne tælle.", "No drawn container could count.");
    }
    let bound = bench.bounds.quality.corpus_gap;
    let (gap, low, _) = difference(public, other);
    let gap = percent(gap);
    Judged::pass_if(
        low <= bound,
        format!("Finder {gap} mere på de offentlige gader; grænsen er {}.", percent(bound)),
        format!("Finds {gap} more on the public streets; the bound is {}.", percent(bound)),
    )
    .figure("public", public.figure())
    .figure(name, other.figure())
    .figure("gap", difference_figure(public, other))
}

const fn kind(kind: ContainerKind) -> &'static str {
    kind.name()
}

fn size(thing: &Thing, width: u16) -> &'static str {
    match u32::from(thing.rect.width().max(thing.rect.height())) * 100 / u32::from(width) {
        0..6 => "small",
        6..15 => "medium",
        _ => "large",
    }
}

const fn light(light: Light) -> &'static str {
    match light {
        Light::Day => "day",
        Light::Low => "low",
        Light::Dusk => "dusk",
        Light::Night => "night",
    }
}

const fn weather(weather: Weather) -> &'static str {
    match weather {
        Weather::Clear => "clear",
        Weather::Overcast => "overcast",
        Weather::Rain => "rain",
        Weather::Snow => "snow",
        Weather::Fog => "fog",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;
    use crate::matching::names;
    use vaern_door::Label;

    #[test]
    fn lig_02p_every_kind_has_one_label_of_the_citys_vocabulary() {
        let vocabulary = ["affaldscontainer", "glascontainer", "nedgravet_container", "byggecontainer"]
            .map(|label| Label::new(label).unwrap());
        for kind in ContainerKind::ALL {
            assert_eq!(vocabulary.iter().filter(|label| names(label, kind)).count(), 1, "{kind:?}");
        }
    }
}
