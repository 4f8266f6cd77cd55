//! The checks that a request passes before its handler runs: readable headers, the relay's own name, the page's origin.
//!
//! The token is checked by the handlers, because the rule depends on the action. Denials by any rule are counted here,
//! and answers to wrong tokens are delayed here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::access::origin::Origin;
use crate::access::token_throttle::{Check, TokenThrottle};
use crate::addresses::ClientAddress;
use crate::context::Context;
use crate::error::Error;
use crate::http::error::{BASIC, HttpError};
use crate::http::forwarded::client::EffectiveClient;
use crate::http::headers;
use crate::stats::labels::DenialReason;

type Shared = State<Arc<Context>>;

/// The address of the certificate of `--tls auto`.
pub const CA_CERTIFICATE: &str = "/ca.crt";

/// Longest origin that a refusal repeats, in bytes.
const MAX_ORIGIN: usize = 200;

/// Time that a request of a suspect address waits for a slot.
const SLOT_TIMEOUT: Duration = Duration::from_secs(10);

/// Counts denied requests, and limits guessing of the token.
pub async fn throttle_tokens(State(context): Shared, request: Request, next: Next) -> Response {
    let address = EffectiveClient::of(request.extensions()).address;
    let throttle = throttle_of(&context, &request);
    let has_token = headers::has_token(&request);
    let slot = match slot(throttle, address, has_token).await {
        Ok(slot) => slot,
        Err(error) => {
            context.denials.count(DenialReason::TooMany);
            return HttpError::from(error).into_response();
        }
    };
    let response = next.run(request).await;
    if let Some(denied) = response.extensions().get::<DenialReason>() {
        context.denials.count(*denied);
        if *denied == DenialReason::WrongToken {
            delay_answer(throttle, address, slot).await;
        }
    }
    response
}

/// Returns the throttle for a request. Any page that a viewer opens can send wrong tokens from the viewer's address: they must
/// not lock the viewer out.
fn throttle_of<'a>(context: &'a Context, request: &Request) -> &'a TokenThrottle {
    match context.access.origins.classify(headers::initiator_of(request)) {
        Origin::Foreign => &context.foreign_token_throttle,
        Origin::Own | Origin::Allowed => &context.token_throttle,
    }
}

/// Waits until the token of a suspect address may be compared. Requests without a token do not wait.
async fn slot(
    throttle: &TokenThrottle,
    address: ClientAddress,
    has_token: bool,
) -> Result<Option<OwnedSemaphorePermit>, Error> {
    let check = match has_token {
        true => throttle.check(address, Instant::now()),
        false => Check::Free,
    };
    let slot = match check {
        Check::Free => return Ok(None),
        Check::Slot(slots) => tokio::time::timeout(SLOT_TIMEOUT, slots.acquire_owned()).await.ok(),
        Check::Refused => None,
    };
    // Others of its tokens may have been wrong since then.
    let is_refused = matches!(throttle.check(address, Instant::now()), Check::Refused);
    // The semaphore is never closed.
    slot.filter(|_| !is_refused).map(Result::ok).ok_or_else(|| {
        Error::denied(
            DenialReason::TooMany,
            "too many wrong tokens from your address: tokens from there are compared once a second at most; try again later",
        )
    })
}

async fn delay_answer(
    throttle: &TokenThrottle,
    address: ClientAddress,
    slot: Option<OwnedSemaphorePermit>,
) {
    let delay = throttle.record_wrong(address, Instant::now());
    if delay.is_zero() {
        return;
    }
    tracing::warn!(client = %address, "repeated wrong tokens: delaying the answers to this client");
    // A separate task outlives this connection: a client that disconnects does not guess faster.
    let delayed = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        drop(slot);
    });
    // The task ends early only when the relay shuts down.
    let _ = delayed.await;
}

