//! Shell: comments, here-documents, and quoted texts.

use super::Collector;
use crate::prose::passage::Passage;

pub(super) fn passages(text: &str) -> Vec<Passage> {
    let mut scanner = Scanner { text, at: 0, line: 1, collector: Collector::default(), here: None };
    scanner.code(None);
    scanner.collector.finish()
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    collector: Collector,
    /// Delimiter of the here-document that starts on the next line.
    here: Option<&'a str>,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = &self.rest()[..length.min(self.rest().len())];
        self.at += taken.len();
        self.line += taken.matches('\n').count();
        taken
    }

    /// Reads commands up to the given character, or to the end.
    fn code(&mut self, end: Option<char>) {
        while let Some(c) = self.rest().chars().next() {
            let previous = self.text[..self.at].chars().next_back();
            match c {
                _ if Some(c) == end => return,
                '\\' => {
                    self.take(1);
                    let escaped = self.rest().chars().next().map_or(0, char::len_utf8);
                    self.take(escaped);
                }
                '\n' => {
                    self.take(1);
                    self.here_document();
                }
                '#' if previous.is_none_or(|c| c.is_whitespace() || ";(".contains(c)) => {
                    self.comment();
                }
                '\'' => self.single_quoted(),
                '"' => self.double_quoted(),
                '<' if self.rest().starts_with("<<<") => _ = self.take(3),
                '<' if self.rest().starts_with("<<") => self.here_start(),
                '$' if self.rest().starts_with("$(") => self.nested("$(", ')'),
                '(' => self.nested("(", ')'),
                '$' if self.rest().starts_with("${") => self.parameter(),
                _ => _ = self.take(c.len_utf8()),
            }
        }
    }

    fn nested(&mut self, open: &str, close: char) {
        self.take(open.len());
        self.code(Some(close));
        self.take(1);
    }

    /// Skips `${…}`, in which a `#` is no comment.
    fn parameter(&mut self) {
        self.take(2);
        while let Some(c) = self.rest().chars().next().filter(|c| *c != '}') {
            match c {
                '$' if self.rest().starts_with("${") => self.parameter(),
                '\'' => self.single_quoted(),
                _ => _ = self.take(c.len_utf8()),
            }
        }
        self.take(1);
    }

    fn comment(&mut self) {
        let line_start = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
        let after_code = !self.text[line_start..self.at].trim().is_empty();
        let (line, length) = (self.line, self.rest().find('\n').unwrap_or(self.rest().len()));
        let comment = self.take(length);
        if !comment.starts_with("#!") {
            self.collector.line_comment(line, comment.trim_start_matches('#'), after_code);
        }
    }

    fn single_quoted(&mut self) {
        let line = self.line;
        self.take(1);
        let length = self.rest().find('\'').unwrap_or(self.rest().len());
        let inside = self.take(length);
        self.collector.string(line, inside);
        self.take(1);
    }

    fn double_quoted(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.take(1);
        while let Some(c) = self.rest().chars().next().filter(|c| *c != '"') {
            let first = self.line;
            match c {
                '\\' => {
                    text.push_str(self.take(1));
                    let escaped = self.rest().chars().next().map_or(0, char::len_utf8);
                    text.push_str(self.take(escaped));
                    continue;
                }
                '$' if self.rest().starts_with("$(") => self.nested("$(", ')'),
                '$' if self.rest().starts_with("${") => self.parameter(),
                _ => {
                    text.push_str(self.take(c.len_utf8()));
                    continue;
                }
            }
            text.push_str("{}");
            text.extend(std::iter::repeat_n('\n', self.line - first));
        }
        self.take(1);
        self.collector.string(line, &text);
    }

    fn here_start(&mut self) {
        self.take(2);
        let dashed = self.rest().starts_with('-');
        self.take(usize::from(dashed));
        let word = self.rest().trim_start_matches([' ', '\'', '"', '\\']);
        let length = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
        let skipped = self.rest().len() - word.len();
        self.take(skipped + length);
        let quoted = self.rest().starts_with(['\'', '"']);
        self.take(usize::from(quoted));
        self.here = Some(&word[..length])
            .filter(|word| !word.is_empty() && !word.starts_with(char::is_numeric));
    }

    fn here_document(&mut self) {
        let Some(delimiter) = self.here.take() else { return };
        let line = self.line;
        let mut length = 0;
        for text in self.rest().split_inclusive('\n') {
            if text.trim() == delimiter {
                break;
            }
            length += text.len();
        }
        let inside = self.take(length);
        self.collector.string(line, inside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(usize, String)> {
        passages(text).into_iter().map(|passage| (passage.line, passage.text)).collect()
    }

    #[test]
    fn comments_and_texts_are_found() {
        let text = "#!/bin/bash\n# One\n# two.\nsay 'it is a text' # Three.\ndie \"no ${a#b} and $(f \"x # y\") here\"\n";
        assert_eq!(
            texts(text),
            [
                (2, "One\ntwo.".into()),
                (4, "it is a text".into()),
                (4, "Three.".into()),
                (5, "no {} and {} here".into()),
            ]
        );
    }

    #[test]
    fn a_hash_within_an_expansion_is_no_comment() {
        assert_eq!(
            texts("a=${#b[@]} c=${0##*/} d=$((16#ff)); ((${#e[@]})) # Real.\n"),
            [(1, "Real.".into())]
        );
    }

    #[test]
    fn a_here_document_is_text() {
        let found = texts("cat <<'END' >&2\nUsage of the script\n# is this\nEND\n# After.\n");
        assert_eq!(found[0], (2, "Usage of the script\n# is this\n".into()));
        assert_eq!(found[1], (5, "After.".into()));
    }
}
