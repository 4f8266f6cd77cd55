//! Connections that leave HTTP behind: a WebSocket after its handshake, an MJPEG stream after its head.
//!
//! hyper holds 16 KiB for each connection and wakes a task for each frame. Who is sent frames for hours needs neither: a
//! handler puts what shall become of the connection beside its answer, and the connection, as it is, goes there.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;

use super::stream::Link;

/// A connection that has left HTTP behind.
#[derive(Debug)]
pub struct Raw {
    /// The connection.
    pub link: Link,
    /// What the client sent on it already.
    pub read: Bytes,
    /// An answer's head that is still to be sent; empty where it was sent.
    pub head: Bytes,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Work = Box<dyn FnOnce(Raw) -> Task + Send>;

#[derive(Clone)]
struct Beside(Arc<Mutex<Option<Work>>>);

/// An answer after which the connection becomes `work`. With status 101 the answer is sent first; with any other its
/// head is handed over, and what follows it ends with the connection. The answer's own body should be of unknown length,
/// or axum writes it into the head.
pub fn take_over<F>(mut answer: Response, work: impl FnOnce(Raw) -> F + Send + 'static) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let work: Work = Box::new(move |raw| Box::pin(work(raw)));
    answer.extensions_mut().insert(Beside(Arc::new(Mutex::new(Some(work)))));
    answer
}

/// What is to become of one connection.
#[derive(Clone, Default)]
pub(super) struct Upgrade(Arc<Mutex<Plan>>);

#[derive(Default)]
enum Plan {
    #[default]
    None,
    /// hyper sends an answer and then lets go.
    After(Work),
    /// hyper is to let go at once.
    Now(Work, Bytes),
}

impl Upgrade {
    /// Takes from an answer what its handler put beside it. `None`: hyper shall not answer, but let go.
    pub(super) fn look_at(&self, mut answer: Response) -> Option<Response> {
        let Some(Beside(beside)) = answer.extensions_mut().remove::<Beside>() else {
            return Some(answer);
        };
        let work = beside.lock().expect("no panic while it is taken").take();
        let Some(work) = work else { return Some(answer) };
        let mut plan = self.plan();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            *plan = Plan::After(work);
            return Some(answer);
        }
        *plan = Plan::Now(work, head(&answer));
        None
    }

    /// Whether hyper is to let go at once.
    pub(super) fn is_now(&self) -> bool {
        matches!(*self.plan(), Plan::Now(..))
    }

    /// Where the connection goes, if anywhere.
    pub(super) fn go(&self, link: Link, read: Bytes) -> Option<Task> {
        let (work, head) = match std::mem::take(&mut *self.plan()) {
            Plan::None => return None,
            Plan::After(work) => (work, Bytes::new()),
            Plan::Now(work, head) => (work, head),
        };
        Some(work(Raw { link, read, head }))
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.lock().expect("no panic while it is looked at")
    }
}

/// Status line and headers of an answer that ends with its connection (RFC 9112, sections 4 and 6.3).
fn head(answer: &Response) -> Bytes {
    let mut head = Vec::new();
    let mut line = |line: &[&[u8]]| {
        line.iter().for_each(|part| head.extend_from_slice(part));
        head.extend_from_slice(b"\r\n");
    };
    line(&[b"HTTP/1.1 ", answer.status().as_str().as_bytes(), b" OK"]);
    for (name, value) in answer.headers() {
        line(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    line(&[b"connection: close"]);
    head.write_all(b"\r\n").expect("writing to memory does not fail");
    head.into()
}
