//! The page that a citizen or a case worker reads. Danish; one file, no script, nothing fetched; foreign text escaped.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use serde_json::Value;
use vaern_record::log::Event;

use super::merged::Merged;
use super::{Insight, Logged, Picture};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:17px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.15rem;margin:2rem 0 .4rem}\
dl{display:grid;grid-template-columns:minmax(9rem,auto) 1fr;gap:.25rem 1rem;margin:0}dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}th{font-weight:600}\
code,pre{font-size:.8rem;overflow-wrap:anywhere;white-space:pre-wrap}figure{margin:1rem 0;position:relative}figure img{width:100%;display:block}\
.box{position:absolute;border:3px solid #e07000;box-shadow:0 0 0 1px #fff}.note{border-left:4px solid #e07000;padding:.3rem .8rem;margin:1rem 0}\
@media print{body{margin:0;font-size:12px}}";

/// One page.
pub(super) fn html(insight: &Insight) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"da\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
<title>Indsigt i forslag {id}</title><style>{STYLE}</style></head><body><main>\n\
<h1>Indsigt i et forslag</h1>\n<p>Denne side viser, hvad der ligger bag forslaget <code>{id}</code>: hvad der blev set, hvilket \
program der så det, hvem der har godkendt programmet, og efter hvilke regler. Et forslag er ikke en afgørelse. Det er et menneske, der træffer \
afgørelsen.</p>\n",
        id = escaped(insight.merged.as_ref().map_or(&insight.id, |merged| &merged.proposal))
    );
    let field = |name: &str| insight.proposal.get("properties").and_then(|p| p.get(name)).unwrap_or(&Value::Null);
    section(&mut page, "Hvad der blev set");
    let percent = field("score").as_f64().map(|score| format!("{:.0} %", score * 100.0));
    list(
        &mut page,
        &[
            ("Genstand", plain(field("label"))),
            ("Programmets sikkerhed", percent.unwrap_or_default()),
            ("Billedet blev taget", or(moment(&plain(field("time"))), "på et ukendt tidspunkt")),
            ("Sted", place(insight)),
        ],
    );
    picture(&mut page, insight);
    section(&mut page, "Hvad mennesker har sagt om det");
    match &insight.merged {
        Some(merged) => verdict(&mut page, merged),
        None => {
            page.push_str("<p class=\"note\">Der er ikke slået op, om nogen har taget stilling til forslaget.</p>\n")
        }
    }
    if let Some(merged) = &insight.merged {
        section(&mut page, "Hvornår genstanden ellers er set");
        seen(&mut page, merged);
    }
    section(&mut page, "Hvilket program der så det");
    let release = &insight.release;
    list(
        &mut page,
        &[
            ("Program", format!("{}, version {}", release.name, release.version)),
            ("Leverandør", release.vendor.clone()),
            ("Modeller", or(release.models.join("\n"), "ingen")),
            ("Fingeraftryk", release.digest.to_string()),
        ],
    );
    section(&mut page, "Hvem der har godkendt programmet, og hvem der har ansvaret");
    let approval = &insight.approval;
    list(
        &mut page,
        &[
            ("Ansvarlig", format!("{}, {}", approval.unit, approval.manager)),
            ("Underskrevet af", approval.roles.join(", ")),
            ("Underskrivernes nøgler", approval.signers.join("\n")),
            ("Godkendelsen gælder", format!("{} til {}", moment(&approval.not_before), moment(&approval.expires))),
            (
                "Konsekvensanalyse",
                format!("{}; den risiko, der er tilbage, er {}", approval.dpia, approval.residual_risk),
            ),
            ("Databeskyttelsesrådgiverens råd", approval.dpo_advice.clone()),
            ("Forvaltningens svar", approval.dpo_reply.clone()),
            ("Godkendelsens fingeraftryk", approval.digest.to_string()),
        ],
    );
    section(&mut page, "Efter hvilke regler");
    let rules = &insight.rules;
    list(
        &mut page,
        &[
            ("Formål", rules.dk.clone()),
            ("Hjemmel", rules.legal_basis.clone()),
            ("Regelsæt", rules.policy.to_string()),
            ("Kravkatalog", rules.catalogue.clone()),
        ],
    );
    page.push_str("<p>Regler, der lod programmet se billeder:</p>\n<dl>\n");
    for rule in &rules.rules {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(&rule.krav), escaped(&rule.dk));
    }
    page.push_str("</dl>\n<p>Krav, som godkendelsen siger er undersøgt og opfyldt:</p>\n<dl>\n");
    for (id, text) in &rules.krav {
        let text = or(text.clone(), "(teksten står i kravkataloget)");
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(id), escaped(&text));
    }
    page.push_str("</dl>\n");
    section(&mut page, "Hvad loggen beviser");
    match &insight.log {
        Some(logged) => log(&mut page, logged),
        None => page.push_str("<p class=\"note\">Kørslen er ikke slået op i loggen.</p>\n"),
    }
    page.push_str("</main></body></html>\n");
    page
}

