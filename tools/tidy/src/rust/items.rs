//! Items of a Rust file, read from its tokens: modules, functions, uses, and what marks them as tests.

use std::ops::Range;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// An item of a module, an `impl` or a `trait`.
#[derive(Debug)]
pub struct Item {
    /// Keyword, such as `fn`, `mod`, `use` or `impl`; empty for a macro call.
    pub keyword: String,
    /// Name that follows the keyword; empty for `use`, `impl` and a macro call.
    pub name: String,
    /// The item is compiled for tests only: `#[cfg(test)]`, `#[test]` and the like.
    pub test: bool,
    /// Tokens after the keyword, up to the body.
    pub head: Vec<TokenTree>,
    pub body: Option<Group>,
    pub lines: Range<usize>,
    pub bytes: Range<usize>,
}

impl Item {
    /// Returns the number of lines from the first keyword to the closing brace.
    pub fn length(&self) -> usize {
        self.lines.end - self.lines.start + 1
    }
}

const KEYWORDS: &[&str] = &[
    "fn",
    "mod",
    "use",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "type",
    "const",
    "static",
    "macro_rules",
    "extern",
];

/// Words that may precede the keyword.
const QUALIFIERS: &[&str] = &["pub", "async", "unsafe", "default", "safe"];

/// Returns the items at the top of a token stream.
pub fn items(tokens: TokenStream) -> Vec<Item> {
    let mut found = Vec::new();
    let mut pending: Vec<TokenTree> = Vec::new();
    for tree in tokens {
        let is_end = match &tree {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::Brace && !ends_at_semicolon(&pending)
            }
            _ => false,
        };
        pending.push(tree);
        if is_end {
            found.extend(item(std::mem::take(&mut pending)));
        }
    }
    found.extend(item(pending));
    found
}

/// Returns whether these tokens begin an item that ends at a semicolon only, braces or not.
fn ends_at_semicolon(pending: &[TokenTree]) -> bool {
    let words: Vec<String> = skip_attributes(pending).iter().filter_map(word).collect();
    let keywords: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| KEYWORDS.contains(word)).collect();
    match keywords.first() {
        // `const fn` and `unsafe extern "C" fn` are functions.
        Some(&"const") => keywords.get(1) != Some(&"fn"),
        Some(first) => ["use", "static", "type"].contains(first),
        None => false,
    }
}

