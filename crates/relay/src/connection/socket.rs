//! One client's TCP connection, plain or with TLS, shared by everything that serves it.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::tls::TlsSession;

/// Time after which a viewer that reads nothing is closed, if bytes are waiting for it.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for which sent bytes may stay unacknowledged. It is above [`STALL_TIMEOUT`], which gives a better
/// reason.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// Interval of TCP keepalive probes on an idle connection. WebSockets have pings too; an MJPEG viewer of an offline
/// stream has only this.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Prepares an accepted connection.
///
/// # Errors
/// Fails if the client is gone.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// One client's connection.
#[derive(Debug)]
pub struct Socket {
    /// The TCP stream.
    pub(super) stream: TcpStream,
    /// The TLS session, unless the connection is plain.
    pub(super) tls: Option<TlsSession>,
    /// The client's address.
    pub client: SocketAddr,
    stalled: AtomicBool,
    blocked: AtomicBool,
}

impl Socket {
    /// Returns a prepared connection, after the handshake of TLS if it has a session.
    pub fn new(stream: TcpStream, client: SocketAddr, tls: Option<TlsSession>) -> Self {
        Self {
            stream,
            tls,
            client,
            stalled: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
        }
    }

    /// Returns whether the connection has TLS.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Waits until [`Self::try_read`] may return something.
    ///
    /// # Errors
    /// Fails if the relay shuts down.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.tls {
            Some(tls) if tls.is_readable() => Poll::Ready(Ok(())),
            _ => self.stream.poll_read_ready(cx),
        }
    }

    /// Reads what the client has sent; returns 0 at the end.
    ///
    /// # Errors
    /// Fails with `WouldBlock` if nothing is there, or if the connection is gone.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.read(&self.stream, into),
            None => self.stream.try_read(into),
        }
    }

    /// Shuts down the sending side; the client can still be read from.
    ///
    /// # Errors
    /// Fails only if the socket is gone.
    pub fn shut_down(&self) -> io::Result<()> {
        self.end_encryption();
        SockRef::from(&self.stream).shutdown(Shutdown::Write)
    }

    /// Notifies a client with TLS that nothing follows.
    pub(super) fn end_encryption(&self) {
        if let Some(tls) = &self.tls {
            tls.close(|slices| self.stream.try_write_vectored(slices));
        }
    }

    /// Returns whether it was closed because the client read nothing.
    pub fn has_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Returns whether bytes wait that the kernel did not accept.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Notes whether bytes wait that the kernel did not accept.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    /// Makes closing a reset, which discards what the kernel still holds. Used to close in the middle of a message.
    pub fn reset(&self) {
        // It fails only on a socket that is gone.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Closes the connection of a client that read nothing for [`STALL_TIMEOUT`]; returns the error to end with.
    pub fn close_stalled(&self) -> io::Error {
        self.stalled.store(true, Ordering::Relaxed);
        self.reset();
        tracing::info!(client = %self.client.ip(), "closing a viewer that read nothing for 10 s");
        io::Error::new(io::ErrorKind::TimedOut, "the viewer read nothing for 10 s")
    }
}
