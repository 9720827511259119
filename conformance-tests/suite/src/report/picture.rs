//! A drawn street in a report: the picture as part of the page, and what was found on it drawn above, so that it can be read at any size
//! and on paper.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::page::Language;
use super::plot::escaped;
use crate::corpus;
use crate::examples::{Example, Shows};

/// Width of a picture in the page, in pixels.
const WIDE: u16 = 480;

/// The figure; nothing where the street cannot be drawn.
pub(super) fn figure(seed: u64, example: &Example, language: Language) -> Option<String> {
    let street = corpus::street(seed, example.case, example.frame)?;
    let (width, height) = (street.size.width(), street.size.height());
    let (small_width, small_height, rgb) = smaller(&street.rgb, (width, height));
    let jpeg = vaern_scenes::encode_jpeg(&rgb, (small_width, small_height), 72, None).ok()?;
    let words = words(example, language);
    let mut svg = format!(
        "<figure><svg class=\"street\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\
<image width=\"{width}\" height=\"{height}\" href=\"data:image/jpeg;base64,{}\"/>",
        escaped(&words),
        STANDARD.encode(jpeg)
    );
    // Thin lines beside pixels are lost in print: each is drawn twice, pale and wide below, dark and narrow above.
    for (class, boxes) in [("truth", &example.found), ("missed", &example.missed), ("box", &example.boxes)] {
        for [x0, y0, x1, y1] in boxes {
            // A box that lies on its truth would hide it: the plugin's is drawn a little larger.
            let by = if class == "box" { width / 160 } else { 0 };
            let (x, y) = (x0.saturating_sub(by), y0.saturating_sub(by));
            let (w, h) = (x1.saturating_add(by).min(width) - x, y1.saturating_add(by).min(height) - y);
            for part in ["under", "over"] {
                let _ =
                    write!(svg, "<rect class=\"{class} {part}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>");
            }
        }
    }
    let _ = write!(svg, "</svg><figcaption>{}</figcaption></figure>", escaped(&words));
    Some(svg)
}

fn words(example: &Example, language: Language) -> String {
    let (found, missed, wrong) = (example.found.len(), example.missed.len(), example.wrong);
    let case = example.case;
    match language {
        Language::Da => {
            let head = match example.shows {
                Shows::Found => "Fundet",
                Shows::Missed => "Overset",
                Shows::Wrong => "En kasse for meget",
            };
            format!("{head} (gade {case}): {found} fundet, {missed} overset, {wrong} falske.")
        }
        Language::En => {
            let head = match example.shows {
                Shows::Found => "Found",
                Shows::Missed => "Missed",
                Shows::Wrong => "A box too many",
            };
            format!("{head} (street {case}): {found} found, {missed} missed, {wrong} false.")
        }
    }
}

/// The picture made smaller by a whole factor: each pixel the mean of those that it stands for.
fn smaller(rgb: &[u8], (width, height): (u16, u16)) -> (u16, u16, Vec<u8>) {
    let by = usize::from((width / WIDE).max(1));
    let (w, h) = (usize::from(width) / by, usize::from(height) / by);
    let mut out = Vec::with_capacity(w * h * 3);
    for y in 0..h {
        for x in 0..w {
            for channel in 0..3 {
                let samples = (0..by * by).map(|n| {
                    let at = ((y * by + n / by) * usize::from(width) + x * by + n % by) * 3 + channel;
                    rgb.get(at).copied().map_or(0, usize::from)
                });
                out.push(u8::try_from(samples.sum::<usize>() / (by * by)).unwrap_or(u8::MAX));
            }
        }
    }
    (u16::try_from(w).unwrap_or(1), u16::try_from(h).unwrap_or(1), out)
}
