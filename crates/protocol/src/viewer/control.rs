//! Control messages of `fanlight.v1`: JSON objects distinguished by `type`.
//!
//! Unknown fields of a viewer's message are ignored, so that an older relay serves a newer page. An unknown `type` is answered
//! with `error`.

use serde::{Deserialize, Serialize};

use crate::name::{Codec, RenditionName, StreamName};
use crate::time::Timestamp;

/// Longest control message from a viewer, in bytes.
pub const MAX_CONTROL: usize = 4096;
/// Most subscriptions on one socket.
pub const MAX_SUBSCRIPTIONS: usize = 256;

/// A message from a viewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FromViewer {
    /// Subscribes to a stream. With an id in use, replaces the options of that subscription.
    Watch(Watch),
    /// Ends a subscription.
    Unwatch {
        /// The subscription.
        id: u32,
    },
    /// Acknowledges that the frame with this sequence number is displayed. Used only with `"ack": true`.
    Ack {
        /// The subscription.
        id: u32,
        /// The frame.
        sequence: u64,
    },
    /// Requests a keyframe, because the viewer cannot decode the frames that it receives.
    Keyframe {
        /// The subscription.
        id: u32,
    },
    /// Requests the times of the next frame. Answered with [`FromRelay::Journey`], directly before that frame.
    Journey {
        /// The subscription.
        id: u32,
    },
    /// Requests the relay's clock. Answered with [`FromRelay::Clock`].
    Clock {
        /// The viewer's clock; any number, repeated in the answer.
        t0: f64,
    },
    /// Requests the list of streams, now and at every change. Answered with [`FromRelay::Streams`].
    List,
}

/// A subscription to a stream, with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The viewer's number for the subscription; part of every frame.
    pub id: u32,
    /// The stream.
    pub stream: StreamName,
    /// The rendition; absent: `full`. `auto`: the relay selects one, and may switch later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendition: Option<RenditionChoice>,
    /// The codec; absent: JPEG. `auto`: the relay selects one, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<CodecChoice>,
    /// The maximum frame rate, in frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Set if the viewer acknowledges displayed frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<bool>,
    /// The delay in seconds with which the viewer gets every frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<f64>,
    /// The display width in pixels: with `auto`, the relay selects no larger rendition than it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_width: Option<u32>,
    /// The display height in pixels, in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
}

/// A rendition by name, or `auto`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RenditionChoice {
    /// The relay selects a rendition, and may switch later.
    Auto,
    /// Exactly this one.
    Exactly(RenditionName),
}

impl std::str::FromStr for RenditionChoice {
    type Err = crate::name::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            RenditionName::AUTO => Ok(Self::Auto),
            name => name.parse().map(Self::Exactly),
        }
    }
}

impl TryFrom<String> for RenditionChoice {
    type Error = crate::name::InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RenditionChoice> for String {
    fn from(choice: RenditionChoice) -> Self {
        match choice {
            RenditionChoice::Auto => RenditionName::AUTO.into(),
            RenditionChoice::Exactly(rendition) => rendition.into(),
        }
    }
}

/// A codec by name, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CodecChoice {
    /// The relay selects a codec, once: the viewer decodes all of them.
    Auto,
    /// Exactly this one.
    Exactly(Codec),
}

impl std::str::FromStr for CodecChoice {
    type Err = crate::name::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            Codec::AUTO => Ok(Self::Auto),
            name => name.parse().map(Self::Exactly),
        }
    }
}

