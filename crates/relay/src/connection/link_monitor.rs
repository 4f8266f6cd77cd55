//! Asks the kernel how a connection stands before the next frame is chosen.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use socket2::SockRef;

use super::promise::Promise;
use super::queue_estimate::{QueueEstimator, Reading, Room};
use super::socket::Socket;
use super::tcp_info;
use super::writer::Wait;

/// Bytes that the kernel may hold unsent (`TCP_NOTSENT_LOWAT`) for a viewer that keeps up: a usual frame at once, which
/// saves system calls.
const QUICK: u32 = 128 * 1024;
/// For one that does not: all else waits here, where a newer frame can take its place. 16 KiB was measured best on a
/// 4 Mbit/s link: frame age 0.18 s at the median, against 1.2 s with the kernel's default.
const SLOW: u32 = 16 * 1024;

/// How a connection stands.
#[derive(Debug)]
pub(super) struct LinkMonitor {
    socket: Arc<Socket>,
    queue_estimate: QueueEstimator,
    promise: Promise,
    low_water: u32,
}

impl LinkMonitor {
    /// Of a connection on which nothing was sent yet.
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            queue_estimate: QueueEstimator::default(),
            promise: Promise::default(),
            low_water: 0,
        }
    }

    /// A write had to wait for the client.
    pub(super) fn suspect(&mut self, now: Timestamp) {
        self.queue_estimate.suspect(now);
    }

    /// Returns when the next frame may go. `owed` says whether there is one that the viewer is to have now.
    ///
    /// # Errors
    /// When the connection is gone, or the client took nothing for too long.
    pub(super) fn wait(&mut self, now: Timestamp, owed: impl FnOnce() -> bool) -> io::Result<Wait> {
        if !self.queue_estimate.wants_reading(now) {
            return Ok(Wait::No);
        }
        let reading = tcp_info::read(&self.socket.stream)?;
        let room = self.queue_estimate.take(now, reading);
        self.adapt()?;
        match room {
            Room::Now => {
                self.promise.keep();
                Ok(Wait::No)
            }
            Room::At(then) => Ok(self.hold(now, then, &reading, owed)),
            Room::Stalled => Err(self.socket.give_up()),
        }
    }

    /// Holds a frame back, as long as that keeps the promise.
    fn hold(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        reading: &Reading,
        owed: impl FnOnce() -> bool,
    ) -> Wait {
        if !self.queue_estimate.is_idle() || !owed() {
            self.promise.keep();
        } else if self.promise.is_broken(now, reading.min_rtt) {
            tracing::warn!(
                client = %self.socket.client.ip(),
                ?reading,
                "a frame was held back though nothing was in flight; it is sent now. Please report this line"
            );
            return Wait::Overdue;
        }
        Wait::Until(until)
    }

    /// Something of this many bytes is sent, right after there was room for it.
    pub(super) fn send(&mut self, bytes: usize) {
        self.queue_estimate.send(bytes);
    }

    /// The connection's shortest round trip of late; zero while unknown.
    pub(super) fn distance(&self) -> Duration {
        self.queue_estimate.distance()
    }

    /// Whether the connection has recently lost segments.
    pub(super) fn is_lossy(&self, now: Timestamp) -> bool {
        self.queue_estimate.is_lossy(now)
    }

    /// Whether sending has recently waited for the receiver rather than for the network.
    pub(super) fn waited_for_receiver(&self, now: Timestamp) -> bool {
        self.queue_estimate.waited_for_receiver(now)
    }

    /// Bytes acknowledged so far, as far as it was looked at: up to a moment ago where there is a queue.
    pub(super) fn acked(&self) -> u64 {
        self.queue_estimate.acked()
    }

    fn adapt(&mut self) -> io::Result<()> {
        let low_water = if self.queue_estimate.has_queue() { SLOW } else { QUICK };
        if low_water != self.low_water {
            SockRef::from(&self.socket.stream).set_tcp_notsent_lowat(low_water)?;
            self.low_water = low_water;
        }
        Ok(())
    }
}
