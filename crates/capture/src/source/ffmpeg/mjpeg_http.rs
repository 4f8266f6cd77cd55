//! The parts of MJPEG over HTTP, straight from the connection's bytes.
//!
//! FFmpeg connects, authenticates and finds out what comes. But its reader of parts (`mpjpeg`) sees the end of one that has
//! no Content-Length only in the next one, an interval late, and then stamps it with that moment. A JPEG itself says where
//! it ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fanlight_clock as clock;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Error, Packet, ffi};

use crate::source::SourceError;
use crate::source::jpeg_splitter::{Cut, JpegSplitter};
use crate::source::rhythm::Rhythm;

/// Read at once, at most; what is there is given as it is.
const CHUNK: usize = 32 * 1024;

/// What is read of a connection.
#[derive(Debug)]
pub(super) struct Parts {
    splitter: JpegSplitter,
    /// Pictures that came with the one before.
    waiting: VecDeque<Cut>,
    rhythm: Rhythm,
}

/// Why there is no picture.
pub(super) enum NoPart {
    /// FFmpeg says so.
    Read(Error),
    /// What came is none.
    Not(SourceError),
}

impl Parts {
    pub(super) fn new() -> Self {
        let (splitter, waiting) = (JpegSplitter::default(), VecDeque::new());
        Self { splitter, waiting, rhythm: Rhythm::new(Instant::now()) }
    }

    /// The time from picture to picture.
    pub(super) fn interval(&self) -> Duration {
        self.rhythm.interval()
    }

    /// Waits for the next picture: a packet with the moment at which its first byte arrived, in microseconds.
    pub(super) fn read(&mut self, input: &mut Input) -> Result<Packet, NoPart> {
        let mut chunk = [0; CHUNK];
        loop {
            if let Some(cut) = self.waiting.pop_front() {
                self.rhythm.beat(Instant::now());
                let mut packet = Packet::copy(&cut.jpeg);
                packet.set_pts(Some(cut.arrived_at.micros() as i64));
                return Ok(packet);
            }
            let count = read_some(input, &mut chunk).map_err(NoPart::Read)?;
            let cuts = self.splitter.feed(&chunk[..count], clock::now()).map_err(NoPart::Not)?;
            self.waiting.extend(cuts);
        }
    }
}

/// Reads what is there, or else waits for it.
#[expect(unsafe_code, reason = "ffmpeg-next gives packets, and no bytes")]
fn read_some(input: &mut Input, chunk: &mut [u8; CHUNK]) -> Result<usize, Error> {
    // SAFETY: the pointer is that of a context which `input` owns, alone while it is borrowed here. What it reads from was
    // opened with it; FFmpeg writes no more than CHUNK bytes into the chunk, and fails by itself once the context's
    // interrupt says so.
    let count = unsafe {
        let bytes = (*input.as_mut_ptr()).pb;
        if bytes.is_null() {
            return Err(Error::InvalidData);
        }
        ffi::avio_read_partial(bytes, chunk.as_mut_ptr(), CHUNK as i32)
    };
    match usize::try_from(count) {
        Ok(0) => Err(Error::Eof),
        Ok(count) => Ok(count),
        Err(_) => Err(Error::from(count)),
    }
}
