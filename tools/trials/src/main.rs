//! `trial`: the relay under trial, with real processes and real sockets.
//!
//! - [`options`]: the command line;
//! - [`joins`]: viewers that join must keep receiving bytes;
//! - [`lossy`]: frame rate and age over bad links;
//! - [`table`]: the results, as Markdown.
//!
//! The harness of the end-to-end suite (`fanlight-tests`) has the processes, viewers and links. `fanlight bench`
//! generates the load. `scripts/trial` builds all of it and then runs this program.

mod joins;
mod lossy;
mod options;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use options::{Options, Trial};

fn main() -> ExitCode {
    match run(Options::parse().trial) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A closed stderr hides the reason, but not the exit code.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a trial; returns whether its rule held.
fn run(trial: Trial) -> anyhow::Result<bool> {
    match trial {
        Trial::Joins(options) => joins::run(&options),
        Trial::Lossy(options) => lossy::run(&options),
    }
}
