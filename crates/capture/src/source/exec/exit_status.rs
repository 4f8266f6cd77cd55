//! Why a command ended, in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::source::SourceError;

/// What a shell says of a command that it may not run.
const NOT_EXECUTABLE: i32 = 126;
/// What a shell says of a command that it does not find.
const NOT_FOUND: i32 = 127;
/// What a shell adds to the number of the signal that killed its command.
const KILLED: i32 = 128;

/// The reason, given how it ended, or that it did not and only closed its output; and its last word on stderr.
pub(super) fn reason(status: Option<ExitStatus>, last: Option<&str>) -> SourceError {
    let Some(status) = status else {
        return SourceError::Closed(with("the command closed its output", last));
    };
    match (status.code(), status.signal()) {
        (Some(NOT_FOUND), _) => SourceError::NotFound(with("the command (code 127)", last)),
        (Some(NOT_EXECUTABLE), _) => {
            SourceError::NotPermitted(with("the command cannot be executed (code 126)", last))
        }
        (Some(code), _) if (KILLED + 1..=KILLED + 64).contains(&code) => {
            SourceError::Other(with(&killed(code - KILLED), last))
        }
        (Some(code), _) => {
            SourceError::Other(with(&format!("the command ended with code {code}"), last))
        }
        (None, Some(signal)) => SourceError::Other(with(&killed(signal), last)),
        (None, None) => SourceError::Other(with("the command ended", last)),
    }
}

fn with(what: &str, last: Option<&str>) -> String {
    last.map_or_else(|| what.to_owned(), |last| format!("{what}: {last}"))
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
        libc::SIGKILL => " (SIGKILL: perhaps for want of memory)",
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
    fn the_way_it_ended_is_told_with_its_last_word() {
        let code = |code: i32| code << 8;
        assert_eq!(
            of(code(1), Some("ffmpeg: no such file")),
            "the command ended with code 1: ffmpeg: no such file"
        );
        assert_eq!(of(0, None), "the command ended with code 0");
        let missing = of(code(127), Some("sh: 1: nosuch: not found"));
        assert_eq!(missing, "not found: the command (code 127): sh: 1: nosuch: not found");
        assert!(of(code(126), None).starts_with("not permitted: the command cannot be executed"));
        assert_eq!(of(11, None), "the command was killed by signal 11 (SIGSEGV)");
        assert_eq!(of(code(139), None), of(11, None), "as a shell tells it");
        assert_eq!(reason(None, None).to_string(), "closed: the command closed its output");
    }
}
