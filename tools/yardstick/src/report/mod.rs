//! The tables of docs/performance.md, made from recorded runs.
//!
//! - [`run`]: one recorded run, and the reader of recorded runs;
//! - [`figures`]: medians, and ratios within a round;
//! - [`tables`]: the tables, as Markdown;
//! - [`document`]: the generated sections of a Markdown file.

pub mod document;
pub mod figures;
pub mod run;
pub mod tables;

use std::fs;
use std::io::{Write, stdout};

use anyhow::Context;

use crate::options::ReportOptions;
use run::{Part, Run};

/// Makes the tables of recorded runs. A table without runs is omitted; in a document it does not change.
///
/// # Errors
/// Fails if a file cannot be read or written, a line is not a run, or a marker is missing.
pub fn write(options: &ReportOptions) -> anyhow::Result<()> {
    let runs = run::read(&options.runs)?;
    let sections = sections(&runs, &options.measured);
    let Some(path) = &options.into else {
        let text: Vec<String> =
            sections.iter().map(|(name, table)| format!("## {name}\n\n{table}")).collect();
        return Ok(writeln!(stdout(), "{}", text.join("\n"))?);
    };
    let context = || path.display().to_string();
    let mut text = fs::read_to_string(path).with_context(context)?;
    for (name, table) in sections {
        text = document::replace(&text, name, &table).with_context(context)?;
    }
    fs::write(path, text).with_context(context)
}

/// Returns the tables for which there are runs, with the names of their markers.
fn sections(runs: &[Run], measured: &str) -> Vec<(&'static str, String)> {
    let tables = [
        ("throughput", Part::Throughput, tables::throughput(runs, Part::Throughput)),
        ("deltas", Part::Deltas, tables::throughput(runs, Part::Deltas)),
        ("trickling", Part::Trickling, tables::trickling(runs)),
        ("stalled", Part::Stalled, tables::stalled(runs)),
        ("link", Part::Link, tables::link(runs)),
        ("capture", Part::Capture, tables::capture(runs)),
        ("codecs", Part::Codecs, tables::codecs(runs)),
    ];
    let whole = |(name, part, table)| {
        let parts: [String; 3] = [table, tables::spoilt(runs, part), measured.into()];
        let said: Vec<&str> =
            parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        (name, said.join("\n\n") + "\n")
    };
    tables.into_iter().filter(|(_, _, table)| !table.is_empty()).map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use run::sample;

    const DOCUMENT: &str = include_str!("../../../../docs/performance.md");

    fn all_parts() -> Vec<Run> {
        let parts = [
            Part::Throughput,
            Part::Deltas,
            Part::Trickling,
            Part::Stalled,
            Part::Link,
            Part::Capture,
            Part::Codecs,
        ];
        let of = |part| {
            let mut run = sample("writev", 1, 1.0);
            run.case.part = part;
            run
        };
        parts.map(of).into()
    }

    #[test]
    fn the_document_has_a_section_for_every_table() {
        let sections = sections(&all_parts(), "today");
        assert_eq!(sections.len(), 7);
        for (name, table) in sections {
            let text = document::replace(DOCUMENT, name, &table).unwrap();
            assert!(text.contains(table.trim_end()), "{name}");
        }
    }

    #[test]
    fn a_table_is_followed_by_its_warning_and_by_its_place_of_measurement() {
        let mut runs = all_parts();
        runs[4].figures.closed.count = 1;
        let link = &sections(&runs, "today")[4].1;
        let parts: Vec<&str> = link.split("\n\n").collect();
        assert_eq!(parts.len(), 3, "{link}");
        assert!(parts[1].contains("closed") && parts[2] == "today\n", "{link}");
    }
}
