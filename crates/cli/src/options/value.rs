//! TOML values as input for serde, with errors that never contain a value.
//!
//! serde's usual messages quote the value that does not fit, and that value may be a password. [`Mismatch`] keeps only
//! its kind.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, DeserializeOwned, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::{Table, Value};

/// An option that has the wrong name or a value of the wrong kind, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{mismatch}", prefix(path))]
pub struct InvalidOption {
    /// Path to the value, as in `streams.door.quality`. Empty: the whole table.
    pub path: String,
    /// The reason.
    pub mismatch: Mismatch,
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

/// The reason why a value does not fit. Never contains the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// There is no option of this name.
    #[error("there is no option {key:?}; there are: {}", known.join(", "))]
    UnknownKey {
        /// The name.
        key: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The value is of another kind.
    #[error("{expected} is required here, not {found}")]
    Kind {
        /// The kind that was found.
        found: &'static str,
        /// The kind that is required.
        expected: String,
    },
    /// The word is not one of those that are possible.
    #[error("{found:?} is not one of: {}", known.join(", "))]
    UnknownWord {
        /// The word.
        found: String,
        /// The possible words.
        known: &'static [&'static str],
    },
    /// A required key is absent.
    #[error("the key {0:?} is missing")]
    Missing(&'static str),
    /// Another reason, in the words of the option's type.
    #[error("{0}")]
    Other(String),
}

/// Reads options from the table of a file.
///
/// # Errors
/// The first option that does not fit.
pub fn from_table<T: DeserializeOwned>(table: Table) -> Result<T, InvalidOption> {
    read(Node { value: Value::Table(table), text: false })
}

/// Reads options from a table whose values are all text, as in `#key=value`: text becomes a number or a boolean where the
/// option's type is one.
///
/// # Errors
/// The first option that does not fit.
pub fn from_text<T: DeserializeOwned>(table: Table) -> Result<T, InvalidOption> {
    read(Node { value: Value::Table(table), text: true })
}

fn read<T: DeserializeOwned>(node: Node) -> Result<T, InvalidOption> {
    serde_path_to_error::deserialize(node).map_err(|error| {
        let path = error.path().to_string();
        let mismatch = error.into_inner();
        let path = match &mismatch {
            // The message names the key itself.
            Mismatch::UnknownKey { key, .. } => path.strip_suffix(key.as_str()).unwrap_or(&path),
            _ => &path,
        };
        InvalidOption { path: path.trim_end_matches('.').to_owned(), mismatch }
    })
}

/// One value of a table.
struct Node {
    value: Value,
    /// Numbers and booleans are written as text.
    text: bool,
}

impl Node {
    /// The value that `parse` finds in a text.
    fn parsed(self, parse: impl FnOnce(&str) -> Option<Value>) -> Self {
        let parsed = match &self.value {
            Value::String(text) if self.text => parse(text),
            _ => None,
        };
        Self { value: parsed.unwrap_or(self.value), ..self }
    }
}

macro_rules! parse_text {
    ($($method:ident: $kind:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            self.parsed(|text| text.parse().ok().map(Value::$kind)).deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let text = self.text;
        match self.value {
            Value::String(text) => visitor.visit_string(text),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Boolean(on) => visitor.visit_bool(on),
            Value::Datetime(_) => {
                Err(de::Error::invalid_type(Unexpected::Other("a date or time"), &visitor))
            }
            Value::Array(items) => {
                let items = items.into_iter().map(|value| Self { value, text });
                visitor.visit_seq(SeqDeserializer::new(items))
            }
            Value::Table(table) => {
                let pairs = table.into_iter().map(|(key, value)| (key, Self { value, text }));
                visitor.visit_map(MapDeserializer::new(pairs))
            }
        }
    }

    parse_text! {
        deserialize_bool: Boolean,
        deserialize_i8: Integer, deserialize_i16: Integer, deserialize_i32: Integer, deserialize_i64: Integer,
        deserialize_u8: Integer, deserialize_u16: Integer, deserialize_u32: Integer, deserialize_u64: Integer,
        deserialize_f32: Float, deserialize_f64: Float,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::String(word) => visitor.visit_enum(word.into_deserializer()),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(super::plain_words(&message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Kind { found: kind_of(found), expected: plain_kind(&expected.to_string()).to_owned() }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownWord { found: found.to_owned(), known }
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        let known = known.iter().map(|&known| known.to_owned()).collect();
        Self::UnknownKey { key: key.to_owned(), known }
    }

    fn missing_field(key: &'static str) -> Self {
        Self::Missing(key)
    }
}

/// serde's names for types, in plain words.
fn plain_kind(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a positive or negative whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "text in quotes",
        "a sequence" => "a list in [brackets]",
        "a map" => "a table",
        other => other,
    }
}

/// The kind of a value, without the value.
fn kind_of(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "this number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) => "this text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        Unexpected::Other("a date or time") => "a date or time",
        _ => "this",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Camera {
        quality: Option<u32>,
        fps: Option<f64>,
        loud: Option<bool>,
        size: Option<String>,
        sizes: Option<Vec<String>>,
        inner: Option<Box<Camera>>,
    }

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn text_becomes_what_the_option_is() {
        let text =
            table("quality = '70'\nfps = '15'\nloud = 'true'\nsize = '640'\nsizes = ['1', 'b']");
        let camera = from_text::<Camera>(text.clone()).unwrap();
        let sizes = Some(vec!["1".to_owned(), "b".to_owned()]);
        let (fps, size) = (Some(15.0), Some("640".to_owned()));
        let expected =
            Camera { quality: Some(70), fps, loud: Some(true), size, sizes, inner: None };
        assert_eq!(camera, expected);
        assert!(from_table::<Camera>(text).is_err(), "a file has types of its own");
        assert_eq!(from_table::<Camera>(table("fps = 15")).unwrap().fps, Some(15.0));
    }

    #[test]
    fn an_error_names_the_path_and_the_kind_but_not_the_value() {
        for (text, message) in [
            (
                "inner = { quality = 'hunter2' }",
                "inner.quality: a whole number from 0 to 4294967295 is required here, not this text",
            ),
            (
                "quality = -7",
                "quality: a whole number from 0 to 4294967295 is required here, not this number",
            ),
            ("size = 2020-01-01", "size: text in quotes is required here, not a date or time"),
            ("sizes = 'hunter2'", "sizes: a list in [brackets] is required here, not this text"),
            ("sizes = [7]", "sizes[0]: text in quotes is required here, not this number"),
            (
                "inner = { qual = 7 }",
                "inner: there is no option \"qual\"; there are: quality, fps, loud, size, sizes, inner",
            ),
        ] {
            assert_eq!(from_table::<Camera>(table(text)).unwrap_err().to_string(), message);
        }
    }
}
