//! Counters of what went out, by stream and transport.

use crate::stats::closes::CloseReason;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How frames travel to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `/ws`: `fanlight.v1`.
    V1,
    /// `/streams/NAME/ws`: one encoded picture a message.
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

/// Why a frame did not go to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Its turn came too late: this relay was busy.
    Relay,
    /// The link still had earlier ones to carry.
    Link,
    /// The viewer had not shown earlier ones yet.
    Viewer,
    /// The viewer asked for fewer (`fps`).
    Wish,
    /// The viewer could not decode what came before, and waited for a keyframe.
    Keyframe,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Relay, Self::Link, Self::Viewer, Self::Wish, Self::Keyframe];

    /// Whether a smaller rendition would help.
    pub fn is_far_side(self) -> bool {
        matches!(self, Self::Link | Self::Viewer)
    }

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Link => "link",
            Self::Viewer => "viewer",
            Self::Wish => "wish",
            Self::Keyframe => "keyframe",
        }
    }
}

/// How often viewers of a stream went on with another of its renditions.
#[derive(Debug, Default)]
pub struct Switches([AtomicU64; Direction::ALL.len()]);

/// Whether the rendition that a viewer goes on with is smaller or larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smaller.
    Down,
    /// Larger.
    Up,
}

impl Direction {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Down, Self::Up];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

impl Switches {
    /// Counts one.
    pub fn count(&self, direction: Direction) {
        add(&self.0[direction as usize], 1);
    }

    /// How many there were.
    pub fn read(&self, direction: Direction) -> u64 {
        read(&self.0[direction as usize])
    }
}

/// Upper bounds of the age histogram, in microseconds; one more bucket holds what is above.
pub const AGES: [u64; 12] = [
    5_000, 10_000, 20_000, 35_000, 50_000, 100_000, 200_000, 350_000, 500_000, 1_000_000,
    2_000_000, 5_000_000,
];

/// Upper bounds of how many places a viewer was behind the newest frame when its turn came; one more bucket holds
/// what is above.
pub const PLACES: [u64; 6] = [0, 1, 2, 5, 15, 60];

/// What one stream sent, by transport.
#[derive(Debug, Default)]
pub struct Traffic([Counters; Transport::ALL.len()]);

/// What one stream sent over one transport.
#[derive(Debug, Default)]
pub struct Counters {
    viewers: AtomicU64,
    bytes: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    freezes: AtomicU64,
    stuck: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
    ages: Histogram<{ AGES.len() + 1 }>,
    places: Histogram<{ PLACES.len() + 1 }>,
}

/// A bounded number of counters, and the sum of what was counted.
#[derive(Debug)]
struct Histogram<const BUCKETS: usize> {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// A reading of a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// How many fell into each bucket, in the order of its bounds, and above them.
    pub buckets: Vec<u64>,
    /// The sum of all that was counted.
    pub sum: u64,
}

/// A frame on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// Bytes of payload.
    pub bytes: usize,
    /// Its age.
    pub age: Duration,
    /// Frames between it and the newest when the viewer's turn came, itself not counted.
    pub places_behind: u64,
}

/// A reading of [`Counters`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// Viewers now.
    pub viewers: u64,
    /// Frames sent.
    pub frames: u64,
    /// Bytes of payload sent.
    pub bytes: u64,
    /// Frames not sent, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Times that a viewer was sent nothing for more than 200 ms while there were newer frames.
    pub freezes: u64,
    /// Times that a frame was held back for longer than promised though nothing was in flight: faults of the relay.
    pub stuck: u64,
    /// Viewers whose connection was closed, in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::ALL.len()],
    /// Ages when sent, in microseconds, in buckets bounded by [`AGES`].
    pub ages: Counted,
    /// Places behind the newest frame, in buckets bounded by [`PLACES`].
    pub places: Counted,
}

impl<const BUCKETS: usize> Default for Histogram<BUCKETS> {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum: AtomicU64::new(0) }
    }
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    fn count(&self, bounds: &[u64], value: u64) {
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        add(&self.buckets[bucket], 1);
        if value > 0 {
            add(&self.sum, value);
        }
    }

    fn read(&self) -> Counted {
        Counted { buckets: self.buckets.iter().map(read).collect(), sum: read(&self.sum) }
    }
}

impl Traffic {
    /// The counters of one transport.
    pub fn over(&self, transport: Transport) -> &Counters {
        &self.0[transport as usize]
    }
}

impl Counters {
    /// A viewer came.
    pub fn join(&self) {
        add(&self.viewers, 1);
    }

    /// A viewer left.
    pub fn leave(&self) {
        self.viewers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a frame that is sent.
    pub fn send(&self, frame: Outgoing) {
        add(&self.bytes, frame.bytes as u64);
        self.ages.count(&AGES, frame.age.as_micros() as u64);
        self.places.count(&PLACES, frame.places_behind);
    }

    /// Counts frames that are not sent, and why.
    pub fn drop_frames(&self, held: DropReason, count: u64) {
        add(&self.dropped[held as usize], count);
    }

    /// Counts a freeze.
    pub fn freeze(&self) {
        add(&self.freezes, 1);
    }

    /// Counts a frame that was held back for longer than promised.
    pub fn get_stuck(&self) {
        add(&self.stuck, 1);
    }

    /// Counts a viewer whose connection was closed, and why.
    pub fn close(&self, why: CloseReason) {
        add(&self.closed[why as usize], 1);
    }

    /// All counters.
    pub fn read(&self) -> Sent {
        let ages = self.ages.read();
        Sent {
            viewers: read(&self.viewers),
            frames: ages.buckets.iter().sum(),
            bytes: read(&self.bytes),
            dropped: std::array::from_fn(|held| read(&self.dropped[held])),
            freezes: read(&self.freezes),
            stuck: read(&self.stuck),
            closed: std::array::from_fn(|why| read(&self.closed[why])),
            ages,
            places: self.places.read(),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
