//! What the user wrote, and what the program makes of it.

use clap::{Parser, Subcommand};
use serde::Deserialize;

use crate::{bench, keys};

/// Works with Fanlight's relays, and with other servers of live pictures, from the command line.
#[derive(Debug, Default, Parser, Deserialize)]
#[command(name = "fanlight", version, subcommand_required = true)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    #[serde(skip)]
    pub command: Option<Command>,
}

impl fanlight_cli::Options for Options {}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Puts load on a server of live pictures, and measures what its viewers get and what it costs
    Bench(Box<bench::Options>),
    /// Makes keys, with which captures and relays on different machines know each other
    #[command(subcommand)]
    Keys(keys::Action),
}

/// What the program works with.
#[derive(Debug)]
pub enum Settings {
    /// Puts load on a server.
    Bench(Box<bench::Settings>),
    /// Makes or shows keys of the bus.
    Keys(keys::Action),
}

impl TryFrom<Options> for Settings {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        match options.command {
            Some(Command::Bench(options)) => Ok(Self::Bench(Box::new((*options).try_into()?))),
            Some(Command::Keys(action)) => Ok(Self::Keys(action)),
            None => anyhow::bail!(
                "a command is missing: `fanlight bench URL` puts load on a server, `fanlight keys new` makes keys"
            ),
        }
    }
}
