//! Masked pictures with the proposed boxes drawn over them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::{self, both, both_html, escaped, number_pair};
use crate::outcome::{FrameResult, Run, SeenFrame};

struct Candidate<'a> {
    number: usize,
    file: &'a str,
    seen: &'a SeenFrame,
    jpeg: &'a [u8],
}

/// The frames whose picture is shown, in their order, and how many pictures are kept in all. Finds with masks come first,
/// then finds, then masks, then the rest, spread evenly over the drive where a group does not fit whole.
fn chosen<'a>(run: &'a Run, pictures: &'a BTreeMap<usize, Vec<u8>>, limit: usize) -> (Vec<Candidate<'a>>, usize) {
    let mut groups: BTreeMap<(bool, bool), Vec<Candidate<'a>>> = BTreeMap::new();
    let mut kept = 0;
    for frame in &run.frames {
        let FrameResult::Seen(seen) = &frame.result else { continue };
        // The caller may have read only some of the pictures that are kept.
        kept += usize::from(seen.picture.is_some());
        let Some(jpeg) = pictures.get(&frame.number) else { continue };
        let candidate = Candidate { number: frame.number, file: &frame.file, seen, jpeg };
        groups.entry((seen.objects.is_empty(), seen.masked_share <= 0.0)).or_default().push(candidate);
    }
    let mut chosen = Vec::new();
    for group in groups.into_values() {
        let (room, count) = (limit.saturating_sub(chosen.len()), group.len());
        // Of `count`, the `room` whose share of the way crosses a whole number: evenly spread, and all where all fit.
        let taken = |index: usize| count <= room || index * room / count != (index + 1) * room / count;
        chosen.extend(group.into_iter().enumerate().filter(|(index, _)| taken(*index)).map(|(_, candidate)| candidate));
    }
    chosen.sort_by_key(|candidate| candidate.number);
    (chosen, kept)
}

/// The section with the pictures; nothing where no picture is kept.
pub(super) fn section(page: &mut String, run: &Run, pictures: &BTreeMap<usize, Vec<u8>>, limit: usize) {
    let (chosen, kept) = chosen(run, pictures, limit);
    if chosen.is_empty() {
        return;
    }
    let n = chosen.len();
    let boxes = if chosen.iter().any(|candidate| !candidate.seen.objects.is_empty()) {
        both(
            "Gule rammer er forslag; stiplet ramme: delvist under maske.",
            "Yellow boxes are proposals; dashed box: partly under a mask.",
        )
    } else {
        String::new()
    };
    let note = if n >= kept {
        both("Alle gemte billeder er vist.", "All kept pictures are shown.")
    } else {
        both(
            &format!("{n} af {kept} gemte billeder er vist, først dem med forslag og masker."),
            &format!("{n} of {kept} kept pictures are shown, those with proposals and masks first."),
        )
    };
    let _ = writeln!(
        page,
        "<section aria-labelledby=\"h-gallery\"><h2 id=\"h-gallery\">{}</h2>\n<p class=\"note\">{} {boxes} {note}</p>\n<div class=\"gallery\">",
        if run.release.is_some() {
            both("Hvad der blev set", "What was seen")
        } else {
            both("Billederne", "The pictures")
        },
        both(
            "Billederne er maskerede: dækkede felter er væk og kan ikke hentes frem.",
            "The pictures are masked: covered areas are gone and cannot be brought back."
        ),
    );
    for candidate in &chosen {
        figure(page, candidate);
    }
    page.push_str("</div></section>\n");
}

fn figure(page: &mut String, candidate: &Candidate<'_>) {
    let Candidate { number, file, seen, jpeg } = candidate;
    let (width, height) = (seen.size.width(), seen.size.height());
    let n = seen.objects.len();
    let _ = write!(
        page,
        "<figure><div class=\"shot\" style=\"aspect-ratio:{width}/{height}\"><img alt=\"Maskeret gadebillede nr. {number} med {n} forslag / Masked street picture no. {number}, proposals: {n}\" \
width=\"{width}\" height=\"{height}\" src=\"data:image/jpeg;base64,{}\">",
        STANDARD.encode(jpeg)
    );
    boxes(page, seen);
    let _ = write!(page, "</div>\n<figcaption><p class=\"name\"><b>{number}</b> <bdi>{}</bdi></p>", escaped(file));
    if n > 0 {
        page.push_str("<ol>");
        for object in &seen.objects {
            let (da, en) = number_pair(f64::from(object.score) / 255.0, 2);
            let partly = if object.delvist_maskeret {
                format!(", {}", both("delvist maskeret", "partly masked"))
            } else {
                String::new()
            };
            let _ = write!(page, "<li>{} {}{partly}</li>", escaped(object.label.as_str()), both(&da, &en));
        }
        page.push_str("</ol>");
    }
    let _ = writeln!(page, "<p>{}</p></figcaption></figure>", masks(seen));
}

fn boxes(page: &mut String, seen: &SeenFrame) {
    if seen.objects.is_empty() {
        return;
    }
    let (width, height) = (f64::from(seen.size.width()), f64::from(seen.size.height()));
    // The picture is shown at about 360 px: text of this size is then about 14 px.
    let text = width / 25.0;
    let _ = write!(
        page,
        "<svg viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\" font-size=\"{text:.0}\">"
    );
    for (index, object) in seen.objects.iter().enumerate() {
        let r = object.rect;
        let (x, y, w, h) = (r.x0(), r.y0(), r.x1().saturating_sub(r.x0()), r.y1().saturating_sub(r.y0()));
        let class = if object.delvist_maskeret { " class=\"partly\"" } else { "" };
        // The number stands inside the upper left corner, or where that would leave the picture, as near as it can.
        let tag = text * 1.35;
        let digits = (index + 1).to_string();
        let tag_width = tag + text * 0.55 * (digits.len() as f64 - 1.0);
        let (tx, ty) = (f64::from(x).min(width - tag_width).max(0.0), f64::from(y).min(height - tag).max(0.0));
        let _ = write!(
            page,
            "<rect class=\"under\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/><rect{class} x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>\
<rect class=\"tag\" x=\"{tx:.1}\" y=\"{ty:.1}\" width=\"{tag_width:.1}\" height=\"{tag:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{digits}</text>",
            tx + tag_width / 2.0,
            ty + tag * 0.74
        );
    }
    page.push_str("</svg>");
}

fn masks(seen: &SeenFrame) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for (class, count) in seen.masked_boxes.iter().filter(|(_, count)| **count > 0) {
        parts.push(match words::masked_class(class) {
            Some((one, many)) => words::counted(*count, one, many),
            None => (format!("{count} {class}"), format!("{count} {class}")),
        });
    }
    if parts.is_empty() {
        return if seen.masked_share > 0.0 {
            both("Under maske", "Under masks")
        } else {
            both("Intet at maskere fundet", "Nothing to mask was found")
        };
    }
    let (share_da, share_en) = number_pair(seen.masked_share * 100.0, 1);
    let join = |pick: fn(&(String, String)) -> &str| parts.iter().map(pick).collect::<Vec<_>>().join(", ");
    both_html(
        &escaped(&format!("Masker: {} ({share_da} % af billedet)", join(|p| &p.0))),
        &escaped(&format!("Masks: {} ({share_en}% of the picture)", join(|p| &p.1))),
    )
}
