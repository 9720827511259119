//! What the vendor says of the release.

use super::Answer;
use crate::bench::Bench;
use crate::claims::Claims;
use crate::registry::Test;
use crate::verdict::Judged;

pub(crate) fn declared(bench: &Bench<'_>, _: &Test) -> Answer {
    let manifest = &bench.candidate.manifest;
    let licences = &manifest.licences;
    let with_model = !manifest.models.is_empty();
    let silent: Vec<&str> = [
        (manifest.intended_use.as_str(), true, "intended_use"),
        (licences.plugin.as_str(), true, "licences.plugin"),
        (licences.model.as_str(), with_model, "licences.model"),
        (licences.training_data.as_str(), with_model, "licences.training_data"),
    ]
    .into_iter()
    .filter(|(text, asked, _)| *asked && text.trim().is_empty())
    .map(|(.., field)| field)
    .collect();
    let list = silent.join(", ");
    Ok(Judged::pass_if(list.is_empty(), format!("Tomt: {list}."), format!("Empty: {list}.")))
}

pub(crate) fn card(bench: &Bench<'_>, _: &Test) -> Answer {
    let candidate = bench.candidate;
    if candidate.manifest.models.is_empty() {
        return Ok(Judged::not_applicable("Udgaven rummer ingen model.", "The release holds no model."));
    }
    let Some(card) = candidate.model_card.as_deref().filter(|card| !card.trim().is_empty()) else {
        return Ok(Judged::fail("Der er intet modelkort.", "There is no model card."));
    };
    Ok(match Claims::read(card) {
        Ok(Some(_)) => Judged::pass(),
        Ok(None) => Judged::fail(
            "Modelkortet har ingen tal, der kan efterregnes (`vaern-claims`).",
            "The model card has no figures that can be recomputed (`vaern-claims`).",
        ),
        Err(why) => Judged::fail(format!("Modelkortets tal kan ikke læses: {why}."), format!("{why}.")),
    })
}

pub(crate) fn sbom(bench: &Bench<'_>, _: &Test) -> Answer {
    let held = bench.candidate.sbom.is_some();
    Ok(Judged::pass_if(held, "Der er ingen SBOM.", "There is no SBOM."))
}

pub(crate) fn examined(bench: &Bench<'_>, _: &Test) -> Answer {
    let name = &bench.candidate.name;
    Ok(Judged::examine(
        format!("Læs modelkort og formål for {name}, og skriv i godkendelsen, at GEN-01 og LEV-02 er undersøgt."),
        format!("Read model card and intended use of {name}, and list GEN-01 and LEV-02 as examined in the approval."),
    ))
}
