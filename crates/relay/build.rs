//! Embeds what makes clips in the page, where `npm ci` has fetched it. Without it the relay builds all the same, and the
//! page says that it has no clips.

use std::path::Path;
use std::{env, fs, io};

const WEB: &str = "../../web";
const MUXER: &str = "node_modules/mediabunny/dist/bundles/mediabunny.min.mjs";
/// npm writes it last.
const FETCHED: &str = "node_modules/.package-lock.json";

fn main() -> io::Result<()> {
    let web = Path::new(WEB);
    let muxer = web.join(MUXER);
    let out = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("mediabunny.js");
    if muxer.exists() {
        println!("cargo::rerun-if-changed={}", web.join(FETCHED).display());
        println!("cargo::rerun-if-changed={}", muxer.display());
        fs::copy(muxer, out).map(drop)
    } else {
        // A file that is not there would have this run at every build; the folder tells when it comes.
        println!("cargo::rerun-if-changed={WEB}");
        fs::write(out, "")
    }
}
