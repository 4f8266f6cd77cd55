//! Openings of sentences: the words that leave a sentence without a subject.

use super::block::{Block, Kind};
use super::words::{self, Sentence};

/// Question words and relatives that start a sentence without being its subject.
const HEADLESS: &[&str] = &[
    "what",
    "who",
    "whom",
    "whoever",
    "whose",
    "which",
    "whichever",
    "whatever",
    "wherever",
    "how",
    "where",
    "whether",
];

/// Pairs of words that do the same.
const HEADLESS_PAIRS: &[(&str, &[&str])] =
    &[("so", &["long", "many", "much", "few", "far", "often"]), ("that", &["which"])];

/// Words that start a condition, which needs a main clause behind a comma.
const CONDITIONS: &[&str] = &["when", "if", "unless", "because"];

/// Further words with which no doc comment starts: conjunctions, and pronouns without a noun.
const NO_SUBJECT: &[&str] = &[
    "when", "why", "so", "as", "that", "those", "such", "until", "till", "while", "if", "unless",
    "because", "since", "though", "although", "and", "but", "or", "nor", "else", "than", "not",
    "nobody", "somebody",
];

/// Prepositions: the sentence has a subject only if a clause follows after a comma.
const PREPOSITIONS: &[&str] = &[
    "in", "on", "at", "by", "for", "from", "of", "to", "with", "without", "within", "after",
    "before", "under", "over", "above", "below", "beside", "between", "among", "through", "about",
    "into", "out", "up", "down",
];

/// Proper names that look like types.
const PROPER_NAMES: &[&str] =
    &["WebSocket", "WebSockets", "WebCodecs", "JavaScript", "GitHub", "OpenMetrics"];

/// Returns the words with which a sentence starts headlessly, as in "What was sent is kept".
pub(crate) fn headless(block: &Block, sentence: &Sentence<'_>) -> Option<String> {
    let capital =
        sentence.text.trim_start_matches(['*', '_', '(', '"', '“']).starts_with(char::is_uppercase);
    // A fragment within a table is no sentence, nor is the rest of a sentence after an abbreviation.
    if block.kind == Kind::Heading
        || sentence.is_question()
        || (!capital && block.kind == Kind::Cell)
    {
        return None;
    }
    let words = opening(sentence)?;
    let first = words.first()?;
    let fragment = CONDITIONS.contains(&first.as_str()) && !has_main_clause(sentence.text);
    if HEADLESS.contains(&first.as_str()) || fragment {
        return Some(first.clone());
    }
    let second = words.get(1)?;
    let is_pair = HEADLESS_PAIRS
        .iter()
        .any(|(head, tails)| head == first && tails.contains(&second.as_str()));
    is_pair.then(|| format!("{first} {second}"))
}

/// Returns whether a clause follows the condition at the start of a sentence: "When it ends, with the reason" has none.
fn has_main_clause(text: &str) -> bool {
    let Some((_, rest)) = text.split_once(',') else { return false };
    let rest = rest.trim_start();
    let goes_on = ["or ", "with ", "without "].iter().any(|word| rest.starts_with(word));
    !goes_on || rest.contains(',')
}

/// Returns the first words of a doc comment's first sentence when they leave it without a subject.
pub(crate) fn subjectless(block: &Block, sentence: &Sentence<'_>) -> Option<String> {
    if let Some(opening) = headless(block, sentence) {
        return Some(opening);
    }
    let words = opening(sentence)?;
    let first = words.first()?.as_str();
    let fragment = PREPOSITIONS.contains(&first) && !sentence.text.contains(',');
    (NO_SUBJECT.contains(&first) || fragment).then(|| first.into())
}

/// Returns the name of a type with which a sentence starts without code marks: a rename has probably put it in the place
/// of a verb or a noun.
pub(crate) fn type_name(sentence: &Sentence<'_>) -> Option<String> {
    opening(sentence)?;
    let first = words::words(sentence.text).into_iter().next()?;
    let name = &sentence.text[first.start..first.end];
    let is_inner = |window: &[char]| {
        window[0].is_lowercase() && window[1].is_uppercase() && window[2].is_lowercase()
    };
    let letters: Vec<char> = name.chars().collect();
    let is_type = name.starts_with(char::is_uppercase) && letters.windows(3).any(is_inner);
    (is_type && !PROPER_NAMES.contains(&name)).then(|| name.into())
}

/// Returns the first two words of a sentence, or one if a sign follows it; `None` if the sentence starts with code or a
/// sign, or with a compound such as "In-process".
fn opening(sentence: &Sentence<'_>) -> Option<Vec<String>> {
    let words = words::words(sentence.text);
    let first = words.first()?;
    let before = &sentence.text[..first.start];
    if !before.chars().all(|c| c.is_whitespace() || "*_(\"“'…[".contains(c)) {
        return None;
    }
    // "In-process" is an adjective.
    if sentence.text[first.end..].starts_with('-') {
        return None;
    }
    let joined = if first.joins_next { 2 } else { 1 };
    Some(words.iter().take(joined).map(|word| word.text.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, kind: Kind, check: fn(&Block, &Sentence<'_>) -> Option<String>) -> bool {
        let block = Block { line: 1, kind, text: text.into() };
        words::sentences(text).iter().any(|sentence| check(&block, sentence).is_some())
    }

    #[test]
    fn headless_sentences_are_found() {
        for text in [
            "What was sent is kept.",
            "Who dropped it.",
            "One. **Where** a link is slow, it waits.",
            "So many are kept.",
            "how it is",
            "Whether it runs.",
            "That which is kept.",
            "When the frame is damaged.",
            "When it is missing, with the reason.",
            "If no camera matches, or several do.",
        ] {
            assert!(of(text, Kind::Paragraph, headless), "{text}");
        }
    }

    #[test]
    fn questions_headings_and_fragments_pass() {
        for (text, kind) in [
            ("What is a track?", Kind::Paragraph),
            ("How to add a source", Kind::Heading),
            ("what a viewer picks", Kind::Cell),
            ("So the frame is dropped.", Kind::Paragraph),
            ("When it ends, the next one starts.", Kind::Paragraph),
            ("If it ends, or fails, the next one starts.", Kind::Paragraph),
            ("However, it waits. The relay knows what to do.", Kind::Paragraph),
            ("`What` is a type.", Kind::Paragraph),
        ] {
            assert!(!of(text, kind, headless), "{text}");
        }
    }

    #[test]
    fn a_type_in_place_of_a_verb_is_found() {
        let check = |_: &Block, sentence: &Sentence<'_>| type_name(sentence);
        assert!(of("ImplausibleCounts a value.", Kind::Paragraph, check));
        for text in
            ["Counts a value.", "`TrackState` is a type.", "WebSocket frames.", "FFmpeg reads."]
        {
            assert!(!of(text, Kind::Paragraph, check), "{text}");
        }
    }

    #[test]
    fn doc_comments_start_with_a_verb_or_a_noun() {
        for text in [
            "Returns it.",
            "The frame.",
            "`x` of it.",
            "16 frames.",
            "After that, it ends.",
            "In-process bus.",
        ] {
            assert!(!of(text, Kind::Paragraph, subjectless), "{text}");
        }
        for text in [
            "Where it is.",
            "As it came.",
            "If full.",
            "For tests.",
            "Those of a track.",
            "Not yet open.",
        ] {
            assert!(of(text, Kind::Paragraph, subjectless), "{text}");
        }
    }
}
