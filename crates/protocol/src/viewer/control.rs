//! Control messages of `fanlight.v1`: JSON objects told apart by `type`.
//!
//! Unknown fields of a viewer's message are ignored, so that an older relay serves a newer page; an unknown `type` is
//! answered with `error`.

use serde::{Deserialize, Serialize};

use crate::name::{Codec, Rendition, StreamName};
use crate::time::Timestamp;

/// Longest control message from a viewer, in bytes.
pub const MAX_CONTROL: usize = 4096;
/// Most subscriptions on one socket.
pub const MAX_SUBSCRIPTIONS: usize = 256;

/// What a viewer says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FromViewer {
    /// Show me this stream. With an id already in use it replaces that subscription's options.
    Watch(Watch),
    /// Show it no more.
    Unwatch {
        /// The subscription.
        id: u32,
    },
    /// I have shown the frame with this sequence. Only of use with `"ack": true`.
    Ack {
        /// The subscription.
        id: u32,
        /// The frame.
        sequence: u64,
    },
    /// I cannot decode what comes, and need a frame that stands alone.
    Keyframe {
        /// The subscription.
        id: u32,
    },
    /// How did the next frame come here? Answered with [`FromRelay::Journey`], right before that frame.
    Journey {
        /// The subscription.
        id: u32,
    },
    /// What is your clock? Answered with [`FromRelay::Clock`].
    Clock {
        /// The viewer's clock; any number, repeated in the answer.
        t0: f64,
    },
    /// Tell me of all streams, now and at every change. Answered with [`FromRelay::Streams`].
    List,
}

/// A subscription: which stream, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The viewer's own number for it; stands in every frame.
    pub id: u32,
    /// Which stream.
    pub stream: StreamName,
    /// Which rendition; absent: `full`. `auto`: the relay chooses, and chooses anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendition: Option<RenditionWish>,
    /// Which codec; absent: JPEG. `auto`: the relay chooses, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<CodecWish>,
    /// At most so many frames a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Whether frames shown are acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<bool>,
    /// Stay so many seconds behind and see every frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<f64>,
    /// So many pixels wide is what it is shown in: where the relay chooses, nothing larger than that needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_width: Option<u32>,
    /// So many pixels high, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
}

/// A rendition by name, or `auto`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RenditionWish {
    /// The relay chooses, and may choose anew.
    Auto,
    /// This one, and no other.
    Exactly(Rendition),
}

impl std::str::FromStr for RenditionWish {
    type Err = crate::name::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            Rendition::AUTO => Ok(Self::Auto),
            name => name.parse().map(Self::Exactly),
        }
    }
}

impl TryFrom<String> for RenditionWish {
    type Error = crate::name::InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RenditionWish> for String {
    fn from(wish: RenditionWish) -> Self {
        match wish {
            RenditionWish::Auto => Rendition::AUTO.into(),
            RenditionWish::Exactly(rendition) => rendition.into(),
        }
    }
}

/// A codec by name, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CodecWish {
    /// The relay chooses, once: the viewer decodes all there are.
    Auto,
    /// This one, and no other.
    Exactly(Codec),
}

impl std::str::FromStr for CodecWish {
    type Err = crate::name::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            Codec::AUTO => Ok(Self::Auto),
            name => name.parse().map(Self::Exactly),
        }
    }
}

