//! `yardstick`: reference servers and synthetic cameras for measuring the relay.

use std::io::{self, Write, stdout};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use fanlight_cli::stop::Shutdown;
use fanlight_yardstick::camera::Camera;
use fanlight_yardstick::options::{Options, Task};
use fanlight_yardstick::{broadcast, chart, report, writev};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> ExitCode {
    match perform(Options::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr hides the reason, but not the exit code.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Camera(options) => {
            let stop = Shutdown::on_signals()?;
            let camera = Camera::start(options.into())?;
            for endpoint in camera.endpoints() {
                say_ready(endpoint)?;
            }
            camera.run(&stop)
        }
        Task::Writev(options) => {
            let stop = Shutdown::on_signals()?;
            writev::serve(listen(options.listen)?, &options.into(), &stop)
        }
        Task::Broadcast(options) => {
            let stop = Shutdown::on_signals()?;
            let listener = listen(options.listen)?;
            broadcast::serve(listener, options.made.into(), options.threads, &stop)
        }
        Task::Report(options) => report::write(&options),
        Task::Chart(options) => chart::write(&options),
    }
}

/// Binds, raises the limit on open files, and prints the address.
fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    say_ready(listener.local_addr()?)?;
    Ok(listener)
}

fn say_ready(address: impl std::fmt::Display) -> io::Result<()> {
    let mut out = stdout();
    writeln!(out, "listening on {address}")?;
    out.flush()
}
