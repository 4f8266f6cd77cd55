//! Accepting connections and speaking HTTP/1 on them.
//!
//! `axum::serve` offers neither time-outs nor socket options nor a bound on what hyper holds back, so the accept loop
//! is our own.
//!
//! - [`listen`] and [`congestion`]: the port, and how its connections send;
//! - [`loops`]: the threads on which viewers are served;
//! - [`Socket`]: one connection, and [`Link`], through which it is written to;
//! - [`take_over`]: connections that leave HTTP behind, and [`PacedWriter`], by which they send;
//! - [`queue_estimate`]: whether another frame would reach the viewer soon, and [`promise`], which ends its waits should it fail to.

pub mod congestion;
mod descriptors;
mod link_monitor;
mod listen;
mod promise;
pub mod queue_estimate;
#[cfg(test)]
pub(crate) mod simulated;
mod socket;
mod stream;
mod tcp_info;
pub mod threads;
mod upgrade;
mod writer;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::limits::{LimitReached, Limits, Permit};
use crate::wake::ThreadDispatcher;
use threads::ServingThreads;

pub use descriptors::{fit as fit_descriptors, reserve as reserve_descriptors};
pub use listen::listen;
pub use socket::Socket;
pub use stream::Link;
use upgrade::Upgrade;
pub use upgrade::{Raw, take_over};
pub use writer::{PacedWriter, Wait};

/// A request's head, and an idle connection's next one, must be whole within this time.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer under way may take when the relay ends.
const GRACE: Duration = Duration::from_millis(500);
/// Largest request head, in bytes. hyper bounds by the same number what it holds back of an answer.
pub const MAX_HEAD: usize = 16 * 1024;
/// Most header lines of a request.
pub const MAX_HEADERS: usize = 64;

/// The connection a request came on, as an extension of it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The connection.
    pub socket: Arc<Socket>,
    /// What rings the waiters of the thread that serves it.
    pub dispatcher: Arc<ThreadDispatcher>,
}

/// Accepts connections until `stop`, and has them served by `loops`; every one becomes a task of `tasks`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    loops: Arc<ServingThreads>,
    limits: Arc<Limits>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let place = match limits.connect(address.ip()) {
            Ok(place) => place,
            Err(full) => {
                refuse(&stream, address, full);
                continue;
            }
        };
        // It leaves this thread's poller, and enters that of the one that will serve it.
        let Ok(stream) = stream.into_std() else { continue };
        let serving = loops.next();
        let connection =
            Arriving { stream, address, place, dispatcher: serving.dispatcher().clone() };
        serving.spawn(tasks.track_future(connection.serve(
            router.clone(),
            stop.clone(),
            tasks.clone(),
        )));
    }
}

/// The answer to a connection beyond the limit, whatever it would have asked for.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 41\r\nretry-after: 10\r\nconnection: close\r\n\r\n\
    this relay has too many connections now\r\n";

/// Closes a connection unheard. To hear it would cost what the limit saves, so one write must do: the buffer of a new
/// connection is empty, but a request that is on its way may still make the kernel answer with a reset.
fn refuse(stream: &TcpStream, address: SocketAddr, full: LimitReached) {
    let _ = rustix::io::write(stream, TOO_MANY);
    match full {
        LimitReached::Total(limit) => {
            tracing::warn!(limit, "too many connections: some are closed unheard");
        }
        LimitReached::PerAddress(limit) => tracing::warn!(
            client = %address.ip(),
            limit,
            "too many connections from one address: some are closed unheard"
        ),
    }
}

/// Out of descriptors or the like: accepting again at once would only spin.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// A connection that was accepted, on its way to the thread that will serve it.
struct Arriving {
    stream: std::net::TcpStream,
    address: SocketAddr,
    place: Permit,
    dispatcher: Arc<ThreadDispatcher>,
}

impl Arriving {
    async fn serve(self, router: Router, stop: CancellationToken, tasks: TaskTracker) {
        let Self { stream, address, place, dispatcher } = self;
        let socket = TcpStream::from_std(stream).and_then(|stream| Socket::new(stream, address));
        // A client that is gone already is nobody to tell.
        let Ok(socket) = socket.map(Arc::new) else { return };
        let link = Link::new(socket.clone(), place);
        speak_http(link, Connection { socket, dispatcher }, router, stop, tasks).await;
    }
}

async fn speak_http(
    link: Link,
    connection: Connection,
    router: Router,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let (socket, takeover) = (connection.socket.clone(), Upgrade::default());
    let service = hyper::service::service_fn({
        let takeover = takeover.clone();
        move |request: Request<Incoming>| {
            Box::pin(answer(request, connection.clone(), router.clone(), takeover.clone()))
        }
    });
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(link), service);
    let mut ends = poll_fn(|cx| match http.poll_without_shutdown(cx) {
        // What hyper still has of an earlier answer goes first.
        Poll::Pending if takeover.is_now() && !socket.is_blocked() => Poll::Ready(Ok(())),
        other => other,
    });
    let ended = tokio::select! {
        ended = &mut ends => ended,
        () = stop.cancelled() => {
            drop(ends);
            Pin::new(&mut http).graceful_shutdown();
            // What is under way may end well; a request half sent, or a viewer that takes nothing, is cut off.
            return drop(tokio::time::timeout(GRACE, http).await);
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %socket.client, error = %chain(&error), "a connection ended early");
        return;
    }
    let parts = http.into_parts();
    if let Some(task) = takeover.go(parts.io.into_inner(), parts.read_buf) {
        // A task of its own: this one has room for all that HTTP needs, and ends here.
        tasks.spawn(task);
    }
}

async fn answer(
    mut request: Request<Incoming>,
    connection: Connection,
    router: Router,
    takeover: Upgrade,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(connection);
    let only_head = request.method() == Method::HEAD;
    let mut answer = router.oneshot(request.map(Body::new)).await?;
    if only_head {
        // There is nothing to come after it.
        answer.extensions_mut().clear();
    }
    match takeover.look_at(answer) {
        Some(answer) => Ok(answer),
        None => std::future::pending().await,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
