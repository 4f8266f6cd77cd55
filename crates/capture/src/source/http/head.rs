//! The head of a response: status and headers.

use super::body::{Body, Chunks};

/// The longest head. Real heads have some hundred bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// The most headers in it.
pub(super) const MAX_HEADERS: usize = 128;

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

/// The result of parsing the first bytes of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// More bytes are needed.
    Partial,
    /// A head of this length.
    Head(Head, usize),
    /// No head: the body comes immediately, as from HTTP 0.9.
    Missing,
    /// A head that is not valid HTTP.
    Invalid,
    /// More than [`MAX_HEAD`] bytes or [`MAX_HEADERS`] headers.
    TooLong,
}

impl Head {
    /// Parses the first bytes of a response, as tolerantly as browsers do.
    pub(super) fn parse(bytes: &[u8]) -> Parsed {
        let start = &bytes[..bytes.len().min(5)];
        if !b"HTTP/".starts_with(start) {
            // Icecast servers begin with another word.
            return if b"ICY ".starts_with(&start[..start.len().min(4)]) {
                Parsed::Invalid
            } else {
                Parsed::Missing
            };
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut config = httparse::ParserConfig::default();
        config
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true);
        match config.parse_response(&mut response, bytes) {
            Ok(httparse::Status::Complete(length)) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
                let headers = response.headers.iter();
                let headers = headers.map(|one| (one.name.to_ascii_lowercase(), text(one.value)));
                let status = response.code.unwrap_or_default();
                Parsed::Head(Self { status, headers: headers.collect() }, length)
            }
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Parsed::Partial,
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Parsed::TooLong,
            Err(_) => Parsed::Invalid,
        }
    }

    /// Returns the head that stands for a missing one.
    pub(super) fn missing() -> Self {
        Self { status: 200, headers: Vec::new() }
    }

    /// Returns the values of a header, whose name is in lower case.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.headers.iter().filter(move |(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the first value of a header, whose name is in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the type of the content, in lower case and without parameters.
    pub(super) fn content_type(&self) -> String {
        let value = self.get("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Returns the framing of the body.
    pub(super) fn body(&self) -> Body {
        let coding = self.get("transfer-encoding").unwrap_or_default();
        if coding.to_ascii_lowercase().contains("chunked") {
            return Body::Chunked(Chunks::default());
        }
        // A multipart stream ends with the connection; some cameras state the length of the first part or none.
        let is_multipart = self.content_type().starts_with("multipart/");
        match self.get("content-length").and_then(|length| length.parse().ok()) {
            Some(length) if !is_multipart => Body::Length(length),
            _ => Body::UntilClosed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Head {
        match Head::parse(bytes) {
            Parsed::Head(head, length) if length == bytes.len() => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn heads_are_read_as_cameras_write_them() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Type: Multipart/X-Mixed-Replace;boundary=x\r\n\r\n"[..],
            b"HTTP/1.0 200\nContent-Type:multipart/x-mixed-replace\n\n",
            b"HTTP/1.1  200  OK\r\nno header\r\nContent-Type : multipart/x-mixed-replace \r\n\r\n",
        ] {
            let head = head(bytes);
            assert_eq!(head.status, 200);
            assert_eq!(head.content_type(), "multipart/x-mixed-replace");
            assert_eq!(head.body(), Body::UntilClosed);
            for length in 1..bytes.len() {
                assert_eq!(Head::parse(&bytes[..length]), Parsed::Partial, "{length}");
            }
        }
    }

    #[test]
    fn a_response_may_lack_a_head() {
        for bytes in [&b"--frame\r\n"[..], &[0xff, 0xd8, 0xff], b"Content-Type: image/jpeg"] {
            assert_eq!(Head::parse(bytes), Parsed::Missing);
        }
        for bytes in [&b"ICY 200 OK\r\n"[..], b"HTTP/2 200\r\n\r\n"] {
            assert_eq!(Head::parse(bytes), Parsed::Invalid);
        }
    }

    #[test]
    fn a_head_has_a_limit() {
        let long = [b"HTTP/1.1 200 ", &[b'x'; MAX_HEAD][..]].concat();
        assert_eq!(Head::parse(&long), Parsed::TooLong);
        let many = "HTTP/1.1 200 OK\r\n".to_owned() + &"X-More: 1\r\n".repeat(MAX_HEADERS + 2);
        assert_eq!(Head::parse(many.as_bytes()), Parsed::TooLong);
    }

    #[test]
    fn the_body_is_framed_as_stated() {
        let body =
            |headers: &str| head(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()).body();
        assert_eq!(body("Content-Length: 7\r\n"), Body::Length(7));
        assert_eq!(body("Transfer-Encoding: Chunked\r\n"), Body::Chunked(Chunks::default()));
        let multipart = "Content-Type: multipart/x-mixed-replace\r\nContent-Length: 7\r\n";
        assert_eq!(body(multipart), Body::UntilClosed);
        let two = head(b"HTTP/1.1 401 No\r\nWWW-Authenticate: a\r\nWWW-Authenticate: b\r\n\r\n");
        assert!(two.all("www-authenticate").eq(["a", "b"]));
    }
}