fn section(page: &mut String, title: &str) {
    let _ = writeln!(page, "<h2>{}</h2>", escaped(title));
}

fn list(page: &mut String, rows: &[(&str, String)]) {
    page.push_str("<dl>\n");
    for (term, text) in rows {
        let lines: Vec<String> = text.lines().map(escaped).collect();
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(term), lines.join("<br>"));
    }
    page.push_str("</dl>\n");
}

/// Where the object is; where that is not known, where the camera was.
fn place(insight: &Insight) -> String {
    let told = |what: &str, (latitude, longitude): (f64, f64), error: Option<f64>| {
        let number = |degrees: f64| format!("{degrees:.5}").replace('.', ",");
        let error = error.map(|m| format!(", med en usikkerhed på omkring {m:.0} m")).unwrap_or_default();
        format!("{what}: {}° N, {}° Ø{error}", number(latitude), number(longitude))
    };
    if let Some(place) = insight.merged.as_ref().and_then(|merged| merged.place.as_ref()) {
        return told(place.danish, (place.latitude, place.longitude), Some(place.error_m));
    }
    let coordinates = insight.proposal.get("geometry").and_then(|g| g.get("coordinates"));
    let at = |n: usize| coordinates.and_then(|c| c.get(n)).and_then(Value::as_f64);
    let (Some(longitude), Some(latitude)) = (at(0), at(1)) else { return "ikke kendt".to_owned() };
    let error = insight.proposal.get("properties").and_then(|p| p.get("position_error_m")).and_then(Value::as_f64);
    told("kameraets sted", (latitude, longitude), error)
}

fn verdict(page: &mut String, merged: &Merged) {
    let mut rows = vec![("Status", merged.status.to_owned())];
    match &merged.verdict {
        None => rows.push(("Afgørelse", "intet menneske har taget stilling endnu".to_owned())),
        Some(verdict) => {
            let shown = if verdict.picture_shown { "billedet var vist" } else { "billedet var ikke vist" };
            rows.push(("Afgørelse", verdict.decision.as_str().to_owned()));
            rows.push(("Sagsbehandler", format!("{} ({shown})", verdict.reviewer)));
            rows.push(("Begrundelse", verdict.reason.clone()));
            let time = jiff::Timestamp::from_second(verdict.time).map(|time| time.to_string()).unwrap_or_default();
            rows.push(("Tidspunkt", moment(&time)));
            rows.push(("Fingeraftryk i loggen", verdict.reference().digest().to_string()));
        }
    }
    if let Some(why) = merged.withdrawn {
        rows.push(("Trukket tilbage", why.to_owned()));
    }
    let exports = match merged.exports {
        0 => "ikke givet videre".to_owned(),
        1 => "i én udgivelse".to_owned(),
        many => format!("i {many} udgivelser"),
    };
    rows.push(("Givet videre", exports));
    list(page, &rows);
    if merged.verdict.is_some() && merged.status == "afventer" {
        page.push_str("<p class=\"note\">Genstanden er set igen efter afgørelsen. Derfor venter forslaget igen på et menneske.</p>\n");
    }
}