impl TryFrom<String> for CodecWish {
    type Error = crate::name::InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CodecWish> for String {
    fn from(wish: CodecWish) -> Self {
        match wish {
            CodecWish::Auto => Codec::AUTO.into(),
            CodecWish::Exactly(codec) => codec.as_str().into(),
        }
    }
}

/// What a relay says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FromRelay {
    /// The first message on every socket.
    Hello {
        /// The relay's release.
        version: String,
        /// Changes with the page that the relay serves: a page that was loaded from another build reloads itself.
        build: String,
    },
    /// All streams, after [`FromViewer::List`].
    Streams {
        /// Every known stream, by name.
        streams: Vec<StreamInfo>,
        /// What the relay listens to.
        listening: Vec<ListenEntry>,
    },
    /// What the frames of a subscription are from now on. Restarts the viewer's count.
    Track {
        /// The subscription.
        id: u32,
        /// Its stream.
        stream: StreamName,
        /// How payloads are encoded.
        codec: Codec,
        /// The rendition that is sent.
        rendition: Rendition,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Frames a second, as announced; 0 while unknown.
        fps: f64,
        /// The renditions there are: what the header's rendition number counts in.
        renditions: Vec<Rendition>,
        /// Whether a larger one would be sent if the link or the viewer could take it.
        #[serde(default)]
        reduced: bool,
    },
    /// How a subscription is.
    State {
        /// The subscription.
        id: u32,
        /// How it is.
        state: ViewerState,
        /// Why, in words; empty where there is nothing to say.
        reason: String,
        /// Since when, by the relay's clock.
        since: Timestamp,
    },
    /// The way of the frame that comes next. All times by the relay's clock; what comes after `sent_at` only the viewer
    /// knows.
    Journey {
        /// The subscription.
        id: u32,
        /// The frame.
        sequence: u64,
        /// When the picture was taken.
        captured_at: Timestamp,
        /// When capture had it in hand, before it was encoded.
        read_at: Timestamp,
        /// When it was encoded and given to the bus.
        published_at: Timestamp,
        /// When it came to the relay.
        received_at: Timestamp,
        /// When the relay began to send it.
        sent_at: Timestamp,
    },
    /// The relay's clock.
    Clock {
        /// The viewer's clock, as it was sent.
        t0: f64,
        /// The relay's clock when the question came in.
        t1: Timestamp,
        /// The relay's clock when the answer went out.
        t2: Timestamp,
    },
    /// Something the viewer said cannot be done.
    Error {
        /// The subscription it is about, where it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u32>,
        /// For programs: `unknown-stream`, `bad-message`, `too-many`, `forbidden`.
        code: String,
        /// For people.
        message: String,
    },
}

/// How a viewer's subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewerState {
    /// Frames come as they are made.
    Live,
    /// Frames are old when they arrive at the relay.
    Late,
    /// This viewer's link or machine is too slow for all of them.
    Slow,
    /// The source is well; frames come as soon as it is asked.
    Idle,
    /// No frames, because of a fault.
    Offline,
    /// The source came to its end.
    Ended,
}

/// How a stream is, as a relay lists it: what its publisher says, and whether its frames arrive late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedState {
    /// Frames come as they are made, or would if a viewer watched.
    Live,
    /// Frames are old when they arrive at the relay.
    Late,
    /// The source is well and has no viewers.
    Idle,
    /// No frames, because of a fault.
    Offline,
    /// The source came to its end.
    Ended,
}

impl From<crate::catalog::StreamState> for ListedState {
    fn from(state: crate::catalog::StreamState) -> Self {
        use crate::catalog::StreamState;
        match state {
            StreamState::Live => Self::Live,
            StreamState::Idle => Self::Idle,
            StreamState::Offline => Self::Offline,
            StreamState::Ended => Self::Ended,
        }
    }
}

/// A stream, as `/api/streams` and `streams` messages list it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Its name.
    pub name: StreamName,
    /// Its state.
    pub state: ListedState,
    /// Why, in words; empty where there is nothing to say.
    pub reason: String,
    /// Since when, by the relay's clock.
    pub since: Timestamp,
    /// The source, with user and password masked.
    pub source: String,
    /// Its tracks.
    pub tracks: Vec<TrackInfo>,
    /// Viewers of all transports.
    pub viewers: u64,
    /// Age of the newest frame when it came to the relay, in milliseconds; `null` where there is none.
    pub frame_age_ms: Option<f64>,
}

/// A track, as `/api/streams` lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Its rendition.
    pub rendition: Rendition,
    /// Its codec.
    pub codec: Codec,
    /// Width in pixels; 0 while unknown.
    pub width: u32,
    /// Height in pixels; 0 while unknown.
    pub height: u32,
    /// Frames a second.
    pub fps: f64,
    /// Bits a second.
    pub bitrate: u64,
    /// Frames that capture dropped before publishing.
    pub dropped: u64,
    /// Frames lost between capture and this relay.
    pub lost: u64,
}

/// Something the relay listens to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListenEntry {
    /// An endpoint, or the watched folder; user and password masked.
    pub endpoint: String,
    /// Whether a publisher was ever heard there.
    pub heard: bool,
    /// Whether a publisher is connected there now.
    pub connected: bool,
    /// Listening since, by the relay's clock.
    pub since: Timestamp,
    /// What is wrong with it, in words; empty if nothing is.
    #[serde(default)]
    pub reason: String,
}
