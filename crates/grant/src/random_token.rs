//! Tokens made of random bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Random bytes of a token: it cannot be guessed, and its hash reveals nothing.
pub const BYTES: usize = 24;

/// Returns the token of these random bytes. It begins with a letter, because a command line takes `-` for an option.
pub fn of(mut random: [u8; BYTES]) -> String {
    // The first letter encodes the upper six bits: the first half of the alphabet has letters only.
    random[0] &= 0x7f;
    URL_SAFE_NO_PAD.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_begins_with_a_letter_whatever_the_random_bytes_are() {
        for first in 0..=u8::MAX {
            let token = of([first; BYTES]);
            assert!(token.starts_with(|letter: char| letter.is_ascii_alphabetic()), "{token}");
            assert_eq!(token.len(), 32);
        }
    }
}
