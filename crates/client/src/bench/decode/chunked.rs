//! Chunks of HTTP/1.1: a line with a length in hexadecimal, that number of bytes, a new line. Also bodies without
//! chunks.

use super::{Violation, take_front};

/// Longest line with the length of a chunk.
const MAX_LINE: usize = 256;

/// Transfer encoding of a body.
#[derive(Debug)]
pub enum Body {
    /// No chunks: the body continues until the connection ends.
    Plain,
    /// Chunks.
    Chunked(Chunks),
}

/// State of the decoder for chunks.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
}

#[derive(Debug)]
enum State {
    /// In the line with the length.
    Length(Vec<u8>),
    /// In the data, with this number of bytes left.
    Data(u64),
    /// In the new line after the data, with this number of its bytes received.
    End(u8),
}

impl Default for State {
    fn default() -> Self {
        Self::Length(Vec::new())
    }
}

impl Body {
    /// Returns how many of the next bytes belong to the body. Takes lengths of chunks from the front first; returns 0
    /// only if it took all bytes.
    ///
    /// # Errors
    /// Fails if these are no chunks, or the last one has arrived.
    pub fn room(&mut self, bytes: &mut &[u8]) -> Result<u64, Violation> {
        match self {
            Self::Plain => Ok(u64::MAX),
            Self::Chunked(chunks) => chunks.room(bytes),
        }
    }

    /// Returns how many of the next bytes belong to the body, as far as it is known without reading.
    pub fn ahead(&self) -> u64 {
        match self {
            Self::Plain => u64::MAX,
            Self::Chunked(Chunks { state: State::Data(left) }) => *left,
            Self::Chunked(_) => 0,
        }
    }

    /// Advances by this number of bytes of the body.
    pub fn taken(&mut self, bytes: u64) {
        if let Self::Chunked(Chunks { state: State::Data(left) }) = self {
            *left = left.saturating_sub(bytes);
        }
    }
}

impl Chunks {
    fn room(&mut self, bytes: &mut &[u8]) -> Result<u64, Violation> {
        loop {
            match &mut self.state {
                State::Data(0) => self.state = State::End(0),
                State::Data(left) => return Ok(*left),
                _ if bytes.is_empty() => return Ok(0),
                State::End(have) => {
                    let next = take_front(bytes, 1);
                    match (*have, next) {
                        (0, b"\r") => *have = 1,
                        (_, b"\n") => self.state = State::default(),
                        _ => return Err(Violation::ChunkEnd),
                    }
                }
                State::Length(line) => {
                    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                    if line.len() + end > MAX_LINE {
                        return Err(Violation::Line(MAX_LINE));
                    }
                    line.extend_from_slice(take_front(bytes, end as u64));
                    if line.ends_with(b"\n") {
                        match length(line)? {
                            0 => return Err(Violation::Ended),
                            length => self.state = State::Data(length),
                        }
                    }
                }
            }
        }
    }
}

/// Parses the length of a chunk. Ignores extensions after a semicolon.
fn length(line: &[u8]) -> Result<u64, Violation> {
    let text = String::from_utf8_lossy(line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    // Otherwise `+5` would also be a number.
    let number = digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(digits);
    number
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| Violation::ChunkLength(digits.chars().take(20).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &[u8], size: usize) -> Result<Vec<u8>, Violation> {
        let mut body = Body::Chunked(Chunks::default());
        let mut whole = Vec::new();
        for mut piece in bytes.chunks(size) {
            while !piece.is_empty() {
                let room = body.room(&mut piece)?;
                let taken = take_front(&mut piece, room);
                body.taken(taken.len() as u64);
                whole.extend_from_slice(taken);
            }
        }
        Ok(whole)
    }

    #[test]
    fn chunks_become_one_body_however_they_are_cut() {
        let bytes = b"4\r\nWiki\r\n6;name=value\r\npedia \r\n00E\r\nin \r\n\r\nchunks.\r\n";
        for size in 1..bytes.len() {
            assert_eq!(body(bytes, size).unwrap(), b"Wikipedia in \r\n\r\nchunks.");
        }
    }

    #[test]
    fn the_last_chunk_and_invalid_chunks_are_reported() {
        assert_eq!(body(b"1\r\nx\r\n0\r\n\r\n", 3), Err(Violation::Ended));
        assert_eq!(body(b"xyz\r\n", 3), Err(Violation::ChunkLength("xyz".into())));
        assert_eq!(body(b"+5\r\n", 3), Err(Violation::ChunkLength("+5".into())));
        assert_eq!(body(b"1\r\nxyz", 3), Err(Violation::ChunkEnd));
        assert_eq!(body(&[b'1'; 300], 7), Err(Violation::Line(MAX_LINE)));
    }
}
