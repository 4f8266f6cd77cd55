//! `fanlight bench`: hundreds of viewers, cheap enough to run on the same machine as the server they measure.
//!
//! In the order of a run:
//!
//! - [`options`]: the user's options, and [`settings`]: the settings made from them, with [`url`] and the [`request`]
//!   to send;
//! - [`worker`]: a thread that runs its share of the viewers with epoll;
//! - [`viewer`]: one connection, from its [`socket`], with or without [`tls`], and the server's [`answer`] ([`handshake`]) to its messages.
//!   [`decode`] finds the messages in the bytes. Only the first bytes of a [`message`] are inspected, and the kernel
//!   discards the rest. [`v1`] interprets the messages of `fanlight.v1`;
//! - [`meter`]: counters and histograms, in bounded memory;
//! - [`process`] and [`machine`]: CPU and memory, from `/proc`;
//! - [`report`] and [`table`]: the figures, for programs and for people; [`progress`] during the run.
//!
//! [`decode`], [`answer`], [`message`], [`v1`] and [`meter`] have neither IO nor clock.

pub mod answer;
pub mod decode;
pub mod handshake;
pub mod machine;
pub mod message;
pub mod meter;
pub mod options;
pub mod process;
pub mod progress;
pub mod report;
pub mod request;
mod run;
pub mod settings;
pub mod socket;
pub mod table;
pub mod tls;
pub mod url;
pub mod v1;
pub mod viewer;
pub mod worker;

pub use options::Options;
pub use run::run;
pub use settings::Settings;
