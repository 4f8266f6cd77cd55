//! Sending on a connection, from two places: the thread's dispatcher and the connection's task.
//!
//! When a frame arrives, the dispatcher of the thread usually sends it without waking the connection's task. The task
//! does everything that has to wait: it reads from the client, writes what the kernel did not accept, and sends at due
//! times.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::connection::{PacedWriter, SendTime};
use crate::hub::{Frame, NextSend, Viewer};
use crate::stats::labels::{CloseReason, DropReason};
use crate::wake::{InlineHandler, Waker};

/// Time that a message in progress gets when the relay shuts down, before the connection is reset.
const GRACE: Duration = Duration::from_millis(500);

/// A protocol that decides what to send on a connection. Sending must not wait; the writer queues the bytes that the
/// kernel does not accept.
pub trait FrameProtocol: Send + 'static {
    /// Sends what is due, at most one frame of it. Called only when everything sent before is with the kernel.
    ///
    /// # Errors
    /// Fails if the connection is gone or the client read nothing for too long.
    fn send_next(&mut self, writer: &mut PacedWriter) -> io::Result<Resume>;

    /// Notes backpressure: the last message had to wait for the client.
    fn on_backpressure(&mut self);

    /// Notes that the connection is closed, and the reason.
    fn on_close(&mut self, reason: CloseReason);

    /// Returns the waker that fires when there may be something to send.
    fn waker(&self) -> &Waker;
}

/// Sends the next frame of a connection's only viewer, if the link accepts one.
///
/// # Errors
/// Fails as [`FrameProtocol::send_next`] does.
pub fn send_next_frame(
    viewer: &mut Viewer,
    writer: &mut PacedWriter,
    send: impl FnOnce(&mut PacedWriter, &Frame) -> io::Result<()>,
) -> io::Result<Resume> {
    let now = clock::now();
    match writer.pace(now, || viewer.has_due_frame(now))? {
        SendTime::Now => {}
        SendTime::HoldUntil(later) => {
            viewer.set_drop_reason(DropReason::Link);
            return Ok(Resume::At(later));
        }
        SendTime::Overdue => viewer.mark_overdue(now),
    }
    match viewer.next(now) {
        NextSend::Frame { frame, has_newer } => {
            send(writer, &frame)?;
            Ok(if has_newer { Resume::Soon } else { Resume::OnWake })
        }
        NextSend::At(due) => Ok(Resume::At(due)),
        NextSend::Nothing => Ok(Resume::OnWake),
    }
}

/// The moment at which a connection resumes sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Send again soon: there may be more, but the client and the thread's other connections come first.
    Soon,
    /// Send at this moment, or earlier if the waker fires.
    At(Timestamp),
    /// Send when the waker fires.
    OnWake,
}

/// A protocol and its writer, shared by dispatcher and task. The mutex is never held across a wait, and both run on the
/// same thread, so neither ever waits for it.
pub struct SendHandle<P>(Mutex<SendState<P>>);

impl<P> fmt::Debug for SendHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHandle").finish_non_exhaustive()
    }
}

struct SendState<P> {
    protocol: P,
    writer: PacedWriter,
    /// The error of a send by the dispatcher, kept for the task.
    failed: Option<io::Error>,
    /// The moment of the next send, if the task knows it.
    due_at: Option<Timestamp>,
    /// Set while the protocol sends. If it is set before a send, an earlier send has panicked and the state is
    /// unusable.
    sending: bool,
}

impl<P: FrameProtocol> SendState<P> {
    fn send_next(&mut self) -> io::Result<Resume> {
        if std::mem::replace(&mut self.sending, true) {
            return Err(io::Error::other("an earlier send on this connection panicked"));
        }
        let next = self.protocol.send_next(&mut self.writer);
        self.sending = false;
        next
    }
}

impl<P: FrameProtocol> SendHandle<P> {
    /// Returns a handle that sends frames as they arrive. The task that holds it does everything else.
    pub fn new(protocol: P, writer: PacedWriter) -> Arc<Self> {
        let waker = protocol.waker().clone();
        let state = SendState { protocol, writer, failed: None, due_at: None, sending: false };
        let handle = Arc::new(Self(Mutex::new(state)));
        waker.set_inline_handler(&handle);
        handle
    }

    /// Runs a function on protocol and writer.
    pub fn with<T>(&self, act: impl FnOnce(&mut P, &mut PacedWriter) -> T) -> T {
        let SendState { protocol, writer, .. } = &mut *self.lock();
        act(protocol, writer)
    }

    /// Sends once, and waits until the kernel has accepted all of it. Returns when to send again.
    ///
    /// # Errors
    /// Fails if the connection is gone, the client read nothing for too long, or `stop` came in the middle of a
    /// message.
    pub async fn send(&self, stop: &CancellationToken) -> io::Result<Resume> {
        self.flush(stop).await?;
        let (next, flushed) = self.send_once()?;
        if flushed {
            return Ok(next);
        }
        self.flush(stop).await?;
        // Wake-ups during the flush were not delivered, because this task continues by itself.
        Ok(Resume::Soon)
    }

