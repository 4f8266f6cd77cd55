//! `fanlight-capture`: frames from cameras, files and URLs onto the bus.

use std::io::{Write, stdout};
use std::process::ExitCode;

use fanlight_capture::source::webcam::list;
use fanlight_capture::{Command, Options, Settings, StreamSettings, probe};
use fanlight_cli::stop::Shutdown;

fn main() -> ExitCode {
    fanlight_cli::run(|options: Options| Command::try_from(options), execute)
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::ListDevices => list_devices(),
        Command::Probe(stream) => probe(*stream),
        Command::Capture(settings) => capture(settings),
    }
}

fn list_devices() -> anyhow::Result<()> {
    Ok(stdout().write_all(list::describe().as_bytes())?)
}

fn probe(stream: StreamSettings) -> anyhow::Result<()> {
    let description = probe::probe(stream, &Shutdown::on_signals()?)?;
    Ok(stdout().write_all(description.as_bytes())?)
}

fn capture(settings: Settings) -> anyhow::Result<()> {
    let stop = Shutdown::on_signals()?;
    fanlight_capture::run(settings, &stop)
}
