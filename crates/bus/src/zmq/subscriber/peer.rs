//! One followed publisher: its socket, and the state machine that decides what to send and report.

use std::sync::Arc;
use std::time::Instant;

use fanlight_protocol::{Request, Topic};

use super::connection::Connector;
use crate::address::endpoint::Endpoint;
use crate::core::{
    ConnectionEvent, Follower, FollowerAction, FrameSink, ImplausibleCounts, PublisherEvent,
    PublisherId, Recovery,
};
use crate::zmq::curve::ConnectionKeys;
use crate::zmq::now::now;
use crate::zmq::{socket, upstream};

/// Messages of one publisher that are processed before other publishers have their turn.
const MESSAGES_PER_TURN: usize = 256;

/// The receiver of events.
pub(super) type OnEvent<'a> = &'a mut dyn FnMut(PublisherEvent);

pub(super) struct Peer {
    pub(super) id: PublisherId,
    pub(super) endpoint: Endpoint,
    pub(super) socket: zmq::Socket,
    pub(super) monitor: zmq::Socket,
    connector: Connector,
    recovery: Recovery,
    follower: Follower,
    /// The problem of the connection changed.
    problem_changed: bool,
}

impl Peer {
    pub(super) fn connect(
        context: &zmq::Context,
        id: PublisherId,
        asker: u64,
        endpoint: Endpoint,
        keys: Option<ConnectionKeys>,
        implausible: Arc<ImplausibleCounts>,
    ) -> zmq::Result<Self> {
        let mut connector = Connector::new(context.clone(), id, endpoint.clone(), keys);
        let (socket, monitor) = connector.open()?;
        let follower = Follower::new(id, endpoint.to_string(), asker, implausible);
        let recovery = Recovery::default();
        let peer = Self {
            id,
            endpoint,
            socket,
            monitor,
            connector,
            recovery,
            follower,
            problem_changed: false,
        };
        peer.subscribe_to_reserved();
        Ok(peer)
    }

    fn subscribe_to_reserved(&self) {
        for topic in self.follower.reserved_topics() {
            self.send(upstream::subscribe(&topic));
        }
    }

    /// Returns the reason why the connection does not work; empty if it does.
    pub(super) fn problem(&self) -> &str {
        self.recovery.problem()
    }

    /// Returns whether the publisher was ever heard.
    pub(super) fn was_ever_heard(&self) -> bool {
        self.follower.was_ever_heard()
    }

    /// Returns whether the publisher is present now.
    pub(super) fn is_present(&self) -> bool {
        self.follower.is_present()
    }

    /// Returns whether the state to list changed since the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        self.follower.take_presence_changed() | std::mem::take(&mut self.problem_changed)
    }

    pub(super) fn watch(&mut self, topic: &Topic, sink: FrameSink, on_event: OnEvent<'_>) {
        self.follower.watch(topic, sink);
        self.act(on_event);
    }

    pub(super) fn unwatch(&mut self, topic: &Topic, on_event: OnEvent<'_>) {
        self.follower.unwatch(topic);
        self.act(on_event);
    }

    pub(super) fn request(&self, request: &Request) {
        self.send(upstream::request(&request.encode()));
    }

    /// Returns when [`Self::tick`] is due if nothing is received before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.follower.deadline().into_iter().chain(self.recovery.deadline()).min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, on_event: OnEvent<'_>) {
        let now = now();
        self.follower.tick(now);
        self.act(on_event);
        if self.recovery.take_due(now.instant) {
            self.replace_socket(now.instant);
        }
    }

    /// Replaces a socket that ZeroMQ has given up after a protocol error.
    fn replace_socket(&mut self, now: Instant) {
        tracing::warn!(endpoint = %self.endpoint, reason = self.problem(), "reconnecting to a publisher");
        self.problem_changed = true;
        match self.connector.open() {
            Ok((socket, monitor)) => {
                (self.socket, self.monitor) = (socket, monitor);
                // Tracks follow once the clock is known, as after every connection.
                self.subscribe_to_reserved();
            }
            Err(error) => {
                tracing::warn!(endpoint = %self.endpoint, %error, "cannot replace the socket to a publisher; retrying");
                self.recovery.postpone(now);
            }
        }
    }

    /// Processes what ZeroMQ reports about the connection.
    pub(super) fn receive_connection_events(&mut self, on_event: OnEvent<'_>) {
        while let Some(event) = self.connector.next_event(&self.monitor) {
            let now = now();
            self.recovery.note(&event, now.instant);
            match event {
                ConnectionEvent::Trying => {}
                ConnectionEvent::Ready => self.follower.connected(now),
                ConnectionEvent::HandshakeFailed(reason) => {
                    self.problem_changed = true;
                    tracing::warn!(endpoint = %self.endpoint, reason, "cannot connect to a publisher");
                }
                ConnectionEvent::Disconnected => self.follower.disconnected(),
            }
            self.act(on_event);
        }
    }

    /// Processes the messages that wait, up to [`MESSAGES_PER_TURN`].
    pub(super) fn receive_messages(&mut self, on_event: OnEvent<'_>) {
        for _ in 0..MESSAGES_PER_TURN {
            let Ok(mut parts) = socket::receive(&self.socket) else { return };
            let now = now();
            match parts.as_mut_slice() {
                [topic, body] => self.follower.receive_reserved(topic, body, now),
                [topic, header, payload] => {
                    let payload = Payload(std::mem::replace(payload, zmq::Message::new()));
                    self.follower.receive_frame(topic, header, payload, now);
                }
                _ => self.follower.receive_malformed(now),
            }
            self.act(on_event);
        }
    }

    /// Reports a publisher gone whose endpoint is no longer followed.
    pub(super) fn leave(&mut self, on_event: OnEvent<'_>) {
        self.follower.removed();
        self.act(on_event);
    }

    /// Takes the steps that the state machine requires.
    fn act(&mut self, on_event: OnEvent<'_>) {
        while let Some(action) = self.follower.next_action() {
            match action {
                FollowerAction::Subscribe(topic) => self.send(upstream::subscribe(&topic)),
                FollowerAction::Unsubscribe(topic) => self.send(upstream::unsubscribe(&topic)),
                FollowerAction::Request(request) => self.request(&request),
                FollowerAction::Report(event) => {
                    if matches!(event, PublisherEvent::Catalog { .. }) {
                        self.problem_changed |= self.recovery.heard();
                    }
                    on_event(event);
                }
            }
        }
    }

    fn send(&self, message: Vec<u8>) {
        // XSUB keeps subscriptions for later connections and drops messages that it cannot send now. Both are intended.
        let _ = self.socket.send(message, zmq::DONTWAIT);
    }
}

/// A payload in ZeroMQ's own memory, which becomes [`Bytes`](bytes::Bytes) without a copy.
struct Payload(zmq::Message);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
