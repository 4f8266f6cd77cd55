//! A body of HTTP whose frames are published: multipart, a byte stream of MJPEG or H.264, or a single JPEG.

use std::pin::pin;

use axum::body::Body;
use bytes::Bytes;
use fanlight_clock as clock;
use fanlight_codec::{SplitError, SplitFrame};
use fanlight_protocol::Codec;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::splitter::BodySplitter;
use crate::access::{Action, Credentials};
use crate::context::Context;
use crate::error::Error;
use crate::ingest::push::pace::ReadPace;
use crate::ingest::push::{PushedStream, Refusal};
use crate::stats::labels::{PushEnd, RefusedFrame};

/// The reason why a body is not read to its end, or is no good.
#[derive(Debug)]
pub enum BodyError {
    /// Frames were refused.
    Refused(Refusal),
    /// The bytes are no frames.
    Split(SplitError),
    /// The body ended without any frame.
    Empty,
    /// The client sent no byte for too long.
    Silent,
    /// The client closed the connection before the end.
    Cut,
    /// The client may no longer publish.
    Withdrawn(Error),
    /// Another client took the name over.
    Replaced,
    /// The relay shuts down.
    Ending,
}

impl BodyError {
    /// Returns the reason for which the stream ends.
    pub fn end(&self) -> PushEnd {
        match self {
            Self::Refused(refusal) if refusal.what == RefusedFrame::Name => PushEnd::Replaced,
            Self::Refused(_) | Self::Split(_) | Self::Empty => PushEnd::Refused,
            Self::Silent => PushEnd::Silent,
            Self::Cut => PushEnd::Left,
            Self::Withdrawn(_) => PushEnd::Withdrawn,
            Self::Replaced => PushEnd::Replaced,
            Self::Ending => PushEnd::Ending,
        }
    }
}

/// Publishes the frames of a body, in this codec if it is known, up to its end.
///
/// # Errors
/// Fails if the stream must end.
pub async fn receive(
    body: Body,
    codec: Option<Codec>,
    stream: &mut PushedStream,
    context: &Context,
    credentials: &Credentials,
) -> Result<(), BodyError> {
    let name = stream.name().clone();
    let (mut stopped, mut replaced) = (pin!(context.stop.cancelled()), pin!(stream.replaced()));
    let mut withdrawn = pin!(context.access.withdrawn(Action::Publish, Some(&name), credentials));
    let mut frames = pin!(publish(body.into_data_stream(), codec, stream, context));
    tokio::select! {
        biased;
        () = &mut stopped => Err(BodyError::Ending),
        () = &mut replaced => Err(BodyError::Replaced),
        denied = &mut withdrawn => Err(BodyError::Withdrawn(denied)),
        ended = &mut frames => ended,
    }
}

async fn publish(
    mut body: impl Stream<Item = Result<Bytes, axum::Error>> + Unpin,
    codec: Option<Codec>,
    stream: &mut PushedStream,
    context: &Context,
) -> Result<(), BodyError> {
    let mut splitter = BodySplitter::new(codec);
    let mut pace = ReadPace::new(context.ingest.pushed.limits, Instant::now());
    let (mut refused, mut is_empty) = (None, true);
    let before = stream.accepted();
    loop {
        let bytes = match timeout(stream.patience(), body.next()).await {
            Err(_) => return Err(BodyError::Silent),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(BodyError::Cut),
            Ok(Some(Ok(bytes))) => bytes,
        };
        for frame in splitter.feed(&bytes, clock::now()).map_err(BodyError::Split)? {
            is_empty = false;
            push(stream, frame, &mut refused)?;
        }
        if let Some(due) = pace.record(bytes.len(), Instant::now()) {
            sleep_until(due).await;
        }
    }
    if let Some(frame) = splitter.finish() {
        is_empty = false;
        push(stream, frame, &mut refused)?;
    }
    match refused {
        // One bad frame among good ones is no failure of the request.
        Some(refusal) if stream.accepted() == before => Err(BodyError::Refused(refusal)),
        _ if is_empty => Err(BodyError::Empty),
        _ => Ok(()),
    }
}

fn push(
    stream: &mut PushedStream,
    frame: SplitFrame,
    refused: &mut Option<Refusal>,
) -> Result<(), BodyError> {
    match stream.push(frame.bytes, frame.arrived_at) {
        Err(refusal) if refusal.is_last => return Err(BodyError::Refused(refusal)),
        Err(refusal) => *refused = Some(refusal),
        Ok(()) => {}
    }
    Ok(())
}
