//! One publisher, as seen from here: its socket, clock, and what we watch of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanlight_protocol::{
    Answer, Ask, Catalog, Epoch, FrameHeader, MAX_PAYLOAD, ReservedTopic, Timestamp, Topic,
    WireError,
};

use super::connection::{ConnectionEvent, ConnectionKeys, Connector};
use super::liveness::{Liveness, Step};
use super::plausible::{self, Counts, Implausible, Times};
use super::recovery::Recovery;
use super::{Event, IncomingFrame, PublisherId};
use crate::clock_offset::{ClockOffset, Exchange};
use crate::endpoint::Endpoint;
use crate::losses::{Gap, Losses};
use crate::socket;
use fanlight_clock as clock;

/// The interval of asks for the clock while there are few samples, and the later one. While no answer came, the pause
/// doubles up to 1.6 s.
const FIRST_ASKS: Duration = Duration::from_millis(100);
const LATER_ASKS: Duration = Duration::from_secs(5);
const QUICK_ASKS: u32 = 4;
/// Asks whose answers are waited for: on a congested link an answer takes longer than the pause until the next ask.
const OPEN_ASKS: usize = 16;
/// Messages of one publisher that are dealt with before others have their turn.
const MESSAGES_PER_TURN: usize = 256;
/// Kinds of bad messages complained of on one connection: more than there are.
const KINDS: usize = 32;

/// What a peer wants told.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Event);

pub(super) struct Peer {
    pub(super) id: PublisherId,
    pub(super) endpoint: Endpoint,
    pub(super) socket: zmq::Socket,
    pub(super) monitor: zmq::Socket,
    connector: Connector,
    recovery: Recovery,
    asker: u64,
    /// Tracks we want, by topic bytes; whether the publisher was told depends on [`Self::clock`].
    watched: HashMap<Vec<u8>, Watched>,
    clock: ClockOffset,
    asks: u32,
    /// When to ask for the clock next; `None` while there is no connection.
    next_ask: Option<Instant>,
    /// The asks that are not answered yet, oldest first. No other answer is believed.
    asked_at: VecDeque<Timestamp>,
    epoch: Option<Epoch>,
    liveness: Liveness,
    implausible: Arc<Counts>,
    pub(super) ever_heard: bool,
    came_or_went: bool,
    /// Kinds of errors already complained of, on this connection.
    complaints: Vec<&'static str>,
}

struct Watched {
    topic: Arc<Topic>,
    losses: Losses,
}

impl Peer {
    pub(super) fn connect(
        context: &zmq::Context,
        id: PublisherId,
        asker: u64,
        endpoint: Endpoint,
        keys: Option<ConnectionKeys>,
        implausible: Arc<Counts>,
    ) -> zmq::Result<Self> {
        let mut connector = Connector::new(context.clone(), id, endpoint.clone(), keys);
        let (socket, monitor) = connector.open()?;
        let peer = Self {
            id,
            endpoint,
            socket,
            monitor,
            connector,
            recovery: Recovery::default(),
            asker,
            watched: HashMap::new(),
            clock: ClockOffset::default(),
            asks: 0,
            next_ask: None,
            asked_at: VecDeque::new(),
            epoch: None,
            liveness: Liveness::default(),
            implausible,
            ever_heard: false,
            came_or_went: false,
            complaints: Vec::new(),
        };
        peer.subscribe_to_reserved();
        Ok(peer)
    }

    fn subscribe_to_reserved(&self) {
        self.subscribe(ReservedTopic::Answer(self.asker).to_string().as_bytes());
        self.subscribe(ReservedTopic::Catalog.to_string().as_bytes());
    }

    /// The reason why the connection does not work; empty if it does.
    pub(super) fn problem(&self) -> &str {
        self.recovery.problem()
    }

    /// Whether the publisher is there now.
    pub(super) fn is_heard(&self) -> bool {
        self.liveness.is_present()
    }

    /// Whether it came or went since the last time this was asked.
    pub(super) fn take_came_or_went(&mut self) -> bool {
        std::mem::take(&mut self.came_or_went)
    }

    pub(super) fn watch(&mut self, topic: Topic) {
        let bytes = topic.to_string().into_bytes();
        if self.watched.contains_key(&bytes) {
            return;
        }
        if self.clock.is_known() {
            self.subscribe(&bytes);
        }
        self.watched.insert(bytes, Watched { topic: Arc::new(topic), losses: Losses::default() });
    }

    pub(super) fn unwatch(&mut self, topic: &Topic) {
        let bytes = topic.to_string().into_bytes();
        if self.watched.remove(&bytes).is_some() && self.clock.is_known() {
            self.unsubscribe(&bytes);
        }
    }

    pub(super) fn ask(&self, ask: &Ask) {
        self.send_upstream(ask.encode());
    }

