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

/// A frame, as a viewer got it.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The subscription.
    pub id: u32,
    /// Which of the renditions told in the `track` message.
    pub rendition: u8,
    /// The publisher's count.
    pub sequence: u64,
    /// When it was captured, as is claimed, by the relay's clock.
    pub captured_at: Timestamp,
    /// When the relay began to send it, by the relay's clock.
    pub sent_at: Timestamp,
    /// When it was here, by this machine's clock, which is also the relay's.
    pub seen_at: Timestamp,
    /// How it is encoded.
    pub codec: Codec,
    /// Whether it can be decoded alone.
    pub is_keyframe: bool,
    /// The JPEG, or access unit of H.264.
    pub payload: Vec<u8>,
}

impl Frame {
    /// What stands in the picture.
    pub fn stamp(&self) -> Timecode {
        picture::stamp_of(&self.payload)
    }

    /// How old it was when it was here.
    pub fn age(&self) -> Duration {
        self.seen_at.since(self.captured_at)
    }
}

/// What a viewer hears.
#[derive(Debug)]
pub enum News {
    /// A frame.
    Frame(Frame),
    /// Anything else.
    Word(FromRelay),
}

impl Viewer {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Asks for a stream.
    pub fn watch(&mut self, id: u32, stream: &str) {
        self.watch_with(id, stream, "");
    }

    /// Asks for a stream, with further fields, such as `"ack":true`.
    pub fn watch_with(&mut self, id: u32, stream: &str, fields: &str) {
        let comma = if fields.is_empty() { "" } else { "," };
        self.say(&format!(r#"{{"type":"watch","id":{id},"stream":"{stream}"{comma}{fields}}}"#));
    }

    /// Says that a frame was shown.
    pub fn acknowledge(&mut self, frame: &Frame) {
        let Frame { id, sequence, .. } = frame;
        self.say(&format!(r#"{{"type":"ack","id":{id},"sequence":{sequence}}}"#));
    }

    /// Sends a text message.
    pub fn say(&mut self, text: &str) {
        self.socket.say(text);
    }

    /// What comes next.
    ///
    /// # Panics
    /// When the socket is closed, or nothing comes for a long time.
    pub fn hear(&mut self) -> News {
        match self.socket.hear() {
            Heard::Text(text) => {
                News::Word(serde_json::from_str(&text).expect("a message of fanlight.v1"))
            }
            Heard::Binary(message) => News::Frame(frame_of(&message)),
            end => panic!("the socket was closed: {end:?}"),
        }
    }

    /// The next frame.
    pub fn frame(&mut self) -> Frame {
        loop {
            if let News::Frame(frame) = self.hear() {
                return frame;
            }
        }
    }

    /// The next frames.
    pub fn frames(&mut self, count: usize) -> Vec<Frame> {
        (0..count).map(|_| self.frame()).collect()
    }

    /// Reads on until something is said for which `wanted` has a value.
    ///
    /// # Panics
    /// When it is not said for a long time, though frames may come.
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

    /// Reads on until the viewer is told this state; returns the reason given.
    pub fn is_told(&mut self, wanted: ViewerState) -> String {
        self.until(&format!("{wanted:?}"), |word| match word {
            FromRelay::State { state, reason, .. } if *state == wanted => Some(reason.clone()),
            _ => None,
        })
    }

    /// Reads on until the viewer is told of an error; returns its code and message.
    pub fn is_told_of_error(&mut self) -> (String, String) {
        self.until("of an error", |word| match word {
            FromRelay::Error { code, message, .. } => Some((code.clone(), message.clone())),
            _ => None,
        })
    }

    /// The socket below.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

/// What a binary message holds, which has just come.
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

/// The sequences of frames, in the order they came.
pub fn sequences(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.sequence).collect()
}

/// The median of some durations.
///
/// # Panics
/// When there are none.
pub fn median(durations: impl IntoIterator<Item = Duration>) -> Duration {
    let mut sorted: Vec<Duration> = durations.into_iter().collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// How many frames are missing between these of one subscription.
///
/// # Panics
/// When they are not in order, or one is there twice.
pub fn missing(sequences: &[u64]) -> u64 {
    assert!(sequences.is_sorted_by(|one, next| one < next), "out of order: {sequences:?}");
    sequences.windows(2).map(|pair| pair[1] - pair[0] - 1).sum()
}

/// Now, by this machine's clock.
pub fn now() -> Timestamp {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    Timestamp::from_micros(unix.as_micros() as u64)
}
