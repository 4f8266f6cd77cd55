//! The handler of each address. Every route passes the same checks: client ([`forwarded`]), host, origin ([`checks`]) and
//! token.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use fanlight_clock as clock;
use fanlight_protocol::StreamName;
use fanlight_protocol::viewer::SUBPROTOCOL;
use serde::Serialize;
use tower::ServiceExt as _;

use crate::access::Action;
use crate::connection::upgrade_with;
use crate::context::Context;
use crate::egress::target::Target;
use crate::egress::v1;
use crate::error::Error;
use crate::http::client::{Client, Codecs, Shared};
use crate::http::compat::{self, aiohttp, go2rtc, mjpg_streamer, ustreamer};
use crate::http::error::HttpError;
use crate::http::handshake::Handshake;
use crate::http::page::UNKNOWN_ADDRESS;
use crate::http::{
    base_path, checks, forwarded, health, metrics, page, publishing, session, viewing,
};
use crate::stats::labels::Transport;
use crate::stream_list;

/// Returns all routes.
pub fn router(context: Arc<Context>) -> Router {
    // Pages of other origins may embed these, unless forbidden.
    let pictures = Router::new()
        .route("/streams/{name}/mjpeg", get(watch_mjpeg))
        .route("/streams/{name}/snapshot", get(watch_snapshot))
        .route("/stream", get(compat::stream))
        .route("/stream_video", get(compat::stream))
        .route("/snapshot", get(compat::snapshot))
        .route("/get_one_image", get(compat::snapshot))
        .route("/api/stream.mjpeg", get(compat::go2rtc_stream))
        .route("/api/frame.jpeg", get(compat::go2rtc_frame))
        .route_layer(middleware::from_fn(checks::offer_basic))
        .route_layer(middleware::from_fn_with_state(context.clone(), checks::check_embedding));
    let action: MethodRouter = get(mjpg_streamer::act)
        .layer(middleware::from_fn(checks::offer_basic))
        .layer(middleware::from_fn_with_state(context.clone(), checks::check_embedding))
        .with_state(context.clone());
    let root = get(page_file).layer(middleware::from_fn_with_state(action, act_or_show_page));
    let metrics = get(read_metrics).layer(middleware::from_fn(checks::offer_basic));
    let rest = Router::new()
        .route("/api/streams", get(list))
        .route("/api/session", get(session::show).post(session::begin).delete(session::end))
        .route("/api/links", post(session::make_link))
        .route("/ws", get(watch_v1))
        .route("/streams/{name}/ws", get(watch_plain))
        .route(
            "/streams/{name}/publish",
            get(publishing::accept_socket)
                .post(publishing::accept_body)
                .put(publishing::accept_body)
                .layer(middleware::from_fn(checks::offer_basic)),
        )
        .route("/metrics", metrics)
        .route("/state", get(ustreamer::state).layer(middleware::from_fn(checks::offer_basic)))
        .route("/api/ws", get(go2rtc::socket))
        .route("/websocket_handler_site", get(aiohttp::socket))
        .route("/websocket_handler_site/{id}", get(aiohttp::socket_of))
        .route("/cameras_list", get(aiohttp::cameras_list))
        .route_layer(middleware::from_fn_with_state(context.clone(), checks::check_origin));
    let open = Router::new()
        .route("/", root)
        .route("/{file}", get(page_file))
        .route("/embed/{name}", get(player))
        .route("/element/{file}", get(page_file))
        .route("/page/{file}", get(page_file))
        .route("/worker/{file}", get(page_file))
        .route("/shared/{file}", get(page_file))
        .route("/lib/{file}", get(page_file))
        .route(checks::CA_CERTIFICATE, get(ca_certificate))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    let all = pictures
        .merge(rest)
        .merge(open)
        .fallback(async || HttpError::from(Error::NotFound(UNKNOWN_ADDRESS.into())))
        .method_not_allowed_fallback(async || {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here")
        })
        .layer(middleware::from_fn(checks::answer_preflight))
        .layer(middleware::from_fn_with_state(context.clone(), checks::check_encryption))
        .layer(middleware::from_fn_with_state(context.clone(), checks::check_host))
        .layer(middleware::from_fn_with_state(context.clone(), checks::throttle_tokens))
        .layer(middleware::from_fn_with_state(context.clone(), forwarded::client::identify))
        .with_state(context.clone());
    base_path::remove(&context.public.base_path, all)
}

/// Answers a request for `/` with the page, unless its query asks for an action of mjpg-streamer.
async fn act_or_show_page(
    State(action): State<MethodRouter>,
    request: Request,
    next: Next,
) -> Result<Response, Infallible> {
    if let Some(redirection) = base_path::redirection(request.extensions()) {
        return Ok(redirection.into_response());
    }
    match mjpg_streamer::has_action(request.uri()) {
        true => action.oneshot(request).await,
        false => Ok(next.run(request).await),
    }
}

