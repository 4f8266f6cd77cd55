//! The sending end of the bus: one per process, for all its streams.

mod admission;
mod ask_limits;
mod shared_socket;
mod thread;

pub(crate) use thread::ANNOUNCE_EVERY;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use fanlight_protocol::{
    Epoch, FrameFlags, FrameHeader, MAX_PAYLOAD, StreamEntry, Timestamp, Topic,
};

use crate::endpoint::Endpoint;
use crate::error::BusError;
use crate::keys::{AllowedKeys, KeyPair, require_curve};
use crate::wake::Wake;
use admission::Admission;
use fanlight_clock as clock;
use shared_socket::SharedSocket;

/// Tracks that may wait for the bus thread, which takes them in microseconds. Beyond it whoever opens one waits.
const WAITING: usize = 64;

/// What to do when a track begins (true) or ceases (false) to be watched.
pub type OnDemand = Box<dyn FnMut(&Topic, bool) + Send>;

/// What to do when somebody needs a keyframe of a track.
pub type OnKeyframe = Box<dyn FnMut(&Topic) + Send>;

/// Where and as whom to publish.
pub struct PublisherOptions {
    /// Where to bind; empty: an endpoint of its own in [`Folder::default_of_user`](crate::Folder::default_of_user).
    pub endpoints: Vec<Endpoint>,
    /// The program's name, `[a-z0-9-]+`; names the publisher in the folder and, with host and process id, in catalogs.
    pub name: String,
    /// How many streams there will be: bounds what waits for a slow subscriber.
    pub streams: usize,
    /// Keys for endpoints of TCP: with them, only subscribers whose key is allowed connect, and all is encrypted.
    pub keys: Option<PublisherKeys>,
    /// Called on the bus thread when a track begins or ceases to be watched. Must not block.
    pub on_demand: OnDemand,
    /// Called on the bus thread when a subscriber needs a keyframe of an open track: as often as it is asked for, so
    /// whoever makes them bounds that. Must not block.
    pub on_keyframe: OnKeyframe,
}

impl fmt::Debug for PublisherOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublisherOptions")
            .field("endpoints", &self.endpoints)
            .field("name", &self.name)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

/// The keys of a publisher, and those of the subscribers it admits over TCP.
#[derive(Debug, Clone)]
pub struct PublisherKeys {
    /// The publisher's own keys.
    pub own: KeyPair,
    /// The subscribers' public keys.
    pub allowed: AllowedKeys,
}

/// One encoded picture on its way out.
#[derive(Debug)]
pub struct OutgoingFrame {
    /// When the picture was taken, by [`clock`](fanlight_clock).
    pub captured_at: Timestamp,
    /// When it was in hand, before it was encoded, likewise.
    pub read_at: Timestamp,
    /// What a viewer must know before it decodes.
    pub flags: FrameFlags,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The encoded picture, at most [`MAX_PAYLOAD`] bytes. Sent without another copy.
    pub payload: Vec<u8>,
}

/// What the bus thread is told.
enum Command {
    Track(Arc<Track>),
    Stop,
}

/// What is shared of one track between whoever publishes on it and the bus thread.
#[derive(Debug)]
struct Track {
    topic: Topic,
    topic_bytes: Vec<u8>,
    watched: AtomicBool,
    published: AtomicU64,
    dropped: AtomicU64,
}

/// A running publisher. Dropping it stops it.
#[derive(Debug)]
pub struct Publisher {
    epoch: Epoch,
    endpoints: Vec<Endpoint>,
    commands: SyncSender<Command>,
    streams: Arc<Mutex<Vec<StreamEntry>>>,
    socket: SharedSocket,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
    /// Outlives the socket: without it libzmq would admit every peer.
    admission: Option<Admission>,
}

