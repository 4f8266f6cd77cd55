//! Gathers the page that the relay embeds: what lies in `web`, where `npm ci` has fetched esbuild each part of it in one
//! file, and what makes clips.
//!
//! A browser has six connections to a relay, and each request takes a round trip: the first picture would wait
//! for the last of some thirty small files. Without esbuild the files are embedded as they lie; the page is the same, and is there later.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const WEB: &str = "../../web";
/// What a browser fetches by itself or on demand, each with all that it imports. None becomes part of another one: what
/// is kept in them is there once.
const PARTS: [&str; 10] = [
    "live", "main", "worker", "together", "controls", "details", "help", "saving", "clip",
    "upgrade",
];
const PLAIN: [&str; 4] = ["html", "css", "svg", "webmanifest"];
const BUNDLER: &str = "node_modules/.bin/esbuild";
const MUXER: &str = "node_modules/mediabunny/dist/bundles/mediabunny.min.mjs";
/// npm writes it last.
const FETCHED: &str = "node_modules/.package-lock.json";

fn main() -> io::Result<()> {
    let web = Path::new(WEB);
    let page = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("page");
    if page.exists() {
        fs::remove_dir_all(&page)?;
    }
    fs::create_dir_all(page.join("lib"))?;
    let bundles = web.join(BUNDLER).exists();
    for file in files(web)? {
        println!("cargo::rerun-if-changed={}", file.display());
        let kind = file.extension().and_then(OsStr::to_str).unwrap_or_default();
        if PLAIN.contains(&kind) || kind == "js" && !bundles {
            fs::copy(&file, page.join(file.file_name().expect("a file has a name")))?;
        }
    }
    if bundles {
        PARTS.iter().try_for_each(|part| bundle(web, &page, part))?;
    }
    let muxer = web.join(MUXER);
    if muxer.exists() {
        fs::copy(muxer, page.join("lib/mediabunny.js"))?;
    }
    // A file that is not there would have this run at every build; the folder tells when it comes.
    let fetched = web.join(FETCHED);
    println!("cargo::rerun-if-changed={}", if fetched.exists() { &fetched } else { web }.display());
    Ok(())
}

/// The page's files, which lie in no folder within.
fn files(web: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(web)?.map(|entry| entry.map(|entry| entry.path()));
    entries.filter(|path| path.as_ref().map_or(true, |path| path.is_file())).collect()
}

/// Writes one part, and what it imports, into one file. Names stay, so that what a browser says of an error can be read.
fn bundle(web: &Path, page: &Path, part: &str) -> io::Result<()> {
    let others = PARTS.iter().filter(|other| **other != part);
    let bundled = Command::new(web.join(BUNDLER))
        .arg(web.join(part).with_extension("js"))
        .arg(format!("--outfile={}", page.join(part).with_extension("js").display()))
        .args([
            "--bundle",
            "--format=esm",
            "--minify-whitespace",
            "--minify-syntax",
            "--log-level=warning",
        ])
        .args(others.map(|other| format!("--external:./{other}.js")))
        .output()?;
    if bundled.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&bundled.stderr);
    Err(io::Error::other(format!(
        "esbuild cannot bundle {part}.js (npm --prefix web ci fetches it anew):\n{said}"
    )))
}
