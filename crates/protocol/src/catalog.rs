//! The catalog of a publisher: its streams, their states and tracks.

use serde::{Deserialize, Serialize};

use crate::frame::Epoch;
use crate::name::{StreamName, TrackName};
use crate::time::Timestamp;
use crate::wire::{self, WireError};

/// Most streams one publisher may announce.
pub const MAX_STREAMS: usize = 128;
/// Most renditions one stream may have.
pub const MAX_RENDITIONS: usize = 8;
/// Most tracks one stream may have: each rendition in both codecs.
pub const MAX_TRACKS: usize = 2 * MAX_RENDITIONS;
/// Longest reason, publisher name or source, in bytes; longer texts are truncated when they are announced.
pub const MAX_TEXT: usize = 200;

/// The reason of a live stream whose source repeats the same picture; its `since` is the time of the first copy.
///
/// It is a reason and no [`StreamState`], because relays of earlier releases refuse a catalog with an unknown state.
pub const FROZEN: &str = "camera repeats the same picture";

/// The reason of a live stream whose source has a clock of its own that jumped within the last minute.
pub const CLOCK_JUMPS: &str = "camera's clock jumps";
/// The reason of a live stream whose source has a clock of its own that is a thousandth or more too fast or too slow.
pub const CLOCK_DRIFTS: &str = "camera's clock drifts";

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamState {
    /// Frames are published, or would be if a viewer watched.
    Live,
    /// The source works but no viewer watches, so nothing is encoded.
    Idle,
    /// There are no frames because of a fault; the reason names it.
    Offline,
    /// The source has ended and will not continue.
    Ended,
}

impl StreamState {
    /// Returns the state as written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Idle => "idle",
            Self::Offline => "offline",
            Self::Ended => "ended",
        }
    }
}

/// All streams of one publisher. Announced on [`ReservedTopic::Catalog`](crate::ReservedTopic::Catalog) at every change, on
/// request, and every second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The publisher's epoch.
    pub epoch: Epoch,
    /// The publisher's name for people: host and process.
    pub publisher: String,
    /// Its streams; names are unique.
    pub streams: Vec<StreamEntry>,
}

/// One stream of a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEntry {
    /// The stream's name.
    pub name: StreamName,
    /// The stream's state.
    pub state: StreamState,
    /// The reason for the state, in the words of a camera's owner; empty if there is none.
    pub reason: String,
    /// Start of the state, by the publisher's clock.
    pub since: Timestamp,
    /// The source, with user and password masked.
    pub source: String,
    /// Its tracks; names are unique.
    pub tracks: Vec<TrackEntry>,
}

/// One track of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackEntry {
    /// The track's name.
    pub name: TrackName,
    /// Width in pixels; 0 while unknown.
    pub width: u32,
    /// Height in pixels; 0 while unknown.
    pub height: u32,
    /// Frames per thousand seconds, over the last seconds; 0 while there are none.
    pub millifps: u32,
    /// Bits per second, over the last seconds.
    pub bitrate: u64,
    /// Frames published in this epoch.
    pub published: u64,
    /// Frames that the publisher dropped before publishing in this epoch: it was too slow, or they were damaged.
    pub dropped: u64,
}

impl Catalog {
    /// Encodes the catalog as a message part, with texts truncated to [`MAX_TEXT`].
    pub fn encode(&self) -> Vec<u8> {
        let mut catalog = self.clone();
        cut(&mut catalog.publisher);
        for stream in &mut catalog.streams {
            cut(&mut stream.reason);
            cut(&mut stream.source);
        }
        wire::encode(&catalog)
    }

    /// Decodes a catalog from untrusted bytes.
    ///
    /// # Errors
    /// Fails if the bytes are of another version, malformed, or exceed one of the limits above.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let catalog: Self = wire::decode(bytes)?;
        catalog.validate()?;
        Ok(catalog)
    }

    fn validate(&self) -> Result<(), WireError> {
        if self.streams.len() > MAX_STREAMS {
            return Err(WireError::Invalid("more than 128 streams in one catalog"));
        }
        if self.publisher.len() > MAX_TEXT {
            return Err(WireError::Invalid("a publisher name longer than 200 bytes"));
        }
        if repeats(self.streams.iter().map(|stream| &stream.name)) {
            return Err(WireError::Invalid("a stream name occurs twice in one catalog"));
        }
        self.streams.iter().try_for_each(StreamEntry::validate)
    }
}

/// Returns whether a stream that is announced with this state and reason repeats the same picture: see [`FROZEN`].
pub fn is_frozen(state: StreamState, reason: &str) -> bool {
    state == StreamState::Live && reason == FROZEN
}

/// Returns whether a stream that is announced with this state and reason has a source whose clock is wrong: see
/// [`CLOCK_JUMPS`] and [`CLOCK_DRIFTS`].
pub fn has_clock_fault(state: StreamState, reason: &str) -> bool {
    state == StreamState::Live && [CLOCK_JUMPS, CLOCK_DRIFTS].contains(&reason)
}

impl StreamEntry {
    fn validate(&self) -> Result<(), WireError> {
        if self.reason.len() > MAX_TEXT || self.source.len() > MAX_TEXT {
            return Err(WireError::Invalid("a reason or source longer than 200 bytes"));
        }
        if self.tracks.len() > MAX_TRACKS {
            return Err(WireError::Invalid("more than 16 tracks in one stream"));
        }
        if repeats(self.tracks.iter().map(|track| &track.name)) {
            return Err(WireError::Invalid("a track occurs twice in one stream"));
        }
        Ok(())
    }
}

fn repeats<T: Eq + std::hash::Hash>(mut items: impl Iterator<Item = T>) -> bool {
    let mut seen = std::collections::HashSet::new();
    !items.all(|item| seen.insert(item))
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
}
