//! The command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Tests the relay with real processes and real sockets, and prints a table
///
/// Exit codes: 0 the trial's rule held, 1 it was broken or the trial failed, 2 invalid options.
#[derive(Debug, clap::Parser)]
#[command(name = "trial", version)]
pub(crate) struct Options {
    /// The trial
    #[command(subcommand)]
    pub(crate) trial: Trial,
}

/// A trial.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Trial {
    /// Viewers that join or stop for a while: none may be without bytes for longer than its own pause and 0.5 s
    Joins(JoinsOptions),
    /// Frame rate and age over links with loss or a low rate, under bbr and cubic. Needs root, for network namespaces
    Lossy(LossyOptions),
}

/// Options of `trial joins`.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinsOptions {
    /// 300 joins a cell, observed for 3 s each: about 25 minutes. Without it: 20 joins for 1.5 s, about a minute
    #[arg(long)]
    pub(crate) full: bool,

    /// Joins a cell, 1 to 10000 [default: 20, with --full 300; a fifth of it with the reader stop]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) joins: Option<u32>,

    /// Viewers of a cell that join at the same time, 1 to 100 [default: 20; 4 with the reader working]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) at_once: Option<u32>,

    /// Only frames of this size, in bytes; repeatable, 100 to 16777216 [default: 90000, 250000 and 600000; 250000
    /// with the reader stop]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(100..=16_777_216))]
    pub(crate) bytes: Vec<u32>,

    /// Only these readers; repeatable [default: all]
    #[arg(long, value_enum)]
    pub(crate) reader: Vec<Reader>,

    /// The relay's program [default: the one that was built with this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) relay: Option<PathBuf>,

    /// Decides when viewers join
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Options of `trial lossy`.
#[derive(Debug, clap::Args)]
pub(crate) struct LossyOptions {
    /// 5 rounds of 20 s a run, one run after another: more than half an hour for each relay. Without it: one round of
    /// 6 s, all runs side by side
    #[arg(long)]
    pub(crate) full: bool,

    /// Rounds, each of which measures every row once; medians are shown; 1 to 100 [default: 1, with --full 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: Option<u32>,

    /// Measured seconds of a run, 2 to 20 [default: 6, with --full 20]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(2..=20))]
    pub(crate) seconds: Option<u32>,

    /// Only rows whose name contains this text; repeatable
    #[arg(long, value_name = "TEXT")]
    pub(crate) row: Vec<String>,

    /// A relay's program. Several are measured in turn within each round [default: the one that was built with this
    /// program]
    #[arg(long, value_name = "PATH")]
    pub(crate) relay: Vec<PathBuf>,

    /// Decides which packets are lost
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Returns the absolute path of a relay's program, which does not depend on the working directory.
pub(crate) fn program(relay: &Path) -> anyhow::Result<String> {
    let path = fs::canonicalize(relay).with_context(|| format!("--relay {}", relay.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

/// A viewer's way of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Reader {
    /// Reads each byte as soon as it arrives
    Immediate,
    /// Reads 16 KiB, then works on them for 0.2 ms on average; and 64 KiB, then works for 1 ms on average
    Working,
    /// Reads each byte as soon as it arrives, except for the first 100 ms
    Late,
    /// Reads a third of the stream's bytes, in 20 portions a second
    Trickle,
    /// Reads each byte as soon as it arrives, with a receive buffer of 64 KiB (SO_RCVBUF)
    SmallBuffer,
    /// Stops reading after the first second for 1, 5 and 9 s
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_options_do_not_contradict_each_other() {
        Options::command().debug_assert();
    }

    #[test]
    fn impossible_values_are_refused() {
        for wrong in ["--joins=0", "--joins=10001", "--bytes=99", "--bytes=16777217", "--reader=x"]
        {
            assert!(Options::try_parse_from(["trial", "joins", wrong]).is_err(), "{wrong}");
        }
    }
}
