//! The names of the streams that clients push, each of which has one publisher.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fanlight_bus::PublisherId;
use fanlight_clock as clock;
use fanlight_protocol::{Catalog, Codec, Epoch, StreamEntry, StreamName, Timestamp, Topic};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bus::{BusSettings, BusTrack, PushBus};
use super::meter::Meter;
use super::pace::PushLimits;
use crate::error::Error;
use crate::hub::Hub;
use crate::ingest::directory::Directory;
use crate::ingest::feed::Feed;
use crate::ingest::local::local;
use crate::stats::counters::PushCounters;
use crate::stats::labels::{PushEnd, PushTransport};

/// Shortest time between two takeovers of a name: two publishers that both insist would otherwise alternate without end.
const TAKEOVER_EVERY: Duration = Duration::from_secs(5);

/// A client's request to publish a stream.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name of the stream.
    pub name: StreamName,
    /// The name of the client's access entry; `None`: a relay without entries.
    pub access: Option<String>,
    /// The client's address, for the log.
    pub client: String,
    /// The transport.
    pub transport: PushTransport,
    /// The codec, if the client names it.
    pub codec: Option<Codec>,
    /// Take the name over from another client.
    pub takes_over: bool,
}

/// All streams that clients push.
#[derive(Debug)]
pub struct PushedStreams {
    pub(super) hub: Arc<Hub>,
    directory: Arc<Mutex<Directory>>,
    demand_changed: Arc<Notify>,
    bus: PushBus,
    /// The limits on each publisher.
    pub limits: PushLimits,
    /// Counts publishers and frames.
    pub counters: PushCounters,
    names: Mutex<BTreeMap<StreamName, Holder>>,
    next: AtomicU32,
}

/// The client that has a name.
#[derive(Debug)]
struct Holder {
    id: PublisherId,
    replaced: CancellationToken,
    /// The time of the last takeover.
    taken_at: Option<Instant>,
    /// Present after the first frame.
    meter: Option<Arc<Meter>>,
}

/// A client that may push frames of a name.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) id: PublisherId,
    /// Cancelled when another client takes the name over.
    pub(super) replaced: CancellationToken,
}

/// A stream with its first frame.
#[derive(Debug)]
pub(super) struct OpenedStream {
    pub(super) meter: Arc<Meter>,
    pub(super) feed: Feed,
    pub(super) bus: Option<BusTrack>,
}

impl PushedStreams {
    pub(in crate::ingest) fn new(
        hub: Arc<Hub>,
        directory: Arc<Mutex<Directory>>,
        demand_changed: Arc<Notify>,
        settings: BusSettings,
        limits: PushLimits,
    ) -> Self {
        Self {
            hub,
            directory,
            demand_changed,
            bus: PushBus::new(settings),
            limits,
            counters: PushCounters::default(),
            names: Mutex::default(),
            next: AtomicU32::new(0),
        }
    }

    /// Reserves a name until the client's first frame, or, if it takes the name over, checks that it may.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another publisher has the name.
    pub(super) fn reserve(&self, request: &Request) -> Result<Reservation, Error> {
        let name = &request.name;
        let id = local(self.next.fetch_add(1, Ordering::Relaxed));
        let replaced = CancellationToken::new();
        let mut names = self.names.lock();
        match names.get(name) {
            Some(holder) => may_replace(name, holder, request.takes_over)?,
            None if self.directory.lock().owner(name).is_some() => {
                return Err(Error::Conflict(format!(
                    "the stream {name} comes from a capture or another relay: publish under another name"
                )));
            }
            None => {
                let replaced = replaced.clone();
                let holder = Holder { id, replaced, taken_at: None, meter: None };
                names.insert(name.clone(), holder);
            }
        }
        Ok(Reservation { id, replaced })
    }

    /// Opens a stream with its first frame, which has this codec and size.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another publisher has taken the name since the client began.
    pub(super) fn open(
        &self,
        Reservation { id, replaced }: &Reservation,
        request: &Request,
        codec: Codec,
        size: (u32, u32),
    ) -> Result<OpenedStream, Error> {
        let id = *id;
        let (name, now) = (&request.name, clock::now());
        let source = source(request.access.as_deref());
        let meter = Arc::new(Meter::new(name.clone(), source, codec, now));
        meter.set_size(size);
        let mut names = self.names.lock();
        let taken_at = match names.get(name) {
            Some(holder) if holder.id == id => holder.taken_at,
            Some(holder) => {
                may_replace(name, holder, request.takes_over)?;
                Some(Instant::now())
            }
            None => None,
        };
        let feed = self.claim(&names, id, &meter, now)?;
        let (replaced, opened) = (replaced.clone(), Some(meter.clone()));
        let before = names.insert(name.clone(), Holder { id, replaced, taken_at, meter: opened });
        drop(names);
        if let Some(before) = before.filter(|before| before.id != id) {
            before.replaced.cancel();
        }
        let bus = self.bus.track(&Topic::new(name.clone(), meter.track()));
        self.demand_changed.notify_one();
        self.announce_on_bus(now);
        Ok(OpenedStream { meter, feed, bus })
    }

