//! The file that `--config` names.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::value::{InvalidOption, Mismatch, from_table};
use super::{Options, Stop};
use crate::secret::mask_url;

/// A TOML file of options. No file is the same as an empty one.
#[derive(Default)]
pub(super) struct File {
    name: PathBuf,
    values: Table,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, Stop> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Stop::Error(format!("cannot read the configuration file {}: {error}", path.display()))
        })?;
        let values = toml::from_str(&text).map_err(|error| {
            Stop::Error(format!("{}: {}", path.display(), without_source_lines(&error, &text)))
        })?;
        Ok(Self { name: path.into(), values })
    }

    /// Removes and returns one value of the file.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, Stop> {
        let Some(value) = self.values.remove(key) else { return Ok(None) };
        self.value(key, value).map(Some)
    }

    /// The file's values, all of whose keys must be `known`.
    pub(super) fn options<O: Options>(self, known: &[String]) -> Result<O, Stop> {
        if let Some(key) = self.values.keys().find(|key| !known.contains(key)) {
            let mismatch = Mismatch::UnknownKey { key: key.clone(), known: known.to_vec() };
            return Err(self.stop(InvalidOption { path: String::new(), mismatch }));
        }
        // serde forgets the key of a value in a flattened struct, so each value is first read alone.
        for (key, value) in &self.values {
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            from_table::<O>(alone).map_err(|error| self.stop(below(key, error)))?;
        }
        from_table(self.values.clone()).map_err(|error| self.stop(error))
    }

    fn value<T: DeserializeOwned>(&self, key: &str, value: Value) -> Result<T, Stop> {
        let alone = Table::from_iter([(key.to_owned(), value)]);
        let mut values = from_table::<std::collections::BTreeMap<String, T>>(alone)
            .map_err(|error| self.stop(error))?;
        Ok(values.remove(key).expect("a table of one key has a value of that key"))
    }

    fn stop(&self, error: InvalidOption) -> Stop {
        Stop::Error(mask_url(&format!("{}: {error}", self.name.display())))
    }
}

/// The error of a table that has only this key.
fn below(key: &str, error: InvalidOption) -> InvalidOption {
    let path = if error.path.is_empty() { key.to_owned() } else { error.path };
    InvalidOption { path, ..error }
}

/// A TOML error with its place, but without the line of the file: it may hold a secret.
fn without_source_lines(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(": ");
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(before) = before else { return message };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {message}")
}
