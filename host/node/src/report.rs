//! The report that a person reads: one HTML file with everything in it, Danish first, English beside.
//!
//! It fetches nothing, runs no script, and says so to the browser. All foreign text in it is escaped. Every figure comes
//! from [`Run`], most of them through its summary: the report knows nothing that the other files do not say.

mod gallery;
mod map;
mod tables;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use words::{Words, both, both_html, counted, escaped, number};

use crate::outcome::{Run, SandboxInfo, Summary};

const STYLE: &str = include_str!("report/style.css");

const SHIELD: &str = "<svg class=\"shield\" viewBox=\"0 0 24 28\" aria-hidden=\"true\"><path d=\"M12 1 22 4.6v8.6c0 6.5-4.2 11.2-10 13.8C6.2 24.4 2 19.7 2 13.2V4.6Z\"/>\
<path class=\"cut\" d=\"M5.5 12h13v4h-13z\"/></svg>";

pub(crate) const PICTURE: Words = Words { da: "billede", en: "picture" };
pub(crate) const PICTURES: Words = Words { da: "billeder", en: "pictures" };
const PROPOSAL: Words = Words { da: "forslag", en: "proposal" };
const PROPOSALS: Words = Words { da: "forslag", en: "proposals" };

/// The report of `run`. `pictures` holds masked pictures as JPEG by frame number; at most `limit` of them are embedded,
/// those with finds and with masks first.
#[must_use]
pub fn html(run: &Run, pictures: &BTreeMap<usize, Vec<u8>>, limit: usize) -> String {
    let summary = run.summary();
    let mut page = String::new();
    head(&mut page, run);
    page.push_str("<main>\n");
    opening(&mut page, run, &summary);
    figures(&mut page, run, &summary);
    cards(&mut page, run);
    map::section(&mut page, run);
    gallery::section(&mut page, run, pictures, limit);
    tables::labels(&mut page, &summary);
    tables::dropped_answers(&mut page, &summary);
    tables::reasons(&mut page, run);
    tables::stages(&mut page, &summary);
    tables::refused(&mut page, run);
    tables::basis(&mut page, run);
    page.push_str("</main>\n");
    footer(&mut page, run);
    page
}

fn title(run: &Run) -> (&'static str, &'static str) {
    if run.release.is_some() {
        ("Hvad plugin'et så, og hvad det foreslår", "What the plugin saw, and what it proposes")
    } else {
        ("Hvad der blev maskeret", "What was masked")
    }
}

fn head(page: &mut String, run: &Run) {
    let (da, en) = title(run);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"da\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
<title>Værn: {} ({})</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(da),
        escaped(&run.policy.purpose),
    );
    let (when_da, when_en) = words::moment(&run.started);
    let _ = write!(
        page,
        "<header class=\"top\"><div class=\"bar\">\n<p class=\"mark\">{SHIELD}<span>Værn</span></p>\n\
<fieldset class=\"language\"><legend class=\"unseen\">Sprog / Language</legend>\
<input type=\"radio\" name=\"language\" id=\"in-da\" checked><label for=\"in-da\" lang=\"da\">Dansk</label>\
<input type=\"radio\" name=\"language\" id=\"in-en\"><label for=\"in-en\" lang=\"en\">English</label></fieldset>\n</div>\n\
<p class=\"kicker\">{} · {}</p>\n<h1>{}</h1>\n</header>\n",
        both("Rapport", "Report"),
        both(&when_da, &when_en),
        both(da, en),
    );
}

