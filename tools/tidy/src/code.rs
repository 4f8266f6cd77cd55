//! The code of a file: its text without comments.

use crate::files::{File, Language};
use crate::rust::{self, comments};

/// Returns the text of a file without its comments, line by line, and on request without its test code.
pub(crate) fn of(file: &File, without_tests: bool) -> String {
    match file.language {
        Language::Rust => rust::parse(&file.path, &file.text)
            .map(|tokens| comments::without_comments(&file.text, &tokens, without_tests))
            .unwrap_or_else(|_| file.text.clone()),
        _ => {
            let lines = file.text.lines().map(|line| if is_comment(line) { "" } else { line });
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

/// Returns whether a whole line is a comment.
fn is_comment(line: &str) -> bool {
    ["//", "*", "/*", "#"].iter().any(|mark| line.trim_start().starts_with(mark))
}
