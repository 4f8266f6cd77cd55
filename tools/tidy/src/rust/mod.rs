//! Rust sources as tokens: comments, string literals, items and paths, without a full parser.

pub mod comments;
pub mod items;
pub mod literals;
pub mod paths;
pub mod test_code;

use anyhow::{Result, anyhow};
use proc_macro2::TokenStream;

/// Returns the tokens of a Rust file.
pub fn parse(path: &str, text: &str) -> Result<TokenStream> {
    text.parse().map_err(|error: proc_macro2::LexError| {
        anyhow!("{path}:{}: cannot be split into Rust tokens: {error}", error.span().start().line)
    })
}
