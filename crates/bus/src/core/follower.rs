//! One publisher as a subscriber sees it: its clock, its catalog, whether it is alive, and the tracks watched of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fanlight_protocol::{
    Answer, Catalog, Epoch, FrameHeader, MAX_PAYLOAD, Request, ReservedTopic, Topic, WireError,
};

use super::clock_sync::{AnswerOutcome, ClockSync};
use super::events::{FrameSink, IncomingFrame, PublisherEvent, PublisherId};
use super::liveness::{Liveness, Step};
use super::losses::{Gap, Losses};
use super::now::Now;
use super::plausible::{self, Implausible, ImplausibleCounts};

/// Kinds of bad messages logged on one connection: more than there are.
const KINDS: usize = 32;

/// A step that the caller must take.
#[derive(Debug)]
pub(crate) enum FollowerAction {
    /// Subscribe to this prefix of topics.
    Subscribe(Vec<u8>),
    /// Unsubscribe from it.
    Unsubscribe(Vec<u8>),
    /// Send a request to the publisher.
    Request(Request),
    /// Report an event.
    Report(PublisherEvent),
}

/// The state of one followed publisher. Frames go directly to the sinks of their tracks; everything else comes out of
/// [`Self::next_action`].
pub(crate) struct Follower {
    id: PublisherId,
    /// The publisher's address, for the log.
    address: String,
    /// The subscriber's number, to which answers are addressed.
    asker: u64,
    /// Watched tracks by the bytes of their topics. They are subscribed to while the publisher's clock is known.
    watched: HashMap<Vec<u8>, Watched>,
    clock: ClockSync,
    epoch: Option<Epoch>,
    liveness: Liveness,
    implausible: Arc<ImplausibleCounts>,
    ever_heard: bool,
    presence_changed: bool,
    /// Kinds of errors already logged on this connection.
    complaints: Vec<&'static str>,
    actions: VecDeque<FollowerAction>,
}

struct Watched {
    sink: FrameSink,
    losses: Losses,
}

impl Follower {
    pub(crate) fn new(
        id: PublisherId,
        address: String,
        asker: u64,
        implausible: Arc<ImplausibleCounts>,
    ) -> Self {
        Self {
            id,
            address,
            asker,
            watched: HashMap::new(),
            clock: ClockSync::default(),
            epoch: None,
            liveness: Liveness::default(),
            implausible,
            ever_heard: false,
            presence_changed: false,
            complaints: Vec::new(),
            actions: VecDeque::new(),
        }
    }

    /// Returns the topics that every connection to the publisher is subscribed to from its start.
    pub(crate) fn reserved_topics(&self) -> [Vec<u8>; 2] {
        [ReservedTopic::Answer(self.asker), ReservedTopic::Catalog]
            .map(|topic| topic.to_string().into_bytes())
    }

    /// Returns whether the publisher is present now.
    pub(crate) fn is_present(&self) -> bool {
        self.liveness.is_present()
    }

    /// Returns whether the publisher was ever heard.
    pub(crate) fn was_ever_heard(&self) -> bool {
        self.ever_heard
    }

    /// Returns whether the publisher appeared or disappeared since the last call.
    pub(crate) fn take_presence_changed(&mut self) -> bool {
        std::mem::take(&mut self.presence_changed)
    }

    /// Returns the next step to take, if there is one.
    pub(crate) fn next_action(&mut self) -> Option<FollowerAction> {
        self.actions.pop_front()
    }

    /// Watches a track. A track that is watched already gets the new sink.
    pub(crate) fn watch(&mut self, topic: &Topic, sink: FrameSink) {
        let bytes = topic.to_string().into_bytes();
        let watched = Watched { sink, losses: Losses::default() };
        if self.watched.insert(bytes.clone(), watched).is_none() && self.clock.is_known() {
            self.actions.push_back(FollowerAction::Subscribe(bytes));
        }
    }

    /// Stops watching a track and drops its sink.
    pub(crate) fn unwatch(&mut self, topic: &Topic) {
        let bytes = topic.to_string().into_bytes();
        if self.watched.remove(&bytes).is_some() && self.clock.is_known() {
            self.actions.push_back(FollowerAction::Unsubscribe(bytes));
        }
    }

