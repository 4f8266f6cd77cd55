//! Generated sections of a document, between `<!-- generated: NAME -->` and `<!-- generated: end -->`.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The environment variable with which the tests write the sections.
const WRITE: &str = "FANLIGHT_WRITE_DOCS";
const END: &str = "<!-- generated: end -->";

/// Tests run in parallel and may write sections of the same document.
static FILES: Mutex<()> = Mutex::new(());

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a section of a document in `docs/` with `expected`, or writes it if `FANLIGHT_WRITE_DOCS` is set.
///
/// # Panics
/// Panics if the document cannot be read or written, lacks the section, or differs.
pub fn check(document: &str, name: &str, expected: &str) {
    let path = root().join("docs").join(document);
    let _guard = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let current = find(&text, name).unwrap_or_else(|| panic!("{document} has no section {name:?}"));
    if text[current.clone()] == *expected {
        return;
    }
    if std::env::var_os(WRITE).is_some_and(|value| !value.is_empty()) {
        let written = [&text[..current.start], expected, &text[current.end..]].concat();
        fs::write(&path, written).unwrap_or_else(|error| panic!("{document}: {error}"));
        return;
    }
    panic!(
        "docs/{document}, section {name:?}, differs from the code: run this test with {WRITE}=1.\n\
         --- in the document\n{}\n--- in the code\n{expected}",
        &text[current]
    );
}

/// Returns the range of a section's text, without its markers.
fn find(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let begin = format!("<!-- generated: {name} -->\n");
    let start = text.find(&begin)? + begin.len();
    let length = text[start..].find(END)?;
    Some(start..start + length)
}

/// Returns a Markdown table. Cells must not contain line breaks.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    let rows = rows.into_iter().map(|row| line(&row));
    format!("\n{}{rule}{}\n", line(&head), rows.collect::<String>())
}

/// Escapes the characters that have a meaning in the cell of a Markdown table.
pub fn escape(text: &str) -> String {
    let special = |c: char| matches!(c, '|' | '*' | '<' | '>');
    let mut escaped = String::new();
    for c in text.chars() {
        if special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_between_its_markers() {
        let text = "a\n<!-- generated: one -->\nx\n<!-- generated: end -->\nb";
        assert_eq!(&text[find(text, "one").unwrap()], "x\n");
        assert_eq!(find(text, "two"), None);
        assert_eq!(find("<!-- generated: one -->\nx", "one"), None);
    }

    #[test]
    fn a_table_has_one_line_per_row() {
        let rows = [vec![escape("a|b"), "c".into()]];
        assert_eq!(table(&["x", "y"], rows), "\n| x | y |\n|---|---|\n| a\\|b | c |\n\n");
    }
}
