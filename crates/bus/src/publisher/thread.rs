//! The publisher's own thread: hears what comes from upstream, answers, and announces the catalog. Frames pass it by.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fanlight_protocol::{
    Answer, Ask, Catalog, Epoch, ReservedTopic, StreamEntry, Timestamp, Topic,
};

use super::admission;
use super::ask_limits::AskLimits;
use super::shared_socket::SharedSocket;
use super::{Command, OnDemand, OnKeyframe, PublisherKeys, PublisherOptions, Track};
use crate::demand::Demand;
use crate::endpoint::Endpoint;
use crate::error::BusError;
use crate::folder::Folder;
use crate::lock::{LockError, PathLock};
use crate::socket;
use crate::wake::Wake;
use fanlight_clock as clock;

/// How often the catalog is announced, changed or not: three missed mean that the publisher is gone.
pub(crate) const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// Announcements go to everybody, so those who ask for them are answered together.
const ANNOUNCE_AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// Messages from upstream that are dealt with before the catalog has its turn again.
const UPSTREAM_PER_TURN: usize = 4096;

/// A socket bound to its endpoints, and the locks that keep others off.
pub(super) struct Bound {
    pub(super) socket: zmq::Socket,
    endpoints: Vec<Endpoint>,
    // After the socket, so that a path is unlocked only when nobody is bound to it any more.
    _locks: Vec<PathLock>,
}

impl Bound {
    pub(super) fn new(
        context: &zmq::Context,
        options: &PublisherOptions,
        epoch: Epoch,
    ) -> Result<Self, BusError> {
        let endpoints = match options.endpoints.as_slice() {
            [] => vec![own_endpoint(&options.name, epoch)?],
            given => given.to_vec(),
        };
        let socket = context.socket(zmq::XPUB)?;
        let high_water_mark = socket::publisher_high_water_mark(options.streams);
        let bounds = socket::Bounds {
            send: high_water_mark,
            receive: high_water_mark,
            part: socket::MAX_UPSTREAM,
        };
        socket::configure(&socket, &bounds)?;
        let mut locks = Vec::new();
        for endpoint in local_first(&endpoints) {
            admit(&socket, endpoint, options.keys.as_ref())?;
            locks.extend(lock(endpoint)?);
            socket.bind(&endpoint.to_string()).map_err(|error| BusError::Bind {
                endpoint: endpoint.clone(),
                reason: error.to_string(),
            })?;
        }
        Ok(Self { socket, endpoints, _locks: locks })
    }

    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }
}

/// Options of a ZeroMQ socket hold for endpoints bound later, and keys cannot be taken back: so endpoints without keys
/// come first.
fn local_first(endpoints: &[Endpoint]) -> impl Iterator<Item = &Endpoint> {
    let of = |tcp| endpoints.iter().filter(move |endpoint| endpoint.is_tcp() == tcp);
    of(false).chain(of(true))
}

/// Says which rules admit the peers of the endpoint that is bound next.
fn admit(
    socket: &zmq::Socket,
    endpoint: &Endpoint,
    keys: Option<&PublisherKeys>,
) -> zmq::Result<()> {
    let network = endpoint.is_tcp();
    if let Some(keys) = keys.filter(|_| network) {
        socket.set_curve_server(true)?;
        socket.set_curve_secretkey(keys.own.secret.as_bytes())?;
    }
    socket.set_zap_domain(if network { admission::NETWORK } else { admission::LOCAL })
}

/// An endpoint in the default folder that no other publisher, also of this process, has.
fn own_endpoint(name: &str, epoch: Epoch) -> Result<Endpoint, BusError> {
    let unique = format!("{name}-{}-{:04x}", std::process::id(), epoch.0 & 0xffff);
    Ok(Folder::default_of_user()?.endpoint(&unique))
}

fn lock(endpoint: &Endpoint) -> Result<Option<PathLock>, BusError> {
    let Some(path) = endpoint.ipc_path() else { return Ok(None) };
    PathLock::take(path).map(Some).map_err(|error| match error {
        LockError::Held(pid) => BusError::InUse { endpoint: endpoint.clone(), pid },
        LockError::Io(source) => BusError::File { path: path.to_owned(), source },
    })
}

pub(super) struct Publishing {
    socket: SharedSocket,
    catalog: Catalog,
    streams: Arc<Mutex<Vec<StreamEntry>>>,
    commands: Receiver<Command>,
    wake: Wake,
    on_demand: OnDemand,
    on_keyframe: OnKeyframe,
    demand: Demand,
    limits: AskLimits,
    tracks: Vec<Arc<Track>>,
    announced_at: Option<Instant>,
    /// Somebody waits for the catalog.
    announcement_due: bool,
}

