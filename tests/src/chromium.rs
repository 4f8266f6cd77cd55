//! A Chromium with a home of its own, in which an authority is installed as the documents describe it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tools::{run, tool};

/// Returns the command that opens a page in a Chromium that trusts this authority, with further options.
///
/// # Panics
/// Panics if `certutil` is not installed, or the authority is unusable.
pub fn trusting(home: &Path, authority: &Path, page: &str, options: &[&str]) -> Command {
    let store = home.join(".pki/nssdb");
    fs::create_dir_all(&store).expect("the folder of the test");
    let store = format!("sql:{}", store.display());
    let certutil = |arguments: &[&str]| {
        run("libnss3-tools", tool("certutil", &[&["-d", &store], arguments].concat()));
    };
    certutil(&["-N", "--empty-password"]);
    let authority = authority.to_str().expect("ASCII");
    certutil(&["-A", "-t", "C,,", "-n", "fanlight", "-i", authority]);
    let profile = format!("--user-data-dir={}", home.join("profile").display());
    let usual = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", &profile];
    let mut chromium = tool("chromium", &[&usual[..], options, &[page]].concat());
    chromium.env("HOME", home);
    chromium
}
