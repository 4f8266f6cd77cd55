//! Denied requests, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why access was denied. It travels with the answer as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// A header on which access depends cannot be read or comes twice.
    Malformed,
    /// The relay was addressed by a name that is not its own.
    Host,
    /// A page of another origin asked.
    Origin,
    /// No token was shown.
    NoToken,
    /// A wrong token was shown.
    WrongToken,
    /// Too many wrong tokens came from this address: the one shown was not compared.
    TooMany,
}

impl Denied {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Malformed, Self::Host, Self::Origin, Self::NoToken, Self::WrongToken, Self::TooMany];

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Host => "host",
            Self::Origin => "origin",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::TooMany => "too_many",
        }
    }
}

/// Denied requests since the relay started.
#[derive(Debug, Default)]
pub struct Denials([AtomicU64; Denied::ALL.len()]);

impl Denials {
    /// Counts one.
    pub fn count(&self, denied: Denied) {
        self.0[denied as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many requests were denied for this reason.
    pub fn read(&self, denied: Denied) -> u64 {
        self.0[denied as usize].load(Ordering::Relaxed)
    }
}
