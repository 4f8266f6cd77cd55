//! The program `fanlight`.

use std::process::ExitCode;

use fanlight_client::{Options, Settings, bench, keys, link, token};

fn main() -> ExitCode {
    fanlight_cli::run(|options: Options| Settings::try_from(options), run)
}

fn run(settings: Settings) -> anyhow::Result<()> {
    match settings {
        Settings::Bench(settings) => bench::run(*settings),
        Settings::Keys(action) => keys::run(&action),
        Settings::Link(settings) => link::run(&settings),
        Settings::Token => token::run(),
    }
}