    /// Processes a new connection. The clock may be another, and the transport has repeated all subscriptions.
    pub(crate) fn connected(&mut self, now: Now) {
        self.forget();
        self.request_clock(now);
    }

    /// Processes the end of a connection.
    pub(crate) fn disconnected(&mut self) {
        self.clock.stop();
        self.forget();
        self.lose("capture has stopped, or the network to it is down");
    }

    /// Processes the removal of the publisher's address: it does not return to it.
    pub(crate) fn removed(&mut self) {
        self.lose("capture has stopped");
    }

    /// Returns when [`Self::tick`] is due if nothing is received before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let silent_at = self.liveness.deadline(self.is_watched(), self.clock.round_trip());
        self.clock.deadline().into_iter().chain(silent_at).min()
    }

    /// Does what is due: requests the clock, pings the publisher or gives it up.
    pub(crate) fn tick(&mut self, now: Now) {
        match self.liveness.check(now.instant, self.is_watched(), self.clock.round_trip()) {
            Some(Step::Ping) => self.request_clock(now),
            Some(Step::Silent) => self.report(PublisherEvent::Silent { publisher: self.id }),
            Some(Step::Gone) => self.lose("nothing heard from capture for 3 s"),
            None => {}
        }
        if self.clock.is_due(now.instant) {
            self.request_clock(now);
        }
    }

    /// Processes a message of two parts: a catalog or an answer.
    pub(crate) fn receive_reserved(&mut self, topic: &[u8], body: &[u8], now: Now) {
        let result = self.reserved(topic, body, now);
        self.note(result, now);
    }

    /// Processes a message of three parts: a frame.
    pub(crate) fn receive_frame(
        &mut self,
        topic: &[u8],
        header: &[u8],
        payload: impl AsRef<[u8]> + Send + 'static,
        now: Now,
    ) {
        let result = self.frame(topic, header, payload, now);
        self.note(result, now);
    }

    /// Processes a message of another number of parts.
    pub(crate) fn receive_malformed(&mut self, now: Now) {
        self.note(Err(WireError::Invalid("the message has neither two nor three parts")), now);
    }

    fn note(&mut self, result: Result<(), WireError>, now: Now) {
        match result {
            Ok(()) if self.liveness.hear(now.instant) => {
                self.report(PublisherEvent::Resumed { publisher: self.id });
            }
            Ok(()) => {}
            Err(error) => self.complain_once(&error),
        }
    }

    fn reserved(&mut self, topic: &[u8], body: &[u8], now: Now) -> Result<(), WireError> {
        match ReservedTopic::from_bytes(topic) {
            Some(ReservedTopic::Catalog) => self.catalog(Catalog::decode(body)?, now),
            Some(ReservedTopic::Answer(asker)) if asker == self.asker => {
                self.answer(Answer::decode(body)?, now);
            }
            _ => return Err(WireError::Invalid("a message of two parts has an unknown topic")),
        }
        Ok(())
    }

    fn answer(&mut self, answer: Answer, now: Now) {
        let Answer::Clock { asked_at, received_at, answered_at } = answer;
        match self.clock.answer(asked_at, received_at, answered_at, now.wall) {
            AnswerOutcome::Unexpected | AnswerOutcome::Updated => {}
            AnswerOutcome::Impossible => self.meet_implausible(Implausible::Clock),
            AnswerOutcome::First => {
                // Without the clock the age of a frame is unknown, so frames are requested only now.
                self.actions.extend(self.watched.keys().cloned().map(FollowerAction::Subscribe));
                self.actions.push_back(FollowerAction::Request(Request::Catalog));
            }
        }
    }

    fn catalog(&mut self, mut catalog: Catalog, now: Now) {
        if self.liveness.announce(now.instant) {
            self.presence_changed = true;
            self.clock.doubt(now.instant);
        }
        self.ever_heard = true;
        if self.epoch != Some(catalog.epoch) {
            tracing::info!(
                endpoint = self.address,
                publisher = catalog.publisher,
                "publisher connected"
            );
            self.epoch = Some(catalog.epoch);
        }
        let mut met = Vec::new();
        let to_ours = |theirs| self.clock.to_ours(theirs);
        plausible::amend(&mut catalog, to_ours, now.wall, &mut |what| met.push(what));
        met.into_iter().for_each(|what| self.meet_implausible(what));
        self.report(PublisherEvent::Catalog { publisher: self.id, catalog });
    }

    fn frame(
        &mut self,
        topic: &[u8],
        header: &[u8],
        payload: impl AsRef<[u8]> + Send + 'static,
        now: Now,
    ) -> Result<(), WireError> {
        let received_at = now.wall;
        // A frame may have been in flight when the track was unwatched, or may precede the clock after a reconnection.
        let Some(watched) = self.watched.get_mut(topic) else { return Ok(()) };
        let FrameHeader { epoch, mut meta } = FrameHeader::decode(header)?;
        let length = payload.as_ref().len();
        if length > MAX_PAYLOAD {
            return Err(WireError::TooLarge { length, limit: MAX_PAYLOAD });
        }
        let mut met = Vec::new();
        let to_ours = |theirs| self.clock.to_ours(theirs);
        let times = plausible::times(meta.times, to_ours, received_at, &mut |what| met.push(what));
        let Some(times) = times else { return Ok(()) };
        meta.times = times;
        let gap = watched.losses.before(epoch, meta.sequence, received_at);
        let gap = gap.unwrap_or_else(|_| {
            met.push(Implausible::Sequence);
            Gap::Begins
        });
        (watched.sink)(IncomingFrame {
            meta,
            received_at,
            payload: Bytes::from_owner(payload),
            gap,
        });
        met.into_iter().for_each(|what| self.meet_implausible(what));
        Ok(())
    }

    fn is_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Requests the clock. The answer is also a sign of life.
    fn request_clock(&mut self, now: Now) {
        let asked_at = self.clock.request(now);
        self.actions
            .push_back(FollowerAction::Request(Request::Clock { asker: self.asker, asked_at }));
    }

    fn lose(&mut self, reason: &'static str) {
        self.epoch = None;
        if self.liveness.leave() {
            self.presence_changed = true;
            tracing::warn!(endpoint = self.address, reason, "publisher gone");
            self.report(PublisherEvent::Gone { publisher: self.id, reason });
        }
    }

    /// Forgets what was true of one connection only.
    fn forget(&mut self) {
        if self.clock.is_known() {
            self.actions.extend(self.watched.keys().cloned().map(FollowerAction::Unsubscribe));
        }
        self.clock.reset();
        self.complaints.clear();
        self.watched.values_mut().for_each(|watched| watched.losses = Losses::default());
    }

    fn report(&mut self, event: PublisherEvent) {
        self.actions.push_back(FollowerAction::Report(event));
    }

    /// Counts an implausible value, which was replaced, and logs the first of its kind.
    fn meet_implausible(&mut self, what: Implausible) {
        self.implausible.count(what);
        let complaint = what.complaint();
        if self.is_new_complaint(complaint) {
            tracing::warn!(endpoint = self.address, complaint, "implausible value from publisher");
        }
    }

    /// Logs a bad message, once per kind and connection.
    fn complain_once(&mut self, error: &WireError) {
        if self.is_new_complaint(error.kind()) {
            tracing::warn!(endpoint = self.address, %error, "rejected a message from a publisher");
        }
    }

    fn is_new_complaint(&mut self, kind: &'static str) -> bool {
        let is_new = self.complaints.len() < KINDS && !self.complaints.contains(&kind);
        if is_new {
            self.complaints.push(kind);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};
    use std::time::Duration;

    use fanlight_protocol::{FrameFlags, FrameMeta, FrameTimes, Timestamp};

    use super::*;

    const ASKER: u64 = 7;
    const TOPIC: &str = "cam/full.jpeg/";

    /// A follower in given time, and the frames that it passes to the sink of one track.
    struct Bench {
        follower: Follower,
        start: Instant,
        frames: Receiver<IncomingFrame>,
    }

    impl Bench {
        /// A follower that is connected and watches a track.
        fn new() -> Self {
            let id = PublisherId(1);
            let mut follower = Follower::new(id, "test".into(), ASKER, Arc::default());
            let (sink, frames) = mpsc::channel();
            let start = Instant::now();
            follower.watch(&TOPIC.parse().unwrap(), Box::new(move |frame| drop(sink.send(frame))));
            let mut bench = Self { follower, start, frames };
            bench.follower.connected(bench.at(0));
            bench
        }

        fn at(&self, millis: u64) -> Now {
            let wall = Timestamp::from_micros(1_000_000_000 + 1000 * millis);
            Now { instant: self.start + Duration::from_millis(millis), wall }
        }

        fn actions(&mut self) -> Vec<FollowerAction> {
            std::iter::from_fn(|| self.follower.next_action()).collect()
        }

        /// Answers the open request, by a clock that is an hour ahead.
        fn answer(&mut self, asked_at: Timestamp, millis: u64) {
            let theirs = asked_at.offset(HOUR);
            let answer = Answer::Clock { asked_at, received_at: theirs, answered_at: theirs };
            let topic = ReservedTopic::Answer(ASKER).to_string();
            let now = self.at(millis);
            self.follower.receive_reserved(topic.as_bytes(), &answer.encode(), now);
        }

        fn receive(&mut self, sequence: u64, millis: u64) {
            let now = self.at(millis);
            let meta = FrameMeta {
                sequence,
                times: FrameTimes::all_at(now.wall.offset(HOUR)),
                flags: FrameFlags::KEYFRAME,
                width: 4,
                height: 2,
            };
            let header = FrameHeader { epoch: Epoch(1), meta }.encode();
            self.follower.receive_frame(TOPIC.as_bytes(), &header, b"image", now);
        }
    }

    const HOUR: i64 = 3_600_000_000;

    fn asked_at(actions: &[FollowerAction]) -> Timestamp {
        match actions {
            [FollowerAction::Request(Request::Clock { asker: ASKER, asked_at })] => *asked_at,
            other => panic!("not one request for the clock: {other:?}"),
        }
    }

    #[test]
    fn a_track_is_subscribed_to_once_the_clock_is_known_and_its_times_are_translated() {
        let mut bench = Bench::new();
        let asked = asked_at(&bench.actions());
        bench.receive(0, 1);
        assert!(bench.frames.try_recv().is_err(), "its age would be unknown");
        bench.answer(asked, 0);
        let actions = bench.actions();
        assert!(
            matches!(&actions[..], [FollowerAction::Subscribe(topic), FollowerAction::Request(Request::Catalog)] if topic == TOPIC.as_bytes()),
            "{actions:?}"
        );
        bench.receive(5, 10);
        let frame = bench.frames.try_recv().unwrap();
        assert_eq!((frame.meta.captured_at(), frame.gap), (bench.at(10).wall, Gap::Begins));
        bench.receive(8, 20);
        assert_eq!(bench.frames.try_recv().unwrap().gap, Gap::Lost(2));
    }

    #[test]
    fn a_new_connection_starts_from_nothing() {
        let mut bench = Bench::new();
        let asked = asked_at(&bench.actions());
        bench.answer(asked, 0);
        bench.actions();
        bench.follower.disconnected();
        let actions = bench.actions();
        assert!(matches!(&actions[..], [FollowerAction::Unsubscribe(_)]), "{actions:?}");
        assert_eq!(bench.follower.deadline(), None, "no request without a connection");
        bench.follower.connected(bench.at(1000));
        asked_at(&bench.actions());
    }

    #[test]
    fn another_sink_replaces_the_first_one_and_begins_with_its_first_frame() {
        let mut bench = Bench::new();
        let asked = asked_at(&bench.actions());
        bench.answer(asked, 0);
        bench.actions();
        bench.receive(0, 1);
        let (sink, frames) = mpsc::channel();
        let topic = TOPIC.parse().unwrap();
        bench.follower.watch(&topic, Box::new(move |frame| drop(sink.send(frame))));
        assert!(bench.actions().is_empty(), "it is subscribed to already");
        bench.receive(1, 2);
        assert_eq!(frames.try_recv().unwrap().gap, Gap::Begins);
        assert_eq!(bench.frames.try_iter().count(), 1);
        bench.follower.unwatch(&topic);
        assert!(matches!(&bench.actions()[..], [FollowerAction::Unsubscribe(_)]));
        bench.receive(2, 3);
        assert!(frames.try_recv().is_err());
    }
}
