//! The start of a connection on a port that serves TLS and plain HTTP: the first byte distinguishes them.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{HandshakeLimit, TlsSession};

/// TLS on a port.
#[derive(Debug)]
pub struct TlsSettings {
    /// The settings of rustls, with the certificate.
    pub config: Arc<ServerConfig>,
    /// The limit on handshakes.
    pub limit: Arc<HandshakeLimit>,
}

/// The first byte of a TLS connection: the type of a handshake record (RFC 8446, section 5.1). No HTTP request begins
/// with it.
const HANDSHAKE: u8 = 0x16;

/// Performs the handshake of a connection; returns its session, or `None` if it is plain HTTP.
///
/// # Errors
/// Fails if the client is gone, violates TLS, or has no cipher in common with the relay.
pub(in super::super) async fn open(
    stream: TcpStream,
    settings: &TlsSettings,
) -> io::Result<(TcpStream, Option<TlsSession>)> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [HANDSHAKE] {
        return Ok((stream, None));
    }
    settings.limit.admit(stream.peer_addr()?.ip()).await;
    let acceptor = TlsAcceptor::from(settings.config.clone());
    let (stream, session) = acceptor.accept(stream).await?.into_inner();
    Ok((stream, Some(TlsSession::new(session))))
}
