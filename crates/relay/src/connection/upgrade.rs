//! Connections that leave HTTP: a WebSocket after its handshake, an MJPEG stream after its head.
//!
//! hyper holds 16 KiB for each connection and wakes a task for each frame. A connection that is sent frames for hours
//! needs neither. A handler therefore attaches the rest of the connection's work to its response ([`upgrade_with`]),
//! and hyper hands the connection over.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use parking_lot::Mutex;

use super::stream::ClientStream;

/// A connection that has left HTTP.
#[derive(Debug)]
pub struct RawConnection {
    /// The byte stream.
    pub stream: ClientStream,
    /// Bytes that hyper has read from the client beyond the request.
    pub read: Bytes,
    /// The head of the response, if it must still be sent; otherwise empty.
    pub head: Bytes,
}

type BoxedTask = Pin<Box<dyn Future<Output = ()> + Send>>;
type Work = Box<dyn FnOnce(RawConnection) -> BoxedTask + Send>;

/// The work attached to a response, as an extension of it.
#[derive(Clone)]
struct Attached(Arc<Mutex<Option<Work>>>);

/// Attaches the work that takes the connection over after this response. A response with status 101 is sent first. Of
/// any other, the head is passed to `work`, and the body ends with the connection. That body must be of unknown length;
/// axum would write its length into the head.
pub fn upgrade_with<F>(
    mut response: Response,
    work: impl FnOnce(RawConnection) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let work: Work = Box::new(move |raw| Box::pin(work(raw)));
    response.extensions_mut().insert(Attached(Arc::new(Mutex::new(Some(work)))));
    response
}

/// The pending upgrade of one connection.
#[derive(Clone, Default)]
pub(super) struct Upgrade(Arc<Mutex<Pending>>, Arc<AtomicBool>);

#[derive(Default)]
enum Pending {
    #[default]
    None,
    /// hyper sends a response and then hands the connection over.
    AfterResponse(Work),
    /// hyper hands the connection over immediately; the bytes are the response's head.
    Immediate(Work, Bytes),
}

impl Upgrade {
    /// Takes the work that a handler attached to a response. Returns `None` if hyper must hand the connection over
    /// instead of responding.
    pub(super) fn inspect(&self, mut response: Response) -> Option<Response> {
        let Some(Attached(work)) = response.extensions_mut().remove::<Attached>() else {
            return Some(response);
        };
        let work = work.lock().take();
        let Some(work) = work else { return Some(response) };
        let mut pending = self.0.lock();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            *pending = Pending::AfterResponse(work);
            return Some(response);
        }
        *pending = Pending::Immediate(work, head(&response));
        None
    }

    /// Notes whether the last response refused a body that may still arrive.
    pub(super) fn set_unread_body(&self, is_unread: bool) {
        self.1.store(is_unread, Ordering::Relaxed);
    }

    /// Returns whether the last response refused a body that may still arrive.
    pub(super) fn has_unread_body(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    /// Returns whether hyper must hand the connection over immediately.
    pub(super) fn is_immediate(&self) -> bool {
        matches!(*self.0.lock(), Pending::Immediate(..))
    }

    /// Returns the task that continues the connection, if it leaves HTTP.
    pub(super) fn into_task(self, stream: ClientStream, read: Bytes) -> Option<BoxedTask> {
        let (work, head) = match std::mem::take(&mut *self.0.lock()) {
            Pending::None => return None,
            Pending::AfterResponse(work) => (work, Bytes::new()),
            Pending::Immediate(work, head) => (work, head),
        };
        Some(work(RawConnection { stream, read, head }))
    }
}

/// Returns the status line and headers of a response that ends with its connection (RFC 9112, sections 4 and 6.3).
fn head(response: &Response) -> Bytes {
    let mut head = Vec::new();
    let mut line = |line: &[&[u8]]| {
        line.iter().for_each(|part| head.extend_from_slice(part));
        head.extend_from_slice(b"\r\n");
    };
    line(&[b"HTTP/1.1 ", response.status().as_str().as_bytes(), b" OK"]);
    for (name, value) in response.headers() {
        line(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    line(&[b"connection: close"]);
    head.write_all(b"\r\n").expect("writing to memory does not fail");
    head.into()
}
