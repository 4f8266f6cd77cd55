//! Patterns of stream names.

use std::fmt;
use std::str::FromStr;

use fanlight_protocol::StreamName;

/// Most characters of a pattern: a name has at most 64, and each may be preceded by a `*`.
const MAX_LENGTH: usize = 129;

/// A stream name in which each `*` stands for any characters, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPattern(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no stream: write a name of a-z, 0-9, '_' and '-', in which * stands for any characters"
)]
pub struct InvalidPattern(String);

impl StreamPattern {
    /// Returns the pattern of all streams.
    pub fn all() -> Self {
        Self("*".into())
    }

    /// Returns whether all names match.
    pub fn is_all(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// Returns whether a name matches.
    pub fn matches(&self, name: &StreamName) -> bool {
        let name = name.as_str();
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The leftmost match of each part leaves most for the next ones.
        for part in middle.split('*') {
            match name.find(part) {
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        name.ends_with(end)
    }
}

impl FromStr for StreamPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let is_known = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '*');
        match !text.is_empty() && text.len() <= MAX_LENGTH && text.chars().all(is_known) {
            true => Ok(Self(text.into())),
            false => Err(InvalidPattern(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for StreamPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<StreamPattern>().unwrap().matches(&name.parse().unwrap())
    }

    #[test]
    fn a_star_stands_for_any_characters_or_none() {
        for (pattern, matching, other) in [
            ("door", &["door"][..], &["door2", "doo", "front-door"][..]),
            ("cam*", &["cam", "cam1", "cam-9"], &["acam", "ca"]),
            ("*-door", &["a-door", "back-door"], &["door", "a-door-1"]),
            ("a*c", &["ac", "abc", "abcbc"], &["ab", "c", "a"]),
            ("a*b*c", &["abc", "axbxc", "abbc"], &["acb", "ab", "ac"]),
            ("*b*", &["b", "abc"], &["ac"]),
            ("aa*aa", &["aaaa", "aabaa"], &["aaa", "aa"]),
            ("*", &["x", "anything"], &[]),
            ("**", &["x"], &[]),
        ] {
            assert!(matching.iter().all(|name| matches(pattern, name)), "{pattern}");
            assert!(!other.iter().any(|name| matches(pattern, name)), "{pattern}");
        }
    }

    #[test]
    fn only_stars_match_all() {
        let is_all = |text: &str| text.parse::<StreamPattern>().unwrap().is_all();
        assert!(is_all("*") && is_all("**") && StreamPattern::all().is_all());
        assert!(!is_all("a*") && !is_all("a"));
    }

    #[test]
    fn a_pattern_has_the_characters_of_a_name() {
        for bad in ["", "Cam", "cam 1", "cam?", "../x", "ü", &"a".repeat(130)] {
            assert!(bad.parse::<StreamPattern>().is_err(), "{bad}");
        }
    }

    /// The definition, tried at each position.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern {
            [] => name.is_empty(),
            [b'*', rest @ ..] => (0..=name.len()).any(|at| by_definition(rest, &name[at..])),
            [byte, rest @ ..] => name.first() == Some(byte) && by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn every_pattern_matches_by_the_definition(pattern in "[ab*]{1,7}", name in "[ab]{1,8}") {
            let expected = by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(matches(&pattern, &name), expected);
        }
    }
}
