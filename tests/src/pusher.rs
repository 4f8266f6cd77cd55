//! Clients that publish into a relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fanlight_timecode::Timecode;

use crate::patience::eventually;
use crate::picture;
use crate::relay::Relay;
use crate::socket::{Refused, Socket};
use crate::viewer::now;

/// Returns a JPEG with this number and the present time in it.
pub fn jpeg(number: u32) -> Vec<u8> {
    picture::jpeg(Timecode { number, time: now() })
}

/// A client that publishes pictures over a WebSocket, 30 per second, until it is dropped.
#[derive(Debug)]
pub struct Pusher {
    is_over: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Pusher {
    /// Begins to publish a stream.
    pub fn start(relay: &Relay, stream: &str) -> Self {
        let socket = open(relay, stream, "").expect("the relay accepts a publisher");
        Self::sending(socket, Duration::from_millis(33))
    }

    /// Publishes on this socket a picture in each interval.
    pub fn sending(mut socket: Socket, interval: Duration) -> Self {
        let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let thread = thread::spawn({
            let (is_over, sent) = (is_over.clone(), sent.clone());
            move || {
                let begun = Instant::now();
                while !is_over.load(Ordering::Relaxed) {
                    let number = sent.load(Ordering::Relaxed);
                    if !socket.send_binary(&jpeg(number)) {
                        return;
                    }
                    sent.store(number + 1, Ordering::Relaxed);
                    let next = begun + interval * (number + 1);
                    // A source has a pace of its own; nothing is waited for here.
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            }
        });
        Self { is_over, sent, thread: Some(thread) }
    }

    /// Waits until it has sent this many pictures.
    pub fn wait_for(&self, count: u32) {
        eventually(&format!("{count} pictures are published"), || {
            (self.sent.load(Ordering::Relaxed) >= count).then_some(())
        });
    }

    /// Waits until the relay has closed its connection.
    pub fn wait_until_closed(&self) {
        eventually("the relay closes the publisher", || {
            self.thread.as_ref().is_none_or(JoinHandle::is_finished).then_some(())
        });
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens a WebSocket that publishes a stream; `query` begins with `?` unless it is empty.
///
/// # Errors
/// Fails if the relay answers with another status.
pub fn open(relay: &Relay, stream: &str, query: &str) -> Result<Socket, Refused> {
    relay.open_websocket(&format!("/streams/{stream}/publish{query}"), &[])
}
