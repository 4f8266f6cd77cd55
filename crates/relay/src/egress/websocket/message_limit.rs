//! The limit on a client's messages: one that sends more is read more slowly, so that TCP slows it down.

use std::time::Duration;

use tokio::time::Instant;

use crate::rate::{Events, Rate};

/// Messages and control frames of one WebSocket: 4096 a second. A wall of 128 streams at 30 fps acknowledges as many frames.
const RATE: Rate =
    Rate { every: Duration::from_micros(244), burst: 8192, max_delay: Duration::from_secs(1) };

/// The messages of one client.
#[derive(Debug)]
pub struct MessageLimit {
    events: Events,
    /// The time from which the next message may be read.
    next_at: Option<Instant>,
    /// A message had to wait.
    is_exceeded: bool,
}

impl MessageLimit {
    /// No messages yet.
    pub fn new(now: Instant) -> Self {
        Self { events: Events::none(now), next_at: None, is_exceeded: false }
    }

    /// Records a message that was read at `now`. Returns true for the first one that makes others wait.
    pub fn record(&mut self, now: Instant) -> bool {
        let delay = RATE.record(&mut self.events, now);
        self.next_at = (!delay.is_zero()).then(|| now + delay);
        self.next_at.is_some() && !std::mem::replace(&mut self.is_exceeded, true)
    }

    /// Waits until the next message may be read. Can be cancelled.
    pub async fn ready(&self) {
        if let Some(next_at) = self.next_at {
            tokio::time::sleep_until(next_at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_is_never_delayed_and_a_flood_is() {
        let begin = Instant::now();
        let mut wall = MessageLimit::new(begin);
        let acknowledged =
            (0..100_000).map(|number| begin + Duration::from_secs(1) * number / 3840);
        assert!(!acknowledged.into_iter().any(|at| wall.record(at)), "128 streams at 30 fps");
        let mut flood = MessageLimit::new(begin);
        assert!(!(0..8192).any(|_| flood.record(begin)));
        assert_eq!(flood.next_at, None);
        assert!(flood.record(begin) && flood.next_at > Some(begin));
        assert!(!flood.record(begin), "reported once");
    }
}
