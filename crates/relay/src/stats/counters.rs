//! Counters of frames and viewers by stream and transport, and of connections and requests of the whole relay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::stats::labels::{
    CloseReason, DenialReason, DropReason, Flood, PushEnd, PushTransport, RefusedFrame,
    SwitchDirection, Transport,
};

/// Upper bounds of the frame age histogram, in microseconds. One more bucket holds larger values.
pub const AGE_BOUNDS: [u64; 12] = [
    5_000, 10_000, 20_000, 35_000, 50_000, 100_000, 200_000, 350_000, 500_000, 1_000_000,
    2_000_000, 5_000_000,
];

/// Upper bounds of the histogram of newer frames that exist when a frame is sent. One more bucket holds larger values.
pub const FRAMES_BEHIND_BOUNDS: [u64; 6] = [0, 1, 2, 5, 15, 60];

/// The counters of one stream, by transport.
#[derive(Debug, Default)]
pub struct StreamCounters([TransportCounters; Transport::ALL.len()]);

impl StreamCounters {
    /// Returns the counters of one transport.
    pub fn of(&self, transport: Transport) -> &TransportCounters {
        &self.0[transport as usize]
    }
}

/// The counters of one stream over one transport.
#[derive(Debug, Default)]
pub struct TransportCounters {
    viewers: AtomicU64,
    bytes: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    freezes: AtomicU64,
    overdue: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
    ages: Histogram<{ AGE_BOUNDS.len() + 1 }>,
    frames_behind: Histogram<{ FRAMES_BEHIND_BOUNDS.len() + 1 }>,
}

/// A frame that is sent.
#[derive(Debug, Clone, Copy)]
pub struct SentFrame {
    /// Bytes of payload.
    pub bytes: usize,
    /// Its frame age.
    pub age: Duration,
    /// Newer frames that exist when it is sent.
    pub frames_behind: u64,
}

/// A reading of [`TransportCounters`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Current viewers.
    pub viewers: u64,
    /// Frames sent.
    pub frames: u64,
    /// Bytes of payload sent.
    pub bytes: u64,
    /// Frames dropped, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Pauses of more than 200 ms without a frame for a viewer, while there were newer frames.
    pub freezes: u64,
    /// Frames held back for longer than promised though nothing was in flight: faults of the relay.
    pub overdue: u64,
    /// Viewers whose connection was closed, in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::ALL.len()],
    /// Frame ages when sent, in microseconds, in buckets bounded by [`AGE_BOUNDS`].
    pub ages: HistogramSnapshot,
    /// Newer frames when a frame was sent, in buckets bounded by [`FRAMES_BEHIND_BOUNDS`].
    pub frames_behind: HistogramSnapshot,
}

impl TransportCounters {
    /// Counts a viewer that joins.
    pub fn join(&self) {
        add(&self.viewers, 1);
    }

    /// Counts a viewer that leaves.
    pub fn leave(&self) {
        self.viewers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a frame that is sent.
    pub fn record_sent(&self, frame: SentFrame) {
        add(&self.bytes, frame.bytes as u64);
        self.ages.record(&AGE_BOUNDS, frame.age.as_micros() as u64);
        self.frames_behind.record(&FRAMES_BEHIND_BOUNDS, frame.frames_behind);
    }

    /// Counts dropped frames.
    pub fn record_dropped(&self, reason: DropReason, count: u64) {
        add(&self.dropped[reason as usize], count);
    }

    /// Counts a freeze.
    pub fn record_freeze(&self) {
        add(&self.freezes, 1);
    }

    /// Counts a frame that was held back for longer than promised.
    pub fn record_overdue(&self) {
        add(&self.overdue, 1);
    }

    /// Counts a viewer whose connection was closed.
    pub fn record_closed(&self, reason: CloseReason) {
        add(&self.closed[reason as usize], 1);
    }

    /// Reads all counters.
    pub fn read(&self) -> Snapshot {
        let ages = self.ages.read();
        Snapshot {
            viewers: read(&self.viewers),
            frames: ages.buckets.iter().sum(),
            bytes: read(&self.bytes),
            dropped: std::array::from_fn(|reason| read(&self.dropped[reason])),
            freezes: read(&self.freezes),
            overdue: read(&self.overdue),
            closed: std::array::from_fn(|reason| read(&self.closed[reason])),
            ages,
            frames_behind: self.frames_behind.read(),
        }
    }
}

/// Counts viewers of a stream that switched to another of its renditions.
#[derive(Debug, Default)]
pub struct SwitchCounters([AtomicU64; SwitchDirection::ALL.len()]);

impl SwitchCounters {
    /// Counts one switch.
    pub fn count(&self, direction: SwitchDirection) {
        add(&self.0[direction as usize], 1);
    }

