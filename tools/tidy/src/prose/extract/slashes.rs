//! JavaScript, CSS and C: `//` and `/* */` comments, and strings.

use super::Collector;
use crate::prose::passage::Passage;

/// Syntax by which the languages differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    line_comments: bool,
    /// Characters that quote strings.
    quotes: &'static str,
    /// Template literals in backticks, and regular expressions.
    script: bool,
}

pub(super) const JAVASCRIPT: Syntax = Syntax { line_comments: true, quotes: "'\"", script: true };
pub(super) const CSS: Syntax = Syntax { line_comments: false, quotes: "'\"", script: false };
pub(super) const C: Syntax = Syntax { line_comments: true, quotes: "'\"", script: false };

pub(super) fn passages(text: &str, syntax: Syntax) -> Vec<Passage> {
    let mut scanner = Scanner {
        text,
        syntax,
        at: 0,
        line: 1,
        line_has_code: false,
        before: None,
        collector: Collector::default(),
    };
    scanner.code(None);
    scanner.collector.finish()
}

struct Scanner<'a> {
    text: &'a str,
    syntax: Syntax,
    at: usize,
    line: usize,
    line_has_code: bool,
    /// Last character of code, which decides whether a slash divides.
    before: Option<char>,
    collector: Collector,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Moves on by some bytes and returns them.
    fn take(&mut self, length: usize) -> &'a str {
        let taken = &self.rest()[..length];
        self.at += length;
        let newlines = taken.matches('\n').count();
        self.line += newlines;
        if newlines > 0 {
            self.line_has_code = false;
        }
        taken
    }

    /// Reads code up to the brace that ends a template's expression, or to the end.
    fn code(&mut self, mut depth: Option<usize>) {
        while let Some(c) = self.rest().chars().next() {
            let (line, after_code) = (self.line, self.line_has_code);
            if self.rest().starts_with("/*") {
                let length = self.rest().find("*/").map_or(self.rest().len(), |end| end + 2);
                let comment = self.take(length);
                let body =
                    comment.trim_end_matches("*/").trim_start_matches('/').trim_start_matches('*');
                self.collector.block_comment(line, body);
            } else if self.syntax.line_comments && self.rest().starts_with("//") {
                let length = self.rest().find('\n').unwrap_or(self.rest().len());
                let comment = self.take(length);
                self.collector.line_comment(line, comment.trim_start_matches('/'), after_code);
            } else if self.syntax.quotes.contains(c) {
                self.string(c);
            } else if self.syntax.script && c == '`' {
                self.template();
            } else if self.syntax.script && c == '/' && self.begins_expression() {
                self.regular_expression();
            } else {
                match (c, &mut depth) {
                    ('{', Some(depth)) => *depth += 1,
                    ('}', Some(0)) => return,
                    ('}', Some(depth)) => *depth -= 1,
                    _ => {}
                }
                self.take(c.len_utf8());
                self.note(c);
            }
        }
    }

    fn note(&mut self, c: char) {
        if !c.is_whitespace() {
            self.before = Some(c);
            self.line_has_code = true;
        }
    }

    fn string(&mut self, quote: char) {
        let line = self.line;
        self.take(1);
        let length = unescaped(self.rest(), |c| c == quote || c == '\n');
        let inside = self.take(length);
        self.collector.string(line, inside);
        self.take(usize::from(!self.rest().is_empty()));
        self.note(quote);
    }

    fn template(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.take(1);
        loop {
            let rest = self.rest();
            let length = unescaped(rest, |c| c == '`' || c == '$');
            text.push_str(self.take(length));
            if self.rest().starts_with("${") {
                self.take(2);
                let first = self.line;
                self.before = None;
                self.code(Some(0));
                text.push_str("{}");
                text.extend(std::iter::repeat_n('\n', self.line - first));
                self.take(usize::from(!self.rest().is_empty()));
            } else if self.rest().starts_with('$') {
                text.push_str(self.take(1));
            } else {
                break;
            }
        }
        self.take(usize::from(!self.rest().is_empty()));
        self.collector.string(line, &text);
        self.note('`');
    }

    /// Returns whether a slash at this place begins a regular expression instead of dividing.
    fn begins_expression(&self) -> bool {
        let code = self.text[..self.at].trim_end();
        let keyword = ["return", "typeof", "case"].iter().any(|word| code.ends_with(word));
        keyword || self.before.is_none_or(|c| "(,=:[!&|?{};+-*%<>~^".contains(c))
    }

    fn regular_expression(&mut self) {
        self.take(1);
        let mut in_class = false;
        let length = unescaped(self.rest(), |c| {
            in_class = (in_class || c == '[') && c != ']';
            (c == '/' && !in_class) || c == '\n'
        });
        self.take(length);
        self.take(usize::from(!self.rest().is_empty()));
        self.note('/');
    }
}

/// Returns the number of bytes before the first character that ends a literal and is not escaped.
fn unescaped(text: &str, mut ends: impl FnMut(char) -> bool) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if ends(c) {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(usize, String)> {
        passages(text, JAVASCRIPT).into_iter().map(|passage| (passage.line, passage.text)).collect()
    }

    #[test]
    fn comments_and_strings_of_a_script_are_found() {
        let text =
            "// One\n// two.\nlet a = 'it\\'s a string here'; // three\n/** Four.\n * Five. */\n";
        assert_eq!(
            texts(text),
            [
                (1, "One\ntwo.".into()),
                (3, "it's a string here".into()),
                (3, "three".into()),
                (4, "Four.\nFive.".into())
            ]
        );
    }

    #[test]
    fn a_template_is_read_around_its_expressions() {
        let text = "f(`one ${g({ a: `the inner text there` }) /* why */} two three`);\n// end\n";
        let found = texts(text);
        assert_eq!(found[2], (1, "one {} two three".into()));
        assert_eq!(found.len(), 4);
        assert_eq!(found[3], (2, "end".into()));
    }

    #[test]
    fn a_regular_expression_is_no_comment() {
        assert_eq!(
            texts("const a = /[/'\"]\\/\\/ b/; // real\nlet b = a / 2 / c; // too\n").len(),
            2
        );
    }

    #[test]
    fn css_has_block_comments_only() {
        let found = passages("a { color: red; /* Red. */ background: url(http://a) }", CSS);
        assert_eq!(found.len(), 1);
    }
}
