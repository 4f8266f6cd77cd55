//! A client as the access rules know it.

use std::sync::Arc;

use fanlight_grant::Link;
use fanlight_protocol::{StreamName, Timestamp};

use super::Action;
use super::entry::{AccessEntry, Rights};
use super::grant::{self, Session};
use crate::error::Error;
use crate::limits::EntryPermit;
use crate::stats::labels::DenialReason;

/// A client as the access rules know it, and so what it may do.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A client of a relay without a table. These rights concern all streams.
    Anyone(Rights),
    /// A client with the token of an entry, or with a session of it.
    Entry {
        /// The entry.
        entry: Arc<AccessEntry>,
        /// The session.
        session: Option<Session>,
    },
    /// A client with a link.
    Link {
        /// The entry that made the link.
        entry: Arc<AccessEntry>,
        /// The link.
        link: Link,
    },
}

impl Identity {
    /// Checks whether the client may perform an action, on this stream if it concerns one.
    ///
    /// # Errors
    /// [`Error::Denied`] if it may not.
    pub fn check(&self, action: Action, stream: Option<&StreamName>) -> Result<(), Error> {
        if !action.is_allowed_by(self.rights()) {
            let message = match self {
                Self::Anyone(_) => {
                    format!("{} needs a token: see --token and [[access]]", action.as_str())
                }
                Self::Entry { entry, .. } => {
                    format!("{} is not allowed to {:?}", action.as_str(), entry.name)
                }
                Self::Link { .. } => format!("{} is not allowed by this link", action.as_str()),
            };
            return Err(Error::denied(DenialReason::Action, message));
        }
        match stream {
            Some(stream) if !self.sees(stream) => {
                let what = if matches!(self, Self::Link { .. }) { "link" } else { "token" };
                let message = format!("this {what} is not for the stream {stream}");
                Err(Error::denied(DenialReason::Stream, message))
            }
            _ => Ok(()),
        }
    }

    fn rights(&self) -> Rights {
        match self {
            Self::Anyone(rights) => *rights,
            Self::Entry { entry, .. } => entry.rights,
            Self::Link { entry, link } => grant::rights(link.right).within(entry.rights),
        }
    }

    /// Returns the end of the client's validity, if there is one.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Anyone(_) => None,
            Self::Entry { session, .. } => session.map(|session| session.expires),
            Self::Link { link, .. } => Some(link.expires),
        }
    }

    /// Returns whether the client may know of a stream.
    pub fn sees(&self, stream: &StreamName) -> bool {
        match self {
            Self::Anyone(_) => true,
            Self::Entry { entry, .. } => entry.covers(stream),
            Self::Link { entry, link } => link.stream == *stream && entry.covers(stream),
        }
    }

    /// Returns whether the client may know of all streams, and so of where they come from.
    pub fn sees_everything(&self) -> bool {
        match self {
            Self::Anyone(_) => true,
            Self::Entry { entry, .. } => entry.covers_all(),
            Self::Link { .. } => false,
        }
    }

    /// Admits the client as a viewer of its entry.
    ///
    /// # Errors
    /// [`Error::TooMany`] if its entry has its most viewers.
    pub fn admit(&self) -> Result<Option<EntryPermit>, Error> {
        match self {
            Self::Anyone(_) => Ok(None),
            Self::Entry { entry, .. } | Self::Link { entry, .. } => entry.admit(),
        }
    }

    /// Admits the client as a publisher of its entry.
    ///
    /// # Errors
    /// [`Error::TooMany`] if its entry has its most publishers.
    pub fn admit_publisher(&self) -> Result<Option<EntryPermit>, Error> {
        match self {
            Self::Anyone(_) => Ok(None),
            Self::Entry { entry, .. } | Self::Link { entry, .. } => entry.admit_publisher(),
        }
    }

    /// Returns the name of its entry, for the log.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Anyone(_) => None,
            Self::Entry { entry, .. } | Self::Link { entry, .. } => Some(&entry.name),
        }
    }
}
