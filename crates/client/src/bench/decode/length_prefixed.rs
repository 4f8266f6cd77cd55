//! Messages with a length prefix of four bytes, big-endian: the protocol of a server that does nothing but send.

use super::{Begin, MAX_MESSAGE, Step, Violation, take_front};

/// Size of the prefix.
pub const HEAD: usize = 4;

/// Decoder for these messages.
#[derive(Debug, Default)]
pub struct LengthPrefixed {
    head: [u8; HEAD],
    have: usize,
    /// Bytes left of the payload, after the prefix is complete.
    left: Option<u64>,
}

impl LengthPrefixed {
    /// See [`Decoder::step`](super::Decoder::step).
    ///
    /// # Errors
    /// Fails if the length is implausible.
    pub fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        match self.left {
            Some(0) => {
                *self = Self::default();
                Ok(Some(Step::End { excess: 0 }))
            }
            _ if bytes.is_empty() => Ok(None),
            Some(left) => {
                let payload = take_front(bytes, left);
                self.left = Some(left - payload.len() as u64);
                Ok(Some(Step::Bytes(payload)))
            }
            None => self.head(bytes),
        }
    }

    /// See [`Decoder::ahead`](super::Decoder::ahead).
    pub fn ahead(&self) -> u64 {
        self.left.unwrap_or(0)
    }

    /// See [`Decoder::skip`](super::Decoder::skip).
    pub fn skip(&mut self, bytes: u64) {
        self.left = self.left.map(|left| left.saturating_sub(bytes));
    }

    fn head<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        let part = take_front(bytes, (HEAD - self.have) as u64);
        self.head[self.have..self.have + part.len()].copy_from_slice(part);
        self.have += part.len();
        if self.have < HEAD {
            return Ok(None);
        }
        let length = u64::from(u32::from_be_bytes(self.head));
        if length > MAX_MESSAGE {
            return Err(Violation::TooLong(length));
        }
        self.left = Some(length);
        Ok(Some(Step::Begin(Begin::default())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Decoder;
    use super::super::testing::{Seen, decode};
    use super::*;

    fn decoder() -> Decoder {
        Decoder::LengthPrefixed(LengthPrefixed::default())
    }

    #[test]
    fn an_absurd_length_is_refused() {
        let seen = decode(decoder(), b"HTTP/1.1 400", &[3], false);
        assert_eq!(seen, [Seen::Violation(Violation::TooLong(0x4854_5450))]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_messages(
            messages in prop::collection::vec(prop::collection::vec(1u8.., 0..40), 0..6),
            sizes in prop::collection::vec(1usize..50, 1..8),
            skip: bool,
        ) {
            let mut bytes = Vec::new();
            for message in &messages {
                bytes.extend((message.len() as u32).to_be_bytes());
                bytes.extend(message);
            }
            let seen = decode(decoder(), &bytes, &sizes, skip);
            prop_assert_eq!(seen.len(), messages.len());
            for (seen, message) in seen.iter().zip(&messages) {
                let Seen::Message(_, found) = seen else { panic!("{seen:?}") };
                prop_assert_eq!(found.len(), message.len());
                prop_assert!(skip || found == message);
            }
        }
    }
}
