//! A server's answer to the request: its head, and the reason of a refusal.

/// Longest head that is read.
const MAX_HEAD: usize = 16 * 1024;
/// Most header lines of a head.
const MAX_HEADERS: usize = 128;
/// Bytes of a refusal's body that are read and shown.
const MAX_REASON: usize = 300;

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Status code, for example 200.
    pub status: u16,
    /// Rest of the first line.
    pub reason: String,
    /// The body is chunked.
    pub chunked: bool,
    /// `Content-Length`.
    pub content_length: Option<usize>,
    /// `Content-Type`, complete.
    pub content_type: String,
    /// `Sec-WebSocket-Accept`.
    pub accept: String,
    /// `Sec-WebSocket-Protocol`.
    pub subprotocol: String,
}

/// The reason why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The answer is not HTTP.
    #[error("the server does not answer in HTTP: {0:?}")]
    NotHttp(String),
    /// The head is too long.
    #[error(
        "the head of the server's answer is longer than {MAX_HEAD} bytes or {MAX_HEADERS} lines"
    )]
    TooLong,
}

impl AnswerError {
    /// Returns the error for these bytes, of which it shows the beginning of the first line.
    fn not_http(bytes: &[u8]) -> Self {
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(&first[..first.len().min(40)]);
        Self::NotHttp(text.trim_end().into())
    }
}

impl Answer {
    /// Reads a head, with the empty line that ends it. Invalid header lines are skipped: the bench measures servers as they
    /// are.
    ///
    /// # Errors
    /// Fails if it is not HTTP, or has more than 128 header lines.
    pub fn parse(head: &[u8]) -> Result<Self, AnswerError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut parser = httparse::ParserConfig::default();
        parser
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true);
        let parsed = parser.parse_response(&mut response, head);
        if parsed == Err(httparse::Error::TooManyHeaders) {
            return Err(AnswerError::TooLong);
        }
        let (Ok(httparse::Status::Complete(_)), Some(status)) = (parsed, response.code) else {
            return Err(AnswerError::not_http(head));
        };
        let reason = response.reason.unwrap_or_default().to_owned();
        let mut answer = Self { status, reason, ..Self::default() };
        for header in response.headers {
            let value = String::from_utf8_lossy(header.value);
            answer.set(&header.name.to_ascii_lowercase(), value.trim());
        }
        Ok(answer)
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            "transfer-encoding" => self.chunked = value.to_ascii_lowercase().ends_with("chunked"),
            "content-length" => self.content_length = value.parse().ok(),
            "content-type" => value.clone_into(&mut self.content_type),
            "sec-websocket-accept" => value.clone_into(&mut self.accept),
            "sec-websocket-protocol" => value.clone_into(&mut self.subprotocol),
            _ => {}
        }
    }

    /// Returns the boundary between parts: `None` if the content is not multipart, `Some(None)` if the content type
    /// names no boundary.
    pub fn boundary(&self) -> Option<Option<&str>> {
        let mut fields = self.content_type.split(';').map(str::trim);
        let kind = fields.next().unwrap_or_default();
        kind.get(..10).filter(|kind| kind.eq_ignore_ascii_case("multipart/"))?;
        let named = fields.find_map(|field| {
            let (name, value) = field.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        });
        Some(named.filter(|name| !name.is_empty()))
    }
}

/// An answer that is being received.
#[derive(Debug, Default)]
pub struct AnswerReader {
    bytes: Vec<u8>,
    /// Start of the body, after the head is complete.
    body: Option<usize>,
}

impl AnswerReader {
    /// Adds bytes. Returns the answer once its head is complete, also for every further call.
    ///
    /// # Errors
    /// Fails if it is not HTTP, or too long.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answer>, AnswerError> {
        let seen = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        if self.body.is_none() {
            let end = self.bytes[seen..].windows(4).position(|end| end == b"\r\n\r\n");
            self.body = end.map(|at| seen + at + 4);
        }
        match self.body {
            Some(body) => Answer::parse(&self.bytes[..body]).map(Some),
            None if self.bytes.len() > MAX_HEAD => Err(AnswerError::TooLong),
            None if !b"HTTP/1.".starts_with(&self.bytes[..self.bytes.len().min(7)])
                && !self.bytes.starts_with(b"HTTP/1.") =>
            {
                Err(AnswerError::not_http(&self.bytes))
            }
            None => Ok(None),
        }
    }

    /// Returns the bytes received after the head.
    pub fn body(&self) -> &[u8] {
        self.body.map_or(&[], |body| &self.bytes[body..])
    }

    /// Returns whether enough of a refusal arrived to show its reason.
    pub fn has_reason(&self, answer: &Answer) -> bool {
        // The end of a body without a stated length is unknown; most likely it came together with its head.
        let expected = answer.content_length.unwrap_or(0).min(MAX_REASON);
        self.body().len() >= expected
    }

    /// Returns a refusal as text: the answer's first line, and the beginning of its body.
    pub fn refusal(&self, answer: &Answer) -> String {
        let first = format!("{} {}", answer.status, answer.reason);
        let body = &self.body()[..self.body().len().min(MAX_REASON)];
        let body = String::from_utf8_lossy(body);
        let words: Vec<_> = body.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let colon = if words.is_empty() { "" } else { ": " };
        format!("the server answered {}{colon}{words}", first.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, size: usize) -> (AnswerReader, Answer) {
        let mut reader = AnswerReader::default();
        let mut answer = None;
        for piece in text.as_bytes().chunks(size) {
            answer = reader.feed(piece).unwrap();
        }
        (reader, answer.expect("a whole head"))
    }

    #[test]
    fn a_head_is_read_however_it_is_cut() {
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\
                    Content-Type: multipart/x-mixed-replace; boundary=\"--x\"\r\n\r\nrest";
        for size in 1..text.len() {
            let (reader, answer) = read(text, size);
            assert_eq!((answer.status, answer.chunked), (200, true));
            assert_eq!(answer.boundary(), Some(Some("--x")));
            assert_eq!(reader.body(), b"rest");
        }
    }

    #[test]
    fn a_refusal_is_reported_in_the_words_of_the_server() {
        let text = "HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nno\ntoken  \0!";
        let (reader, answer) = read(text, 5);
        assert!(reader.has_reason(&answer));
        assert_eq!(reader.refusal(&answer), "the server answered 403 Forbidden: no token !");
        let (reader, answer) = read("HTTP/1.0 404\r\nContent-Length: 9\r\n\r\n", 5);
        assert!(!reader.has_reason(&answer));
        assert_eq!(reader.refusal(&answer), "the server answered 404");
    }

    #[test]
    fn an_answer_that_is_not_http_is_refused_immediately() {
        let feed = |bytes: &[u8]| AnswerReader::default().feed(bytes).unwrap_err();
        assert_eq!(feed(b"SSH-2.0"), AnswerError::NotHttp("SSH-2.0".into()));
        assert_eq!(feed(b"HTTP/1.1 xyz\r\n\r\n"), AnswerError::NotHttp("HTTP/1.1 xyz".into()));
        assert_eq!(feed(&[b"HTTP/1.1 200", &[b'x'; 20000][..]].concat()), AnswerError::TooLong);
        assert_eq!(Answer::default().boundary(), None);
    }
}
