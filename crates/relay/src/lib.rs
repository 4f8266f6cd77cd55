//! `fanlight-relay`: subscribes to the bus and fans every frame out to its viewers.
//!
//! In the order of the data:
//!
//! - [`publishing`]: the transports by which clients publish into the relay: WebSocket and HTTP;
//! - [`ingest`]: publishers on the bus and clients that publish, their catalogs and frames, and the demand that the relay
//!   reports to them;
//! - [`hub`]: fan-out in memory: the newest frames of every track, the viewers' cursors, and the drop policy;
//! - [`egress`]: WebSocket, MJPEG and snapshots, and the choice of a rendition for each viewer;
//! - [`connection`]: TCP connections, and when to send on them.
//!
//! Around them:
//!
//! - [`http`]: addresses, checks, and the answers that need no stream;
//! - [`certificates`]: the certificate that the relay presents with TLS;
//! - [`lan`]: how devices of the network reach the relay: addresses, QR code and mDNS, with the [`lan_name`]; [`state`]: the
//!   folder for what outlives the relay;
//! - [`access`] and [`limits`]: which client may do what, and how many viewers there may be; [`rate`]: how often;
//! - [`addresses`]: those of clients and of reverse proxies, and the relay's own;
//! - [`error`]: the reasons to refuse a request, independent of any protocol;
//! - [`wake`]: wake-ups for viewers, thread by thread;
//! - [`stats`]: counters; [`process_stall`] and [`recent_minimum`]: measurements that several parts share;
//! - [`stream_list`], [`setup`], [`no_signal`] and [`page`]: the list of streams, hints if it is empty, pictures for streams
//!   without any, and the page's files;
//! - [`context`]: the state that request handlers share;
//! - [`options`] and [`relay`]: the settings, and the start and shutdown of everything; [`access_file`]: the part of the
//!   settings that can change while the relay runs; [`file_version`]: recognises that a file has changed.
//!
//! The relay knows no pixels: it links neither OpenCV nor FFmpeg. It checks what clients publish as capture checks a camera's
//! JPEG and H.264, and looks inside no payload after that.

pub mod access;
pub mod access_file;
pub mod addresses;
pub mod certificates;
pub mod connection;
pub mod context;
pub mod egress;
pub mod error;
pub mod file_version;
pub mod http;
pub mod hub;
pub mod ingest;
pub mod lan;
pub mod lan_name;
pub mod limits;
pub mod no_signal;
pub mod options;
pub mod page;
pub mod process_stall;
pub mod publishing;
pub mod rate;
pub mod recent_minimum;
pub mod relay;
pub mod setup;
pub mod state;
pub mod stats;
pub mod stream_list;
pub mod wake;

pub use ingest::IngestSettings;
pub use options::{Options, Settings};
pub use relay::Relay;
