//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::threads::ServingThreads;
use super::tls::{TlsSession, TlsSettings};
use super::{ClientStream, Connection, Socket, http, prepare, tls};
use crate::limits::{LimitReached, Limits, Permit};
use crate::wake::ThreadDispatcher;

/// Accepts connections until `stop` and spreads them over `threads`; each becomes a task of `tasks`. With `tls`, they may
/// be encrypted.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    threads: Arc<ServingThreads>,
    limits: Arc<Limits>,
    stop: CancellationToken,
    tasks: TaskTracker,
    tls: Option<Arc<TlsSettings>>,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let permit = match limits.connect(address.ip()) {
            Ok(permit) => permit,
            Err(limit) => {
                refuse(&stream, address, limit);
                continue;
            }
        };
        // The socket leaves this thread's poller. It is registered with the poller of the thread that will serve it.
        let Ok(stream) = stream.into_std() else { continue };
        let thread = threads.next();
        let connection =
            AcceptedConnection { stream, address, permit, dispatcher: thread.dispatcher().clone() };
        let tls = tls.clone();
        thread.spawn(tasks.track_future(connection.serve(
            router.clone(),
            stop.clone(),
            tasks.clone(),
            tls,
        )));
    }
}

/// The response to a connection beyond the limit, whatever it would request.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 48\r\nretry-after: 10\r\nconnection: close\r\n\r\n\
    too many connections to this relay; retry later\n";

/// Closes a connection without reading its request, which would cost what the limit saves. The response is one write:
/// the send buffer of a new connection is empty. A request that is in flight may still make the kernel send a reset
/// instead.
fn refuse(stream: &TcpStream, address: SocketAddr, limit: LimitReached) {
    let _ = rustix::io::write(stream, TOO_MANY);
    match limit {
        LimitReached::Total(limit) => {
            tracing::warn!(limit, "connection limit reached; closing further connections");
        }
        LimitReached::PerAddress(limit) => tracing::warn!(
            client = %address.ip(),
            limit,
            "connection limit of one address reached; closing its further connections"
        ),
    }
}

/// Pauses after an error such as running out of descriptors. Accepting again immediately would only spin.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// An accepted connection that moves to the thread that will serve it.
struct AcceptedConnection {
    stream: std::net::TcpStream,
    address: SocketAddr,
    permit: Permit,
    dispatcher: Arc<ThreadDispatcher>,
}

impl AcceptedConnection {
    async fn serve(
        self,
        router: Router,
        stop: CancellationToken,
        tasks: TaskTracker,
        tls: Option<Arc<TlsSettings>>,
    ) {
        let Self { stream, address, permit, dispatcher } = self;
        let Some(opened) = stop.run_until_cancelled(open(stream, tls)).await else { return };
        let (stream, session) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(client = %address, %error, "connection not opened");
                return;
            }
        };
        let socket = Arc::new(Socket::new(stream, address, session));
        let stream = ClientStream::new(socket.clone(), permit);
        http::serve(stream, Connection { socket, dispatcher }, router, stop, tasks).await;
    }
}

/// Prepares a connection, and performs the handshake of TLS if the client begins one.
async fn open(
    stream: std::net::TcpStream,
    tls: Option<Arc<TlsSettings>>,
) -> io::Result<(TcpStream, Option<TlsSession>)> {
    let stream = TcpStream::from_std(stream)?;
    prepare(&stream)?;
    let Some(settings) = tls else { return Ok((stream, None)) };
    match tokio::time::timeout(http::HEAD_TIMEOUT, tls::open(stream, &settings)).await {
        Ok(opened) => opened,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no request and no TLS within 10 s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_to_a_connection_beyond_the_limit_has_the_length_that_it_states() {
        let response = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{response}");
    }
}
