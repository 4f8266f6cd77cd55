//! The subscriber's bus thread, the only one that uses its sockets.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use fanlight_protocol::{Request, Topic};
use parking_lot::Mutex;

use super::discovery::Discovery;
use super::peer::{OnEvent, Peer};
use crate::address::Listening;
use crate::address::endpoint::Endpoint;
use crate::core::{FrameSink, ImplausibleCounts, PublisherEvent, PublisherId};
use crate::error::BusError;
use crate::options::{SubscriberKeys, SubscriberOptions};
use crate::zmq::curve::{self, ConnectionKeys};
use crate::zmq::wake::Wake;

/// The longest wait: a machine that was suspended is noticed after it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A command to the bus thread.
pub(crate) enum SubscriberCommand {
    Watch(PublisherId, Topic, FrameSink),
    Unwatch(PublisherId, Topic),
    Request(PublisherId, Request),
    Stop,
}

pub(crate) struct SubscriberThread<F> {
    context: zmq::Context,
    on_event: F,
    discovery: Discovery,
    keys: Option<SubscriberKeys>,
    peers: Vec<Peer>,
    next_id: u32,
    /// The subscriber's number, to which answers are addressed.
    asker: u64,
    listening: Arc<Mutex<Vec<Listening>>>,
    implausible: Arc<ImplausibleCounts>,
    commands: Receiver<SubscriberCommand>,
    wake: Wake,
}

impl<F: FnMut(PublisherEvent)> SubscriberThread<F> {
    pub(crate) fn new(
        mut options: SubscriberOptions,
        on_event: F,
        listening: Arc<Mutex<Vec<Listening>>>,
        implausible: Arc<ImplausibleCounts>,
        commands: Receiver<SubscriberCommand>,
        wake: Wake,
    ) -> Result<Self, BusError> {
        let keys = options.keys.take();
        if keys.is_some() {
            curve::require()?;
        }
        let mut thread = Self {
            context: zmq::Context::new(),
            on_event,
            discovery: Discovery::new(options),
            keys,
            peers: Vec::new(),
            next_id: 0,
            asker: fastrand::u64(..),
            listening,
            implausible,
            commands,
            wake,
        };
        for endpoint in thread.discovery.named().to_vec() {
            thread.follow(endpoint)?;
        }
        thread.report_listening();
        Ok(thread)
    }

    pub(crate) fn run(mut self) {
        loop {
            self.scan_folder();
            self.wait();
            self.wake.clear();
            if !self.execute_commands() {
                return;
            }
            for peer in &mut self.peers {
                peer.receive_connection_events(&mut self.on_event);
                peer.receive_messages(&mut self.on_event);
                peer.tick(&mut self.on_event);
            }
            self.report_changes();
        }
    }

    /// Follows publishers that appeared in the folder, and leaves those that disappeared from it.
    fn scan_folder(&mut self) {
        let followed = || self.peers.iter().map(|peer| peer.endpoint.clone()).collect();
        let Some(found) = self.discovery.scan(Instant::now(), followed) else { return };
        let mut changed = self.discovery.take_shortage_changed();
        let (discovery, on_event) = (&self.discovery, &mut self.on_event);
        self.peers.retain_mut(|peer| {
            let stays = discovery.is_named(&peer.endpoint) || found.contains(&peer.endpoint);
            if !stays {
                peer.receive_messages(on_event);
                peer.leave(on_event);
                changed = true;
            }
            stays
        });
        if changed {
            self.report_listening();
        }
        for endpoint in found {
            if self.peers.iter().all(|peer| peer.endpoint != endpoint)
                && let Err(error) = self.follow(endpoint)
            {
                tracing::warn!(%error, "cannot follow a publisher in the folder");
            }
        }
    }

    fn follow(&mut self, endpoint: Endpoint) -> Result<(), BusError> {
        let id = PublisherId(self.next_id);
        self.next_id += 1;
        let (keys, implausible) = (self.keys_of(&endpoint), self.implausible.clone());
        self.peers.push(Peer::connect(&self.context, id, self.asker, endpoint, keys, implausible)?);
        Ok(())
    }

    fn keys_of(&self, endpoint: &Endpoint) -> Option<ConnectionKeys> {
        let keys = self.keys.as_ref()?;
        let publisher = *keys.publishers.get(endpoint)?;
        Some(ConnectionKeys { own: keys.own.clone(), publisher })
    }

    fn wait(&self) {
        let now = Instant::now();
        let deadlines =
            self.peers.iter().filter_map(Peer::deadline).chain(self.discovery.deadline());
        let until = deadlines.min().map_or(LONGEST_WAIT, |at| at.saturating_duration_since(now));
        let mut items = Vec::with_capacity(2 * self.peers.len() + 1);
        items.push(zmq::PollItem::from_fd(self.wake.fd(), zmq::POLLIN));
        for peer in &self.peers {
            items.push(peer.socket.as_poll_item(zmq::POLLIN));
            items.push(peer.monitor.as_poll_item(zmq::POLLIN));
        }
        // Rounded up: otherwise the last millisecond is spent spinning. An interrupted wait is a short one.
        let _ = zmq::poll(&mut items, until.min(LONGEST_WAIT).as_millis() as i64 + 1);
    }

    /// Executes the commands that wait. Returns false at the command to stop.
    fn execute_commands(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                SubscriberCommand::Watch(id, topic, sink) => {
                    self.with_peer(id, |peer, on_event| peer.watch(&topic, sink, on_event));
                }
                SubscriberCommand::Unwatch(id, topic) => {
                    self.with_peer(id, |peer, on_event| peer.unwatch(&topic, on_event));
                }
                SubscriberCommand::Request(id, request) => {
                    self.with_peer(id, |peer, _| peer.request(&request));
                }
                SubscriberCommand::Stop => return false,
            }
        }
        true
    }

    /// Calls `act` with the publisher, unless it is no longer followed.
    fn with_peer(&mut self, id: PublisherId, act: impl FnOnce(&mut Peer, OnEvent<'_>)) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) {
            act(peer, &mut self.on_event);
        }
    }

    fn report_changes(&mut self) {
        // Every peer is checked: each check resets its flag.
        let changed = self.peers.iter_mut().filter_map(|peer| peer.take_changed().then_some(()));
        if changed.count() > 0 {
            self.report_listening();
        }
    }

    fn report_listening(&mut self) {
        let peers = self
            .peers
            .iter()
            .map(|peer| (&peer.endpoint, peer.was_ever_heard(), peer.is_present()));
        let problems: Vec<(&Endpoint, &str)> =
            self.peers.iter().map(|peer| (&peer.endpoint, peer.problem())).collect();
        let report = self.discovery.listening(peers, &problems);
        *self.listening.lock() = report;
    }
}
