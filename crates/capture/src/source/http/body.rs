//! The body of a response, without the framing of its transfer.

/// The longest line between two chunks.
const MAX_LINE: usize = 4096;

/// Removes the framing of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// It ends with the connection.
    UntilClosed,
    /// This number of bytes is left.
    Length(u64),
    /// Chunks (RFC 9112, 7.1).
    Chunked(Chunks),
}

/// The position in a chunked body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chunks {
    /// The bytes left of this chunk and of the line break after it.
    left: u64,
    line: Vec<u8>,
    is_over: bool,
}

/// A chunk that does not begin with its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of the response has no valid length")]
pub(super) struct InvalidChunk;

impl Body {
    /// Appends the content in these bytes of the connection to `content`.
    ///
    /// # Errors
    /// Fails if the framing is invalid.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<(), InvalidChunk> {
        match self {
            Self::UntilClosed => content.extend(bytes),
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                content.extend(&bytes[..taken]);
                *left -= taken as u64;
            }
            Self::Chunked(chunks) => return chunks.decode(bytes, content),
        }
        Ok(())
    }

    /// Returns whether all of it was decoded. A body that ends with the connection never is.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::UntilClosed => false,
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_over,
        }
    }
}

/// The length of the line break after a chunk.
const BREAK: u64 = 2;

impl Chunks {
    fn decode(&mut self, mut bytes: &[u8], content: &mut Vec<u8>) -> Result<(), InvalidChunk> {
        while !bytes.is_empty() && !self.is_over {
            if self.left > 0 {
                let taken = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                let of_content = self.left.saturating_sub(BREAK).min(taken as u64) as usize;
                content.extend(&bytes[..of_content]);
                self.left -= taken as u64;
                bytes = &bytes[taken..];
                continue;
            }
            let end = memchr::memchr(b'\n', bytes);
            let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            self.line.extend(line);
            bytes = rest;
            if self.line.len() > MAX_LINE {
                return Err(InvalidChunk);
            }
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                self.begin(length(&line)?)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, length: u64) -> Result<(), InvalidChunk> {
        self.is_over = length == 0;
        self.left = length.checked_add(BREAK).ok_or(InvalidChunk)?;
        Ok(())
    }
}

/// Returns the length in a line: hexadecimal digits, which extensions may follow.
fn length(line: &[u8]) -> Result<u64, InvalidChunk> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let digits = std::str::from_utf8(digits).map_err(|_| InvalidChunk)?;
    match digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => u64::from_str_radix(digits, 16).map_err(|_| InvalidChunk),
        false => Err(InvalidChunk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes the bytes in pieces of this length.
    fn decoded(mut body: Body, bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), InvalidChunk> {
        let mut content = Vec::new();
        for piece in bytes.chunks(step) {
            body.decode(piece, &mut content)?;
        }
        Ok((content, body.is_over()))
    }

    #[test]
    fn chunks_are_joined_however_they_arrive() {
        let bytes = b"5\r\nhello\r\n1;name=value\r\n,\r\n00A\r\n world\r\n..\r\n0\r\n\r\nmore";
        for step in 1..bytes.len() {
            let body = Body::Chunked(Chunks::default());
            assert_eq!(decoded(body, bytes, step), Ok((b"hello, world\r\n..".to_vec(), true)));
        }
    }

    #[test]
    fn a_chunk_needs_a_length() {
        for bytes in [&b"\r\n"[..], b"x\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", &[b'1'; 5000]] {
            assert_eq!(decoded(Body::Chunked(Chunks::default()), bytes, 7), Err(InvalidChunk));
        }
        let largest = decoded(Body::Chunked(Chunks::default()), b"ffffffffffffffff\r\n", 7);
        assert_eq!(largest, Err(InvalidChunk));
    }

    #[test]
    fn a_length_ends_the_body() {
        assert_eq!(decoded(Body::Length(3), b"abcdef", 2), Ok((b"abc".to_vec(), true)));
        assert_eq!(decoded(Body::Length(9), b"abc", 2), Ok((b"abc".to_vec(), false)));
        assert_eq!(decoded(Body::UntilClosed, b"abc", 2), Ok((b"abc".to_vec(), false)));
    }
}
