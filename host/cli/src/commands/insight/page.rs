//! The page that a citizen or a case worker reads. Danish; one file, no script, nothing fetched; foreign text escaped.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use serde_json::Value;
use vaern_record::log::Event;

use super::{Insight, Logged, Picture};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:17px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.15rem;margin:2rem 0 .4rem}\
dl{display:grid;grid-template-columns:minmax(9rem,auto) 1fr;gap:.25rem 1rem;margin:0}dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere}\
code,pre{font-size:.8rem;overflow-wrap:anywhere;white-space:pre-wrap}figure{margin:1rem 0;position:relative}figure img{width:100%;display:block}\
.box{position:absolute;border:3px solid #e07000;box-shadow:0 0 0 1px #fff}.note{border-left:4px solid #e07000;padding:.3rem .8rem;margin:1rem 0}\
@media print{body{margin:0;font-size:12px}}";

/// One page.
pub(super) fn html(insight: &Insight) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"da\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
<title>Indsigt i forslag {id}</title><style>{STYLE}</style></head><body><main>\n\
<h1>Indsigt i et forslag</h1>\n<p>Denne side viser, hvad der ligger bag forslaget <code>{id}</code>: hvad der blev set, hvem der \
har godkendt det, og efter hvilke regler. Et forslag er ingen afgørelse. Et menneske afgør sagen.</p>\n",
        id = escaped(&insight.id)
    );
    let field = |name: &str| insight.proposal.get("properties").and_then(|p| p.get(name)).unwrap_or(&Value::Null);
    section(&mut page, "Hvad der blev fundet");
    let percent = field("score").as_f64().map(|score| format!("{:.0} %", score * 100.0));
    list(
        &mut page,
        &[
            ("Genstand", plain(field("label"))),
            ("Sikkerhed", percent.unwrap_or_default()),
            ("Tidspunkt", or(plain(field("time")), "ikke kendt")),
            ("Sted", place(insight)),
            ("Status", status(insight)),
        ],
    );
    picture(&mut page, insight);
    section(&mut page, "Hvilket program der så det");
    let release = &insight.release;
    list(
        &mut page,
        &[
            ("Program", format!("{} {}", release.name, release.version)),
            ("Leverandør", release.vendor.clone()),
            ("Modeller", or(release.models.join("\n"), "ingen")),
            ("Kendetegn", release.digest.to_string()),
        ],
    );
    section(&mut page, "Hvem der har godkendt det, og hvem der har ansvaret");
    let approval = &insight.approval;
    list(
        &mut page,
        &[
            ("Ansvarlig", format!("{}, {}", approval.unit, approval.manager)),
            ("Underskrevet af", approval.roles.join(", ")),
            ("Nøgler", approval.signers.join("\n")),
            ("Gælder", format!("{} til {}", approval.not_before, approval.expires)),
            ("Konsekvensanalyse", format!("{}; restrisiko {}", approval.dpia, approval.residual_risk)),
            ("Databeskyttelsesrådgiverens råd", approval.dpo_advice.clone()),
            ("Forvaltningens svar", approval.dpo_reply.clone()),
            ("Godkendelsens kendetegn", approval.digest.to_string()),
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
    page.push_str("<p>Krav, som godkendelsen siger er opfyldt:</p>\n<dl>\n");
    for (id, text) in &rules.krav {
        let text = or(text.clone(), "(teksten står i kravkataloget)");
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(id), escaped(&text));
    }
    page.push_str("</dl>\n");
    section(&mut page, "Hvad loggen beviser");
    match &insight.log {
        Some(logged) => log(&mut page, logged),
        None => page.push_str("<p class=\"note\">Kørslen er ikke slået op i en log.</p>\n"),
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

fn place(insight: &Insight) -> String {
    let coordinates = insight.proposal.get("geometry").and_then(|g| g.get("coordinates"));
    let at = |n: usize| coordinates.and_then(|c| c.get(n)).and_then(Value::as_f64);
    let (Some(longitude), Some(latitude)) = (at(0), at(1)) else { return "ikke kendt".to_owned() };
    let error = insight.proposal.get("properties").and_then(|p| p.get("position_error_m")).and_then(Value::as_f64);
    let error = error.map(|m| format!(", ± {m:.0} m")).unwrap_or_default();
    format!("kameraets sted: {latitude:.5} N, {longitude:.5} Ø{error}")
}

fn status(insight: &Insight) -> String {
    let Some(verdict) = &insight.verdict else {
        return "afventer: intet menneske har taget stilling til det endnu".to_owned();
    };
    let shown = if verdict.picture_shown { "billedet var vist" } else { "billedet var ikke vist" };
    format!("{} af {} ({shown}): {}", insight.review, verdict.reviewer, verdict.reason)
}

fn picture(page: &mut String, insight: &Insight) {
    match &insight.picture {
        Picture::Kept { jpeg, .. } => {
            let data = base64::engine::general_purpose::STANDARD.encode(jpeg);
            let _ = writeln!(
                page,
                "<figure><img alt=\"Det maskerede billede\" src=\"data:image/jpeg;base64,{data}\">{}</figure>",
                frame(insight)
            );
            page.push_str("<p>Hvad værten fandt af mennesker, ansigter og nummerplader, blev dækket, før programmet så billedet.</p>\n");
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
        ("Begyndt", format!("indførsel {}", logged.begun.leaf)),
        ("Afsluttet", format!("indførsel {}", logged.ended.leaf)),
    ];
    if let Event::RunEnded { counts, .. } = &logged.ended.record.event {
        let sum = |all: &std::collections::BTreeMap<_, u64>| all.values().fold(0_u64, |a, b| a.saturating_add(*b));
        rows.push((
            "Regnskab",
            format!(
                "{} billeder ind = {} med fund + {} uden + {} afvist + {} fejlet",
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
            "<p class=\"note\">Nøglen er taget fra kørslens egne filer. Bed om loggens nøgle hos kommunen for at vide, hvis log det er.</p>\n",
        );
    }
    page.push_str("<p>Beviset kan efterprøves af alle, som har loggens nøgle (<code>vaern audit verify FIL --key NØGLE</code>):</p>\n");
    let _ = writeln!(page, "<pre>{}</pre>", escaped(&logged.begun.proof));
    let _ = writeln!(page, "<pre>{}</pre>", escaped(&logged.ended.proof));
}

/// What a person reads on the terminal.
pub(super) fn lines(insight: &Insight, out: Option<&Path>) -> String {
    let field =
        |name: &str| plain(insight.proposal.get("properties").and_then(|p| p.get(name)).unwrap_or(&Value::Null));
    let picture = match &insight.picture {
        Picture::Kept { file, .. } => file.clone(),
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
