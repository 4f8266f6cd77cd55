//! What is written to a client goes through its link: plain today. It fails once the client takes nothing for too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::socket::{STALL_TIMEOUT, Socket};
use crate::limits::Permit;

/// A connection whose writes fail once the other side has taken nothing for [`STALL_TIMEOUT`].
#[derive(Debug)]
pub struct Link {
    socket: Arc<Socket>,
    /// Made when a write first has to wait, and used again.
    stalled: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    waited: bool,
    /// The connection's place among all; given back when it ends, whatever it has become meanwhile.
    _place: Permit,
}

impl Link {
    /// Writes to this connection.
    pub fn new(socket: Arc<Socket>, place: Permit) -> Self {
        Self { socket, stalled: None, waiting: false, waited: false, _place: place }
    }

    /// The connection below.
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Whether a write had to wait for the client since this was asked last.
    pub fn has_waited(&mut self) -> bool {
        std::mem::take(&mut self.waited)
    }

    /// Runs the clock while a write waits.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let deadline = Instant::now() + STALL_TIMEOUT;
        let sleep =
            self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.waiting {
            sleep.as_mut().reset(deadline);
            self.waiting = true;
            self.socket.block(true);
        }
        self.waited = true;
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(self.socket.give_up())
    }

    /// Writes as soon as the kernel takes something.
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
                        self.socket.block(false);
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

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.socket.stream;
        loop {
            // Asked first, so that the buffer is not cleared for nothing.
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

impl AsyncWrite for Link {
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
