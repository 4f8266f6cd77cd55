//! The state that outlives the relay, in a folder that other users cannot read.
//!
//! - [`folder`]: the folder, which one relay at a time changes;
//! - [`secrets`]: the token of `--lan`, and the secret for sessions and links; each is made once.
//!
//! The keys of `--tls auto` are in the same folder; see [`certificates`](crate::certificates).

pub mod folder;
pub mod secrets;

pub use folder::StateFolder;
pub use secrets::{KeptSecrets, KeptSettings};
