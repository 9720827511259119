//! What a reviewer is shown: masked crops with what the program says of them, and how to answer. One file; no script, nothing fetched.
//! It has the block that an object stands in, and neither its place nor a time of day (SKJ-05).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::crop::crop;
use crate::book::{Book, Proposal, Seen, Status};
use crate::coarse::Block;

/// A page of more proposals is a file that no browser likes; the rest comes once these are decided.
const MOST: usize = 200;
/// The largest picture that is read.
const MAX_PICTURE: u64 = 16 << 20;

const STYLE: &str = "\
:root{color-scheme:light dark}*{box-sizing:border-box}body{font:17px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.7rem;line-height:1.2}h2{font-size:1.2rem;margin:1.8rem 0 .4rem}.note{opacity:.8}\
.one{border:1px solid #8886;border-radius:.4rem;padding:1rem;margin:1rem 0;break-inside:avoid;display:grid;grid-template-columns:minmax(12rem,22rem) 1fr;gap:1rem}\
.one img{width:100%;height:auto;image-rendering:auto;display:block}.one h2{margin:0 0 .4rem}\
dl{display:grid;grid-template-columns:8rem 1fr;gap:.15rem .8rem;margin:0}dt{opacity:.8}dd{margin:0;overflow-wrap:anywhere}code{font-size:.85em}\
details{margin:1rem 0}summary{cursor:pointer;font-weight:600}@media(max-width:40rem){.one{grid-template-columns:1fr}}";

const GUIDE: &str = include_str!("guide.html");

/// The guidance for those who review, as a page (MAL-06).
#[must_use]
pub fn guide() -> String {
    let mut page = head("Vejledning til gennemsyn");
    page.push_str("<h1>Vejledning til gennemsyn</h1>\n");
    page.push_str(GUIDE);
    page.push_str("</main></body></html>\n");
    page
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"da\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Værn: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body><main>\n"
    )
}

impl Book {
    /// The page for a reviewer: proposals that wait, at most 200 of them. `kept` gives the crop of a find that is kept as evidence.
    /// Also tells how many are on it.
    #[must_use]
    pub fn page(&self, kept: &mut dyn FnMut(&str) -> Option<Vec<u8>>) -> (String, usize) {
        let all = self.proposals();
        let waiting: Vec<&Proposal> = all.iter().filter(|proposal| proposal.status == Status::Waiting).collect();
        let shown = waiting.len().min(MOST);
        let mut page = head("Gennemsyn af forslag");
        let _ = writeln!(
            page,
            "<h1>Gennemsyn af forslag</h1>\n<p class=\"note\">{shown} af {} forslag, der venter på et menneske. Kun til den, der gennemser dem: Slet siden, når du er færdig.</p>\n\
<details><summary>Vejledning</summary>\n{GUIDE}</details>",
            waiting.len()
        );
        for proposal in waiting.iter().take(MOST) {
            self.one(&mut page, proposal, kept);
        }
        page.push_str("</main></body></html>\n");
        (page, shown)
    }

    fn one(&self, page: &mut String, proposal: &Proposal, kept: &mut dyn FnMut(&str) -> Option<Vec<u8>>) {
        let label = proposal.label.as_ref().map(|label| label.as_str().replace('_', " ")).unwrap_or_default();
        let png = proposal.picture().and_then(|seen| self.crop_of(seen).or_else(|| kept(&seen.id)));
        let picture = png.map_or_else(
            || "<p class=\"note\">Der er intet billede tilbage: Det eneste svar er »kan ikke vurderes«.</p>".to_owned(),
            |png| {
                let data = STANDARD.encode(png);
                format!("<img alt=\"Maskeret udsnit: {label}?\" src=\"data:image/png;base64,{data}\">")
            },
        );
        let decimal = |value: f64, decimals: usize| format!("{value:.decimals$}").replace('.', ",");
        let place = proposal.place.as_ref().map(Block::of).map_or_else(
            || "ukendt".to_owned(),
            |block| {
                let (north, east) = (decimal(block.latitude, 4), decimal(block.longitude, 4));
                format!("omkring {north} N, {east} Ø; inden for {:.0}\u{a0}m", block.error_m)
            },
        );
        let days = match &proposal.days {
            None => "ukendt".to_owned(),
            Some((first, last)) if first == last => first.clone(),
            Some((first, last)) => format!("{first} til {last}"),
        };
        let _ = writeln!(
            page,
            "<section class=\"one\" aria-label=\"Forslag {id}\"><div>{picture}</div><div><h2>{label}?</h2>\n<dl><dt>Id</dt><dd><code>{id}</code></dd>\
<dt>Programmets sikkerhed</dt><dd>{score} %</dd><dt>Gadeblok</dt><dd>{place}</dd><dt>Set</dt><dd>{days}, {times}</dd></dl></div></section>",
            id = proposal.id,
            score = decimal(proposal.score * 100.0, 0),
            times = match proposal.seen.len() {
                1 => "én gang".to_owned(),
                count => format!("{count} gange"),
            },
        );
    }

    /// The crop of a find, from the masked picture in its run's folder.
    fn crop_of(&self, seen: &Seen) -> Option<Vec<u8>> {
        use std::io::Read as _;
        let folder = self.folder(&seen.run)?;
        let mut jpeg = Vec::new();
        // The folder is a capability: a name that leads out of it opens nothing.
        folder.open(seen.picture.as_deref()?).ok()?.take(MAX_PICTURE).read_to_end(&mut jpeg).ok()?;
        crop(&jpeg, seen.box_px, seen.frame_px)
    }
}
