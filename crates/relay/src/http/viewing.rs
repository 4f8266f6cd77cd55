//! The answers that show a stream: MJPEG, a snapshot, a WebSocket of frames.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use tokio::time::{Instant, timeout_at};

use crate::connection::upgrade_with;
use crate::context::Context;
use crate::egress::snapshot::MaxAge;
use crate::egress::target::Target;
use crate::egress::{mjpeg, plain, snapshot};
use crate::error::Error;
use crate::http::client::{AdmittedViewer, Client, Codecs};
use crate::http::error::HttpError;
use crate::http::handshake::Handshake;
use crate::stats::labels::Transport;

/// Answers with MJPEG.
///
/// # Errors
/// Fails if the client is not admitted.
pub async fn watch_mjpeg(
    context: Arc<Context>,
    client: Client,
    target: &Target,
) -> Result<Response, HttpError> {
    let admitted = client.admit(&context, target, Transport::Mjpeg, Codecs::Jpeg).await?;
    if client.is_head {
        return Ok(mjpeg::head());
    }
    let (viewer, waker, permit) = admitted.watch();
    Ok(upgrade_with(mjpeg::head(), move |raw| async move {
        let reason = mjpeg::serve(raw, viewer, waker, &context, &client.credentials).await;
        context.closes.count(Transport::Mjpeg, reason);
        drop(permit);
    }))
}

/// Answers with the newest JPEG, for which it waits up to [`snapshot::TIMEOUT`].
///
/// # Errors
/// Fails if the client is not admitted, or if there is no picture of the age that it accepts.
pub async fn take_snapshot(
    context: &Context,
    client: &Client,
    target: &Target,
) -> Result<Response, HttpError> {
    let admitted = client.admit(context, target, Transport::Snapshot, Codecs::Jpeg).await?;
    respond(context, client, admitted, Instant::now() + snapshot::TIMEOUT).await
}

/// Does the same within a time that includes the wait for the stream.
///
/// # Errors
/// Fails like [`take_snapshot`], and if the stream is still unknown at the end of this time.
pub async fn take_snapshot_within(
    limit: Duration,
    context: &Context,
    client: &Client,
    target: &Target,
) -> Result<Response, HttpError> {
    let deadline = Instant::now() + limit;
    let admitted = client.admit(context, target, Transport::Snapshot, Codecs::Jpeg);
    let admitted = timeout_at(deadline, admitted).await.map_err(|_| {
        Error::Unavailable("the relay has just started and does not know its streams yet".into())
    })??;
    respond(context, client, admitted, deadline).await
}

async fn respond(
    context: &Context,
    client: &Client,
    admitted: AdmittedViewer,
    deadline: Instant,
) -> Result<Response, HttpError> {
    let max_age = client.query.max_age.as_deref().map(str::parse::<MaxAge>).transpose()?;
    let (viewer, waker, _permit) = admitted.watch();
    let answer = snapshot::respond(viewer.viewer, waker, max_age, deadline, &context.no_signal);
    let answer = context.stop.run_until_cancelled(answer).await;
    let answer = answer.ok_or_else(|| Error::Unavailable("the relay is shutting down".into()))?;
    Ok(answer?)
}

/// Answers with a WebSocket, each message of which is a frame.
///
/// # Errors
/// Fails if the client is not admitted.
pub async fn watch_plain(
    context: Arc<Context>,
    client: Client,
    target: &Target,
    codecs: Codecs,
    handshake: Handshake,
) -> Result<Response, HttpError> {
    let admitted = client.admit(&context, target, Transport::PlainWebSocket, codecs).await?;
    let stream = admitted.stream().name().clone();
    let (viewer, waker, permit) = admitted.watch();
    // Accepts any subprotocol: Chrome disconnects if it offered some and the server chooses none.
    let subprotocol = handshake.first_offered();
    Ok(upgrade_with(handshake.accept(subprotocol), move |raw| async move {
        let (reason, details) =
            plain::serve(raw, viewer, waker, context.clone(), client.credentials.clone()).await;
        context.closes.count(Transport::PlainWebSocket, reason);
        let address = client.address();
        tracing::debug!(client = %address, stream = %stream, reason = details, "WebSocket closed");
        drop(permit);
    }))
}
