//! Rust: comments everywhere, string literals outside of test code.

use anyhow::Result;

use crate::prose::passage::{self, Origin, Passage};
use crate::rust::comments::{self, Kind};
use crate::rust::{self, literals, test_code};

pub(super) fn passages(path: &str, text: &str) -> Result<Vec<Passage>> {
    let tokens = rust::parse(path, text)?;
    let comments = comments::comments(text, &tokens).into_iter().map(|comment| Passage {
        line: comment.line,
        origin: if comment.kind == Kind::Plain { Origin::Comment } else { Origin::Doc },
        text: comment.text,
    });
    let strings =
        literals::strings(&tokens, &test_code::ranges(&tokens)).into_iter().map(|string| Passage {
            line: string.line,
            origin: Origin::Text,
            text: passage::unescape(&string.text),
        });
    let mut found: Vec<Passage> =
        comments.chain(strings.filter(|string| passage::is_prose(&string.text))).collect();
    found.sort_by_key(|passage| passage.line);
    Ok(found)
}