/// How many finds the page names.
const MANY: usize = 12;

fn seen(page: &mut String, merged: &Merged) {
    let times = |n: usize| if n == 1 { "én gang".to_owned() } else { format!("{n} gange") };
    let drives = if merged.runs == 1 { "én kørsel".to_owned() } else { format!("{} kørsler", merged.runs) };
    let days = merged.days.as_ref().map(|(first, last)| match first == last {
        true => format!(", den {}", day(first)),
        false => format!(", fra den {} til den {}", day(first), day(last)),
    });
    let _ = writeln!(
        page,
        "<p>Genstanden er set {} på {drives}{}. Hvert fund er ét billede, som programmet så den i:</p>\n<table><thead><tr>\
<th>Dag</th><th>Sikkerhed</th><th>Billede</th><th>Fund</th></tr></thead><tbody>",
        times(merged.seen.len()),
        days.unwrap_or_default()
    );
    for find in merged.seen.iter().take(MANY) {
        let picture = if find.picture.is_some() { "gemt" } else { "slettet" };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{:.0} %</td><td>{picture}</td><td><code>{}</code></td></tr>",
            escaped(find.day.as_deref().map_or_else(|| "ukendt".to_owned(), day)),
            find.score * 100.0,
            escaped(&find.id)
        );
    }
    page.push_str("</tbody></table>\n");
    if merged.seen.len() > MANY {
        let _ = writeln!(page, "<p>… og {} fund til.</p>", merged.seen.len() - MANY);
    }
    if merged.withdrawn_finds > 0 {
        let _ = writeln!(page, "<p class=\"note\">Trukket tilbage og slettet: {} fund.</p>", merged.withdrawn_finds);
    }
}

/// A day as people write it.
fn day(text: &str) -> String {
    match text.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] => format!("{day}-{month}-{year}"),
        _ => text.to_owned(),
    }
}

/// A time as people write it, in UTC.
fn moment(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%d-%m-%Y kl. %H.%M (UTC)").to_string(),
        Err(_) => text.to_owned(),
    }
}

const COVERED: &str = "<p>De mennesker, ansigter og nummerplader, som kommunens program fandt i billedet, blev dækket, før leverandørens \
program så det.</p>\n";

fn picture(page: &mut String, insight: &Insight) {
    match &insight.picture {
        Picture::Kept { jpeg, .. } => {
            let data = base64::engine::general_purpose::STANDARD.encode(jpeg);
            let _ = writeln!(
                page,
                "<figure><img alt=\"Det maskerede billede\" src=\"data:image/jpeg;base64,{data}\">{}</figure>",
                frame(insight)
            );
            page.push_str(COVERED);
        }
        Picture::Sealed { png } => {
            let data = base64::engine::general_purpose::STANDARD.encode(png);
            let _ = writeln!(
                page,
                "<figure><img alt=\"Et maskeret udsnit\" src=\"data:image/png;base64,{data}\"></figure>"
            );
            page.push_str("<p>Af billedet er kun dette udsnit gemt, krypteret. At det er åbnet til denne side, står i loggen.</p>\n");
            page.push_str(COVERED);
        }
        Picture::Deleted => page.push_str("<p class=\"note\">Billedet er slettet.</p>\n"),
        Picture::NeverKept => page.push_str("<p class=\"note\">Der blev ikke gemt noget billede.</p>\n"),
    }
}

