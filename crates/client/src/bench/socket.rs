//! A socket that never blocks, and whose bytes can be thrown away inside the kernel.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};

/// A TCP connection.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// Why a connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The other side ended it.
    #[error("the connection was ended by the server")]
    Ended,
    /// It was cut.
    #[error("{}", in_words(*.0))]
    Failed(Errno),
    /// The server's end is full.
    #[error("the server does not read what viewers send")]
    Unread,
}

impl Socket {
    /// Begins to connect; [`is_connected`](Self::is_connected) says how it went, once one can write.
    ///
    /// # Errors
    /// When the system has no socket or no port left, or refuses at once.
    pub fn connect(to: SocketAddr, receive_buffer: Option<usize>) -> Result<Self, Broken> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        if let Some(bytes) = receive_buffer {
            // Before it connects, because the window's scale is agreed on then.
            sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        }
        sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Self(socket)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it came to a connection.
    ///
    /// # Errors
    /// When it did not.
    pub fn is_connected(&self) -> Result<(), Broken> {
        sockopt::socket_error(&self.0)??;
        Ok(())
    }

    /// Reads what is there; `None` where that is nothing.
    ///
    /// # Errors
    /// When the connection is of no more use.
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>, Broken> {
        self.receive(into, RecvFlags::empty())
    }

    /// Throws away at most as many bytes as `scratch` is long; how many. The kernel does not even write to it.
    ///
    /// # Errors
    /// When the connection is of no more use.
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

    /// Sends all of it. What is sent is so little that it has room, unless the server reads nothing.
    ///
    /// # Errors
    /// When the connection is of no more use.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Broken> {
        match rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(_) | Err(Errno::AGAIN) => Err(Broken::Unread),
            Err(error) => Err(error.into()),
        }
    }

    /// Has the kernel acknowledge bytes when they are read, also after this side sent something.
    ///
    /// Linux takes a connection whose program answers for an interactive one and delays its acknowledgements. On one machine
    /// the server's thread then does most of that work, so that its frames seem to cost more than those of a server whose
    /// viewers never answer.
    ///
    /// # Errors
    /// Fails if the connection is of no more use.
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
