//! JSON as signed and packed files may be written: one spelling, no surprises (attack SIG-12).
//!
//! Plain `serde_json` lets the last of two equal keys win, reads `1e0` as a number, takes an array where a struct is
//! meant and `null` where a field is absent. Two readers of one signed file could then disagree about what was signed.
//! Here a text is accepted only if writing its value again gives the same value.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::printable::printable;

/// Largest JSON file that is read: statements, manifests and indexes are a few kilobytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Objects and arrays inside one another; our deepest form needs seven.
const MAX_DEPTH: u8 = 16;

/// Why a text is not the JSON that is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More than 1 MiB.
    #[error("larger than 1 MiB")]
    TooLarge,
    /// A field that the type does not have: refused, never ignored (PKG-19).
    #[error("unknown field `{0}`")]
    UnknownField(String),
    /// Not JSON, a key twice, too deep, a number out of range, bytes after the end, or a value of another type.
    #[error("{0}")]
    Syntax(String),
    /// A second spelling of a value that has one accepted spelling.
    #[error("the value is spelled in a form other than the one accepted")]
    Spelling,
}

/// Reads `T` from one whole JSON text.
pub(crate) fn parse<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, JsonError> {
    from_value(value(bytes)?)
}

fn value(bytes: &[u8]) -> Result<Value, JsonError> {
    if bytes.len() > MAX_BYTES {
        return Err(JsonError::TooLarge);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Node { depth: 0 }.deserialize(&mut reader).and_then(|v| reader.end().map(|()| v)).map_err(named)
}

/// Reads `T` from a file in a format that others define and extend: the same bounds, no key twice, but unknown fields
/// and second spellings pass.
pub(crate) fn foreign<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    T::deserialize(&value(bytes)?).map_err(named)
}

/// Reads `T` from a value that came through [`parse`].
pub(crate) fn from_value<T: DeserializeOwned + Serialize>(value: Value) -> Result<T, JsonError> {
    let typed: T = T::deserialize(&value).map_err(named)?;
    if serde_json::to_value(&typed).map_err(named)? == value { Ok(typed) } else { Err(JsonError::Spelling) }
}

/// Writes `value` in the one form that this crate makes: compact, fields in the order of the type.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, JsonError> {
    serde_json::to_vec(value).map_err(named)
}

/// `serde` hands an unknown field out in words only; the name is worth having as a value.
fn named(error: serde_json::Error) -> JsonError {
    let text = error.to_string();
    match text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        Some(name) => JsonError::UnknownField(printable(name)),
        None => JsonError::Syntax(printable(&text)),
    }
}

struct Node {
    depth: u8,
}

impl Node {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH { Err(E::custom("nested too deep")) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, an array, a text, a whole number or a truth value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    // Fractions, exponents, negative zero and numbers beyond 64 bits all arrive here; none of our fields is one.
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom("a number that is not whole or out of range"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(self.inner()?)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.inner()?)?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("one key twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        a: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        b: Option<String>,
    }

    #[test]
    fn sig_12p_the_plain_form_is_read() {
        assert_eq!(parse::<Sample>(br#"{"a":1}"#), Ok(Sample { a: 1, b: None }));
        assert_eq!(parse::<Sample>(b" {\"b\":\"\\u00e6\" , \"a\" : 0}\n"), Ok(Sample { a: 0, b: Some("æ".into()) }));
    }

    #[test]
    fn sig_12n_other_forms_are_refused() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":1}x"#,
            r#"{"a":1}{"a":1}"#,
            "\u{feff}{\"a\":1}",
            r#"{"a":1.0}"#,
            r#"{"a":1e0}"#,
            r#"{"a":-0}"#,
            r#"{"a":-1}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":1e999}"#,
            r#"{"a":1,"b":null}"#,
            r#"[1,"x"]"#,
            r#"[1]"#,
            r#"{"a":"1"}"#,
            r#"{"a":1,"b":"\ud800"}"#,
            "",
            "null",
        ] {
            assert!(parse::<Sample>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(parse::<Sample>(br#"{"a":1,"c":2}"#), Err(JsonError::UnknownField("c".into())));
        assert_eq!(parse::<Sample>(&[b' '; MAX_BYTES + 1]), Err(JsonError::TooLarge));
    }

    #[test]
    fn sig_12n_depth_is_bounded() {
        for depth in [17, 100, 10_000, 400_000] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert!(matches!(parse::<Value>(text.as_bytes()), Err(JsonError::Syntax(_))), "{depth}");
        }
        let text = format!("{}{}", "[".repeat(16), "]".repeat(16));
        assert!(parse::<Value>(text.as_bytes()).is_ok());
    }
}
