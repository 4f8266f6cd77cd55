//! What the user wrote, and what the program makes of it.

use clap::{Parser, Subcommand};
use serde::Deserialize;

use crate::bench;

/// Works with Fanlight's relays, and with other servers of live pictures, from the command line.
#[derive(Debug, Default, Parser, Deserialize)]
#[command(name = "fanlight", version, subcommand_required = true)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    #[serde(skip)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Puts load on a server of live pictures, and measures what its viewers get and what it costs
    Bench(Box<bench::Options>),
}

/// What the program works with.
#[derive(Debug)]
pub enum Settings {
    /// Puts load on a server.
    Bench(Box<bench::Settings>),
}

impl TryFrom<Options> for Settings {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        match options.command {
            Some(Command::Bench(options)) => Ok(Self::Bench(Box::new((*options).try_into()?))),
            None => anyhow::bail!("what is to be done? `fanlight bench URL` puts load on a server"),
        }
    }
}
