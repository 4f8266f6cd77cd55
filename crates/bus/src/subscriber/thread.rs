//! The subscriber's own thread, the only one that touches its sockets.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::connection::ConnectionKeys;
use super::discovery::Discovery;
use super::peer::Peer;
use super::plausible::Counts;
use super::{Command, Event, Listening, PublisherId, SubscriberKeys, SubscriberOptions};
use crate::endpoint::Endpoint;
use crate::error::BusError;
use crate::keys::require_curve;
use crate::wake::Wake;

/// The longest wait, so that a clock set apart from time-outs (a suspended machine) is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Subscribing<F> {
    context: zmq::Context,
    on_event: F,
    discovery: Discovery,
    keys: Option<SubscriberKeys>,
    peers: Vec<Peer>,
    next_id: u32,
    /// Our number, for answers.
    asker: u64,
    listening: Arc<Mutex<Vec<Listening>>>,
    implausible: Arc<Counts>,
    commands: Receiver<Command>,
    wake: Wake,
}

impl<F: FnMut(Event)> Subscribing<F> {
    pub(super) fn new(
        mut options: SubscriberOptions,
        on_event: F,
        listening: Arc<Mutex<Vec<Listening>>>,
        implausible: Arc<Counts>,
        commands: Receiver<Command>,
        wake: Wake,
    ) -> Result<Self, BusError> {
        let keys = options.keys.take();
        if keys.is_some() {
            require_curve()?;
        }
        let mut subscribing = Self {
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
        for endpoint in subscribing.discovery.named().to_vec() {
            subscribing.meet(endpoint)?;
        }
        subscribing.report_listening();
        Ok(subscribing)
    }

    pub(super) fn run(mut self) {
        loop {
            self.look_around();
            self.wait();
            self.wake.clear();
            if !self.obey_commands() {
                return;
            }
            let now = Instant::now();
            for peer in &mut self.peers {
                peer.hear_connection(&mut self.on_event);
                peer.hear_messages(&mut self.on_event);
                peer.tick(now, &mut self.on_event);
            }
            self.report_changes();
        }
    }

    /// Follows publishers that appeared in the folder, and leaves those that are gone from it.
    fn look_around(&mut self) {
        let followed = || self.peers.iter().map(|peer| peer.endpoint.clone()).collect();
        let Some(found) = self.discovery.look(Instant::now(), followed) else { return };
        let mut changed = self.discovery.take_shortage_changed();
        let (discovery, on_event) = (&self.discovery, &mut self.on_event);
        self.peers.retain_mut(|peer| {
            let stays = discovery.is_named(&peer.endpoint) || found.contains(&peer.endpoint);
            if !stays {
                peer.hear_messages(on_event);
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
                && let Err(error) = self.meet(endpoint)
            {
                tracing::warn!(%error, "a publisher in the folder cannot be followed");
            }
        }
    }

    fn meet(&mut self, endpoint: Endpoint) -> Result<(), BusError> {
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
        // Rounded up, or the last millisecond would be spent spinning. An interrupted wait is simply a short one.
        let _ = zmq::poll(&mut items, until.min(LONGEST_WAIT).as_millis() as i64 + 1);
    }

    /// Does what waits in the channel; false when that is to stop.
    fn obey_commands(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Watch(id, topic) => self.with_peer(id, |peer| peer.watch(topic)),
                Command::Unwatch(id, topic) => self.with_peer(id, |peer| peer.unwatch(&topic)),
                Command::Ask(id, ask) => self.with_peer(id, |peer| peer.ask(&ask)),
                Command::Stop => return false,
            }
        }
        true
    }

    /// A peer that has left meanwhile needs nothing.
    fn with_peer(&mut self, id: PublisherId, act: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) {
            act(peer);
        }
    }

    fn report_changes(&mut self) {
        let changes =
            self.peers.iter_mut().filter_map(|peer| peer.take_came_or_went().then_some(()));
        if changes.count() > 0 {
            self.report_listening();
        }
    }

    fn report_listening(&mut self) {
        let peers =
            self.peers.iter().map(|peer| (&peer.endpoint, peer.ever_heard, peer.is_heard()));
        let problems: Vec<(&Endpoint, &str)> =
            self.peers.iter().map(|peer| (&peer.endpoint, peer.problem())).collect();
        let report = self.discovery.listening(peers, &problems);
        *self.listening.lock().expect("no panic while the list is read") = report;
    }
}
