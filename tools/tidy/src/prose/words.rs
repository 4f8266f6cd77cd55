//! Words and sentences of a block.

/// A word with its place in the block's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub start: usize,
    pub end: usize,
    /// The word in lower case.
    pub text: String,
    /// Nothing but white space and emphasis stands between the word and the next one.
    pub joins_next: bool,
}

impl Word {
    /// Returns the word without a possessive ending.
    pub(crate) fn stem(&self) -> &str {
        let text = self.text.as_str();
        text.strip_suffix("'s").or_else(|| text.strip_suffix("’s")).unwrap_or(text)
    }
}

/// Returns the words of a text: letters, digits, apostrophes and underscores.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut start = None;
    let boundary = std::iter::once((text.len(), ' '));
    for (at, c) in text.char_indices().chain(boundary) {
        match (is_word(c), start) {
            (true, None) => start = Some(at),
            (false, Some(begin)) => {
                let text = text[begin..at].to_lowercase();
                found.push(Word { start: begin, end: at, text, joins_next: false });
                start = None;
            }
            _ => {}
        }
    }
    for index in 1..found.len() {
        let between = &text[found[index - 1].end..found[index].start];
        found[index - 1].joins_next =
            between.chars().all(|c| c.is_whitespace() || "*_".contains(c))
                && between.contains(char::is_whitespace);
    }
    found
}

/// Digits and underscores belong to names, which are no words of prose but end none either.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\'' || c == '’' || c == '_'
}

/// A sentence with its place in the block's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sentence<'a> {
    pub start: usize,
    pub text: &'a str,
}

impl Sentence<'_> {
    pub(crate) fn is_question(&self) -> bool {
        self.text.trim_end_matches([')', '"', '*', '_', ' ', '\n']).ends_with('?')
    }
}

/// Splits a text into sentences: at a full stop, question or exclamation mark before a capital letter, a digit, an
/// opening mark or code.
pub(crate) fn sentences(text: &str) -> Vec<Sentence<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    for (index, (at, c)) in chars.iter().enumerate() {
        if !".!?".contains(*c) || is_abbreviation(&text[..*at]) {
            continue;
        }
        let after = chars[index + 1..].iter().skip_while(|(_, c)| ")\"'*_”".contains(*c));
        let mut after = after.peekable();
        if !after.peek().is_some_and(|(_, c)| c.is_whitespace()) {
            continue;
        }
        let next = after.find(|(_, c)| !c.is_whitespace());
        if let Some((next, _)) = next.filter(|(_, c)| begins_sentence(*c)) {
            found.push(Sentence { start, text: text[start..*next].trim_end() });
            start = *next;
        }
    }
    found.push(Sentence { start, text: text[start..].trim_end() });
    found
}

fn begins_sentence(c: char) -> bool {
    c.is_uppercase() || c.is_ascii_digit() || "`*_(\"“[·{".contains(c)
}

fn is_abbreviation(before: &str) -> bool {
    ["e.g", "i.e", "etc", "vs", "cf", "approx"].iter().any(|short| before.ends_with(short))
}

/// Returns the number of lines before a place in the text.
pub(crate) fn lines_before(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count()
}

/// Collapses white space, and code that was blanked out.
pub(crate) fn collapse(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    while out.contains("··") {
        out = out.replace("··", "·");
    }
    out.replace('·', "`…`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_before_a_capital_letter() {
        let found = sentences("One (e.g. this). Two 1.5 s\nlong? `a` three.\nfour");
        let texts: Vec<&str> = found.iter().map(|sentence| sentence.text).collect();
        assert_eq!(texts, ["One (e.g. this).", "Two 1.5 s\nlong?", "`a` three.\nfour"]);
        assert!(found[1].is_question());
    }

    #[test]
    fn words_know_what_follows_them() {
        let found = words("At **once**, so-long its");
        let joins: Vec<(&str, bool)> =
            found.iter().map(|word| (word.text.as_str(), word.joins_next)).collect();
        assert_eq!(
            joins,
            [("at", true), ("once", false), ("so", false), ("long", true), ("its", false)]
        );
    }
}
