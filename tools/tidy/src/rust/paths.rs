//! Paths of a Rust file: its `use` declarations, and paths in the code.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One name that a `use` declaration brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub path: Vec<String>,
    /// Name under which it is known here; `*` for all names.
    pub name: String,
    pub line: usize,
}

/// A path in a `use` declaration, or one of two or more segments in code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

/// Returns the names that the tokens after `use` bring in.
pub fn imports(tree: &[TokenTree]) -> Vec<Import> {
    let mut found = Vec::new();
    branch(tree, &[], &mut found);
    found
}

fn branch(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut line = 0;
    for (index, tree) in tokens.iter().enumerate() {
        line = tree.span().start().line;
        match tree {
            TokenTree::Ident(ident) if *ident == "as" => {
                name = tokens.get(index + 1).map(ToString::to_string);
                break;
            }
            TokenTree::Ident(ident) => path.push(ident.to_string()),
            TokenTree::Punct(star) if star.as_char() == '*' => name = Some("*".to_owned()),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|tree| is_punct(tree, ',')).filter(|part| !part.is_empty())
                {
                    branch(part, &path, found);
                }
                return;
            }
            _ => {}
        }
    }
    // `a::{self}` brings in `a`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(last) = path.last().cloned() {
        found.push(Import { path, name: name.unwrap_or(last), line });
    }
}

fn is_punct(tree: &TokenTree, c: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// Returns all paths in `use` declarations and in code; visibilities are left out.
pub fn paths(tokens: &TokenStream) -> Vec<Path> {
    let mut found = Vec::new();
    collect(&tokens.clone().into_iter().collect::<Vec<_>>(), &mut found);
    found
}

fn collect(tokens: &[TokenTree], found: &mut Vec<Path>) {
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            TokenTree::Ident(word) if *word == "use" => declaration(after, found),
            TokenTree::Ident(word) if *word == "pub" => skip_scope(after),
            TokenTree::Ident(word) => {
                let (segments, after) = path_at(rest);
                if segments.len() > 1 {
                    found.push(Path { segments, line: word.span().start().line });
                }
                after
            }
            TokenTree::Group(group) => {
                collect(&group.stream().into_iter().collect::<Vec<_>>(), found);
                after
            }
            // The end of a path with generic arguments, as in `Vec::<u8>::with_capacity`.
            TokenTree::Punct(_) if is_separator(rest) => match rest.get(2) {
                Some(TokenTree::Ident(_)) => path_at(&rest[2..]).1,
                _ => &rest[2..],
            },
            _ => after,
        };
    }
}

/// Adds the paths of a declaration whose `use` was read; returns the tokens after it.
fn declaration<'a>(tokens: &'a [TokenTree], found: &mut Vec<Path>) -> &'a [TokenTree] {
    // `use<'a>` captures lifetimes.
    if tokens.first().is_some_and(|next| is_punct(next, '<')) {
        return tokens;
    }
    let end = tokens.iter().position(|tree| is_punct(tree, ';')).unwrap_or(tokens.len());
    let imports = imports(&tokens[..end]).into_iter();
    found.extend(imports.map(|import| Path { segments: import.path, line: import.line }));
    &tokens[end..]
}

/// Skips the scope of a `pub(in …)`.
fn skip_scope(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [TokenTree::Group(group), after @ ..] if group.delimiter() == Delimiter::Parenthesis => {
            after
        }
        _ => tokens,
    }
}

/// Returns the path that starts with the first token, and the tokens after it.
fn path_at(tokens: &[TokenTree]) -> (Vec<String>, &[TokenTree]) {
    let mut segments = vec![tokens[0].to_string()];
    let mut rest = &tokens[1..];
    while is_separator(rest)
        && let Some(TokenTree::Ident(next)) = rest.get(2)
    {
        segments.push(next.to_string());
        rest = &rest[3..];
    }
    (segments, rest)
}

/// Returns whether tokens start with `::`.
fn is_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_punct(first, ':') && is_punct(second, ':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust::items;

    #[test]
    fn a_use_is_split_into_its_names() {
        let text = "pub use crate::a::{self, b::C, d::*, e as f};";
        let item = items::items(text.parse().unwrap()).remove(0);
        let names: Vec<String> = imports(&item.head)
            .iter()
            .map(|import| format!("{}={}", import.name, import.path.join("::")))
            .collect();
        assert_eq!(names, ["a=crate::a", "C=crate::a::b::C", "*=crate::a::d", "f=crate::a::e"]);
    }

    #[test]
    fn paths_in_code_are_found() {
        let text = "fn h() -> impl A + use<'_> { if a { use x::{y, z}; } } pub(in crate::z) fn f(a: crate::a::B) { super::c(); self.d; T::<e::F>::g(); m!(h::i) } #[arg(parse = j::k)] struct S(::l::m);";
        let found: Vec<String> =
            paths(&text.parse().unwrap()).iter().map(|path| path.segments.join("::")).collect();
        assert_eq!(found, ["x::y", "x::z", "crate::a::B", "super::c", "e::F", "h::i", "j::k"]);
    }
}
