//! What is heard on a socket, and whose turn it is to be sent.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::control::MAX_SUBSCRIPTIONS;
use fanlight_protocol::viewer::{FromRelay, FromViewer, Watch};
use smallvec::SmallVec;

use super::listing::Listing;
use super::subscription::Subscription;
use super::waiting::Waiting;
use crate::access::{Action, Credentials};
use crate::connection::{PacedWriter, Wait};
use crate::context::Context;
use crate::egress::abr::Fit;
use crate::egress::frame_protocol::{FrameProtocol, Turn};
use crate::egress::selection::{self, Wish};
use crate::egress::websocket::{Say as _, WebSocketHandler};
use crate::error::Error;
use crate::hub::{Frame, NextSend};
use crate::limits::Permit;
use crate::stats::labels::CloseReason;
use crate::stats::labels::Transport;
use crate::wake::Waker;

/// One socket. Its subscriptions take turns, one message in flight, so that none starves another.
pub(super) struct Session {
    context: Arc<Context>,
    credentials: Credentials,
    address: IpAddr,
    /// Rung by every stream this socket watches.
    waker: Waker,
    /// Most sockets watch one stream: that one lies here and not elsewhere in memory.
    subscriptions: SmallVec<[Subscription; 1]>,
    /// Whose turn it is next, counted in them.
    turn: usize,
    listing: Option<Listing>,
    /// Where streams were asked for that are not known yet.
    waiting: Option<Box<Waiting>>,
    /// Where the relay chooses renditions.
    fit: Option<Box<Fit>>,
}

impl Session {
    pub(super) fn new(
        context: Arc<Context>,
        credentials: Credentials,
        address: IpAddr,
        waker: Waker,
    ) -> Self {
        Self {
            context,
            credentials,
            address,
            waker,
            subscriptions: SmallVec::new(),
            turn: 0,
            listing: None,
            waiting: None,
            fit: None,
        }
    }

    fn hello(&self) -> FromRelay {
        FromRelay::Hello {
            version: env!("CARGO_PKG_VERSION").into(),
            build: self.context.page.build().into(),
        }
    }

    /// Sends one frame of the next subscription that has one.
    fn take_turn(&mut self, writer: &mut PacedWriter, now: Timestamp) -> io::Result<Turn> {
        let subscriptions = &self.subscriptions;
        match writer.wait(now, || subscriptions.iter().any(|one| one.has_due_frame(now)))? {
            Wait::No => {}
            Wait::Until(later) => {
                self.hold_for_link();
                return Ok(Turn::At(later));
            }
            Wait::Overdue => self.mark_stuck(now),
        }
        let distance = writer.distance();
        let count = self.subscriptions.len();
        let mut soonest: Option<Timestamp> = None;
        for at in (0..count).map(|offset| (self.turn + offset) % count) {
            match self.subscriptions[at].next(now, distance) {
                NextSend::Frame { frame, has_newer: newer } => {
                    self.turn = at + 1;
                    self.send(writer, at, &frame, now)?;
                    let more = newer || count > 1;
                    return Ok(if more { Turn::More } else { Turn::Done });
                }
                NextSend::At(due) => {
                    soonest = Some(soonest.map_or(due, |soonest| soonest.min(due)));
                }
                NextSend::Nothing => {}
            }
        }
        Ok(soonest.map_or(Turn::Done, Turn::At))
    }

    fn send(
        &mut self,
        writer: &mut PacedWriter,
        at: usize,
        frame: &Frame,
        sent_at: Timestamp,
    ) -> io::Result<()> {
        let subscription = &mut self.subscriptions[at];
        if let Some(news) = subscription.track_news(frame) {
            tell(writer, &news)?;
        }
        if let Some(journey) = subscription.journey(frame, sent_at) {
            tell(writer, &journey)?;
        }
        let header = subscription.header(frame, sent_at);
        writer.binary(&header.encode(), &frame.payload)
    }