/// Refuses requests with unreadable headers, with a body where none is read, or to another host.
pub async fn check_host(State(context): Shared, request: Request, next: Next) -> Response {
    let checked = headers::check(request.headers())
        .map_err(HttpError::from)
        .and_then(|()| headers::check_body(&request))
        .and_then(|()| Ok(context.access.hosts.check(headers::addressed(&request))?));
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Refuses plain requests to a relay with TLS: they could be read and changed on their way. Navigations are redirected.
/// This machine's own requests are allowed, and those for the certificate that a client needs before it can use TLS. The
/// connection of a client behind a trusted proxy is the one to that proxy.
pub async fn check_encryption(State(context): Shared, request: Request, next: Next) -> Response {
    let client = EffectiveClient::of(request.extensions());
    let is_allowed = context.plain_allowed
        || client.is_encrypted
        || client.is_local()
        || request.uri().path() == CA_CERTIFICATE;
    match headers::encrypted_address(&request, &context.public.base_path) {
        _ if is_allowed => next.run(request).await,
        // Not permanent: the relay may be started without TLS again.
        Some(address) => Redirect::temporary(&address).into_response(),
        None => HttpError::from(Error::denied(
            DenialReason::Plain,
            "this relay requires TLS: use https:// and wss://; or start it with --allow-plain for clients that cannot, or with \
             --trusted-proxy ADDRESS for a reverse proxy that sends X-Forwarded-Proto",
        ))
        .into_response(),
    }
}

/// Refuses requests from pages of other origins that are not allowed.
pub async fn check_origin(State(context): Shared, request: Request, next: Next) -> Response {
    let reader = Reader::of(&context, &request);
    match reader {
        // Every page may read this answer, so that <fanlight-view> can say what it lacks.
        Reader::None => {
            let origin =
                request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
            let origin = origin.filter(|origin| origin.len() <= MAX_ORIGIN).unwrap_or("ORIGIN");
            let message = match context.access.needs_token() {
                true => format!(
                    "requests from pages of other origins need a token in the address or in a Bearer header; or start the relay \
                     with --allow-origin {origin}"
                ),
                false => format!(
                    "this relay has no tokens, so pages of other origins may use it only with --allow-origin {origin}"
                ),
            };
            Reader::Any.allow(denied_origin(&message))
        }
        _ => reader.allow(next.run(request).await),
    }
}

/// The pages whose scripts may read an answer (the Fetch standard, "CORS protocol").
enum Reader {
    /// The relay's own page, or no page at all: the answer names none.
    Own,
    /// The page of an origin that is allowed; `None` if the request does not name it.
    Allowed(Option<HeaderValue>),
    /// Every page that presents a token.
    Any,
    /// Pages of other origins without a token: none.
    None,
}

impl Reader {
    fn of(context: &Context, request: &Request) -> Self {
        let page = context.access.origins.classify(headers::initiator_of(request));
        match page {
            Origin::Own => Self::Own,
            Origin::Allowed => Self::Allowed(request.headers().get(header::ORIGIN).cloned()),
            // A page that presents a token itself has it from its user; browsers add neither a query nor a Bearer header by
            // themselves. On a relay without tokens any text would do, so there it proves nothing.
            Origin::Foreign
                if context.access.needs_token() && headers::has_explicit_token(request) =>
            {
                Self::Any
            }
            Origin::Foreign => Self::None,
        }
    }

    fn allow(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        match self {
            Self::Allowed(Some(origin)) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.append(header::VARY, HeaderValue::from_static("origin"));
            }
            Self::Any => {
                let any = HeaderValue::from_static("*");
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
            }
            Self::Own | Self::Allowed(None) | Self::None => {}
        }
        response
    }
}

/// Answers browsers that ask whether a page of another origin may present a token. The request itself is then checked.
pub async fn answer_preflight(request: Request, next: Next) -> Response {
    match is_preflight(&request) {
        true => preflight_answer(),
        false => next.run(request).await,
    }
}

/// Asks for a token as the password of a Basic login, which cameras' clients, browsers and scripts know. Not where the page
/// sends requests: the browser would cover it with a dialog of its own.
pub async fn offer_basic(request: Request, next: Next) -> Response {
    let is_of_page = headers::is_of_page(request.headers());
    let mut response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED && !is_of_page {
        let basic = HeaderValue::from_static(BASIC);
        response.headers_mut().append(header::WWW_AUTHENTICATE, basic);
    }
    response
}

/// Returns whether a browser asks whether a page of another origin may send a request with `Authorization` (the Fetch
/// standard, "CORS-preflight fetch").
fn is_preflight(request: &Request) -> bool {
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    request.method() == Method::OPTIONS && asks
}

/// Allows a request whose `Authorization` the page itself sets. Without `Access-Control-Allow-Credentials`, the browser
/// adds neither a cookie nor a login of its own.
fn preflight_answer() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Refuses to send pictures to pages of other origins, if embedding is forbidden.
pub async fn check_embedding(State(context): Shared, request: Request, next: Next) -> Response {
    let origins = &context.access.origins;
    let origin = origins.classify(headers::initiator_of(&request));
    if !origins.embedding_allowed() && origin == Origin::Foreign {
        return denied_origin("other pages may not embed pictures of this relay (--no-embed)");
    }
    // Embedding a picture is not reading it: a script needs the same right as for the API.
    let reader = Reader::of(&context, &request);
    let mut response = reader.allow(next.run(request).await);
    let policy = HeaderValue::from_static(if origins.embedding_allowed() {
        "cross-origin"
    } else {
        "same-origin"
    });
    response.headers_mut().insert("cross-origin-resource-policy", policy);
    response
}

fn denied_origin(message: &str) -> Response {
    HttpError::from(Error::denied(DenialReason::Origin, message)).into_response()
}
