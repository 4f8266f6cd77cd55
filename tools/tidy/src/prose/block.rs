//! Blocks of a passage: headings, paragraphs, list items and table cells, with code blanked out.
//!
//! This reads as much of Markdown as our documents and doc comments use.

use super::passage::{Origin, Passage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A heading or the head of a table: no sentence.
    Heading,
    /// A cell of a table, which is a sentence only if it starts with a capital letter.
    Cell,
    Paragraph,
}

/// A run of sentences. Each line of `text` is one line of the source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub line: usize,
    pub kind: Kind,
    pub text: String,
}

/// Stands for code that was blanked out; no letter, so that no phrase reaches across it.
pub(crate) const CODE: char = '·';

/// Splits a passage into its blocks.
pub(crate) fn blocks(passage: &Passage) -> Vec<Block> {
    let text = blank_code(&passage.text);
    if passage.origin == Origin::Text {
        return vec![Block { line: passage.line, kind: Kind::Paragraph, text }];
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let mut builder = Builder::default();
    for (index, raw) in lines.iter().enumerate() {
        let next = lines.get(index + 1).copied().unwrap_or("");
        for part in split_tags(raw.trim()) {
            builder.line(passage.line + index, part.trim(), next);
        }
    }
    builder.finish()
}

#[derive(Default)]
struct Builder {
    done: Vec<Block>,
    open: Option<Block>,
    fence: Option<&'static str>,
}

impl Builder {
    fn line(&mut self, line: usize, text: &str, next: &str) {
        if let Some(fence) = self.fence {
            self.fence = Some(fence).filter(|fence| !text.starts_with(fence));
            return;
        }
        self.fence = ["```", "~~~"].into_iter().find(|fence| text.starts_with(fence));
        if self.fence.is_some() || text.is_empty() {
            self.close();
        } else if let Some(heading) = heading(text) {
            self.close();
            self.done.push(Block { line, kind: Kind::Heading, text: heading.into() });
        } else if text.starts_with('|') {
            self.close();
            self.row(line, text, is_rule(next.trim()));
        } else if let Some(rest) = list_item(text).or_else(|| tag(text)) {
            self.close();
            self.open = Some(Block { line, kind: Kind::Paragraph, text: rest.into() });
        } else {
            self.paragraph(line, text.trim_start_matches("> "));
        }
    }

    fn paragraph(&mut self, line: usize, text: &str) {
        match &mut self.open {
            Some(block) => {
                block.text.push('\n');
                block.text.push_str(text);
            }
            None => self.open = Some(Block { line, kind: Kind::Paragraph, text: text.into() }),
        }
    }

    fn row(&mut self, line: usize, text: &str, is_head: bool) {
        if is_rule(text) {
            return;
        }
        let kind = if is_head { Kind::Heading } else { Kind::Cell };
        let cells =
            text.trim_matches('|').split('|').map(str::trim).filter(|cell| !cell.is_empty());
        self.done.extend(cells.map(|cell| Block { line, kind, text: cell.into() }));
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
    }

    fn finish(mut self) -> Vec<Block> {
        self.close();
        self.done
    }
}

fn heading(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches('#');
    (rest.len() < text.len()).then_some(rest)?.strip_prefix(' ')
}

/// Returns whether a line separates the head of a table from its rows.
fn is_rule(text: &str) -> bool {
    text.starts_with('|') && text.chars().all(|c| "|-: ".contains(c))
}

fn list_item(text: &str) -> Option<&str> {
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = if number.len() < text.len() { number.strip_prefix(". ") } else { None };
    numbered.or_else(|| ["- ", "* ", "+ "].iter().find_map(|marker| text.strip_prefix(marker)))
}

/// Tags of JSDoc that may follow a sentence on the same line.
const TAGS: &[&str] = &["@param ", "@returns ", "@type ", "@typedef ", "@property ", "@template "];

/// Splits a line before each JSDoc tag.
fn split_tags(line: &str) -> Vec<&str> {
    let mut starts: Vec<usize> =
        TAGS.iter().flat_map(|tag| line.match_indices(tag)).map(|(at, _)| at).collect();
    starts.sort_unstable();
    let ends = starts.iter().copied().chain([line.len()]);
    let starts = std::iter::once(0).chain(starts.iter().copied());
    let parts = starts.zip(ends).map(|(start, end)| &line[start..end]);
    parts.filter(|part| !part.is_empty() || line.is_empty()).collect()
}

/// Returns the description that follows a JSDoc tag, the name of a parameter or property left out.
fn tag(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('@')?;
    let (tag, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let rest = rest.trim_start().trim_start_matches(CODE).trim_start();
    let named = ["param", "property", "typedef", "prop", "template", "callback"].contains(&tag);
    let described = if named {
        rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest)
    } else {
        rest
    };
    Some(described.trim_start_matches([' ', '-']))
}

/// Replaces code spans, the targets of links, addresses and the types of JSDoc tags.
fn blank_code(text: &str) -> String {
    let mut out: Vec<char> = text.chars().collect();
    let fenced = fenced(text);
    let mut at = 0;
    while at < out.len() {
        let end = match out[at] {
            _ if fenced.iter().any(|range| range.contains(&at)) => None,
            '`' => code_span_end(&out, at),
            ']' if out.get(at + 1) == Some(&'(') => closing(&out, at + 1, '(', ')'),
            '{' if at > 0 && is_tagged(&out, at) => closing(&out, at, '{', '}'),
            'h' if is_address(&out[at..]) => Some(address_end(&out, at)),
            _ => None,
        };
        match end {
            Some(end) => {
                blank(&mut out[at..end]);
                at = end;
            }
            None => at += 1,
        }
    }
    out.into_iter().collect()
}

/// Returns the ranges of characters inside of code fences, whose backticks are no spans.
fn fenced(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in text.split('\n') {
        let length = line.chars().count() + 1;
        if ["```", "~~~"].iter().any(|fence| line.trim_start().starts_with(fence)) {
            match start.take() {
                Some(start) => ranges.push(start..at + length),
                None => start = Some(at),
            }
        }
        at += length;
    }
    ranges
}

fn blank(chars: &mut [char]) {
    for c in chars.iter_mut().filter(|c| **c != '\n') {
        *c = CODE;
    }
}

/// Returns the end of a code span; a span ends with as many backticks as it started with, within its paragraph.
fn code_span_end(text: &[char], start: usize) -> Option<usize> {
    let ticks = text[start..].iter().take_while(|c| **c == '`').count();
    let mut at = start + ticks;
    while at < text.len() {
        let run = text[at..].iter().take_while(|c| **c == '`').count();
        if run == ticks {
            return Some(at + run);
        }
        if text[at] == '\n' && text.get(at + 1).is_none_or(|next| *next == '\n') {
            return None;
        }
        at += run.max(1);
    }
    None
}

fn closing(text: &[char], start: usize, open: char, close: char) -> Option<usize> {
    let mut depth = 0;
    for (index, c) in text.iter().enumerate().skip(start) {
        if *c == open {
            depth += 1;
        } else if *c == close {
            depth -= 1;
            if depth == 0 {
                return Some(index + 1);
            }
        }
    }
    None
}

/// Returns whether a brace follows a JSDoc tag, as in `@param {string}`.
fn is_tagged(text: &[char], brace: usize) -> bool {
    let before: String = text[..brace].iter().rev().take(16).collect();
    let word: String =
        before.trim_start().chars().take_while(|c| c.is_alphabetic() || *c == '@').collect();
    word.ends_with('@') && word.len() > 1
}

fn is_address(text: &[char]) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.len() > scheme.len() && text.iter().zip(scheme.chars()).all(|(a, b)| *a == b)
    })
}

