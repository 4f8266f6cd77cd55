//! A viewer that reads in the background while a test observes another viewer.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::mjpeg::MjpegViewer;
use crate::patience::eventually;
use crate::socket::Heard;
use crate::viewer::{Viewer, frame_of};

/// A viewer that reads in the background, as fast as it can, until the relay exits.
#[derive(Debug, Clone)]
pub struct Bystander {
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A frame that a bystander received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The publisher's sequence; 0 if the transport does not send it.
    pub sequence: u64,
    /// Its claimed capture time in microseconds: the same number for all viewers of a relay.
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

    /// Returns all frames it has received.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the newest frame it has received; waits for the first.
    pub fn newest(&self) -> Seen {
        eventually("a bystander sees something", || self.seen().last().copied())
    }

    /// Waits until it has received this many frames.
    pub fn wait_for(&self, count: usize) -> Vec<Seen> {
        eventually(&format!("a bystander sees {count} pictures"), || {
            let seen = self.seen();
            (seen.len() >= count).then_some(seen)
        })
    }

    /// Waits until this many more frames were made than it has received now.
    pub fn wait_for_more(&self, count: u64) {
        let from = self.newest().sequence;
        eventually(&format!("{count} more pictures are made"), || {
            (self.newest().sequence >= from + count).then_some(())
        });
    }
}

impl From<Viewer> for Bystander {
    fn from(mut viewer: Viewer) -> Self {
        Self::reading(move || {
            loop {
                match viewer.socket().hear() {
                    Heard::Text(_) => {}
                    Heard::Binary(message) => {
                        let frame = frame_of(&message);
                        let captured_at = frame.captured_at.micros();
                        return Some(Seen { sequence: frame.sequence, captured_at });
                    }
                    Heard::Closed(..) | Heard::Broken(_) => return None,
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
