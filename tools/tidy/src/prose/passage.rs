//! Passages: the texts of a file that a person reads, as the extractors deliver them.

/// Origin of a passage, which decides the rules for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A Markdown file.
    Document,
    /// A Rust doc comment: its first sentence needs a subject or a verb in the third person.
    Doc,
    /// Any other comment.
    Comment,
    /// A string that a program or page shows.
    Text,
}

/// A text with one line for each line of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    pub line: usize,
    pub origin: Origin,
    pub text: String,
}

/// Consecutive words that make a string literal prose; a single word is most often a key.
const PROSE_WORDS: usize = 2;

/// Returns whether a string reads like prose: several words in a row, with single spaces between them.
pub(crate) fn is_prose(text: &str) -> bool {
    let mut run = 0;
    text.split_whitespace().any(|word| {
        let trimmed = word.trim_matches(|c: char| c.is_ascii_punctuation() || c == '…');
        // A placeholder such as `{name}` stands for a word.
        let counts = word.starts_with('{')
            || (!trimmed.is_empty()
                && trimmed.chars().all(|c| c.is_alphabetic() || "'’-".contains(c)));
        run = if counts { run + 1 } else { 0 };
        run >= PROSE_WORDS
    })
}

/// Turns the escapes of a string literal into white space, line by line.
pub(crate) fn unescape(text: &str) -> String {
    text.replace("\\n", "  ")
        .replace("\\t", "  ")
        .replace("\\\"", " \"")
        .replace("\\'", "'")
        .replace("\\\n", " \n")
}
