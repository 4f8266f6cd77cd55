//! The reason why a command ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::source::error::SourceError;

/// The exit code of a shell that may not execute its command.
const NOT_EXECUTABLE: i32 = 126;
/// The exit code of a shell that cannot find its command.
const NOT_FOUND: i32 = 127;
/// A shell adds this to the number of the signal that killed its command.
const SIGNALLED: i32 = 128;

/// Returns the reason, given the exit status (`None`: it only closed its output) and the last line on stderr.
pub(super) fn reason(status: Option<ExitStatus>, last: Option<&str>) -> SourceError {
    let Some(status) = status else {
        return SourceError::Closed(with("the command closed its output", last));
    };
    match (status.code(), status.signal()) {
        (Some(NOT_FOUND), _) => SourceError::NotFound(with("the command (code 127)", last)),
        (Some(NOT_EXECUTABLE), _) => {
            SourceError::NotPermitted(with("the command cannot be executed (code 126)", last))
        }
        (Some(code), _) if (SIGNALLED + 1..=SIGNALLED + 64).contains(&code) => {
            SourceError::Other(with(&killed(code - SIGNALLED), last))
        }
        (Some(code), _) => {
            SourceError::Other(with(&format!("the command exited with code {code}"), last))
        }
        (None, Some(signal)) => SourceError::Other(with(&killed(signal), last)),
        (None, None) => SourceError::Other(with("the command ended", last)),
    }
}

fn with(reason: &str, last: Option<&str>) -> String {
    last.map_or_else(|| reason.to_owned(), |last| format!("{reason}: {last}"))
}

fn killed(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGQUIT => " (SIGQUIT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL, possibly out of memory)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGTERM => " (SIGTERM)",
        _ => "",
    };
    format!("the command was killed by signal {signal}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: i32, last: Option<&str>) -> String {
        reason(Some(ExitStatus::from_raw(raw)), last).to_string()
    }

    #[test]
    fn the_reason_contains_the_exit_status_and_the_last_line() {
        let code = |code: i32| code << 8;
        assert_eq!(
            of(code(1), Some("ffmpeg: no such file")),
            "the command exited with code 1: ffmpeg: no such file"
        );
        assert_eq!(of(0, None), "the command exited with code 0");
        let missing = of(code(127), Some("sh: 1: nosuch: not found"));
        assert_eq!(missing, "not found: the command (code 127): sh: 1: nosuch: not found");
        assert!(of(code(126), None).starts_with("not permitted: the command cannot be executed"));
        assert_eq!(of(11, None), "the command was killed by signal 11 (SIGSEGV)");
        assert_eq!(of(code(139), None), of(11, None), "as a shell reports it");
        assert_eq!(reason(None, None).to_string(), "closed: the command closed its output");
    }
}
