//! The way out of one connection, for whoever sends frames: what the kernel does not take at once waits here, and a frame
//! is only begun when nothing does.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use rustix::io::Errno;
use socket2::SockRef;
use tokio::io::AsyncWrite as _;

use super::link_monitor::LinkMonitor;
use super::stream::Link;

/// Pieces written at once: what is left of a frame and of the words before it.
const SLICES: usize = 8;

/// With this many pieces waiting, nothing more is said that the client could ask for without end.
const MAX_WAITING: usize = 16;

/// Whether a frame has to wait for its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It may go now.
    No,
    /// Until this moment.
    Until(Timestamp),
    /// It was held back for longer than promised, and must go now. To be counted as a fault of the relay.
    Overdue,
}

/// The way out of one connection.
#[derive(Debug)]
pub struct PacedWriter {
    /// The socket of `link`. It lies here too because looking it up there would wait for other memory in each frame.
    descriptor: BorrowedFd<'static>,
    link: Link,
    monitor: LinkMonitor,
    /// What is left of what was sent, in order: one frame at most, and a few answers behind it.
    waiting: VecDeque<Bytes>,
}

impl PacedWriter {
    /// Of a connection on which nothing is under way.
    #[expect(unsafe_code, reason = "a field cannot borrow from the field beside it")]
    pub fn new(link: Link) -> Self {
        let monitor = LinkMonitor::new(link.socket().clone());
        // SAFETY: `link` keeps the socket open as long as this value lives, and the descriptor does not leave it.
        let descriptor = unsafe { BorrowedFd::borrow_raw(link.socket().stream.as_raw_fd()) };
        Self { descriptor, link, monitor, waiting: VecDeque::new() }
    }

    /// Returns when the next frame may go: one that went sooner would only make a queue on the way longer. `owed` says
    /// whether there is one that the viewer is to have now.
    ///
    /// # Errors
    /// When the connection is gone, or the client took nothing for too long.
    pub fn wait(&mut self, now: Timestamp, owed: impl FnOnce() -> bool) -> io::Result<Wait> {
        self.monitor.wait(now, owed)
    }

    /// The connection's shortest round trip of late; zero while unknown.
    pub fn distance(&self) -> Duration {
        self.monitor.distance()
    }

    /// Bytes that the other side has acknowledged, as of when it was looked at last.
    pub fn acked(&self) -> u64 {
        self.monitor.acked()
    }

    /// Whether the connection has recently lost segments.
    pub fn is_lossy(&self, now: Timestamp) -> bool {
        self.monitor.is_lossy(now)
    }

    /// Whether sending has recently waited for the receiver rather than for the network.
    pub fn waited_for_receiver(&self, now: Timestamp) -> bool {
        self.monitor.waited_for_receiver(now)
    }

    /// Sends all three, from where they lie. Most often the kernel takes them in one call; of the rest only the head is
    /// copied.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, head: &[u8], payload: &Bytes, tail: &'static [u8]) -> io::Result<()> {
        let mut written = 0;
        let length = head.len() + payload.len() + tail.len();
        self.monitor.send(length);
        if self.is_clear() {
            let slices = [IoSlice::new(head), IoSlice::new(payload), IoSlice::new(tail)];
            // Past tokio's books, which would cost a look into other memory; they are asked where the kernel says no.
            // The kernel would copy and check an empty piece as well.
            let pieces = if tail.is_empty() { &slices[..2] } else { &slices[..] };
            match rustix::io::writev(self.descriptor, pieces) {
                Ok(count) => written = count,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if written == length {
            return Ok(());
        }
        let of_head = written.min(head.len());
        let of_payload = (written - of_head).min(payload.len());
        let of_tail = written - of_head - of_payload;
        let rest = [
            Bytes::copy_from_slice(&head[of_head..]),
            payload.slice(of_payload..),
            Bytes::from_static(&tail[of_tail..]),
        ];
        self.waiting.extend(rest.into_iter().filter(|piece| !piece.is_empty()));
        Ok(())
    }

    /// Whether the kernel has taken all that was sent.
    pub fn is_clear(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether something small may still be sent though the kernel has not taken all that was sent before.
    pub fn has_room_for_answers(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When the connection is gone, or the client took nothing for too long.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_clear() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.waiting.len().min(SLICES);
            for (slice, bytes) in slices.iter_mut().zip(&self.waiting) {
                *slice = IoSlice::new(bytes);
            }
            let link = Pin::new(&mut self.link);
            let written = ready!(link.poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        self.waiting.shrink_to(0);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.waiting.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.waiting.pop_front();
        }
    }

    /// Whether writing had to wait for the client since this was asked last.
    pub fn has_waited(&mut self) -> bool {
        let waited = self.link.has_waited();
        if waited {
            self.monitor.suspect(clock::now());
        }
        waited
    }

    /// Ends our side; what the client says can still be heard.
    pub fn shut_down(&self) {
        // It fails only on a socket that is gone already.
        let _ = SockRef::from(&self.link.socket().stream).shutdown(Shutdown::Write);
    }

    /// Ends the connection by a reset: for closing in the middle of a message.
    pub fn reset(&self) {
        self.link.socket().reset();
    }

    /// Whether the connection was closed because the client took nothing.
    pub fn has_stalled(&self) -> bool {
        self.link.socket().has_stalled()
    }
}
