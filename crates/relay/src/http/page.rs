//! The answer for each file of the page.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::Error;
use crate::page::Page;

/// The content security policy, without the frame ancestors. It allows pictures from memory; code, sockets and everything
/// else only from and to this relay.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; \
     object-src 'none'; base-uri 'none'; form-action 'self'";

/// The pages that may frame every file but the player: those of the relay itself.
pub const OWN_PAGES: &str = "'self'";
/// The file of the player.
pub const PLAYER: &str = "embed.html";

/// The text for an unknown address.
pub const UNKNOWN_ADDRESS: &str = "unknown address; known are: /, /embed/NAME, /embed.js, /api/streams, /ws, /streams/NAME/ws, /streams/NAME/mjpeg, \
     /streams/NAME/snapshot, /healthz, /readyz, /metrics, /ca.crt, and addresses of other servers (see docs/migrating.md)";

/// Answers with a file of the page; the empty name is the page itself. `ancestors`: the pages that may frame it, as in
/// `frame-ancestors`.
///
/// # Errors
/// [`Error::NotFound`] if there is no such file.
pub fn answer(
    page: &Page,
    name: &str,
    headers: &HeaderMap,
    ancestors: &str,
) -> Result<Response, Error> {
    let file = page.file(name).ok_or_else(|| Error::NotFound(UNKNOWN_ADDRESS.into()))?;
    let tag = format!("\"{}\"", file.digest);
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Response::new(Body::from(file.data.into_owned())),
    };
    let headers = response.headers_mut();
    let tag = HeaderValue::try_from(tag).expect("base64 in quotes is visible ASCII");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    headers.insert(header::ETAG, tag);
    // Browsers revalidate each time, and receive 304 while the file is the same: an upgrade takes effect immediately.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let policy = HeaderValue::try_from(format!("{POLICY}; frame-ancestors {ancestors}"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.expect("origins are visible ASCII"));
    // Browsers run modules on pages of other origins only with this header. The files hold no secret.
    if file.media_type.ends_with("javascript") {
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
