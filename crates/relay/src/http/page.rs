//! The page: embedded in the binary, or from a folder in development.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rust_embed::RustEmbed;
use sha1::{Digest, Sha1};

use crate::http::refusal::Refusal;

/// Pictures come from memory, code and everything else from here; sockets only to here.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self' ws: wss:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors ";

/// As the build gathered it.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Embedded;

/// What makes clips in the page: the one file of it that is not ours, and not there where it was not at build time.
const MUXER: &str = "lib/mediabunny.js";
/// Where npm puts it.
const FETCHED_MUXER: &str = "node_modules/mediabunny/dist/bundles/mediabunny.min.mjs";

/// Folders of the page: one for each of its threads, and one for the modules that both import.
const FOLDERS: [&str; 3] = ["page", "worker", "shared"];

/// The page's files.
#[derive(Debug)]
pub struct Page {
    folder: Option<PathBuf>,
    build: String,
    policy: HeaderValue,
}

impl Page {
    /// The embedded page, or one from a folder; `embed`: whether pages of other origins may frame it.
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

    /// Changes with the embedded page.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// One file of the page; the empty name is the page itself.
    ///
    /// # Errors
    /// 404 where there is no such file.
    pub fn answer(&self, name: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
        let name = if name.is_empty() { "index.html" } else { name };
        let data = self.read(name).ok_or_else(|| Refusal::not_found(NOT_HERE))?;
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
        // Asked for again each time, and answered with 304 while it is the same: an upgrade is seen at once.
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
        is_page_file(name).then(|| std::fs::read(folder.join(name)).ok().map(Cow::Owned))?
    }
}

/// Returns whether `name` is a plain file name, or one in a folder of the page: no path leads out of the folder.
fn is_page_file(name: &str) -> bool {
    let plain = |name: &str| Path::new(name).components().count() == 1 && !name.starts_with('.');
    name.split_once('/')
        .map_or(plain(name), |(folder, file)| FOLDERS.contains(&folder) && plain(file))
}

/// What is said to a wrong address.
pub const NOT_HERE: &str = "there is nothing at this address; there are: /, /api/streams, /ws, /streams/NAME/ws, \
     /streams/NAME/mjpeg, /streams/NAME/snapshot, /healthz, /readyz, /metrics";
