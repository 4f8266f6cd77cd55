//! The rules of the layout, as one table. ARCHITECTURE.md explains them; change both together.

use super::rule::{CrateRule, LayerRule, LibraryRule, WordRule};

/// Dependencies between our crates.
pub const CRATES: &[CrateRule] = &[
    CrateRule::new(
        "crates/protocol",
        &[],
        "every program depends on the contract, so it depends on none of them",
    ),
    CrateRule::new(
        "crates/clock",
        &["protocol"],
        "the clock returns moments of the contract's type and is shared by all programs",
    ),
    CrateRule::new("crates/codec", &["protocol"], "codecs are pure: bytes in, facts out")
        .tests_use(&["timecode"]),
    CrateRule::new(
        "crates/websocket",
        &[],
        "the WebSocket protocol is independent of frames, relay and bus",
    ),
    CrateRule::new(
        "crates/timecode",
        &["protocol"],
        "capture writes it and tests read it, so it depends on neither",
    ),
    CrateRule::new("crates/cli", &[], "all programs share it, so it depends on none of them"),
    CrateRule::new(
        "crates/bus",
        &["protocol", "clock"],
        "the bus moves frames and depends on neither end",
    ),
    CrateRule::new(
        "crates/capture",
        &["protocol", "clock", "codec", "bus", "cli", "timecode"],
        "capture and relay meet on the bus only",
    ),
    CrateRule::new(
        "crates/relay",
        &["protocol", "clock", "websocket", "bus", "cli"],
        "capture and relay meet on the bus only, and a relay never parses a payload",
    ),
    CrateRule::new(
        "crates/client",
        &["protocol", "clock", "websocket", "bus", "cli"],
        "the client measures the relay from outside, as any client sees it",
    ),
    CrateRule::new(
        "tools/yardstick",
        &["protocol", "clock", "bus", "cli"],
        "a yardstick shares no code with the relay that it measures; its benches call the relay",
    )
    .tests_use(&["relay", "websocket"]),
    CrateRule::new("tools/lossy-link", &["cli"], "a link works for any program"),
    CrateRule::new(
        "tools/trials",
        &["cli", "lossy-link", "tests"],
        "trials repeat scenarios of the end-to-end tests",
    ),
    CrateRule::new(
        "tools/docs",
        &[],
        "its tests compare the documents with the options and metrics of the programs",
    )
    .tests_use(&["capture", "relay", "client", "cli"]),
    CrateRule::new(
        "tools/tidy",
        &[],
        "the check must run while the code it checks does not compile",
    ),
    CrateRule::new(
        "tests",
        &[
            "protocol",
            "clock",
            "codec",
            "websocket",
            "timecode",
            "client",
            "lossy-link",
            "docs",
            "bus",
        ],
        "the end-to-end suite starts the programs and does not link them",
    ),
];

/// Libraries with a home.
pub const LIBRARIES: &[LibraryRule] = &[
    LibraryRule::new("zmq", &["crates/bus"], "only the bus depends on its transport"),
    LibraryRule::new("bincode", &["crates/protocol"], "only `protocol::wire` encodes headers"),
    LibraryRule::new("opencv", &["crates/capture"], "a relay runs on machines without OpenCV"),
    LibraryRule::new("ffmpeg-next", &["crates/capture"], "a relay runs on machines without FFmpeg"),
    LibraryRule::new(
        "axum",
        &["crates/relay", "tools/yardstick"],
        "only the relay speaks HTTP, and the server that it is compared with",
    ),
    LibraryRule::new("openssl", &[], "TLS is rustls; a second library would need its own updates"),
    LibraryRule::new("hyper", &["crates/relay"], "only the relay speaks HTTP"),
    LibraryRule::new(
        "tokio",
        &["crates/relay", "tools/yardstick"],
        "capture, bus and client use threads; pure crates do no IO",
    ),
    LibraryRule::new(
        "figment",
        &[],
        "it is unmaintained; `toml` and `serde_path_to_error` read the options",
    ),
];

/// Order of the modules within the crates that have one.
pub const LAYERS: &[LayerRule] = &[
    LayerRule {
        folder: "crates/bus",
        rows: &[
            &["publisher", "subscriber"],
            &["zmq"],
            &["core"],
            &["options"],
            &["keys"],
            &["error"],
            &["address"],
        ],
        reason: "the core decides without IO; sockets and threads call it",
    },
    LayerRule {
        folder: "crates/capture",
        rows: &[
            &["main"],
            &["catalog"],
            &["probe"],
            &["pipeline"],
            &["options"],
            &["rendition_settings"],
            &["source", "encode", "publish"],
            &["status"],
            &["pixels"],
            &["native"],
            &["frame"],
            &["wall_clock", "watched", "stall", "backoff", "meter"],
            &["threads"],
        ],
        reason: "imports run from the pipeline down; source, encode and publish are independent",
    },
    LayerRule {
        folder: "crates/relay",
        rows: &[
            &["main"],
            &["access_file"],
            &["relay"],
            &["http", "options"],
            &["egress"],
            &["stream_list", "context"],
            &["ingest"],
            &["no_signal", "page", "setup"],
            &["hub", "connection", "access", "certificates"],
            &["limits"],
            &["error"],
            &["stats"],
            &["file_version", "wake", "process_stall", "recent_minimum"],
        ],
        reason: "egress and ingest use the hub, egress uses connections, and no import runs the other way",
    },
];

