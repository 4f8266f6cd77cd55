//! The files of the page: embedded in the binary, or read from a folder during development.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rust_embed::RustEmbed;
use sha1::{Digest, Sha1};

/// The page as `build.rs` gathered it.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Embedded;

/// The library that saves clips: the only third-party file of the page. It is missing if it was missing at build time.
const MUXER: &str = "lib/mediabunny.js";
/// Its path in the npm package.
const FETCHED_MUXER: &str = "node_modules/mediabunny/dist/bundles/mediabunny.min.mjs";

/// Folders of the page: one for the element of pages of others, one for each of the page's threads, and one for the modules that
/// all of them import.
const FOLDERS: [&str; 4] = ["element", "page", "worker", "shared"];

/// The page.
#[derive(Debug)]
pub struct Page {
    folder: Option<PathBuf>,
    build: String,
}

/// A file of the page.
#[derive(Debug)]
pub struct PageFile {
    /// Its content.
    pub data: Cow<'static, [u8]>,
    /// A digest of the content, as base64 without padding.
    pub digest: String,
    /// Its media type.
    pub media_type: &'static str,
}

impl Page {
    /// Serves the embedded page, or one from a folder.
    pub fn new(folder: Option<PathBuf>) -> Self {
        let mut build = Sha1::new().chain_update(env!("CARGO_PKG_VERSION"));
        for name in Embedded::iter() {
            if let Some(file) = Embedded::get(&name) {
                build.update(name.as_bytes());
                build.update(&file.data);
            }
        }
        Self { folder, build: BASE64.encode(&build.finalize()[..9]) }
    }

    /// Returns an identifier that changes with the embedded page.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// Returns a file by its name; the empty name is the page itself.
    pub fn file(&self, name: &str) -> Option<PageFile> {
        let name = if name.is_empty() { "index.html" } else { name };
        let data = self.read(name)?;
        let digest = BASE64.encode(&Sha1::digest(&data)[..9]);
        let media_type = mime_guess::from_path(name).first_raw();
        Some(PageFile {
            data,
            digest,
            media_type: media_type.unwrap_or("application/octet-stream"),
        })
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