    /// Returns the number of switches in this direction.
    pub fn read(&self, direction: SwitchDirection) -> u64 {
        read(&self.0[direction as usize])
    }
}

/// Counts closed connections of viewers.
#[derive(Debug, Default)]
pub struct CloseCounters([[AtomicU64; CloseReason::ALL.len()]; Transport::ALL.len()]);

impl CloseCounters {
    /// Counts one closed connection.
    pub fn count(&self, transport: Transport, reason: CloseReason) {
        add(&self.0[transport as usize][reason as usize], 1);
    }

    /// Returns the number of connections closed for this reason.
    pub fn read(&self, transport: Transport, reason: CloseReason) -> u64 {
        read(&self.0[transport as usize][reason as usize])
    }
}

/// Counts denied requests.
#[derive(Debug, Default)]
pub struct DenialCounters([AtomicU64; DenialReason::ALL.len()]);

impl DenialCounters {
    /// Counts one denied request.
    pub fn count(&self, reason: DenialReason) {
        add(&self.0[reason as usize], 1);
    }

    /// Returns the number of requests denied for this reason.
    pub fn read(&self, reason: DenialReason) -> u64 {
        read(&self.0[reason as usize])
    }
}

/// Counts floods.
#[derive(Debug, Default)]
pub struct FloodCounters([AtomicU64; Flood::ALL.len()]);

impl FloodCounters {
    /// Counts one.
    pub fn count(&self, flood: Flood) {
        add(&self.0[flood as usize], 1);
    }

    /// Returns the number of this kind.
    pub fn read(&self, flood: Flood) -> u64 {
        read(&self.0[flood as usize])
    }
}

/// Counters of the clients that publish into this relay.
#[derive(Debug, Default)]
pub struct PushCounters {
    transports: [PushTransportCounters; PushTransport::ALL.len()],
    refused: [AtomicU64; RefusedFrame::ALL.len()],
}

#[derive(Debug, Default)]
struct PushTransportCounters {
    publishers: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
    ended: [AtomicU64; PushEnd::ALL.len()],
}

/// A reading of [`PushCounters`] for one transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushSnapshot {
    /// Current publishers.
    pub publishers: u64,
    /// Frames accepted.
    pub frames: u64,
    /// Bytes of payload accepted.
    pub bytes: u64,
    /// Publishers that ended, in the order of [`PushEnd::ALL`].
    pub ended: [u64; PushEnd::ALL.len()],
}

impl PushCounters {
    /// Counts a publisher that begins.
    pub fn begin(&self, transport: PushTransport) {
        add(&self.transports[transport as usize].publishers, 1);
    }

    /// Counts the end of a publisher.
    pub fn end(&self, transport: PushTransport, reason: PushEnd) {
        let counters = &self.transports[transport as usize];
        counters.publishers.fetch_sub(1, Ordering::Relaxed);
        add(&counters.ended[reason as usize], 1);
    }

    /// Counts a frame that was accepted.
    pub fn accept(&self, transport: PushTransport, bytes: usize) {
        let counters = &self.transports[transport as usize];
        add(&counters.frames, 1);
        add(&counters.bytes, bytes as u64);
    }

    /// Counts a message that was not taken for a frame.
    pub fn refuse(&self, reason: RefusedFrame) {
        add(&self.refused[reason as usize], 1);
    }

    /// Reads the counters of one transport.
    pub fn read(&self, transport: PushTransport) -> PushSnapshot {
        let counters = &self.transports[transport as usize];
        PushSnapshot {
            publishers: read(&counters.publishers),
            frames: read(&counters.frames),
            bytes: read(&counters.bytes),
            ended: std::array::from_fn(|reason| read(&counters.ended[reason])),
        }
    }

    /// Returns the number of messages refused for this reason.
    pub fn read_refused(&self, reason: RefusedFrame) -> u64 {
        read(&self.refused[reason as usize])
    }
}

/// A fixed number of buckets, and the sum of all values.
#[derive(Debug)]
struct Histogram<const BUCKETS: usize> {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// A reading of a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistogramSnapshot {
    /// The number of values in each bucket, in the order of the bounds; the last bucket has no bound.
    pub buckets: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl<const BUCKETS: usize> Default for Histogram<BUCKETS> {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum: AtomicU64::new(0) }
    }
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    fn record(&self, bounds: &[u64], value: u64) {
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        add(&self.buckets[bucket], 1);
        if value > 0 {
            add(&self.sum, value);
        }
    }

    fn read(&self) -> HistogramSnapshot {
        HistogramSnapshot { buckets: self.buckets.iter().map(read).collect(), sum: read(&self.sum) }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
