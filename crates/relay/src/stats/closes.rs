//! Why viewers' connections were closed, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::counters::Transport;

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The viewer left.
    Left,
    /// It took nothing for too long while some waited.
    Stalled,
    /// It said nothing for too long, not even an answer to a ping.
    Silent,
    /// It broke the protocol.
    Broke,
    /// The relay ends.
    Ending,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Left, Self::Stalled, Self::Silent, Self::Broke, Self::Ending];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Stalled => "stalled",
            Self::Silent => "silent",
            Self::Broke => "protocol",
            Self::Ending => "shutdown",
        }
    }
}

/// Connections closed, by transport and reason.
#[derive(Debug, Default)]
pub struct Closes([[AtomicU64; CloseReason::ALL.len()]; Transport::ALL.len()]);

impl Closes {
    /// Counts one.
    pub fn count(&self, transport: Transport, why: CloseReason) {
        self.0[transport as usize][why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many were closed so.
    pub fn read(&self, transport: Transport, why: CloseReason) -> u64 {
        self.0[transport as usize][why as usize].load(Ordering::Relaxed)
    }
}