/// The verdict in one sentence, then what must be known before the figures.
fn opening(page: &mut String, run: &Run, summary: &Summary) {
    let (in_da, in_en) = counted(summary.frames_in, PICTURE, PICTURES);
    let (seen_da, seen_en) = words::number_pair(summary.frames_seen as f64, 0);
    let (out_da, out_en) = words::number_pair(summary.frames_refused as f64, 0);
    let (found_da, found_en) = counted(summary.detections, PROPOSAL, PROPOSALS);
    let (da, en) = match (&run.release, summary.frames_in) {
        (_, 0) => (
            "Kilden rummede ingen filer: intet er set, intet er foreslået.".to_owned(),
            "The source held no files: nothing was seen, nothing is proposed.".to_owned(),
        ),
        (Some(_), _) => (
            format!(
                "Af {in_da} blev {seen_da} vist maskeret for plugin'et og {out_da} afvist, hvert af en navngiven grund; det gav {found_da}, som et menneske skal afgøre."
            ),
            format!(
                "Of {in_en}, {seen_en} were shown masked to the plugin and {out_en} refused, each for a named reason; this gave {found_en}, for a person to decide."
            ),
        ),
        (None, _) => (
            format!(
                "Af {in_da} blev {seen_da} maskeret og gemt og {out_da} afvist, hvert af en navngiven grund; intet plugin har set dem."
            ),
            format!(
                "Of {in_en}, {seen_en} were masked and kept and {out_en} refused, each for a named reason; no plugin has seen them."
            ),
        ),
    };
    let _ = writeln!(page, "<p class=\"verdict\">{}</p>", both(&da, &en));
    for (da, en) in &run.cautions {
        let _ = writeln!(
            page,
            "<aside class=\"caution\" aria-label=\"Forbehold / Caution\"><p><strong>{}</strong> {}</p></aside>",
            both("Forbehold.", "Caution."),
            both(da, en)
        );
    }
}

fn figures(page: &mut String, run: &Run, summary: &Summary) {
    let _ = writeln!(
        page,
        "<section aria-labelledby=\"h-figures\"><h2 id=\"h-figures\">{}</h2>\n<dl class=\"figures\">",
        both("Tallene", "The figures")
    );
    let plain = |n: usize| number(n as f64, 0);
    let seconds = number(summary.longest_seconds_in_clear, 2);
    let plugin = run.release.is_some();
    let seen = if plugin { both("set, maskeret", "seen, masked") } else { both("maskeret og gemt", "masked and kept") };
    let mut rows = vec![
        (plain(summary.frames_in), both("billeder ind", "pictures in"), ""),
        (plain(summary.frames_seen), seen, ""),
        (plain(summary.frames_refused), both("afvist", "refused"), ""),
        (plain(summary.frames_masked), both("med noget under maske", "with something under a mask"), ""),
        (
            seconds,
            both("længste tid et råt billede fandtes", "longest that a raw picture existed"),
            "<abbr title=\"sekunder / seconds\">s</abbr>",
        ),
    ];
    if plugin {
        rows.insert(4, (plain(summary.detections), both("forslag", "proposals"), ""));
    }
    for (value, what, unit) in rows {
        let space = if unit.is_empty() { "" } else { "&nbsp;" };
        let _ = writeln!(page, "<div><dt>{what}</dt><dd>{value}{space}{unit}</dd></div>");
    }
    let (seen_da, seen_en) = if plugin { ("set", "seen") } else { ("maskeret", "masked") };
    let (a, b, c) = (plain(summary.frames_in), plain(summary.frames_seen), plain(summary.frames_refused));
    let _ = writeln!(
        page,
        "</dl>\n<p class=\"note\">{}</p></section>",
        both_html(
            &format!("{a} ind = {b} {seen_da} + {c} afvist. Intet billede er talt to gange, og intet mangler."),
            &format!("{a} in = {b} {seen_en} + {c} refused. No picture is counted twice, and none is missing."),
        )
    );
}

fn row(page: &mut String, term: &str, value: &str) {
    let _ = writeln!(page, "<div><dt>{term}</dt><dd>{value}</dd></div>");
}

