//! `fanlight bench`: viewers by the hundred, so cheap that they can live beside the server that they measure.
//!
//! In the order of a run:
//!
//! - [`options`]: what the user wrote, and [`settings`]: what that means, with [`url`] and the [`request`] to send;
//! - [`worker`]: a thread with its share of the viewers, and the system's epoll;
//! - [`viewer`]: one connection, from its [`socket`] over the server's [`answer`] ([`handshake`]) to one message after
//!   the other. Bytes become messages in [`decode`]; of a [`message`] only its first bytes are looked at, and the kernel
//!   throws away the rest; what `fanlight.v1` means by them stands in [`v1`];
//! - [`meter`]: what is counted, in bounded memory;
//! - [`process`] and [`machine`]: what it costs, from `/proc`;
//! - [`report`] and [`table`]: the figures, for programs and for people; [`progress`] while one waits.
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
pub mod url;
pub mod v1;
pub mod viewer;
pub mod worker;

pub use options::Options;
pub use run::run;
pub use settings::Settings;
