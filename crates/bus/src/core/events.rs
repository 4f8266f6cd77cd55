//! Reports of the bus: the demand for a publisher's tracks, a subscriber's frames and events.

use bytes::Bytes;
use fanlight_protocol::{Catalog, FrameMeta, Timestamp};

use super::losses::Gap;

/// A change of what subscribers need of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// The first subscriber watches the track.
    Watched,
    /// No subscriber watches it any more.
    Unwatched,
    /// A subscriber needs a keyframe. Reported as often as it is requested: the handler limits how often it makes one.
    Keyframe,
}

/// A handler of the demand for one track. Called on the bus thread; must not block.
pub(crate) type DemandHandler = Box<dyn FnMut(Demand) + Send>;

/// One publisher as this subscriber knows it: an address that it follows. A publisher that restarts at the same address
/// keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublisherId(pub u32);

/// A change of a publisher. Frames do not come as events: they go to the sinks of [`Subscriber::watch`](crate::Subscriber::watch).
#[derive(Debug)]
pub enum PublisherEvent {
    /// A publisher announced its catalog. The first one also says that the publisher is present.
    Catalog {
        /// The publisher.
        publisher: PublisherId,
        /// Its catalog; times are by this process's clock.
        catalog: Catalog,
    },
    /// A watched publisher does not answer: its process is stopped, or the link to it is down. It may resume, or be gone later.
    Silent {
        /// The publisher.
        publisher: PublisherId,
    },
    /// A silent publisher was heard again.
    Resumed {
        /// The publisher.
        publisher: PublisherId,
    },
    /// A publisher is gone for now.
    Gone {
        /// The publisher.
        publisher: PublisherId,
        /// The reason, in words.
        reason: &'static str,
    },
}

/// One encoded frame received from a publisher.
#[derive(Debug, Clone)]
pub struct IncomingFrame {
    /// The frame's metadata; times are by this process's clock.
    pub meta: FrameMeta,
    /// Time of arrival, by this process's clock.
    pub received_at: Timestamp,
    /// The encoded image, in the memory that the transport received it in.
    pub payload: Bytes,
    /// The frames missing between this frame and the one before.
    pub gap: Gap,
}

/// The receiver of one track's frames. Called on the bus thread; must not block.
pub(crate) type FrameSink = Box<dyn FnMut(IncomingFrame) + Send>;
