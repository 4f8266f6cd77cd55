//! Options as the user wrote them, and the settings made from them.

use clap::{Parser, Subcommand};
use serde::Deserialize;

use crate::{bench, keys, link, token};

/// Works with Fanlight's relays, and with other video servers, from the command line.
#[derive(Debug, Default, Parser, Deserialize)]
#[command(name = "fanlight", version, subcommand_required = true)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// The subcommand.
    #[command(subcommand)]
    #[serde(skip)]
    pub command: Option<Command>,
}

impl fanlight_cli::Options for Options {}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Puts load on a video server and measures frame rate, latency, and the server's CPU and memory
    Bench(Box<bench::Options>),
    /// Makes keys, so that captures and relays on different machines can authenticate each other
    #[command(subcommand)]
    Keys(keys::Action),
    /// Makes a link to a stream: a signed stand-in for a token, which expires
    Link(Box<link::Options>),
    /// Makes a random access token for a relay, and its hash
    #[command(after_help = token::USE)]
    Token,
}

/// The program's settings.
#[derive(Debug)]
pub enum Settings {
    /// Puts load on a server.
    Bench(Box<bench::Settings>),
    /// Makes or shows keys of the bus.
    Keys(keys::Action),
    /// Makes a link.
    Link(Box<link::Settings>),
    /// Makes an access token.
    Token,
}

impl TryFrom<Options> for Settings {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        match options.command {
            Some(Command::Bench(options)) => Ok(Self::Bench(Box::new((*options).try_into()?))),
            Some(Command::Keys(action)) => Ok(Self::Keys(action)),
            Some(Command::Link(options)) => Ok(Self::Link(Box::new((*options).try_into()?))),
            Some(Command::Token) => Ok(Self::Token),
            None => anyhow::bail!(
                "a command is missing: `fanlight bench URL` puts load on a server, `fanlight keys new` makes keys, \
                 `fanlight link STREAM` a link, `fanlight token` a token"
            ),
        }
    }
}
