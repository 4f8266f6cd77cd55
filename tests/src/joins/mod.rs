//! A measurement on real sockets of the share of joining viewers that keep receiving bytes.
//!
//! - [`Cell`]: one combination of transport, read pattern and receive buffer;
//! - [`ByteViewer`](byte_viewer::ByteViewer): a viewer that only counts the bytes it receives;
//! - [`gaps`]: the times without bytes. No IO and no clock;
//! - [`witness`]: a small rendition that shows when the machine itself paused;
//! - [`Stage`](stage::Stage): relay, camera and witness, and many joins of one cell;
//! - [`Outcome`](outcome::Outcome): the figures of a cell.
//!
//! The rule: a viewer never waits for bytes longer than its own pause between two reads plus
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

/// A transport that a viewer requests.
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
    /// All transports.
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

/// A viewer's read pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Reads each byte as soon as it arrives.
    Immediate,
    /// Reads at most this many bytes and then works on them for up to twice this time: a client that copies, parses or
    /// writes what it reads, and is fast enough for the stream.
    Portions(usize, Duration),
    /// Starts reading this long after its request: a client that opens a decoder first.
    Late(Duration),
    /// Reads at most this many bytes per second, in equal portions 20 times a second.
    Trickle(u64),
    /// Reads bytes as they arrive, except for one pause of this length after the first second.
    Stop(Duration),
}

impl Reading {
    /// Returns the time that the viewer itself leaves between two reads: the longest, or for portions the average. The
    /// pause of a stopped viewer does not count, because its gaps are measured from the moment at which it resumes.
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

/// One combination of parameters, with which viewers join many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The viewer's request.
    pub transport: Transport,
    /// The viewer's read pattern.
    pub reading: Reading,
    /// Its receive buffer (`SO_RCVBUF`); `None` for the kernel's default, as curl and ffmpeg use it.
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
