//! A viewer that speaks `fanlight.v1`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fanlight_protocol::viewer::{FrameMessage, FromRelay, ViewerState};
use fanlight_protocol::{Codec, Timestamp};
use fanlight_timecode::Timecode;

use crate::patience::PATIENCE;
use crate::picture;
use crate::socket::{Incoming, Socket};

/// A viewer that speaks `fanlight.v1`.
#[derive(Debug)]
pub struct Viewer {
    socket: Socket,
}

/// A frame as a viewer received it.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The subscription.
    pub id: u32,
    /// The index of its rendition in the list of the `track` message.
    pub rendition: u8,
    /// The publisher's sequence number.
    pub sequence: u64,
    /// The capture time that the relay reports, by the relay's clock.
    pub captured_at: Timestamp,
    /// The time at which the relay began to send it, by the relay's clock.
    pub sent_at: Timestamp,
    /// The time at which it arrived, by this machine's clock, which is also the relay's.
    pub seen_at: Timestamp,
    /// The codec of the payload.
    pub codec: Codec,
    /// True if it can be decoded alone.
    pub is_keyframe: bool,
    /// The JPEG, or the H.264 access unit.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Returns the timecode in the picture of a JPEG.
    pub fn timecode(&self) -> Timecode {
        picture::timecode_of(&self.payload)
    }

    /// Returns the frame age at the viewer: arrival time minus capture time.
    pub fn age(&self) -> Duration {
        self.seen_at.since(self.captured_at)
    }
}

/// A message that a viewer received.
#[derive(Debug)]
pub enum Received {
    Frame(Frame),
    /// Any other message.
    Message(FromRelay),
}

impl Viewer {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Requests a stream.
    pub fn watch(&mut self, id: u32, stream: &str) {
        self.watch_with(id, stream, "");
    }

    /// Requests a stream, with further fields, such as `"ack":true`.
    pub fn watch_with(&mut self, id: u32, stream: &str, fields: &str) {
        let comma = if fields.is_empty() { "" } else { "," };
        self.send_text(&format!(
            r#"{{"type":"watch","id":{id},"stream":"{stream}"{comma}{fields}}}"#
        ));
    }

    /// Acknowledges that a frame was shown.
    pub fn acknowledge(&mut self, frame: &Frame) {
        let Frame { id, sequence, .. } = frame;
        self.send_text(&format!(r#"{{"type":"ack","id":{id},"sequence":{sequence}}}"#));
    }

    /// Sends a text message.
    pub fn send_text(&mut self, text: &str) {
        self.socket.send_text(text);
    }

    /// Waits for the next message and returns it.
    ///
    /// # Panics
    /// Panics if the socket is closed, or no message arrives within [`PATIENCE`].
    pub fn receive(&mut self) -> Received {
        match self.socket.receive() {
            Incoming::Text(text) => {
                Received::Message(serde_json::from_str(&text).expect("a message of fanlight.v1"))
            }
            Incoming::Binary(message) => Received::Frame(frame_of(&message)),
            end => panic!("the socket was closed: {end:?}"),
        }
    }

    /// Waits for the next frame and returns it.
    pub fn frame(&mut self) -> Frame {
        loop {
            if let Received::Frame(frame) = self.receive() {
                return frame;
            }
        }
    }

    /// Waits for the next `count` frames and returns them.
    pub fn frames(&mut self, count: usize) -> Vec<Frame> {
        (0..count).map(|_| self.frame()).collect()
    }

    /// Reads until a message arrives for which `wanted` returns a value.
    ///
    /// # Panics
    /// Panics if none arrives within [`PATIENCE`], even while frames do.
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&FromRelay) -> Option<T>) -> T {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Received::Message(word) = self.receive()
                && let Some(value) = wanted(&word)
            {
                return value;
            }
        }
        panic!("timed out after {PATIENCE:?}: the viewer did not receive {what}")
    }

    /// Reads until the relay reports this state; returns its reason.
    pub fn wait_for_state(&mut self, wanted: ViewerState) -> String {
        self.until(&format!("{wanted:?}"), |word| match word {
            FromRelay::State { state, reason, .. } if *state == wanted => Some(reason.clone()),
            _ => None,
        })
    }

    /// Reads until the relay reports an error; returns its code and message.
    pub fn wait_for_error(&mut self) -> (String, String) {
        self.until("an error", |word| match word {
            FromRelay::Error { code, message, .. } => Some((code.clone(), message.clone())),
            _ => None,
        })
    }

    /// Returns the WebSocket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

/// Decodes a binary message that has just arrived.
pub(crate) fn frame_of(message: &[u8]) -> Frame {
    let (header, payload) = FrameMessage::decode(message).expect("a frame of fanlight.v1");
    Frame {
        id: header.id,
        rendition: header.rendition,
        sequence: header.sequence,
        captured_at: header.captured_at,
        sent_at: header.sent_at,
        seen_at: now(),
        codec: header.codec,
        is_keyframe: header.flags.is_keyframe(),
        payload: payload.to_vec(),
    }
}

/// Returns the sequence numbers of frames, in the order of arrival.
pub fn sequences(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.sequence).collect()
}

/// Returns the median of some durations.
///
/// # Panics
/// Panics if there are none.
pub fn median(durations: impl IntoIterator<Item = Duration>) -> Duration {
    let mut sorted: Vec<Duration> = durations.into_iter().collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// Returns the number of frames that are missing between these of one subscription.
///
/// # Panics
/// Panics if they are out of order or repeated.
pub fn missing(sequences: &[u64]) -> u64 {
    assert!(sequences.is_sorted_by(|one, next| one < next), "out of order: {sequences:?}");
    sequences.windows(2).map(|pair| pair[1] - pair[0] - 1).sum()
}

/// Returns the current time by this machine's clock.
pub fn now() -> Timestamp {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    Timestamp::from_micros(unix.as_micros() as u64)
}
