//! A socket that never blocks. Without TLS, its bytes can be discarded inside the kernel.

use std::cell::RefCell;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};
use rustls::ClientConnection;

use super::tls::Tls;

/// A TCP connection, plain or with TLS.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    /// The TLS session. It keeps bytes that are sent before the end of its handshake.
    tls: Option<Box<RefCell<ClientConnection>>>,
}

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
    /// The server's certificate is not trusted, or it violates TLS.
    #[error("TLS: {0}")]
    Tls(String),
}

impl Socket {
    /// Starts to connect. [`is_connected`](Self::is_connected) returns the result when the socket is writable.
    ///
    /// # Errors
    /// Fails if the system has no socket or no port left, or refuses immediately.
    pub fn connect(
        to: SocketAddr,
        receive_buffer: Option<usize>,
        tls: Option<&Tls>,
    ) -> Result<Self, Broken> {
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
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let session = tls.map(Tls::begin).transpose()?;
        Ok(Self { descriptor: socket, tls: session.map(RefCell::new).map(Box::new) })
    }

    /// Returns whether it has TLS.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Checks whether the connection was established.
    ///
    /// # Errors
    /// Fails if it was not.
    pub fn is_connected(&self) -> Result<(), Broken> {
        sockopt::socket_error(&self.descriptor)??;
        Ok(())
    }

    /// Reads available bytes; `None` if there are none.
    ///
    /// # Errors
    /// Fails if the connection is unusable.
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>, Broken> {
        let Some(tls) = &self.tls else { return self.receive(into, RecvFlags::empty()) };
        let (mut session, mut read) = (tls.borrow_mut(), 0);
        while read < into.len() {
            match session.reader().read(&mut into[read..]) {
                Ok(0) if read == 0 => return Err(Broken::Ended),
                Ok(0) => break,
                Ok(count) => read += count,
                Err(_) if !self.decrypt_more(&mut session)? => break,
                Err(_) => {}
            }
        }
        Ok((read > 0).then_some(read))
    }

    /// Discards at most as many bytes as `scratch` is long; the kernel does not write to it. Returns their number,
    /// `None` if there are none.
    ///
    /// # Errors
    /// Fails if the connection is unusable.
    pub fn discard(&self, scratch: &mut [u8]) -> Result<Option<usize>, Broken> {
        let Some(tls) = &self.tls else { return self.receive(scratch, RecvFlags::TRUNC) };
        let (mut session, mut discarded) = (tls.borrow_mut(), 0);
        while discarded < scratch.len() {
            let decrypted = session.reader().fill_buf().map(<[u8]>::len);
            let count = match decrypted {
                Ok(0) if discarded == 0 => return Err(Broken::Ended),
                Ok(0) => break,
                Ok(length) => length.min(scratch.len() - discarded),
                Err(_) if !self.decrypt_more(&mut session)? => break,
                Err(_) => continue,
            };
            session.reader().consume(count);
            discarded += count;
        }
        Ok((discarded > 0).then_some(discarded))
    }

    /// Reads and decrypts more; returns whether there was any.
    fn decrypt_more(&self, session: &mut ClientConnection) -> Result<bool, Broken> {
        match session.read_tls(&mut Raw(&self.descriptor)) {
            Ok(0) => return Err(Broken::Ended),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(broken(&error)),
        }
        session.process_new_packets()?;
        self.flush(session)?;
        Ok(true)
    }

    /// Sends ciphertext: parts of the handshake, or a request. They fit into the socket's buffer.
    fn flush(&self, session: &mut ClientConnection) -> Result<(), Broken> {
        while session.wants_write() {
            match session.write_tls(&mut Raw(&self.descriptor)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Broken::Unread);
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    }

    fn receive(&self, into: &mut [u8], flags: RecvFlags) -> Result<Option<usize>, Broken> {
        match rustix::net::recv(&self.descriptor, into, flags) {
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
        if let Some(tls) = &self.tls {
            let mut session = tls.borrow_mut();
            session.writer().write_all(bytes).map_err(|_| Broken::Unread)?;
            return self.flush(&mut session);
        }
        match rustix::net::send(&self.descriptor, bytes, SendFlags::NOSIGNAL) {
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
        Ok(sockopt::set_tcp_quickack(&self.descriptor, true)?)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The kernel's side of a TLS session.
struct Raw<'a>(&'a OwnedFd);

impl io::Read for Raw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (_, received) = rustix::net::recv(self.0, into, RecvFlags::empty())?;
        Ok(received)
    }
}

impl io::Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn broken(error: &io::Error) -> Broken {
    Broken::Failed(Errno::from_io_error(error).unwrap_or(Errno::IO))
}

impl From<Errno> for Broken {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

impl From<rustls::Error> for Broken {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error.to_string())
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
