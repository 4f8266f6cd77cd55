//! One client's TCP connection, as all who deal with it share it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A viewer that takes no byte for this long while some wait for it is closed.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sent bytes may stay unacknowledged: above [`STALL_TIMEOUT`], which gives the better reason.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection on which nothing happens is asked this often whether the other side is still there. WebSockets have
/// pings for it; a viewer of MJPEG whose stream is offline has nothing else.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// One client's connection.
#[derive(Debug)]
pub struct Socket {
    /// The connection itself.
    pub stream: TcpStream,
    /// Who is at its other end.
    pub client: SocketAddr,
    stalled: AtomicBool,
    blocked: AtomicBool,
}

impl Socket {
    /// Prepares an accepted connection.
    ///
    /// # Errors
    /// When it is gone already.
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

    /// Whether it was closed because the client took nothing.
    pub fn has_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Whether bytes wait that the kernel did not take.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Notes whether bytes wait that the kernel did not take.
    pub(super) fn block(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    /// Closes by a reset: what the kernel still holds is thrown away. For closing in the middle of a message.
    pub fn reset(&self) {
        // It fails only on a socket that is gone already.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Closes a client that took nothing for [`STALL_TIMEOUT`]; returns the error to end with.
    pub fn give_up(&self) -> io::Error {
        self.stalled.store(true, Ordering::Relaxed);
        self.reset();
        tracing::info!(client = %self.client.ip(), "a viewer that took nothing for 10 s is closed");
        io::Error::new(io::ErrorKind::TimedOut, "the viewer took nothing for 10 s")
    }
}
