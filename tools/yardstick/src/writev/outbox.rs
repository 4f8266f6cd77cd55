//! The frames of one connection, and their order.

use std::io::IoSlice;
use std::sync::Arc;

/// Length of the prefix of each payload.
pub const LENGTH_BYTES: usize = 4;

/// A payload and its length prefix.
#[derive(Debug)]
pub struct Frame {
    length: [u8; LENGTH_BYTES],
    payload: Vec<u8>,
}

impl Frame {
    /// Returns a frame with this payload.
    ///
    /// # Panics
    /// Panics if it has 4 GiB or more.
    pub fn new(payload: Vec<u8>) -> Self {
        let length = u32::try_from(payload.len()).expect("options allow at most 16 MiB");
        Self { length: length.to_be_bytes(), payload }
    }

    /// Returns prefix and payload.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        [&self.length, &self.payload]
    }

    fn len(&self) -> usize {
        LENGTH_BYTES + self.payload.len()
    }
}

/// At most two frames: one that is being sent and must be completed, and the newest after it.
#[derive(Debug, Default)]
pub struct Outbox {
    sending: Option<Arc<Frame>>,
    sent: usize,
    pending: Option<Arc<Frame>>,
}

impl Outbox {
    /// Takes a frame. It replaces the pending frame, but never the one that is being sent.
    pub fn offer(&mut self, frame: Arc<Frame>) {
        let place = if self.sending.is_none() { &mut self.sending } else { &mut self.pending };
        *place = Some(frame);
    }

    /// Returns the next bytes to write: the rest of the prefix and the rest of the payload. `None` if there are none.
    pub fn slices(&self) -> Option<[IoSlice<'_>; 2]> {
        let frame = self.sending.as_ref()?;
        let length = &frame.length[self.sent.min(LENGTH_BYTES)..];
        let payload = &frame.payload[self.sent.saturating_sub(LENGTH_BYTES)..];
        Some([IoSlice::new(length), IoSlice::new(payload)])
    }

    /// Records that this many bytes of [`slices`](Self::slices) were written. Returns whether the frame is complete.
    pub fn advance(&mut self, written: usize) -> bool {
        self.sent += written;
        let ended = self.sending.as_ref().is_some_and(|frame| self.sent >= frame.len());
        if ended {
            self.sending = self.pending.take();
            self.sent = 0;
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Arc<Frame> {
        Arc::new(Frame::new(payload.to_vec()))
    }

    /// Writes at most `step` bytes at a time until nothing is left.
    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(slices) = outbox.slices() {
            let bytes = [&slices[0][..], &slices[1][..]].concat();
            let written = step.min(bytes.len());
            out.extend_from_slice(&bytes[..written]);
            outbox.advance(written);
        }
        out
    }

    #[test]
    fn a_frame_is_complete_for_all_sizes_of_writes() {
        for step in 1..10 {
            let mut outbox = Outbox::default();
            outbox.offer(frame(b"picture"));
            assert_eq!(drain(&mut outbox, step), b"\0\0\0\x07picture", "in steps of {step}");
        }
    }

    #[test]
    fn a_partly_sent_frame_is_completed_before_the_newest() {
        let mut outbox = Outbox::default();
        outbox.offer(frame(b"a"));
        assert!(!outbox.advance(2));
        outbox.offer(frame(b"b"));
        outbox.offer(frame(b"c"));
        assert_eq!(drain(&mut outbox, 3), b"\0\x01a\0\0\0\x01c");
        assert!(outbox.slices().is_none());
    }
}
