//! `fanlight keys`: makes and shows the keys of the bus.

use std::io::{Write, stdout};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use fanlight_bus::KeyPair;
use fanlight_bus::keys::written;

/// A subcommand of `fanlight keys`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Makes a key pair: NAME.secret, which only you can read, and NAME.pub, for the other side
    #[command(after_help = SETUP)]
    New {
        /// Path of the new files, without an ending; its last part names the key in logs and lists
        #[arg(long, value_name = "FOLDER/NAME")]
        out: PathBuf,
    },
    /// Prints the public key that belongs to a secret key file, as a line for --bus-allow
    Public {
        /// A file NAME.secret
        #[arg(value_name = "FILE")]
        secret: PathBuf,
    },
}

const SETUP: &str = "\
A capture and a relay on two machines:
  on the capture's machine  fanlight keys new --out garage
  on the relay's machine    fanlight keys new --out hall
  copy hall.pub to the capture's machine, and garage.pub to the relay's
  fanlight-capture --publish tcp://*:7475 --bus-key garage.secret --bus-allow hall.pub --stream …
  fanlight-relay --subscribe tcp://192.168.1.10:7475#key=garage.pub --bus-key hall.secret
More relays: --bus-allow takes a file with the lines of several .pub files (cat *.pub > relays). Never copy a .secret file.
Existing files are not overwritten.";

/// Runs the subcommand.
///
/// # Errors
/// Fails if a file exists already, or cannot be read or written.
pub fn run(action: &Action) -> anyhow::Result<()> {
    match action {
        Action::New { out } => new(out),
        Action::Public { secret } => {
            let name = secret.file_stem().unwrap_or_default().to_string_lossy();
            print(&format!("{} {name}\n", KeyPair::read(secret)?.public))
        }
    }
}

fn new(out: &std::path::Path) -> anyhow::Result<()> {
    ensure!(out.file_name().is_some(), "--out {}: write it as FOLDER/NAME", out.display());
    let pair = KeyPair::generate()?;
    pair.write(out)?;
    let (secret, public) = written(out);
    let (secret, public) = (secret.display(), public.display());
    print(&format!(
        "{secret}: the secret key. Keep it on this machine (--bus-key {secret}).\n\
         {public}: the public key. Copy it to the other machine (a capture's --bus-allow, a relay's #key=).\n"
    ))
}

fn print(text: &str) -> anyhow::Result<()> {
    stdout().write_all(text.as_bytes()).context("cannot write to stdout")
}