async fn watch_v1(
    State(context): Shared,
    client: Client,
    request: Request,
) -> Result<Response, HttpError> {
    let handshake = Handshake::check(&request)?;
    if !handshake.offers(SUBPROTOCOL) {
        return Err(Error::invalid(format!("/ws requires the subprotocol {SUBPROTOCOL}")).into());
    }
    // Clients learn of a wrong token here, before they watch anything.
    client.authorize(&context, Action::List)?;
    let (address, waker) = (client.address(), client.waker());
    let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
    Ok(upgrade_with(handshake.accept(Some(subprotocol)), move |raw| async move {
        let serving = v1::serve(raw, context.clone(), client.credentials, address, waker);
        let (reason, details) = serving.await;
        context.closes.count(Transport::V1, reason);
        tracing::debug!(client = %address, reason = details, "WebSocket closed");
    }))
}

async fn watch_plain(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
    request: Request,
) -> Result<Response, HttpError> {
    let (target, handshake) = (Target::Named(name), Handshake::check(&request)?);
    viewing::watch_plain(context, client, &target, Codecs::Any, handshake).await
}

async fn watch_mjpeg(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
) -> Result<Response, HttpError> {
    viewing::watch_mjpeg(context, client, &Target::Named(name)).await
}

async fn watch_snapshot(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
) -> Result<Response, HttpError> {
    viewing::take_snapshot(&context, &client, &Target::Named(name)).await
}

/// The answer of `/api/streams`.
#[derive(Serialize)]
struct Streams {
    relay: RelayInfo,
    streams: Vec<fanlight_protocol::viewer::StreamInfo>,
    listening: Vec<fanlight_protocol::viewer::ListenEntry>,
}

#[derive(Serialize)]
struct RelayInfo {
    version: &'static str,
    build: String,
    now: fanlight_protocol::Timestamp,
}

async fn list(State(context): Shared, client: Client) -> Result<impl IntoResponse, HttpError> {
    let identity = client.authorize(&context, Action::List)?;
    let relay = RelayInfo {
        version: env!("CARGO_PKG_VERSION"),
        build: context.page.build().into(),
        now: clock::now(),
    };
    let streams = stream_list::streams(&context.hub, &identity);
    let listening = stream_list::listening(&context.ingest, &identity);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Streams { relay, streams, listening })))
}

async fn read_metrics(
    State(context): Shared,
    client: Client,
) -> Result<impl IntoResponse, HttpError> {
    let identity = client.authorize(&context, Action::ReadMetrics)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], metrics::text(&context, &identity)))
}

async fn ready(State(context): Shared, client: Client) -> Result<impl IntoResponse, HttpError> {
    client.authorize(&context, Action::CheckHealth)?;
    let listening = context.ingest.listening();
    match client.authorize(&context, Action::List) {
        Ok(identity) if identity.sees_everything() => Ok(health::readiness(&listening)),
        // A wrong token is refused here too. Otherwise this address would reveal whether a guess is right.
        Err(error) if client.credentials.presented().is_some() => Err(error.into()),
        Ok(_) | Err(_) => Ok(health::readiness_in_a_word(&listening)),
    }
}

/// Serves the certificate of the relay's own authority, as browsers and phones install it. It is public, and clients need
/// it before they can trust any answer.
async fn ca_certificate(State(context): Shared) -> Result<Response, HttpError> {
    let Some(certificate) = &context.ca_certificate else {
        return Err(
            Error::NotFound("this relay has no certificate authority (--tls auto)".into()).into()
        );
    };
    let headers = [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"fanlight-ca.crt\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, certificate.clone()).into_response())
}

/// Serves the page and its files: the path of a file is its name.
async fn page_file(
    State(context): Shared,
    uri: Uri,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    client.authorize(&context, Action::LoadPage)?;
    let name = uri.path().trim_start_matches('/');
    Ok(page::answer(&context.page, name, &headers, page::OWN_PAGES)?)
}

/// Serves the player of one stream, for frames. Like the page it is public, and says by itself if the stream cannot be
/// viewed: an answer must not reveal which streams exist.
async fn player(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    client.authorize(&context, Action::LoadPage)?;
    let name: Result<StreamName, _> = name.parse();
    name.map_err(|error| Error::NotFound(format!("/embed/NAME: {error}")))?;
    let ancestors = context.framing.ancestors();
    Ok(page::answer(&context.page, page::PLAYER, &headers, &ancestors)?)
}
