//! Which address does what. Every route passes the same three gates: host, origin, token ([`gates`]).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use fanlight_clock as clock;
use fanlight_protocol::viewer::SUBPROTOCOL;
use serde::Serialize;

use crate::access::{Action, Credentials};
use crate::connection::{Connection, take_over};
use crate::context::Context;
use crate::egress::abr::AdaptiveViewer;
use crate::egress::selection::{self, Query as Wanted, Wish};
use crate::egress::websocket::Handshake;
use crate::egress::{mjpeg, plain, snapshot, v1};
use crate::http::page::NOT_HERE;
use crate::http::refusal::Refusal;
use crate::http::{checks, health, metrics, streams};
use crate::limits::Permit;
use crate::stats::counters::Transport;
use crate::wake::Waker;

type Shared = State<Arc<Context>>;

/// All routes.
pub fn router(context: Arc<Context>) -> Router {
    // Pages of other origins may embed these, unless forbidden.
    let pictures = Router::new()
        .route("/streams/{name}/mjpeg", get(watch_mjpeg))
        .route("/streams/{name}/snapshot", get(watch_snapshot))
        .route_layer(middleware::from_fn_with_state(context.clone(), checks::may_embed));
    let rest = Router::new()
        .route("/api/streams", get(list))
        .route("/ws", get(watch_v1))
        .route("/streams/{name}/ws", get(watch_plain))
        .route("/metrics", get(read_metrics))
        .route_layer(middleware::from_fn_with_state(context.clone(), checks::own_page_only));
    let open = Router::new()
        .route("/", get(page))
        .route("/{file}", get(page))
        .route("/page/{file}", get(page))
        .route("/worker/{file}", get(page))
        .route("/shared/{file}", get(page))
        .route("/lib/{file}", get(page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    pictures
        .merge(rest)
        .merge(open)
        .fallback(async || Refusal::not_found(NOT_HERE))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "only GET is understood here")
        })
        .layer(middleware::from_fn_with_state(context.clone(), checks::known_host))
        .layer(middleware::from_fn_with_state(context.clone(), checks::limit_guesses))
        .with_state(context)
}

/// Who asks, from where, and for what: what every handler below begins with.
struct Asker {
    credentials: Credentials,
    connection: Connection,
    wanted: Wanted,
}

impl FromRequestParts<Arc<Context>> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _context: &Arc<Context>,
    ) -> Result<Self, Refusal> {
        let Query(wanted) = Query::<Wanted>::try_from_uri(&parts.uri).map_err(|error| {
            Refusal::bad_request(format!("in the address: {}", error.body_text()))
        })?;
        let connection =
            parts.extensions.get::<Connection>().expect("every request comes on one").clone();
        let credentials = Credentials::of(&parts.headers, wanted.token.as_deref());
        Ok(Self { credentials, connection, wanted })
    }
}

impl Asker {
    /// The third gate.
    fn may(&self, context: &Context, action: Action) -> Result<(), Refusal> {
        context.access.authorize(action, None, &self.credentials)
    }

    fn address(&self) -> IpAddr {
        self.connection.socket.client.ip()
    }

    fn waker(&self) -> Waker {
        Waker::new(self.connection.dispatcher.clone())
    }

    /// The third gate, a place, and a subscription to the stream asked for. Shortly after the start it waits for a stream
    /// that is not known yet.
    async fn watch(
        &self,
        context: &Context,
        name: &str,
        transport: Transport,
    ) -> Result<(AdaptiveViewer, Waker, Permit), Refusal> {
        let stream_name = name.parse().ok();
        context.access.authorize(Action::Watch, stream_name.as_ref(), &self.credentials)?;
        let wish = Wish::from_query(&self.wanted)?;
        let wish = match transport {
            Transport::Mjpeg | Transport::Snapshot => wish.in_jpeg()?,
            Transport::V1 | Transport::PlainWebSocket => wish,
        };
        let held = match context.startup.may_bring(&context.hub, name, clock::now()) {
            true => {
                let permit = context.limits.admit(self.address())?;
                context.startup.wait(&context.hub, name, self.waker()).await;
                Some(permit)
            }
            false => None,
        };
        let stream = selection::stream(&context.hub, name)?;
        let choice = wish.of(&stream)?;
        let permit = match held {
            Some(permit) => permit,
            None => context.limits.admit(self.address())?,
        };
        let waker = self.waker();
        let tile = choice.watch(&stream, transport, wish.manner, waker.clone());
        Ok((tile, waker, permit))
    }
}

