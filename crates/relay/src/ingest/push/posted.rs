//! Streams whose frames come in requests of their own, as of `curl -T` and of many microcontrollers: between two requests, a
//! stream waits here for the next one.

use std::collections::HashMap;

use fanlight_protocol::StreamName;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::stream::PushedStream;
use crate::addresses::ClientAddress;
use crate::stats::labels::PushEnd;

/// The client that posts a stream: the next request must come from the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poster {
    /// The name of its access entry.
    pub access: Option<String>,
    /// Its address.
    pub address: ClientAddress,
}

/// The streams that wait for their next request.
#[derive(Debug, Default)]
pub struct PostedStreams(Mutex<HashMap<StreamName, Waiting>>);

#[derive(Debug)]
struct Waiting {
    stream: PushedStream,
    poster: Poster,
    until: Instant,
    /// Ends the stream if its client loses the right to publish. Aborted with the wait.
    right: Option<AbortOnDropHandle<()>>,
}

impl PostedStreams {
    /// Takes a stream that waits for a request of this client.
    pub fn take(&self, name: &StreamName, poster: &Poster) -> Option<PushedStream> {
        let mut waiting = self.0.lock();
        let is_next = |known: &Waiting| known.poster == *poster && !known.stream.is_replaced();
        waiting.get(name).filter(|known| is_next(known))?;
        waiting.remove(name).map(|known| known.stream)
    }

    /// Lets a stream wait for the next frame of its client: five of its intervals, at least 5 s and at most 60 s, from the
    /// newest frame on.
    pub fn wait(&self, stream: PushedStream, poster: Poster) {
        let until = stream.silent_from();
        let name = stream.name().clone();
        let before = self.0.lock().insert(name, Waiting { stream, poster, until, right: None });
        // The stream that it replaced ends outside of the lock.
        drop(before);
    }

    /// Watches the client's right while the stream waits: `task` ends the stream with [`Self::withdraw`].
    pub fn watch(&self, name: &StreamName, task: AbortOnDropHandle<()>) {
        if let Some(waiting) = self.0.lock().get_mut(name) {
            waiting.right = Some(task);
        }
    }

    /// Ends a stream that waits, because this client may not publish it any more.
    pub fn withdraw(&self, name: &StreamName, poster: &Poster) {
        let mut waiting = self.0.lock();
        let is_of_client = waiting.get(name).is_some_and(|known| known.poster == *poster);
        let over = if is_of_client { waiting.remove(name) } else { None };
        drop(waiting);
        over.into_iter().for_each(|waiting| waiting.stream.end(PushEnd::Withdrawn));
    }

    /// Ends streams whose next request does not come. Called once a second.
    pub(in crate::ingest) fn end_silent(&self, now: Instant) {
        let is_over =
            |_: &StreamName, known: &mut Waiting| now >= known.until || known.stream.is_replaced();
        let over: Vec<Waiting> =
            self.0.lock().extract_if(is_over).map(|(_, waiting)| waiting).collect();
        over.into_iter().for_each(|waiting| waiting.stream.end(PushEnd::Silent));
    }
}