impl Publisher {
    /// Binds and starts.
    ///
    /// # Errors
    /// Fails if an endpoint is in use or cannot be bound, the default folder is not safe, or keys are given and libzmq has no
    /// CURVE.
    pub fn start(options: PublisherOptions) -> Result<Self, BusError> {
        let epoch = Epoch(fastrand::u64(..));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let wake = Wake::new()?;
        let (commands, waiting) = mpsc::sync_channel(WAITING);
        if options.keys.is_some() {
            require_curve()?;
        }
        let context = zmq::Context::new();
        let allowed = options.keys.as_ref().map(|keys| keys.allowed.clone());
        let admission = Admission::start(&context, allowed)?;
        let bound = thread::Bound::new(&context, &options, epoch)?;
        let endpoints = bound.endpoints().to_vec();
        let socket = SharedSocket::new(bound, wake.clone());
        let publishing = thread::Publishing::new(
            socket.clone(),
            epoch,
            options,
            streams.clone(),
            waiting,
            wake.clone(),
        );
        let thread = std::thread::Builder::new()
            .name("bus-publisher".into())
            .spawn(move || publishing.run())?;
        let (thread, admission) = (Some(thread), Some(admission));
        Ok(Self { epoch, endpoints, commands, streams, socket, wake, thread, admission })
    }

    /// This run's number.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where it is bound.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Opens a track. Each topic should be opened once: two would count apart.
    pub fn track(&self, topic: Topic) -> TrackPublisher {
        let track = Arc::new(Track {
            topic_bytes: topic.to_string().into_bytes(),
            topic,
            watched: AtomicBool::new(false),
            published: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        // It can only fail when the bus thread has ended, and then nothing is watched.
        let _ = self.commands.send(Command::Track(track.clone()));
        self.wake.wake();
        TrackPublisher { track, epoch: self.epoch, socket: self.socket.clone() }
    }

    /// Replaces the catalog. It is sent at once where it changed, and then every second.
    pub fn announce(&self, streams: Vec<StreamEntry>) {
        *self.streams.lock().expect("no panic while the catalog is replaced") = streams;
        self.wake.wake();
    }

    /// Whether the threads of the bus run. They end early only by a panic, and then nothing is published any more, or no
    /// further subscriber can connect.
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
        let _ = self.commands.send(Command::Stop);
        self.wake.wake();
        if thread.join().is_err() {
            tracing::error!("the bus thread had panicked");
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

/// The way out for one track. Belongs to the one thread that encodes it.
#[derive(Debug)]
pub struct TrackPublisher {
    track: Arc<Track>,
    epoch: Epoch,
    socket: SharedSocket,
}

impl TrackPublisher {
    /// The track's name on the bus.
    pub fn topic(&self) -> &Topic {
        &self.track.topic
    }

    /// Whether anybody would get a frame published now.
    pub fn is_watched(&self) -> bool {
        self.track.watched.load(Ordering::Relaxed)
    }

    /// Sends a frame, on the thread it is called on. Returns whether it was taken; one that is not (the payload is too large,
    /// or the publisher has ended) is counted as dropped and has no sequence number.
    pub fn publish(&mut self, frame: OutgoingFrame) -> bool {
        let header = FrameHeader {
            epoch: self.epoch,
            sequence: self.track.published.load(Ordering::Relaxed),
            captured_at: frame.captured_at,
            read_at: frame.read_at,
            published_at: clock::now(),
            flags: frame.flags,
            width: frame.width,
            height: frame.height,
        };
        let fits = frame.payload.len() <= MAX_PAYLOAD;
        let taken = fits && self.send(&header, frame.payload);
        if taken {
            self.track.published.fetch_add(1, Ordering::Relaxed);
        } else {
            self.drop_frame();
        }
        taken
    }

    fn send(&self, header: &FrameHeader, payload: Vec<u8>) -> bool {
        let topic = self.track.topic_bytes.as_slice();
        self.socket.send([topic.into(), header.encode().into(), payload.into()])
    }

    /// Counts a frame that was dropped before it came here.
    pub fn drop_frame(&self) {
        self.track.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Frames published and dropped in this epoch.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.track.published), count(&self.track.dropped))
    }
}
