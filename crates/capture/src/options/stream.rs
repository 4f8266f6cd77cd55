//! Streams as users write them: a list of `NAME=SOURCE`, or a table.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, bail};
use fanlight_program::secret::{Masked, expand_env};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::StreamSettings;
use crate::encode::jpeg::Quality;

/// A stream in the table of a file: a source, or a table of its own.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StreamInFile {
    source: Masked,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<u32>,
}

/// The streams of a file.
pub(super) fn of_table(
    table: &BTreeMap<String, StreamInFile>,
    quality: Quality,
) -> anyhow::Result<Vec<StreamSettings>> {
    let stream = |(name, stream): (&String, &StreamInFile)| {
        let own = stream.quality.map(Quality::try_from).transpose();
        let quality = own.with_context(|| format!("streams.{name}"))?.unwrap_or(quality);
        settings(name, stream.source.expose(), quality).with_context(|| format!("streams.{name}"))
    };
    table.iter().map(stream).collect()
}

/// The streams of flags or environment.
pub(super) fn of_list(list: &[Masked], quality: Quality) -> anyhow::Result<Vec<StreamSettings>> {
    let items = list.iter().flat_map(|item| split(item.expose()));
    items
        .map(|item| {
            let Some((name, source)) = item.split_once('=') else {
                bail!("--stream {}: write it as NAME=SOURCE", Masked::from(item));
            };
            // Not the source: it may hold a password, and the error behind this says what matters of it.
            settings(name, source, quality).with_context(|| format!("--stream {name}"))
        })
        .collect()
}

fn settings(name: &str, source: &str, quality: Quality) -> anyhow::Result<StreamSettings> {
    Ok(StreamSettings { name: name.parse()?, source: expand_env(source)?.parse()?, quality })
}

/// Splits where white space is followed by another `NAME=`, as in the environment. Other white space belongs to the
/// name of a file.
fn split(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(char::is_whitespace) {
        let rest = text[at..].trim_start();
        let name = rest.find(|c: char| c.is_whitespace() || "=/:?".contains(c));
        if name.is_some_and(|end| end > 0 && rest[end..].starts_with('=')) {
            items.push(text[start..at].trim());
            start = at;
        }
    }
    items.push(text[start..].trim());
    items.retain(|item| !item.is_empty());
    items
}

impl<'de> Deserialize<'de> for StreamInFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTable)
    }
}

/// Written by hand, because what serde derives for "either" forgets what was wrong.
struct TextOrTable;

impl<'de> Visitor<'de> for TextOrTable {
    type Value = StreamInFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source in quotes, or a table with source and quality")
    }

    fn visit_str<E>(self, text: &str) -> Result<StreamInFile, E> {
        Ok(StreamInFile { source: text.into(), quality: None })
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<StreamInFile, M::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            source: Masked,
            quality: Option<u32>,
        }
        let Table { source, quality } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(StreamInFile { source, quality })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_lists_streams_between_spaces() {
        assert_eq!(split("a=test b=/dev/video0"), ["a=test", "b=/dev/video0"]);
        assert_eq!(split("  a=test\n\tB=x  "), ["a=test", "B=x"]);
        assert_eq!(split("a=my holiday.mp4?loop=0 b=test"), ["a=my holiday.mp4?loop=0", "b=test"]);
        assert_eq!(split("a=rtsp://u:p w=x@host/"), ["a=rtsp://u:p", "w=x@host/"]);
        assert!(split(" ").is_empty());
    }

    #[test]
    fn an_error_names_the_stream_but_no_password() {
        let error = of_list(&["Door=rtsp://admin:hunter2@host/".into()], Quality::default());
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("Door") && !text.contains("hunter2"), "{text}");
    }
}
