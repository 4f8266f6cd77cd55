//! Accepting connections and speaking HTTP/1 on them.
//!
//! `axum::serve` offers neither time-outs nor socket options nor a bound on what hyper holds back, so the accept loop
//! is our own.

mod descriptors;
mod link;
mod listen;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::limits::{Full, Limits, Permit};

pub use descriptors::raise_descriptor_limit;
pub use link::Link;
pub use listen::listen;

/// A request's head, and an idle connection's next one, must be whole within this time.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer under way may take when the relay ends.
const GRACE: Duration = Duration::from_millis(500);
/// Largest request head, in bytes. hyper bounds by the same number what it holds back of an answer, and asks a body for
/// more only below it: so of an MJPEG viewer one frame waits in user space, or 16 KiB of smaller ones.
pub const MAX_HEAD: usize = 16 * 1024;
/// Most header lines of a request.
pub const MAX_HEADERS: usize = 64;

/// The client's address, as an extension of each request.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub SocketAddr);

/// Accepts and serves connections until `stop`; every one becomes a task of `tasks`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
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
                refuse(address, full);
                continue;
            }
        };
        tasks.spawn(connection(stream, address, place, router.clone(), stop.clone()));
    }
}

/// One that is closed unheard: to answer it would cost what the limit saves.
fn refuse(address: SocketAddr, full: Full) {
    match full {
        Full::All(limit) => tracing::warn!(limit, "too many connections: some are closed unheard"),
        Full::Address(limit) => tracing::warn!(
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

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    place: Permit,
    router: Router,
    stop: CancellationToken,
) {
    // A client that is gone already is nobody to tell.
    let Ok(link) = Link::new(stream, address, place) else { return };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Client(address));
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(link), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // What is under way may end well; a request half sent, or a viewer that takes nothing, is cut off.
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %address, error = %chain(&error), "a connection ended early");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
