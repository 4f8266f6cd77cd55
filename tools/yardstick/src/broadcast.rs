//! The simple server, as in examples: an axum WebSocket for each viewer, and one tokio broadcast channel.
//!
//! It has the usual improvements: `TCP_NODELAY` is set, the payload is shared until axum takes it, and a viewer that
//! lags continues instead of being disconnected.

use std::net::TcpListener;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use fanlight_cli::stop::Shutdown;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use crate::payload::Made;
use crate::{pacing, payload};

/// Capacity of the channel in frames: the number in tokio's own examples.
const CAPACITY: usize = 16;

/// Serves `/ws` on `listener` until `stop` is requested: every frame is one binary message.
///
/// # Errors
/// Fails if the system refuses threads or the listener.
pub fn serve(
    listener: TcpListener,
    made: Made,
    threads: usize,
    stop: &Shutdown,
) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let frames = Sender::new(CAPACITY);
    let routes = Router::new().route("/ws", get(upgrade)).with_state(frames.clone());
    listener.set_nonblocking(true)?;
    let listener = {
        let _guard = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let listener = listener.tap_io(|stream| {
        // It fails only on a connection that is already closed.
        let _ = stream.set_nodelay(true);
    });
    runtime.spawn(async move { axum::serve(listener, routes).await });
    pacing::keep(made.fps, stop, |number| {
        let payload = payload::stamped(made.bytes, number, payload::now());
        // Fails if there is no viewer.
        let _ = frames.send(Bytes::from(payload));
    });
    runtime.shutdown_background();
    Ok(())
}

async fn upgrade(State(frames): State<Sender<Bytes>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| show(socket, frames.subscribe()))
}

async fn show(mut socket: WebSocket, mut frames: Receiver<Bytes>) {
    loop {
        let frame = match frames.recv().await {
            Ok(frame) => frame,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if socket.send(Message::Binary(frame)).await.is_err() {
            return;
        }
    }
}
