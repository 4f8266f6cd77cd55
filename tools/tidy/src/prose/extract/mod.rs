//! Extractors: each takes the texts that people read out of files of one language.

mod hashes;
mod html;
mod rust;
mod shell;
mod slashes;

use anyhow::Result;

use super::passage::{Origin, Passage};
use crate::files::{File, Language};

/// Returns the passages of a file; strings of test code are left out.
pub(crate) fn passages(file: &File, is_test: bool) -> Result<Vec<Passage>> {
    let mut found = match file.language {
        Language::Markdown => {
            vec![Passage { line: 1, origin: Origin::Document, text: file.text.clone() }]
        }
        Language::Rust => rust::passages(&file.path, &file.text)?,
        Language::JavaScript => slashes::passages(&file.text, slashes::JAVASCRIPT),
        Language::Css => slashes::passages(&file.text, slashes::CSS),
        Language::C => slashes::passages(&file.text, slashes::C),
        Language::Html => html::passages(&file.text),
        Language::Shell => shell::passages(&file.text),
        Language::Toml => hashes::passages(&file.text, hashes::TOML),
        Language::Unit => hashes::passages(&file.text, hashes::UNIT),
        Language::Python => hashes::passages(&file.text, hashes::PYTHON),
    };
    if is_test {
        found.retain(|passage| passage.origin != Origin::Text);
    }
    Ok(found)
}

/// Collects passages; comments on consecutive lines become one.
#[derive(Default)]
struct Collector {
    done: Vec<Passage>,
    /// Line on which a comment must start to continue the last passage.
    continues_at: Option<usize>,
}

impl Collector {
    /// Adds a line comment; one that follows code on its line stands alone.
    fn line_comment(&mut self, line: usize, text: &str, after_code: bool) {
        let text = text.strip_prefix(' ').unwrap_or(text).trim_end();
        match self.done.last_mut() {
            Some(last) if self.continues_at == Some(line) && !after_code => {
                last.text.push('\n');
                last.text.push_str(text);
            }
            _ => self.done.push(Passage { line, origin: Origin::Comment, text: text.into() }),
        }
        self.continues_at = (!after_code).then_some(line + 1);
    }

    /// Adds a block comment, whose lines may start with `*`.
    fn block_comment(&mut self, line: usize, text: &str) {
        let lines = text.split('\n').map(|line| line.trim_start().trim_start_matches('*').trim());
        let text = lines.collect::<Vec<_>>().join("\n");
        self.done.push(Passage { line, origin: Origin::Comment, text });
        self.continues_at = None;
    }

    /// Adds a string if it reads like prose.
    fn string(&mut self, line: usize, text: &str) {
        self.continues_at = None;
        let text = super::passage::unescape(text);
        if super::passage::is_prose(&text) {
            self.done.push(Passage { line, origin: Origin::Text, text });
        }
    }

    fn finish(mut self) -> Vec<Passage> {
        self.done.sort_by_key(|passage| passage.line);
        self.done
    }
}
