//! The hash of a token.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 digest of a token. Relays keep no token itself.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Returns the bytes of the hash.
    pub(crate) fn bytes(&self) -> &[u8] {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
