//! One socket: reads the viewer's messages, and schedules its subscriptions.

use std::io;
use std::sync::Arc;

use fanlight_clock as clock;
use fanlight_protocol::viewer::control::MAX_SUBSCRIPTIONS;
use fanlight_protocol::viewer::{FromRelay, FromViewer, Watch};
use fanlight_protocol::{StreamName, Timestamp};
use smallvec::SmallVec;

use super::list_updates::ListUpdates;
use super::pending_watches::PendingWatches;
use super::subscription::Subscription;
use crate::access::{Action, Credentials, Identity};
use crate::addresses::ClientAddress;
use crate::connection::{PacedWriter, SendTime};
use crate::context::Context;
use crate::egress::abr::AbrController;
use crate::egress::frame_protocol::{FrameProtocol, Resume};
use crate::egress::selection::ViewRequest;
use crate::egress::target::Target;
use crate::egress::websocket::{MessageWriter as _, WebSocketHandler};
use crate::error::Error;
use crate::hub::{Frame, NextSend};
use crate::limits::Permit;
use crate::stats::labels::{CloseReason, Transport};
use crate::wake::Waker;

/// One socket. Its subscriptions take turns, with at most one message that the kernel has not accepted yet, so that none
/// starves another.
pub(super) struct Session {
    context: Arc<Context>,
    credentials: Credentials,
    address: ClientAddress,
    /// Fired by each stream that this socket watches.
    waker: Waker,
    /// Most sockets watch one stream. That one is stored inline, which saves a cache miss per frame.
    subscriptions: SmallVec<[Subscription; 1]>,
    /// The index of the subscription whose turn is next.
    next: usize,
    list: Option<ListUpdates>,
    /// Requests for streams that are not known yet.
    pending: Option<Box<PendingWatches>>,
    /// Present if the relay chooses renditions.
    abr: Option<Box<AbrController>>,
}

impl Session {
    pub(super) fn new(
        context: Arc<Context>,
        credentials: Credentials,
        address: ClientAddress,
        waker: Waker,
    ) -> Self {
        Self {
            context,
            credentials,
            address,
            waker,
            subscriptions: SmallVec::new(),
            next: 0,
            list: None,
            pending: None,
            abr: None,
        }
    }

    fn hello(&self) -> FromRelay {
        FromRelay::Hello {
            version: env!("CARGO_PKG_VERSION").into(),
            build: self.context.page.build().into(),
        }
    }

    /// Sends one frame of the next subscription that has one.
    fn send_frame(&mut self, writer: &mut PacedWriter, now: Timestamp) -> io::Result<Resume> {
        let subscriptions = &self.subscriptions;
        match writer.pace(now, || subscriptions.iter().any(|one| one.has_due_frame(now)))? {
            SendTime::Now => {}
            SendTime::HoldUntil(later) => {
                self.hold_for_link();
                return Ok(Resume::At(later));
            }
            SendTime::Overdue => self.mark_overdue(now),
        }
        let min_rtt = writer.min_rtt();
        let count = self.subscriptions.len();
        let mut soonest: Option<Timestamp> = None;
        for at in (0..count).map(|offset| (self.next + offset) % count) {
            match self.subscriptions[at].next(now, min_rtt) {
                NextSend::Frame { frame, has_newer } => {
                    self.next = at + 1;
                    self.send(writer, at, &frame, now)?;
                    let more = has_newer || count > 1;
                    return Ok(if more { Resume::Soon } else { Resume::OnWake });
                }
                NextSend::At(due) => {
                    soonest = Some(soonest.map_or(due, |soonest| soonest.min(due)));
                }
                NextSend::Nothing => {}
            }
        }
        Ok(soonest.map_or(Resume::OnWake, Resume::At))
    }

    fn send(
        &mut self,
        writer: &mut PacedWriter,
        at: usize,
        frame: &Frame,
        sent_at: Timestamp,
    ) -> io::Result<()> {
        let subscription = &mut self.subscriptions[at];
        if let Some(track) = subscription.track_message(frame) {
            send_message(writer, &track)?;
        }
        if let Some(journey) = subscription.journey_message(frame, sent_at) {
            send_message(writer, &journey)?;
        }
        let header = subscription.header(frame, sent_at);
        writer.send_binary(&header.encode(), &frame.payload)
    }

