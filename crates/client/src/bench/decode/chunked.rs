//! HTTP/1.1's chunks: a line with a length in hexadecimal, so many bytes, a new line; or no chunks at all.

use super::{Violation, take_front};

/// Longest line with the length of a chunk.
const MAX_LINE: usize = 256;

/// How the body of an answer is cut.
#[derive(Debug)]
pub enum Body {
    /// Not at all: it goes on until the connection ends.
    Plain,
    /// Into chunks.
    Chunked(Chunks),
}

/// Where in the chunks one is.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
}

#[derive(Debug)]
enum State {
    /// In the line that has the length.
    Length(Vec<u8>),
    /// So many bytes of the chunk are left.
    Data(u64),
    /// In the new line behind it: how much of it has come.
    End(u8),
}

impl Default for State {
    fn default() -> Self {
        Self::Length(Vec::new())
    }
}

impl Body {
    /// How many of the next bytes are the body's. Lengths of chunks are taken from the front first; 0 only where all
    /// bytes were taken.
    ///
    /// # Errors
    /// When these are no chunks, or the last one came.
    pub fn room(&mut self, bytes: &mut &[u8]) -> Result<u64, Violation> {
        match self {
            Self::Plain => Ok(u64::MAX),
            Self::Chunked(chunks) => chunks.room(bytes),
        }
    }

    /// How many of the next bytes are the body's, as far as is known without looking.
    pub fn ahead(&self) -> u64 {
        match self {
            Self::Plain => u64::MAX,
            Self::Chunked(Chunks { state: State::Data(left) }) => *left,
            Self::Chunked(_) => 0,
        }
    }

    /// So many of them were taken.
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

/// What stands behind a semicolon is of no interest.
fn length(line: &[u8]) -> Result<u64, Violation> {
    let text = String::from_utf8_lossy(line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    // Else `+5` would be a number too.
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
    fn the_last_chunk_and_nonsense_are_told() {
        assert_eq!(body(b"1\r\nx\r\n0\r\n\r\n", 3), Err(Violation::Ended));
        assert_eq!(body(b"xyz\r\n", 3), Err(Violation::ChunkLength("xyz".into())));
        assert_eq!(body(b"+5\r\n", 3), Err(Violation::ChunkLength("+5".into())));
        assert_eq!(body(b"1\r\nxyz", 3), Err(Violation::ChunkEnd));
        assert_eq!(body(&[b'1'; 300], 7), Err(Violation::Line(MAX_LINE)));
    }
}
