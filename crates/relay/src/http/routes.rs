//! The handler of each address. Every route passes the same checks: host, origin ([`checks`]) and token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use fanlight_clock as clock;
use fanlight_protocol::viewer::SUBPROTOCOL;
use serde::Serialize;

use crate::access::{Action, Credentials, Identity};
use crate::connection::{Connection, upgrade_with};
use crate::context::Context;
use crate::egress::abr::AdaptiveViewer;
use crate::egress::selection::{self, ViewQuery, ViewRequest};
use crate::egress::snapshot::MaxAge;
use crate::egress::{mjpeg, plain, snapshot, v1};
use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::handshake::Handshake;
use crate::http::page::UNKNOWN_ADDRESS;
use crate::http::{checks, headers, health, metrics, page};
use crate::limits::Permit;
use crate::stats::labels::Transport;
use crate::stream_list;
use crate::wake::Waker;

type Shared = State<Arc<Context>>;

/// Returns all routes.
pub fn router(context: Arc<Context>) -> Router {
    // Pages of other origins may embed these, unless forbidden.
    let pictures = Router::new()
        .route("/streams/{name}/mjpeg", get(watch_mjpeg))
        .route("/streams/{name}/snapshot", get(watch_snapshot))
        .route_layer(middleware::from_fn(checks::offer_basic))
        .route_layer(middleware::from_fn_with_state(context.clone(), checks::check_embedding));
    let metrics = get(read_metrics).layer(middleware::from_fn(checks::offer_basic));
    let rest = Router::new()
        .route("/api/streams", get(list))
        .route("/ws", get(watch_v1))
        .route("/streams/{name}/ws", get(watch_plain))
        .route("/metrics", metrics)
        .route_layer(middleware::from_fn_with_state(context.clone(), checks::check_origin));
    let open = Router::new()
        .route("/", get(page_file))
        .route("/{file}", get(page_file))
        .route("/page/{file}", get(page_file))
        .route("/worker/{file}", get(page_file))
        .route("/shared/{file}", get(page_file))
        .route("/lib/{file}", get(page_file))
        .route(checks::CA_CERTIFICATE, get(ca_certificate))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    pictures
        .merge(rest)
        .merge(open)
        .fallback(async || HttpError::from(Error::NotFound(UNKNOWN_ADDRESS.into())))
        .method_not_allowed_fallback(async || {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed")
        })
        .layer(middleware::from_fn(checks::answer_preflight))
        .layer(middleware::from_fn_with_state(context.clone(), checks::check_encryption))
        .layer(middleware::from_fn_with_state(context.clone(), checks::check_host))
        .layer(middleware::from_fn_with_state(context.clone(), checks::throttle_tokens))
        .with_state(context)
}

/// The client of a request: its credentials, its connection and its query.
struct Client {
    credentials: Credentials,
    connection: Connection,
    query: ViewQuery,
}

impl FromRequestParts<Arc<Context>> for Client {
    type Rejection = HttpError;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, HttpError> {
        let Query(query) = Query::<ViewQuery>::try_from_uri(&parts.uri)
            .map_err(|error| Error::invalid(format!("invalid query: {}", error.body_text())))?;
        let connection = parts.extensions.get::<Connection>();
        let connection =
            connection.expect("every request has its connection as an extension").clone();
        let page = context.access.origins.classify(headers::initiator(&parts.headers));
        let address = connection.socket.client.ip();
        let credentials =
            headers::credentials(&parts.headers, query.token.as_deref(), address, page);
        Ok(Self { credentials, connection, query })
    }
}

impl Client {
    /// Checks whether the client may perform an action that concerns no single stream.
    fn authorize(&self, context: &Context, action: Action) -> Result<Identity, Error> {
        context.access.authorize(action, None, &self.credentials)
    }

    fn address(&self) -> IpAddr {
        self.connection.socket.client.ip()
    }

    fn waker(&self) -> Waker {
        Waker::new(self.connection.dispatcher.clone())
    }

    /// Authorizes the client, admits it as a viewer and subscribes it to the requested stream. Shortly after the
    /// relay's start, waits for a stream that is not known yet.
    async fn watch(
        &self,
        context: &Context,
        name: &str,
        transport: Transport,
    ) -> Result<(AdaptiveViewer, Waker, Permit), Error> {
        let stream_name = name.parse().ok();
        let identity =
            context.access.authorize(Action::View, stream_name.as_ref(), &self.credentials)?;
        let request = ViewRequest::from_query(&self.query)?;
        let request = match transport {
            Transport::Mjpeg | Transport::Snapshot => request.jpeg_only()?,
            Transport::V1 | Transport::PlainWebSocket => request,
        };
        let early_permit = match context.startup.may_bring(&context.hub, name, clock::now()) {
            true => {
                let permit = context.limits.admit(self.address())?.within(identity.admit()?);
                context.startup.wait(&context.hub, name, self.waker()).await;
                Some(permit)
            }
            false => None,
        };
        let stream = selection::find_stream(&context.hub, name, &identity)?;
        let selected = request.select(&stream)?;
        let permit = match early_permit {
            Some(permit) => permit,
            None => context.limits.admit(self.address())?.within(identity.admit()?),
        };
        let waker = self.waker();
        let viewer = selected.watch(&stream, transport, request.options, waker.clone());
        Ok((viewer, waker, permit))
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
    let handshake = Handshake::check(&request)?;
    let (viewer, waker, permit) = client.watch(&context, &name, Transport::PlainWebSocket).await?;
    // Accepts any subprotocol: Chrome disconnects if it offered some and the server chooses none.
    let subprotocol = handshake.first_offered();
    Ok(upgrade_with(handshake.accept(subprotocol), move |raw| async move {
        let (reason, details) =
            plain::serve(raw, viewer, waker, context.clone(), client.credentials.clone()).await;
        context.closes.count(Transport::PlainWebSocket, reason);
        let address = client.address();
        tracing::debug!(client = %address, stream = name, reason = details, "WebSocket closed");
        drop(permit);
    }))
}

async fn watch_mjpeg(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
) -> Result<Response, HttpError> {
    let (viewer, waker, permit) = client.watch(&context, &name, Transport::Mjpeg).await?;
    Ok(upgrade_with(mjpeg::head(), move |raw| async move {
        let reason = mjpeg::serve(raw, viewer, waker, &context, &client.credentials).await;
        context.closes.count(Transport::Mjpeg, reason);
        drop(permit);
    }))
}

async fn watch_snapshot(
    State(context): Shared,
    Path(name): Path<String>,
    client: Client,
) -> Result<Response, HttpError> {
    let max_age = client.query.max_age.as_deref().map(str::parse::<MaxAge>).transpose()?;
    let (viewer, waker, _permit) = client.watch(&context, &name, Transport::Snapshot).await?;
    let answer = snapshot::respond(viewer.viewer, waker, max_age, &context.no_signal);
    let answer = context.stop.run_until_cancelled(answer).await;
    let answer = answer.ok_or_else(|| Error::Unavailable("the relay is shutting down".into()))?;
    Ok(answer?)
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
        Err(error) if client.credentials.token().is_some() => Err(error.into()),
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
    let embed = context.access.origins.embedding_allowed();
    let name = uri.path().trim_start_matches('/');
    Ok(page::answer(&context.page, name, &headers, embed)?)
}
