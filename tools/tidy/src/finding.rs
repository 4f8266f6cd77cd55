//! One violation of a rule, with its place.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub file: String,
    /// Counted from 1; 0 for findings about a whole file or crate.
    pub line: usize,
    pub rule: &'static str,
    /// Describes the violation: the matched words and their replacement.
    pub detail: String,
    /// Quotes the sentence or code line, with white space collapsed.
    pub excerpt: String,
}

/// Longest excerpt that is printed; the allow-list compares with the whole.
const PRINTED_EXCERPT: usize = 140;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.rule, self.detail)?;
        if self.excerpt.is_empty() {
            return Ok(());
        }
        let short: String = self.excerpt.chars().take(PRINTED_EXCERPT).collect();
        let more = if short.len() < self.excerpt.len() { "…" } else { "" };
        write!(f, ": {short}{more}")
    }
}
