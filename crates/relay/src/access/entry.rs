//! One entry of the access table: a token, and what a client with it may do.

use std::fmt;

use fanlight_protocol::StreamName;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::pattern::StreamPattern;
use crate::error::Error;
use crate::limits::{EntryLimit, EntryPermit};

/// Actions that a client may perform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// View streams, list them and read their metrics.
    pub view: bool,
    /// Publish streams into this relay.
    pub publish: bool,
    /// Change the relay and its streams.
    pub admin: bool,
}

impl Rights {
    /// All rights.
    pub const ALL: Self = Self { view: true, publish: true, admin: true };
    /// Only to view.
    pub const VIEW: Self = Self { view: true, publish: false, admin: false };

    /// Returns those of these rights that `others` include too.
    #[must_use]
    pub fn within(self, others: Self) -> Self {
        Self {
            view: self.view && others.view,
            publish: self.publish && others.publish,
            admin: self.admin && others.admin,
        }
    }
}

/// The SHA-256 digest of a token. The relay keeps no token itself.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Returns the bytes of the hash.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the hash that is written in 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Some(Self(hash))
    }
}

impl PartialEq for TokenHash {
    /// Compares in a time that does not depend on the content.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

/// A token, and what a client with it may do.
#[derive(Debug)]
pub struct AccessEntry {
    /// The name in logs and messages.
    pub name: String,
    /// The token.
    pub token: TokenHash,
    /// The actions that it allows.
    pub rights: Rights,
    /// The streams that it covers.
    pub streams: Vec<StreamPattern>,
    /// The limit on viewers with it, if there is one.
    pub viewers: Option<EntryLimit>,
    /// The limit on streams published with it, if there is one.
    pub publishers: Option<EntryLimit>,
}

impl AccessEntry {
    /// Returns whether the entry covers a stream.
    pub fn covers(&self, stream: &StreamName) -> bool {
        self.streams.iter().any(|pattern| pattern.matches(stream))
    }

    /// Returns whether the entry covers all streams.
    pub fn covers_all(&self) -> bool {
        self.streams.iter().any(StreamPattern::is_all)
    }

    /// Admits one more viewer.
    ///
    /// # Errors
    /// [`Error::TooMany`] if the entry has its most viewers.
    pub fn admit(&self) -> Result<Option<EntryPermit>, Error> {
        let Some(limit) = &self.viewers else { return Ok(None) };
        limit.acquire().map(Some).map_err(|max| {
            let name = &self.name;
            Error::TooMany(format!("{name} may have {max} viewers, and has them already"))
        })
    }

    /// Admits one more publisher.
    ///
    /// # Errors
    /// [`Error::TooMany`] if the entry has its most publishers.
    pub fn admit_publisher(&self) -> Result<Option<EntryPermit>, Error> {
        let Some(limit) = &self.publishers else { return Ok(None) };
        limit.acquire().map(Some).map_err(|max| {
            let name = &self.name;
            Error::TooMany(format!("{name} may publish {max} streams, and does so already"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(max_viewers: Option<usize>) -> AccessEntry {
        AccessEntry {
            name: "wall".into(),
            token: TokenHash::of("s3cr3t-s3cr3t"),
            rights: Rights::VIEW,
            streams: vec!["cam*".parse().unwrap(), "door".parse().unwrap()],
            viewers: max_viewers.map(EntryLimit::new),
            publishers: None,
        }
    }

    #[test]
    fn a_hash_is_that_of_its_token() {
        // `printf s3cr3t-s3cr3t | sha256sum`.
        let hex = "3870eb758a844ff49e442c133ec731c04dd408b91aeddff87994ccb29a814333";
        assert_eq!(TokenHash::from_hex(hex), Some(TokenHash::of("s3cr3t-s3cr3t")));
        assert_eq!(TokenHash::from_hex(&hex.to_uppercase()), TokenHash::from_hex(hex));
        assert!(
            TokenHash::of("a") == TokenHash::of("a") && TokenHash::of("a") != TokenHash::of("b")
        );
        for bad in ["", "5e3a", &"g".repeat(64), &"a".repeat(63), &"ä".repeat(32)] {
            assert!(TokenHash::from_hex(bad).is_none(), "{bad}");
        }
        assert!(!format!("{:?}", TokenHash::of("a")).contains("97"));
    }

    #[test]
    fn an_entry_covers_the_streams_that_it_names() {
        let entry = entry(None);
        assert!(entry.covers(&"cam1".parse().unwrap()) && entry.covers(&"door".parse().unwrap()));
        assert!(!entry.covers(&"garden".parse().unwrap()) && !entry.covers_all());
    }

    #[test]
    fn an_entry_admits_its_most_viewers() {
        let entry = entry(Some(2));
        let first = entry.admit().unwrap();
        let _second = entry.admit().unwrap();
        let refused = entry.admit().unwrap_err().to_string();
        assert!(refused.contains("wall") && refused.contains('2'), "{refused}");
        drop(first);
        assert!(entry.admit().is_ok());
    }
}
