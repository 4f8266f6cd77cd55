//! The paced writer of one connection. Bytes that the kernel does not accept immediately are queued here, and a frame
//! is only begun when the queue is empty.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use rustix::io::Errno;
use tokio::io::AsyncWrite as _;

use super::link_monitor::{LinkMonitor, SendTime};
use super::stream::ClientStream;
use super::tls::{self, Flush};

/// Most pieces in one write: the rest of a frame and of the messages before it.
const SLICES: usize = 8;

/// Number of queued pieces from which no further replies are accepted. A client can request replies without end.
const MAX_QUEUED: usize = 16;

/// The paced writer of one connection.
#[derive(Debug)]
pub struct PacedWriter {
    /// The socket of `stream`, copied here because a look-up through `stream` would touch other memory for each frame.
    descriptor: BorrowedFd<'static>,
    stream: ClientStream,
    monitor: LinkMonitor,
    /// Bytes that the kernel has not accepted yet, in order: at most one frame, and a few replies after it. With TLS,
    /// encrypted bytes come before them ([`Encryption::Pending`]).
    queue: VecDeque<Bytes>,
    encryption: Encryption,
}

/// The state of the connection's TLS session, copied here so that the session's memory is not touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// The connection is plain.
    None,
    /// The kernel has accepted all ciphertext.
    Flushed,
    /// The session holds ciphertext that the kernel has not accepted.
    Pending,
}

impl From<Flush> for Encryption {
    fn from(flush: Flush) -> Self {
        match flush {
            Flush::Done => Self::Flushed,
            Flush::Partial | Flush::Blocked => Self::Pending,
        }
    }
}

impl PacedWriter {
    /// Returns the writer of a connection on which nothing is in flight.
    #[expect(unsafe_code, reason = "a field cannot borrow from the field beside it")]
    pub fn new(stream: ClientStream) -> Self {
        let monitor = LinkMonitor::new(stream.socket().clone());
        // SAFETY: `stream` keeps the socket open for as long as this value lives, and the descriptor does not leave it.
        let descriptor = unsafe { BorrowedFd::borrow_raw(stream.socket().stream.as_raw_fd()) };
        let encryption = match &stream.socket().tls {
            None => Encryption::None,
            Some(tls) if tls.has_pending() => Encryption::Pending,
            Some(_) => Encryption::Flushed,
        };
        Self { descriptor, stream, monitor, queue: VecDeque::new(), encryption }
    }

    /// Returns when the next frame may be sent; sent earlier, it would only lengthen a queue on the way. `is_due` says
    /// whether the viewer is due a frame now.
    ///
    /// # Errors
    /// Fails if the connection is gone or the client read nothing for too long.
    pub fn pace(&mut self, now: Timestamp, is_due: impl FnOnce() -> bool) -> io::Result<SendTime> {
        self.monitor.pace(now, is_due)
    }

    /// Returns the connection's shortest recent round trip; zero while unknown.
    pub fn min_rtt(&self) -> Duration {
        self.monitor.min_rtt()
    }

    /// Returns the bytes that the client's kernel has acknowledged, as of the last reading.
    pub fn acked(&self) -> u64 {
        self.monitor.acked()
    }

    /// Returns whether the connection has recently lost segments.
    pub fn is_lossy(&self, now: Timestamp) -> bool {
        self.monitor.is_lossy(now)
    }

    /// Returns whether sending was recently limited by the receiver rather than by the network.
    pub fn is_receiver_limited(&self, now: Timestamp) -> bool {
        self.monitor.is_receiver_limited(now)
    }

    /// Sends all three parts, usually with one system call. Without TLS they are not copied; of what the kernel does not
    /// accept, only the head is.
    ///
    /// # Errors
    /// Fails if the connection is gone.
    pub fn send(&mut self, head: &[u8], payload: &Bytes, tail: &'static [u8]) -> io::Result<()> {
        let length = head.len() + payload.len() + tail.len();
        let mut written = 0;
        if self.encryption == Encryption::None {
            self.monitor.note_sent(length);
        } else {
            self.monitor.note_sent(tls::encrypted_length(length));
        }
        if self.is_flushed() {
            let slices = [IoSlice::new(head), IoSlice::new(payload), IoSlice::new(tail)];
            // An empty piece is left out because the kernel would copy and check it too.
            let pieces = if tail.is_empty() { &slices[..2] } else { &slices[..] };
            written = self.write(pieces)?;
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
        self.queue.extend(rest.into_iter().filter(|piece| !piece.is_empty()));
        Ok(())
    }

    /// Writes with one system call; returns the number of bytes that the kernel, or encryption, has taken. This bypasses
    /// tokio's readiness state, which lies in other memory; `poll_flush` uses it if the kernel refuses.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let descriptor = self.descriptor;
        if self.encryption == Encryption::None {
            return match rustix::io::writev(descriptor, pieces) {
                Ok(count) => Ok(count),
                Err(Errno::AGAIN | Errno::INTR) => Ok(0),
                Err(error) => Err(error.into()),
            };
        }
        let Some(tls) = &self.stream.socket().tls else { return Ok(0) };
        let (taken, flush) =
            tls.write(pieces, |slices| Ok(rustix::io::writev(descriptor, slices)?))?;
        self.encryption = flush.into();
        Ok(taken)
    }

    /// Returns whether the kernel has accepted everything that was sent.
    pub fn is_flushed(&self) -> bool {
        self.queue.is_empty() && self.encryption != Encryption::Pending
    }

    /// Returns whether a small reply may be queued behind what the kernel has not accepted yet.
    pub fn accepts_replies(&self) -> bool {
        self.queue.len() < MAX_QUEUED
    }

    /// Writes what is queued.
    ///
    /// # Errors
    /// Fails if the connection is gone or the client read nothing for too long.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.queue.len().min(SLICES);
            for (slice, bytes) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(bytes);
            }
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.encryption != Encryption::None {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.encryption = Encryption::Flushed;
        }
        self.queue.shrink_to(0);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.queue.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.queue.pop_front();
        }
    }

    /// Returns whether writing had to wait for the client since the last call.
    pub fn take_blocked(&mut self) -> bool {
        let blocked = self.stream.take_blocked();
        if blocked {
            self.monitor.note_backpressure(clock::now());
        }
        blocked
    }

    /// Shuts down the sending side; the client can still be read from.
    pub fn shut_down(&self) {
        // It fails only on a socket that is gone.
        let _ = self.stream.socket().shut_down();
    }

    /// Makes closing a reset. Used to close in the middle of a message.
    pub fn reset(&self) {
        self.stream.socket().reset();
    }

    /// Returns whether the connection was closed because the client read nothing.
    pub fn has_stalled(&self) -> bool {
        self.stream.socket().has_stalled()
    }
}
