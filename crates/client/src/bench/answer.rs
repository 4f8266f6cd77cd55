//! A server's answer to the request: its head, and where it refuses, why.

/// Longest head that is read.
const MAX_HEAD: usize = 16 * 1024;
/// How much of a refusal's body is read, and shown.
const MAX_REASON: usize = 300;

/// What an answer's head says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// The rest of the first line.
    pub reason: String,
    /// Whether the body is chunked.
    pub chunked: bool,
    /// `Content-Length`.
    pub content_length: Option<usize>,
    /// `Content-Type`, whole.
    pub content_type: String,
    /// `Sec-WebSocket-Accept`.
    pub accept: String,
    /// `Sec-WebSocket-Protocol`.
    pub subprotocol: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Something else than HTTP.
    #[error("the server does not answer in HTTP: {0:?}")]
    NotHttp(String),
    /// A head that does not end.
    #[error("the head of the server's answer is longer than {MAX_HEAD} bytes")]
    TooLong,
}

impl Answer {
    /// Reads a head, without the empty line that ends it.
    ///
    /// # Errors
    /// When it is not HTTP.
    pub fn parse(head: &str) -> Result<Self, AnswerError> {
        let mut lines = head.split('\n').map(str::trim);
        let first = lines.next().unwrap_or_default();
        let mut words = first.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|status| status.parse().ok());
        let (true, Some(status)) = (version.starts_with("HTTP/1."), status) else {
            return Err(AnswerError::NotHttp(first.chars().take(40).collect()));
        };
        let reason = words.next().unwrap_or_default().to_owned();
        let mut answer = Self { status, reason, ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            answer.heed(&name.trim().to_ascii_lowercase(), value.trim());
        }
        Ok(answer)
    }

    fn heed(&mut self, name: &str, value: &str) {
        match name {
            "transfer-encoding" => self.chunked = value.to_ascii_lowercase().ends_with("chunked"),
            "content-length" => self.content_length = value.parse().ok(),
            "content-type" => value.clone_into(&mut self.content_type),
            "sec-websocket-accept" => value.clone_into(&mut self.accept),
            "sec-websocket-protocol" => value.clone_into(&mut self.subprotocol),
            _ => {}
        }
    }

    /// The boundary between parts, where the content type names one. `None` where the content is not in parts.
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

/// An answer on its way.
#[derive(Debug, Default)]
pub struct AnswerReader {
    bytes: Vec<u8>,
    /// Where the body begins, once the head is whole.
    body: Option<usize>,
}

impl AnswerReader {
    /// Takes bytes. The answer, once its head is whole.
    ///
    /// # Errors
    /// When it is no HTTP, or too long.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answer>, AnswerError> {
        let seen = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        if self.body.is_none() {
            let end = self.bytes[seen..].windows(4).position(|end| end == b"\r\n\r\n");
            self.body = end.map(|at| seen + at + 4);
        }
        match self.body {
            Some(body) => Answer::parse(&String::from_utf8_lossy(&self.bytes[..body])).map(Some),
            None if self.bytes.len() > MAX_HEAD => Err(AnswerError::TooLong),
            None if !b"HTTP/1.".starts_with(&self.bytes[..self.bytes.len().min(7)])
                && !self.bytes.starts_with(b"HTTP/1.") =>
            {
                let begin = &self.bytes[..self.bytes.len().min(40)];
                Err(AnswerError::NotHttp(String::from_utf8_lossy(begin).into_owned()))
            }
            None => Ok(None),
        }
    }

    /// What came behind the head.
    pub fn body(&self) -> &[u8] {
        self.body.map_or(&[], |body| &self.bytes[body..])
    }

    /// Whether enough of a refusal has come to tell why.
    pub fn tells_why(&self, answer: &Answer) -> bool {
        // Of a body without a stated length nobody knows when it ends; that it comes with its head is likely.
        let expected = answer.content_length.unwrap_or(0).min(MAX_REASON);
        self.body().len() >= expected
    }

    /// A refusal in words: the answer's first line, and the beginning of its body.
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
    fn a_refusal_is_told_in_the_servers_words() {
        let text = "HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nno\ntoken  \0!";
        let (reader, answer) = read(text, 5);
        assert!(reader.tells_why(&answer));
        assert_eq!(reader.refusal(&answer), "the server answered 403 Forbidden: no token !");
        let (reader, answer) = read("HTTP/1.0 404\r\nContent-Length: 9\r\n\r\n", 5);
        assert!(!reader.tells_why(&answer));
        assert_eq!(reader.refusal(&answer), "the server answered 404");
    }

    #[test]
    fn what_is_no_http_is_found_at_once() {
        let feed = |bytes: &[u8]| AnswerReader::default().feed(bytes).unwrap_err();
        assert_eq!(feed(b"SSH-2.0"), AnswerError::NotHttp("SSH-2.0".into()));
        assert_eq!(feed(b"HTTP/1.1 xyz\r\n\r\n"), AnswerError::NotHttp("HTTP/1.1 xyz".into()));
        assert_eq!(feed(&[b"HTTP/1.1 200", &[b'x'; 20000][..]].concat()), AnswerError::TooLong);
        assert_eq!(Answer::default().boundary(), None);
    }
}
