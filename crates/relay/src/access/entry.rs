//! One entry of the access table: a token, and what a client with it may do.

use fanlight_grant::TokenHash;
use fanlight_protocol::StreamName;

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
