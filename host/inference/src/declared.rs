//! What a vendor's model tells about what it answers with: the classes that it names in its file, and answers that have the form of an
//! embedding (LIG-02, LEV-05).
//!
//! A model that names nothing is not refused for that, and an embedding for each cell of a map cannot be told from classes by its shape:
//! what a model is for is examined by people as well.

use std::sync::Arc;

use vaern_door::guard;

use crate::wire::Fields;
use crate::{Backend, InferenceError, Model, ModelLimits, ModelRefusal};

/// Under these keys exporters write the names of classes.
const KEYS: [&str; 5] = ["names", "classes", "class_names", "labels", "categories"];

/// The longest list of names that is read, in bytes.
const MAX_NAMES: usize = 64 << 10;

/// An answer of one vector with so many values or more is no list of boxes: face and person embeddings have 64 to 2048.
const EMBEDDING: usize = 64;

/// The classes that a model names in its file, in their order. Empty where it names none.
///
/// # Errors
/// [`ModelRefusal::Malformed`] for a file that is no model, or that names its classes twice.
pub fn named_classes(bytes: &[u8]) -> Result<Vec<String>, ModelRefusal> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ModelRefusal::Malformed);
    let mut named: Option<Vec<String>> = None;
    for field in Fields::of(bytes) {
        let (14, value) = field? else { continue };
        let (mut key, mut names) = (String::new(), String::new());
        for part in Fields::of(value.bytes()?) {
            match part? {
                (1, value) => key = text(value.bytes()?)?,
                (2, value) => names = text(value.bytes()?)?,
                _ => {}
            }
        }
        let names_classes = KEYS.contains(&key.to_lowercase().as_str());
        if names_classes && (names.len() > MAX_NAMES || named.replace(list(&names)).is_some()) {
            return Err(ModelRefusal::Malformed);
        }
    }
    Ok(named.unwrap_or_default())
}

/// The names of a list as exporters write it: `{0: 'a', 1: "b"}`, `["a", "b"]`, or `a, b` and lines.
fn list(text: &str) -> Vec<String> {
    let number = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    let mut names = Vec::new();
    let mut quote: Option<(char, String)> = None;
    for letter in text.chars() {
        quote = match (quote, letter) {
            (Some((mark, word)), c) if c == mark => {
                names.push(word);
                None
            }
            (Some((mark, word)), c) => Some((mark, word + &c.to_string())),
            (None, '\'' | '"') => Some((letter, String::new())),
            (None, _) => None,
        };
    }
    if names.is_empty() {
        let bare = text.split([',', ';', '\n', '\t', '|', '{', '}', '[', ']']);
        names = bare.map(|word| word.rsplit(':').next().unwrap_or_default().trim().to_owned()).collect();
    }
    names.retain(|word| !word.trim().is_empty() && !number(word));
    names
}

/// Whether an answer of this shape is one vector for the whole frame, as an embedding is.
#[must_use]
pub fn is_embedding_shaped(shape: &[usize]) -> bool {
    let mut dims = shape.iter().filter(|dim| **dim != 1);
    matches!((dims.next(), dims.next()), (Some(one), None) if *one >= EMBEDDING)
}

/// Loads a vendor's model: as [`Backend::load`], and no answer of it may have the form of an embedding.
///
/// # Errors
/// As [`Backend::load`]; [`ModelRefusal::EmbeddingShaped`].
pub fn load_vendors(
    backend: &dyn Backend,
    bytes: &[u8],
    limits: &ModelLimits,
) -> Result<Arc<dyn Model>, InferenceError> {
    let model = backend.load(bytes, limits)?;
    let embedding = model.outputs().iter().any(|output| is_embedding_shaped(&output.shape));
    if embedding && guard::stands("inference.embedding") {
        return Err(ModelRefusal::EmbeddingShaped.into());
    }
    Ok(model)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests state what they expect")]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        assert!(bytes.len() < 128);
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    fn entry(key: &str, value: &str) -> Vec<u8> {
        field(14, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
    }

    #[test]
    fn lig_02p_the_classes_that_a_model_names_are_read_as_exporters_write_them() {
        for (key, value) in [
            ("names", "{0: 'glascontainer', 1: 'person'}"),
            ("Names", "[\"glascontainer\", \"person\"]"),
            ("classes", "glascontainer, person"),
            ("labels", "0: glascontainer\n1: person\n"),
            ("class_names", "{\"0\": \"glascontainer\", \"1\": \"person\"}"),
        ] {
            assert_eq!(named_classes(&entry(key, value)).unwrap(), ["glascontainer", "person"], "{value}");
        }
        assert_eq!(named_classes(&entry("author", "person")).unwrap(), [""; 0]);
        assert_eq!(named_classes(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn lig_02n_names_that_two_readers_could_take_differently_are_refused() {
        let twice = [entry("names", "{0: 'a'}"), entry("classes", "{0: 'person'}")].concat();
        assert_eq!(named_classes(&twice), Err(ModelRefusal::Malformed));
        assert_eq!(named_classes(&field(14, &field(2, b"\xff"))), Err(ModelRefusal::Malformed));
        assert_eq!(named_classes(b"\x72\x7fcut"), Err(ModelRefusal::Malformed));
    }

    #[test]
    fn lev_05n_one_vector_for_the_frame_has_the_form_of_an_embedding() {
        for shape in [&[1, 128][..], &[512], &[1, 1, 1, 64], &[1, 2048, 1, 1]] {
            assert!(is_embedding_shaped(shape), "{shape:?}");
        }
        for shape in [&[1, 2100, 9][..], &[1, 9, 2100], &[1, 4], &[100, 6], &[1, 4, 90, 160], &[1, 63], &[], &[1]] {
            assert!(!is_embedding_shaped(shape), "LEV-05P {shape:?}");
        }
    }
}
