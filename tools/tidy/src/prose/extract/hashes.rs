//! TOML, Python and systemd units: `#` comments, and strings.

use super::Collector;
use crate::prose::passage::Passage;

/// Syntax by which the languages differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// Quotes of strings, the longest first.
    quotes: &'static [&'static str],
    /// A comment takes a whole line.
    whole_lines: bool,
    /// Keys whose value is text, such as `Description=`.
    keys: &'static [&'static str],
}

pub(super) const TOML: Syntax =
    Syntax { quotes: &["\"\"\"", "'''", "\"", "'"], whole_lines: false, keys: &[] };
pub(super) const PYTHON: Syntax = TOML;
pub(super) const UNIT: Syntax = Syntax { quotes: &[], whole_lines: true, keys: &["Description="] };

pub(super) fn passages(text: &str, syntax: Syntax) -> Vec<Passage> {
    let mut collector = Collector::default();
    let mut line = 1;
    let mut at = 0;
    let mut line_has_code = false;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let quote = syntax.quotes.iter().find(|quote| rest.starts_with(**quote));
        let length = if c == '#' && !(syntax.whole_lines && line_has_code) {
            let length = rest.find('\n').unwrap_or(rest.len());
            collector.line_comment(
                line,
                rest[..length].trim_start_matches(['#', '!']),
                line_has_code,
            );
            length
        } else if let Some(quote) = quote {
            let inside = quoted(&rest[quote.len()..], quote);
            collector.string(line, inside);
            (inside.len() + 2 * quote.len()).min(rest.len())
        } else if let Some(key) =
            syntax.keys.iter().find(|key| !line_has_code && rest.starts_with(**key))
        {
            let length = rest.find('\n').unwrap_or(rest.len());
            collector.string(line, &rest[key.len()..length]);
            length
        } else {
            c.len_utf8()
        };
        line_has_code = (line_has_code || !c.is_whitespace()) && c != '\n';
        line += rest[..length].matches('\n').count();
        at += length;
    }
    collector.finish()
}

/// Returns the inside of a string that starts after its opening quote.
fn quoted<'a>(text: &'a str, quote: &str) -> &'a str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if text[at..].starts_with(quote) || (quote.len() == 1 && c == '\n') {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_in_a_string_is_no_comment() {
        let found = passages("a = \"one # two\" # five\n# six\n", TOML);
        let texts: Vec<(usize, &str)> =
            found.iter().map(|passage| (passage.line, passage.text.as_str())).collect();
        assert_eq!(texts, [(1, "five"), (2, "six")]);
    }

    #[test]
    fn a_docstring_is_text() {
        let found = passages("\"\"\"A camera\nthat does it.\n\"\"\"\nx = 'y'  # Why.\n", PYTHON);
        assert_eq!((found[0].line, found[0].text.as_str()), (1, "A camera\nthat does it.\n"));
        assert_eq!((found[1].line, found[1].text.as_str()), (4, "Why."));
    }

    #[test]
    fn a_unit_has_comments_and_a_description() {
        let found =
            passages("# One.\n[Unit]\nDescription=Shows live video\nExecStart=a #b\n", UNIT);
        let texts: Vec<&str> = found.iter().map(|passage| passage.text.as_str()).collect();
        assert_eq!(texts, ["One.", "Shows live video"]);
    }
}
