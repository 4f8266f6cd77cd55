//! `lossy-link`: two network namespaces and a bad link between them, until SIGINT or SIGTERM.

use std::io::{self, Write, stdout};
use std::net::Ipv4Addr;
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;
use fanlight_cli::stop::Shutdown;
use fanlight_lossy_link::forwarder::End;
use fanlight_lossy_link::{Forwarder, Link, Namespace};
use rustix::process::geteuid;

/// Addresses of the two ends. They exist in the two namespaces only.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 214, 77, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 214, 77, 2);
/// The interval at which the program checks that the link still works.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Makes two network namespaces and a bad link between them, prints their names and addresses, and removes them on
/// SIGINT or SIGTERM
///
/// Rate, queue and loss apply to each direction by itself. Start programs at the ends with `ip netns exec NAME COMMAND`.
/// Needs root and /dev/net/tun. A process that is killed by SIGKILL leaves its namespaces behind: `ip netns delete`
/// removes them.
#[derive(Debug, Parser)]
#[command(name = "lossy-link", version, after_help = LIMITS)]
struct Options {
    /// Mbit/s each way, 0.01 to 1000
    #[arg(long, value_name = "MBIT", default_value_t = 20.0, value_parser = rate)]
    rate: f64,

    /// Milliseconds of a round trip through empty queues, 0 to 10000
    #[arg(long, value_name = "MS", default_value_t = 40, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    round_trip: u32,

    /// Percent of packets that are lost at random each way, 0 to 100
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = percent)]
    loss: f64,

    /// Milliseconds that a packet may wait to be sent, 1 to 10000; a packet that would wait longer is dropped
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    queue: u32,

    /// Seed of the random losses
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

const LIMITS: &str = "Limits: packets of 1500 bytes; 64 MiB of them in flight in each direction.";

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr hides the reason, but not the exit code.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(geteuid().is_root(), "only root may make network namespaces and TUN devices");
    let stop = Shutdown::on_signals()?;
    let names = ["near", "far"].map(|end| format!("flossy{}{end}", process::id()));
    let near = Namespace::named(&names[0])?;
    let far = Namespace::named(&names[1])?;
    // Programs at either end also connect to themselves.
    near.run("ip", "link set lo up")?;
    far.run("ip", "link set lo up")?;
    let ends = [
        End { namespace: &near, address: NEAR, device: "near" },
        End { namespace: &far, address: FAR, device: "far" },
    ];
    let forwarder = Forwarder::start(&ends[0], &ends[1], options.link())?;
    say(&format!("up: {} {NEAR}, {} {FAR}", names[0], names[1]))?;
    while !stop.wait_timeout(CHECK_EVERY) {
        ensure!(forwarder.is_running(), "a TUN device failed: the link is down");
    }
    for (way, counts) in ["near to far", "far to near"].into_iter().zip(forwarder.counts()) {
        let (delivered, lost, dropped) = (counts.delivered, counts.lost, counts.dropped);
        say(&format!("{way}: {delivered} delivered, {lost} lost, {dropped} dropped by the queue"))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(stdout(), "{line}")?;
    stdout().flush()
}

impl Options {
    fn link(&self) -> Link {
        Link {
            bits_per_second: self.rate * 1e6,
            round_trip: Duration::from_millis(self.round_trip.into()),
            loss: self.loss / 100.0,
            queue: Duration::from_millis(self.queue.into()),
            seed: self.seed,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    within(text, 0.01, 1000.0)
}

fn percent(text: &str) -> Result<f64, String> {
    within(text, 0.0, 100.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| format!("must be {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn invalid_values_are_refused() {
        for wrong in ["--rate=0", "--rate=nan", "--loss=101", "--queue=0", "--round-trip=10001"] {
            assert!(Options::try_parse_from(["lossy-link", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_options_are_those_of_the_link() {
        let options = Options::parse_from(["lossy-link", "--rate=4", "--loss=1", "--seed=7"]);
        let link = Link {
            bits_per_second: 4e6,
            round_trip: Duration::from_millis(40),
            loss: 0.01,
            queue: Duration::from_millis(100),
            seed: 7,
        };
        assert_eq!(options.link(), link);
    }
}
