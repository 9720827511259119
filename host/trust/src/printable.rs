//! Foreign text in error messages.

/// Cuts foreign text down to what an error message can carry: printable ASCII, 80 characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
