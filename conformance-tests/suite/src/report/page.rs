//! What every page has: the language, the style, and a head that forbids the browser to fetch or run anything.

use std::fmt::Write as _;

use super::plot::escaped;

/// The language of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Danish.
    Da,
    /// English.
    En,
}

impl Language {
    pub(super) const fn pick<'w>(self, da: &'w str, en: &'w str) -> &'w str {
        match self {
            Self::Da => da,
            Self::En => en,
        }
    }

    /// The other one.
    #[must_use]
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Da => Self::En,
            Self::En => Self::Da,
        }
    }

    /// Its code, as HTML wants it.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Da => "da",
            Self::En => "en",
        }
    }

    /// The mark between whole and part.
    pub(super) const fn mark(self) -> char {
        match self {
            Self::Da => ',',
            Self::En => '.',
        }
    }

    /// File name of the report.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Da => "report.html",
            Self::En => "report.en.html",
        }
    }
}

pub(super) const STYLE: &str = include_str!("style.css");

/// What stands at the top of a page.
pub(super) struct Head<'h> {
    pub(super) language: Language,
    /// What kind of page it is.
    pub(super) title: &'h str,
    /// What it is about.
    pub(super) name: &'h str,
    /// One sentence.
    pub(super) lead: &'h str,
    /// The file in the other language.
    pub(super) other: &'h str,
}

pub(super) fn begin(out: &mut String, head: &Head<'_>) {
    let (other_name, code) = (head.language.pick("In English", "På dansk"), head.language.other().code());
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<title>Værn: {title}, {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
<p class=\"bar\"><span>Værn · {title}</span><a href=\"{}\" hreflang=\"{code}\" lang=\"{code}\">{other_name}</a></p>\n<h1>{name}</h1>\n\
<p class=\"lead\">{}</p>\n</header>\n",
        head.language.code(),
        head.other,
        escaped(head.lead),
        title = escaped(head.title),
        name = escaped(head.name),
    );
}
