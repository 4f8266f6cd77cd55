//! The head of a camera's response to a request without a login, over an unencrypted connection.

use crate::source::address::Address;
use crate::source::ffmpeg::host_connection::HostConnection;

/// The longest head that is read, in bytes. Real ones have some hundred.
const MAX_BYTES: usize = 16 * 1024;

/// The status and headers of a response.
#[derive(Debug)]
pub(super) struct Head(String);

impl Head {
    /// Requests the description of a URL over this connection. Returns `None` if no head is received.
    pub(super) fn request(url: &Address, mut connection: HostConnection) -> Option<Self> {
        let (host, port, path) = (url.host(), url.port(), url.target());
        let request = format!(
            "DESCRIBE rtsp://{host}:{port}{path} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
        );
        connection.send(request.as_bytes()).ok()?;
        let (mut bytes, mut chunk) = (Vec::new(), [0; 2048]);
        while bytes.len() < MAX_BYTES {
            match connection.receive(&mut chunk).ok()? {
                0 => return None,
                count => bytes.extend_from_slice(&chunk[..count]),
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
