//! The receiving end of the bus: follows any number of publishers.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use fanlight_protocol::{Request, Topic};
use parking_lot::Mutex;

use crate::address::Listening;
use crate::core::{Implausible, ImplausibleCounts, IncomingFrame, PublisherEvent, PublisherId};
use crate::error::BusError;
use crate::options::SubscriberOptions;
use crate::zmq::subscriber::{SubscriberCommand, SubscriberThread};
use crate::zmq::wake::Wake;

/// Commands that may wait for the bus thread, which processes one in microseconds. Beyond it, the caller waits.
const WAITING: usize = 1024;

/// A running subscriber. Dropping it stops it.
#[derive(Debug)]
pub struct Subscriber {
    commands: SyncSender<SubscriberCommand>,
    listening: Arc<Mutex<Vec<Listening>>>,
    implausible: Arc<ImplausibleCounts>,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// Starts to follow publishers. `on_event` is called on the bus thread and must not block.
    ///
    /// # Errors
    /// Fails if the system or ZeroMQ refuses a socket or thread, or keys are given and libzmq has no CURVE.
    pub fn start(
        options: SubscriberOptions,
        on_event: impl FnMut(PublisherEvent) + Send + 'static,
    ) -> Result<Self, BusError> {
        let wake = Wake::new()?;
        let listening = Arc::new(Mutex::new(Vec::new()));
        let implausible = Arc::<ImplausibleCounts>::default();
        let (commands, waiting) = mpsc::sync_channel(WAITING);
        let running = SubscriberThread::new(
            options,
            on_event,
            listening.clone(),
            implausible.clone(),
            waiting,
            wake.clone(),
        )?;
        let thread = std::thread::Builder::new()
            .name("bus-subscriber".into())
            .spawn(move || running.run())?;
        Ok(Self { commands, listening, implausible, wake, thread: Some(thread) })
    }

    /// Watches a track: its frames go to `sink`, which is called on the bus thread and must not block. They come until
    /// [`Self::unwatch`], also from a publisher that went away and returned. A track that is watched already gets the new
    /// sink.
    pub fn watch(
        &self,
        publisher: PublisherId,
        topic: Topic,
        sink: impl FnMut(IncomingFrame) + Send + 'static,
    ) {
        self.send(SubscriberCommand::Watch(publisher, topic, Box::new(sink)));
    }

    /// Stops watching a track. Its sink is dropped by the bus thread, soon after.
    pub fn unwatch(&self, publisher: PublisherId, topic: Topic) {
        self.send(SubscriberCommand::Unwatch(publisher, topic));
    }

    /// Sends a request to a publisher. An answer shows in later events and frames.
    pub fn request(&self, publisher: PublisherId, request: Request) {
        self.send(SubscriberCommand::Request(publisher, request));
    }

    /// Returns whether the bus thread runs. It ends early only by a panic; then nothing is received any more.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Returns the addresses that the subscriber listens to.
    pub fn listening(&self) -> Vec<Listening> {
        self.listening.lock().clone()
    }

    /// Returns how many implausible values of this kind were received.
    pub fn implausible(&self, what: Implausible) -> u64 {
        self.implausible.read(what)
    }

    fn send(&self, command: SubscriberCommand) {
        // This fails only if the bus thread has ended; then no thread could execute the command.
        let _ = self.commands.send(command);
        self.wake.wake();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.send(SubscriberCommand::Stop);
        if thread.join().is_err() {
            tracing::error!("the subscriber's bus thread panicked");
        }
    }
}
