//! The rule of ARCHITECTURE.md that only a built program can show; `tools/tidy` checks those that sources show.

use fanlight_tests::site::{RELAY, binary};
use fanlight_tests::tools;

#[test]
fn the_relay_links_neither_opencv_nor_ffmpeg() {
    let libraries = tools::run("libc-bin", tools::tool("ldd", &[binary(RELAY)]));
    for library in ["opencv", "libav", "libsw"] {
        assert!(!libraries.contains(library), "{libraries}");
    }
    assert!(libraries.contains("libzmq"), "{libraries}");
}
