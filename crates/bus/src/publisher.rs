//! The sending end of the bus: one per process, for all its streams.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use fanlight_clock as clock;
use fanlight_protocol::{Epoch, FrameHeader, FrameMeta, MAX_PAYLOAD, StreamEntry, Topic};
use parking_lot::Mutex;

use crate::address::endpoint::Endpoint;
use crate::address::folder::Folder;
use crate::core::{Demand, TrackState};
use crate::error::BusError;
use crate::options::PublisherOptions;
use crate::zmq::publisher::{
    Admission, Bound, PublisherCommand, PublisherThread, SharedSocket, own_endpoint,
};
use crate::zmq::wake::Wake;

/// Tracks that may wait for the bus thread, which opens one in microseconds. Beyond it, opening a track waits.
const WAITING: usize = 64;

/// One encoded frame to publish.
#[derive(Debug)]
pub struct OutgoingFrame {
    /// The frame's metadata; times are by [`clock`](fanlight_clock). [`TrackPublisher::publish`] sets `sequence` and
    /// `published_at`; what they hold before is ignored.
    pub meta: FrameMeta,
    /// The encoded image, at most [`MAX_PAYLOAD`] bytes. Sent without another copy.
    pub payload: Vec<u8>,
}

/// A running publisher. Dropping it stops it.
#[derive(Debug)]
pub struct Publisher {
    epoch: Epoch,
    endpoints: Vec<Endpoint>,
    commands: SyncSender<PublisherCommand>,
    streams: Arc<Mutex<Vec<StreamEntry>>>,
    socket: SharedSocket,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
    /// Outlives the socket: without it libzmq would admit every peer.
    admission: Option<Admission>,
}

impl Publisher {
    /// Returns an endpoint in a folder for a publisher of this name, which no other publisher has.
    pub fn own_endpoint(folder: &Folder, name: &str) -> Endpoint {
        own_endpoint(folder, name, fastrand::u64(..))
    }

    /// Binds the endpoints and starts the bus thread.
    ///
    /// # Errors
    /// Fails if an endpoint is in use or cannot be bound, the default folder is not safe, or keys are given and libzmq
    /// has no CURVE.
    pub fn start(options: PublisherOptions) -> Result<Self, BusError> {
        let epoch = Epoch(fastrand::u64(..));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let wake = Wake::new()?;
        let (commands, waiting) = mpsc::sync_channel(WAITING);
        let (bound, admission) = Bound::open(&options, epoch)?;
        let endpoints = bound.endpoints().to_vec();
        let socket = SharedSocket::new(bound, wake.clone());
        let running = PublisherThread::new(
            socket.clone(),
            epoch,
            &options.name,
            streams.clone(),
            waiting,
            wake.clone(),
        );
        let thread = std::thread::Builder::new()
            .name("bus-publisher".into())
            .spawn(move || running.run())?;
        let (thread, admission) = (Some(thread), Some(admission));
        Ok(Self { epoch, endpoints, commands, streams, socket, wake, thread, admission })
    }

    /// Returns the epoch of this publisher.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the endpoints that are bound.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Opens a track. `on_demand` is called on the bus thread, from the moment when the track is watched, and must not
    /// block. Each topic may be opened once: two tracks would count apart.
    pub fn track(
        &self,
        topic: Topic,
        on_demand: impl FnMut(Demand) + Send + 'static,
    ) -> TrackPublisher {
        let track = Arc::new(TrackState::new(topic));
        // This fails only if the bus thread has ended; then nothing is watched.
        let _ = self.commands.send(PublisherCommand::Track(track.clone(), Box::new(on_demand)));
        self.wake.wake();
        TrackPublisher { track, epoch: self.epoch, socket: self.socket.clone() }
    }

    /// Replaces the catalog. It is sent immediately if it changed, and every second.
    pub fn announce(&self, streams: Vec<StreamEntry>) {
        *self.streams.lock() = streams;
        self.wake.wake();
    }

    /// Returns whether the threads of the bus run. They end early only by a panic; then nothing is published any more, or
    /// no further subscriber can connect.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
            && self.admission.as_ref().is_some_and(Admission::is_alive)
    }

    /// Ends the bus thread and releases the endpoints.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let _ = self.commands.send(PublisherCommand::Stop);
        self.wake.wake();
        if thread.join().is_err() {
            tracing::error!("the publisher's bus thread panicked");
        }
        self.socket.close();
        self.admission.take();
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.end();
    }
}

/// The sending end of one track. Used by one thread at a time.
#[derive(Debug)]
pub struct TrackPublisher {
    track: Arc<TrackState>,
    epoch: Epoch,
    socket: SharedSocket,
}

impl TrackPublisher {
    /// Returns the track's name on the bus.
    pub fn topic(&self) -> &Topic {
        self.track.topic()
    }

    /// Returns whether a subscriber would receive a frame published now.
    pub fn is_watched(&self) -> bool {
        self.track.is_watched()
    }

    /// Sends a frame on the calling thread. Returns whether it was sent. A frame that is too large, or comes after the end
    /// of the publisher, is counted as dropped and has no sequence number.
    pub fn publish(&mut self, frame: OutgoingFrame) -> bool {
        let OutgoingFrame { mut meta, payload } = frame;
        meta.sequence = self.track.published();
        meta.times.published_at = clock::now();
        let header = FrameHeader { epoch: self.epoch, meta };
        let length = payload.len();
        let sent = length <= MAX_PAYLOAD
            && self.socket.send_frame(self.track.topic_bytes(), header.encode(), payload);
        match sent {
            true => self.track.count_published(length),
            false => self.track.count_dropped(),
        }
        sent
    }

    /// Returns the number of frames and bytes published, and of frames dropped, in this epoch.
    pub fn counts(&self) -> TrackCounts {
        self.monitor().counts()
    }

    /// Returns a handle by which other threads see the track's demand and counts.
    pub fn monitor(&self) -> TrackMonitor {
        TrackMonitor(self.track.clone())
    }
}

/// The number of frames and bytes published on a track, and of frames dropped by its publisher, in one epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackCounts {
    /// Frames published.
    pub published: u64,
    /// Bytes of payload published.
    pub bytes: u64,
    /// Frames that were too large, or came after the end of the publisher.
    pub dropped: u64,
}

/// A view of a track's demand and counts that any thread may hold.
#[derive(Clone)]
pub struct TrackMonitor(Arc<TrackState>);

impl TrackMonitor {
    /// Returns whether a subscriber would receive a frame published now.
    pub fn is_watched(&self) -> bool {
        self.0.is_watched()
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> TrackCounts {
        let track = &self.0;
        TrackCounts { published: track.published(), bytes: track.bytes(), dropped: track.dropped() }
    }
}

impl fmt::Debug for TrackMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackMonitor").field(self.0.topic()).finish()
    }
}
