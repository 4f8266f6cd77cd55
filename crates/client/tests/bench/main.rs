//! `fanlight bench` against tiny servers that say exactly what they are meant to say.

mod program;
mod refusals;
mod server;
mod viewing;
