//! TLS on one connection. rustls encrypts and decrypts; this module moves the bytes between it and the socket.
//!
//! A message is encrypted in pieces, each only when the kernel has accepted the one before. So a slow viewer costs at
//! most one piece of ciphertext ([`MAX_PIECE`]), and a message of usual size is still one write.

mod handshake;
mod handshake_limit;

use std::io::{self, BufRead as _, IoSlice, Read as _, Write as _};

use parking_lot::{Mutex, MutexGuard};
use rustls::ServerConnection;
use tokio::net::TcpStream;

pub use handshake::TlsSettings;
pub(super) use handshake::open;
pub use handshake_limit::HandshakeLimit;

/// Most bytes that are encrypted before the kernel has accepted them: what it holds unsent for a viewer that keeps up.
const MAX_PIECE: usize = 128 * 1024;
/// Most pieces that are encrypted at a time: a message has three. HTTP may have more, which follow.
const SLICES: usize = 8;
/// Bytes of a record, and those that encryption adds to each (RFC 8446, section 5.2). TLS 1.2 adds a few more.
const RECORD: usize = 16 * 1024;
const PER_RECORD: usize = 22;

/// Returns the number of bytes on the wire for this many bytes of a message.
pub(super) fn encrypted_length(length: usize) -> usize {
    length + length.div_ceil(RECORD) * PER_RECORD
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// The kernel has accepted all ciphertext.
    Done,
    /// The kernel has accepted a part of it.
    Partial,
    /// The kernel accepts nothing now.
    Blocked,
}

/// The TLS session of one connection. Its reader and its writer run on the same thread, so neither waits for the other.
#[derive(Debug)]
pub struct TlsSession(Mutex<ServerConnection>);

impl TlsSession {
    /// Continues after the handshake.
    fn new(mut session: ServerConnection) -> Self {
        session.set_buffer_limit(Some(MAX_PIECE));
        Self(Mutex::new(session))
    }

    /// Returns whether a read would return without the kernel: decrypted bytes wait, or the client has closed its side.
    pub(super) fn is_readable(&self) -> bool {
        let mut session = self.0.lock();
        let readable = session.reader().fill_buf().map(drop);
        !readable.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads decrypted bytes.
    ///
    /// # Errors
    /// Fails with `WouldBlock` if none are there, or if the connection is gone or violates TLS.
    pub(super) fn read(&self, stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        let mut session = self.0.lock();
        loop {
            match session.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            session.read_tls(&mut Incoming(stream))?;
            if let Err(error) = session.process_new_packets() {
                // An alert says why. It is lost if the client does not read.
                let write = |slices: &[IoSlice<'_>]| stream.try_write_vectored(slices);
                let _ = session.write_tls(&mut Outgoing(write));
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    /// Returns whether ciphertext waits that the kernel has not accepted.
    pub(super) fn has_pending(&self) -> bool {
        self.0.lock().wants_write()
    }

    /// Writes pending ciphertext with one call of `write`.
    ///
    /// # Errors
    /// Fails as `write` does.
    pub(super) fn flush(
        &self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Flush> {
        flush(&mut self.0.lock(), &mut Outgoing(write))
    }

    /// Encrypts and writes as much as the kernel accepts. Returns the number of bytes that were encrypted, and whether
    /// the kernel has accepted them. Earlier ciphertext must be with the kernel.
    ///
    /// # Errors
    /// Fails as `write` does.
    pub(super) fn write(
        &self,
        pieces: &[IoSlice<'_>],
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<(usize, Flush)> {
        let (mut session, mut write) = (self.0.lock(), Outgoing(write));
        let (mut taken, length) = (0, pieces.iter().map(|piece| piece.len()).sum::<usize>());
        loop {
            // It takes nothing when it has just replaced the keys: TLS 1.3 does so after 2^24 records.
            taken += encrypt(&mut session, pieces, taken)?;
            let flushed = flush(&mut session, &mut write)?;
            if taken == length || flushed != Flush::Done {
                return Ok((taken, flushed));
            }
        }
    }

    /// Notifies the client that nothing follows. It is lost if the client does not read.
    pub(super) fn close(&self, write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) {
        let mut session = self.0.lock();
        session.send_close_notify();
        let _ = flush(&mut session, &mut Outgoing(write));
    }
}

/// Encrypts what follows the first `skipped` bytes of `pieces`, at most [`MAX_PIECE`]. Returns the number of bytes.
fn encrypt(
    session: &mut MutexGuard<'_, ServerConnection>,
    pieces: &[IoSlice<'_>],
    mut skipped: usize,
) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for piece in pieces {
        let skip = skipped.min(piece.len());
        skipped -= skip;
        if skip < piece.len() && count < SLICES {
            slices[count] = IoSlice::new(&piece[skip..]);
            count += 1;
        }
    }
    session.writer().write_vectored(&slices[..count])
}

fn flush<F>(session: &mut ServerConnection, write: &mut Outgoing<F>) -> io::Result<Flush>
where
    F: FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
{
    if !session.wants_write() {
        return Ok(Flush::Done);
    }
    match session.write_tls(write) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(_) if session.wants_write() => Ok(Flush::Partial),
        Ok(_) => Ok(Flush::Done),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Flush::Blocked),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Flush::Partial),
        Err(error) => Err(error),
    }
}

/// Reads ciphertext for rustls, by way of tokio, which then knows whether the socket is still readable.
struct Incoming<'a>(&'a TcpStream);

impl io::Read for Incoming<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

/// Writes ciphertext for rustls.
struct Outgoing<F>(F);

impl<F: FnMut(&[IoSlice<'_>]) -> io::Result<usize>> io::Write for Outgoing<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_begun_record_adds_its_head_and_tag() {
        assert_eq!(encrypted_length(0), 0);
        assert_eq!(encrypted_length(1), 23);
        assert_eq!(encrypted_length(RECORD), RECORD + PER_RECORD);
        assert_eq!(encrypted_length(60_000), 60_000 + 4 * PER_RECORD);
    }
}
