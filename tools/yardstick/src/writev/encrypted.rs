//! The lower bound with TLS: rustls encrypts a frame, and one write takes it.

use std::io::{self, IoSlice, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use super::outbox::Frame;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection with TLS.
#[derive(Debug)]
pub(super) struct EncryptedConnection {
    stream: TcpStream,
    session: ServerConnection,
    pending: Option<Arc<Frame>>,
}

/// Returns the settings of a server with a certificate of its own.
pub(super) fn server_config() -> anyhow::Result<Arc<ServerConfig>> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Arc::new(config))
}

/// Waits for the handshake of a new connection.
pub(super) fn handshake(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
) -> anyhow::Result<(TcpStream, ServerConnection)> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(HANDSHAKE))?;
    let mut session = ServerConnection::new(config)?;
    session.set_buffer_limit(None);
    while session.is_handshaking() || session.wants_write() {
        session.complete_io(&mut stream)?;
    }
    Ok((stream, session))
}

impl EncryptedConnection {
    pub(super) fn new(stream: TcpStream, session: ServerConnection) -> Self {
        Self { stream, session, pending: None }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Takes a frame, and sends as much as the kernel accepts, unless earlier bytes still wait.
    pub(super) fn show(&mut self, frame: Arc<Frame>) -> io::Result<()> {
        if self.session.wants_write() {
            self.pending = Some(frame);
            return Ok(());
        }
        self.encrypt(&frame)?;
        self.send()
    }

    /// Sends as much as the kernel accepts.
    pub(super) fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                // A short write means, like an error, that the kernel is full.
                Ok(_) if self.session.wants_write() => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if let Some(frame) = self.pending.take() {
                self.encrypt(&frame)?;
            }
        }
        Ok(())
    }

    fn encrypt(&mut self, frame: &Frame) -> io::Result<()> {
        let [length, payload] = frame.parts();
        let slices = [IoSlice::new(length), IoSlice::new(payload)];
        self.session.writer().write_vectored(&slices).map(drop)
    }
}
