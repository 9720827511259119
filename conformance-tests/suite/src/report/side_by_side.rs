//! A comparison as a page: one row for each figure, one column for each release, Danish first and English beside.

use std::fmt::Write as _;

use super::page::STYLE;
use super::plot::{escaped, share};
use super::words::grouped;
use crate::compare::{Comparison, LINES};
use crate::result::Ending;
use crate::verdict::Figure;

/// The comparison as one self-contained page.
#[must_use]
pub fn comparison_html(comparison: &Comparison) -> String {
    let mut out = String::new();
    let seen = match &comparison.corpus {
        None => (
            "Alle tal er fra tegnede gader og siger intet om rigtige.".to_owned(),
            "All figures are from drawn streets and say nothing of real ones.".to_owned(),
        ),
        Some(corpus) => (
            format!(
                "Tallene er fra tegnede gader, undtagen de to linjer om mærkede billeder: {} billeder, {}.",
                grouped(corpus.pictures, '.'),
                if corpus.sealed { "som ingen leverandør har set" } else { "som er åbne" }
            ),
            format!(
                "Figures are from drawn streets, but for the two lines on labelled pictures: {} pictures, {}.",
                grouped(corpus.pictures, ','),
                if corpus.sealed { "which no vendor has seen" } else { "which are open" }
            ),
        ),
    };
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"da\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Værn: side om side</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
<header><p class=\"bar\"><span>Værn · Sammenligning <span lang=\"en\">(comparison)</span></span></p>\n<h1>Side om side</h1>\n\
<p class=\"lead\">De samme gader, regler og grænser og den samme vært. Rækkefølgen er den, de blev nævnt i: ingen er rangordnet. \
<span lang=\"en\">The same streets, rules, bounds and host. The order is the one they were named in: nobody is ranked.</span></p></header>\n<main>\n\
<p class=\"caution\">{} I parentes står intervallet, som det sande tal med 95 % sikkerhed ligger i: \
overlapper to intervaller, er forskellen ikke vist. <span lang=\"en\">{} In brackets the 95 % interval: \
where two overlap, no difference is shown.</span></p>\n<table><caption>Tallene <span lang=\"en\">(figures)</span></caption>\n<thead><tr><th scope=\"col\"></th>",
        seen.0, seen.1
    );
    for one in &comparison.releases {
        let _ = write!(
            out,
            "<th scope=\"col\">{}<br>{}</th>",
            escaped(&one.release.name),
            escaped(one.release.vendor.as_str())
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    row(&mut out, "Prøven", "The test", comparison, |one| {
        let (word, class) = match one.ending {
            Ending::Passed => ("✓ bestået", "pass"),
            Ending::Warned => ("✓ med bemærkninger", "examine"),
            Ending::Failed => ("✗ ikke bestået", "fail"),
        };
        let list = if one.not_passed.is_empty() { String::new() } else { format!("<br>{}", one.not_passed.join(", ")) };
        format!("<span class=\"mark {class}\">{word}</span>{list}")
    });
    row(&mut out, "Beder om", "Asks for", comparison, |one| {
        let list: Vec<&str> = one.asks_for.iter().map(|interface| interface.as_str()).collect();
        if list.is_empty() { "intet".to_owned() } else { list.join(", ") }
    });
    for (number, (_, _, da, en)) in LINES.iter().enumerate() {
        row(&mut out, da, en, comparison, |one| told(one.figures.get(number).and_then(Option::as_ref)));
    }
    let basis = &comparison.basis;
    let _ = write!(
        out,
        "</tbody></table>\n<h2>Grundlaget <span lang=\"en\">(basis)</span></h2>\n<dl><dt>Omfang</dt><dd>{}, frø {}</dd><dt>Vært</dt><dd><code>{}</code></dd>\
<dt>Kravkatalog</dt><dd>{} <code>{}</code></dd><dt>Byens regler</dt><dd><code>{}</code></dd><dt>Grænser</dt><dd><code>{}</code></dd>",
        comparison.profile,
        comparison.seed,
        comparison.host.digest,
        basis.catalogue,
        basis.catalogue_digest,
        basis.policy,
        basis.bounds
    );
    for one in &comparison.releases {
        let _ = write!(out, "<dt>{}</dt><dd><code>{}</code></dd>", escaped(&one.release.name), one.release.digest);
    }
    out.push_str("</dl>\n</main>\n</body>\n</html>\n");
    out
}

fn row(
    out: &mut String,
    da: &str,
    en: &str,
    comparison: &Comparison,
    cell: impl Fn(&crate::compare::Compared) -> String,
) {
    let _ = write!(out, "<tr><th scope=\"row\">{da} <span class=\"why\" lang=\"en\">{en}</span></th>");
    for one in &comparison.releases {
        let _ = write!(out, "<td>{}</td>", cell(one));
    }
    out.push_str("</tr>\n");
}

fn told(figure: Option<&Figure>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(Figure::Count { count }) => grouped(*count, '.'),
        Some(Figure::Share { part, of, share_e4, low_e4, high_e4 }) => format!(
            "<strong>{}</strong> ({} til {}) <span class=\"why\">{part} af {of}</span>",
            share((*share_e4).into(), ','),
            share((*low_e4).into(), ','),
            share((*high_e4).into(), ',')
        ),
        Some(Figure::Gap { of, gap_e4, low_e4, high_e4 }) => format!(
            "<strong>{}</strong> ({} til {}) <span class=\"why\">{of} par</span>",
            share((*gap_e4).into(), ','),
            share((*low_e4).into(), ','),
            share((*high_e4).into(), ',')
        ),
    }
}
