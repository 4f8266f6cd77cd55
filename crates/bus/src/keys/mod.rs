//! Keys of the bus: which subscribers a publisher admits over `tcp://`, and which publisher a subscriber accepts.
//!
//! Each program has a CURVE key pair (ZeroMQ RFC 26). A publisher lists the public keys of the subscribers that it allows; a
//! subscriber names the public key of each publisher. Key files are text, so that keys can be copied with an editor.

mod file;
pub(crate) mod z85;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

pub use file::{KeyFileError, MAX_ALLOWED, written};

/// A public key. Displayed as 40 characters of Z85.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; z85::KEY_LENGTH]);

/// A secret key. Never displayed: neither `Display` nor `Debug` prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; z85::KEY_LENGTH]);

/// The two keys of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The key that other programs may know.
    pub public: PublicKey,
    /// The key that stays on this machine.
    pub secret: SecretKey,
}

/// The public keys that a publisher allows, each with a name for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedKeys(HashMap<PublicKey, String>);

/// A text that is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key: a key has {} characters of Z85", z85::TEXT_LENGTH)]
pub struct InvalidKey;

impl PublicKey {
    pub(crate) fn new(bytes: [u8; z85::KEY_LENGTH]) -> Self {
        Self(bytes)
    }

    /// Returns the key of these bytes; `None` if there are not 32 of them.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SecretKey {
    pub(crate) fn new(bytes: [u8; z85::KEY_LENGTH]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AllowedKeys {
    /// Returns the name of an allowed key.
    pub fn name_of(&self, key: &PublicKey) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Returns how many keys are allowed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no key is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(PublicKey, String)> for AllowedKeys {
    fn from_iter<I: IntoIterator<Item = (PublicKey, String)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        z85::decode(text).map(Self).ok_or(InvalidKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&z85::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pairs_differ_and_no_secret_is_printed() {
        let (one, two) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        assert_ne!(one.public, two.public);
        assert_ne!(one.secret, two.secret);
        let shown = format!("{one:?}");
        assert!(shown.contains(&one.public.to_string()), "{shown}");
        assert!(!shown.contains(&z85::encode(&one.secret.0)), "{shown}");
    }

    #[test]
    fn a_printed_public_key_can_be_parsed() {
        let key = KeyPair::generate().unwrap().public;
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("short".parse::<PublicKey>(), Err(InvalidKey));
    }
}
