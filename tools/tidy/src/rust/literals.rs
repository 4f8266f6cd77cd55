//! String literals of a Rust file.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};

/// A string literal without its quotes; escape sequences stay as they are written.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    pub line: usize,
    pub text: String,
}

/// Returns all string literals outside of the given byte ranges.
pub fn strings(tokens: &TokenStream, outside: &[Range<usize>]) -> Vec<Text> {
    let mut found = Vec::new();
    collect(tokens.clone(), outside, &mut found);
    found
}

fn collect(tokens: TokenStream, outside: &[Range<usize>], found: &mut Vec<Text>) {
    let mut doc = None;
    for tree in tokens {
        let range = tree.span().byte_range();
        if outside.iter().any(|skipped| skipped.contains(&range.start)) {
            continue;
        }
        match tree {
            // The attribute that a doc comment became.
            TokenTree::Group(_) if doc.as_ref() == Some(&range) => {}
            TokenTree::Group(group) => collect(group.stream(), outside, found),
            TokenTree::Punct(punct) if punct.as_char() == '#' => doc = Some(range),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let line = literal.span().start().line;
                found.extend(unquote(&text).map(|text| Text { line, text: text.into() }));
            }
            _ => {}
        }
    }
}

/// Returns the inside of a string literal; `None` for numbers, characters and bytes.
fn unquote(literal: &str) -> Option<&str> {
    let raw = literal.strip_prefix('r').map(|raw| raw.trim_matches('#'));
    raw.unwrap_or(literal).strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_and_doc_comments_are_not() {
        let text =
            "/// Not this.\n#[error(\"that one\")]\nfn f() { g('a', b\"no\", r#\"raw \"one\"\"#) }";
        let found = strings(&text.parse().unwrap(), &[]);
        assert_eq!(
            found,
            [
                Text { line: 2, text: "that one".into() },
                Text { line: 3, text: "raw \"one\"".into() }
            ]
        );
    }
}
