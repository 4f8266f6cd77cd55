//! Banned phrases, each with its replacement.

use super::words::Word;

/// A phrase that plain English does not need.
#[derive(Debug)]
pub(crate) struct Banned {
    /// Words in a row; `|` separates alternatives.
    phrase: &'static [&'static str],
    pub instead: &'static str,
    context: Context,
}

/// Surroundings on which a hit depends.
#[derive(Debug)]
enum Context {
    Any,
    /// No hit before one of these words.
    NotBefore(&'static [&'static str]),
    /// No hit after one of these words.
    NotAfter(&'static [&'static str]),
    /// No hit before a further word of the same sentence, unless it is one of these.
    OnlyBefore(&'static [&'static str]),
    /// A hit only within this many words of one of these.
    Near(usize, &'static [&'static str]),
}

const fn ban(phrase: &'static [&'static str], instead: &'static str) -> Banned {
    Banned { phrase, instead, context: Context::Any }
}

const fn ban_in(
    phrase: &'static [&'static str],
    instead: &'static str,
    context: Context,
) -> Banned {
    Banned { phrase, instead, context }
}

pub(crate) const BANNED: &[Banned] = &[
    ban(&["anew"], "again, re-…"),
    // `late` is also an adjective: "the number of late frames".
    ban_in(
        &["of", "late"],
        "recent, recently",
        Context::OnlyBefore(&[
            "is", "are", "was", "were", "has", "have", "had", "and", "but", "or", "that", "it",
        ]),
    ),
    ban(&["so", "long"], "for this duration"),
    ban(&["so", "many|much"], "this many, up to N"),
    ban(&["likewise"], "the same way"),
    ban(&["is|are|was|were|be|been|being", "told"], "is notified, is reported"),
    ban(&["tells|told"], "reports, returns whether"),
    ban(&["let|lets|letting", "go", "of"], "releases, drops"),
    ban(&["come|comes|came|coming", "back"], "returns, reconnects"),
    ban(&["want|wants|wanted|wanting"], "needs, requires"),
    // "Goes on the bus" is a place.
    ban_in(
        &["go|goes|went|going|gone", "on"],
        "continues",
        Context::NotBefore(&["the", "a", "an", "top", "its", "one", "each", "this", "that"]),
    ),
    ban(&["whoever|whomever|whosoever"], "name the actor: a new viewer, the caller"),
    ban(&["is|are|was|were", "to", "be"], "must be, will be"),
    ban(&["at", "once"], "immediately, at the same time"),
    ban_in(
        &["carry|carries|carried|carrying"],
        "sustains",
        Context::Near(5, &["link", "links", "connection", "connections", "network"]),
    ),
    ban(&["wish|wishes|wished|wishing"], "option, request"),
    ban(&["meanwhile"], "until then"),
];

/// Words that hide the actor of a sentence.
pub(crate) const ACTORS: &[Banned] = &[
    ban(
        &["nobody|somebody|everybody|anybody"],
        "name the actor: viewer, relay, capture, decoder, kernel",
    ),
    ban(&["someone|anyone|everyone", "who|that|else"], "name the actor"),
    ban(&["those", "who"], "name the actors"),
    ban_in(&["one|ones", "who"], "name the actor", Context::NotAfter(&["no"])),
    ban(&["no", "one", "who|that"], "name the actor"),
    ban(&["he|him|his|she|hers"], "name the actor"),
];

impl Banned {
    /// Returns the index of the phrase's last word if the phrase starts at the given word.
    pub(crate) fn ends_at(&self, words: &[Word], first: usize) -> Option<usize> {
        let last = first + self.phrase.len() - 1;
        let matches = self.phrase.iter().enumerate().all(|(offset, alternatives)| {
            words.get(first + offset).is_some_and(|word| {
                alternatives.split('|').any(|text| text == word.stem())
                    && (first + offset == last || word.joins_next)
            })
        });
        (matches && self.applies(words, first, last)).then_some(last)
    }

    fn applies(&self, words: &[Word], first: usize, last: usize) -> bool {
        let next =
            words.get(last + 1).filter(|_| words[last].joins_next).map(|word| word.text.as_str());
        let previous = first.checked_sub(1).map(|at| words[at].text.as_str());
        match &self.context {
            Context::Any => true,
            Context::NotBefore(list) => next.is_none_or(|word| !list.contains(&word)),
            Context::NotAfter(list) => previous.is_none_or(|word| !list.contains(&word)),
            Context::OnlyBefore(list) => next.is_none_or(|word| list.contains(&word)),
            Context::Near(distance, list) => {
                let around =
                    first.saturating_sub(*distance)..(last + distance + 1).min(words.len());
                words[around].iter().any(|word| list.contains(&word.text.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn hits(text: &str) -> usize {
        let words = words(text);
        let starts = 0..words.len();
        starts
            .filter(|at| BANNED.iter().chain(ACTORS).any(|ban| ban.ends_at(&words, *at).is_some()))
            .count()
    }

    #[test]
    fn each_phrase_is_found_in_its_forms() {
        for text in [
            "It starts anew.",
            "Frames sent of late, and others.",
            "It waits so\nlong that it ends.",
            "So many frames fit.",
            "So much is sent.",
            "Likewise the relay.",
            "A viewer is told so.",
            "The header tells the size.",
            "It lets go of the lock.",
            "The camera comes back.",
            "The viewer wants a keyframe.",
            "The relay goes on without.",
            "Whoever comes later.",
            "It is whoever's turn.",
            "It is to be closed.",
            "It ends **at once**.",
            "The newest frame its link can carry.",
            "The viewer's wishes.",
            "Meanwhile, it waits.",
            "Nobody watches.",
            "Those who watch.",
            "When he watches.",
        ] {
            assert!(hits(text) > 0, "{text}");
        }
    }

    #[test]
    fn good_phrases_pass() {
        for text in [
            "The number of late frames, instead of late joiners.",
            "The frame goes on the bus.",
            "A message carries one frame.",
            "It exists once at most.",
            "As long as the link lasts.",
            "Only one of them is sent.",
            "The want-list is empty, so-long.",
        ] {
            assert_eq!(hits(text), usize::from(text.contains("want-list")), "{text}");
        }
    }
}