    fn subscription(&mut self, id: u32) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.id() == id)
    }

    fn mark_stuck(&mut self, now: Timestamp) {
        let owed = self.subscriptions.iter_mut().filter(|one| one.has_due_frame(now));
        owed.for_each(|one| one.mark_stuck(now));
    }

    fn hold_for_link(&mut self) {
        self.subscriptions.iter_mut().for_each(Subscription::hold_for_link);
    }

    fn tell_states(&mut self, writer: &mut PacedWriter, now: Timestamp) -> io::Result<()> {
        for subscription in &mut self.subscriptions {
            if let Some(news) = subscription.state_news(now) {
                tell(writer, &news)?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, watch: Watch, now: Timestamp) -> Result<(), Error> {
        self.context.access.authorize(Action::View, Some(&watch.stream), &self.credentials)?;
        let held = self.waiting.as_mut().and_then(|waiting| waiting.take(watch.id));
        if self.context.startup.may_bring(&self.context.hub, watch.stream.as_str(), now) {
            Wish::from_watch(&watch)?;
            return self.hold(watch, held);
        }
        self.subscribe(&watch, held)
    }

    /// Keeps a `watch` until its stream is known, or the relay's start is over.
    fn hold(&mut self, watch: Watch, held: Option<Permit>) -> Result<(), Error> {
        let permit = self.permit(held)?;
        let waiting = || Box::new(Waiting::new(&self.context, self.waker.clone()));
        self.waiting.get_or_insert_with(waiting).hold(watch, permit);
        Ok(())
    }

    /// Begins what was kept, where it can be by now. Returns when the rest is to be looked at.
    fn begin_what_waited(
        &mut self,
        writer: &mut PacedWriter,
        now: Timestamp,
    ) -> io::Result<Option<Timestamp>> {
        let Some(waiting) = &mut self.waiting else { return Ok(None) };
        for (watch, permit) in waiting.due(&self.context, now) {
            if let Err(refused) = self.subscribe(&watch, Some(permit)) {
                tell(writer, &error(Some(watch.id), &refused))?;
            }
        }
        self.waiting = self.waiting.take().filter(|waiting| waiting.len() > 0);
        Ok(self.waiting.as_ref().map(|_| self.context.startup.ends_at()))
    }

    /// Returns a place for one more subscription: the one it has already, or else a new one.
    fn permit(&self, held: Option<Permit>) -> Result<Permit, Error> {
        let waiting = self.waiting.as_ref().map_or(0, |waiting| waiting.len());
        match held {
            Some(permit) => Ok(permit),
            None if self.subscriptions.len() + waiting >= MAX_SUBSCRIPTIONS => {
                Err(Error::TooMany(format!("one socket may watch {MAX_SUBSCRIPTIONS} streams")))
            }
            None => self.context.limits.admit(self.address),
        }
    }

    fn subscribe(&mut self, watch: &Watch, held: Option<Permit>) -> Result<(), Error> {
        let wish = Wish::from_watch(watch)?;
        let stream = selection::stream(&self.context.hub, watch.stream.as_str())?;
        let mut choice = wish.of(&stream)?;
        let acknowledges = watch.ack == Some(true);
        self.fit_from_now_on(choice.auto.is_some());
        let known = self.subscriptions.iter().position(|known| known.id() == watch.id);
        if let Some(at) = known
            && self.subscriptions[at].is_of(&stream)
        {
            self.subscriptions[at].change(choice, wish.manner, acknowledges, clock::now());
            return Ok(());
        }
        // What it replaces gives it its place.
        let replaced = known.map(|at| self.subscriptions.remove(at).into_permit());
        let permit = self.permit(held.or(replaced))?;
        if self.fit.as_ref().is_some_and(|fit| fit.is_limited()) {
            choice.begin_small();
        }
        let tile = choice.watch(&stream, Transport::V1, wish.manner, self.waker.clone());
        let subscription = Subscription::new(watch.id, tile, acknowledges, permit);
        self.subscriptions.push(subscription);
        Ok(())
    }

    /// Somebody new is to be sent what fits, or what others are sent is to be divided anew.
    fn fit_from_now_on(&mut self, auto: bool) {
        if auto {
            self.fit.get_or_insert_default();
        }
        if let Some(fit) = &mut self.fit {
            fit.change();
        }
    }

    fn authorize(&self, action: Action) -> Result<(), Error> {
        self.context.access.authorize(action, None, &self.credentials)
    }
}

impl WebSocketHandler for Session {
    fn begin(&mut self, writer: &mut PacedWriter) -> io::Result<()> {
        tell(writer, &self.hello())
    }

    fn answer(&mut self, writer: &mut PacedWriter, text: &str) -> io::Result<()> {
        let heard_at = clock::now();
        match serde_json::from_str::<FromViewer>(text) {
            Ok(FromViewer::Watch(watch)) => {
                let id = watch.id;
                if let Err(refused) = self.watch(watch, heard_at) {
                    tell(writer, &error(Some(id), &refused))?;
                }
            }
            Ok(FromViewer::Unwatch { id }) => {
                self.subscriptions.retain(|known| known.id() != id);
                self.waiting.as_mut().and_then(|waiting| waiting.take(id));
                self.fit_from_now_on(false);
            }
            Ok(FromViewer::Ack { id, sequence }) => {
                if let Some(subscription) = self.subscription(id) {
                    subscription.acknowledge(sequence, heard_at, writer.is_lossy(heard_at));
                }
            }
            Ok(FromViewer::Keyframe { id }) => {
                if let Some(subscription) = self.subscription(id) {
                    subscription.fail(heard_at);
                }
            }
            Ok(FromViewer::Journey { id }) => {
                if let Some(subscription) = self.subscription(id) {
                    subscription.tell_journey();
                }
            }
            Ok(FromViewer::Clock { t0 }) => {
                tell(writer, &FromRelay::Clock { t0, t1: heard_at, t2: clock::now() })?;
            }
            Ok(FromViewer::List) => match self.authorize(Action::List) {
                Ok(()) => match &mut self.listing {
                    Some(listing) => listing.ask(),
                    None => {
                        let listing = Listing::new(self.context.clone(), self.waker.clone());
                        self.listing = Some(listing);
                    }
                },
                Err(refused) => tell(writer, &error(None, &refused))?,
            },
            Err(reason) => {
                let invalid = Error::invalid(format!("not a message of fanlight.v1: {reason}"));
                tell(writer, &error(id_of(text), &invalid))?;
            }
        }
        Ok(())
    }
}

impl FrameProtocol for Session {
    fn speak(&mut self, writer: &mut PacedWriter) -> io::Result<Turn> {
        let now = clock::now();
        let begin_due = self.begin_what_waited(writer, now)?;
        let list_due = match &mut self.listing {
            Some(listing) => {
                if let Some(list) = listing.due(now) {
                    tell(writer, &list)?;
                }
                Some(listing.due_at())
            }
            None => None,
        };
        if let Some(fit) = &mut self.fit {
            fit.look(&mut self.subscriptions, writer, now);
        }
        self.tell_states(writer, now)?;
        // What was told may have to wait for the client, and a frame for it in turn: a newer one may take its place.
        let turn = if writer.is_clear() { self.take_turn(writer, now)? } else { Turn::More };
        let states_due = self.subscriptions.iter().filter_map(Subscription::state_due);
        let due = states_due.chain(list_due).chain(begin_due).min();
        Ok(match (turn, due) {
            (Turn::Done, Some(due)) => Turn::At(due),
            (Turn::At(turn), Some(due)) => Turn::At(turn.min(due)),
            _ => turn,
        })
    }

    /// While one frame was on its way, all others of this socket waited for the link.
    fn waited(&mut self) {
        self.hold_for_link();
    }

    fn closed(&mut self, why: CloseReason) {
        self.subscriptions.iter().for_each(|subscription| subscription.close(why));
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}

fn tell(writer: &mut PacedWriter, message: &FromRelay) -> io::Result<()> {
    let text = serde_json::to_string(message).expect("names, numbers and texts are always JSON");
    writer.text(text)
}

/// The translation of a domain error into an `error` message.
fn error(id: Option<u32>, error: &Error) -> FromRelay {
    let code = match error {
        Error::NotFound(_) => "unknown-stream",
        Error::TooMany(_) | Error::Unavailable(_) => "too-many",
        Error::Denied { .. } => "forbidden",
        Error::Invalid(_) => "bad-message",
    };
    FromRelay::Error { id, code: code.into(), message: error.to_string() }
}

/// The subscription that a message meant which could not be read, where it says so.
fn id_of(text: &str) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("id")?.as_u64()?.try_into().ok()
}
