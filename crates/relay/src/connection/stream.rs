//! The byte stream to one client, plain or with TLS. Writes fail once the client reads nothing for too long.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::socket::{STALL_TIMEOUT, Socket};
use super::tls::Flush;
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
        write: impl Fn(&Socket) -> io::Result<Progress>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&self.socket) {
                Ok(Progress::Blocked) => {}
                // The client reads, so the stall timer starts again.
                Ok(Progress::Partial) => {
                    self.waiting = false;
                    continue;
                }
                done => {
                    if self.waiting || self.socket.is_blocked() {
                        self.waiting = false;
                        self.socket.set_blocked(false);
                    }
                    return Poll::Ready(done.map(Progress::written));
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
        let socket = &self.socket;
        loop {
            // Checked first, so that the buffer is not zeroed in vain.
            ready!(socket.poll_readable(cx))?;
            match socket.try_read(buffer.initialize_unfilled()) {
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |socket| write(socket, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket.is_encrypted() {
            true => self.poll_with(cx, flush_encrypted).map_ok(|_| ()),
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shut_down())
    }
}

/// The result of one attempt to write.
enum Progress {
    /// This many bytes were taken: by the kernel, or encrypted.
    Written(usize),
    /// The kernel has accepted ciphertext of before, and may accept more.
    Partial,
    /// The kernel accepts nothing now.
    Blocked,
}

impl Progress {
    fn written(self) -> usize {
        match self {
            Self::Written(count) => count,
            Self::Partial | Self::Blocked => 0,
        }
    }
}

fn write(socket: &Socket, slices: &[IoSlice<'_>]) -> io::Result<Progress> {
    let Some(tls) = &socket.tls else {
        return match socket.stream.try_write_vectored(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Progress::Blocked),
            written => written.map(Progress::Written),
        };
    };
    match flush_encrypted(socket)? {
        Progress::Written(_) => {
            let (taken, _) =
                tls.write(slices, |slices| socket.stream.try_write_vectored(slices))?;
            Ok(Progress::Written(taken))
        }
        progress => Ok(progress),
    }
}

/// Writes ciphertext that the kernel did not accept before.
fn flush_encrypted(socket: &Socket) -> io::Result<Progress> {
    let Some(tls) = &socket.tls else { return Ok(Progress::Written(0)) };
    Ok(match tls.flush(|slices| socket.stream.try_write_vectored(slices))? {
        Flush::Done => Progress::Written(0),
        Flush::Partial => Progress::Partial,
        Flush::Blocked => Progress::Blocked,
    })
}
