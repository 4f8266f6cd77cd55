//! A connection over a narrow link, for tests of decisions that depend on its state.

use std::collections::VecDeque;
use std::time::Duration;

use super::queue_estimate::TcpReading;

/// A connection as a kernel and a network treat what is written to it, in steps of a millisecond.
#[derive(Debug)]
pub(crate) struct SimulatedConnection {
    /// Bytes a millisecond that the link sustains.
    pub(crate) rate: u64,
    /// Bytes a millisecond that the receiving program reads.
    pub(crate) read_rate: u64,
    /// The round trip without any queue, in milliseconds.
    pub(crate) base_rtt: u64,
    /// True if the sender fills the link's queue, as cubic does. Otherwise it sends at the link's rate, as bbr does.
    fills_queue: bool,
    /// The window of a receiver that has read everything.
    pub(crate) max_window: u64,
    /// The last byte that the receiver offered to accept. It never takes that back, however narrow the window becomes.
    window_edge: u64,
    arrived: u64,
    pub(crate) unsent: u64,
    /// The link's queue: the time when each part entered it, and its bytes.
    queue: VecDeque<(u64, u64)>,
    /// Acknowledgements in flight: the time of arrival, the bytes acknowledged, and the window.
    acks: VecDeque<(u64, u64, u64)>,
    unread: u64,
    /// Bytes that the receiving program has read.
    pub(crate) read: u64,
    reading: TcpReading,
    last_ack: u64,
}

impl SimulatedConnection {
    pub(crate) fn new(mbit: u64, base_rtt: u64, fills_queue: bool) -> Self {
        let max_window = 400_000;
        let reading = TcpReading {
            rtt: Duration::from_millis(base_rtt),
            min_rtt: Duration::from_millis(base_rtt),
            receive_window: max_window,
            ..TcpReading::default()
        };
        Self {
            rate: mbit * 125,
            read_rate: u64::MAX / 2,
            base_rtt,
            fills_queue,
            max_window,
            window_edge: max_window,
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

    /// Simulates one millisecond.
    pub(crate) fn tick(&mut self, now: u64) {
        self.send(now);
        self.transmit(now);
        let read = self.read_rate.min(self.unread);
        self.unread -= read;
        self.read += read;
        self.receive_acks(now);
    }

    fn send(&mut self, now: u64) {
        let in_flight: u64 = self.queue.iter().map(|(_, bytes)| bytes).sum();
        let window = self.window().saturating_sub(in_flight);
        let pace = if self.fills_queue { u64::MAX } else { self.rate };
        let bytes = self.unsent.min(window).min(pace);
        if bytes < self.unsent.min(pace) {
            self.reading.rwnd_limited += Duration::from_millis(1);
        }
        if bytes > 0 {
            self.unsent -= bytes;
            self.queue.push_back((now, bytes));
        }
    }

    fn transmit(&mut self, now: u64) {
        let mut left = self.rate;
        while let Some((since, bytes)) = self.queue.front_mut() {
            let delivered = left.min(*bytes);
            *bytes -= delivered;
            left -= delivered;
            self.unread += delivered;
            self.arrived += delivered;
            let rtt = Duration::from_millis(now - *since + self.base_rtt);
            self.reading.rtt = self.reading.rtt * 7 / 8 + rtt / 8;
            if delivered > 0 {
                // A receiver never takes back a window that it has offered.
                let open = self.arrived + self.max_window.saturating_sub(self.unread);
                self.window_edge = self.window_edge.max(open);
                let window = self.window_edge - self.arrived;
                self.acks.push_back((now + self.base_rtt, delivered, window));
            }
            if *bytes > 0 {
                break;
            }
            self.queue.pop_front();
        }
    }

    /// Returns the receiver's window now; the next acknowledgement reports it.
    fn window(&self) -> u64 {
        let open = self.arrived + self.max_window.saturating_sub(self.unread);
        self.window_edge.max(open) - self.arrived
    }

    fn receive_acks(&mut self, now: u64) {
        while self.acks.front().is_some_and(|(at, _, _)| *at <= now) {
            let (_, bytes, window) = self.acks.pop_front().unwrap();
            self.reading.acked += bytes;
            self.reading.receive_window = window;
            self.last_ack = now;
        }
    }

    /// Returns the reading that the kernel would give.
    pub(crate) fn reading(&self, now: u64) -> TcpReading {
        let queued: u64 = self.queue.iter().map(|(_, bytes)| bytes).sum();
        let acks: u64 = self.acks.iter().map(|(_, bytes, _)| bytes).sum();
        TcpReading {
            queued: self.unsent + queued + acks,
            unsent: self.unsent,
            since_ack: Duration::from_millis(now - self.last_ack),
            ..self.reading
        }
    }
}
