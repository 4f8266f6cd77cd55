//! A connection over a narrow link, for tests of what is decided by how one stands.

use std::collections::VecDeque;
use std::time::Duration;

use super::queue_estimate::Reading;

/// A connection, as a kernel and a network make it of what is written, in steps of a millisecond.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Bytes a millisecond that the link carries, and that the program at its end reads.
    pub(crate) carries: u64,
    pub(crate) reads: u64,
    /// Round trip without any queue, in milliseconds.
    pub(crate) distance: u64,
    /// Whether the sender fills the link's queue (as cubic does) or sends as fast as the link carries (as bbr).
    fills: bool,
    /// The window of a receiver that has read everything.
    pub(crate) widest: u64,
    /// The last byte that the receiver said it would take. It never takes that back, however narrow the window becomes.
    edge: u64,
    arrived: u64,
    pub(crate) unsent: u64,
    /// In the link's queue: since when, and how many bytes.
    queue: VecDeque<(u64, u64)>,
    /// On their way back as acknowledgements: when they arrive, of how many bytes, with what window.
    acks: VecDeque<(u64, u64, u64)>,
    unread: u64,
    pub(crate) read: u64,
    reading: Reading,
    last_ack: u64,
}

impl Connection {
    pub(crate) fn new(mbit: u64, distance: u64, fills: bool) -> Self {
        let widest = 400_000;
        let reading = Reading {
            rtt: Duration::from_millis(distance),
            min_rtt: Duration::from_millis(distance),
            window: widest,
            ..Reading::default()
        };
        Self {
            carries: mbit * 125,
            reads: u64::MAX / 2,
            distance,
            fills,
            widest,
            edge: widest,
            arrived: 0,
            unsent: 0,
            queue: VecDeque::new(),
            acks: VecDeque::new(),
            unread: 0,
            read: 0,
            reading,
            last_ack: 0,
        }
    }

    pub(crate) fn pass(&mut self, now: u64) {
        self.send(now);
        self.carry(now);
        let reads = self.reads.min(self.unread);
        self.unread -= reads;
        self.read += reads;
        self.acknowledge(now);
    }

    fn send(&mut self, now: u64) {
        let under_way: u64 = self.queue.iter().map(|(_, bytes)| bytes).sum();
        let window = self.window().saturating_sub(under_way);
        let pace = if self.fills { u64::MAX } else { self.carries };
        let bytes = self.unsent.min(window).min(pace);
        if bytes < self.unsent.min(pace) {
            self.reading.closed += Duration::from_millis(1);
        }
        if bytes > 0 {
            self.unsent -= bytes;
            self.queue.push_back((now, bytes));
        }
    }

    fn carry(&mut self, now: u64) {
        let mut left = self.carries;
        while let Some((since, bytes)) = self.queue.front_mut() {
            let carried = left.min(*bytes);
            *bytes -= carried;
            left -= carried;
            self.unread += carried;
            self.arrived += carried;
            let took = Duration::from_millis(now - *since + self.distance);
            self.reading.rtt = self.reading.rtt * 7 / 8 + took / 8;
            if carried > 0 {
                // A receiver never takes back what it said it would take.
                let open = self.arrived + self.widest.saturating_sub(self.unread);
                self.edge = self.edge.max(open);
                let window = self.edge - self.arrived;
                self.acks.push_back((now + self.distance, carried, window));
            }
            if *bytes > 0 {
                break;
            }
            self.queue.pop_front();
        }
    }

    /// What the receiver would take now; it says so with the next acknowledgement.
    fn window(&self) -> u64 {
        let open = self.arrived + self.widest.saturating_sub(self.unread);
        self.edge.max(open) - self.arrived
    }

    fn acknowledge(&mut self, now: u64) {
        while self.acks.front().is_some_and(|(at, _, _)| *at <= now) {
            let (_, bytes, window) = self.acks.pop_front().unwrap();
            self.reading.acked += bytes;
            self.reading.window = window;
            self.last_ack = now;
        }
    }

    pub(crate) fn read_info(&self, now: u64) -> Reading {
        let queued: u64 = self.queue.iter().map(|(_, bytes)| bytes).sum();
        let acks: u64 = self.acks.iter().map(|(_, bytes, _)| bytes).sum();
        Reading {
            queued: self.unsent + queued + acks,
            unsent: self.unsent,
            silent: Duration::from_millis(now - self.last_ack),
            ..self.reading
        }
    }
}