/// Words with a home.
pub const WORDS: &[WordRule] = &[
    WordRule {
        places: &["crates/capture/src/source"],
        except: &[],
        words: &[
            "crate::encode",
            "crate::publish",
            "super::encode::",
            "super::publish::",
            "crate::pipeline",
            "crate::*",
            "use crate::{",
        ],
        tests_may: false,
        reason: "only the pipeline uses source, encode and publish together; a group import would hide one",
    },
    WordRule {
        places: &["crates/capture/src/encode"],
        except: &[],
        words: &[
            "crate::source",
            "crate::publish",
            "super::source::",
            "super::publish::",
            "crate::pipeline",
            "crate::*",
            "use crate::{",
        ],
        tests_may: false,
        reason: "only the pipeline uses source, encode and publish together; a group import would hide one",
    },
    WordRule {
        places: &["crates/capture/src/publish.rs"],
        except: &[],
        words: &[
            "crate::source",
            "crate::encode",
            "super::source::",
            "super::encode::",
            "crate::pipeline",
            "crate::*",
            "use crate::{",
        ],
        tests_may: false,
        reason: "only the pipeline uses source, encode and publish together; a group import would hide one",
    },
    WordRule {
        places: &["crates/relay/src/hub"],
        except: &[],
        words: &[
            "axum",
            "hyper",
            "zmq",
            "fanlight_bus",
            "crate::egress",
            "crate::ingest",
            "crate::http",
            "crate::connection",
        ],
        tests_may: false,
        reason: "the hub is independent of HTTP, of the bus, and of its users",
    },
    WordRule {
        places: &["crates/relay/src/egress"],
        except: &[],
        words: &["fanlight_bus", "zmq", "crate::ingest"],
        tests_may: false,
        reason: "egress is independent of the bus",
    },
    WordRule {
        places: &["crates/relay/src/connection"],
        except: &[],
        words: &[
            "fanlight_bus",
            "zmq",
            "crate::ingest",
            "crate::hub",
            "crate::egress",
            "crate::http",
        ],
        tests_may: false,
        reason: "a connection moves bytes of any protocol",
    },
    WordRule {
        places: &[
            "crates/relay/src/access",
            "crates/relay/src/limits.rs",
            "crates/relay/src/ingest",
            "crates/relay/src/stats",
            "crates/relay/src/error.rs",
            "crates/relay/src/wake",
        ],
        except: &[],
        words: &["axum", "hyper", "crate::http"],
        tests_may: false,
        reason: "the core returns domain errors; HTTP and fanlight.v1 translate each once",
    },
    WordRule {
        places: &["crates/*/src", "tools/*/src"],
        except: &["crates/bus/src/zmq", "tools/tidy"],
        words: &["zmq::"],
        tests_may: false,
        reason: "ZeroMQ is confined to one folder, so that another transport can be added",
    },
    WordRule {
        places: &["crates/*/src", "tools/*/src"],
        except: &["crates/protocol/src/wire.rs", "tools/tidy"],
        words: &["bincode"],
        tests_may: false,
        reason: "only `protocol::wire` uses bincode",
    },
    WordRule {
        places: &["crates/protocol/src"],
        except: &["crates/protocol/src/wire.rs"],
        words: &["SystemTime", "Instant::now", "std::net", "std::fs"],
        tests_may: false,
        reason: "the contract has no IO and no clock; `now` is an argument",
    },
    WordRule {
        places: &["crates/codec/src", "crates/websocket/src", "crates/timecode/src"],
        except: &[],
        words: &[
            "SystemTime",
            "Instant::now",
            "std::net",
            "std::fs",
            "std::thread",
            "tokio::",
            "std::env",
        ],
        tests_may: true,
        reason: "pure crates have no IO and no clock; `now` is an argument",
    },
    WordRule {
        places: &["crates/bus/src/core"],
        except: &[],
        words: &[
            "SystemTime",
            "Instant::now",
            "std::net",
            "std::fs",
            "std::thread",
            "zmq",
            "rustix",
        ],
        tests_may: true,
        reason: "the core of the bus turns bytes and `now` into actions, without IO",
    },
    WordRule {
        places: &["crates/codec/src", "crates/timecode/src", "crates/relay/src"],
        except: &[],
        words: &["opencv::", "ffmpeg_next", "ffmpeg::"],
        tests_may: false,
        reason: "only capture uses OpenCV and FFmpeg",
    },
    WordRule {
        places: &[
            "crates/protocol/src",
            "crates/bus/src",
            "crates/relay/src",
            "crates/websocket/src",
        ],
        except: &[],
        words: &["SystemTime::now", "clock_gettime"],
        tests_may: true,
        reason: "`clock` is the only clock, so that all ages are differences of its readings",
    },
    WordRule {
        places: &["web/shared"],
        except: &[],
        words: &["'../page/", "'../worker/", "document."],
        tests_may: false,
        reason: "shared modules run on both threads",
    },
    WordRule {
        places: &["web/worker"],
        except: &[],
        words: &["'../page/", "document."],
        tests_may: false,
        reason: "a worker has no DOM",
    },
    WordRule {
        places: &["web/page"],
        except: &[],
        words: &["from '../worker/"],
        tests_may: false,
        reason: "the page talks to the worker by messages",
    },
];
