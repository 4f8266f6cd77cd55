//! The part of a message that is inspected: a few bytes at a known offset, and texts if the protocol has any.

use super::decode::Begin;
use super::v1::FRAME_HEADER_LEN;

/// Most bytes of a text that are kept. A longer text is cut, and then cannot be parsed.
const MAX_TEXT: usize = 64 * 1024;
/// Most bytes that are inspected.
const MAX_LOOK: usize = FRAME_HEADER_LEN;

/// The bytes of a message that are inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// The offset of the first one.
    pub start: u64,
    /// Their number.
    pub length: usize,
    /// True if texts are kept, up to 64 KiB.
    pub texts: bool,
}

impl Look {
    /// Inspects the header of `fanlight.v1`, and all texts.
    pub const FANLIGHT: Self = Self { start: 0, length: FRAME_HEADER_LEN, texts: true };

    /// Inspects a timestamp at this offset.
    pub fn timestamp_at(start: u64) -> Self {
        Self { start, length: 8, texts: false }
    }

    fn end(&self) -> u64 {
        self.start + self.length as u64
    }
}

/// The message in progress.
#[derive(Debug, Default)]
pub struct Message {
    begin: Begin,
    length: u64,
    looked_at: [u8; MAX_LOOK],
    text: Vec<u8>,
}

impl Message {
    /// Begins another message.
    pub fn begin(&mut self, begin: Begin) {
        self.begin = begin;
        self.length = 0;
        self.text.clear();
    }

    /// Takes its next bytes.
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

    /// Notes that this many of its bytes were skipped.
    pub fn skip(&mut self, bytes: u64) {
        self.length += bytes;
    }

    /// Removes this many bytes from its end.
    pub fn shorten(&mut self, bytes: u64) {
        self.length = self.length.saturating_sub(bytes);
    }

    /// Returns how many of the next bytes may be skipped because none of them is inspected.
    pub fn blind(&self, look: &Look) -> u64 {
        match () {
            () if self.begin.text && look.texts => 0,
            () if self.length >= look.end() => u64::MAX,
            () => look.start.saturating_sub(self.length),
        }
    }

    /// Returns what was known before its payload.
    pub fn known(&self) -> Begin {
        self.begin
    }

    /// Returns its length so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the inspected bytes, if it is long enough to have them.
    pub fn looked_at(&self, look: &Look) -> Option<&[u8]> {
        (self.length >= look.end()).then(|| &self.looked_at[..look.length])
    }

    /// Returns the timestamp in the inspected bytes: Unix microseconds, little-endian. `None` if the message is too
    /// short.
    pub fn timestamp(&self, look: &Look) -> Option<u64> {
        Some(u64::from_le_bytes(self.looked_at(look)?.try_into().ok()?))
    }

    /// Returns the text that was kept.
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
    fn texts_are_kept_if_the_protocol_has_any() {
        let mut message = Message::default();
        message.begin(Begin { text: true, stamp: None });
        message.take(&Look::FANLIGHT, b"{}");
        assert_eq!((message.text(), message.blind(&Look::FANLIGHT)), (&b"{}"[..], 0));
        message.begin(Begin { text: true, stamp: None });
        message.take(&Look::default(), b"{}");
        assert_eq!(message.text(), b"");
    }
}
