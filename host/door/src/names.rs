//! Names that may appear in statements, policies and outputs. Closed alphabets, so that no look-alike gets in (PKG-15).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Only lower-case letters a to z, digits and inner single separators, 1 to 64 characters.
    #[error("`{0}` is not a name: use 1 to 64 of a-z, 0-9 and single inner `{1}`, beginning with a letter")]
    Name(String, char),
    /// Not three numbers.
    #[error("`{0}` is not a version: use three numbers as in 1.4.0")]
    Version(String),
}

fn is_name(text: &str, separator: char) -> bool {
    let double: String = [separator, separator].iter().collect();
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with(separator)
        && !text.contains(&double)
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == separator)
}

/// Cuts foreign text down to what an error message can carry: no control characters, no look-alikes, 80 characters.
fn printable(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and takes it.
            ///
            /// # Errors
            /// [`NameError`] says which form is expected.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                if $check(&text) { Ok(Self(text)) } else { Err($error(printable(&text))) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_type!(
    /// Name of a plugin, vendor, model, purpose, fence or camera: `a-z`, `0-9`, single inner `-`.
    Name,
    |text: &str| is_name(text, '-'),
    |text| NameError::Name(text, '-')
);
text_type!(
    /// A label of the city's vocabulary: `a-z`, `0-9`, single inner `_`, as in `affaldscontainer`.
    Label,
    |text: &str| is_name(text, '_'),
    |text| NameError::Name(text, '_')
);
text_type!(
    /// A version of three numbers, as in `1.4.0`. Nothing is decided by comparing versions: the release counter does that.
    Version,
    |text: &str| {
        let mut parts = 0;
        text.split('.').all(|part| {
            parts += 1;
            part.len() <= 5 && part.parse::<u32>().is_ok_and(|n| n.to_string() == part)
        }) && parts == 3
    },
    NameError::Version
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkg_15n_confusable_names_do_not_exist() {
        for bad in ["", "A", "container-", "-a", "a--b", "1a", "conтainer", "a_b", "a b", "a\u{200b}b", &"a".repeat(65)]
        {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Name::new("container-model2").unwrap().as_str(), "container-model2");
        assert!(Label::new("delvist_maskeret").is_ok());
        assert!(Label::new("delvist-maskeret").is_err());
    }

    #[test]
    fn versions_have_one_spelling() {
        assert!(Version::new("1.40.0").is_ok());
        for bad in ["1.4", "1.4.0.0", "01.4.0", "1.4.0-rc", "1.+4.0", "1.4. 0", ""] {
            assert!(Version::new(bad).is_err(), "{bad}");
        }
    }
}
