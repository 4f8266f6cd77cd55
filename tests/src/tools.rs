//! Third-party programs.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

/// Debian's Python: Debian's packages of modules install for this interpreter.
pub const PYTHON: &str = "/usr/bin/python3";

/// Returns the command that runs a program.
pub fn tool(program: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs a program to its end and writes `stdin` to it piece by piece; returns its stdout.
///
/// # Panics
/// Panics if it is missing (`package` is the package to install) or fails.
pub fn feed(package: &str, command: Command, stdin: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    feed_with_stderr(package, command, stdin).0
}

/// Does the same as [`feed`]; also returns its stderr.
///
/// # Panics
/// Panics like [`feed`].
pub fn feed_with_stderr(
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
    // A thread writes stdin, because the program may write output before it has read all of it.
    let feeding = thread::spawn(move || {
        for piece in pieces {
            if pipe.write_all(&piece).is_err() {
                // The program reports the reason on stderr, which is shown below.
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

/// Runs a program to its end; returns its stdout.
///
/// # Panics
/// Panics like [`feed`].
pub fn run(package: &str, command: Command) -> String {
    String::from_utf8_lossy(&feed(package, command, std::iter::empty())).into_owned()
}

/// Runs a Python program with arguments.
///
/// # Panics
/// Panics like [`feed`]; `package` is the package with the modules it imports.
pub fn python(package: &str, program: &str, arguments: &[&str]) -> String {
    run(package, tool(PYTHON, &[&["-c", program], arguments].concat()))
}
