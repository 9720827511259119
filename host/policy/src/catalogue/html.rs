//! The readable kravkatalog for vendors: one HTML file in Danish that needs no network, can be read aloud, and prints.

use std::fmt::Write as _;

use vaern_door::guard;

use super::{CHAPTERS, Catalogue, Kind, KravEntry, Origin, Party};
use crate::RuleBook;

/// The catalogue as a page. The sentences of the rules come from `rules`.
#[must_use]
pub fn html(catalogue: &Catalogue, rules: &RuleBook) -> String {
    let version = catalogue.version().filter(|_| guard::stands("policy.catalogue-version"));
    let version = version.map_or("0.0.0", |version| version.as_str());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"da\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Kravkatalog {version}</title>\n<style>\n{}</style>\n</head>\n<body>\n<a class=\"spring\" href=\"#krav\">Gå til kravene</a>\n",
        include_str!("style.css")
    );
    let count = catalogue.entries().filter(|entry| entry.retired.is_none()).count();
    let _ = write!(
        page,
        "<header>\n<p class=\"over\">Københavns Kommune · Teknik- og Miljøforvaltningen</p>\n<h1>Kravkatalog</h1>\n<p class=\"lead\">{count} krav til den, der vil levere et plugin, til værten, der kører det, og til forvaltningen, der svarer for det. Version {version}.</p>\n</header>\n"
    );
    page += "<section class=\"laes\" aria-labelledby=\"laes\">\n<h2 id=\"laes\">Sådan læses kataloget</h2>\n<p>Hvert krav er én sætning. Under den står de ord i kommunens egne dokumenter, som kravet følger af, hvem der skal opfylde det, og hvad der håndhæver det. <b>Afprøves</b> betyder, at programmet håndhæver kravet, og at en prøve viser det. <b>Undersøges</b> betyder, at mennesker vurderer det, og at programmet afviser uden den vurdering. Det, der endnu ikke findes, er mærket <b>planlagt</b>.</p>\n";
    page += "<p>En leverandør skal især se på de krav, der er mærket <span class=\"hvem vendor\">leverandøren</span>.</p>\n</section>\n";
    page += "<nav aria-label=\"Indhold\">\n<h2>Indhold</h2>\n<ol>\n";
    for (prefix, dk, _) in CHAPTERS {
        let ids: Vec<String> = catalogue
            .entries()
            .filter(|entry| entry.id.starts_with(prefix))
            .map(|entry| format!("<a href=\"#{0}\">{0}</a>", escape(&entry.id)))
            .collect();
        if !ids.is_empty() {
            let _ = writeln!(
                page,
                "<li><a class=\"kapitel\" href=\"#{prefix}\">{dk}</a> <span>{}</span></li>",
                ids.join(" ")
            );
        }
    }
    page += "</ol>\n</nav>\n<main id=\"krav\">\n";
    for (prefix, dk, _) in CHAPTERS {
        let entries: Vec<&KravEntry> = catalogue.entries().filter(|entry| entry.id.starts_with(prefix)).collect();
        if entries.is_empty() {
            continue;
        }
        let _ = writeln!(page, "<section aria-labelledby=\"{prefix}\">\n<h2 id=\"{prefix}\">{dk}</h2>");
        for entry in entries {
            krav(&mut page, entry, rules);
        }
        page += "</section>\n";
    }
    let _ = write!(
        page,
        "</main>\n<footer>\n<p>Kilder: <cite>{}</cite>; <cite>{}</cite>.</p>\n<p>Lavet af kataloget i <code>policies/catalogue</code>, version {version}.</p>\n</footer>\n</body>\n</html>\n",
        escape(super::Document::A.title()),
        escape(super::Document::B.title())
    );
    page
}

fn krav(page: &mut String, entry: &KravEntry, rules: &RuleBook) {
    let id = escape(&entry.id);
    let gone = entry.retired.is_some();
    let _ = writeln!(
        page,
        "<article{} aria-labelledby=\"{id}\">\n<h3 id=\"{id}\"><span class=\"nr\">{id}</span> {}</h3>",
        if gone { " class=\"gone\"" } else { "" },
        escape(&entry.dk)
    );
    page.push_str("<p class=\"maerker\">");
    for party in &entry.responsible {
        let class = match party {
            Party::Host => "host",
            Party::Vendor => "vendor",
            Party::City => "city",
        };
        let _ = write!(page, "<span class=\"hvem {class}\">{}</span> ", party.dk());
    }
    for kind in &entry.kind {
        let word = match kind {
            Kind::T => "afprøves",
            Kind::E => "undersøges",
        };
        let _ = write!(page, "<span class=\"slags\">{word}</span> ");
    }
    let standing = match (&entry.retired, &entry.planned) {
        (Some(_), _) => "udgået",
        (None, None) => "gælder",
        (None, Some(_)) if entry.only_planned() => "planlagt",
        (None, Some(_)) => "gælder; dele er planlagt",
    };
    let _ = writeln!(page, "<span class=\"stand\">{standing}</span></p>");
    let _ = writeln!(page, "<p class=\"en\" lang=\"en\">{}</p>", escape(&entry.en));
    if let Some(note) = &entry.note {
        let _ = writeln!(page, "<p>{}</p>", escape(note));
    }
    for source in &entry.source {
        let _ = writeln!(
            page,
            "<blockquote><p>»{}«</p><footer>{}, {}</footer></blockquote>",
            escape(&source.quote),
            source.document.short(),
            escape(&source.place)
        );
    }
    page.push_str("<dl>\n");
    if entry.origin == Origin::Project {
        page.push_str("<dt>Ophav</dt><dd>Projektets egen regel, som går ud over kilderne.</dd>\n");
    }
    if let Some(examined) = &entry.examined {
        let _ = writeln!(page, "<dt>Undersøges</dt><dd>{}</dd>", escape(examined));
    }
    let sentences: Vec<String> = rules
        .rules()
        .filter(|rule| entry.rules.contains(&rule.id))
        .map(|rule| format!("<li>{} <code>{}</code></li>", escape(&rule.dk), escape(&rule.id)))
        .collect();
    if !sentences.is_empty() {
        let _ = writeln!(page, "<dt>Regler</dt><dd><ul>{}</ul></dd>", sentences.concat());
    }
    if !entry.tests.is_empty() {
        let tests: Vec<String> =
            entry.tests.iter().map(|test| format!("<li><code>{}</code></li>", escape(test))).collect();
        let _ = writeln!(
            page,
            "<dt>Prøver</dt><dd><details><summary>{} navngivne prøver</summary><ul>{}</ul></details></dd>",
            tests.len(),
            tests.concat()
        );
    }
    if let Some(planned) = &entry.planned {
        let issue = planned.issue.map_or_else(|| "uden sag endnu".to_owned(), |number| format!("sag {number}"));
        let _ = writeln!(page, "<dt>Planlagt</dt><dd>{} ({issue})</dd>", escape(&planned.why));
    }
    let references = entry.references.lines();
    if !references.is_empty() {
        let _ = writeln!(page, "<dt>Se også</dt><dd>{}</dd>", escape(&references.join("; ")));
    }
    let mut history = format!("siden {}", entry.since);
    for change in &entry.changed {
        let _ = write!(history, "; ændret i {}: {}", change.version, change.why);
    }
    if let Some(retired) = &entry.retired {
        let _ = write!(history, "; udgået med {retired}");
    }
    let _ = writeln!(page, "<dt>Version</dt><dd>{}</dd>\n</dl>\n</article>", escape(&history));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
