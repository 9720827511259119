//! Where in a policy file something stands: lines from 1, for messages that a person can follow.

use std::fmt;

use serde::Serialize;

/// A line of a file of the policy set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Path inside the policy directory.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
}

impl Place {
    /// A line of a file.
    #[must_use]
    pub fn new(file: impl Into<String>, line: usize) -> Self {
        Self { file: file.into(), line: line.max(1) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The line of the byte at `offset`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line that sets `param`, given as `table.key` or `key`; the table's own line where the key is absent, else line 1.
pub(crate) fn line_of(text: &str, param: &str) -> usize {
    let (table, key) = param.rsplit_once('.').map_or(("", param), |(table, key)| (table, key));
    let mut inside = table.is_empty();
    let mut opened = 1;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if let Some(name) = line.strip_prefix('[') {
            inside = name.trim_matches(['[', ']']) == table;
            if inside {
                opened = number;
            }
        } else if inside && line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')) {
            return number;
        }
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one_and_keys_are_found_in_their_table() {
        let text = "# head\nkey = 1\n[other]\nkey = 2\n\n[limits]\n key = 3\n";
        assert_eq!((line_at(text, 0), line_at(text, 7)), (1, 2));
        assert_eq!(line_of(text, "key"), 2);
        assert_eq!(line_of(text, "other.key"), 4);
        assert_eq!(line_of(text, "limits.key"), 7);
        assert_eq!(line_of(text, "limits.absent"), 6);
        assert_eq!(line_of(text, "absent"), 1);
    }
}
