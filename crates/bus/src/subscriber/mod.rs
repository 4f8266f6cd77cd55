//! The receiving end of the bus: follows any number of publishers.

mod connection;
mod discovery;
mod liveness;
mod peer;
mod plausible;
mod recovery;
mod thread;

use std::collections::HashMap;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use fanlight_protocol::{Ask, Catalog, FrameFlags, Timestamp, Topic};

use crate::endpoint::Endpoint;
use crate::error::BusError;
use crate::folder::Folder;
use crate::keys::{KeyPair, PublicKey};
use crate::losses::Gap;
use crate::wake::Wake;

use plausible::Counts;
pub use plausible::Implausible;

/// Wishes that may wait for the bus thread, which takes them in microseconds. Beyond it the asker waits.
const WAITING: usize = 1024;

/// What to follow.
#[derive(Debug, Clone, Default)]
pub struct SubscriberOptions {
    /// Publishers by endpoint.
    pub endpoints: Vec<Endpoint>,
    /// A folder whose publishers, those of today and those to come, are followed too.
    pub folder: Option<Folder>,
    /// Keys for those of the endpoints whose publishers require them.
    pub keys: Option<SubscriberKeys>,
}

/// The keys with which a subscriber shows who it is, and by which it knows publishers.
#[derive(Debug, Clone)]
pub struct SubscriberKeys {
    /// The subscriber's own keys.
    pub own: KeyPair,
    /// The public key of the publisher at each endpoint that uses keys. The others are followed without encryption.
    pub publishers: HashMap<Endpoint, PublicKey>,
}

/// One publisher as this subscriber knows it: the place where it is heard. A publisher that restarts at the same
/// endpoint keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublisherId(pub u32);

/// What the bus tells.
#[derive(Debug)]
pub enum Event {
    /// A publisher announced what it has; also how it is known to be there.
    Catalog {
        /// Which publisher.
        publisher: PublisherId,
        /// What it has; moments are by our clock.
        catalog: Catalog,
    },
    /// A frame of a watched track.
    Frame {
        /// Which publisher.
        publisher: PublisherId,
        /// Which track.
        topic: Arc<Topic>,
        /// The frame.
        frame: IncomingFrame,
    },
    /// A watched publisher does not answer: it hangs, or the link to it is down. It may resume, or be gone later.
    Silent {
        /// Which publisher.
        publisher: PublisherId,
    },
    /// A publisher that was silent was heard again.
    Resumed {
        /// Which publisher.
        publisher: PublisherId,
    },
    /// A publisher is gone, for now.
    Gone {
        /// Which publisher.
        publisher: PublisherId,
        /// Why, in words.
        reason: &'static str,
    },
}

/// One encoded picture that came in.
#[derive(Debug, Clone)]
pub struct IncomingFrame {
    /// The publisher's count on this track.
    pub sequence: u64,
    /// When the picture was taken, by our clock.
    pub captured_at: Timestamp,
    /// When the publisher had it in hand, before it was encoded, by our clock.
    pub read_at: Timestamp,
    /// When the publisher gave it to the bus, by our clock.
    pub published_at: Timestamp,
    /// When it came in, by our clock.
    pub received_at: Timestamp,
    /// What a viewer must know before it decodes.
    pub flags: FrameFlags,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The encoded picture, in the memory ZeroMQ received it in.
    pub payload: Bytes,
    /// What lies between it and the frame before.
    pub gap: Gap,
}

/// Something the subscriber listens to, and what it heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// An endpoint as the user wrote it, or the folder's path.
    pub place: String,
    /// Whether a publisher was ever heard there.
    pub heard: bool,
    /// Whether one is heard there now.
    pub connected: bool,
    /// Listening since, by our clock.
    pub since: Timestamp,
    /// What is wrong with it, in words: what keeps the connection from working, or publishers in the folder that are not
    /// followed. Empty if nothing is.
    pub reason: String,
}

/// What the bus thread is told.
enum Command {
    Watch(PublisherId, Topic),
    Unwatch(PublisherId, Topic),
    Ask(PublisherId, Ask),
    Stop,
}

/// A running subscriber. Dropping it stops it.
#[derive(Debug)]
pub struct Subscriber {
    commands: SyncSender<Command>,
    listening: Arc<Mutex<Vec<Listening>>>,
    implausible: Arc<Counts>,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// Starts to follow. `on_event` is called on the bus thread and must not block.
    ///
    /// # Errors
    /// Fails if the system or ZeroMQ refuses a socket or thread, or keys are given and libzmq has no CURVE.
    pub fn start(
        options: SubscriberOptions,
        on_event: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self, BusError> {
        let wake = Wake::new()?;
        let listening = Arc::new(Mutex::new(Vec::new()));
        let implausible = Arc::<Counts>::default();
        let (commands, waiting) = mpsc::sync_channel(WAITING);
        let subscribing = thread::Subscribing::new(
            options,
            on_event,
            listening.clone(),
            implausible.clone(),
            waiting,
            wake.clone(),
        )?;
        let thread = std::thread::Builder::new()
            .name("bus-subscriber".into())
            .spawn(move || subscribing.run())?;
        Ok(Self { commands, listening, implausible, wake, thread: Some(thread) })
    }

    /// Asks for a track's frames. They come until [`Self::unwatch`], also from a publisher that went and came back.
    pub fn watch(&self, publisher: PublisherId, topic: Topic) {
        self.tell(Command::Watch(publisher, topic));
    }

    /// Asks for them no more.
    pub fn unwatch(&self, publisher: PublisherId, topic: Topic) {
        self.tell(Command::Unwatch(publisher, topic));
    }

    /// Asks a publisher something. Answers come as events.
    pub fn ask(&self, publisher: PublisherId, ask: Ask) {
        self.tell(Command::Ask(publisher, ask));
    }

    /// Whether the bus thread runs. It ends early only by a panic, and then nothing is heard any more.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// What is listened to.
    pub fn listening(&self) -> Vec<Listening> {
        self.listening.lock().expect("no panic while the list is replaced").clone()
    }

    /// Returns how often a number of this kind that came off the bus could not be true.
    pub fn implausible(&self, what: Implausible) -> u64 {
        self.implausible.read(what)
    }

    fn tell(&self, command: Command) {
        // It fails only when the bus thread has ended, and then there is nobody to do it.
        let _ = self.commands.send(command);
        self.wake.wake();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.tell(Command::Stop);
        if thread.join().is_err() {
            tracing::error!("the bus thread had panicked");
        }
    }
}
