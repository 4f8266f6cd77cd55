//! A viewer that reads in the background while a test observes another viewer.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::mjpeg::MjpegViewer;
use crate::patience::eventually;
use crate::socket::Incoming;
use crate::viewer::{Viewer, frame_of};

/// A viewer that reads in the background, as fast as it can, until its connection ends.
#[derive(Debug, Clone)]
pub struct Bystander {
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A frame that a bystander received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The publisher's sequence number; 0 if the transport does not transmit it.
    pub sequence: u64,
    /// The capture time that the relay reports, in microseconds: the same number for all viewers of a relay.
    pub captured_at: u64,
}

impl Bystander {
    fn reading(mut next: impl FnMut() -> Option<Seen> + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let bystander = Self { seen: seen.clone() };
        thread::spawn(move || {
            while let Some(one) = next() {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            }
        });
        bystander
    }

    /// Returns all frames received so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the newest frame; waits for the first.
    pub fn newest(&self) -> Seen {
        eventually("a bystander receives a frame", || self.seen().last().copied())
    }

    /// Waits until it has received `count` frames, and returns them all.
    pub fn wait_for(&self, count: usize) -> Vec<Seen> {
        eventually(&format!("a bystander receives {count} frames"), || {
            let seen = self.seen();
            (seen.len() >= count).then_some(seen)
        })
    }

    /// Waits until the publisher has sent `count` frames more than the bystander has received now.
    pub fn wait_for_more(&self, count: u64) {
        let from = self.newest().sequence;
        eventually(&format!("{count} more frames are published"), || {
            (self.newest().sequence >= from + count).then_some(())
        });
    }
}

impl From<Viewer> for Bystander {
    fn from(mut viewer: Viewer) -> Self {
        Self::reading(move || {
            loop {
                match viewer.socket().receive() {
                    Incoming::Text(_) => {}
                    Incoming::Binary(message) => {
                        let frame = frame_of(&message);
                        let captured_at = frame.captured_at.micros();
                        return Some(Seen { sequence: frame.sequence, captured_at });
                    }
                    Incoming::Closed(..) | Incoming::Broken(_) => return None,
                }
            }
        })
    }
}

impl From<MjpegViewer> for Bystander {
    fn from(mut viewer: MjpegViewer) -> Self {
        Self::reading(move || {
            let part = viewer.try_part().ok().flatten()?;
            Some(Seen { sequence: 0, captured_at: part.captured_at().micros() })
        })
    }
}
