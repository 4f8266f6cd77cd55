//! One connection: plain, an outbox and its socket, or with TLS.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::encrypted::EncryptedConnection;
use super::outbox::{Frame, Outbox};

/// One connection.
#[derive(Debug)]
pub(super) enum Connection {
    Plain(PlainConnection),
    Encrypted(Box<EncryptedConnection>),
}

impl Connection {
    /// Returns its socket.
    pub(super) fn stream(&self) -> &TcpStream {
        match self {
            Self::Plain(plain) => &plain.stream,
            Self::Encrypted(encrypted) => encrypted.stream(),
        }
    }

    /// Takes a frame, and sends as much as the kernel accepts, unless earlier bytes still wait.
    pub(super) fn show(&mut self, frame: Arc<Frame>) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.show(frame),
            Self::Encrypted(encrypted) => encrypted.show(frame),
        }
    }

    /// Sends as much as the kernel accepts.
    pub(super) fn send(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.send(),
            Self::Encrypted(encrypted) => encrypted.send(),
        }
    }
}

/// A connection without TLS.
#[derive(Debug)]
pub(super) struct PlainConnection {
    stream: TcpStream,
    outbox: Outbox,
}

impl PlainConnection {
    /// Returns the connection of a non-blocking socket.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, outbox: Outbox::default() }
    }

    fn show(&mut self, frame: Arc<Frame>) -> io::Result<()> {
        let waits = self.outbox.slices().is_some();
        self.outbox.offer(frame);
        // If bytes are already waiting, the kernel is full, and epoll reports when it is not.
        if waits { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> io::Result<()> {
        while let Some(slices) = self.outbox.slices() {
            match self.stream.write_vectored(&slices) {
                // A short write means, like an error, that the kernel is full: epoll(7), question 9.
                Ok(written) if !self.outbox.advance(written) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
