//! MJPEG over HTTP: parts within a body that is chunked or not.

use super::chunked::{Body, Chunks};
use super::multipart::Multipart;
use super::{Step, Violation};

/// Room for a boundary, the head of a part, and the chunk lines around them.
pub const HEAD_ROOM: usize = 256;

/// Decoder for the parts.
#[derive(Debug)]
pub struct Mjpeg {
    body: Body,
    parts: Multipart,
}

impl Mjpeg {
    /// Returns a decoder for the parts of an answer with this boundary. Without one, it is detected.
    pub fn new(boundary: Option<&str>, chunked: bool) -> Self {
        let body = if chunked { Body::Chunked(Chunks::default()) } else { Body::Plain };
        Self { body, parts: Multipart::new(boundary) }
    }

    /// See [`Decoder::step`](super::Decoder::step).
    ///
    /// # Errors
    /// Fails if these are no parts or chunks, or the last one has arrived.
    pub fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        loop {
            // A part is complete with its last byte, even if its chunk is not.
            if let Some(step) = self.parts.step(&mut &[][..])? {
                return Ok(Some(step));
            }
            let room = self.body.room(bytes)?.min(bytes.len() as u64) as usize;
            if room == 0 {
                return Ok(None);
            }
            let mut of_body = &bytes[..room];
            let step = self.parts.step(&mut of_body)?;
            let taken = room - of_body.len();
            self.body.taken(taken as u64);
            *bytes = &bytes[taken..];
            if step.is_some() {
                return Ok(step);
            }
        }
    }

    /// See [`Decoder::is_searching`](super::Decoder::is_searching).
    pub fn is_searching(&self) -> bool {
        self.parts.is_searching()
    }

    /// See [`Decoder::ahead`](super::Decoder::ahead).
    pub fn ahead(&self) -> u64 {
        self.parts.ahead().min(self.body.ahead())
    }

    /// See [`Decoder::skip`](super::Decoder::skip).
    pub fn skip(&mut self, bytes: u64) {
        self.body.taken(bytes);
        self.parts.skip(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Seen, decode};
    use super::super::{Begin, Decoder};
    use super::*;

    fn decoder(chunked: bool) -> Decoder {
        Decoder::Mjpeg(Box::new(Mjpeg::new(Some("fanlight"), chunked)))
    }

    fn chunks(mut bytes: &[u8], sizes: &[usize]) -> Vec<u8> {
        let mut chunked = Vec::new();
        let mut sizes = sizes.iter().copied().cycle();
        while !bytes.is_empty() {
            let (chunk, rest) = bytes.split_at(sizes.next().unwrap().clamp(1, bytes.len()));
            chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
            bytes = rest;
        }
        chunked
    }

    proptest! {
        #[test]
        fn any_cut_and_any_chunks_give_the_same_parts(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), any::<bool>(), prop::option::of(0u32..2_000_000_000)), 1..6),
            chunk_sizes in prop::option::of(prop::collection::vec(1usize..300, 1..8)),
            sizes in prop::collection::vec(1usize..300, 1..8),
            skip: bool,
        ) {
            let mut bytes = b"--fanlight\r\n".to_vec();
            for (payload, with_length, stamp) in &parts {
                bytes.extend(b"Content-Type: image/jpeg\r\n");
                if *with_length {
                    bytes.extend(format!("Content-Length: {}\r\n", payload.len()).bytes());
                }
                if let Some(stamp) = stamp {
                    bytes.extend(format!("X-Timestamp: {stamp}.000250\r\n").bytes());
                }
                bytes.extend(b"\r\n");
                bytes.extend(payload);
                bytes.extend(b"\r\n--fanlight\r\n");
            }
            let chunked = chunk_sizes.is_some();
            let bytes = chunk_sizes.map_or(bytes.clone(), |sizes| chunks(&bytes, &sizes));
            let seen = decode(decoder(chunked), &bytes, &sizes, skip);
            prop_assert_eq!(seen.len(), parts.len());
            for (seen, (payload, with_length, stamp)) in seen.iter().zip(&parts) {
                let Seen::Message(begin, found) = seen else { panic!("{seen:?}") };
                let stamp = stamp.map(|seconds| u64::from(seconds) * 1_000_000 + 250);
                prop_assert_eq!(*begin, Begin { text: false, stamp });
                prop_assert_eq!(found.len(), payload.len());
                prop_assert!((skip && *with_length) || found == payload);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, chunked: bool, size in 1usize..20, skip: bool) {
            decode(decoder(chunked), &bytes, &[size], skip);
        }
    }
}
