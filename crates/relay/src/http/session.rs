//! The page's session, and links: what the relay hands out in place of a token.
//!
//! A session is a cookie that scripts cannot read. The browser adds it to requests of the relay's own page only
//! (`SameSite=Strict`), and the relay refuses it for pages of other origins.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fanlight_grant::link::{MAX_LINK, MIN_LINK, USUAL_LINK};
use fanlight_grant::{Link, LinkRight};
use fanlight_protocol::{StreamName, Timestamp};
use serde::{Deserialize, Serialize};

use super::base_path::cookie_path;
use super::client::{Client, Shared};
use super::error::HttpError;
use super::headers::SESSION_COOKIE;
use crate::access::Action;
use crate::access::origin::Origin;
use crate::context::Context;
use crate::error::Error;
use crate::http::headers;
use crate::stats::labels::DenialReason;

/// The session of a client, and what it may do.
#[derive(Serialize)]
struct SessionInfo {
    /// The name of the access entry; absent on a relay without one.
    name: Option<String>,
    /// Actions.
    may: Vec<&'static str>,
    /// The end of its validity; absent if it has none.
    expires: Option<Timestamp>,
}

/// Answers who the client is.
pub(super) async fn show(
    State(context): Shared,
    client: Client,
) -> Result<impl IntoResponse, HttpError> {
    let identity = context.access.authorize(Action::List, None, &client.credentials)?;
    let actions = [(Action::View, "view"), (Action::Publish, "publish"), (Action::Admin, "admin")];
    let may = actions.into_iter().filter(|(action, _)| identity.check(*action, None).is_ok());
    let info = SessionInfo {
        name: identity.name().map(str::to_owned),
        may: may.map(|(_, name)| name).collect(),
        expires: identity.expires(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(info)))
}

#[derive(Deserialize)]
pub(super) struct BeginQuery {
    #[serde(default)]
    keep: bool,
}

/// Begins a session for the token of the request.
pub(super) async fn begin(
    State(context): Shared,
    client: Client,
    query: Result<Query<BeginQuery>, QueryRejection>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, HttpError> {
    let Query(BeginQuery { keep }) = query.map_err(invalid_query)?;
    let page = headers::initiator(&headers, &client.effective);
    if context.access.origins.classify(page) == Origin::Foreign {
        let message = "only the relay's own page begins a session";
        return Err(Error::denied(DenialReason::Origin, message).into());
    }
    let (session, validity) = context.access.begin_session(&client.credentials, keep)?;
    let max_age = if keep { format!("; Max-Age={}", validity.as_secs()) } else { String::new() };
    let attributes = attributes(&context, &client, &headers, &extensions);
    Ok(with_cookie(&format!("{SESSION_COOKIE}={session}{max_age}; {attributes}")))
}

/// Ends the session of this browser.
pub(super) async fn end(
    State(context): Shared,
    client: Client,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let attributes = attributes(&context, &client, &headers, &extensions);
    with_cookie(&format!("{SESSION_COOKIE}=; Max-Age=0; {attributes}"))
}

/// Returns the attributes of a client's cookie.
fn attributes(
    context: &Context,
    client: &Client,
    headers: &HeaderMap,
    request: &Extensions,
) -> String {
    // A browser states its page's scheme with each request that is no GET. The proxy that has decrypted it may not be trusted.
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let has_tls = origin.is_some_and(|origin| origin.starts_with("https://"));
    let secure = if has_tls || client.effective.is_encrypted { "; Secure" } else { "" };
    let path = cookie_path(&context.public.base_path, &client.effective, request);
    format!("Path={path}; HttpOnly; SameSite=Strict{secure}")
}

fn with_cookie(cookie: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let value = HeaderValue::try_from(cookie).expect("Base64 and attributes are ASCII");
    response.headers_mut().insert(header::SET_COOKIE, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[derive(Deserialize)]
pub(super) struct LinkQuery {
    stream: String,
    role: Option<String>,
    /// Seconds.
    #[serde(rename = "for")]
    validity: Option<u64>,
}

/// A link that was made.
#[derive(Serialize)]
struct MadeLink {
    link: String,
    /// The address to open: relative to the relay's, unless `--public-url` states that.
    address: String,
    stream: StreamName,
    role: &'static str,
    expires: Timestamp,
}

/// Makes a link to a stream.
pub(super) async fn make_link(
    State(context): Shared,
    client: Client,
    query: Result<Query<LinkQuery>, QueryRejection>,
) -> Result<impl IntoResponse, HttpError> {
    let Query(LinkQuery { stream, role, validity }) = query.map_err(invalid_query)?;
    let stream: StreamName = stream.parse().map_err(|error| Error::invalid(format!("{error}")))?;
    let role = role.as_deref().unwrap_or("view");
    let right = LinkRight::parse(role)
        .ok_or_else(|| Error::invalid(format!("role={role:?}: use view or publish")))?;
    let validity = validity.map_or(USUAL_LINK, Duration::from_secs);
    if !(MIN_LINK..=MAX_LINK).contains(&validity) {
        let (min, max) = (MIN_LINK.as_secs(), MAX_LINK.as_secs());
        return Err(Error::invalid(format!(
            "for={}: use {min} to {max} seconds",
            validity.as_secs()
        ))
        .into());
    }
    let (link, expires) =
        context.access.make_link(&client.credentials, right, &stream, validity)?;
    let address = Link { right, stream: stream.clone(), expires }.address(&link);
    let address = context.public.link(&address).unwrap_or(address);
    let made = MadeLink { link, address, stream, role: right.as_str(), expires };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(made)))
}

fn invalid_query(error: QueryRejection) -> Error {
    Error::invalid(format!("invalid query: {}", error.body_text()))
}
