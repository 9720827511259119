//! Words and lists that cannot be empty: what a field of the register is made of.

use serde::{Deserialize, Serialize};
use vaern_door::guard;

use super::RegisterError;

/// The longest text of one field, in characters.
const MAX_TEXT: usize = 4000;

/// Texts that stand where somebody meant to write something.
const PLACEHOLDERS: [&str; 6] = ["todo", "tbd", "udfyldes", "mangler", "n/a", "xxx"];

/// A text that says something. There is no way to make one from nothing.
///
/// ```compile_fail
/// let nothing = vaern_conformance::Stated(String::new());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stated(String);

impl Stated {
    /// Takes the words of `field`, which is stated in `place`.
    ///
    /// # Errors
    /// [`RegisterError::Unstated`] where they say nothing, [`RegisterError::Personal`] where they hold what looks like a CPR number or a
    /// position.
    pub fn new(field: &'static str, place: &str, words: &str) -> Result<Self, RegisterError> {
        let words = words.trim();
        let unstated = !says_something(words) && guard::stands("conformance.register-stated");
        if unstated || words.chars().count() > MAX_TEXT {
            return Err(RegisterError::Unstated { field, place: place.to_owned() });
        }
        if guard::stands("conformance.register-personal")
            && let Some(kind) = personal(words)
        {
            return Err(RegisterError::Personal { field, place: place.to_owned(), kind });
        }
        Ok(Self(words.to_owned()))
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Stated {
    type Error = RegisterError;
    fn try_from(words: String) -> Result<Self, RegisterError> {
        Self::new("text", "the file", &words)
    }
}

impl From<Stated> for String {
    fn from(stated: Stated) -> Self {
        stated.0
    }
}

fn says_something(words: &str) -> bool {
    let plain = words.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    !plain.is_empty() && !PLACEHOLDERS.contains(&plain.as_str())
}

/// What in a text has the form of something personal. Names have none: whoever signs reads them.
fn personal(words: &str) -> Option<&'static str> {
    let runs = words.split(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '.' | ',')));
    for run in runs {
        let run = run.trim_matches(|c: char| !c.is_ascii_digit());
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        let cpr = run.split_once('-').is_some_and(|(day, number)| digits(day, 6) && digits(number, 4));
        if cpr || digits(run, 10) {
            return Some("a CPR number");
        }
        let parts: Vec<&str> = run.split(['.', ',']).filter(|part| digits(part, part.len())).collect();
        for (at, pair) in parts.windows(2).enumerate() {
            let [whole, decimals] = pair else { continue };
            // The year of a day that is written with points is no decimal.
            let year = at > 0 && decimals.len() == 4 && (decimals.starts_with("19") || decimals.starts_with("20"));
            if whole.len() <= 3 && decimals.len() >= 4 && !year {
                return Some("a position");
            }
        }
    }
    None
}

/// The same said in Danish and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Both {
    /// Danish.
    pub da: Stated,
    /// English.
    pub en: Stated,
}

impl Both {
    /// Takes the words of `field` in both languages.
    ///
    /// # Errors
    /// As [`Stated::new`].
    pub fn new(field: &'static str, place: &str, da: &str, en: &str) -> Result<Self, RegisterError> {
        Ok(Self { da: Stated::new(field, place, da)?, en: Stated::new(field, place, en)? })
    }
}

/// A list with something in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>", into = "Vec<T>", bound(serialize = "T: Serialize + Clone"))]
pub struct Listed<T>(Vec<T>);

impl<T> Listed<T> {
    /// Takes the entries of `field`.
    ///
    /// # Errors
    /// [`RegisterError::Unstated`] where there is none.
    pub fn new(field: &'static str, place: &str, entries: Vec<T>) -> Result<Self, RegisterError> {
        if entries.is_empty() && guard::stands("conformance.register-stated") {
            return Err(RegisterError::Unstated { field, place: place.to_owned() });
        }
        Ok(Self(entries))
    }

    /// The entries.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T> TryFrom<Vec<T>> for Listed<T> {
    type Error = RegisterError;
    fn try_from(entries: Vec<T>) -> Result<Self, RegisterError> {
        Self::new("list", "the file", entries)
    }
}

impl<T> From<Listed<T>> for Vec<T> {
    fn from(listed: Listed<T>) -> Self {
        listed.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;

    fn stated(words: &str) -> Result<Stated, RegisterError> {
        Stated::new("purpose.benefit", "purposes/x.toml", words)
    }

    #[test]
    fn gen_01n_a_field_that_says_nothing_is_refused_by_name_and_place() {
        for words in ["", "  \n", "-", "…", "\u{200b}", "TODO", "tbd.", "(udfyldes)", &"a".repeat(MAX_TEXT + 1)] {
            let refused = stated(words).unwrap_err();
            let told = refused.to_string();
            assert!(matches!(refused, RegisterError::Unstated { .. }), "{words:?}: {refused:?}");
            assert!(told.contains("purpose.benefit"), "{told}");
            assert!(refused.mend().contains("purposes/x.toml"));
        }
        assert!(Listed::<Stated>::new("collected", "the policy", Vec::new()).is_err());
        assert!(serde_json::from_str::<Stated>("\" \"").is_err(), "nor can one be read from a file");
        assert!(serde_json::from_str::<Listed<Stated>>("[]").is_err());
        assert_eq!(stated(" Fortove holdes fri. ").unwrap().as_str(), "Fortove holdes fri.", "GEN-01P");
    }

    #[test]
    fn std_06n_a_field_with_a_cpr_number_or_a_position_is_refused() {
        for words in ["født 010203-1234", "0102031234", "ved 55.67610 N", "12,56830 Ø", "(55.6761,12.5683)"] {
            assert!(matches!(stated(words), Err(RegisterError::Personal { .. })), "{words}");
        }
        for words in [
            "1.375.046.000 instruktioner",
            "4,2 km²",
            "den 1-3-2026",
            "den 10.12.2026",
            "80.000 billeder",
            "sag 2020-0148451",
        ] {
            assert!(stated(words).is_ok(), "STD-06P {words}");
        }
    }
}
