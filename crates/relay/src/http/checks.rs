//! The gates that requests pass before a handler sees them: readable headers, the relay's own name, the page's origin.
//!
//! The third gate, the token, is part of every handler. What any of them denies is counted here, and wrong tokens are
//! answered late.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::access::{Denied, headers, origin::Origin};
use crate::connection::Connection;
use crate::context::Context;
use crate::http::refusal::Refusal;

type Shared = State<Arc<Context>>;

/// Time that a request of a suspect address waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts denied requests, and limits guessing of the token.
pub async fn limit_guesses(State(context): Shared, request: Request, next: Next) -> Response {
    let address = client(&request);
    let turn = match turn(&context, address, may_guess(&request)).await {
        Ok(turn) => turn,
        Err(refusal) => {
            context.denials.count(Denied::TooMany);
            return refusal.into_response();
        }
    };
    let response = next.run(request).await;
    if let Some(denied) = response.extensions().get::<Denied>() {
        context.denials.count(*denied);
        if *denied == Denied::WrongToken {
            answer_later(&context, address, turn).await;
        }
    }
    response
}

fn client(request: &Request) -> IpAddr {
    let connection = request.extensions().get::<Connection>();
    connection.expect("every request comes on one").socket.client.ip()
}

/// Any query may hold a token: its key can be written in many ways.
fn may_guess(request: &Request) -> bool {
    request.headers().contains_key(header::AUTHORIZATION) || request.uri().query().is_some()
}

/// Waits until a token of a suspect address may be compared. A request without one waits for nothing.
async fn turn(
    context: &Context,
    address: IpAddr,
    may_guess: bool,
) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    let turns = match may_guess {
        true => context.guesses.turns(address, Instant::now()),
        false => None,
    };
    let Some(turns) = turns else { return Ok(None) };
    match tokio::time::timeout(PATIENCE, turns.acquire_owned()).await {
        // They are never closed.
        Ok(turn) => Ok(turn.ok()),
        Err(_) => Err(Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong tokens come from your address: try again later",
        )
        .with_header(header::RETRY_AFTER, "10")
        .with_header(header::CONNECTION, "close")),
    }
}

async fn answer_later(context: &Context, address: IpAddr, turn: Option<OwnedSemaphorePermit>) {
    let delay = context.guesses.wrong(address, Instant::now());
    if delay.is_zero() {
        return;
    }
    tracing::warn!(client = %address, "wrong tokens again and again: they are answered late");
    // A task of its own, which outlives this connection: a client that hangs up does not guess faster.
    let held = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        drop(turn);
    });
    // It ends early only with the whole relay.
    let _ = held.await;
}

/// The first gate: headers that can be read, no body, and a name that is this relay's.
pub async fn known_host(State(context): Shared, request: Request, next: Next) -> Response {
    let checked = headers::check(request.headers())
        .and_then(|()| headers::check_body(request.headers()))
        .and_then(|()| context.access.hosts.check(&request));
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The second gate, for all but pictures: whose page is it?
pub async fn own_page_only(State(context): Shared, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    match context.access.origins.classify(request.headers()) {
        Origin::Own => next.run(request).await,
        Origin::Allowed => {
            let mut response = next.run(request).await;
            if let Some(origin) = origin {
                response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
            }
            response
        }
        Origin::Foreign => Refusal::forbidden(
            "a page of another origin asks: start the relay with --allow-origin ORIGIN to let it",
        )
        .because(Denied::Origin)
        .into_response(),
    }
}

/// The second gate, for pictures.
pub async fn may_embed(State(context): Shared, request: Request, next: Next) -> Response {
    let origins = &context.access.origins;
    if !origins.embedding_allowed() && origins.classify(request.headers()) == Origin::Foreign {
        return Refusal::forbidden(
            "this relay's pictures may not be embedded elsewhere (--no-embed)",
        )
        .because(Denied::Origin)
        .into_response();
    }
    let mut response = next.run(request).await;
    let policy = HeaderValue::from_static(if origins.embedding_allowed() {
        "cross-origin"
    } else {
        "same-origin"
    });
    response.headers_mut().insert("cross-origin-resource-policy", policy);
    response
}
