//! One client's TCP connection, shared by everything that serves it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Time after which a viewer that reads nothing is closed, if bytes are waiting for it.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for which sent bytes may stay unacknowledged. It is above [`STALL_TIMEOUT`], which gives a better
/// reason.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// Interval of TCP keepalive probes on an idle connection. WebSockets have pings too; an MJPEG viewer of an offline
/// stream has only this.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// One client's connection.
#[derive(Debug)]
pub struct Socket {
    /// The TCP stream.
    pub stream: TcpStream,
    /// The client's address.
    pub client: SocketAddr,
    stalled: AtomicBool,
    blocked: AtomicBool,
}

impl Socket {
    /// Prepares an accepted connection.
    ///
    /// # Errors
    /// Fails if the client is gone.
    pub fn new(stream: TcpStream, client: SocketAddr) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        Ok(Self {
            stream,
            client,
            stalled: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
        })
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
