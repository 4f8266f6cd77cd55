//! What is heard on a socket, and whose turn it is to be sent.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use fanlight_bus::clock;
use fanlight_protocol::viewer::control::MAX_SUBSCRIPTIONS;
use fanlight_protocol::viewer::{FromRelay, FromViewer, Watch};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::listing::{self, Listing};
use super::subscription::Subscription;
use crate::access::{Action, Credentials};
use crate::context::Context;
use crate::hub::Bell;
use crate::refusal::Refusal;
use crate::transport::choice::{self, Wish};
use crate::transport::websocket::conversation::PING_EVERY;
use crate::transport::websocket::{CloseCode, Ending, Heard, Writer};

/// One socket. Its subscriptions take turns, one message in flight, so that none starves another.
pub(super) struct Session {
    context: Arc<Context>,
    credentials: Credentials,
    address: IpAddr,
    stop: CancellationToken,
    /// Rung by every stream this socket watches.
    bell: Bell,
    subscriptions: BTreeMap<u32, Subscription>,
    /// Whose turn it was last.
    last_turn: u32,
    listing: Option<Listing>,
}

impl Session {
    pub(super) fn new(
        context: Arc<Context>,
        credentials: Credentials,
        address: IpAddr,
        stop: CancellationToken,
    ) -> Self {
        Self {
            context,
            credentials,
            address,
            stop,
            bell: Bell::default(),
            subscriptions: BTreeMap::new(),
            last_turn: 0,
            listing: None,
        }
    }

