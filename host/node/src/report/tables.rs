//! The tables: why pictures were refused, what was dropped from the answers, what took how long, what exactly was in force.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::words::{self, Words, both, both_html, escaped, milliseconds, number};
use super::{PICTURE, PICTURES};
use crate::outcome::{FrameResult, Refusal, Run, Summary};

/// Refused frames listed by name; a long drive has more, and all are in `frames.csv`.
const LISTED: usize = 500;

/// Opens a section with a table: heading, caption, column heads as `(class, head)`.
fn open(page: &mut String, id: &str, heading: Words, caption: &str, heads: &[(&str, String)]) {
    let _ = writeln!(page, "<section aria-labelledby=\"h-{id}\"><h2 id=\"h-{id}\">{}</h2>", heading.html());
    table(page, id, caption, heads);
}

fn table(page: &mut String, id: &str, caption: &str, heads: &[(&str, String)]) {
    let _ = write!(
        page,
        "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-labelledby=\"h-{id}\"><table class=\"{id}-table\"><caption>{caption}</caption>\n<thead><tr>"
    );
    for (class, head) in heads {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = write!(page, "<th scope=\"col\"{class}>{head}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
}

const CLOSE_TABLE: &str = "</tbody></table></div>\n";
const CLOSE: &str = "</tbody></table></div></section>\n";

fn refusals(run: &Run) -> impl Iterator<Item = (usize, &str, &Refusal)> {
    run.frames.iter().filter_map(|frame| match &frame.result {
        FrameResult::Refused(refusal) => Some((frame.number, frame.file.as_str(), refusal)),
        FrameResult::Seen(_) => None,
    })
}

/// The sentence for a reason, or the reason itself.
fn sentence(name: &str) -> String {
    words::reason(name).map_or_else(|| escaped(name), Words::html)
}

/// Why pictures were refused, how often, under which rule, and whose turn it is. The most frequent first.
pub(super) fn reasons(page: &mut String, run: &Run) {
    let mut counts: BTreeMap<(&str, &str, &str), (usize, &Refusal)> = BTreeMap::new();
    for (_, _, refusal) in refusals(run) {
        counts.entry((refusal.reason, refusal.krav.0, refusal.blame.as_str())).or_insert((0, refusal)).0 += 1;
    }
    let heading = Words { da: "Hvad der blev afvist", en: "What was refused" };
    if counts.is_empty() {
        let _ = writeln!(
            page,
            "<section aria-labelledby=\"h-reasons\"><h2 id=\"h-reasons\">{}</h2><p>{}</p></section>",
            heading.html(),
            both("Intet billede blev afvist.", "No picture was refused.")
        );
        return;
    }
    let caption = both(
        "Enhver tvivl giver et nej. Hvert nej har et navn, en regel og en, der kan gøre noget ved det.",
        "Any doubt means no. Each no has a name, a rule, and someone who can act on it.",
    );
    let heads = [
        ("n", both("Antal", "Count")),
        ("", both("Hvorfor", "Why")),
        ("", "Krav".to_owned()),
        ("", both("Hvis tur det er", "Whose turn it is")),
    ];
    open(page, "reasons", heading, &caption, &heads);
    let mut rows: Vec<_> = counts.into_values().collect();
    rows.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    for (count, refusal) in rows {
        let _ = writeln!(
            page,
            "<tr><td class=\"n\">{}</td><th scope=\"row\">{} <code>{}</code></th><td class=\"krav\">{}</td><td>{}</td></tr>",
            number(count as f64, 0),
            sentence(refusal.reason),
            escaped(refusal.reason),
            escaped(refusal.krav.0),
            words::turn(refusal.blame).html()
        );
    }
    page.push_str(CLOSE);
}

/// Finds by label.
pub(super) fn labels(page: &mut String, summary: &Summary) {
    if summary.detections_by_label.is_empty() {
        return;
    }
    let caption =
        both("Forslag efter betegnelse. Alle afventer et menneske.", "Proposals by label. All await a person.");
    let heads = [("n", both("Antal", "Count")), ("", both("Betegnelse", "Label"))];
    open(page, "labels", Words { da: "Hvad der foreslås", en: "What is proposed" }, &caption, &heads);
    for (label, count) in &summary.detections_by_label {
        let _ = writeln!(
            page,
            "<tr><td class=\"n\">{}</td><th scope=\"row\">{}</th></tr>",
            number(*count as f64, 0),
            escaped(label)
        );
    }
    page.push_str(CLOSE);
}

/// Answers that the output rules dropped.
pub(super) fn dropped_answers(page: &mut String, summary: &Summary) {
    if summary.dropped_answers.is_empty() {
        return;
    }
    let caption = both(
        "Svar fra plugin'et, som reglerne for svar tog fra, før nogen så dem.",
        "Answers of the plugin that the output rules took away before anyone saw them.",
    );
    let heads = [("n", both("Højst", "At most")), ("", both("Hvorfor", "Why"))];
    open(
        page,
        "answers",
        Words { da: "Hvad plugin'et ikke fik lov at sige", en: "What the plugin was not let say" },
        &caption,
        &heads,
    );
    for (name, count) in &summary.dropped_answers {
        let known = words::dropped_answer(name).map(|w| format!("{} ", w.html())).unwrap_or_default();
        let _ = writeln!(
            page,
            "<tr><td class=\"n\">{}</td><th scope=\"row\">{known}<code>{}</code></th></tr>",
            number(f64::from(*count), 0),
            escaped(name)
        );
    }
    page.push_str(CLOSE);
}

/// Time per stage, with bars.
pub(super) fn stages(page: &mut String, summary: &Summary) {
    if summary.stages_ms.is_empty() {
        return;
    }
    let longest = summary.stages_ms.values().map(|f| f.p95).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let (wall_da, wall_en) = words::number_pair(summary.wall_ms / 1000.0, 1);
    let caption = both(
        &format!(
            "Millisekunder for hvert trin. Hele kørslen tog {wall_da} s. Bjælken er medianen, stregen den 95. percentil."
        ),
        &format!(
            "Milliseconds for each stage. The whole run took {wall_en} s. The bar is the median, the line the 95th percentile."
        ),
    );
    let heads = [
        ("", both("Trin", "Stage")),
        ("n", both("Billeder", "Pictures")),
        ("n", "Median".to_owned()),
        ("n", both("95 %", "95%")),
        ("bars", format!("<span class=\"unseen\">{}</span>", both("Bjælke", "Bar"))),
    ];
    open(page, "stages", Words { da: "Hvad tiden gik med", en: "Where the time went" }, &caption, &heads);
    let known = words::STAGES.iter().map(|(name, _)| *name);
    let others = summary.stages_ms.keys().copied().filter(|name| words::STAGES.iter().all(|(known, _)| known != name));
    for name in known.chain(others) {
        let Some(figure) = summary.stages_ms.get(name) else { continue };
        let share = |ms: f64| if longest > 0.0 { (ms / longest * 100.0).clamp(0.0, 100.0) } else { 0.0 };
        let said =
            words::STAGES.iter().find(|(known, _)| *known == name).map_or_else(|| escaped(name), |(_, w)| w.html());
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{said}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
<td class=\"bars\" aria-hidden=\"true\"><div class=\"bar-of\"><i style=\"width:{:.1}%\"></i><b style=\"left:{:.1}%\"></b></div></td></tr>",
            number(figure.frames as f64, 0),
            milliseconds(figure.p50),
            milliseconds(figure.p95),
            share(figure.p50),
            share(figure.p95)
        );
    }
    page.push_str(CLOSE);
}

/// Every refused frame by name, folded away.
pub(super) fn refused(page: &mut String, run: &Run) {
    let all = refusals(run).count();
    // A run that tells no names has nothing to tell one by one; the reasons are counted above.
    if refusals(run).all(|(_, file, _)| file.is_empty()) {
        return;
    }
    let (da, en) = words::counted(all, PICTURE, PICTURES);
    let _ = write!(
        page,
        "<section aria-labelledby=\"h-refused\"><h2 id=\"h-refused\" class=\"unseen\">{}</h2>\n<details><summary>{}</summary>\n",
        both("Afviste billeder enkeltvis", "Refused pictures one by one"),
        both(&format!("Afviste billeder enkeltvis ({da})"), &format!("Refused pictures one by one ({en})"))
    );
    let caption = if all > LISTED {
        both(
            &format!("De første {LISTED}; alle står i frames.csv. Filnavne er til driften og når aldrig et plugin."),
            &format!(
                "The first {LISTED}; all are in frames.csv. File names are for the operator and never reach a plugin."
            ),
        )
    } else {
        both(
            "Filnavne er til driften og når aldrig et plugin.",
            "File names are for the operator and never reach a plugin.",
        )
    };
    let heads = [
        ("n", both("Nr.", "No.")),
        ("", both("Fil", "File")),
        ("", both("Årsag", "Reason")),
        ("", both("Nærmere (engelsk)", "Detail")),
    ];
    table(page, "refused", &caption, &heads);
    for (number, file, refusal) in refusals(run).take(LISTED) {
        let _ = writeln!(
            page,
            "<tr><td class=\"n\">{number}</td><th scope=\"row\"><bdi>{}</bdi></th><td><code>{}</code></td><td><span lang=\"en\" class=\"always\">{}</span></td></tr>",
            escaped(file),
            escaped(refusal.reason),
            escaped(&refusal.detail)
        );
    }
    page.push_str(CLOSE_TABLE);
    page.push_str("</details></section>\n");
}

/// Digests in full, for whoever checks: folded away.
pub(super) fn basis(page: &mut String, run: &Run) {
    let _ = write!(
        page,
        "<section aria-labelledby=\"h-basis\"><h2 id=\"h-basis\" class=\"unseen\">{0}</h2>\n<details><summary>{0}</summary>\n",
        both("Det nøjagtige grundlag: aftryk, modeller, maskine", "The exact basis: digests, models, engine")
    );
    let caption = both(
        "To kørsler med samme aftryk fulgte samme regler og samme kode.",
        "Two runs with the same digests followed the same rules and the same code.",
    );
    table(page, "basis", &caption, &[("", both("Hvad", "What")), ("", both("Værdi", "Value"))]);
    let mut line = |what: String, value: &str| {
        let _ = writeln!(page, "<tr><th scope=\"row\">{what}</th><td><code>{}</code></td></tr>", escaped(value));
    };
    if let Some(release) = &run.release {
        line(
            both("Udgivelse (plugin, model og manifest)", "Release (plugin, model and manifest)"),
            &release.digest.to_string(),
        );
    }
    line(both("Regler", "Policy"), &run.policy.digest.to_string());
    for (name, digest) in &run.policy.detectors {
        line(
            both_html(&format!("Portens model {}", escaped(name)), &format!("Model of the gate {}", escaped(name))),
            &digest.to_string(),
        );
    }
    line(both("Regnemaskine", "Inference backend"), &run.policy.backend);
    line(both("Begyndt", "Started"), &run.started);
    page.push_str(CLOSE_TABLE);
    page.push_str("</details></section>\n");
}
