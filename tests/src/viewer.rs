//! A viewer that speaks `fanlight.v1`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fanlight_protocol::viewer::{FrameMessage, FromRelay, ViewerState};
use fanlight_protocol::{Codec, Timestamp};
use fanlight_timecode::Timecode;

use crate::patience::PATIENCE;
use crate::picture;
use crate::socket::{Heard, Socket};

/// A viewer that speaks `fanlight.v1`.
#[derive(Debug)]
pub struct Viewer {
    socket: Socket,
}

/// A frame, as received by a viewer.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The subscription.
    pub id: u32,
    /// Its rendition, from the `track` message.
    pub rendition: u8,
    /// The publisher's sequence.
    pub sequence: u64,
    /// Its claimed capture time, by the relay's clock.
    pub captured_at: Timestamp,
    /// The time at which the relay started to send it, by the relay's clock.
    pub sent_at: Timestamp,
    /// Its time of arrival, by this machine's clock, which is also the relay's.
    pub seen_at: Timestamp,
    /// Its codec.
    pub codec: Codec,
    /// True if it can be decoded alone.
    pub is_keyframe: bool,
    /// The JPEG, or the access unit of H.264.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Returns the stamp in its image.
    pub fn stamp(&self) -> Timecode {
        picture::stamp_of(&self.payload)
    }

    /// Returns its age on arrival.
    pub fn age(&self) -> Duration {
        self.seen_at.since(self.captured_at)
    }
}

/// A message to a viewer.
#[derive(Debug)]
pub enum News {
    /// A frame.
    Frame(Frame),
    /// Any other message.
    Word(FromRelay),
}

impl Viewer {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Subscribes to a stream.
    pub fn watch(&mut self, id: u32, stream: &str) {
        self.watch_with(id, stream, "");
    }

    /// Subscribes to a stream, with further fields, such as `"ack":true`.
    pub fn watch_with(&mut self, id: u32, stream: &str, fields: &str) {
        let comma = if fields.is_empty() { "" } else { "," };
        self.say(&format!(r#"{{"type":"watch","id":{id},"stream":"{stream}"{comma}{fields}}}"#));
    }

    /// Acknowledges a frame.
    pub fn acknowledge(&mut self, frame: &Frame) {
        let Frame { id, sequence, .. } = frame;
        self.say(&format!(r#"{{"type":"ack","id":{id},"sequence":{sequence}}}"#));
    }

    /// Sends a text message.
    pub fn say(&mut self, text: &str) {
        self.socket.say(text);
    }

    /// Returns the next message.
    ///
    /// # Panics
    /// Panics if the socket is closed, or nothing arrives for a long time.
    pub fn hear(&mut self) -> News {
        match self.socket.hear() {
            Heard::Text(text) => {
                News::Word(serde_json::from_str(&text).expect("a message of fanlight.v1"))
            }
            Heard::Binary(message) => News::Frame(frame_of(&message)),
            end => panic!("the socket was closed: {end:?}"),
        }
    }

    /// Returns the next frame.
    pub fn frame(&mut self) -> Frame {
        loop {
            if let News::Frame(frame) = self.hear() {
                return frame;
            }
        }
    }

    /// Returns the next frames.
    pub fn frames(&mut self, count: usize) -> Vec<Frame> {
        (0..count).map(|_| self.frame()).collect()
    }

    /// Reads until `wanted` returns a value for a message.
    ///
    /// # Panics
    /// Panics if there is none for a long time, even if frames arrive.
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&FromRelay) -> Option<T>) -> T {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let News::Word(word) = self.hear()
                && let Some(value) = wanted(&word)
            {
                return value;
            }
        }
        panic!("waited {PATIENCE:?} in vain: the viewer is told {what}")
    }

    /// Reads until a message reports this state; returns its reason.
    pub fn is_told(&mut self, wanted: ViewerState) -> String {
        self.until(&format!("{wanted:?}"), |word| match word {
            FromRelay::State { state, reason, .. } if *state == wanted => Some(reason.clone()),
            _ => None,
        })
    }

    /// Reads until a message reports an error; returns its code and message.
    pub fn is_told_of_error(&mut self) -> (String, String) {
        self.until("of an error", |word| match word {
            FromRelay::Error { code, message, .. } => Some((code.clone(), message.clone())),
            _ => None,
        })
    }

    /// Returns the underlying socket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

/// Parses a binary message that has just arrived.
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

/// Returns the sequences of frames, in the order of arrival.
pub fn sequences(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.sequence).collect()
}

/// Returns the median of durations.
///
/// # Panics
/// Panics if there are none.
pub fn median(durations: impl IntoIterator<Item = Duration>) -> Duration {
    let mut sorted: Vec<Duration> = durations.into_iter().collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// Returns how many frames are missing between these of one subscription.
///
/// # Panics
/// Panics if they are not in order, or one is repeated.
pub fn missing(sequences: &[u64]) -> u64 {
    assert!(sequences.is_sorted_by(|one, next| one < next), "out of order: {sequences:?}");
    sequences.windows(2).map(|pair| pair[1] - pair[0] - 1).sum()
}

/// Returns the current time, by this machine's clock.
pub fn now() -> Timestamp {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    Timestamp::from_micros(unix.as_micros() as u64)
}
