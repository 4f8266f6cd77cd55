//! The publisher's bus thread: receives from subscribers, answers them, and announces the catalog. Frames bypass it.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use fanlight_clock as clock;
use fanlight_protocol::{Answer, Catalog, Epoch, ReservedTopic, StreamEntry, Timestamp};
use parking_lot::Mutex;

use super::shared_socket::SharedSocket;
use crate::core::{Demand, DemandHandler, PublisherAction, PublisherState, TrackState};
use crate::zmq::now::now;
use crate::zmq::upstream;
use crate::zmq::wake::Wake;

/// Messages from upstream that are processed before the catalog has its turn again.
const UPSTREAM_PER_TURN: usize = 4096;

/// A command to the bus thread.
pub(crate) enum PublisherCommand {
    Track(Arc<TrackState>, DemandHandler),
    Stop,
}

pub(crate) struct PublisherThread {
    socket: SharedSocket,
    state: PublisherState,
    streams: Arc<Mutex<Vec<StreamEntry>>>,
    commands: Receiver<PublisherCommand>,
    wake: Wake,
    /// The tracks and their handlers, in the order in which they were opened.
    tracks: Vec<(Arc<TrackState>, DemandHandler)>,
}

impl PublisherThread {
    pub(crate) fn new(
        socket: SharedSocket,
        epoch: Epoch,
        name: &str,
        streams: Arc<Mutex<Vec<StreamEntry>>>,
        commands: Receiver<PublisherCommand>,
        wake: Wake,
    ) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let publisher = format!("{name} on {host} (pid {})", std::process::id());
        let state = PublisherState::new(epoch, publisher, Instant::now());
        Self { socket, state, streams, commands, wake, tracks: Vec::new() }
    }

    pub(crate) fn run(mut self) {
        loop {
            self.wait();
            self.wake.clear();
            self.receive();
            self.log_ignored();
            if !self.execute_commands() {
                return;
            }
            self.announce_when_due();
        }
    }

    fn wait(&self) {
        let Some(fd) = self.socket.fd().filter(|_| !self.socket.has_input()) else { return };
        let now = Instant::now();
        let until = self.state.next_announcement().unwrap_or(now).saturating_duration_since(now);
        let mut items = [
            zmq::PollItem::from_fd(fd, zmq::POLLIN),
            zmq::PollItem::from_fd(self.wake.fd(), zmq::POLLIN),
        ];
        // Rounded up: otherwise the last millisecond is spent spinning. An interrupted wait is a short one.
        let _ = zmq::poll(&mut items, until.as_millis() as i64 + 1);
    }

    fn receive(&mut self) {
        for _ in 0..UPSTREAM_PER_TURN {
            let Some(mut message) = self.socket.receive() else { return };
            let now = now();
            let actions = self.state.receive(upstream::read(&mut message), now.instant);
            actions.into_iter().for_each(|action| self.act(action, now.wall));
        }
    }

    fn act(&mut self, action: PublisherAction, received_at: Timestamp) {
        match action {
            PublisherAction::Watched { track, watched } => self.set_watched(track, watched),
            PublisherAction::Keyframe { track } => (self.tracks[track].1)(Demand::Keyframe),
            PublisherAction::AnswerClock { asker, asked_at } => {
                let answer = Answer::Clock { asked_at, received_at, answered_at: clock::now() };
                self.send(ReservedTopic::Answer(asker), answer.encode());
            }
        }
    }

    fn set_watched(&mut self, track: usize, watched: bool) {
        let (track, on_demand) = &mut self.tracks[track];
        track.set_watched(watched);
        on_demand(if watched { Demand::Watched } else { Demand::Unwatched });
    }

    fn log_ignored(&mut self) {
        if let Some(ignored) = self.state.take_ignored(Instant::now()) {
            tracing::warn!(
                ignored,
                "ignored requests or subscriptions of peers: too many, too long, or malformed"
            );
        }
    }

    /// Executes the commands that wait. Returns false at the command to stop.
    fn execute_commands(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                PublisherCommand::Track(track, on_demand) => {
                    let watched = self.state.open(track.topic(), track.topic_bytes());
                    self.tracks.push((track, on_demand));
                    if watched {
                        self.set_watched(self.tracks.len() - 1, true);
                    }
                }
                PublisherCommand::Stop => return false,
            }
        }
        true
    }

    fn announce_when_due(&mut self) {
        let catalog = {
            let streams = self.streams.lock();
            self.state.announcement(&streams, Instant::now()).map(Catalog::encode)
        };
        if let Some(catalog) = catalog {
            self.send(ReservedTopic::Catalog, catalog);
        }
    }

    fn send(&self, topic: ReservedTopic, body: Vec<u8>) {
        self.socket.send([topic.to_string().into_bytes().into(), body.into()]);
    }
}
