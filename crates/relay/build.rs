//! Gathers the page that the relay embeds: the files in `web`, bundled if `npm ci` has installed esbuild, and the library
//! that writes clips.
//!
//! A browser opens six connections to a relay, and each request takes a round trip: the first picture would wait for
//! the last of some thirty small files. Without esbuild the files are embedded one by one; the page works the same and
//! loads more slowly.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const WEB: &str = "../../web";
/// Files that a browser fetches by itself or on demand. Each becomes one file with all that it imports, except for other
/// modules of this list: their state exists once.
const BUNDLES: [&str; 15] = [
    "style.css",
    "embed.css",
    "boot.js",
    "embed.js",
    "element/player-page.js",
    "page/main.js",
    "page/controls.js",
    "page/details.js",
    "page/help.js",
    "page/saving.js",
    "page/share.js",
    "page/upgrade.js",
    "worker/main.js",
    "worker/sync.js",
    "worker/clip.js",
];
/// The folders of the page. The empty name is `web` itself, which has other folders too.
const FOLDERS: [&str; 5] = ["", "element", "page", "worker", "shared"];
const PLAIN: [&str; 3] = ["html", "svg", "webmanifest"];
const BUNDLED: [&str; 2] = ["css", "js"];
const BUNDLER: &str = "node_modules/.bin/esbuild";
const MUXER: &str = "node_modules/mediabunny/dist/bundles/mediabunny.min.mjs";
/// npm writes this file last.
const FETCHED: &str = "node_modules/.package-lock.json";

fn main() -> io::Result<()> {
    let web = Path::new(WEB);
    let page = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("page");
    if page.exists() {
        fs::remove_dir_all(&page)?;
    }
    fs::create_dir_all(page.join("lib"))?;
    let bundles = web.join(BUNDLER).exists();
    for folder in FOLDERS {
        fs::create_dir_all(page.join(folder))?;
        for name in files(&web.join(folder))? {
            let file = Path::new(folder).join(name);
            println!("cargo::rerun-if-changed={}", web.join(&file).display());
            let kind = file.extension().and_then(OsStr::to_str).unwrap_or_default();
            if PLAIN.contains(&kind) || BUNDLED.contains(&kind) && !bundles {
                fs::copy(web.join(&file), page.join(&file))?;
            }
        }
    }
    if bundles {
        BUNDLES.iter().try_for_each(|file| bundle(web, &page, file))?;
    }
    let muxer = web.join(MUXER);
    if muxer.exists() {
        fs::copy(muxer, page.join("lib/mediabunny.js"))?;
    }
    // Cargo would rerun the build every time for a file that does not exist. The folder changes when npm creates it.
    let fetched = web.join(FETCHED);
    println!("cargo::rerun-if-changed={}", if fetched.exists() { &fetched } else { web }.display());
    Ok(())
}

/// Returns the names of the files in a folder, without those in folders within it.
fn files(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.into_iter().filter(|e| e.path().is_file()).map(|e| e.file_name()).collect())
}

/// Writes one file with all that it imports. Names stay, so that a browser's error messages are readable.
fn bundle(web: &Path, page: &Path, file: &str) -> io::Result<()> {
    let others = BUNDLES.iter().filter(|other| **other != file);
    let bundled = Command::new(web.join(BUNDLER))
        .arg(web.join(file))
        .arg(format!("--outfile={}", page.join(file).display()))
        .args([
            "--bundle",
            "--format=esm",
            "--minify-whitespace",
            "--minify-syntax",
            "--log-level=warning",
        ])
        .args(others.flat_map(external))
        .output()?;
    if bundled.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&bundled.stderr);
    Err(io::Error::other(format!(
        "esbuild cannot bundle {file}; `npm --prefix web ci` installs its packages again:\n{said}"
    )))
}

/// Returns the options that keep a module out of another's file. Modules in folders import it with two texts: from a
/// sibling folder, and from its own.
fn external(file: &&str) -> Vec<String> {
    let own = file.split_once('/').map(|(_, name)| format!("--external:./{name}"));
    [format!("--external:../{file}")].into_iter().chain(own).collect()
}
