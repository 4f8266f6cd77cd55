//! HTTP/1 on one connection, until the connection ends or leaves HTTP.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, header};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::upgrade::Upgrade;
use super::{ClientStream, Connection, Socket};

/// Time within which a request's head must be complete, and within which an idle connection must send its next request.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest request head, in bytes. hyper applies the same bound to the part of a response that it buffers.
pub const MAX_HEAD: usize = 16 * 1024;
/// Most header lines of a request.
pub const MAX_HEADERS: usize = 64;
/// Longest time for which the body of a request is discarded after the answer that refuses it.
const LINGER: Duration = Duration::from_secs(1);
/// Time that a response in progress gets when the relay shuts down.
const GRACE: Duration = Duration::from_millis(500);

/// Serves HTTP/1 until the connection ends, leaves HTTP or `stop` is set.
pub(super) async fn serve(
    stream: ClientStream,
    connection: Connection,
    router: Router,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let (socket, upgrade) = (connection.socket.clone(), Upgrade::default());
    let service = hyper::service::service_fn({
        let upgrade = upgrade.clone();
        move |request: Request<Incoming>| {
            Box::pin(respond(request, connection.clone(), router.clone(), upgrade.clone()))
        }
    });
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut end = poll_fn(|cx| match http.poll_without_shutdown(cx) {
        // hyper first writes what it has buffered of an earlier response.
        Poll::Pending if upgrade.is_immediate() && !socket.is_blocked() => Poll::Ready(Ok(())),
        other => other,
    });
    let ended = tokio::select! {
        ended = &mut end => ended,
        () = stop.cancelled() => {
            drop(end);
            Pin::new(&mut http).graceful_shutdown();
            // A response in progress may finish; a half-sent request or a client that reads nothing is cut off.
            return drop(tokio::time::timeout(GRACE, http).await);
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %socket.client, error = %chain(&error), "connection ended early");
        return;
    }
    let (parts, has_unread_body) = (http.into_parts(), upgrade.has_unread_body());
    if let Some(task) = upgrade.into_task(parts.io.into_inner(), parts.read_buf) {
        // It becomes a task of its own: this one reserves the memory that HTTP needs, and ends here.
        tasks.spawn(task);
    } else if has_unread_body {
        drop(tokio::time::timeout(LINGER, discard(&socket)).await);
    } else {
        socket.end_encryption();
    }
}

/// Lets a client read the answer that refuses its body: with unread bytes, the kernel would close with a reset, which may
/// discard the answer.
async fn discard(socket: &Socket) {
    // It fails only on a socket that is gone.
    let _ = socket.shut_down();
    let mut bytes = [0; 4096];
    loop {
        if poll_fn(|cx| socket.poll_readable(cx)).await.is_err() {
            return;
        }
        match socket.try_read(&mut bytes) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            Ok(_) | Err(_) => {}
        }
    }
}

async fn respond(
    mut request: Request<Incoming>,
    connection: Connection,
    router: Router,
    upgrade: Upgrade,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(connection);
    let has_body = !request.body().is_end_stream();
    let is_head = request.method() == Method::HEAD;
    let mut response = router.oneshot(request.map(Body::new)).await?;
    if is_head {
        // Nothing follows the head, so there is nothing to upgrade to.
        response.extensions_mut().clear();
    }
    let closes = response.headers().get(header::CONNECTION).is_some_and(|value| value == "close");
    upgrade.set_unread_body(has_body && closes);
    match upgrade.inspect(response) {
        Some(response) => Ok(response),
        None => std::future::pending().await,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
