//! One event as one line.

use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};

use serde_json::{Map, Number, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::secret::mask_url;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Colour,
    Json,
}

/// What an event or span says: its message, and its fields by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    /// Adds what a surrounding span says; the event's own word counts more.
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

    /// Message and texts, but no numbers: what makes two events the same.
    pub(super) fn hash_kind(&self, hasher: &mut impl Hasher) {
        self.message.hash(hasher);
        for (name, value) in self.values.iter().filter(|(_, value)| !value.is_number()) {
            name.hash(hasher);
            value.as_str().hash(hasher);
            value.as_bool().hash(hasher);
        }
    }

    pub(super) fn line(&self, metadata: &Metadata<'_>, style: Style) -> String {
        match style {
            Style::Plain => self.text(metadata, ["", "", ""]),
            Style::Colour => self.text(metadata, ["\x1b[2m", colour(metadata.level()), "\x1b[0m"]),
            Style::Json => self.json(metadata),
        }
    }

    fn text(&self, metadata: &Metadata<'_>, [dim, bright, end]: [&str; 3]) -> String {
        let level = metadata.level().as_str();
        let mut line = format!("{dim}{}{end} {bright}{level:>5}{end} {}", now(), self.message);
        for (name, value) in &self.values {
            let value = value.as_str().map_or_else(|| value.to_string(), quoted);
            let _ = write!(line, " {dim}{name}={end}{value}");
        }
        line.push('\n');
        line
    }

    fn json(&self, metadata: &Metadata<'_>) -> String {
        let mut object = Map::new();
        object.insert("time".into(), now().into());
        object.insert("level".into(), metadata.level().as_str().to_lowercase().into());
        object.insert("message".into(), self.message.clone().into());
        object.insert("target".into(), metadata.target().into());
        for (name, value) in &self.values {
            object.entry(name.clone()).or_insert_with(|| value.clone());
        }
        format!("{}\n", Value::Object(object))
    }

    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.values.insert(field.name().into(), value.into());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = mask_url(value);
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

/// Text that would not be told from what follows it stands in quotes.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"');
    if plain { text.to_owned() } else { format!("{text:?}") }
}

fn colour(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "\x1b[1;31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// The time of day in UTC, to the millisecond.
fn now() -> String {
    let mut text = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text.truncate("2026-01-31T12:34:56.789".len());
    text + "Z"
}
