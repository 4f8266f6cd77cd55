//! One event as one line.

use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};

use serde_json::{Map, Number, Value};
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::escape::{escape, escape_json, is_hidden};
use crate::secret::mask_url;

/// Longest text of one field, in bytes; longer ones are cut. A client can send at most 16 KiB.
const MAX_TEXT: usize = 4096;

/// Format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Colour,
    Json,
}

/// An event's or span's message and its fields by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    /// Adds the fields of a surrounding span; the event's own fields take precedence.
    pub(super) fn surround(&mut self, span: &Self) {
        for (name, value) in &span.values {
            self.values.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    pub(super) fn add_held_back(&mut self, count: u64) {
        if count > 0 {
            self.values.insert("held_back".into(), count.into());
        }
    }

    /// Hashes the message and the texts, but no numbers: two events are the same if these are equal.
    pub(super) fn hash_kind(&self, hasher: &mut impl Hasher) {
        self.message.hash(hasher);
        for (name, value) in self.values.iter().filter(|(_, value)| !value.is_number()) {
            name.hash(hasher);
            value.as_str().hash(hasher);
            value.as_bool().hash(hasher);
        }
    }

    pub(super) fn line(&self, level: Level, target: &str, style: Style) -> String {
        match style {
            Style::Plain => self.text(level, ["", "", ""]),
            Style::Colour => self.text(level, ["\x1b[2m", colour(level), "\x1b[0m"]),
            Style::Json => self.json(level, target),
        }
    }

    fn text(&self, level: Level, [dim, bright, end]: [&str; 3]) -> String {
        let (level, message) = (level.as_str(), escape(&self.message));
        let mut line = format!("{dim}{}{end} {bright}{level:>5}{end} {message}", now());
        for (name, value) in &self.values {
            let value = value.as_str().map_or_else(|| value.to_string(), quoted);
            let _ = write!(line, " {dim}{name}={end}{value}");
        }
        line.push('\n');
        line
    }

    fn json(&self, level: Level, target: &str) -> String {
        let mut object = Map::new();
        object.insert("time".into(), now().into());
        object.insert("level".into(), level.as_str().to_lowercase().into());
        object.insert("message".into(), self.message.clone().into());
        object.insert("target".into(), target.into());
        for (name, value) in &self.values {
            object.entry(name.clone()).or_insert_with(|| value.clone());
        }
        format!("{}\n", escape_json(&Value::Object(object).to_string()))
    }

    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.values.insert(field.name().into(), value.into());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = shorten(mask_url(value));
        match field.name() {
            "message" => self.message = text,
            _ => self.set(field, text),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Number::from_f64(value).map_or(Value::Null, Value::Number));
    }
}

/// Returns the line that reports dropped lines.
pub(super) fn notice(dropped: u64, style: Style) -> String {
    let lines = if dropped == 1 { "log line" } else { "log lines" };
    let message = format!("{dropped} {lines} dropped: stderr was not read fast enough");
    let values = Map::from_iter([("dropped".to_owned(), dropped.into())]);
    Fields { message, values }.line(Level::WARN, "fanlight_cli::log", style)
}

fn shorten(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

/// Quotes text that could be confused with the text after it.
fn quoted(text: &str) -> String {
    let stands_alone = |c: char| !c.is_whitespace() && c != '"' && !is_hidden(c);
    let plain = !text.is_empty() && text.chars().all(stands_alone);
    if plain { text.to_owned() } else { escape(&format!("{text:?}")).into_owned() }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[1;31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// Returns the time of day in UTC, with milliseconds.
fn now() -> String {
    let mut text = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text.truncate("2026-01-31T12:34:56.789".len());
    text + "Z"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts with more hidden characters than random text has.
    fn text() -> impl Strategy<Value = String> {
        let c = prop_oneof![
            any::<char>(),
            proptest::char::range('\0', '\u{ff}'),
            proptest::char::range('\u{2000}', '\u{2070}'),
        ];
        proptest::collection::vec(c, 0..60).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn one_event_is_one_line_without_hidden_characters(message in text(), value in text()) {
            let values = Map::from_iter([("origin".to_owned(), value.clone().into())]);
            let fields = Fields { message: message.clone(), values };
            for style in [Style::Plain, Style::Json] {
                let line = fields.line(Level::WARN, "fanlight", style);
                let body = line.strip_suffix('\n').unwrap();
                prop_assert!(!body.contains(is_hidden), "{body:?}");
            }
            let line = fields.line(Level::WARN, "fanlight", Style::Json);
            let object: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&object["message"], &Value::from(message));
            prop_assert_eq!(&object["origin"], &Value::from(value));
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let cut = shorten("ä".repeat(MAX_TEXT));
        assert!(cut.len() <= MAX_TEXT + '…'.len_utf8() && cut.ends_with('…'));
        assert_eq!(shorten("short".into()), "short");
    }
}
