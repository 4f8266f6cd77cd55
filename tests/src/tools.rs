//! Third-party programs.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

/// Debian's Python, for which Debian packages the modules.
pub const PYTHON: &str = "/usr/bin/python3";

/// Returns a command.
pub fn tool(program: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs a program to its end and gives it `stdin` piece by piece; returns what it wrote to stdout.
///
/// # Panics
/// Panics if it is missing (`package` names what to install), or fails.
pub fn feed(package: &str, command: Command, stdin: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    feed_and_hear(package, command, stdin).0
}

/// Does the same as [`feed`]; also returns its stderr.
///
/// # Panics
/// As [`feed`].
pub fn feed_and_hear(
    package: &str,
    mut command: Command,
    stdin: impl Iterator<Item = Vec<u8>>,
) -> (Vec<u8>, String) {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}: install the package {package}"));
    let mut pipe = child.stdin.take().expect("asked for above");
    let pieces: Vec<Vec<u8>> = stdin.collect();
    // It may write while it reads.
    let feeding = thread::spawn(move || {
        for piece in pieces {
            if pipe.write_all(&piece).is_err() {
                // The error is reported below.
                break;
            }
        }
    });
    let Output { status, stdout, stderr } = child.wait_with_output().expect("a child of ours");
    feeding.join().expect("no panic while a pipe is written to");
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{name} (package {package}): {status}: {stderr}");
    (stdout, stderr)
}

/// Runs a program to its end; returns what it wrote to stdout.
///
/// # Panics
/// As [`feed`].
pub fn run(package: &str, command: Command) -> String {
    String::from_utf8_lossy(&feed(package, command, std::iter::empty())).into_owned()
}

/// Runs a Python program with arguments.
///
/// # Panics
/// Panics as [`feed`] does; `package` has the modules it imports.
pub fn python(package: &str, program: &str, arguments: &[&str]) -> String {
    run(package, tool(PYTHON, &[&["-c", program], arguments].concat()))
}