    fn subscription(&mut self, id: u32) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.id() == id)
    }

    fn mark_overdue(&mut self, now: Timestamp) {
        let due = self.subscriptions.iter_mut().filter(|one| one.has_due_frame(now));
        due.for_each(|one| one.mark_overdue(now));
    }

    fn hold_for_link(&mut self) {
        self.subscriptions.iter_mut().for_each(Subscription::hold_for_link);
    }

    fn send_states(&mut self, writer: &mut PacedWriter, now: Timestamp) -> io::Result<()> {
        for subscription in &mut self.subscriptions {
            if let Some(state) = subscription.state_message(now) {
                send_message(writer, &state)?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, watch: Watch, now: Timestamp) -> Result<(), Error> {
        let client = self.authorize_viewing(&watch.stream)?;
        let permit = self.pending.as_mut().and_then(|pending| pending.remove(watch.id));
        if self.context.startup.may_bring(&self.context.hub, &watch.stream, now) {
            ViewRequest::from_watch(&watch)?;
            return self.defer(watch, permit, &client);
        }
        self.subscribe(&watch, permit, &client)
    }

    /// Defers a `watch` until its stream is known or the relay's start-up is over.
    fn defer(
        &mut self,
        watch: Watch,
        permit: Option<Permit>,
        client: &Identity,
    ) -> Result<(), Error> {
        let permit = self.permit(permit, client)?;
        let pending = || Box::new(PendingWatches::new(&self.context, self.waker.clone()));
        self.pending.get_or_insert_with(pending).push(watch, permit);
        Ok(())
    }

    /// Answers the deferred messages that can be answered by now. Returns when to check the others.
    fn answer_deferred(
        &mut self,
        writer: &mut PacedWriter,
        now: Timestamp,
    ) -> io::Result<Option<Timestamp>> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        for (watch, permit) in pending.take_due(&self.context, now) {
            let client = self.authorize_viewing(&watch.stream);
            let subscribed =
                client.and_then(|client| self.subscribe(&watch, Some(permit), &client));
            if let Err(refused) = subscribed {
                send_message(writer, &error(Some(watch.id), &refused))?;
            }
        }
        self.pending = self.pending.take().filter(|pending| pending.len() > 0);
        Ok(self.pending.as_ref().map(|_| self.context.startup.ends_at()))
    }

    /// Returns the permit of one more subscription: the one it already has, or a new one.
    fn permit(&self, permit: Option<Permit>, client: &Identity) -> Result<Permit, Error> {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.len());
        match permit {
            Some(permit) => Ok(permit),
            None if self.subscriptions.len() + pending >= MAX_SUBSCRIPTIONS => {
                let message = format!("a socket may watch at most {MAX_SUBSCRIPTIONS} streams");
                Err(Error::TooMany(message))
            }
            None => Ok(self.context.limits.admit(self.address)?.within(client.admit()?)),
        }
    }

    fn subscribe(
        &mut self,
        watch: &Watch,
        permit: Option<Permit>,
        client: &Identity,
    ) -> Result<(), Error> {
        let request = ViewRequest::from_watch(watch)?;
        let stream = Target::from(&watch.stream).find(&self.context.hub, client)?;
        let mut selection = request.select(&stream)?;
        let acknowledges = watch.ack == Some(true);
        self.note_change(selection.auto.is_some());
        let known = self.subscriptions.iter().position(|known| known.id() == watch.id);
        if let Some(at) = known
            && self.subscriptions[at].is_of(&stream)
        {
            let now = clock::now();
            self.subscriptions[at].change(selection, request.options, acknowledges, now);
            return Ok(());
        }
        // A replaced subscription passes its permit on.
        let replaced = known.map(|at| self.subscriptions.remove(at).into_permit());
        let permit = self.permit(permit.or(replaced), client)?;
        if self.abr.as_ref().is_some_and(|abr| abr.is_limited()) {
            selection.start_smallest();
        }
        let viewer = selection.watch(&stream, Transport::V1, request.options, self.waker.clone());
        let subscription = Subscription::new(watch.id, viewer, acknowledges, permit);
        self.subscriptions.push(subscription);
        Ok(())
    }

    /// Notes that a subscription was added, changed or removed. `auto` says whether the relay chooses its rendition.
    fn note_change(&mut self, auto: bool) {
        if auto {
            self.abr.get_or_insert_default();
        }
        if let Some(abr) = &mut self.abr {
            abr.note_change();
        }
    }

    fn authorize_listing(&self) -> Result<Identity, Error> {
        self.context.access.authorize(Action::List, None, &self.credentials)
    }

    fn authorize_viewing(&self, stream: &StreamName) -> Result<Identity, Error> {
        self.context.access.authorize(Action::View, Some(stream), &self.credentials)
    }
}

impl WebSocketHandler for Session {
    fn on_open(&mut self, writer: &mut PacedWriter) -> io::Result<()> {
        send_message(writer, &self.hello())
    }

