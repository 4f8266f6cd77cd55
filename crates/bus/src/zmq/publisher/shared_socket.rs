//! The publisher's socket, shared by all threads that send. Each sends on its own thread: waking another thread would cost
//! more than sending does.
//!
//! A ZeroMQ socket may move between threads if a lock orders their use. No thread waits while it holds the lock: the bus
//! thread waits, without it, for the descriptor that ZeroMQ names. That descriptor reports only events that no thread has
//! looked at yet, and sending looks at them (zmq_getsockopt(3), ZMQ_FD). So each sender checks for input afterwards, and
//! wakes the bus thread if there is any.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;

use parking_lot::Mutex;

use super::bound::Bound;
use crate::zmq::wake::Wake;

/// Shared by all threads that send; empty after the publisher has ended.
#[derive(Clone)]
pub(crate) struct SharedSocket {
    bound: Arc<Mutex<Option<Bound>>>,
    wake: Wake,
}

impl SharedSocket {
    pub(crate) fn new(bound: Bound, wake: Wake) -> Self {
        Self { bound: Arc::new(Mutex::new(Some(bound))), wake }
    }

    /// Sends a frame as topic, header and payload. Returns false if the publisher has ended.
    pub(crate) fn send_frame(&self, topic: &[u8], header: Vec<u8>, payload: Vec<u8>) -> bool {
        self.send([topic.into(), header.into(), payload.into()])
    }

    /// Sends one message. Returns false if the publisher has ended. XPUB never blocks: for a subscriber at its high-water
    /// mark it drops the message, and the subscriber counts it as lost.
    pub(super) fn send<const PARTS: usize>(&self, parts: [zmq::Message; PARTS]) -> bool {
        let bound = self.bound.lock();
        let Some(Bound { socket, .. }) = &*bound else { return false };
        if let Err(error) = socket.send_multipart(parts, zmq::DONTWAIT) {
            tracing::warn!(%error, "cannot send a message on the bus");
        }
        if has_input(socket) {
            self.wake.wake();
        }
        true
    }

    /// Returns the next message from upstream, if there is one.
    pub(super) fn receive(&self) -> Option<zmq::Message> {
        self.bound.lock().as_ref()?.socket.recv_msg(zmq::DONTWAIT).ok()
    }

    /// Returns whether a message from upstream waits. If none does, the descriptor or a sender reports the next one.
    pub(super) fn has_input(&self) -> bool {
        self.bound.lock().as_ref().is_some_and(|bound| has_input(&bound.socket))
    }

    /// Returns the descriptor that becomes readable at an event; `None` after the publisher has ended.
    pub(super) fn fd(&self) -> Option<RawFd> {
        self.bound.lock().as_ref()?.socket.get_fd().ok()
    }

    /// Releases the endpoints.
    pub(crate) fn close(&self) {
        self.bound.lock().take();
    }
}

fn has_input(socket: &zmq::Socket) -> bool {
    socket.get_events().is_ok_and(|events| events.contains(zmq::POLLIN))
}

impl fmt::Debug for SharedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSocket").finish_non_exhaustive()
    }
}
