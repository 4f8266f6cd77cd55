//! Sizes: lines of files and of functions.

use anyhow::Result;

use crate::files::{File, Language};
use crate::finding::Finding;
use crate::rust::{self, items};

/// Lines past which a file should be split: most files of well-kept codebases are shorter.
pub const LONG_FILE: usize = 350;
/// Lines past which a file holds a second idea.
pub const LONGEST_FILE: usize = 500;
/// Lines past which a function does not fit a screen.
pub const LONGEST_FUNCTION: usize = 40;

/// Returns whether the sizes of a file count: code, not prose or data.
pub fn counts(file: &File) -> bool {
    !matches!(file.language, Language::Markdown | Language::Toml | Language::Unit | Language::Html)
}

pub fn lines(file: &File) -> usize {
    file.text.lines().count()
}

/// Returns a finding if a file is too long; tests and style sheets may be.
pub fn long_file(file: &File, is_test: bool) -> Option<Finding> {
    let exempt = is_test || file.language == Language::Css || !counts(file);
    (lines(file) > LONGEST_FILE && !exempt).then(|| Finding {
        file: file.path.clone(),
        line: 0,
        rule: "long-file",
        detail: format!("{} lines, at most {LONGEST_FILE}", lines(file)),
        excerpt: String::new(),
    })
}

/// Returns the functions of a Rust file that are longer than a screen.
pub fn long_functions(file: &File) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    if file.language != Language::Rust {
        return Ok(found);
    }
    items::walk(rust::parse(&file.path, &file.text)?, &mut |item| {
        if item.keyword == "fn" && item.body.is_some() && item.length() > LONGEST_FUNCTION {
            found.push(Finding {
                file: file.path.clone(),
                line: item.lines.start,
                rule: "long-function",
                detail: format!(
                    "{} has {} lines, at most {LONGEST_FUNCTION}",
                    item.name,
                    item.length()
                ),
                excerpt: String::new(),
            });
        }
    });
    Ok(found)
}
