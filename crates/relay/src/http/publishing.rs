//! `/streams/NAME/publish`: admits clients that publish, and answers them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use fanlight_codec::SplitError;
use fanlight_protocol::{Codec, StreamName};
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{Action, Identity};
use crate::addresses::ClientAddress;
use crate::connection::upgrade_with;
use crate::context::Context;
use crate::error::Error;
use crate::http::client::{Client, Shared};
use crate::http::error::HttpError;
use crate::http::handshake::Handshake;
use crate::ingest::push;
use crate::ingest::push::posted::Poster;
use crate::publishing::body::{self, BodyError};
use crate::publishing::websocket;
use crate::stats::labels::{PushEnd, PushTransport, RefusedFrame};

/// The query of a client that publishes.
#[derive(Debug, Default, Deserialize)]
struct PublishQuery {
    codec: Option<String>,
    takeover: Option<String>,
}

/// A client that may publish a stream.
struct Publisher {
    request: push::Request,
    identity: Identity,
    address: ClientAddress,
}

impl Publisher {
    fn admit(
        context: &Context,
        client: &Client,
        name: &str,
        uri: &Uri,
        transport: PushTransport,
    ) -> Result<Self, Error> {
        let name: StreamName = name.parse().map_err(|error| Error::invalid(format!("{error}")))?;
        let identity =
            context.access.authorize(Action::Publish, Some(&name), &client.credentials)?;
        let query = Query::<PublishQuery>::try_from_uri(uri)
            .map_err(|error| Error::invalid(format!("invalid query: {}", error.body_text())))?;
        let codec = query.codec.as_deref().map(str::parse::<Codec>).transpose();
        let codec = codec.map_err(|error| Error::invalid(error.to_string()))?;
        let takes_over = match query.takeover.as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(other) => {
                return Err(Error::invalid(format!("takeover={other}: write takeover=1")));
            }
        };
        let address = client.address();
        let access = identity.name().map(str::to_owned);
        let client = address.to_string();
        let request = push::Request { name, access, client, transport, codec, takes_over };
        Ok(Self { request, identity, address })
    }

    fn begin(self, context: &Context) -> Result<push::PushedStream, Error> {
        let permit = context.limits.admit_publisher(self.address)?;
        let permit = permit.within(self.identity.admit_publisher()?);
        push::PushedStream::begin(&context.ingest.pushed, self.request, permit)
    }

    fn poster(&self) -> Poster {
        Poster { access: self.request.access.clone(), address: self.address }
    }
}

/// Accepts a WebSocket, each binary message of which is a frame.
pub(super) async fn accept_socket(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
    request: Request,
) -> Result<Response, HttpError> {
    let handshake = Handshake::check(&request)?;
    let transport = PushTransport::WebSocket;
    let publisher = Publisher::admit(&context, &client, &name, request.uri(), transport)?;
    let stream = publisher.begin(&context)?;
    // Libraries for microcontrollers offer a subprotocol of their own.
    let subprotocol = handshake.first_offered();
    Ok(upgrade_with(handshake.accept(subprotocol), move |raw| async move {
        websocket::serve(raw, stream, context.clone(), client.credentials).await;
    }))
}

/// Publishes the frames in the body of a request.
pub(super) async fn accept_body(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
    request: Request,
) -> Response {
    let is_chunked = !has_length(request.headers());
    match publish_body(&context, &client, &name, request).await {
        // hyper lets a chunked body win over a stated length. A proxy may not, so no request follows it.
        Ok(()) if is_chunked => {
            (StatusCode::NO_CONTENT, [(header::CONNECTION, "close")]).into_response()
        }
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        // The rest of the body must not be taken for a request.
        Err(error) => error.with_header(header::CONNECTION, "close").into_response(),
    }
}

