//! docs/reference/protocol.md matches the code: its tables contain every field of every message, and nothing else.

#[expect(dead_code, reason = "golden.rs uses the rest")]
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

type Fields = BTreeSet<String>;

/// The fields of each table whose first column is headed `field`, by the text last seen above it that names one: a
/// heading, or *a name in italics*. Messages of both sides may share a name; the chapter distinguishes them.
fn documented() -> BTreeMap<String, Fields> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/protocol.md");
    let (mut chapter, mut subject) = (String::new(), String::new());
    let mut tables: BTreeMap<String, Fields> = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            chapter = heading.into();
            subject = heading.into();
        } else if let Some(message) = line.strip_prefix("### ") {
            subject = format!("{chapter}: {}", message.trim_matches('`'));
            tables.entry(subject.clone()).or_default();
        } else if line.starts_with("A *") || line.starts_with("A *listen") {
            subject = line.split('*').nth(1).unwrap().into();
        } else if let Some(field) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next())
        {
            tables.entry(subject.clone()).or_default().insert(field.into());
        } else if line.starts_with("| state |")
            || line.starts_with("| code |")
            || line.starts_with("| request")
        {
            subject = format!("{subject}, explained");
        } else if let Some((_, field)) = line
            .strip_prefix("| ")
            .filter(|row| row.starts_with(|first: char| first.is_ascii_digit()))
            .and_then(|row| row.split_once('`'))
        {
            let field = field.split('`').next().unwrap();
            tables.entry(subject.clone()).or_default().insert(field.into());
        }
    }
    tables
}

fn fields(value: &Value) -> Fields {
    value.as_object().unwrap().keys().filter(|key| *key != "type").cloned().collect()
}

/// The fields of a value and of the values nested in it: on the bus, nesting leaves no bytes.
fn flat(value: Value) -> Value {
    let nested = |(key, value): (String, Value)| match flat(value) {
        Value::Object(fields) => fields.into_iter().collect(),
        leaf => vec![(key, leaf)],
    };
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().flat_map(nested).collect()),
        other => other,
    }
}

fn value(of: impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap()
}

#[test]
fn every_message_is_documented_with_its_fields() {
    let tables = documented();
    let sides = [
        ("Messages from the client", value(samples::from_viewer())),
        ("Messages from the relay", value(samples::from_relay())),
    ];
    let mut messages: BTreeMap<String, Fields> = BTreeMap::new();
    for (chapter, side) in &sides {
        for message in side.as_array().unwrap() {
            let name = format!("{chapter}: {}", message["type"].as_str().unwrap());
            messages.entry(name).or_default().extend(fields(message));
        }
    }
    for (name, fields) in &messages {
        assert_eq!(tables.get(name), Some(fields), "{name}");
    }
    let unknown: Vec<_> = tables
        .keys()
        .filter(|name| sides.iter().any(|(chapter, _)| name.starts_with(chapter)))
        .filter(|name| !name.ends_with(", explained") && !messages.contains_key(*name))
        .collect();
    assert!(unknown.is_empty(), "documented, but there is no such message: {unknown:?}");
}

#[test]
fn every_value_within_a_message_is_documented_with_its_fields() {
    let tables = documented();
    let relay = value(samples::from_relay());
    let streams = &relay[1];
    let catalog = value(samples::catalog());
    let cases = [
        ("stream", &streams["streams"][0]),
        ("track", &streams["streams"][0]["tracks"][0]),
        ("listen entry", &streams["listening"][0]),
        ("set-up", &streams["setup"]),
        ("webcam", &streams["setup"]["webcams"][0]),
        ("Header", &flat(value(samples::header()))),
        ("Catalog", &catalog),
        ("stream entry", &catalog["streams"][0]),
        ("track entry", &catalog["streams"][0]["tracks"][0]),
    ];
    for (name, value) in cases {
        assert_eq!(tables.get(name), Some(&fields(value)), "{name}");
    }
}

#[test]
fn the_header_of_a_frame_message_is_documented_byte_by_byte() {
    let expected =
        ["version", "codec", "flags", "rendition", "id", "sequence", "captured_at", "sent_at"];
    assert_eq!(documented()["Frames"], expected.map(str::to_owned).into());
}