    /// Sends once if the kernel has accepted everything sent before. Returns when to send again; `None` if the rest
    /// must be flushed first ([`Self::flush`]).
    ///
    /// # Errors
    /// Fails if the connection is gone or the client read nothing for too long.
    pub fn try_send(&self) -> io::Result<Option<Resume>> {
        if !self.lock().writer.is_flushed() {
            return Ok(None);
        }
        let (next, flushed) = self.send_once()?;
        Ok(flushed.then_some(next))
    }

    /// Returns whether to read from the client: a few replies may be queued behind a frame, but not more.
    pub fn accepts_replies(&self) -> bool {
        self.lock().writer.accepts_replies()
    }

    fn send_once(&self) -> io::Result<(Resume, bool)> {
        let state = &mut *self.lock();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        let next = state.send_next()?;
        state.due_at = match next {
            Resume::At(due) => Some(due),
            Resume::Soon | Resume::OnWake => None,
        };
        Ok((next, state.writer.is_flushed()))
    }

    /// Notes that the connection is closed; each of its viewers is counted under the reason.
    pub fn close(&self, reason: CloseReason) {
        self.with(|protocol, _| protocol.on_close(reason));
    }

    /// Writes what the kernel did not accept when it was sent.
    ///
    /// # Errors
    /// Fails if the connection is gone, the client read nothing for too long, or `stop` came in the middle of a
    /// message.
    pub async fn flush(&self, stop: &CancellationToken) -> io::Result<()> {
        if self.lock().writer.is_flushed() {
            return Ok(());
        }
        tokio::select! {
            biased;
            flushed = poll_fn(|cx| self.lock().writer.poll_flush(cx)) => flushed?,
            () = grace_after(stop) => {
                return Err(io::Error::other("the relay shut down in the middle of a message"));
            }
        }
        self.with(|protocol, writer| {
            if writer.take_blocked() {
                protocol.on_backpressure();
            }
        });
        Ok(())
    }

    /// Resets the connection in the middle of whatever is in flight; returns the reason.
    pub fn abort(&self, stop: &CancellationToken) -> CloseReason {
        let writer = &self.lock().writer;
        let reason = match (writer.has_stalled(), stop.is_cancelled()) {
            (true, _) => CloseReason::Stalled,
            (false, true) => CloseReason::Ending,
            (false, false) => CloseReason::Left,
        };
        writer.reset();
        reason
    }

    fn lock(&self) -> MutexGuard<'_, SendState<P>> {
        self.0.lock()
    }
}

impl<P: FrameProtocol> InlineHandler for SendHandle<P> {
    fn handle(&self) -> bool {
        let state = &mut *self.lock();
        // The task is flushing an earlier message and will continue by itself.
        if !state.writer.is_flushed() {
            return state.failed.is_none();
        }
        match state.send_next() {
            Ok(Resume::OnWake) => state.writer.is_flushed(),
            Ok(Resume::At(due)) if state.writer.is_flushed() && state.due_at == Some(due) => true,
            Ok(_) => false,
            Err(error) => {
                state.failed = Some(error);
                false
            }
        }
    }
}

async fn grace_after(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Yields once to the other tasks of this thread.
pub async fn requeue() {
    let mut again = true;
    poll_fn(|cx| {
        if std::mem::take(&mut again) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// A timer that is reset only when its deadline changes. Most of the time the deadline is the same distant one.
#[derive(Debug)]
pub struct SendTimer {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl SendTimer {
    /// Returns a timer with this deadline.
    pub fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)), at }
    }

    /// Waits until the next send, and at most until `latest`. Returns whether the next send came first.
    pub async fn wait(&mut self, next: Resume, latest: Instant) -> bool {
        let due = match next {
            Resume::At(due) => Instant::now() + due.since(clock::now()),
            Resume::Soon | Resume::OnWake => latest,
        };
        let at = due.min(latest);
        if at != self.at {
            self.sleep.as_mut().reset(at);
            self.at = at;
        }
        self.sleep.as_mut().await;
        at < latest
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::connection::{ClientStream, Socket};
    use crate::limits::Limits;

    struct Panics(Waker);

    impl FrameProtocol for Panics {
        fn send_next(&mut self, _: &mut PacedWriter) -> io::Result<Resume> {
            panic!("a fault in one viewer");
        }

        fn on_backpressure(&mut self) {}

        fn on_close(&mut self, _: CloseReason) {}

        fn waker(&self) -> &Waker {
            &self.0
        }
    }

    #[tokio::test]
    async fn a_send_that_panicked_in_the_dispatcher_ends_the_task_of_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let (stream, client) = listener.accept().await.unwrap();
        let permit = Limits::new(1, 1).connect(client.ip()).unwrap();
        let socket = Arc::new(Socket::new(stream, client, None));
        let writer = PacedWriter::new(ClientStream::new(socket, permit));
        let handle = SendHandle::new(Panics(Waker::new(Arc::default())), writer);
        assert!(catch_unwind(AssertUnwindSafe(|| handle.handle())).is_err());
        let error = handle.send(&CancellationToken::new()).await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}
