//! The head of a camera's response to a request.

use crate::source::address::Address;
use crate::source::ffmpeg::host_connection::HostConnection;

/// The longest head that is read, in bytes. Real ones have some hundred.
const MAX_BYTES: usize = 16 * 1024;

/// The status and headers of a response.
#[derive(Debug)]
pub(super) struct Head(String);

impl Head {
    /// Sends a request for a URL over this connection, with this value of the header `Authorization`. Returns `None` if no
    /// head is received.
    pub(super) fn request(
        method: &str,
        url: &Address,
        authorization: Option<&str>,
        mut connection: HostConnection,
    ) -> Option<Self> {
        let target = url.without_login();
        let login = authorization.map_or_else(String::new, |it| format!("Authorization: {it}\r\n"));
        let request = format!(
            "{method} {target} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n{login}\r\n"
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
