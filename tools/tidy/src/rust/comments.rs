//! Comments of a Rust file: the text between its tokens, and the doc comments among them.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};

use super::test_code;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `///` and `/**`.
    Doc,
    /// `//!` and `/*!`.
    ModuleDoc,
    Plain,
}

/// A run of comment lines, without their markers.
#[derive(Debug, PartialEq, Eq)]
pub struct Comment {
    /// Line of the first line of text, counted from 1.
    pub line: usize,
    pub kind: Kind,
    /// One line of text for each line of the source.
    pub text: String,
}

/// Returns the comments of a file in order.
pub fn comments(text: &str, tokens: &TokenStream) -> Vec<Comment> {
    let mut code = Vec::new();
    code_ranges(tokens.clone(), text, &mut code);
    let mut found = Vec::new();
    let mut line = 1;
    let mut position = 0;
    code.push(text.len()..text.len());
    for range in code {
        if range.start > position {
            gap(&text[position..range.start], line, position == 0, &mut found);
        }
        let end = range.end.max(position);
        line += text[position..end].matches('\n').count();
        position = end;
    }
    found
}

/// Returns the text of a file with its comments left out, and with its test code left out if asked to, line by line.
pub fn without_comments(text: &str, tokens: &TokenStream, without_tests: bool) -> String {
    let tests = if without_tests { test_code::ranges(tokens) } else { Vec::new() };
    let mut code = Vec::new();
    code_ranges(tokens.clone(), text, &mut code);
    code.retain(|range| !tests.iter().any(|test| test.contains(&range.start)));
    let mut out = String::new();
    let mut position = 0;
    for range in code {
        let gap = text.get(position..range.start).unwrap_or_default();
        out.extend(gap.chars().filter(|c| *c == '\n'));
        let apart = gap.contains(char::is_whitespace) && !out.ends_with('\n');
        out.extend(apart.then_some(' '));
        out.push_str(&text[range.clone()]);
        position = range.end;
    }
    out
}

/// Collects the ranges of all tokens that are no doc comments, delimiters included.
fn code_ranges(tokens: TokenStream, text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut doc = None;
    for tree in tokens {
        let range = tree.span().byte_range();
        // A doc comment yields `#`, perhaps `!`, and `[doc = "…"]`, all with the comment's own span.
        if doc.as_ref() == Some(&range) {
            continue;
        }
        doc = None;
        match tree {
            TokenTree::Punct(punct)
                if punct.as_char() == '#' && text[range.clone()].starts_with('/') =>
            {
                doc = Some(range);
            }
            TokenTree::Group(group) => {
                ranges.push(group.span_open().byte_range());
                code_ranges(group.stream(), text, ranges);
                ranges.push(group.span_close().byte_range());
            }
            _ => ranges.push(range),
        }
    }
}

/// Adds the comments between two tokens; `opens_file` means that no token stands before them.
fn gap(gap: &str, first_line: usize, opens_file: bool, found: &mut Vec<Comment>) {
    let mut rest = gap;
    let mut line = first_line;
    // A comment after code on the same line does not continue on the next line.
    let mut trails_code = !opens_file;
    let mut open: Option<(Kind, usize)> = None;
    while let Some(start) = rest.find('/') {
        let newlines = rest[..start].matches('\n').count();
        line += newlines;
        trails_code &= newlines == 0;
        let comment = &rest[start..];
        let end = if comment.starts_with("//") { line_end(comment) } else { block_end(comment) };
        let (kind, body) = strip(&comment[..end]);
        let continues =
            newlines == 1 && open == Some((kind, line - 1)) && comment.starts_with("//");
        match found.last_mut() {
            Some(last) if continues => {
                last.text.push('\n');
                last.text.push_str(&body);
            }
            _ => found.push(Comment { line, kind, text: body }),
        }
        line += comment[..end].matches('\n').count();
        open = (comment.starts_with("//") && !trails_code).then_some((kind, line));
        rest = &comment[end..];
    }
}

fn line_end(comment: &str) -> usize {
    comment.find('\n').unwrap_or(comment.len())
}

/// Returns the end of a block comment, which may hold others.
fn block_end(comment: &str) -> usize {
    let mut depth = 0;
    let bytes = comment.as_bytes();
    for i in 0..bytes.len().saturating_sub(1) {
        match &bytes[i..i + 2] {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return i + 2,
            b"*/" => depth -= 1,
            _ => {}
        }
    }
    comment.len()
}

/// Splits a comment into its kind and its text.
fn strip(comment: &str) -> (Kind, String) {
    if let Some(block) = comment.strip_prefix("/*") {
        let kind = match block.chars().next() {
            Some('*') => Kind::Doc,
            Some('!') => Kind::ModuleDoc,
            _ => Kind::Plain,
        };
        let body = block.trim_start_matches(['*', '!']).trim_end_matches("*/");
        let lines = body.lines().map(|line| line.trim_start().trim_start_matches('*').trim());
        return (kind, lines.collect::<Vec<_>>().join("\n"));
    }
    let kind = match comment {
        line if line.starts_with("//!") => Kind::ModuleDoc,
        line if line.starts_with("///") && !line.starts_with("////") => Kind::Doc,
        _ => Kind::Plain,
    };
    let marker = if kind == Kind::Plain { 2 } else { 3 };
    let body = comment[marker..].trim_end();
    (kind, body.strip_prefix(' ').unwrap_or(body).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Comment> {
        comments(text, &text.parse().unwrap())
    }

    fn texts(text: &str) -> Vec<(usize, Kind, String)> {
        of(text).into_iter().map(|found| (found.line, found.kind, found.text)).collect()
    }

    #[test]
    fn lines_of_one_kind_are_one_comment() {
        let found = texts("//! A module.\n//! More.\n/// A doc.\n// A note.\nfn f() {}\n");
        assert_eq!(
            found,
            [
                (1, Kind::ModuleDoc, "A module.\nMore.".into()),
                (3, Kind::Doc, "A doc.".into()),
                (4, Kind::Plain, "A note.".into()),
            ]
        );
    }

    #[test]
    fn a_string_that_looks_like_a_comment_is_none() {
        assert_eq!(
            texts("const A: &str = \"// So many\"; // Real.\n"),
            [(1, Kind::Plain, "Real.".into())]
        );
    }

    #[test]
    fn a_comment_after_code_stands_alone() {
        let found = texts("let a = 1; // One.\n// Two.\nlet b = 'c'; /* Three */\n");
        assert_eq!(found.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn comments_inside_of_macros_and_bodies_are_found() {
        let found = texts("fn f() {\n    foo!(a, // In a macro.\n      b);\n    // Last.\n}\n");
        assert_eq!(found[0].2, "In a macro.");
        assert_eq!(found[1], (4, Kind::Plain, "Last.".into()));
    }
}
