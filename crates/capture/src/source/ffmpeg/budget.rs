//! How much may come while one answer, or one packet, is waited for. A time limit is no bound on memory: in the ten seconds
//! in which a source may be opened, a fast host sends gigabytes.

use fanlight_protocol::MAX_PAYLOAD;

/// Bytes until a source is open, and then until the next packet. A packet is one frame of no more than [`MAX_PAYLOAD`], and
/// FFmpeg finds the end of some only in the next one.
pub(super) const MOST_BYTES: u64 = 2 * MAX_PAYLOAD as u64;

/// FFmpeg looks whether to give up at least this often for each piece of the headers that it reads.
const LOOKS_A_PIECE: u32 = 2;
/// No such piece is longer.
const LONGEST_PIECE: u32 = 8192;
/// The bytes in all headers of an answer, those of redirections and of failed logins among them. A host that sends every
/// byte by itself can send no more than 2048: real ones have some hundred.
pub(super) const MOST_HEADERS: u64 = 16 * 1024 * 1024;
const HEADER_LOOKS: u32 = MOST_HEADERS as u32 / LONGEST_PIECE * LOOKS_A_PIECE;

/// Looks without a known number of bytes: those of RTSP, whose reader does not count, and which looks twice for every byte of
/// a header. A frame of [`MAX_PAYLOAD`] in packets of 1400 bytes takes a tenth of it.
const UNCOUNTED_LOOKS: u32 = 1024 * 1024;

/// The amount spent.
#[derive(Debug)]
pub(super) struct Budget {
    counted: bool,
    /// All bytes that came, once any are counted.
    bytes: Option<u64>,
    /// That number when this answer or packet was asked for.
    bytes_before: u64,
    /// Looks since bytes came, or since the answer was asked for.
    looks: u32,
    over: Option<Over>,
}

/// The limit that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// More than [`MOST_BYTES`].
    Bytes,
    /// More than [`MOST_HEADERS`] before the first byte behind the headers.
    Headers,
    /// More messages than a frame or an answer can have.
    Messages,
}

impl Budget {
    /// A new one. `counted`: the bytes behind the headers will be known.
    pub(super) fn new(counted: bool) -> Self {
        Self { counted, bytes: None, bytes_before: 0, looks: 0, over: None }
    }

    /// The next answer or packet is asked for.
    pub(super) fn begin(&mut self) {
        self.bytes_before = self.bytes.unwrap_or(0);
        self.looks = 0;
        self.over = None;
    }

    /// FFmpeg asks whether to give up; it has read so many bytes, where that is known.
    pub(super) fn look(&mut self, bytes: Option<u64>) -> bool {
        if bytes != self.bytes {
            (self.bytes, self.looks) = (bytes, 0);
        }
        self.looks = self.looks.saturating_add(1);
        let came = self.bytes.unwrap_or(0).saturating_sub(self.bytes_before);
        let over = match self.bytes {
            _ if came > MOST_BYTES => Some(Over::Bytes),
            None if self.counted && self.looks > HEADER_LOOKS => Some(Over::Headers),
            _ if self.looks > UNCOUNTED_LOOKS => Some(Over::Messages),
            _ => None,
        };
        self.over = self.over.or(over);
        self.over.is_some()
    }

    /// The limit that was exceeded, if any.
    pub(super) fn over(&self) -> Option<Over> {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_and_an_endless_one_does_not() {
        let mut budget = Budget::new(true);
        budget.begin();
        assert!(!budget.look(Some(MOST_BYTES)));
        assert!(budget.look(Some(MOST_BYTES + 1)));
        assert_eq!(budget.over(), Some(Over::Bytes));
        assert!(budget.look(Some(MOST_BYTES)), "until the next one is asked for");
    }

    #[test]
    fn each_packet_has_a_budget_of_its_own() {
        let mut budget = Budget::new(true);
        for packet in 1..100 {
            budget.begin();
            assert!(!budget.look(Some(packet * MOST_BYTES)), "{packet}");
        }
    }

    #[test]
    fn headers_have_a_smaller_one_that_ends_with_them() {
        let mut budget = Budget::new(true);
        budget.begin();
        assert!((0..HEADER_LOOKS).all(|_| !budget.look(None)));
        assert!(budget.look(None));
        assert_eq!(budget.over(), Some(Over::Headers));
        budget.begin();
        budget.look(Some(0));
        assert!((0..2 * HEADER_LOOKS).all(|_| !budget.look(Some(0))), "waits for the body");
    }

    #[test]
    fn where_bytes_are_not_counted_messages_are() {
        let mut budget = Budget::new(false);
        budget.begin();
        assert!((0..UNCOUNTED_LOOKS).all(|_| !budget.look(None)));
        assert!(budget.look(None));
        assert_eq!(budget.over(), Some(Over::Messages));
    }
}
