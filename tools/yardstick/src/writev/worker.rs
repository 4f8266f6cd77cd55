//! A thread that serves its share of the connections.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use super::connection::Connection;
use super::outbox::Frame;

/// Most events per poll.
const EVENTS: usize = 1024;

/// Token of the wake-up event in epoll; connections have their index as token.
const BELL: u64 = u64::MAX;

/// A running thread. Dropping it ends the thread and closes its connections.
#[derive(Debug)]
pub(super) struct Worker {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

/// The messages to a worker that it has not taken yet, and the event that wakes it.
#[derive(Debug)]
struct Mailbox {
    letters: Mutex<Letters>,
    bell: OwnedFd,
}

#[derive(Debug, Default)]
struct Letters {
    joined: Vec<Connection>,
    newest: Option<Arc<Frame>>,
    end: bool,
}

impl Mailbox {
    fn write(&self, write: impl FnOnce(&mut Letters)) {
        write(&mut self.letters.lock());
        // It fails only after 2^64 wake-ups.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn take(&self) -> Letters {
        std::mem::take(&mut self.letters.lock())
    }
}

impl Worker {
    /// Starts the worker with this number.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let mailbox = Arc::new(Mailbox { letters: Mutex::default(), bell });
        let share = Share::new(mailbox.clone())?;
        let name = format!("worker-{number}");
        let thread = std::thread::Builder::new().name(name).spawn(move || share.serve())?;
        Ok(Self { mailbox, thread: Some(thread) })
    }

    /// Takes over a connection.
    pub(super) fn take(&self, connection: Connection) {
        self.mailbox.write(|letters| letters.joined.push(connection));
    }

    /// Sends a frame to all its connections.
    pub(super) fn show(&self, frame: Arc<Frame>) {
        self.mailbox.write(|letters| letters.newest = Some(frame));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.mailbox.write(|letters| letters.end = true);
        if let Some(thread) = self.thread.take() {
            // A panic was already printed on stderr.
            let _ = thread.join();
        }
    }
}

/// The connections of one worker.
struct Share {
    mailbox: Arc<Mailbox>,
    epoll: OwnedFd,
    places: Vec<Option<Connection>>,
}

impl Share {
    fn new(mailbox: Arc<Mailbox>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // Edge-triggered: every wake-up is a separate event, so the number need not be read.
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &mailbox.bell, EventData::new_u64(BELL), flags)?;
        Ok(Self { mailbox, epoll, places: Vec::new() })
    }

    fn serve(mut self) {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("epoll_wait: {error}"),
            }
            let mut rung = false;
            for event in &events {
                // A packed struct: its fields are copied out.
                let (flags, number) = (event.flags, event.data.u64());
                match number {
                    BELL => rung = true,
                    place => self.attend(place as usize, flags),
                }
            }
            if rung && self.read_letters() {
                return;
            }
        }
    }

    /// Handles an event: a connection accepts more bytes, or has ended.
    fn attend(&mut self, place: usize, flags: EventFlags) {
        let ended = EventFlags::ERR | EventFlags::HUP | EventFlags::RDHUP;
        let Some(connection) = &mut self.places[place] else { return };
        if flags.intersects(ended) || connection.send().is_err() {
            self.places[place] = None;
        }
    }

    /// Takes new connections and the newest frame. Returns whether the worker must stop.
    fn read_letters(&mut self) -> bool {
        let letters = self.mailbox.take();
        letters.joined.into_iter().for_each(|connection| self.join(connection));
        if let Some(frame) = letters.newest {
            for place in &mut self.places {
                if place.as_mut().is_some_and(|viewer| viewer.show(frame.clone()).is_err()) {
                    *place = None;
                }
            }
        }
        letters.end
    }

    fn join(&mut self, connection: Connection) {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        let flags = EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(place as u64);
        if epoll::add(&self.epoll, connection.stream(), data, flags).is_err() {
            // Out of memory or watches: the worker serves one connection fewer.
            return;
        }
        match self.places.get_mut(place) {
            Some(free) => *free = Some(connection),
            None => self.places.push(Some(connection)),
        }
    }
}
