//! The options that stand in a file, and what is wrong with them.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::{Options, Stop};
use crate::secret::mask_url;

/// A TOML file of options; none is as good as an empty one.
#[derive(Default)]
pub(super) struct File {
    name: PathBuf,
    values: Figment,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, Stop> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Stop::Error(format!("cannot read the configuration file {}: {error}", path.display()))
        })?;
        Ok(Self { name: path.into(), values: Figment::from(Toml::string(&text)) })
    }

    /// One value of the file.
    pub(super) fn key<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Stop> {
        match self.values.extract_inner(key) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.missing() => Ok(None),
            Err(error) => Err(self.stop(error, &[])),
        }
    }

    /// The file's values, apart from `common` ones.
    pub(super) fn options<O: Options>(&self, common: &[&str]) -> Result<O, Stop> {
        let mut values = self.values.extract::<Dict>().map_err(|error| self.stop(error, common))?;
        common.iter().for_each(|&key| {
            values.remove(key);
        });
        O::deserialize(&Value::from(values)).map_err(|error| self.stop(error, common))
    }

    fn stop(&self, error: figment::Error, common: &[&str]) -> Stop {
        let lines: Vec<String> =
            error.into_iter().map(|error| self.describe(&error, common)).collect();
        Stop::Error(mask_url(&lines.join("\n")))
    }

    fn describe(&self, error: &figment::Error, common: &[&str]) -> String {
        let mut path = error.path.clone();
        if let Kind::UnknownField(..) = error.kind {
            // The message names it.
            path.pop();
        }
        let mut text = format!("{}: ", self.name.display());
        if !path.is_empty() {
            text += &format!("{}: ", path.join("."));
        }
        text += &match &error.kind {
            Kind::UnknownField(field, known) => {
                let common = if path.is_empty() { common } else { &[] };
                let known: Vec<&str> = known.iter().chain(common).copied().collect();
                format!("there is no option {field:?}; there are: {}", known.join(", "))
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                format!("{} is wanted here, not {}", in_words(expected), kind_of(found))
            }
            Kind::UnknownVariant(found, known) => {
                format!("{found:?} is not one of: {}", known.join(", "))
            }
            Kind::Message(message) => without_source_lines(message),
            other => other.to_string(),
        };
        text
    }
}

/// serde's names for types, in the words of people.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, maybe negative,",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "text in quotes",
        "a sequence" => "a list in [brackets]",
        other => other,
    }
}

/// What was found, without its value: it may be a secret.
fn kind_of(found: &Actual) -> &'static str {
    match found {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "this number",
        Actual::Float(_) => "a number with a fraction",
        Actual::Str(_) | Actual::Char(_) => "this text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "this",
    }
}

/// A TOML error without the lines of the file that it shows: they may hold a secret.
fn without_source_lines(message: &str) -> String {
    let tells = |line: &&str| {
        !line
            .split_once('|')
            .is_some_and(|(number, _)| number.trim().bytes().all(|b| b.is_ascii_digit()))
    };
    let lines: Vec<&str> = message.lines().filter(tells).collect();
    lines.join(": ")
}