impl TryFrom<String> for CodecChoice {
    type Error = crate::name::InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CodecChoice> for String {
    fn from(choice: CodecChoice) -> Self {
        match choice {
            CodecChoice::Auto => Codec::AUTO.into(),
            CodecChoice::Exactly(codec) => codec.as_str().into(),
        }
    }
}

/// A message from a relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FromRelay {
    /// The first message on every socket.
    Hello {
        /// The relay's release.
        version: String,
        /// Identifies the page that the relay serves: a page loaded from another build reloads itself.
        build: String,
    },
    /// The list of streams, after [`FromViewer::List`].
    Streams {
        /// Every known stream, by name.
        streams: Vec<StreamInfo>,
        /// The addresses that the relay listens to.
        listening: Vec<ListenEntry>,
        /// The hints for an empty wall; absent if a publisher has a stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        setup: Option<Setup>,
    },
    /// Describes the frames of a subscription from now on. Restarts the viewer's count of frames.
    Track {
        /// The subscription.
        id: u32,
        /// Its stream.
        stream: StreamName,
        /// The encoding of payloads.
        codec: Codec,
        /// The rendition that is sent.
        rendition: RenditionName,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Frames per second, as announced; 0 while unknown.
        fps: f64,
        /// The available renditions, which the rendition number of a frame header indexes.
        renditions: Vec<RenditionName>,
        /// Set if the link or the viewer is too slow for a larger rendition.
        #[serde(default)]
        reduced: bool,
    },
    /// The state of a subscription.
    State {
        /// The subscription.
        id: u32,
        /// The state.
        state: ViewerState,
        /// The reason, in words; empty if there is none.
        reason: String,
        /// Start of the state, by the relay's clock.
        since: Timestamp,
    },
    /// The times of the next frame, all by the relay's clock. Only the viewer knows the times after `sent_at`.
    Journey {
        /// The subscription.
        id: u32,
        /// The frame.
        sequence: u64,
        /// Time at which the source captured the image.
        captured_at: Timestamp,
        /// Time at which capture had read it, before it was encoded.
        read_at: Timestamp,
        /// Time at which it was encoded and passed to the bus.
        published_at: Timestamp,
        /// Time at which the relay received it.
        received_at: Timestamp,
        /// Time at which the relay began to send it.
        sent_at: Timestamp,
    },
    /// The relay's clock.
    Clock {
        /// The viewer's clock, as it was sent.
        t0: f64,
        /// The relay's clock when it received the request.
        t1: Timestamp,
        /// The relay's clock when it sent the answer.
        t2: Timestamp,
    },
    /// Reports that a message of the viewer failed.
    Error {
        /// The subscription concerned, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u32>,
        /// The error, for programs: `unknown-stream`, `bad-message`, `too-many`, `forbidden`.
        code: String,
        /// The error, in words.
        message: String,
    },
}

/// The state of a viewer's subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewerState {
    /// Frames arrive as they are published.
    Live,
    /// Frames are old when they arrive at the relay.
    Late,
    /// Frames arrive, but all show the same picture: the source is frozen.
    Frozen,
    /// The viewer's link or machine is too slow for all frames.
    Slow,
    /// The source works; frames follow as soon as they are requested.
    Idle,
    /// There are no frames because of a fault.
    Offline,
    /// The source has ended.
    Ended,
}

/// The state of a stream as a relay lists it: the state that its publisher announces, and whether its frames arrive late or
/// repeat one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedState {
    /// Frames arrive as they are published, or would if a viewer watched.
    Live,
    /// Frames are old when they arrive at the relay.
    Late,
    /// Frames arrive, but all show the same picture: the source is frozen.
    Frozen,
    /// The source works and has no viewers.
    Idle,
    /// There are no frames because of a fault.
    Offline,
    /// The source has ended.
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
    /// The stream's name.
    pub name: StreamName,
    /// The stream's state.
    pub state: ListedState,
    /// The reason for the state, in words; empty if there is none.
    pub reason: String,
    /// Start of the state, by the relay's clock.
    pub since: Timestamp,
    /// Set if no publisher has the stream any more.
    #[serde(default)]
    pub gone: bool,
    /// The source, with user and password masked.
    pub source: String,
    /// Its tracks.
    pub tracks: Vec<TrackInfo>,
    /// Viewers of all transports.
    pub viewers: u64,
    /// Age of the newest frame when the relay received it, in milliseconds; `null` if there is none.
    pub frame_age_ms: Option<f64>,
}

/// A track, as `/api/streams` lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Its rendition.
    pub rendition: RenditionName,
    /// Its codec.
    pub codec: Codec,
    /// Width in pixels; 0 while unknown.
    pub width: u32,
    /// Height in pixels; 0 while unknown.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Bits per second.
    pub bitrate: u64,
    /// Frames that capture dropped before publishing.
    pub dropped: u64,
    /// Frames lost between capture and this relay.
    pub lost: u64,
}

/// The hints for an empty wall: how to start a capture on the relay's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The command that starts a capture, for a shell: its name or path, without options.
    pub capture: String,
    /// The webcams that are connected to the relay's machine.
    pub webcams: Vec<Webcam>,
}

/// A webcam of the relay's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webcam {
    /// Its device, which a capture takes as a source.
    pub device: String,
    /// The camera's name for itself.
    pub name: String,
}

/// An address that the relay listens to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListenEntry {
    /// An endpoint, or the watched folder; user and password masked.
    pub endpoint: String,
    /// Set if a publisher was ever heard there.
    pub heard: bool,
    /// Set if a publisher is connected there now.
    pub connected: bool,
    /// Start of listening, by the relay's clock.
    pub since: Timestamp,
    /// The fault, in words; empty if there is none.
    #[serde(default)]
    pub reason: String,
}
