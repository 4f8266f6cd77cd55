//! Words in places where they do not belong.

use super::rule::WordRule;
use super::{Mode, UNMATCHED, WORD};
use crate::code;
use crate::files::File;
use crate::finding::Finding;
use crate::places;
use crate::repository::Repository;

/// Returns the hits of one rule; in strict mode also a finding for each place that holds no file.
pub(super) fn check(rule: &WordRule, repository: &Repository, mode: Mode) -> Vec<Finding> {
    let files = &repository.files;
    let exempt = |file: &File| {
        rule.except.iter().any(|place| places::holds(place, &file.path))
            || (rule.tests_may && repository.is_test(file))
    };
    let mut found = Vec::new();
    for place in rule.places {
        let mut inside = files.iter().filter(|file| places::holds(place, &file.path)).peekable();
        if mode.is_strict() && inside.peek().is_none() {
            found.push(unmatched(place, rule));
        }
        found.extend(inside.filter(|file| !exempt(file)).flat_map(|file| hits(rule, file)));
    }
    found
}

fn unmatched(place: &str, rule: &WordRule) -> Finding {
    let detail = format!("no file lies here, yet a rule says: {}", rule.reason);
    Finding { file: place.into(), line: 0, rule: UNMATCHED, detail, excerpt: String::new() }
}

/// Returns one finding for each word that occurs in a file, at its first place.
fn hits(rule: &WordRule, file: &File) -> Vec<Finding> {
    let text = code::of(file, rule.tests_may);
    let of_word = |word: &&str| {
        let mut lines = text.lines().zip(1..).filter(|(text, _)| mentions(text, word));
        let (text, line) = lines.next()?;
        let more = match lines.count() {
            0 => String::new(),
            count => format!(" ({count} more in this file)"),
        };
        Some(Finding {
            file: file.path.clone(),
            line,
            rule: WORD,
            detail: format!("`{word}` does not belong here{more}: {}", rule.reason),
            excerpt: text.trim().into(),
        })
    };
    rule.words.iter().filter_map(of_word).collect()
}

/// Returns whether a line holds a word; a module of the crate may have the name of a library.
fn mentions(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !["crate::", "super::", "self::"].iter().any(|prefix| line[..at].ends_with(prefix))
    })
}