impl Publishing {
    pub(super) fn new(
        socket: SharedSocket,
        epoch: Epoch,
        options: PublisherOptions,
        streams: Arc<Mutex<Vec<StreamEntry>>>,
        commands: Receiver<Command>,
        wake: Wake,
    ) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let publisher = format!("{} on {host} (pid {})", options.name, std::process::id());
        Self {
            socket,
            catalog: Catalog { epoch, publisher, streams: Vec::new() },
            streams,
            commands,
            wake,
            on_demand: options.on_demand,
            on_keyframe: options.on_keyframe,
            demand: Demand::default(),
            limits: AskLimits::new(Instant::now()),
            tracks: Vec::new(),
            announced_at: None,
            announcement_due: true,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            self.wait();
            self.wake.clear();
            self.hear_subscribers();
            self.log_ignored();
            if !self.obey_commands() {
                return;
            }
            self.announce_when_due();
        }
    }

    fn wait(&self) {
        let Some(fd) = self.socket.fd().filter(|_| !self.socket.has_input()) else { return };
        let now = Instant::now();
        let until = self.next_announcement().unwrap_or(now).saturating_duration_since(now);
        let mut items = [
            zmq::PollItem::from_fd(fd, zmq::POLLIN),
            zmq::PollItem::from_fd(self.wake.fd(), zmq::POLLIN),
        ];
        // Rounded up, or the last millisecond would be spent spinning. An interrupted wait is simply a short one.
        let _ = zmq::poll(&mut items, until.as_millis() as i64 + 1);
    }

    fn hear_subscribers(&mut self) {
        for _ in 0..UPSTREAM_PER_TURN {
            let Some(mut message) = self.socket.receive() else { return };
            match message.split_first() {
                Some((0, topic)) => self.set_demand(topic, false),
                Some((1, topic)) => self.set_demand(topic, true),
                _ => self.hear_ask(&mut message),
            }
        }
    }

    fn set_demand(&mut self, prefix: &[u8], on: bool) {
        match self.demand.set(prefix, on) {
            Some(changes) => {
                for change in changes {
                    self.set_watched(change.track, change.watched);
                }
            }
            None => self.limits.ignore(),
        }
        if on && ReservedTopic::from_bytes(prefix) == Some(ReservedTopic::Catalog) {
            self.announcement_due = true;
        }
    }

    fn set_watched(&mut self, track: usize, watched: bool) {
        let track = &self.tracks[track];
        track.watched.store(watched, Ordering::Relaxed);
        (self.on_demand)(&track.topic, watched);
    }

    fn hear_ask(&mut self, message: &mut zmq::Message) {
        let received_at = clock::now();
        let now = Instant::now();
        match Ask::decode(message) {
            Ok(ask) => {
                // The number given by `admission`. libzmq keeps it with each message of the connection.
                let peer = message.gets("User-Id").and_then(|number| number.parse().ok());
                if self.limits.admit(peer.unwrap_or_default(), &ask, now) {
                    self.answer(ask, received_at);
                }
            }
            Err(_) => self.limits.ignore(),
        }
    }

    fn log_ignored(&mut self) {
        if let Some(ignored) = self.limits.take_ignored(Instant::now()) {
            tracing::warn!(
                ignored,
                "asks or subscriptions of peers were ignored: too many, too long, or not understood"
            );
        }
    }

    fn answer(&mut self, ask: Ask, received_at: Timestamp) {
        match ask {
            Ask::Clock { asker, asked_at } => {
                let answer = Answer::Clock { asked_at, received_at, answered_at: clock::now() };
                self.send(ReservedTopic::Answer(asker), answer.encode());
            }
            Ask::Catalog => self.announcement_due = true,
            Ask::Keyframe { stream, track } => self.pass_on(&Topic { stream, track }),
        }
    }

    /// Somebody needs a keyframe; of a track that is not there, nobody can make one.
    fn pass_on(&mut self, wanted: &Topic) {
        if self.tracks.iter().any(|track| track.topic == *wanted) {
            (self.on_keyframe)(wanted);
        }
    }

    /// Does what waits in the channel; false when that is to stop.
    fn obey_commands(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Track(track) => {
                    let watched = self.demand.open(&track.topic_bytes);
                    self.tracks.push(track);
                    if watched {
                        self.set_watched(self.tracks.len() - 1, true);
                    }
                }
                Command::Stop => return false,
            }
        }
        true
    }

    fn announce_when_due(&mut self) {
        let changed = {
            let streams = self.streams.lock().expect("no panic while the catalog is replaced");
            let changed = *streams != self.catalog.streams;
            if changed {
                self.catalog.streams.clone_from(&streams);
            }
            changed
        };
        if changed || self.next_announcement().is_none_or(|at| Instant::now() >= at) {
            self.announce();
        }
    }

    /// When to announce next, changes apart; `None`: now, for the first time.
    fn next_announcement(&self) -> Option<Instant> {
        let pause = if self.announcement_due { ANNOUNCE_AT_MOST_EVERY } else { ANNOUNCE_EVERY };
        self.announced_at.map(|at| at + pause)
    }

    fn announce(&mut self) {
        self.announced_at = Some(Instant::now());
        self.announcement_due = false;
        self.send(ReservedTopic::Catalog, self.catalog.encode());
    }

    fn send(&self, topic: ReservedTopic, body: Vec<u8>) {
        self.socket.send([topic.to_string().into_bytes().into(), body.into()]);
    }
}
