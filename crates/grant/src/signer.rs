//! Signatures of what stands for a token: sessions of the page, and links. Relays keep neither; they recognize them by their
//! signature.
//!
//! A signed text is valid only together with the token that it was made for. The hash of that token is signed too, so a new
//! token ends all its sessions and links.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use crate::token_hash::TokenHash;

/// Bytes of the secret.
pub const SECRET: usize = 32;
/// Most bytes of a file with a secret: more is another file.
const MAX_SECRET_FILE: usize = 4096;
/// Longest signed text, in bytes.
pub const MAX_SIGNED: usize = 512;

/// The number of bytes in a file that holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{SECRET} to {MAX_SECRET_FILE} bytes; this one has {0}")]
pub struct InvalidSecret(usize);

/// Signs and recognizes texts by a secret.
#[derive(Clone)]
pub struct Signer {
    secret: [u8; SECRET],
}

impl Signer {
    /// Creates a signer with this secret.
    pub fn new(secret: [u8; SECRET]) -> Self {
        Self { secret }
    }

    /// Creates a signer with the secret in a file with these bytes, at least 32 of them. Relays that accept each other's links
    /// have the same file.
    ///
    /// # Errors
    /// Fails if they are too few, or too many for a secret.
    pub fn of_file(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        match (SECRET..=MAX_SECRET_FILE).contains(&bytes.len()) {
            true => Ok(Self::new(Sha256::digest(bytes).into())),
            false => Err(InvalidSecret(bytes.len())),
        }
    }

    /// Returns a text with its signature. `purpose`: a text that is signed for one is not valid for another.
    pub fn sign(&self, purpose: &str, token: &TokenHash, text: &str) -> String {
        let signature = self.mac(purpose, token, text).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the text of a signed one, not verified: it names the token by which it can be.
    pub fn text(signed: &str) -> Option<String> {
        let (text, _) = split(signed)?;
        String::from_utf8(text).ok()
    }

    /// Returns whether a signed text is genuine.
    pub fn is_genuine(&self, purpose: &str, token: &TokenHash, signed: &str) -> bool {
        let Some((text, signature)) = split(signed) else { return false };
        let Ok(text) = String::from_utf8(text) else { return false };
        // Compares in a time that does not depend on the content.
        self.mac(purpose, token, &text).verify_slice(&signature).is_ok()
    }

    fn mac(&self, purpose: &str, token: &TokenHash, text: &str) -> Hmac<Sha256> {
        let key = Hmac::<Sha256>::new_from_slice(&self.secret);
        let mut mac = key.expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        // No purpose contains a zero, and a hash has a fixed length.
        mac.update(&[0]);
        mac.update(token.bytes());
        mac.update(text.as_bytes());
        mac
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// Returns text and signature of a signed text.
fn split(signed: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (text, signature) = signed.split_once('.').filter(|_| signed.len() <= MAX_SIGNED)?;
    Some((URL_SAFE_NO_PAD.decode(text).ok()?, URL_SAFE_NO_PAD.decode(signature).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(token: &str) -> TokenHash {
        TokenHash::of(token)
    }

    #[test]
    fn a_signed_text_is_genuine_for_its_purpose_entry_and_secret_only() {
        let signer = Signer::new([7; SECRET]);
        let signed = signer.sign("link", &token("a-token"), "door, please");
        assert_eq!(Signer::text(&signed).as_deref(), Some("door, please"));
        assert!(signer.is_genuine("link", &token("a-token"), &signed));
        assert!(!signer.is_genuine("session", &token("a-token"), &signed));
        assert!(!signer.is_genuine("link", &token("another"), &signed));
        assert!(!Signer::new([8; SECRET]).is_genuine("link", &token("a-token"), &signed));
        assert!(!format!("{signer:?}").contains('7'));
    }

    #[test]
    fn no_bit_of_a_signed_text_can_be_changed() {
        let (signer, token) = (Signer::new([7; SECRET]), token("a-token"));
        let signed = signer.sign("link", &token, "view door until 1700000000");
        for at in 0..signed.len() {
            for bit in 0..7 {
                let mut bytes = signed.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(forged) = String::from_utf8(bytes) else { continue };
                assert!(!signer.is_genuine("link", &token, &forged), "{at}, {bit}: {forged}");
            }
        }
        for bad in ["", ".", "a.b", &"a".repeat(600), &format!("{signed}A"), &signed[1..]] {
            assert!(!signer.is_genuine("link", &token, bad), "{bad}");
        }
    }

    #[test]
    fn a_file_of_32_to_4096_bytes_is_a_secret() {
        let (one, other) =
            (Signer::of_file(&[1; 32]).unwrap(), Signer::of_file(&[2; 4096]).unwrap());
        let signed = one.sign("link", &token("a-token"), "door");
        assert!(one.is_genuine("link", &token("a-token"), &signed));
        assert!(!other.is_genuine("link", &token("a-token"), &signed));
        for length in [0, 31, 4097] {
            let refused = Signer::of_file(&vec![0; length]).unwrap_err().to_string();
            assert!(refused.contains("32 to 4096") && refused.contains(&length.to_string()));
        }
    }
}
