//! The steps that every `main` shares.

use std::io::Write;
use std::process::ExitCode;

use crate::options::{self, Options, Stop};
use crate::{log, secret};

/// Exit code for invalid options.
const USAGE: u8 = 2;
/// Exit code for a failure while running.
const FAILED: u8 = 1;

/// Loads options, turns them into settings, starts logging, and runs the program to its end.
///
/// Exit codes: 0 success, 1 failure while running, 2 invalid options (nothing was started). With `--check-config` the
/// program exits after `settings`, so `settings` must not touch the outside world.
pub fn run<O: Options, S>(
    settings: impl FnOnce(O) -> anyhow::Result<S>,
    program: impl FnOnce(S) -> anyhow::Result<()>,
) -> ExitCode {
    let loaded = match options::load::<O>(std::env::args_os()) {
        Ok(loaded) => loaded,
        Err(Stop::Text(text)) => {
            say(std::io::stdout(), text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(Stop::Error(text)) => return refuse(&text),
    };
    let settings = match settings(loaded.options) {
        Ok(settings) => settings,
        Err(error) => return refuse(&chain(&error)),
    };
    if loaded.common.check_config {
        say(std::io::stdout(), "the configuration is valid");
        return ExitCode::SUCCESS;
    }
    log::init(loaded.common.log, loaded.common.log_level);
    let code = match program(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", chain(&error));
            ExitCode::from(FAILED)
        }
    };
    log::flush();
    code
}

fn refuse(text: &str) -> ExitCode {
    say(std::io::stderr(), &format!("error: {text}"));
    ExitCode::from(USAGE)
}

/// Returns an error and its causes on one line, without any password.
fn chain(error: &anyhow::Error) -> String {
    secret::mask_url(&format!("{error:#}"))
}

/// Writes a line. Ignores a closed pipe, as in `--help | head -1`.
fn say(mut out: impl Write, text: &str) {
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_causes_but_no_password() {
        let cause = anyhow::anyhow!("rtsp://admin:hunter2@cam/ refused");
        assert_eq!(
            chain(&cause.context("cannot start")),
            "cannot start: rtsp://***:***@cam/ refused"
        );
    }
}
