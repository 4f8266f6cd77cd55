//! The state of one connection, read from the kernel before the next frame is chosen.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use socket2::SockRef;

use super::queue_estimate::{QueueEstimator, SendDecision, TcpReading};
use super::send_deadline::SendDeadline;
use super::socket::Socket;
use super::tcp_info;

/// Bytes that the kernel may hold unsent (`TCP_NOTSENT_LOWAT`) for a viewer that keeps up. A usual frame fits, which
/// saves system calls.
const LOW_WATER: u32 = 128 * 1024;
/// The same for a viewer that does not keep up: the rest waits in the relay, where a newer frame can replace it. 16 KiB
/// was measured best on a 4 Mbit/s link: median frame age 0.18 s, against 1.2 s with the kernel's default.
const LOW_WATER_IF_QUEUED: u32 = 16 * 1024;

/// The time at which a frame may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendTime {
    /// Send it now.
    Now,
    /// Hold it until this moment.
    HoldUntil(Timestamp),
    /// Send it now: it was held past its deadline, which counts as a fault of the relay.
    Overdue,
}

/// Decides when the next frame of one connection may be sent.
#[derive(Debug)]
pub(super) struct LinkMonitor {
    socket: Arc<Socket>,
    queue_estimate: QueueEstimator,
    deadline: SendDeadline,
    low_water: u32,
}

impl LinkMonitor {
    /// Returns the monitor of a connection on which no frame was sent yet.
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            queue_estimate: QueueEstimator::default(),
            deadline: SendDeadline::default(),
            low_water: 0,
        }
    }

    /// Notes that a write had to wait for the client.
    pub(super) fn note_backpressure(&mut self, now: Timestamp) {
        self.queue_estimate.note_backpressure(now);
    }

    /// Returns when the next frame may be sent. `is_due` says whether the viewer is due a frame now.
    ///
    /// # Errors
    /// Fails if the connection is gone or the client read nothing for too long.
    pub(super) fn pace(
        &mut self,
        now: Timestamp,
        is_due: impl FnOnce() -> bool,
    ) -> io::Result<SendTime> {
        if !self.queue_estimate.needs_reading(now) {
            return Ok(SendTime::Now);
        }
        let reading = tcp_info::read(&self.socket.stream)?;
        let decision = self.queue_estimate.update(now, reading);
        self.set_low_water()?;
        match decision {
            SendDecision::Send => {
                self.deadline.reset();
                Ok(SendTime::Now)
            }
            SendDecision::RetryAt(then) => Ok(self.hold(now, then, &reading, is_due)),
            SendDecision::Stalled => Err(self.socket.close_stalled()),
        }
    }

    /// Holds a frame unless its deadline has passed.
    fn hold(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        reading: &TcpReading,
        is_due: impl FnOnce() -> bool,
    ) -> SendTime {
        if !self.queue_estimate.is_idle() || !is_due() {
            self.deadline.reset();
        } else if self.deadline.is_missed(now, reading.min_rtt) {
            tracing::warn!(
                client = %self.socket.client.ip(),
                ?reading,
                "a frame was held past its deadline with nothing in flight; sending it now: please report this line"
            );
            return SendTime::Overdue;
        }
        SendTime::HoldUntil(until)
    }

    /// Notes that this many bytes are sent, right after they were allowed.
    pub(super) fn note_sent(&mut self, bytes: usize) {
        self.queue_estimate.note_sent(bytes);
    }

    /// Returns the connection's shortest recent round trip; zero while unknown.
    pub(super) fn min_rtt(&self) -> Duration {
        self.queue_estimate.min_rtt()
    }

    /// Returns whether the connection has recently lost segments.
    pub(super) fn is_lossy(&self, now: Timestamp) -> bool {
        self.queue_estimate.is_lossy(now)
    }

    /// Returns whether sending was recently limited by the receiver rather than by the network.
    pub(super) fn is_receiver_limited(&self, now: Timestamp) -> bool {
        self.queue_estimate.is_receiver_limited(now)
    }

    /// Returns the bytes acknowledged as of the last reading: a moment ago if there is a queue.
    pub(super) fn acked(&self) -> u64 {
        self.queue_estimate.acked()
    }

    fn set_low_water(&mut self) -> io::Result<()> {
        let queued = self.queue_estimate.has_queue();
        let low_water = if queued { LOW_WATER_IF_QUEUED } else { LOW_WATER };
        if low_water != self.low_water {
            SockRef::from(&self.socket.stream).set_tcp_notsent_lowat(low_water)?;
            self.low_water = low_water;
        }
        Ok(())
    }
}