async fn publish_body(
    context: &Arc<Context>,
    client: &Client,
    name: &str,
    request: Request,
) -> Result<(), HttpError> {
    // A body of stated length is one of many, and one without is the whole stream.
    let transport = match has_length(request.headers()) {
        true => PushTransport::Post,
        false => PushTransport::Body,
    };
    let publisher = Publisher::admit(context, client, name, request.uri(), transport)?;
    let of_type = codec_of_type(request.headers())?;
    let (poster, codec) = (publisher.poster(), publisher.request.codec.or(of_type));
    let waiting = context.ingest.posted.take(&publisher.request.name, &poster);
    let mut stream = match waiting {
        Some(stream) if transport == PushTransport::Post => stream,
        Some(stream) => {
            stream.end(PushEnd::Left);
            publisher.begin(context)?
        }
        None => publisher.begin(context)?,
    };
    let body: Body = request.into_body();
    let received = body::receive(body, codec, &mut stream, context, &client.credentials).await;
    match received {
        Ok(()) if transport == PushTransport::Post => wait(context, client, stream, poster),
        Ok(()) => stream.end(PushEnd::Left),
        Err(error) => {
            let is_last = matches!(&error, BodyError::Refused(refusal) if refusal.is_last);
            let (end, answer) = (error.end(), answer(error));
            // A bad frame does not end a stream of good ones.
            let may_continue = matches!(end, PushEnd::Refused | PushEnd::Left) && !is_last;
            match transport {
                PushTransport::Post if may_continue && stream.accepted() > 0 => {
                    wait(context, client, stream, poster);
                }
                _ => stream.end(end),
            }
            return Err(answer);
        }
    }
    Ok(())
}

/// Lets a stream wait for the next request of its client, for as long as that may publish it.
fn wait(context: &Arc<Context>, client: &Client, stream: push::PushedStream, poster: Poster) {
    let (name, credentials) = (stream.name().clone(), client.credentials.clone());
    context.ingest.posted.wait(stream, poster.clone());
    let (shared, watched) = (context.clone(), name.clone());
    let right = async move {
        shared.access.withdrawn(Action::Publish, Some(&watched), &credentials).await;
        shared.ingest.posted.withdraw(&watched, &poster);
    };
    context.ingest.posted.watch(&name, AbortOnDropHandle::new(tokio::spawn(right)));
}

/// Returns whether the length of a body is stated.
fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) && !headers.contains_key(header::TRANSFER_ENCODING)
}

/// Returns the codec that the type of a body states; `None` if its first bytes must show it.
fn codec_of_type(headers: &HeaderMap) -> Result<Option<Codec>, HttpError> {
    let Some(stated) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let stated = stated.to_str().unwrap_or_default();
    let kind = stated.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "" | "application/octet-stream" | "application/x-www-form-urlencoded" => Ok(None),
        "image/jpeg" | "image/jpg" | "video/x-motion-jpeg" | "video/x-mjpeg" | "video/mjpeg" => {
            Ok(Some(Codec::Jpeg))
        }
        "video/h264" | "video/x-h264" => Ok(Some(Codec::H264)),
        _ if kind.starts_with("multipart/") => Ok(Some(Codec::Jpeg)),
        _ => Err(HttpError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this type of body is not accepted: send image/jpeg, multipart/x-mixed-replace of JPEGs, \
             video/x-motion-jpeg or video/h264",
        )),
    }
}

fn answer(error: BodyError) -> HttpError {
    let status = match &error {
        BodyError::Refused(refusal) => match refusal.what {
            RefusedFrame::Size => StatusCode::PAYLOAD_TOO_LARGE,
            RefusedFrame::Fps | RefusedFrame::Bitrate => StatusCode::TOO_MANY_REQUESTS,
            RefusedFrame::Name => StatusCode::CONFLICT,
            RefusedFrame::Invalid | RefusedFrame::NoKeyframe | RefusedFrame::Text => {
                StatusCode::BAD_REQUEST
            }
        },
        BodyError::Split(SplitError::JpegTooLarge | SplitError::AccessUnitTooLarge) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        BodyError::Split(_) | BodyError::Empty | BodyError::Cut => StatusCode::BAD_REQUEST,
        BodyError::Silent => StatusCode::REQUEST_TIMEOUT,
        BodyError::Withdrawn(_) => StatusCode::FORBIDDEN,
        BodyError::Replaced => StatusCode::CONFLICT,
        BodyError::Ending => StatusCode::SERVICE_UNAVAILABLE,
    };
    let message = match error {
        BodyError::Refused(refusal) => refusal.message,
        BodyError::Split(error) => error.to_string(),
        BodyError::Empty => "the body contains neither a JPEG nor H.264 (Annex B)".into(),
        BodyError::Silent => "the body stopped".into(),
        BodyError::Cut => "the body ended early".into(),
        BodyError::Withdrawn(denied) => return denied.into(),
        BodyError::Replaced => "another publisher took this stream over".into(),
        BodyError::Ending => "the relay is shutting down".into(),
    };
    HttpError::new(status, message)
}
