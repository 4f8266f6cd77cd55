//! The head of a camera's response to a request without a login, over an unencrypted connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::source::address::Address;
use crate::source::ffmpeg::deadline::Deadline;
use crate::source::ffmpeg::timeouts::CONNECT_TIMEOUT;

/// The longest head that is read, in bytes. Real ones have some hundred.
const MAX_BYTES: usize = 16 * 1024;
/// The longest wait for bytes before the deadline is checked again.
const STEP: Duration = Duration::from_millis(100);

/// The status and headers of a response.
#[derive(Debug)]
pub(super) struct Head(String);

impl Head {
    /// Requests a URL. Returns `None` if no head is received, or the connection would be encrypted.
    pub(super) fn request(url: &Address, deadline: &Deadline) -> Option<Self> {
        if url.scheme().is_encrypted() {
            return None;
        }
        let (host, port, path) = (url.host(), url.port(), url.target());
        let request = format!(
            "DESCRIBE rtsp://{host}:{port}{path} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
        );
        let mut addresses = (host.trim_matches(['[', ']']), port).to_socket_addrs().ok()?;
        let mut stream = addresses
            .find_map(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).ok())?;
        stream.set_read_timeout(Some(STEP)).ok()?;
        stream.set_write_timeout(Some(CONNECT_TIMEOUT)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        Self::read(&mut stream, deadline)
    }

    fn read(stream: &mut TcpStream, deadline: &Deadline) -> Option<Self> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 2048]);
        while bytes.len() < MAX_BYTES && !deadline.is_over() {
            match stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                return Some(Self(String::from_utf8_lossy(&bytes[..end]).into_owned()));
            }
        }
        None
    }

    /// Returns the status, or 0 if there is none.
    pub(super) fn status(&self) -> u16 {
        let line = self.0.lines().next().unwrap_or_default();
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// Returns all headers of this name.
    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let headers = self.0.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers
            .filter(move |(known, _)| known.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}
