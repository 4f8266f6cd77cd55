//! The viewing side of the aiohttp server that is the ancestor of this project: `/websocket_handler_site[/ID]` and
//! `/cameras_list`. An ID is the name of a stream, or its position in the list.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use fanlight_protocol::StreamName;
use serde::Serialize;

use super::{Parameters, Shared};
use crate::access::Action;
use crate::egress::target::Target;
use crate::http::client::{Client, Codecs};
use crate::http::error::HttpError;
use crate::http::handshake::Handshake;
use crate::http::viewing;

#[derive(Serialize)]
struct Cameras {
    cameras: Vec<StreamName>,
}

/// Answers with the names of the streams that the client may see, without those that are gone: the list has no states.
pub async fn cameras_list(
    State(context): Shared,
    client: Client,
) -> Result<impl IntoResponse, HttpError> {
    let identity = client.authorize(&context, Action::List)?;
    let streams = context.hub.streams().into_iter().filter(|stream| !stream.status().gone);
    let names = streams.map(|stream| stream.name().clone());
    let cameras = names.filter(|name| identity.sees(name)).collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Cameras { cameras })))
}

/// Sends the pictures of the first stream, or of the one that `stream` names.
pub async fn socket(
    State(context): Shared,
    client: Client,
    request: Request,
) -> Result<Response, HttpError> {
    let target = Parameters::of(request.uri()).target(&["stream"]);
    let handshake = Handshake::check(&request)?;
    viewing::watch_plain(context, client, &target, Codecs::Jpeg, handshake).await
}

/// Sends the pictures of the stream with an id.
pub async fn socket_of(
    State(context): Shared,
    Path(id): Path<String>,
    client: Client,
    request: Request,
) -> Result<Response, HttpError> {
    let (target, handshake) = (Target::of_id(Some(&id)), Handshake::check(&request)?);
    viewing::watch_plain(context, client, &target, Codecs::Jpeg, handshake).await
}
