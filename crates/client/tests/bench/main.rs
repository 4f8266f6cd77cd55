//! `fanlight bench` against tiny servers that send scripted bytes.

mod program;
mod refusals;
mod server;
mod viewing;
