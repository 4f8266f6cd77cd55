//! Z85, the text form of keys (ZeroMQ RFC 32): 32 bytes as 40 printable characters.
//!
//! ZeroMQ's own decoder accepts characters outside of the alphabet; this one rejects them.

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Length of a key as text.
pub(crate) const TEXT_LENGTH: usize = 40;
/// Length of a key in bytes.
pub(crate) const KEY_LENGTH: usize = 32;

pub(crate) fn encode(key: &[u8; KEY_LENGTH]) -> String {
    let mut text = String::with_capacity(TEXT_LENGTH);
    for word in key.chunks_exact(4) {
        let value = word.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
        for power in (0..5).rev() {
            text.push(char::from(ALPHABET[(value / 85u32.pow(power) % 85) as usize]));
        }
    }
    text
}

/// Decodes a key. Returns `None` if the text has another length, or contains a character or number that is not Z85.
pub(super) fn decode(text: &str) -> Option<[u8; KEY_LENGTH]> {
    let text = text.as_bytes();
    if text.len() != TEXT_LENGTH {
        return None;
    }
    let mut key = [0; KEY_LENGTH];
    for (word, digits) in key.chunks_exact_mut(4).zip(text.chunks_exact(5)) {
        let value = digits.iter().try_fold(0u32, |value, digit| {
            let digit = ALPHABET.iter().position(|known| known == digit)?;
            value.checked_mul(85)?.checked_add(digit as u32)
        })?;
        word.copy_from_slice(&value.to_be_bytes());
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_decodes_to_what_was_encoded(key in any::<[u8; KEY_LENGTH]>()) {
            prop_assert_eq!(decode(&encode(&key)), Some(key));
        }

        #[test]
        fn a_text_that_decodes_is_the_encoding_of_its_key(text in ".{0,50}") {
            if let Some(key) = decode(&text) {
                prop_assert_eq!(encode(&key), text);
            }
        }
    }

    #[test]
    fn rejects_other_lengths_other_characters_and_numbers_that_overflow() {
        let good = encode(&[0xa5; KEY_LENGTH]);
        assert!(decode(&good).is_some());
        assert!(decode(&good[1..]).is_none());
        assert!(decode(&good.replacen(&good[..1], "~", 1)).is_none());
        assert!(decode(&"#".repeat(TEXT_LENGTH)).is_none());
    }
}
