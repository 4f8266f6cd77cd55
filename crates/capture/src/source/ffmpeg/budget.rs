//! The budget of bytes that a host may send in one response or packet. A timeout does not bound memory: within the ten
//! seconds of opening a source, a fast host sends gigabytes.

use fanlight_protocol::MAX_PAYLOAD;

/// The most bytes until a source is open, and then until the next packet. A packet is one frame of at most
/// [`MAX_PAYLOAD`], and FFmpeg finds the end of some only in the next one.
pub(super) const MAX_BYTES: u64 = 2 * MAX_PAYLOAD as u64;

/// The fewest interrupt callbacks by FFmpeg for each chunk of the headers that it reads.
const CALLS_PER_CHUNK: u32 = 2;
/// The longest such chunk, in bytes.
const MAX_CHUNK: u32 = 8192;
/// The most bytes in all headers of a response, including redirections and failed logins. A host that sends each byte
/// separately can send at most 2048; real headers have some hundred.
pub(super) const MAX_HEADERS: u64 = 16 * 1024 * 1024;
const MAX_HEADER_CALLS: u32 = MAX_HEADERS as u32 / MAX_CHUNK * CALLS_PER_CHUNK;

/// The most callbacks if the number of bytes is unknown: over RTSP, whose reader does not count them and calls twice
/// for each byte of a header. A frame of [`MAX_PAYLOAD`] in packets of 1400 bytes needs a tenth of this.
const MAX_UNCOUNTED_CALLS: u32 = 1024 * 1024;

/// The bytes and callbacks used.
#[derive(Debug)]
pub(super) struct Budget {
    counted: bool,
    /// All bytes received, once they are counted.
    bytes: Option<u64>,
    /// The bytes received before this response or packet.
    bytes_before: u64,
    /// Callbacks since the last bytes, or since the start of this response.
    calls: u32,
    exceeded: Option<Limit>,
}

/// A limit that a host can exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// [`MAX_BYTES`].
    Bytes,
    /// [`MAX_HEADERS`] before the first byte of the body.
    Headers,
    /// The number of messages that a frame or response can have.
    Messages,
}

impl Budget {
    /// Returns an unused budget. `counted`: the bytes of the body will be counted.
    pub(super) fn new(counted: bool) -> Self {
        Self { counted, bytes: None, bytes_before: 0, calls: 0, exceeded: None }
    }

    /// Starts the next response or packet.
    pub(super) fn begin(&mut self) {
        self.bytes_before = self.bytes.unwrap_or(0);
        self.calls = 0;
        self.exceeded = None;
    }

    /// Counts a callback, given the bytes read if they are counted. Returns whether a limit is exceeded.
    pub(super) fn check(&mut self, bytes: Option<u64>) -> bool {
        if bytes != self.bytes {
            (self.bytes, self.calls) = (bytes, 0);
        }
        self.calls = self.calls.saturating_add(1);
        let received = self.bytes.unwrap_or(0).saturating_sub(self.bytes_before);
        let exceeded = match self.bytes {
            _ if received > MAX_BYTES => Some(Limit::Bytes),
            None if self.counted && self.calls > MAX_HEADER_CALLS => Some(Limit::Headers),
            _ if self.calls > MAX_UNCOUNTED_CALLS => Some(Limit::Messages),
            _ => None,
        };
        self.exceeded = self.exceeded.or(exceeded);
        self.exceeded.is_some()
    }

    /// Returns the limit that was exceeded, if any.
    pub(super) fn exceeded(&self) -> Option<Limit> {
        self.exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_and_an_endless_one_does_not() {
        let mut budget = Budget::new(true);
        budget.begin();
        assert!(!budget.check(Some(MAX_BYTES)));
        assert!(budget.check(Some(MAX_BYTES + 1)));
        assert_eq!(budget.exceeded(), Some(Limit::Bytes));
        assert!(budget.check(Some(MAX_BYTES)), "until the next packet starts");
    }

    #[test]
    fn each_packet_has_a_budget_of_its_own() {
        let mut budget = Budget::new(true);
        for packet in 1..100 {
            budget.begin();
            assert!(!budget.check(Some(packet * MAX_BYTES)), "{packet}");
        }
    }

    #[test]
    fn headers_have_a_smaller_budget_of_their_own() {
        let mut budget = Budget::new(true);
        budget.begin();
        assert!((0..MAX_HEADER_CALLS).all(|_| !budget.check(None)));
        assert!(budget.check(None));
        assert_eq!(budget.exceeded(), Some(Limit::Headers));
        budget.begin();
        budget.check(Some(0));
        assert!((0..2 * MAX_HEADER_CALLS).all(|_| !budget.check(Some(0))), "waits for the body");
    }

    #[test]
    fn messages_are_counted_if_bytes_are_not() {
        let mut budget = Budget::new(false);
        budget.begin();
        assert!((0..MAX_UNCOUNTED_CALLS).all(|_| !budget.check(None)));
        assert!(budget.check(None));
        assert_eq!(budget.exceeded(), Some(Limit::Messages));
    }
}
