//! The rules of ARCHITECTURE.md that can be checked in the sources.

use std::fs;
use std::path::{Path, PathBuf};

use fanlight_tests::site::{RELAY, binary};
use fanlight_tests::tools;

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

/// Returns all Rust files below a folder, or the file itself, with their text.
fn sources(path: &Path) -> Vec<(PathBuf, String)> {
    if path.is_file() {
        return vec![(path.into(), fs::read_to_string(path).expect("a text"))];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let wanted =
        paths.filter(|path| path.is_dir() || path.extension().is_some_and(|kind| kind == "rs"));
    wanted.flat_map(|path| sources(&path)).collect()
}

/// Returns the sources of a module, which may be a folder, a file or both.
fn part(name: &str) -> Vec<(PathBuf, String)> {
    let folder = crates().join(name);
    if folder.is_dir() {
        let mut all = sources(&folder);
        let file = folder.with_extension("rs");
        all.extend(file.is_file().then(|| sources(&file)).into_iter().flatten());
        return all;
    }
    sources(&folder.with_extension("rs"))
}

/// Asserts that no line of these sources except comments contains one of these words.
fn assert_without(sources: &[(PathBuf, String)], words: &[&str]) {
    assert!(!sources.is_empty());
    for (path, text) in sources {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for (line, word) in code.flat_map(|line| words.iter().map(move |word| (line, word))) {
            assert!(
                !line.contains(word),
                "{}: {word} does not belong here: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn source_encode_and_publish_know_nothing_of_each_other() {
    for (name, others) in [
        ("source", ["crate::encode", "crate::publish"]),
        ("encode", ["crate::source", "crate::publish"]),
        ("publish", ["crate::source", "crate::encode"]),
    ] {
        let sources = part(&format!("capture/src/{name}"));
        assert_without(&sources, &others);
        // A wildcard import of the crate would hide them.
        assert_without(&sources, &["use crate::{", "crate::*", "crate::pipeline"]);
    }
}

#[test]
fn the_hub_knows_neither_http_nor_the_bus() {
    assert_without(
        &part("relay/src/hub"),
        &["axum", "hyper", "zmq", "fanlight_bus", "crate::egress", "crate::ingest"],
    );
}

#[test]
fn transports_know_nothing_of_the_bus() {
    let sources = part("relay/src/egress");
    let without_clock: Vec<_> = sources
        .into_iter()
        .map(|(path, text)| (path, text.replace("fanlight_clock", "")))
        .collect();
    assert_without(
        &without_clock,
        &["fanlight_bus", "zmq", "crate::ingest", "crate::ingest::directory"],
    );
}

#[test]
fn only_the_bus_knows_zeromq_and_only_the_wire_knows_bincode() {
    for name in ["protocol", "cli", "capture", "relay", "timecode"] {
        assert_without(&part(&format!("{name}/src")), &["zmq::"]);
    }
    for name in ["bus", "cli", "capture", "relay", "timecode"] {
        assert_without(&part(&format!("{name}/src")), &["bincode"]);
    }
    let mut protocol = part("protocol/src");
    protocol.retain(|(path, _)| !path.ends_with("wire.rs"));
    assert_without(&protocol, &["bincode", "SystemTime", "Instant::now", "std::net", "std::fs"]);
}

#[test]
fn the_relay_links_neither_opencv_nor_ffmpeg() {
    let libraries = tools::run("libc-bin", tools::tool("ldd", &[binary(RELAY)]));
    for library in ["opencv", "libav", "libsw"] {
        assert!(!libraries.contains(library), "{libraries}");
    }
    assert!(libraries.contains("libzmq"), "{libraries}");
}
