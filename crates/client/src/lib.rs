//! `fanlight`: what one does with a relay from the command line.
//!
//! - [`options`]: what the user wrote, one subcommand at a time;
//! - [`mod@bench`]: viewers by the hundred, to see what a server of live pictures can do, and what it costs.
//!
//! What does not belong here: anything that shows pictures (that is the page's business), and anything of the bus.

pub mod bench;
pub mod options;

pub use options::{Options, Settings};