    /// Makes a client the owner of its name.
    fn claim(
        &self,
        names: &BTreeMap<StreamName, Holder>,
        id: PublisherId,
        meter: &Meter,
        now: Timestamp,
    ) -> Result<Feed, Error> {
        let entry = meter.entry(now);
        let name = entry.name.clone();
        let mut directory = self.directory.lock();
        match names.get(&name).filter(|holder| holder.id != id) {
            Some(before) if before.meter.is_some() => {
                directory.hand_over(before.id, id, catalog(entry));
            }
            _ => {
                directory.announce(id, catalog(entry), now);
            }
        }
        let Some((_, ownership)) = directory.owner(&name).filter(|(owner, _)| *owner == id) else {
            directory.gone(id, PushEnd::Refused.reason(), now);
            return Err(Error::Conflict(format!(
                "another publisher has taken the name {name}, or this relay knows too many names"
            )));
        };
        let ownership = ownership.clone();
        drop(directory);
        let stream = self.hub.stream(name.as_str()).ok_or_else(|| {
            Error::Unavailable(format!("the stream {name} is removed at this moment"))
        })?;
        let track = stream.track(&meter.track());
        Ok(Feed::new(self.hub.clone(), stream, track, id, ownership))
    }

    /// Announces a stream again, because its frame size has changed.
    pub(super) fn update(&self, id: PublisherId, meter: &Meter) {
        let now = clock::now();
        self.directory.lock().announce(id, catalog(meter.entry(now)), now);
        self.announce_on_bus(now);
    }

    /// Ends a stream.
    pub(super) fn end(&self, id: PublisherId, name: &StreamName, reason: PushEnd) {
        let mut names = self.names.lock();
        if names.get(name).is_some_and(|holder| holder.id == id) {
            names.remove(name);
        }
        drop(names);
        let now = clock::now();
        if self.directory.lock().gone(id, reason.reason(), now) {
            self.demand_changed.notify_one();
        }
        self.announce_on_bus(now);
    }

    /// Announces all streams with their present rates. Called once a second.
    pub(in crate::ingest) fn tick(&self, now: Timestamp) {
        // The names stay locked, so that no stream that ends in between is announced again.
        let names = self.names.lock();
        let entries = entries(&names, now);
        let mut directory = self.directory.lock();
        for (id, entry) in &entries {
            directory.announce(*id, catalog(entry.clone()), now);
        }
        drop((directory, names));
        self.bus.announce(entries.into_iter().map(|(_, entry)| entry).collect());
    }

    fn announce_on_bus(&self, now: Timestamp) {
        let entries = entries(&self.names.lock(), now);
        self.bus.announce(entries.into_iter().map(|(_, entry)| entry).collect());
    }
}

/// Returns the entries of the streams that have frames.
fn entries(
    names: &BTreeMap<StreamName, Holder>,
    now: Timestamp,
) -> Vec<(PublisherId, StreamEntry)> {
    let opened = names.values().filter_map(|holder| Some((holder.id, holder.meter.as_ref()?)));
    opened.map(|(id, meter)| (id, meter.entry(now))).collect()
}

fn may_replace(name: &StreamName, holder: &Holder, takes_over: bool) -> Result<(), Error> {
    if !takes_over {
        return Err(Error::Conflict(format!(
            "the stream {name} is already being published: use another name, or take it over with ?takeover=1"
        )));
    }
    match holder.taken_at {
        Some(taken_at) if taken_at.elapsed() < TAKEOVER_EVERY => Err(Error::Conflict(format!(
            "the stream {name} was taken over less than {} s ago",
            TAKEOVER_EVERY.as_secs()
        ))),
        _ => Ok(()),
    }
}

/// Returns the source of a stream, for people.
fn source(access: Option<&str>) -> String {
    match access {
        Some(name) => format!("pushed by {name}"),
        None => "pushed".into(),
    }
}

fn catalog(entry: StreamEntry) -> Catalog {
    Catalog { epoch: Epoch(0), publisher: entry.source.clone(), streams: vec![entry] }
}
