//! Signatures of what the relay hands out: sessions of the page, and links. The relay keeps neither; it recognizes them by
//! their signature.
//!
//! A signed text is valid only together with the entry that it was made for. The hash of the entry's token is part of the
//! key, so a new token ends all its sessions and links.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::Sha256;

use super::entry::AccessEntry;

/// Bytes of the secret.
pub const SECRET: usize = 32;
/// Longest signed text, in bytes.
pub const MAX_SIGNED: usize = 512;

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

    /// Creates a signer with a random secret.
    ///
    /// # Errors
    /// Fails if the system has no random numbers.
    pub fn random() -> std::io::Result<Self> {
        let mut secret = [0; SECRET];
        let filled = getrandom(&mut secret, GetRandomFlags::empty())?;
        match filled == SECRET {
            true => Ok(Self { secret }),
            false => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Returns a text with its signature. `purpose`: a text that is signed for one is not valid for another.
    pub fn sign(&self, purpose: &str, entry: &AccessEntry, text: &str) -> String {
        let signature = self.mac(purpose, entry, text).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the text of a signed one, not verified: it names the entry by which it can be.
    pub fn text(signed: &str) -> Option<String> {
        let (text, _) = split(signed)?;
        String::from_utf8(text).ok()
    }

    /// Returns whether a signed text is genuine.
    pub fn is_genuine(&self, purpose: &str, entry: &AccessEntry, signed: &str) -> bool {
        let Some((text, signature)) = split(signed) else { return false };
        let Ok(text) = String::from_utf8(text) else { return false };
        // Compares in a time that does not depend on the content.
        self.mac(purpose, entry, &text).verify_slice(&signature).is_ok()
    }

    fn mac(&self, purpose: &str, entry: &AccessEntry, text: &str) -> Hmac<Sha256> {
        let key = Hmac::<Sha256>::new_from_slice(&self.secret);
        let mut mac = key.expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        // No purpose contains a zero, and a hash has a fixed length.
        mac.update(&[0]);
        mac.update(entry.token.bytes());
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
    use super::super::entry::{Rights, TokenHash};
    use super::*;

    fn entry(token: &str) -> AccessEntry {
        AccessEntry {
            name: "wall".into(),
            token: TokenHash::of(token),
            rights: Rights::VIEW,
            streams: Vec::new(),
            viewers: None,
            publishers: None,
        }
    }

    #[test]
    fn a_signed_text_is_genuine_for_its_purpose_entry_and_secret_only() {
        let signer = Signer::new([7; SECRET]);
        let signed = signer.sign("link", &entry("a-token"), "door, please");
        assert_eq!(Signer::text(&signed).as_deref(), Some("door, please"));
        assert!(signer.is_genuine("link", &entry("a-token"), &signed));
        assert!(!signer.is_genuine("session", &entry("a-token"), &signed));
        assert!(!signer.is_genuine("link", &entry("another"), &signed));
        assert!(!Signer::new([8; SECRET]).is_genuine("link", &entry("a-token"), &signed));
        assert!(!format!("{signer:?}").contains('7'));
    }

    #[test]
    fn no_bit_of_a_signed_text_can_be_changed() {
        let (signer, entry) = (Signer::new([7; SECRET]), entry("a-token"));
        let signed = signer.sign("link", &entry, "view door until 1700000000");
        for at in 0..signed.len() {
            for bit in 0..7 {
                let mut bytes = signed.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(forged) = String::from_utf8(bytes) else { continue };
                assert!(!signer.is_genuine("link", &entry, &forged), "{at}, {bit}: {forged}");
            }
        }
        for bad in ["", ".", "a.b", &"a".repeat(600), &format!("{signed}A"), &signed[1..]] {
            assert!(!signer.is_genuine("link", &entry, bad), "{bad}");
        }
    }
}
