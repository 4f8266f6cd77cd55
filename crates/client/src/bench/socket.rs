//! A socket that never blocks, and whose bytes can be discarded inside the kernel.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};

/// A TCP connection.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// The reason why a connection is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The other side closed it.
    #[error("the connection was ended by the server")]
    Ended,
    /// An error interrupted it.
    #[error("{}", in_words(*.0))]
    Failed(Errno),
    /// The server does not read.
    #[error("the server does not read what viewers send")]
    Unread,
}

impl Socket {
    /// Starts to connect. [`is_connected`](Self::is_connected) returns the result when the socket is writable.
    ///
    /// # Errors
    /// Fails if the system has no socket or no port left, or refuses immediately.
    pub fn connect(to: SocketAddr, receive_buffer: Option<usize>) -> Result<Self, Broken> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        if let Some(bytes) = receive_buffer {
            // Before connecting, because the handshake fixes the window's scale.
            sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        }
        sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Self(socket)),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks whether the connection was established.
    ///
    /// # Errors
    /// Fails if it was not.
    pub fn is_connected(&self) -> Result<(), Broken> {
        sockopt::socket_error(&self.0)??;
        Ok(())
    }

    /// Reads available bytes; `None` if there are none.
    ///
    /// # Errors
    /// Fails if the connection is unusable.
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>, Broken> {
        self.receive(into, RecvFlags::empty())
    }

    /// Discards at most as many bytes as `scratch` is long; the kernel does not write to it. Returns their number,
    /// `None` if there are none.
    ///
    /// # Errors
    /// Fails if the connection is unusable.
    pub fn discard(&self, scratch: &mut [u8]) -> Result<Option<usize>, Broken> {
        self.receive(scratch, RecvFlags::TRUNC)
    }

    fn receive(&self, into: &mut [u8], flags: RecvFlags) -> Result<Option<usize>, Broken> {
        match rustix::net::recv(&self.0, into, flags) {
            Ok((_, 0)) => Err(Broken::Ended),
            Ok((_, received)) => Ok(Some(received)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends all bytes. They are so few that they fit into the socket's buffer, unless the server does not read.
    ///
    /// # Errors
    /// Fails if the connection is unusable, or does not accept all of them.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Broken> {
        match rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(_) | Err(Errno::AGAIN) => Err(Broken::Unread),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the kernel acknowledge bytes when they are read, even after this side sent something.
    ///
    /// Linux treats a connection whose program replies as interactive and delays its acknowledgements. On one machine
    /// the server's thread then does most of that work, so that its frames seem to cost more than those of a server
    /// whose viewers never reply.
    ///
    /// # Errors
    /// Fails if the connection is unusable.
    pub fn acknowledge_when_read(&self) -> Result<(), Broken> {
        Ok(sockopt::set_tcp_quickack(&self.0, true)?)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Errno> for Broken {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

fn in_words(errno: Errno) -> String {
    match errno {
        Errno::CONNREFUSED => "the connection was refused: nothing listens there".into(),
        Errno::CONNRESET | Errno::PIPE => "the connection was cut by the server (reset)".into(),
        Errno::ADDRNOTAVAIL => {
            "no local port is left: one machine has some 28000 toward one address \
             (net.ipv4.ip_local_port_range)"
                .into()
        }
        Errno::MFILE | Errno::NFILE => "no file descriptor is left (ulimit -n)".into(),
        other => io::Error::from(other).to_string(),
    }
}
