//! The page: embedded in the binary, or read from a folder during development.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rust_embed::RustEmbed;
use sha1::{Digest, Sha1};

use crate::error::Error;

/// Allows pictures from memory; code, sockets and everything else only from and to this relay.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self' ws: wss:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors ";

/// The page as `build.rs` gathered it.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Embedded;

/// The library that saves clips: the only third-party file of the page. It is missing if it was missing at build time.
const MUXER: &str = "lib/mediabunny.js";
/// Its path in the npm package.
const FETCHED_MUXER: &str = "node_modules/mediabunny/dist/bundles/mediabunny.min.mjs";

/// The files of the page.
#[derive(Debug)]
pub struct Page {
    folder: Option<PathBuf>,
    build: String,
    policy: HeaderValue,
}

impl Page {
    /// Serves the embedded page, or one from a folder. If `embed` is set, pages of other origins may frame it.
    pub fn new(folder: Option<PathBuf>, embed: bool) -> Self {
        let mut digest = Sha1::new().chain_update(env!("CARGO_PKG_VERSION"));
        for name in Embedded::iter() {
            if let Some(file) = Embedded::get(&name) {
                digest.update(name.as_bytes());
                digest.update(&file.data);
            }
        }
        let policy = format!("{CONTENT_SECURITY_POLICY}{}", if embed { "*" } else { "'self'" });
        Self {
            folder,
            build: BASE64.encode(&digest.finalize()[..9]),
            policy: HeaderValue::try_from(policy).expect("visible ASCII"),
        }
    }

    /// Returns an identifier that changes with the embedded page.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// Answers with a file of the page; the empty name is the page itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such file.
    pub fn answer(&self, name: &str, headers: &HeaderMap) -> Result<Response, Error> {
        let name = if name.is_empty() { "index.html" } else { name };
        let data = self.read(name).ok_or_else(|| Error::NotFound(NOT_HERE.into()))?;
        let tag = format!("\"{}\"", BASE64.encode(&Sha1::digest(&data)[..9]));
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
        let mut response = match known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Response::new(Body::from(data.into_owned())),
        };
        let headers = response.headers_mut();
        let kind = mime_guess::from_path(name).first_raw().unwrap_or("application/octet-stream");
        let tag = HeaderValue::try_from(tag).expect("base64 in quotes is visible ASCII");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::ETAG, tag);
        // Browsers revalidate each time, and receive 304 while the file is the same: an upgrade takes effect immediately.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        Ok(response)
    }

    fn read(&self, name: &str) -> Option<Cow<'static, [u8]>> {
        let Some(folder) = &self.folder else { return Some(Embedded::get(name)?.data) };
        if name == MUXER {
            return std::fs::read(folder.join(FETCHED_MUXER)).ok().map(Cow::Owned);
        }
        // Only plain names, so that no path leads out of the folder.
        let plain = Path::new(name).components().count() == 1 && !name.starts_with('.');
        plain.then(|| std::fs::read(folder.join(name)).ok().map(Cow::Owned))?
    }
}

/// The text for an unknown address.
pub const NOT_HERE: &str = "unknown address; known are: /, /api/streams, /ws, /streams/NAME/ws, \
     /streams/NAME/mjpeg, /streams/NAME/snapshot, /healthz, /readyz, /metrics";
