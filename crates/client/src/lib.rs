//! `fanlight`: what one does with a relay from the command line.
//!
//! - [`options`]: what the user wrote, one subcommand at a time;
//! - [`mod@bench`]: viewers by the hundred, to see what a server of live pictures can do, and what it costs;
//! - [`keys`]: keys for captures and relays on different machines.
//!
//! What does not belong here: anything that shows pictures (that is the page's business), and of the bus anything but its
//! keys.

pub mod bench;
pub mod keys;
pub mod options;

pub use options::{Options, Settings};
