//! The publisher's socket. Whoever has something to send does so on his own thread: to wake another one for it costs more
//! than sending does.
//!
//! A ZeroMQ socket may go from thread to thread where there is a lock in between. Nobody waits in it: the bus thread waits,
//! without the lock, for the descriptor that ZeroMQ names, and that one tells only of what nobody has looked at yet; to
//! send is to look (zmq_getsockopt(3), ZMQ_FD). So whoever sends asks whether something came in, and wakes the bus thread.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::thread::Bound;
use crate::wake::Wake;

/// Shared by all who send; gone once the publisher has ended.
#[derive(Clone)]
pub(super) struct SharedSocket {
    bound: Arc<Mutex<Option<Bound>>>,
    wake: Wake,
}

impl SharedSocket {
    pub(super) fn new(bound: Bound, wake: Wake) -> Self {
        Self { bound: Arc::new(Mutex::new(Some(bound))), wake }
    }

    /// Sends one message; false where the publisher has ended. XPUB never blocks: for a subscriber at its high-water mark
    /// the message is dropped, and that one counts it lost.
    pub(super) fn send<const PARTS: usize>(&self, parts: [zmq::Message; PARTS]) -> bool {
        let bound = self.lock();
        let Some(Bound { socket, .. }) = &*bound else { return false };
        if let Err(error) = socket.send_multipart(parts, zmq::DONTWAIT) {
            tracing::warn!(%error, "a message was not sent");
        }
        if has_input(socket) {
            self.wake.wake();
        }
        true
    }

    /// The next message from upstream, if there is one.
    pub(super) fn receive(&self) -> Option<zmq::Message> {
        self.lock().as_ref()?.socket.recv_msg(zmq::DONTWAIT).ok()
    }

    /// Whether a message from upstream waits. Where none does, the descriptor will tell of the next one, or else a sender.
    pub(super) fn has_input(&self) -> bool {
        self.lock().as_ref().is_some_and(|bound| has_input(&bound.socket))
    }

    /// What becomes readable when something happened; `None` once the publisher has ended.
    pub(super) fn fd(&self) -> Option<RawFd> {
        self.lock().as_ref()?.socket.get_fd().ok()
    }

    /// Releases the endpoints.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Bound>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
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