fn address_end(text: &[char], start: usize) -> usize {
    let length =
        text[start..].iter().take_while(|c| !c.is_whitespace() && !"<>)\"|".contains(**c)).count();
    start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(usize, Kind, String)> {
        let passage = Passage { line: 1, origin: Origin::Document, text: text.into() };
        blocks(&passage).into_iter().map(|block| (block.line, block.kind, block.text)).collect()
    }

    #[test]
    fn markdown_falls_into_blocks() {
        let text = "# Head\nOne\ntwo.\n- three\n  four\n\n```sh\n# no\n```\n| a | b |\n|---|---|\n| c | `d|` |\n";
        assert_eq!(
            of(text),
            [
                (1, Kind::Heading, "Head".into()),
                (2, Kind::Paragraph, "One\ntwo.".into()),
                (4, Kind::Paragraph, "three\nfour".into()),
                (10, Kind::Heading, "a".into()),
                (10, Kind::Heading, "b".into()),
                (12, Kind::Cell, "c".into()),
                (12, Kind::Cell, "····".into()),
            ]
        );
    }

    #[test]
    fn code_and_links_are_blanked() {
        assert_eq!(
            of("a `so long` b [c](so-long) https://so.long d")[0].2,
            "a ········· b [c·········· ··············· d"
        );
    }

    #[test]
    fn a_tag_of_jsdoc_begins_a_block() {
        let found = of("Sends.\n@param {{ a: b }} name the name\n@returns {string} text\n");
        let texts: Vec<&str> = found.iter().map(|(_, _, text)| text.as_str()).collect();
        assert_eq!(texts, ["Sends.", "the name", "text"]);
    }
}
