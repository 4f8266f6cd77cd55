//! Checks of the repository itself: plain English in every text, and the rules of the layout.
//!
//! In the order of the data: `files` and `repository` read the files that git tracks, `rust` splits Rust sources into
//! tokens, `prose` and `layout` find violations, `figures` and `names` count, and `commands` prints.
//!
//! Other tools check formatting, lints, types and licences: rustfmt, clippy, the compilers and cargo-deny.

mod code;
pub mod commands;
pub mod figures;
pub mod files;
pub mod finding;
pub mod layout;
pub mod names;
mod places;
pub mod prose;
pub mod repository;
pub mod rust;