/// The box around the find, in percent of the picture.
fn frame(insight: &Insight) -> String {
    let numbers = |name: &str| -> Option<Vec<f64>> {
        let all = insight.proposal.get("properties")?.get(name)?.as_array()?;
        all.iter().map(Value::as_f64).collect()
    };
    let (Some(corners), Some(size)) = (numbers("box_px"), numbers("frame_px")) else { return String::new() };
    let (&[x0, y0, x1, y1], &[width, height]) = (corners.as_slice(), size.as_slice()) else { return String::new() };
    if width <= 0.0 || height <= 0.0 {
        return String::new();
    }
    let share = |n: f64, of: f64| n / of * 100.0;
    format!(
        "<span class=\"box\" style=\"left:{:.2}%;top:{:.2}%;width:{:.2}%;height:{:.2}%\"></span>",
        share(x0, width),
        share(y0, height),
        share(x1 - x0, width),
        share(y1 - y0, height)
    )
}

fn log(page: &mut String, logged: &Logged) {
    let mut rows = vec![
        ("Log", logged.log.clone()),
        ("Nøgle", logged.key.clone()),
        ("Kørsel", logged.run.clone()),
        ("Begyndt", format!("indførsel nr. {}", logged.begun.leaf)),
        ("Afsluttet", format!("indførsel nr. {}", logged.ended.leaf)),
    ];
    if let Event::RunEnded { counts, .. } = &logged.ended.record.event {
        let sum = |all: &std::collections::BTreeMap<_, u64>| all.values().fold(0_u64, |a, b| a.saturating_add(*b));
        rows.push((
            "Regnskab",
            format!(
                "{} billeder ind = {} med fund + {} uden fund + {} afvist + {} fejlet",
                counts.frames_in(),
                counts.with_objects(),
                counts.empty(),
                sum(counts.refused()),
                sum(counts.failed())
            ),
        ));
    }
    list(page, &rows);
    if !logged.key_pinned {
        page.push_str(
            "<p class=\"note\">Nøglen er taget fra kørslens egne filer. Bed kommunen om loggens nøgle for at vide, hvis log det er.</p>\n",
        );
    }
    page.push_str("<p>Alle, der har loggens nøgle, kan efterprøve beviset: gem hver af de to tekster herunder i en fil, og kør <code>vaern audit verify \
FIL --key NØGLE</code>.</p>\n");
    let _ = writeln!(page, "<pre>{}</pre>", escaped(&logged.begun.proof));
    let _ = writeln!(page, "<pre>{}</pre>", escaped(&logged.ended.proof));
}

/// What a person reads on the terminal.
pub(super) fn lines(insight: &Insight, out: Option<&Path>) -> String {
    let field =
        |name: &str| plain(insight.proposal.get("properties").and_then(|p| p.get(name)).unwrap_or(&Value::Null));
    let picture = match &insight.picture {
        Picture::Kept { file, .. } => file.clone(),
        Picture::Sealed { .. } => "a sealed crop".to_owned(),
        Picture::Deleted => "deleted".to_owned(),
        Picture::NeverKept => "never kept".to_owned(),
    };
    let mut text = format!(
        "{} {} score {}\npicture   {picture}\nrelease   {} {} by {}\n          {}\napproval  by {}, answers: {}, {}\nrules     {} ({})\nreview    {}\n",
        insight.id,
        field("label"),
        field("score"),
        insight.release.name,
        insight.release.version,
        insight.release.vendor,
        insight.release.digest,
        insight.approval.roles.join(", "),
        insight.approval.unit,
        insight.approval.manager,
        insight.rules.purpose,
        insight.rules.policy,
        insight.review,
    );
    match &insight.log {
        Some(logged) => {
            let _ = writeln!(
                text,
                "log       {}: run {} proved at leaves {} and {}",
                logged.log, logged.run, logged.begun.leaf, logged.ended.leaf
            );
        }
        None => text += "log       not asked (--log)\n",
    }
    if let Some(file) = out {
        let _ = writeln!(text, "look at   {}", file.display());
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

fn escaped(text: impl AsRef<str>) -> String {
    let mut safe = String::new();
    for c in text.as_ref().chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
