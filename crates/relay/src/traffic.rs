//! Counters of what went out, by transport.

use std::sync::atomic::{AtomicU64, Ordering};

/// How frames travel to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `/ws`: `fanlight.v1`.
    V1,
    /// `/streams/NAME/ws`: one JPEG a message.
    PlainWebSocket,
    /// `/streams/NAME/mjpeg`.
    Mjpeg,
    /// `/streams/NAME/snapshot`.
    Snapshot,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V1, Self::PlainWebSocket, Self::Mjpeg, Self::Snapshot];

    /// The name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::PlainWebSocket => "ws",
            Self::Mjpeg => "mjpeg",
            Self::Snapshot => "snapshot",
        }
    }
}

/// What one stream sent, by transport.
#[derive(Debug, Default)]
pub struct Traffic([Counters; Transport::ALL.len()]);

/// What one stream sent over one transport.
#[derive(Debug, Default)]
pub struct Counters {
    frames: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

/// A reading of [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Frames sent.
    pub frames: u64,
    /// Bytes of payload sent.
    pub bytes: u64,
    /// Frames dropped for slow viewers.
    pub dropped: u64,
}

impl Traffic {
    /// Counts one frame of so many bytes of payload, and those dropped before it.
    pub fn count(&self, transport: Transport, bytes: usize, dropped: u64) {
        let counters = &self.0[transport as usize];
        counters.frames.fetch_add(1, Ordering::Relaxed);
        counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        counters.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    /// What was sent over a transport so far.
    pub fn sent(&self, transport: Transport) -> Sent {
        let counters = &self.0[transport as usize];
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Sent {
            frames: read(&counters.frames),
            bytes: read(&counters.bytes),
            dropped: read(&counters.dropped),
        }
    }
}
