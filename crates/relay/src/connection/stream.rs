//! The byte stream to one client: plain TCP today. Writes fail once the client reads nothing for too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::socket::{STALL_TIMEOUT, Socket};
use crate::limits::Permit;

/// A connection whose writes fail once the client has read nothing for [`STALL_TIMEOUT`].
#[derive(Debug)]
pub struct ClientStream {
    socket: Arc<Socket>,
    /// Created when a write first has to wait, and used again.
    stall_timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    was_blocked: bool,
    /// The connection's share of the limit, released when the connection ends, also after it has left HTTP.
    _permit: Permit,
}

impl ClientStream {
    /// Returns the stream of this connection.
    pub fn new(socket: Arc<Socket>, permit: Permit) -> Self {
        Self { socket, stall_timer: None, waiting: false, was_blocked: false, _permit: permit }
    }

    /// Returns the underlying connection.
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Returns whether a write had to wait for the client since the last call.
    pub fn take_blocked(&mut self) -> bool {
        std::mem::take(&mut self.was_blocked)
    }

    /// Polls the stall timer while a write waits.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let deadline = Instant::now() + STALL_TIMEOUT;
        let sleep =
            self.stall_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.waiting {
            sleep.as_mut().reset(deadline);
            self.waiting = true;
            self.socket.set_blocked(true);
        }
        self.was_blocked = true;
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(self.socket.close_stalled())
    }

    /// Writes as soon as the kernel accepts something.
    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    if self.waiting {
                        self.waiting = false;
                        self.socket.set_blocked(false);
                    }
                    return Poll::Ready(done);
                }
            }
            if self.socket.stream.poll_write_ready(cx)?.is_pending() {
                return self.poll_stall(cx).map(Err);
            }
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.socket.stream;
        loop {
            // Checked first, so that the buffer is not zeroed in vain.
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |socket| socket.stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |socket| socket.stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = socket2::SockRef::from(&self.socket.stream).shutdown(std::net::Shutdown::Write);
        Poll::Ready(shut)
    }
}
