//! `docs/reference/metrics.md` lists the metrics of a relay: name, type, labels and help.

use std::collections::{BTreeMap, BTreeSet};

use fanlight_docs::section::{check, escape, table};
use fanlight_tests::{Site, eventually};

/// The labels whose values this project defines. Users or kernels choose the values of the others.
const FIXED: [&str; 4] = ["transport", "direction", "reason", "what"];

#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// Returns the metrics of a text in the OpenMetrics format, by name.
fn metrics(text: &str) -> BTreeMap<String, Metric> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                metrics.entry(name.to_owned()).or_default().help = help.to_owned();
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                metrics.entry(name.to_owned()).or_default().kind = kind.to_owned();
                last = name.to_owned();
            }
            (Some("#"), ..) => {}
            _ => {
                let metric = metrics.get_mut(&last).expect("a TYPE before its samples");
                for (label, value) in labels(line) {
                    metric.labels.entry(label).or_default().insert(value);
                }
            }
        }
    }
    metrics
}

/// Returns the labels of a sample, without the bounds of a histogram. No value in this test contains a comma or quote.
fn labels(sample: &str) -> Vec<(String, String)> {
    let within = sample.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let pairs = within.map_or("", |(labels, _)| labels).split(',');
    let pairs = pairs.filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(label, _)| *label != "le");
    pairs.map(|(label, value)| (label.into(), value.trim_matches('"').into())).collect()
}

/// Returns the name of a metric's samples.
fn sampled(name: &str, kind: &str) -> String {
    match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

fn row((name, metric): (&String, &Metric)) -> Vec<String> {
    let label = |(label, values): (&String, &BTreeSet<String>)| {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        match FIXED.contains(&label.as_str()) {
            true => format!("`{label}`: {}", values.join(", ")),
            false => format!("`{label}`"),
        }
    };
    let labels: Vec<String> = metric.labels.iter().map(label).collect();
    vec![
        format!("`{}`", sampled(name, &metric.kind)),
        metric.kind.clone(),
        labels.join("; "),
        escape(metric.help.trim_end_matches('.')),
    ]
}

#[test]
fn the_metrics_of_a_relay_are_documented() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.wait_for("cam");
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    // Some metrics have samples only while a stream is watched.
    let text = eventually("the age of a watched stream", || {
        let text = relay.get("/metrics").text();
        text.contains("fanlight_frame_age_received_seconds{").then_some(text)
    });
    let metrics = metrics(&text);
    assert!(metrics.len() > 15, "{text}");
    let rows = metrics.iter().map(row);
    check(
        "reference/metrics.md",
        "metrics",
        &table(&["Metric", "Type", "Labels", "Description"], rows),
    );
}
