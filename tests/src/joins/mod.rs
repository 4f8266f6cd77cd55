//! Many joins on real sockets: each viewer must keep receiving bytes.
//!
//! - [`Cell`]: a test case: a transport, a way of reading, a receive buffer;
//! - [`ByteViewer`](byte_viewer::ByteViewer): a connection of which only the bytes are counted;
//! - [`gaps`]: the times without bytes. No IO and no clock;
//! - [`witness`]: a small rendition that shows when the machine itself paused;
//! - [`Stage`](stage::Stage): relay, camera and witness, and many joins of one cell;
//! - [`Outcome`](outcome::Outcome): the figures of a cell.
//!
//! The rule: a viewer is never without bytes for longer than its own pause between two reads plus
//! [`TOLERATED`](outcome::TOLERATED).

pub mod byte_viewer;
pub mod gaps;
pub mod outcome;
pub mod stage;
pub mod witness;

use std::fmt;
use std::time::Duration;

pub use outcome::Outcome;
pub use stage::{Effort, Stage};

/// The interval at which a trickling reader reads.
const TRICKLE_EVERY: Duration = Duration::from_millis(50);

/// A transport, as a viewer asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `/streams/NAME/ws`.
    WebSocket,
    /// `/streams/NAME/mjpeg`.
    Mjpeg,
    /// `fanlight.v1` without acknowledgements.
    V1,
    /// `fanlight.v1`, with each frame acknowledged as soon as it is whole.
    V1Acknowledged,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::WebSocket, Self::Mjpeg, Self::V1, Self::V1Acknowledged];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "websocket",
            Self::Mjpeg => "mjpeg",
            Self::V1 => "v1",
            Self::V1Acknowledged => "v1-ack",
        })
    }
}

/// A viewer's way of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Each byte as soon as it arrives.
    Immediate,
    /// This many bytes at most, and then work on them that takes up to twice this long: a client that copies, parses or
    /// writes what it reads, and is fast enough for the stream.
    Portions(usize, Duration),
    /// As soon as they arrive, but for this long after it asked: a client that opens a decoder first.
    Late(Duration),
    /// At most this many bytes a second, in equal portions 20 times a second.
    Trickle(u64),
    /// As soon as they arrive, but for one pause of this length after the first second.
    Stop(Duration),
}

impl Reading {
    /// The longest time that the viewer itself leaves between two reads. The pause of a stopped viewer is not part of
    /// it: what counts begins when it continues.
    pub fn own_pause(self) -> Duration {
        match self {
            Self::Late(pause) | Self::Portions(_, pause) => pause,
            Self::Trickle(_) => TRICKLE_EVERY,
            Self::Immediate | Self::Stop(_) => Duration::ZERO,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immediate => f.write_str("immediate"),
            Self::Portions(most, work) => write!(f, "{most} B, {} µs", work.as_micros()),
            Self::Late(pause) => write!(f, "{} ms late", pause.as_millis()),
            Self::Trickle(rate) => write!(f, "{} kB/s", rate / 1000),
            Self::Stop(pause) => write!(f, "stops {} s", pause.as_secs_f64()),
        }
    }
}

/// A test case: all joins of a cell are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The viewer's request.
    pub transport: Transport,
    /// The manner in which it reads.
    pub reading: Reading,
    /// Its receive buffer (`SO_RCVBUF`); `None` for the kernel's own choice, as curl and ffmpeg have it.
    pub receive_buffer: Option<usize>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.transport, self.reading)?;
        match self.receive_buffer {
            Some(bytes) => write!(f, ", SO_RCVBUF {bytes}"),
            None => Ok(()),
        }
    }
}