fn word(tree: &TokenTree) -> Option<String> {
    match tree {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

/// Returns the tokens after the attributes at the front.
fn skip_attributes(tokens: &[TokenTree]) -> &[TokenTree] {
    let mut rest = tokens;
    loop {
        match rest {
            [TokenTree::Punct(hash), TokenTree::Group(_), tail @ ..] if hash.as_char() == '#' => {
                rest = tail;
            }
            [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(_), tail @ ..]
                if hash.as_char() == '#' && bang.as_char() == '!' =>
            {
                rest = tail;
            }
            _ => return rest,
        }
    }
}

fn item(tokens: Vec<TokenTree>) -> Option<Item> {
    let code = skip_attributes(&tokens);
    let attributes = &tokens[..tokens.len() - code.len()];
    let (first, last) = (code.first()?, code.last()?);
    let (keyword, at) = keyword(code);
    let body = match last {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.clone()),
        _ => None,
    };
    let head_end = if body.is_some() { code.len() - 1 } else { code.len() };
    let head: Vec<TokenTree> = code.get(at + 1..head_end).unwrap_or_default().to_vec();
    let named = !["use", "impl", ""].contains(&keyword.as_str());
    let name = head.iter().find_map(word).filter(|_| named).unwrap_or_default();
    let start = tokens.first()?.span().byte_range().start;
    Some(Item {
        keyword,
        name,
        test: attributes.iter().any(is_test_attribute),
        head,
        body,
        lines: first.span().start().line..last.span().end().line,
        bytes: start..last.span().byte_range().end,
    })
}

/// Returns the keyword of an item and its place; an empty keyword for a macro call.
fn keyword(code: &[TokenTree]) -> (String, usize) {
    for (at, tree) in code.iter().enumerate() {
        let name = match tree {
            TokenTree::Ident(ident) => ident.to_string(),
            // The scope of `pub(…)`, or the ABI after `extern`.
            TokenTree::Group(_) | TokenTree::Literal(_) => continue,
            TokenTree::Punct(_) => return (String::new(), at),
        };
        // `const fn` and `extern "C" fn` are functions.
        let qualifies = ["const", "extern"].contains(&name.as_str())
            && code[at + 1..].iter().take(4).any(|tree| word(tree).as_deref() == Some("fn"));
        if KEYWORDS.contains(&name.as_str()) && !qualifies {
            return (name, at);
        }
        if !qualifies && !QUALIFIERS.contains(&name.as_str()) {
            return (String::new(), at);
        }
    }
    (String::new(), code.len())
}

/// Returns whether an attribute means that the item exists in tests only.
fn is_test_attribute(tree: &TokenTree) -> bool {
    let TokenTree::Group(group) = tree else { return false };
    let text = group.stream().to_string().replace(' ', "");
    let cfg = text.starts_with("cfg(") && !text.contains("not(test)");
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    (cfg && words.contains(&"test"))
        || text == "test"
        || text.ends_with("::test")
        || text.starts_with("tokio::test")
}

/// Visits each item of a file, including those within modules, `impl`s, traits and functions.
pub fn walk(tokens: TokenStream, visit: &mut dyn FnMut(&Item)) {
    for item in items(tokens) {
        visit(&item);
        match (&item.body, item.keyword.as_str()) {
            (Some(body), "fn") => functions_within(body.stream(), visit),
            (Some(body), "mod" | "impl" | "trait" | "extern") => walk(body.stream(), visit),
            _ => {}
        }
    }
}

/// Visits the functions and `impl`s within the body of a function.
fn functions_within(tokens: TokenStream, visit: &mut dyn FnMut(&Item)) {
    let has_inner = tokens
        .clone()
        .into_iter()
        .any(|tree| word(&tree).is_some_and(|word| ["fn", "impl", "mod"].contains(&word.as_str())));
    if !has_inner {
        return;
    }
    for item in items(tokens).iter().filter(|item| ["fn", "impl"].contains(&item.keyword.as_str()))
    {
        visit(item);
        if let (Some(body), "impl") = (&item.body, item.keyword.as_str()) {
            walk(body.stream(), visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Item> {
        items(text.parse().unwrap())
    }

    fn names(text: &str) -> Vec<String> {
        of(text).iter().map(|item| format!("{} {}", item.keyword, item.name)).collect()
    }

    #[test]
    fn items_have_their_keyword_and_name() {
        let text = "use a::{b, c}; pub(crate) const A: T = if x { 1 } else { 2 }; pub const fn f() {} \
                    #[derive(Debug)] struct S { a: u8 } struct T(u8); mod m; unsafe impl Send for S {} \
                    unsafe extern \"C\" fn g() {} macro_rules! w { () => {} }";
        assert_eq!(
            names(text),
            [
                "use ",
                "const A",
                "fn f",
                "struct S",
                "struct T",
                "mod m",
                "impl ",
                "fn g",
                "macro_rules w"
            ]
        );
    }

    #[test]
    fn tests_are_marked() {
        let text = "#[cfg(test)] mod tests; #[cfg(not(test))] mod a; #[test] fn f() {} \
                    #[cfg(all(test, unix))] mod b; #[tokio::test] async fn g() {} mod c;";
        let tests: Vec<bool> = of(text).iter().map(|item| item.test).collect();
        assert_eq!(tests, [true, false, true, true, true, false]);
    }

    #[test]
    fn a_function_is_as_long_as_its_lines() {
        let mut lengths = Vec::new();
        let text =
            "impl S {\n    /// Doc.\n    fn f(\n        a: u8,\n    ) {\n        g();\n    }\n}\n";
        walk(text.parse().unwrap(), &mut |item| {
            if item.keyword == "fn" {
                lengths.push((item.name.clone(), item.length()));
            }
        });
        assert_eq!(lengths, [("f".to_owned(), 5)]);
    }
}
