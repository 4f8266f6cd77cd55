//! How many frames may be on their way to a viewer that acknowledges what it has shown. No clock: `now` is passed in.
//!
//! Acknowledgements see what TCP does not: a proxy that buffers, a receiver that reads late, a tab that paints slowly.
//! The window follows the link's own round trip, the shortest of late: as long as frames come back in about that time,
//! nothing waits on the way, and more may be sent; when they take longer, something waits, and fewer may. So 200 ms of
//! distance carry the full rate with many frames on their way, and a tab that paints 5 pictures a second is sent 5.

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_protocol::Timestamp;

/// Frames that may be on their way before anything is known.
const FIRST: usize = 4;
/// Most frames on their way: two seconds at 30 a second.
const MOST: usize = 64;
/// Frames may take longer than the shortest round trip by this much, or by a quarter of it, before it counts as
/// waiting: browsers stumble that long when they tidy up.
const TOLERATED: Duration = Duration::from_millis(40);
/// The shortest round trip is that of the last one to two of these spans.
const MEMORY: Duration = Duration::from_secs(5);
/// After it has met a queue, the window stays for this long before it tries to grow again.
const REST: Duration = Duration::from_secs(2);
/// Without any word, a frame is sent this often all the same: whoever forgot to acknowledge still sees that time passes.
const PROBE: Duration = Duration::from_secs(1);

/// The window of one viewer.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// Frames not acknowledged, oldest first: sequence, and when it was sent.
    under_way: VecDeque<(u64, Timestamp)>,
    shortest: Shortest,
    /// Whether the window held a frame back since it last grew.
    full: bool,
    /// When a queue was met last.
    queue_met: Option<Timestamp>,
    last_sent: Timestamp,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: FIRST,
            under_way: VecDeque::new(),
            shortest: Shortest::default(),
            full: false,
            queue_met: None,
            last_sent: Timestamp::default(),
        }
    }
}

impl Window {
    /// When the next frame may go; `None`: now. `distance` is the shortest round trip of the connection below: without
    /// what this viewer's frames take to be carried and shown.
    pub(super) fn wait(&mut self, now: Timestamp, distance: Duration) -> Option<Timestamp> {
        if self.under_way.len() < self.size {
            return None;
        }
        self.full = true;
        let probe = self.last_sent + PROBE;
        let next = match self.under_way.len() == self.size {
            // The last one has been carried by now if all is as it was best: its acknowledgement is on its way back,
            // and waiting for that would leave the link idle.
            true => self.shortest.known().map_or(probe, |shortest| {
                probe.min(self.last_sent + shortest.saturating_sub(distance).max(TOLERATED / 2))
            }),
            false => probe,
        };
        (next > now).then_some(next)
    }

    /// A frame is sent.
    pub(super) fn send(&mut self, sequence: u64, now: Timestamp) {
        if self.under_way.len() >= 2 * MOST {
            self.under_way.pop_front();
        }
        self.under_way.push_back((sequence, now));
        self.last_sent = now;
    }

    /// The viewer has shown the frame with this sequence, or a newer one instead.
    pub(super) fn acknowledge(&mut self, sequence: u64, now: Timestamp) {
        let shown = self.under_way.partition_point(|(sent, _)| *sent <= sequence);
        let Some((_, sent_at)) = self.under_way.drain(..shown).next_back() else { return };
        let took = now.since(sent_at);
        let shortest = self.shortest.note(took, now);
        let tolerated = shortest + TOLERATED.max(shortest / 4);
        if took > tolerated {
            self.shrink(took, now);
        } else if self.full {
            self.grow(now);
        }
    }

    /// The sequence begins anew: what is under way will not be acknowledged.
    pub(super) fn restart(&mut self) {
        self.under_way.clear();
    }

    /// Once a round trip, so that one queue is not answered twice.
    fn shrink(&mut self, took: Duration, now: Timestamp) {
        if self.queue_met.is_none_or(|met| now.since(met) > took) {
            self.size = (self.size - self.size.div_ceil(4)).max(1);
            self.queue_met = Some(now);
        }
    }

    /// By one for each acknowledgement until a queue was met; then by one at a time, and seldom.
    fn grow(&mut self, now: Timestamp) {
        let rested = self.queue_met.is_none_or(|met| now.since(met) > REST);
        if rested && self.size < MOST {
            self.size += 1;
            self.full = false;
            if let Some(met) = &mut self.queue_met {
                *met = now;
            }
        }
    }
}

/// The shortest of late, in a fixed amount of memory.
#[derive(Debug, Default)]
struct Shortest {
    this: Option<Duration>,
    before: Option<Duration>,
    since: Timestamp,
}

impl Shortest {
    fn note(&mut self, took: Duration, now: Timestamp) -> Duration {
        if now.since(self.since) > MEMORY {
            self.before = self.this.take();
            self.since = now;
        }
        let this = self.this.map_or(took, |known| known.min(took));
        self.this = Some(this);
        self.before.map_or(this, |before| before.min(this))
    }

    fn known(&self) -> Option<Duration> {
        self.this.into_iter().chain(self.before).min()
    }
}