fn cards(page: &mut String, run: &Run) {
    let _ = writeln!(
        page,
        "<div class=\"cards\">\n<section aria-labelledby=\"h-purpose\"><h2 id=\"h-purpose\">{}</h2>\n<p class=\"lead\">{}</p>\n<dl class=\"facts\">",
        both("Hvorfor", "Why"),
        both(&run.policy.dk, &run.policy.en)
    );
    row(page, &both("Hjemmel", "Legal basis"), &escaped(&run.policy.legal_basis));
    row(
        page,
        &both("Formålets navn", "Name of the purpose"),
        &format!("<code>{}</code>", escaped(&run.policy.purpose)),
    );
    row(page, &both("Maskering", "Masking"), &format!("<code>{}</code>", escaped(&run.policy.masking)));
    if let Some(release) = &run.release {
        row(page, &both("Ansvarlig", "Responsible"), &escaped(&release.responsible));
    }
    let _ = write!(
        page,
        "</dl></section>\n<section aria-labelledby=\"h-ran\"><h2 id=\"h-ran\">{}</h2>\n",
        both("Hvad der kørte", "What ran")
    );
    if let Some(release) = &run.release {
        let (lead, class) = sight(&release.interfaces);
        let (until_da, until_en) = words::moment(&release.approved_until);
        let _ = writeln!(page, "<p class=\"lead {class}\">{lead}</p>\n<dl class=\"facts\">");
        row(page, "Plugin", &format!("<strong>{}</strong> {}", escaped(&release.name), escaped(&release.version)));
        row(page, &both("Leverandør", "Vendor"), &escaped(&release.vendor));
        let mut names: Vec<String> =
            release.interfaces.iter().map(|name| format!("<code>{}</code>", escaped(name))).collect();
        if names.is_empty() {
            names.push(both("ingen", "none"));
        }
        row(page, &both("Adgang givet til", "Granted access to"), &names.join(" "));
        row(page, &both("Godkendt til", "Approved until"), &both(&until_da, &until_en));
        row(page, &both("Aftryk", "Digest"), &format!("<code>{}…</code>", escaped(&release.digest.short())));
        if let Some(sandbox) = &run.sandbox {
            row(page, &both("Kørt i", "Run in"), &place(sandbox));
        }
        page.push_str("</dl>");
    } else {
        let _ = writeln!(
            page,
            "<p class=\"lead\">{}</p>",
            both(
                "Intet plugin har kørt. Billederne er maskeret af byens egen port og gemt.",
                "No plugin ran. The pictures were masked by the city's own gate and kept."
            )
        );
    }
    page.push_str("</section>\n</div>\n");
}

/// Where the plugin's code ran, and what stood around it.
fn place(sandbox: &SandboxInfo) -> String {
    if !sandbox.walled {
        return both("værtens egen proces", "the host's own process");
    }
    let all = sandbox.in_force.len() + sandbox.missing.len();
    let held = sandbox.in_force.len();
    both(
        &format!("en proces for sig bag muren, {held} af {all} værn"),
        &format!("a process of its own behind the wall, {held} of {all} protections"),
    )
}

/// What the plugin's code could see, from its grants alone.
fn sight(interfaces: &[String]) -> (String, &'static str) {
    let has = |name: &str| interfaces.iter().any(|i| i == name);
    if has("zoom") {
        let da = "Plugin'et har set de maskerede billeder og kunne hente udsnit af dem i fuld opløsning.";
        (both(da, "The plugin saw the masked pictures and could fetch parts of them in full resolution."), "")
    } else if has("pixels") {
        (
            both(
                "Plugin'et har set de maskerede billeders pixels, aldrig de rå.",
                "The plugin saw the pixels of the masked pictures, never the raw ones.",
            ),
            "",
        )
    } else if !has("models") {
        (both("Plugin'et har aldrig set en pixel.", "The plugin has never seen a pixel."), "blind")
    } else {
        let da = "Plugin'et har aldrig set en pixel. Værten gav det maskerede billede til leverandørens model; plugin'et fik kun modellens tal.";
        let en = "The plugin has never seen a pixel. The host gave the masked picture to the vendor's model; the plugin received only the model's numbers.";
        (both(da, en), "blind")
    }
}

fn footer(page: &mut String, run: &Run) {
    let limits = [
        ("Positionen er kameraets, ikke genstandens.", "The position is the camera's, not the object's."),
        (
            "Et forslag er ingen afgørelse: det venter på et menneske (RET-03).",
            "A proposal is no decision: it awaits a person (RET-03).",
        ),
        (
            "Maskering finder ikke altid alle. Billederne her er til tjenstlig brug og gives ikke videre, før en navngiven person har godkendt dem (STD-06).",
            "Masking does not always find everyone. The pictures here are for official use and are not passed on before a named person has cleared them (STD-06).",
        ),
        (
            "Siden henter intet fra nettet og kører intet program.",
            "This page fetches nothing from the network and runs no program.",
        ),
    ];
    let _ =
        writeln!(page, "<footer><h2>{}</h2>\n<ul>", both("Hvad rapporten ikke siger", "What this report does not say"));
    for (da, en) in limits {
        let _ = writeln!(page, "<li>{}</li>", both(da, en));
    }
    let _ = writeln!(
        page,
        "</ul>\n<p>vaern · {} <code>{}…</code></p></footer>\n</body>\n</html>",
        both("reglernes aftryk", "digest of the policy"),
        escaped(&run.policy.digest.short())
    );
}