    /// Speaks until there is a reason to end.
    pub(super) async fn speak(
        &mut self,
        writer: &mut Writer,
        heard: &mut Receiver<Heard>,
    ) -> io::Result<Ending> {
        tell(writer, &self.hello()).await?;
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Ending::Close(CloseCode::GoingAway, "the relay ends")),
                Some(heard) = heard.recv() => {
                    if let Some(ending) = Ending::after(&heard) {
                        return Ok(ending);
                    }
                    match heard {
                        Heard::Text(text) => self.answer(writer, &text).await?,
                        Heard::Ping(payload) => writer.pong(&payload).await?,
                        Heard::Close | Heard::Gone | Heard::Broke(_) => {}
                    }
                },
                _ = ping.tick() => writer.ping().await?,
                () = list_is_due(&mut self.listing) => {
                    tell(writer, &listing::message(&self.context)).await?;
                    self.tell_states(writer).await?;
                }
                () = self.bell.notified() => {}
            }
            // After whatever happened: a turn for somebody, and the bell again where more may wait.
            self.tell_states(writer).await?;
            if self.take_turn(writer).await? {
                self.bell.notify_one();
            }
        }
    }

    fn hello(&self) -> FromRelay {
        FromRelay::Hello {
            version: env!("CARGO_PKG_VERSION").into(),
            build: self.context.page.build().into(),
        }
    }

    /// Sends one frame of the next subscription that has one; false where none has.
    async fn take_turn(&mut self, writer: &mut Writer) -> io::Result<bool> {
        let after = (Bound::Excluded(self.last_turn), Bound::Unbounded);
        let upto = (Bound::Unbounded, Bound::Included(self.last_turn));
        let turns = self.subscriptions.range(after).chain(self.subscriptions.range(upto));
        let ids = turns.map(|(id, _)| *id);
        let mut next = None;
        for id in ids.collect::<smallvec::SmallVec<[u32; 32]>>() {
            let subscription = self.subscriptions.get_mut(&id).expect("listed just now");
            if let Some(found) = subscription.next(clock::now()) {
                next = Some((id, found));
                break;
            }
        }
        let Some((id, next)) = next else { return Ok(false) };
        self.last_turn = id;
        let subscription = self.subscriptions.get_mut(&id).expect("found just now");
        if let Some(news) = subscription.track_news(&next.frame) {
            tell(writer, &news).await?;
        }
        let sent_at = clock::now();
        if let Some(journey) = subscription.journey(&next.frame, sent_at) {
            tell(writer, &journey).await?;
        }
        let header = subscription.header(&next.frame, sent_at);
        writer.binary(&header.encode(), &next.frame.payload).await?;
        Ok(true)
    }

    async fn tell_states(&mut self, writer: &mut Writer) -> io::Result<()> {
        for subscription in self.subscriptions.values_mut() {
            if let Some(news) = subscription.state_news(clock::now()) {
                tell(writer, &news).await?;
            }
        }
        Ok(())
    }

    async fn answer(&mut self, writer: &mut Writer, text: &str) -> io::Result<()> {
        let heard_at = clock::now();
        match serde_json::from_str::<FromViewer>(text) {
            Ok(FromViewer::Watch(watch)) => {
                if let Err(refusal) = self.watch(&watch) {
                    tell(writer, &error(Some(watch.id), &refusal)).await?;
                }
            }
            Ok(FromViewer::Unwatch { id }) => drop(self.subscriptions.remove(&id)),
            // What is shown is not used yet: the drop policy goes by what the socket takes.
            Ok(FromViewer::Ack { .. }) => {}
            Ok(FromViewer::Journey { id }) => {
                if let Some(subscription) = self.subscriptions.get_mut(&id) {
                    subscription.tell_journey();
                }
            }
            Ok(FromViewer::Clock { t0 }) => {
                tell(writer, &FromRelay::Clock { t0, t1: heard_at, t2: clock::now() }).await?;
            }
            Ok(FromViewer::List) => match self.authorize(Action::List) {
                Ok(()) => match &mut self.listing {
                    Some(listing) => listing.ask(),
                    None => {
                        self.listing = Some(Listing::new(&self.context));
                        tell(writer, &listing::message(&self.context)).await?;
                    }
                },
                Err(refusal) => tell(writer, &error(None, &refusal)).await?,
            },
            Err(reason) => {
                let refusal =
                    Refusal::bad_request(format!("not a message of fanlight.v1: {reason}"));
                tell(writer, &error(id_of(text), &refusal)).await?;
            }
        }
        Ok(())
    }

    fn watch(&mut self, watch: &Watch) -> Result<(), Refusal> {
        self.context.access.authorize(Action::Watch, Some(&watch.stream), &self.credentials)?;
        let wish = Wish::from_watch(watch)?;
        let stream = choice::stream(&self.context.hub, watch.stream.as_str())?;
        let track = wish.track(&stream)?;
        let permit = match self.subscriptions.remove(&watch.id) {
            // What it replaces gives it its place.
            Some(replaced) => replaced.into_permit(),
            None if self.subscriptions.len() >= MAX_SUBSCRIPTIONS => {
                let message = format!("one socket may watch {MAX_SUBSCRIPTIONS} streams");
                return Err(Refusal::unavailable(message, "10"));
            }
            None => self.context.limits.admit(self.address)?,
        };
        let viewer = stream.watch(&track, self.bell.clone()).at_most(wish.fps);
        self.subscriptions.insert(watch.id, Subscription::new(watch.id, viewer, permit));
        self.bell.notify_one();
        Ok(())
    }

    fn authorize(&self, action: Action) -> Result<(), Refusal> {
        self.context.access.authorize(action, None, &self.credentials)
    }
}

async fn list_is_due(listing: &mut Option<Listing>) {
    match listing {
        Some(listing) => listing.due().await,
        None => std::future::pending().await,
    }
}

async fn tell(writer: &mut Writer, message: &FromRelay) -> io::Result<()> {
    let text = serde_json::to_string(message).expect("names, numbers and texts are always JSON");
    writer.text(&text).await
}

fn error(id: Option<u32>, refusal: &Refusal) -> FromRelay {
    use axum::http::StatusCode;
    let code = match refusal.status() {
        StatusCode::NOT_FOUND => "unknown-stream",
        StatusCode::SERVICE_UNAVAILABLE => "too-many",
        StatusCode::NOT_IMPLEMENTED => "unsupported",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "forbidden",
        _ => "bad-message",
    };
    FromRelay::Error { id, code: code.into(), message: refusal.message().into() }
}

/// The subscription that a message meant which could not be read, where it says so.
fn id_of(text: &str) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("id")?.as_u64()?.try_into().ok()
}
