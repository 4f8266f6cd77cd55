//! The little of a message that is looked at: a few bytes at a known place, and texts where they mean something.

use super::decode::Begin;
use super::v1::FRAME_HEADER_LEN;

/// Longest text that is kept; of a longer one only the beginning, which then is not understood.
const MAX_TEXT: usize = 64 * 1024;
/// How many bytes are looked at, at most.
const MAX_LOOK: usize = FRAME_HEADER_LEN;

/// Which bytes of a message are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// The first of them.
    pub start: u64,
    /// How many.
    pub length: usize,
    /// Whether texts are kept whole.
    pub texts: bool,
}

impl Look {
    /// The header of `fanlight.v1`, and all texts.
    pub const FANLIGHT: Self = Self { start: 0, length: FRAME_HEADER_LEN, texts: true };

    /// A timestamp at this place.
    pub fn timestamp_at(start: u64) -> Self {
        Self { start, length: 8, texts: false }
    }

    fn end(&self) -> u64 {
        self.start + self.length as u64
    }
}

/// The message under way.
#[derive(Debug, Default)]
pub struct Message {
    begin: Begin,
    length: u64,
    looked_at: [u8; MAX_LOOK],
    text: Vec<u8>,
}

impl Message {
    /// Another one begins.
    pub fn begin(&mut self, begin: Begin) {
        self.begin = begin;
        self.length = 0;
        self.text.clear();
    }

    /// Its next bytes.
    pub fn take(&mut self, look: &Look, bytes: &[u8]) {
        if self.begin.text && look.texts {
            let room = MAX_TEXT.saturating_sub(self.text.len()).min(bytes.len());
            self.text.extend_from_slice(&bytes[..room]);
        }
        let (from, to) = (self.length, self.length + bytes.len() as u64);
        let (first, last) = (look.start.max(from), look.end().min(to));
        if first < last {
            let at = (first - look.start) as usize;
            let found = &bytes[(first - from) as usize..(last - from) as usize];
            self.looked_at[at..at + found.len()].copy_from_slice(found);
        }
        self.length = to;
    }

    /// So many of its bytes went by unseen.
    pub fn skip(&mut self, bytes: u64) {
        self.length += bytes;
    }

    /// So many of its last bytes were none of it.
    pub fn shorten(&mut self, bytes: u64) {
        self.length = self.length.saturating_sub(bytes);
    }

    /// How many of the next bytes need not be seen.
    pub fn blind(&self, look: &Look) -> u64 {
        match () {
            () if self.begin.text && look.texts => 0,
            () if self.length >= look.end() => u64::MAX,
            () => look.start.saturating_sub(self.length),
        }
    }

    /// What is known of it from before its payload.
    pub fn known(&self) -> Begin {
        self.begin
    }

    /// How long it is so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes looked at, where it is long enough to have them.
    pub fn looked_at(&self, look: &Look) -> Option<&[u8]> {
        (self.length >= look.end()).then(|| &self.looked_at[..look.length])
    }

    /// The timestamp in them: Unix microseconds, little-endian.
    pub fn timestamp(&self, look: &Look) -> Option<u64> {
        Some(u64::from_le_bytes(self.looked_at(look)?.try_into().ok()?))
    }

    /// A text that was kept.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timestamp_is_found_however_the_message_is_cut(
            stamp: u64,
            start in 0usize..100,
            behind in 0usize..100,
            sizes in prop::collection::vec(1usize..40, 1..8),
        ) {
            let look = Look::timestamp_at(start as u64);
            let bytes = [vec![7; start], stamp.to_le_bytes().to_vec(), vec![7; behind]].concat();
            let mut message = Message::default();
            message.begin(Begin::default());
            let mut rest = &bytes[..];
            for size in sizes.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at(size.min(rest.len()));
                let blind = message.blind(&look).min(piece.len() as u64);
                message.skip(blind);
                message.take(&look, &piece[blind as usize..]);
                rest = later;
            }
            prop_assert_eq!(message.timestamp(&look), Some(stamp));
            prop_assert_eq!(message.length(), bytes.len() as u64);
        }
    }

    #[test]
    fn a_short_message_has_no_timestamp() {
        let look = Look::timestamp_at(4);
        let mut message = Message::default();
        message.take(&look, &[1; 11]);
        assert_eq!(message.timestamp(&look), None);
    }

    #[test]
    fn texts_are_kept_where_they_mean_something() {
        let mut message = Message::default();
        message.begin(Begin { text: true, stamp: None });
        message.take(&Look::FANLIGHT, b"{}");
        assert_eq!((message.text(), message.blind(&Look::FANLIGHT)), (&b"{}"[..], 0));
        message.begin(Begin { text: true, stamp: None });
        message.take(&Look::default(), b"{}");
        assert_eq!(message.text(), b"");
    }
}
