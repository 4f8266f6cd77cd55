//! Streams whose frames come in requests of their own, as of `curl -T` and of many microcontrollers: between two requests, a
//! stream waits here for the next one.

use std::collections::HashMap;

use fanlight_protocol::StreamName;
use parking_lot::Mutex;
use tokio::time::Instant;

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
}

impl PostedStreams {
    /// Takes a stream that waits for a request of this client.
    pub fn take(&self, name: &StreamName, poster: &Poster) -> Option<PushedStream> {
        let mut waiting = self.0.lock();
        let is_next = |known: &Waiting| known.poster == *poster && !known.stream.is_replaced();
        waiting.get(name).filter(|known| is_next(known))?;
        waiting.remove(name).map(|known| known.stream)
    }

    /// Lets a stream wait for the next request of its client: five of its intervals, at least 5 s and at most 60 s.
    pub fn wait(&self, stream: PushedStream, poster: Poster) {
        let until = Instant::now() + stream.patience();
        let name = stream.name().clone();
        let before = self.0.lock().insert(name, Waiting { stream, poster, until });
        // The stream that it replaced ends outside of the lock.
        drop(before);
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