    /// When something is due although nothing comes in.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (watched, round_trip) = (self.is_watched(), self.clock.round_trip());
        let silent_at = self.liveness.deadline(watched, round_trip);
        self.next_ask.into_iter().chain(silent_at).chain(self.recovery.deadline()).min()
    }

    /// Does what is due: the next question for the clock, or giving the publisher up.
    pub(super) fn tick(&mut self, now: Instant, tell: Tell<'_>) {
        match self.liveness.look(now, self.is_watched(), self.clock.round_trip()) {
            Some(Step::Probe) => self.ask_clock(now),
            Some(Step::Silent) => tell(Event::Silent { publisher: self.id }),
            Some(Step::Gone) => self.lose("nothing heard from capture for 3 s", tell),
            None => {}
        }
        if self.next_ask.is_some_and(|at| now >= at) {
            self.ask_clock(now);
        }
        if self.recovery.take_due(now) {
            self.replace_socket(now);
        }
    }

    /// Replaces a socket that ZeroMQ has given up after a protocol error.
    fn replace_socket(&mut self, now: Instant) {
        tracing::warn!(endpoint = %self.endpoint, reason = self.problem(), "connecting to a publisher again");
        self.came_or_went = true;
        match self.connector.open() {
            Ok((socket, monitor)) => {
                (self.socket, self.monitor) = (socket, monitor);
                // Tracks follow once the clock is known, as after every connection.
                self.subscribe_to_reserved();
            }
            Err(error) => {
                tracing::warn!(endpoint = %self.endpoint, %error, "the socket to a publisher cannot be replaced yet");
                self.recovery.postpone(now);
            }
        }
    }

    fn is_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    /// After a silence on a connection that stood all the while: whoever was suspended may have another clock now.
    /// Until the answer the old one holds, so that frames go on at once.
    fn ask_clock_anew(&mut self) {
        if self.next_ask.is_some() && self.clock.is_known() {
            self.clock.expect_another();
            self.asks = 0;
            self.next_ask = Some(Instant::now());
        }
    }

    /// Asks for the clock. The answer is also a sign of life.
    fn ask_clock(&mut self, now: Instant) {
        let pause = match self.clock.is_known() {
            false => FIRST_ASKS * (1 << self.asks.min(QUICK_ASKS)),
            true if self.asks < QUICK_ASKS => FIRST_ASKS,
            true => LATER_ASKS,
        };
        self.next_ask = Some(now + pause);
        self.asks = self.asks.saturating_add(1);
        let asked_at = clock::now();
        if self.asked_at.len() == OPEN_ASKS {
            self.asked_at.pop_front();
        }
        self.asked_at.push_back(asked_at);
        self.ask(&Ask::Clock { asker: self.asker, asked_at });
    }

    /// Takes in what the connection itself reports.
    pub(super) fn hear_connection(&mut self, tell: Tell<'_>) {
        while let Some(event) = self.connector.next_event(&self.monitor) {
            self.recovery.note(&event, Instant::now());
            match event {
                ConnectionEvent::Trying => {}
                ConnectionEvent::Ready => self.meet_anew(),
                ConnectionEvent::HandshakeFailed(reason) => {
                    self.came_or_went = true;
                    tracing::warn!(endpoint = %self.endpoint, reason, "no connection to a publisher");
                }
                ConnectionEvent::Disconnected => {
                    self.next_ask = None;
                    self.forget();
                    self.lose("capture has stopped, or the network to it is down", tell);
                }
            }
        }
    }

    /// After a (re)connection: the clock may be another, and ZeroMQ has told the publisher of all our subscriptions.
    fn meet_anew(&mut self) {
        self.forget();
        self.ask_clock(Instant::now());
    }

    /// Takes in all messages that wait.
    pub(super) fn hear_messages(&mut self, tell: Tell<'_>) {
        for _ in 0..MESSAGES_PER_TURN {
            let Ok(mut parts) = socket::receive(&self.socket) else { return };
            let heard = match parts.as_mut_slice() {
                [topic, body] => self.hear_reserved(topic, body, tell),
                [topic, header, payload] => {
                    let payload = std::mem::replace(payload, zmq::Message::new());
                    self.hear_frame(topic, header, payload, tell)
                }
                _ => Err(WireError::Invalid("a message of neither two nor three parts")),
            };
            match heard {
                Ok(()) if self.liveness.hear(Instant::now()) => {
                    tell(Event::Resumed { publisher: self.id });
                }
                Ok(()) => {}
                Err(error) => self.complain_once(&error),
            }
        }
    }

    fn hear_reserved(
        &mut self,
        topic: &[u8],
        body: &[u8],
        tell: Tell<'_>,
    ) -> Result<(), WireError> {
        match ReservedTopic::from_bytes(topic) {
            Some(ReservedTopic::Catalog) => self.hear_catalog(Catalog::decode(body)?, tell),
            Some(ReservedTopic::Answer(asker)) if asker == self.asker => {
                self.hear_answer(Answer::decode(body)?);
            }
            _ => return Err(WireError::Invalid("a message of two parts on an unknown topic")),
        }
        Ok(())
    }

    fn hear_answer(&mut self, answer: Answer) {
        let Answer::Clock { asked_at, received_at, answered_at } = answer;
        let Some(place) = self.asked_at.iter().position(|asked| *asked == asked_at) else { return };
        self.asked_at.remove(place);
        let exchange = Exchange { asked_at, received_at, answered_at, heard_at: clock::now() };
        if !exchange.is_possible() {
            return self.meet_implausible(Implausible::Clock);
        }
        let first = !self.clock.is_known();
        self.clock.add(exchange);
        if first {
            // Only now can a frame's age be told, so only now are frames asked for.
            self.watched.keys().for_each(|topic| self.subscribe(topic));
            self.ask(&Ask::Catalog);
        }
    }

    fn hear_catalog(&mut self, mut catalog: Catalog, tell: Tell<'_>) {
        if self.liveness.announce(Instant::now()) {
            self.came_or_went = true;
            self.ask_clock_anew();
        }
        self.came_or_went |= self.recovery.heard();
        self.ever_heard = true;
        if self.epoch != Some(catalog.epoch) {
            tracing::info!(endpoint = %self.endpoint, publisher = catalog.publisher, "a publisher is heard");
            self.epoch = Some(catalog.epoch);
        }
        let mut met = Vec::new();
        let to_ours = |theirs| self.clock.to_ours(theirs);
        plausible::amend(&mut catalog, to_ours, clock::now(), &mut |what| met.push(what));
        met.into_iter().for_each(|what| self.meet_implausible(what));
        tell(Event::Catalog { publisher: self.id, catalog });
    }

    fn hear_frame(
        &mut self,
        topic: &[u8],
        header: &[u8],
        payload: zmq::Message,
        tell: Tell<'_>,
    ) -> Result<(), WireError> {
        let received_at = clock::now();
        // One that was on its way when we unwatched, or came before the clock is known after a reconnection.
        let Some(watched) = self.watched.get_mut(topic) else { return Ok(()) };
        let header = FrameHeader::decode(header)?;
        if payload.len() > MAX_PAYLOAD {
            return Err(WireError::TooLarge { length: payload.len(), limit: MAX_PAYLOAD });
        }
        let mut met = Vec::new();
        let to_ours = |theirs| self.clock.to_ours(theirs);
        let times = plausible::times(&header, to_ours, received_at, &mut |what| met.push(what));
        let Some(Times { captured_at, read_at, published_at }) = times else { return Ok(()) };
        let gap = watched.losses.before(header.epoch, header.sequence, received_at);
        let gap = gap.unwrap_or_else(|_| {
            met.push(Implausible::Sequence);
            Gap::Begins
        });
        let frame = IncomingFrame {
            sequence: header.sequence,
            captured_at,
            read_at,
            published_at,
            received_at,
            flags: header.flags,
            width: header.width,
            height: header.height,
            payload: Bytes::from_owner(Payload(payload)),
            gap,
        };
        tell(Event::Frame { publisher: self.id, topic: watched.topic.clone(), frame });
        met.into_iter().for_each(|what| self.meet_implausible(what));
        Ok(())
    }

    /// A number that cannot be true was met and replaced.
    fn meet_implausible(&mut self, what: Implausible) {
        self.implausible.count(what);
        if self.is_new_complaint(what.complaint()) {
            let complaint = what.complaint();
            tracing::warn!(endpoint = %self.endpoint, complaint, "a number from a publisher cannot be true");
        }
    }

    /// One bad message is worth a line in the log; the same kind again on this connection is not.
    fn complain_once(&mut self, error: &WireError) {
        if self.is_new_complaint(error.kind()) {
            tracing::warn!(endpoint = %self.endpoint, %error, "a message from a publisher was refused");
        }
    }

    fn is_new_complaint(&mut self, kind: &'static str) -> bool {
        let is_new = self.complaints.len() < KINDS && !self.complaints.contains(&kind);
        if is_new {
            self.complaints.push(kind);
        }
        is_new
    }

    /// Says goodbye to a publisher that will not come back to this endpoint.
    pub(super) fn leave(&mut self, tell: Tell<'_>) {
        self.lose("capture has stopped", tell);
    }

    fn lose(&mut self, reason: &'static str, tell: Tell<'_>) {
        self.epoch = None;
        if self.liveness.leave() {
            self.came_or_went = true;
            tracing::warn!(endpoint = %self.endpoint, reason, "a publisher is gone");
            tell(Event::Gone { publisher: self.id, reason });
        }
    }

    /// Forgets what was true of one connection only.
    fn forget(&mut self) {
        if self.clock.is_known() {
            self.watched.keys().for_each(|topic| self.unsubscribe(topic));
        }
        self.clock = ClockOffset::default();
        self.asks = 0;
        self.asked_at.clear();
        self.complaints.clear();
        self.watched.values_mut().for_each(|watched| watched.losses = Losses::default());
    }

    fn subscribe(&self, topic: &[u8]) {
        self.send_upstream([&[1], topic].concat());
    }

    fn unsubscribe(&self, topic: &[u8]) {
        self.send_upstream([&[0], topic].concat());
    }

    fn send_upstream(&self, message: Vec<u8>) {
        // XSUB remembers subscriptions for later connections and drops what cannot be sent now: both are wanted.
        let _ = self.socket.send(message, zmq::DONTWAIT);
    }
}

/// A payload in ZeroMQ's own memory, so that it becomes [`Bytes`] without a copy.
struct Payload(zmq::Message);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