async fn watch_v1(
    State(context): Shared,
    asker: Asker,
    request: Request,
) -> Result<Response, Refusal> {
    let handshake = Handshake::check(&request)?;
    if !handshake.offers(SUBPROTOCOL) {
        return Err(Refusal::bad_request(format!(
            "/ws speaks the subprotocol {SUBPROTOCOL}: ask for it"
        )));
    }
    // Before anything can be watched, so that a wrong token is known at the door.
    asker.may(&context, Action::List)?;
    let (address, waker) = (asker.address(), asker.waker());
    let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
    Ok(take_over(handshake.accept(Some(subprotocol)), move |raw| async move {
        let serving = v1::serve(raw, context.clone(), asker.credentials, address, waker);
        let (why, reason) = serving.await;
        context.closes.count(Transport::V1, why);
        tracing::debug!(client = %address, reason, "a socket was closed");
    }))
}

async fn watch_plain(
    State(context): Shared,
    Path(name): Path<String>,
    asker: Asker,
    request: Request,
) -> Result<Response, Refusal> {
    let handshake = Handshake::check(&request)?;
    let (tile, waker, permit) = asker.watch(&context, &name, Transport::PlainWebSocket).await?;
    // Any will do: Chrome hangs up where it offered some and none is chosen.
    let subprotocol = handshake.first_offered();
    Ok(take_over(handshake.accept(subprotocol), move |raw| async move {
        let (why, reason) = plain::show(raw, tile, waker, context.stop.clone()).await;
        context.closes.count(Transport::PlainWebSocket, why);
        tracing::debug!(client = %asker.address(), stream = name, reason, "a socket was closed");
        drop(permit);
    }))
}

async fn watch_mjpeg(
    State(context): Shared,
    Path(name): Path<String>,
    asker: Asker,
) -> Result<Response, Refusal> {
    let (tile, waker, permit) = asker.watch(&context, &name, Transport::Mjpeg).await?;
    Ok(take_over(mjpeg::head(), move |raw| async move {
        let why = mjpeg::show(raw, tile, waker, &context).await;
        context.closes.count(Transport::Mjpeg, why);
        drop(permit);
    }))
}

async fn watch_snapshot(
    State(context): Shared,
    Path(name): Path<String>,
    asker: Asker,
) -> Result<Response, Refusal> {
    let (tile, waker, _permit) = asker.watch(&context, &name, Transport::Snapshot).await?;
    let answer = snapshot::answer(tile.viewer, waker, &context.no_signal);
    context
        .stop
        .run_until_cancelled(answer)
        .await
        .ok_or_else(|| Refusal::unavailable("the relay ends", "1"))
}

/// What `/api/streams` answers.
#[derive(Serialize)]
struct Streams {
    relay: Relay,
    streams: Vec<fanlight_protocol::viewer::StreamInfo>,
    listening: Vec<fanlight_protocol::viewer::ListenEntry>,
}

#[derive(Serialize)]
struct Relay {
    version: &'static str,
    build: String,
    now: fanlight_protocol::Timestamp,
}

async fn list(State(context): Shared, asker: Asker) -> Result<impl IntoResponse, Refusal> {
    asker.may(&context, Action::List)?;
    let relay = Relay {
        version: env!("CARGO_PKG_VERSION"),
        build: context.page.build().into(),
        now: clock::now(),
    };
    let (streams, listening) =
        (streams::streams(&context.hub), streams::listening(&context.ingest));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Streams { relay, streams, listening })))
}

async fn read_metrics(State(context): Shared, asker: Asker) -> Result<impl IntoResponse, Refusal> {
    asker.may(&context, Action::ReadMetrics)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], metrics::text(&context)))
}

async fn ready(State(context): Shared, asker: Asker) -> Result<impl IntoResponse, Refusal> {
    asker.may(&context, Action::CheckHealth)?;
    let listening = context.ingest.listening();
    match asker.may(&context, Action::List) {
        Ok(()) => Ok(health::readiness(&listening)),
        // A wrong token is a wrong token here, too: else this would be the address at which to guess.
        Err(refusal) if asker.credentials.is_some() => Err(refusal),
        Err(_) => Ok(health::readiness_in_a_word(&listening)),
    }
}

/// The page itself, and each of its files: its path is its name.
async fn page(
    State(context): Shared,
    uri: Uri,
    asker: Asker,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    asker.may(&context, Action::LoadPage)?;
    context.page.answer(uri.path().trim_start_matches('/'), &headers)
}