    fn on_text(&mut self, writer: &mut PacedWriter, text: &str) -> io::Result<()> {
        let read_at = clock::now();
        match serde_json::from_str::<FromViewer>(text) {
            Ok(FromViewer::Watch(watch)) => {
                let id = watch.id;
                if let Err(refused) = self.watch(watch, read_at) {
                    send_message(writer, &error(Some(id), &refused))?;
                }
            }
            Ok(FromViewer::Unwatch { id }) => {
                self.subscriptions.retain(|known| known.id() != id);
                self.pending.as_mut().and_then(|pending| pending.remove(id));
                self.note_change(false);
            }
            Ok(FromViewer::Ack { id, sequence }) => {
                if let Some(subscription) = self.subscription(id) {
                    subscription.acknowledge(sequence, read_at, writer.is_lossy(read_at));
                }
            }
            Ok(FromViewer::Keyframe { id }) => {
                if let Some(subscription) = self.subscription(id) {
                    subscription.fail(read_at);
                }
            }
            Ok(FromViewer::Journey { id }) => {
                if let Some(subscription) = self.subscription(id) {
                    subscription.request_journey();
                }
            }
            Ok(FromViewer::Clock { t0 }) => {
                send_message(writer, &FromRelay::Clock { t0, t1: read_at, t2: clock::now() })?;
            }
            Ok(FromViewer::List) => match self.authorize_listing() {
                Ok(client) => match &mut self.list {
                    Some(list) => list.request(client),
                    None => {
                        let (context, waker) = (self.context.clone(), self.waker.clone());
                        self.list = Some(ListUpdates::new(context, client, waker));
                    }
                },
                Err(refused) => send_message(writer, &error(None, &refused))?,
            },
            Err(reason) => {
                let refused = Error::invalid(format!("invalid fanlight.v1 message: {reason}"));
                send_message(writer, &error(id_of(text), &refused))?;
            }
        }
        Ok(())
    }

    /// Ends the subscriptions that the client may no longer have, and sends the list of what it may see now.
    fn on_access_change(&mut self, writer: &mut PacedWriter) -> io::Result<Option<Error>> {
        let client = match self.authorize_listing() {
            Ok(client) => client,
            Err(denied) => return Ok(Some(denied)),
        };
        if let Some(list) = &mut self.list {
            list.request(client);
        }
        let is_denied = |one: &Subscription| self.authorize_viewing(one.stream()).err();
        let denied: Vec<(u32, Error)> = (self.subscriptions.iter())
            .filter_map(|one| is_denied(one).map(|denied| (one.id(), denied)))
            .collect();
        for (id, denied) in denied {
            let ended = self.subscriptions.iter().position(|one| one.id() == id);
            if let Some(at) = ended {
                self.subscriptions.remove(at).close(CloseReason::Withdrawn);
            }
            self.note_change(false);
            send_message(writer, &error(Some(id), &denied))?;
        }
        Ok(None)
    }
}

impl FrameProtocol for Session {
    fn send_next(&mut self, writer: &mut PacedWriter) -> io::Result<Resume> {
        let now = clock::now();
        let deferred_due = self.answer_deferred(writer, now)?;
        let list_due = match &mut self.list {
            Some(list) => {
                if let Some(message) = list.due(now) {
                    send_message(writer, &message)?;
                }
                Some(list.due_at())
            }
            None => None,
        };
        if let Some(abr) = &mut self.abr {
            abr.adapt(&mut self.subscriptions, writer, now);
        }
        self.send_states(writer, now)?;
        // If these messages must wait for the client, the frame waits in the hub, where a newer one can replace it.
        let next = if writer.is_flushed() { self.send_frame(writer, now)? } else { Resume::Soon };
        let states_due = self.subscriptions.iter().filter_map(Subscription::state_due);
        let due = states_due.chain(list_due).chain(deferred_due).min();
        Ok(match (next, due) {
            (Resume::OnWake, Some(due)) => Resume::At(due),
            (Resume::At(next), Some(due)) => Resume::At(next.min(due)),
            _ => next,
        })
    }

    /// Holds all subscriptions: while one frame was in flight, the others waited for the link.
    fn on_backpressure(&mut self) {
        self.hold_for_link();
    }

    fn on_close(&mut self, reason: CloseReason) {
        self.subscriptions.iter().for_each(|subscription| subscription.close(reason));
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}

fn send_message(writer: &mut PacedWriter, message: &FromRelay) -> io::Result<()> {
    let text = serde_json::to_string(message).expect("names, numbers and texts are valid JSON");
    writer.send_text(text)
}

/// Translates a domain error into an `error` message.
fn error(id: Option<u32>, error: &Error) -> FromRelay {
    let code = match error {
        Error::NotFound(_) => "unknown-stream",
        Error::TooMany(_) | Error::Unavailable(_) | Error::Conflict(_) => "too-many",
        Error::Denied { .. } => "forbidden",
        Error::Invalid(_) => "bad-message",
    };
    FromRelay::Error { id, code: code.into(), message: error.to_string() }
}

/// Returns the subscription id of a message that is otherwise invalid, if it has one.
fn id_of(text: &str) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("id")?.as_u64()?.try_into().ok()
}
