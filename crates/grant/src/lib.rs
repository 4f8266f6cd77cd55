//! Signed stand-ins for tokens: links to one stream, and sessions of the page.
//!
//! - [`token_hash`]: the hash of a token, which relays keep in its place;
//! - [`signer`]: signs texts and recognizes them, by a secret and the hash of a token;
//! - [`link`]: a link: one stream, one right, until a time;
//! - [`seconds`]: times as they are written into signed texts.
//!
//! A relay that knows the secret accepts what another relay, or the command line, has signed with it. This crate has no IO
//! and no clock, and does not know the rights of tokens: those are in the relay's access table.

pub mod link;
pub mod seconds;
pub mod signer;
pub mod token_hash;

pub use link::{Link, LinkRight};
pub use signer::Signer;
pub use token_hash::TokenHash;
